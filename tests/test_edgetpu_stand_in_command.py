"""The stand-in compiler's command line is that of Google's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from shared_models import MODELS, needs_shared
from stand_in import one_package, quantized, relu_chain
from subgraft.backends.edgetpu.compiler import Compiler
from subgraft.backends.edgetpu.emulator.compiler import MAPPED
from subgraft.backends.edgetpu.emulator.compiler.command import VERSION, main
from subgraft.delegates import Rejected, Tensor


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = main([str(argument) for argument in arguments])
    return code, capsys.readouterr().out


@needs_shared
def test_the_command_writes_a_model_and_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = MODELS / "made" / "small_unet_int8.tflite"
    code, out = run(capsys, "-s", "-o", tmp_path, source)
    assert code == 0
    assert one_package((tmp_path / "small_unet_int8_edgetpu.tflite").read_bytes())
    log = (tmp_path / "small_unet_int8_edgetpu.log").read_text()
    assert log.startswith(f"Edge TPU Compiler version {VERSION}\nInput: {source}\nOutput: {tmp_path}/small_unet")
    table = log[log.index("Operator ") :]
    assert table in out
    assert table.splitlines()[0] == "Operator                       Count      Status"
    assert "CONV_2D                        " in table
    assert MAPPED in table
    assert out.startswith("Edge TPU Compiler version 16.")
    assert "stand-in" in out.splitlines()[0] + out.splitlines()[1]
    for line in ("Model compiled successfully in ", "Number of Edge TPU subgraphs: 1", "Compilation succeeded!"):
        assert line in out
    assert "not all operations are supported" in out


@needs_shared
def test_without_show_operations_the_log_alone_has_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out = run(capsys, "-o", tmp_path, MODELS / "edgetpu/dense_256.tflite")
    assert "See the operation log file for individual operation details." in out
    assert "FULLY_CONNECTED" not in out


@needs_shared
def test_two_models_and_segments_have_google_s_file_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = [MODELS / f"edgetpu/{name}.tflite" for name in ("dense_256", "gabor_64x64_p4")]
    code, out = run(capsys, "--out_dir", tmp_path, *models)
    assert (code, out.count("Models compiled successfully")) == (0, 1)
    assert run(capsys, "-n", 2, "-d", "-k", 5, "-o", tmp_path, models[1])[0] == 0
    assert sorted(path.name for path in tmp_path.glob("*.tflite")) == [
        "dense_256_edgetpu.tflite",
        "gabor_64x64_p4_edgetpu.tflite",
        "gabor_64x64_p4_segment_0_of_2_edgetpu.tflite",
        "gabor_64x64_p4_segment_1_of_2_edgetpu.tflite",
    ]


def test_the_version_is_printed_and_nothing_else_done(capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "--version")
    assert code == 0
    assert out.splitlines()[0] == f"Edge TPU Compiler version {VERSION}"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere.tflite"], "Error opening file for reading: nowhere.tflite"),
        ([], "No model given"),
        (["-m", 15, "a.tflite"], "Runtime version 15 is not within 10 and 14"),
        (["-n", 2, "a.tflite", "b.tflite"], "Segments are cut of one model"),
        (["-n", 0, "a.tflite"], "into 0 segments"),
    ],
)
def test_what_cannot_be_done_ends_with_1_and_the_reason(
    arguments: Sequence[object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out = run(capsys, *arguments)
    assert code == 1
    assert said in out
    assert "Compilation failed! " in out


def test_the_invalid_one_of_several_files_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = tmp_path / "good.tflite", tmp_path / "bad.tflite"
    good.write_bytes(relu_chain(quantized("a", (1, 4)), quantized("b", (1, 4))))
    bad.write_bytes(relu_chain(*[Tensor(name, (1, 4), "float32") for name in "ab"]))
    code, out = run(capsys, "-o", tmp_path, good, bad)
    assert code == 1
    assert f"Invalid model: {bad}\nModel not quantized\n" in out
    assert not (tmp_path / "good_edgetpu.tflite").exists()


def test_an_unknown_option_ends_with_1() -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--frobnicate", "a.tflite"])
    assert ended.value.code == 1


def test_too_many_segments_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "a.tflite"
    model.write_bytes(relu_chain(quantized("a", (1, 4)), quantized("b", (1, 4))))
    assert "Cannot cut the model into 2 segments." in run(capsys, "-n", 2, model)[1]


@pytest.fixture(scope="module")
def compiler() -> Compiler:
    return Compiler.of((sys.executable, "-m", "subgraft.backends.edgetpu.emulator.compiler"))


def test_it_passes_for_the_compiler_and_its_version_says_what_it_is(compiler: Compiler) -> None:
    assert compiler.version == VERSION
    assert "stand-in" in compiler.version
    (made,) = compiler.compile([relu_chain(quantized("a", (1, 4)), quantized("b", (1, 4)))], 30)
    assert one_package(made.tflite).is_for_emulator
    assert [str(operation) for operation in made.operations] == [f"RELU (1): {MAPPED}"]


def test_its_refusals_are_understood_as_the_compiler_s(compiler: Compiler) -> None:
    with pytest.raises(Rejected, match="Model not quantized"):
        compiler.compile([relu_chain(*[Tensor(name, (1, 4), "float32") for name in "ab"])], 30)
    tensors = [quantized(name, (2, 1, 1, 1, 3)) for name in "ab"]
    with pytest.raises(Rejected, match="unsupported rank"):
        compiler.compile([relu_chain(*tensors)], 30)
