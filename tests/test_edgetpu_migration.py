"""Scripts written for libedgetpu, and the command line: the same driver, under the names that people type."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import subgraft
from edgetpu_sessions import random_inputs, real_sticks
from subgraft.backends.edgetpu import EdgeTpu
from subgraft.backends.edgetpu.emulator.compiler import compile_model
from subgraft.cli import main
from subgraft.cli.exit_codes import ExitCode
from subgraft.interpreter.tflite_api.libedgetpu import translate
from subgraft.models import DIGITS_INT8

LIBRARIES = ["libedgetpu.so.1", "libedgetpu.so.1.0", "/usr/lib/x86_64-linux-gnu/libedgetpu.so.1", "libedgetpu.1.dylib"]
LIBRARIES += ["edgetpu.dll", r"C:\\coral\\edgetpu.dll"]


@pytest.mark.parametrize("library", LIBRARIES)
def test_googles_library_by_any_of_its_names_means_this_driver(library):
    assert translate(library, None) == ("edgetpu", {})


@pytest.mark.parametrize("library", ["libvx_delegate.so", "libedgetpu", "edgetpu", "edgetpu:usb:0", "myedgetpu.so"])
def test_other_names_mean_what_they_say(library):
    assert translate(library, {"device": "usb"}) is None


@pytest.mark.parametrize(
    ("options", "spec", "ours"),
    [
        ({"device": "usb:0"}, "edgetpu:usb:0", {}),
        ({"device": ":1"}, "edgetpu::1", {}),
        ({"device": ""}, "edgetpu", {}),
        ({"device": None}, "edgetpu", {}),
        ({"Performance": "Max"}, "edgetpu", {"performance": "max"}),
        ({"Usb.AlwaysDfu": "False"}, "edgetpu", {"always_dfu": "false"}),
        ({"Usb.MaxBulkInQueueLength": "8"}, "edgetpu", {}),
        ({"timeout_s": 2}, "edgetpu", {"timeout_s": 2}),
    ],
)
def test_its_options_mean_ours(options, spec, ours):
    assert translate("libedgetpu.so.1", options) == (spec, ours)
    EdgeTpu(**ours)


def test_a_script_for_libedgetpu_runs_with_a_line_in_the_log(caplog):
    compiled = compile_model(Path(DIGITS_INT8).read_bytes())
    delegate = subgraft.load_delegate("libedgetpu.so.1", {"device": "emulated", "emulates": DIGITS_INT8})
    assert "libedgetpu.so.1 is not loaded: subgraft drives the Edge TPU itself, as edgetpu:emulated" in caplog.text
    interpreter = subgraft.Interpreter(model_content=compiled, experimental_delegates=[delegate])
    interpreter.allocate_tensors()
    with subgraft.load(DIGITS_INT8) as cpu:
        feed = random_inputs(cpu)
        (expected,) = cpu.run(feed).values()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], feed["image"])
    interpreter.invoke()
    np.testing.assert_array_equal(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), expected)
    assert interpreter.get_tensor(interpreter.get_input_details()[0]["index"]).tolist() == feed["image"].tolist()


def test_without_a_stick_the_delegate_does_not_load_and_says_why(monkeypatch):
    real_sticks(monkeypatch, count=0)
    with pytest.raises(ValueError, match="(?s)Failed to load delegate from libedgetpu.so.1.*no Coral USB Accelerator"):
        subgraft.load_delegate("libedgetpu.so.1")


def test_an_option_that_neither_has_is_refused():
    with pytest.raises(ValueError, match="edgetpu has no option 'Speed'"):
        subgraft.load_delegate("libedgetpu.so.1", {"Speed": "Max"})


@pytest.fixture
def files(tmp_path):
    """The digits, uncompiled and compiled, and an input."""
    model, compiled, image = tmp_path / "m.tflite", tmp_path / "m_edgetpu.tflite", tmp_path / "x.npy"
    model.write_bytes(Path(DIGITS_INT8).read_bytes())
    compiled.write_bytes(compile_model(model.read_bytes()))
    np.save(image, np.zeros((1, 8, 8, 1), np.int8))
    return str(model), str(compiled), str(image)


def output(capsys, *arguments):
    assert main(arguments) == ExitCode.OK
    return capsys.readouterr().out


@pytest.mark.parametrize("named", ["", "edgetpu="])
def test_a_twin_is_named_on_the_command_line(files, capsys, named):
    model, compiled, image = files
    told = output(capsys, "plan", model, "--delegate", "edgetpu:emulated", "--compiled", named + compiled)
    assert "edgetpu:emulated runs 9 of 9 ops" in told and "parameters compared" in told
    told = output(
        capsys, "run", model, "--input", image, "--delegate", "edgetpu:emulated", "--compiled", named + compiled
    )
    assert "edgetpu:emulated runs 9 of 9 ops in 1 segment" in told


def test_what_a_compiled_model_was_made_from_is_named_too(files, capsys):
    model, compiled, image = files
    told = output(
        capsys, "run", compiled, "--input", image, "--delegate", "edgetpu:emulated", "--emulates", model, "--json"
    )
    document = json.loads(told)
    assert document["plan"]["segments"][0]["owner"] == "edgetpu:emulated"
    assert "no fallback" in document["report"][0]["reason"]


def test_the_second_delegate_is_named(files, capsys):
    model, compiled, _ = files
    arguments = ["--delegate", "fake", "--option", "fake.kinds=ADD", "--delegate", "edgetpu:emulated"]
    told = output(capsys, "plan", model, *arguments, "--compiled", f"edgetpu={compiled}")
    assert "it comes only with op" in told
    assert main(["plan", model, *arguments, "--compiled", compiled]) == ExitCode.USAGE
    assert "fake has no option 'compiled'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "why"),
    [
        (["--compiled", "{compiled}"], ExitCode.USAGE, "there is no --delegate"),
        (["--delegate", "edgetpu:emulated", "--compiled", "nothing.tflite"], ExitCode.USAGE, "there is no file"),
        (["--delegate", "edgetpu:emulated", "--compiled", "{model}"], ExitCode.MODEL, "was not compiled"),
        (["--delegate", "edgetpu:pci", "--no-fallback"], ExitCode.NOT_FOUND, "drives the USB Accelerator only"),
        (["--delegate", "edgetpu:emulated:7", "--no-fallback"], ExitCode.NOT_FOUND, "the option 'sticks' says 2"),
    ],
)
def test_what_is_wrong_on_the_command_line_has_its_exit_code(arguments, code, why, files, capsys):
    model, compiled, _ = files
    filled = [text.format(model=model, compiled=compiled) for text in arguments]
    assert main(["plan", model, *filled]) == code
    assert why in capsys.readouterr().err


def test_a_compiled_model_without_a_device_says_what_is_missing(files, capsys, monkeypatch):
    real_sticks(monkeypatch, count=0)
    assert main(["plan", files[1], "--delegate", "edgetpu"]) == ExitCode.MODEL
    told = capsys.readouterr()
    assert "edgetpu is not available: no Coral USB Accelerator is plugged in" in told.err.replace("\n", " ")
    assert main(["plan", files[1]]) == ExitCode.MODEL
    assert 'load it with delegates=["edgetpu"], or run the model that it was compiled from' in capsys.readouterr().err
