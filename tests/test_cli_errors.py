"""What the command says when something is wrong: one line that names the thing and, with --json, a document."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from graphs import chain
from subgraft.cli import main
from subgraft.cli.answers import Box, Classification, Detection, Scored
from subgraft.cli.exit_codes import ExitCode
from subgraft.cli.main import log_to_stderr
from subgraft.delegates import Graph, Op, Tensor
from subgraft.interpreter import Model
from subgraft.models import DIGITS_INT8, samples

PICTURE = str(samples()[0].path)
Capture = pytest.CaptureFixture[str]


def saved(path: Path, graph: Graph) -> str:
    path.write_bytes(Model.of(graph).to_bytes())
    return str(path)


@pytest.fixture
def model(tmp_path: Path) -> str:
    return saved(tmp_path / "model.tflite", chain("RELU", "ADD", "RELU6"))


@pytest.fixture
def values(tmp_path: Path) -> str:
    np.save(tmp_path / "x.npy", np.zeros(4, np.float32))
    return str(tmp_path / "x.npy")


def refused(capsys: Capture, *arguments: str, code: ExitCode = ExitCode.USAGE) -> str:
    """The one line on stderr."""
    assert main(arguments) == code
    result = capsys.readouterr()
    assert result.out == ""
    (line,) = result.err.splitlines()
    return line.removeprefix("subgraft: error: ")


def test_a_misspelt_option_is_refused_with_the_one_that_is_like_it(capsys: Capture) -> None:
    assert "did you mean --image?" in refused(capsys, "run", "m.tflite", "--imge", "x.png")
    assert "did you mean" not in refused(capsys, "run", "m.tflite", "--wholly-else")


@pytest.mark.parametrize("more", [["--image", PICTURE], ["--input", "image=x.npy"], ["--input", "x.npy"]])
def test_an_input_given_twice_is_refused(more: list[str], capsys: Capture) -> None:
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    assert refused(capsys, "run", str(DIGITS_INT8), "--image", PICTURE, *more) == "input 'image' is given twice"


def test_a_picture_for_a_model_that_takes_none_is_refused_for_that(model: str, capsys: Capture) -> None:
    line = refused(capsys, "run", model, "--image", PICTURE)
    assert line.startswith("no input of this model holds a picture") and "'x' (float32[4])" in line


def test_a_file_that_is_no_array_is_called_that(model: str, tmp_path: Path, capsys: Capture) -> None:
    bitmap = tmp_path / "cat.bmp"
    bitmap.write_bytes(b"BM" + bytes(100))
    assert refused(capsys, "run", model, "--input", str(bitmap)).startswith(f"{bitmap} is not a .npy file")
    (tmp_path / "cut.npz").write_bytes(b"PK\3\4" + bytes(100))
    assert "is not a .npy file" in refused(capsys, "run", model, "--input", str(tmp_path / "cut.npz"))


@pytest.mark.parametrize("option", ["--input", "--labels", "--image"])
def test_a_file_that_is_missing_is_named_once(option: str, values: str, capsys: Capture) -> None:
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    line = refused(capsys, "run", str(DIGITS_INT8), option, "/no/such")
    assert line.count("/no/such") == 1 and line.endswith("No such file or directory")


def test_labels_that_are_no_text_are_called_that(model: str, values: str, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\x00")
    line = refused(capsys, "run", model, "--input", values, "--labels", str(tmp_path / "labels.txt"))
    assert line.endswith("labels.txt: they are not UTF-8 text")


def test_a_threshold_for_what_has_no_scores_is_refused(model: str, values: str, capsys: Capture) -> None:
    line = refused(capsys, "run", model, "--input", values, "--threshold", "0.5")
    assert "--threshold is about scores" in line and "raw" in line


def test_a_threshold_leaves_out_classes_below_it(capsys: Capture) -> None:
    pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    arguments = ["run", str(DIGITS_INT8), "--image", PICTURE, "--json", "--threshold"]
    assert main([*arguments, "0.5"]) == ExitCode.OK
    assert len(json.loads(capsys.readouterr().out)["answer"]["best"]) == 1
    assert main([*arguments[:-2], "--threshold", "1.5"]) == ExitCode.OK
    assert "no class reaches the threshold" in capsys.readouterr().out


def test_strict_says_on_stderr_what_it_missed_and_still_shows_the_plan(model: str, capsys: Capture) -> None:
    arguments = ["plan", model, "--delegate", "fake", "--option", "fake.refuses=ADD", "--strict"]
    assert main(arguments) == ExitCode.CHECK_FAILED
    result = capsys.readouterr()
    assert result.err == "subgraft: error: strict: 1 of 3 ops would run on the CPU; the plan tells why\n"
    assert "device 0 refuses ADD" in result.out
    assert main([*arguments, "--json"]) == ExitCode.CHECK_FAILED
    document = json.loads(capsys.readouterr().out)
    assert (document["exit_code"], document["plan"]["ops"][1]["owner"]) == (1, None)


def odd_model(folder: Path) -> str:
    """RELU, Odd, Odder, Odd: two kinds that nothing runs."""
    tensors = [Tensor(f"t{i}", (4,), "float32") for i in range(5)]
    kinds = ["RELU", "Odd", "Odder", "Odd"]
    ops = [Op(kind, (i,), (i + 1,), is_custom=kind != "RELU") for i, kind in enumerate(kinds)]
    return saved(folder / "odd.tflite", Graph(tensors, ops, (0,), (4,)))


def test_the_plan_of_a_model_that_cannot_run_is_printed_with_what_nothing_runs(tmp_path: Path, capsys: Capture) -> None:
    path = odd_model(tmp_path)
    assert main(["plan", path]) == ExitCode.MODEL
    result = capsys.readouterr()
    assert "the CPU runs 4 of 4 ops" in result.out
    table = result.out.partition("nothing here runs\n")[2].split("\n")
    assert [line.split() for line in table[1:3]] == [["2", "Odd", "0", "1,", "3"], ["1", "Odder", "0", "2"]]
    assert result.err == "subgraft: error: nothing here runs Odd (2), Odder (1)\n"
    assert main(["plan", path, "--json", "--delegate", "fake", "--option", "fake.kinds=RELU"]) == ExitCode.MODEL
    document = json.loads(capsys.readouterr().out)
    assert [one["kind"] for one in document["cannot_run"]] == ["Odd", "Odder"]
    assert document["plan"]["ops"][0]["owner"] == "fake"


def test_the_plan_and_the_run_of_a_model_that_lacks_one_kind_end_with_the_same_error(
    tmp_path: Path, capsys: Capture
) -> None:
    tensors = [Tensor(name, (4,), "float32") for name in "xy"]
    path = saved(tmp_path / "odd.tflite", Graph(tensors, [Op("Odd", (0,), (1,), is_custom=True)], (0,), (1,)))
    error = refused(capsys, "run", path, code=ExitCode.MODEL)
    assert main(["plan", path]) == ExitCode.MODEL
    result = capsys.readouterr()
    assert result.err == f"subgraft: error: {error}\n" and "nothing here runs\n" in result.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "MODEL"], ExitCode.USAGE),
        (["run", "MODEL", "--nope"], ExitCode.USAGE),
        (["inspect", "/no/such.tflite"], ExitCode.MODEL),
        (["plan", "MODEL", "--delegate", "nope"], ExitCode.NOT_FOUND),
    ],
)
def test_with_json_an_error_is_the_document(arguments: list[str], code: ExitCode, model: str, capsys: Capture) -> None:
    assert main([*(word.replace("MODEL", model) for word in arguments), "--json"]) == code
    result = capsys.readouterr()
    document = json.loads(result.out)
    assert document["exit_code"] == code
    assert result.err == f"subgraft: error: {document['error']}\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("json_too", [[], ["--json"]])
def test_a_full_disk_is_one_line_and_no_traceback(json_too: list[str], model: str) -> None:
    program = [sys.executable, "-c", "import sys; from subgraft.cli import main; sys.exit(main())"]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([*program, "inspect", model, *json_too], stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == ExitCode.USAGE
    assert ended.stderr == "subgraft: error: cannot write to stdout: No space left on device\n"


def test_warnings_of_one_kind_are_shown_once(capsys: Capture, monkeypatch: pytest.MonkeyPatch, model: str) -> None:
    alike = [f"tensor {i}: 'bias{i}': dimension 3 does not exist" for i in range(9)]
    monkeypatch.setattr(Model, "warnings", [*alike, "the file is longer than it says"])
    assert main(["inspect", model]) == ExitCode.OK
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 2 and "(and 8 more of this kind; --json has them)" in warnings[0]
    assert main(["inspect", model, "--json"]) == ExitCode.OK
    assert len(json.loads(capsys.readouterr().out)["warnings"]) == 10


def test_control_flow_counts_as_run_by_the_cpu() -> None:
    from subgraft.cli.facts import kinds_the_cpu_runs

    assert {"WHILE", "IF", "CALL_ONCE", "ADD"} <= kinds_the_cpu_runs()
    assert "Odd" not in kinds_the_cpu_runs()


@pytest.mark.parametrize(
    ("level", "shown"), [(logging.WARNING, "c"), (logging.INFO, "bc"), (logging.DEBUG, "abc")], ids=["", "-v", "-vv"]
)
def test_every_room_of_the_package_logs_to_stderr(level: int, shown: str, capsys: Capture) -> None:
    with log_to_stderr(level):
        logging.getLogger("subgraft.interpreter.planning").debug("a")
        logging.getLogger("subgraft.interpreter").info("b")
        logging.getLogger("subgraft").warning("c")
    assert "".join(line[-1] for line in capsys.readouterr().err.splitlines()) == shown


@pytest.mark.parametrize(("label", "columns"), [("", 6), ("cat", 7)])
def test_the_column_of_labels_is_there_when_there_are_labels(label: str, columns: int) -> None:
    shown = Detection((Box(Scored(3, label, 0.5), 0.1, 0.2, 0.3, 0.4),)).text().splitlines()
    assert [len(line.split()) for line in shown] == [columns, columns]
    assert len(Classification((Scored(3, label, 0.5),)).text().splitlines()[1].split()) == columns - 4


def test_a_graph_without_a_name_is_not_called_graph_0(tmp_path: Path, values: str, capsys: Capture) -> None:
    graph = Graph([Tensor(n, (4,), "float32") for n in "xy"], [Op("RELU", (0,), (1,))], (0,), (1,))
    assert main(["run", saved(tmp_path / "m.tflite", graph), "--input", values]) == ExitCode.OK
    assert "\nthe CPU runs 1 of 1 ops in 1 segment\n" in capsys.readouterr().out
