"""The command: what each verb prints, and the exit code of everything that can go wrong."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from graphs import chain
from subgraft.cli import main
from subgraft.cli.exit_codes import CheckFailed, ExitCode, MissingDependency, UsageError, exit_code
from subgraft.cli.table import MAX_COLUMNS
from subgraft.delegates import (
    Failed,
    Graph,
    InvokeError,
    ModelError,
    NotDelegated,
    Op,
    Options,
    Overrun,
    Quantization,
    Rejected,
    Tensor,
    Unavailable,
    Unsupported,
)
from subgraft.interpreter import Model

DOC = Path(__file__).parents[1] / "docs" / "cli.md"


@pytest.fixture
def model(tmp_path: Path) -> str:
    """relu6(relu(x) + relu(x)) of four floats."""
    return saved(tmp_path / "model.tflite", chain("RELU", "ADD", "RELU6"))


@pytest.fixture
def values(tmp_path: Path) -> str:
    """-1, 0, 2, 8: the model makes 0, 0, 4, 6 of them."""
    np.save(tmp_path / "x.npy", np.array([-1, 0, 2, 8], np.float32))
    return str(tmp_path / "x.npy")


def saved(path: Path, graph: Graph) -> str:
    path.write_bytes(Model.of(graph).to_bytes())
    return str(path)


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a user starts it."""
    program = [sys.executable, "-c", "import sys; from subgraft.cli import main; sys.exit(main())", *arguments]
    return subprocess.run(program, capture_output=True, text=True, env={**os.environ, **environment}, timeout=60)


def test_run_prints_the_outputs(model: str, values: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", model, "--input", values]) == ExitCode.OK
    assert "0 0 4 6" in capsys.readouterr().out


def test_run_through_a_delegate_gives_the_same_and_names_it(
    model: str, values: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", model, "--input", f"x={values}", "--delegate", "fake", "--json"]) == ExitCode.OK
    result = json.loads(capsys.readouterr().out)
    assert result["answer"]["outputs"]["t3"]["values"] == [0, 0, 4, 6]
    assert [segment["owner"] for segment in result["plan"]["segments"]] == ["fake"]


def test_a_delegate_that_fails_is_replaced_and_told_of(
    model: str, values: str, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = ["--delegate", "fake", "--option", "fake.faults=fail@1"]
    assert main(["run", model, "--input", values, *failing]) == ExitCode.OK
    result = capsys.readouterr()
    assert "0 0 4 6" in result.out
    assert "told to fail" in result.out
    assert "told to fail" in result.err


def test_repeat_reports_times(model: str, values: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", model, "--input", values, "--repeat", "3"]) == ExitCode.OK
    assert re.search(r"3 runs: median \d+\.\d\d ms, least \d+\.\d\d ms", capsys.readouterr().out)


def test_outputs_are_written_where_asked(model: str, values: str, tmp_path: Path) -> None:
    assert main(["run", model, "--input", values, "--output", str(tmp_path / "new" / "folder")]) == ExitCode.OK
    assert np.load(tmp_path / "new" / "folder" / "0_t3.npy").tolist() == [0, 0, 4, 6]


def test_inspect_shows_ops_tensors_and_memory(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", model]) == ExitCode.OK
    shown = capsys.readouterr().out
    for word in ("RELU6", "float32", "x", "arena", "start to"):
        assert word in shown


def test_inspect_marks_ops_without_a_kernel(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "odd.tflite", odd())
    assert main(["inspect", path, "--json"]) == ExitCode.OK
    facts = json.loads(capsys.readouterr().out)
    assert [(kind["kind"], kind["kernel"]) for kind in facts["graphs"][0]["kinds"]] == [("Odd", False)]
    assert "Odd" in facts["memory"]["unsupported"]
    assert main(["inspect", path]) == ExitCode.OK
    assert re.search(r"1 +Odd +1 +NONE", capsys.readouterr().out)


def odd() -> Graph:
    tensors = [Tensor("x", (4,), "float32"), Tensor("y", (4,), "float32")]
    return Graph(tensors, [Op("Odd", (0,), (1,), is_custom=True)], (0,), (1,))


def test_names_in_a_file_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "\x1b[31m\nrow"
    graph = Graph(
        [Tensor(evil, (4,), "float32"), Tensor("y", (4,), "float32")], [Op("RELU", (0,), (1,))], (0,), (1,), evil
    )
    path = saved(tmp_path / "evil.tflite", graph)
    assert main(["inspect", path]) == ExitCode.OK
    assert main(["run", path]) == ExitCode.USAGE
    result = capsys.readouterr()
    assert "[31m" in result.out and "[31m" in result.err
    assert "\x1b" not in result.out + result.err


def test_long_lists_are_cut_unless_all_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "long.tflite", chain(*["RELU"] * 60))
    assert main(["inspect", path]) == ExitCode.OK
    assert "... and 20 more; --all shows them" in capsys.readouterr().out
    assert main(["inspect", path, "--all"]) == ExitCode.OK
    assert "more; --all" not in capsys.readouterr().out


def test_plan_tells_who_runs_each_op_and_why_not(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", model, "--delegate", "fake", "--deny-op", "ADD"]) == ExitCode.OK
    shown = capsys.readouterr().out
    assert "fake runs 2 of 3 ops in 2 segments" in shown
    assert "ADD" in shown and "deny" in shown


def test_a_strict_plan_shows_why_and_ends_with_1(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    refusing = ["plan", model, "--delegate", "fake", "--option", "fake.refuses=ADD"]
    assert main([*refusing, "--strict"]) == ExitCode.CHECK_FAILED
    shown = capsys.readouterr().out
    assert "fake runs 2 of 3 ops" in shown
    assert main(refusing) == ExitCode.OK
    assert capsys.readouterr().out == shown


def test_strict_comes_from_the_environment_too(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBGRAFT_STRICT", "1")
    assert main(["plan", model]) == ExitCode.CHECK_FAILED
    monkeypatch.setenv("SUBGRAFT_STRICT", "perhaps")
    assert main(["plan", model]) == ExitCode.USAGE


def test_an_input_may_go_without_its_name_only_where_it_is_the_only_one(
    tmp_path: Path, values: str, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors = [Tensor(name, (4,), "float32") for name in ("left", "right", "sum")]
    options = Options({"fused_activation_function": "NONE"}, table="AddOptions")
    path = saved(tmp_path / "two.tflite", Graph(tensors, [Op("ADD", (0, 1), (2,), options)], (0, 1), (2,)))
    assert main(["run", path, "--input", values]) == ExitCode.USAGE
    assert "'left' (float32[4]); 'right' (float32[4])" in capsys.readouterr().err
    assert main(["run", path, "--input", f"left={values}", "--input", values]) == ExitCode.OK
    assert "-2 0 4 16" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["run", "inspect", "plan"])
def test_json_is_one_document_and_text_fits_100_columns(
    verb: str, model: str, values: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [verb, model, *(["--input", values] if verb == "run" else [])]
    assert main([*arguments, "--json"]) == ExitCode.OK
    assert isinstance(json.loads(capsys.readouterr().out), dict)
    assert main(arguments) == ExitCode.OK
    assert max(map(len, capsys.readouterr().out.splitlines())) <= MAX_COLUMNS


def test_the_threads_and_the_delegate_come_from_the_environment(
    model: str, values: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SUBGRAFT_DELEGATE", "fake")
    monkeypatch.setenv("OMP_NUM_THREADS", "2,1")
    assert main(["plan", model]) == ExitCode.OK
    assert "fake runs 3 of 3 ops" in capsys.readouterr().out
    monkeypatch.setenv("SUBGRAFT_THREADS", "many")
    assert main(["plan", model]) == ExitCode.USAGE


USAGE = {
    "no input": ["run", "MODEL"],
    "no such input": ["run", "MODEL", "--input", "nope=VALUES"],
    "an input twice": ["run", "MODEL", "--input", "x=VALUES", "--input", "x=VALUES"],
    "no such file": ["run", "MODEL", "--input", "/no/such.npy"],
    "not an array": ["run", "MODEL", "--input", "MODEL"],
    "no picture input": ["run", "MODEL", "--image", "VALUES"],
    "no labels": ["run", "MODEL", "--input", "VALUES", "--labels", "/no/such.txt"],
    "no classes": ["run", "MODEL", "--input", "VALUES", "--as", "detection"],
    "nowhere to write": ["run", "MODEL", "--input", "VALUES", "--output", "VALUES"],
    "no runs": ["run", "MODEL", "--input", "VALUES", "--repeat", "0"],
    "an option of nobody": ["run", "MODEL", "--input", "VALUES", "--option", "fake.faults=fail"],
    "an option without a value": ["plan", "MODEL", "--delegate", "fake", "--option", "faults"],
    "an unknown option": ["plan", "MODEL", "--delegate", "fake", "--option", "fake.nope=1"],
    "a node that is not there": ["plan", "MODEL", "--delegate", "fake", "--deny-node", "99"],
    "a denial to nobody": ["plan", "MODEL", "--deny-op", "ADD"],
    "too few threads": ["plan", "MODEL", "--threads", "0"],
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE.keys())
def test_a_wrong_command_line_is_2_without_a_traceback(
    arguments: list[str], model: str, values: str, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [text.replace("MODEL", model).replace("VALUES", values) for text in arguments]
    assert main(filled) == ExitCode.USAGE
    result = capsys.readouterr()
    assert result.err.startswith("subgraft: error: ")
    assert result.out == ""


@pytest.mark.parametrize("arguments", [[], ["nope"], ["run"], ["run", "m", "--nope"], ["run", "m", "--mean", "x"]])
def test_what_argparse_refuses_is_2_and_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == ExitCode.USAGE
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("subgraft: error: ") and "--help' shows what there is" in lines[0]


def test_an_array_of_another_type_is_refused_with_the_line_that_converts_it(
    tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "x.npy", np.zeros(4))
    assert main(["run", model, "--input", str(tmp_path / "x.npy")]) == ExitCode.USAGE
    assert "is float64, but the input is 'x' (float32[4]); convert it with array.astype('float32')" in (
        capsys.readouterr().err
    )


def test_the_line_that_quantizes_is_told_and_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scaled = Quantization((0.5,), (-3,))
    graph = Graph([Tensor(n, (4,), "int8", quantization=scaled) for n in "xy"], [Op("RELU", (0,), (1,))], (0,), (1,))
    path, floats = saved(tmp_path / "int8.tflite", graph), np.array([-1, 0.3, 1, 900], np.float32)
    np.save(tmp_path / "x.npy", floats)
    assert main(["run", path, "--input", str(tmp_path / "x.npy")]) == ExitCode.USAGE
    found = re.search(r"quantize it with (.+)$", capsys.readouterr().err)
    assert found
    assert eval(found[1], {"np": np, "array": floats}).tolist() == [-5, -2, -1, 127]


@pytest.mark.parametrize("verb", ["run", "inspect", "plan"])
@pytest.mark.parametrize("content", [None, b"", b"garbage", bytes(8) + b"TFL3" + bytes(100)])
def test_a_model_that_cannot_be_read_is_3(
    verb: str, content: bytes | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.tflite"
    if content is not None:
        path.write_bytes(content)
    assert main([verb, str(path)]) == ExitCode.MODEL
    result = capsys.readouterr()
    assert result.out == "" and result.err.startswith("subgraft: error: ")


def test_an_op_without_a_kernel_is_3(tmp_path: Path, values: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = saved(tmp_path / "odd.tflite", odd())
    assert main(["run", path, "--input", values]) == ExitCode.MODEL
    assert "Odd" in capsys.readouterr().err


DEVICES = {
    "strict and an op on the CPU": (["--delegate", "fake", "--strict", "--option", "fake.refuses=ADD"], 1),
    "no such delegate": (["--delegate", "nope"], 4),
    "a vendor's library": (["--delegate", "libnope.so"], 4),
    "no device": (["--delegate", "fake", "--option", "fake.faults=unavailable", "--no-fallback"], 4),
    "fails to compile": (["--delegate", "fake", "--option", "fake.faults=reject", "--no-fallback"], 7),
    "fails to run": (["--delegate", "fake", "--option", "fake.faults=fail@1", "--no-fallback"], 7),
    "fails to run, strictly": (["--delegate", "fake", "--option", "fake.faults=fail@1", "--strict"], 7),
    "hangs": (
        ["--delegate", "fake", "--option", "fake.faults=hang", "--option", "fake.timeout_s=0.05", "--no-fallback"],
        8,
    ),
}


@pytest.mark.parametrize(("arguments", "code"), DEVICES.values(), ids=DEVICES.keys())
def test_what_the_delegate_does_decides_the_code(
    arguments: list[str], code: int, model: str, values: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", model, "--input", values, *arguments]) == code
    assert "subgraft: error: " in capsys.readouterr().err


def chained(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CheckFailed("x"), ExitCode.CHECK_FAILED),
        (NotDelegated("x"), ExitCode.CHECK_FAILED),
        (UsageError("x"), ExitCode.USAGE),
        (ModelError("x"), ExitCode.MODEL),
        (Unsupported("x"), ExitCode.MODEL),
        (Unavailable("x"), ExitCode.NOT_FOUND),
        (chained(Unavailable("x"), PermissionError()), ExitCode.PERMISSION),
        (chained(Unavailable("x"), chained(OSError(), BlockingIOError())), ExitCode.BUSY),
        (chained(Unavailable("x"), ImportError()), ExitCode.MISSING_DEPENDENCY),
        (Rejected("x"), ExitCode.RUN_FAILED),
        (Failed("x"), ExitCode.RUN_FAILED),
        (InvokeError("x"), ExitCode.RUN_FAILED),
        (Overrun("x"), ExitCode.TIMEOUT),
        (chained(Failed("x"), TimeoutError()), ExitCode.TIMEOUT),
        (MissingDependency("x"), ExitCode.MISSING_DEPENDENCY),
    ],
)
def test_every_cause_has_its_code(error: Exception, code: ExitCode) -> None:
    assert exit_code(error) == code  # type: ignore[arg-type]


def test_verbose_tells_what_was_decided(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    image.new("RGB", (5, 5), (255, 0, 51)).save(tmp_path / "x.png")
    path = saved(tmp_path / "m.tflite", chain("RELU", shape=(1, 4, 4, 3)))
    assert main(["run", path, "--image", str(tmp_path / "x.png")]) == ExitCode.OK
    assert capsys.readouterr().err == ""
    assert main(["-v", "run", path, "--image", f"x={tmp_path / 'x.png'}", "--mean", "0", "--std", "255"]) == ExitCode.OK
    result = capsys.readouterr()
    assert "normalised" not in result.err and " 1 0 0.2 1 ..." in result.out
    assert "planned chain: the CPU runs it as one program" in result.err
    assert main(["-v", "run", path, "--image", str(tmp_path / "x.png")]) == ExitCode.OK
    assert "normalised as (pixel - 127.5) / 127.5" in capsys.readouterr().err


def test_a_picture_without_pillow_is_9(tmp_path: Path) -> None:
    (tmp_path / "PIL.py").write_text("raise ImportError('not installed')")
    path = saved(tmp_path / "m.tflite", chain("RELU", shape=(1, 4, 4, 3)))
    ended = command("run", path, "--image", "cat.png", PYTHONPATH=str(tmp_path))
    assert ended.returncode == ExitCode.MISSING_DEPENDENCY
    assert ended.stderr == ("subgraft: error: pictures need Pillow, which is not installed: pip install pillow\n")


def test_ctrl_c_is_130_without_a_traceback(model: str, values: str) -> None:
    # A shell starts background jobs, this test perhaps among them, with SIGINT ignored: a child would inherit that.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from subgraft.cli import main; print('ready', flush=True); sys.exit(main())"
    )
    arguments = ["run", model, "--input", values, "--repeat", str(10**9)]
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout is not None and child.stdout.readline() == "ready\n"
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(1)
            child.send_signal(signal.SIGINT)
            _, errors = child.communicate(timeout=60)
        finally:
            child.kill()
    assert (child.returncode, errors) == (ExitCode.INTERRUPTED, "")


def test_a_reader_that_leaves_early_is_no_error(tmp_path: Path) -> None:
    path = saved(tmp_path / "long.tflite", chain(*["RELU"] * 3000))
    program = f"{sys.executable} -c 'import sys; from subgraft.cli import main; sys.exit(main())'"
    ended = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {program} inspect --all {path} | head -n 1"], capture_output=True, text=True
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_the_version_is_the_packages() -> None:
    assert re.fullmatch(r"subgraft \d+\.\d+\.\d+\n", command("--version").stdout)


def test_quiet_and_verbose_stand_before_or_behind_the_verb(model: str, values: str) -> None:
    failing = ["run", model, "--input", values, "--delegate", "fake", "--option", "fake.faults=fail@1"]
    assert "told to fail" in command(*failing).stderr
    assert command("-q", *failing).stderr == command(*failing, "-q").stderr == ""
    assert command(*failing, SUBGRAFT_LOG="error").stderr == ""
    assert command(*failing, SUBGRAFT_LOG="loud").returncode == ExitCode.USAGE


def test_the_log_goes_where_it_went_before_when_the_command_is_done(model: str, values: str) -> None:
    import logging

    logger = logging.getLogger("subgraft")
    before = (list(logger.handlers), logger.level)
    assert main(["-v", "run", model, "--input", values]) == ExitCode.OK
    assert (list(logger.handlers), logger.level) == before


def test_the_documented_exit_codes_are_those_of_the_program() -> None:
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", DOC.read_text(), re.MULTILINE)
    assert [int(code) for code, _ in rows] == [code.value for code in ExitCode]
