"""Google's compiler as a program that is called: found, asked, waited for, understood, and its results kept.

The program is not to be had here; a script with its command line, and outputs from public bug reports, stand for it.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from subgraft.backends.edgetpu.cache import Cache, default_folder
from subgraft.backends.edgetpu.compiler import Compiler, Operation
from subgraft.delegates import Rejected
from waiting import until

VERSION_16 = "Edge TPU Compiler version 16.0.384591198"
SUCCESS = f"""{VERSION_16}
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 787 ms.

Input model: segment.tflite
Input size: 1.30MiB
Output model: segment_edgetpu.tflite
Output size: 1.54MiB
On-chip memory used for caching model parameters: 1.37MiB
Off-chip memory used for streaming uncached model parameters: 0.00B
Number of Edge TPU subgraphs: 1
Total number of operations: 31
Operation log: segment_edgetpu.log

Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model will
Number of operations that will run on Edge TPU: 29
Number of operations that will run on CPU: 2

Operator                       Count      Status

SOFTMAX                        1          Mapped to Edge TPU
CONV_2D                        28         Mapped to Edge TPU
DEQUANTIZE                     1          Operation is working on an unsupported data type
QUANTIZE                       1          More than one subgraph is not supported
Compilation child process completed within timeout period.
Compilation succeeded!
"""
UNMAPPED = SUCCESS.replace("subgraphs: 1", "subgraphs: 0").replace(
    "Mapped to Edge TPU", "More than one subgraph is not supported"
)

SCRIPT = """#!{python}
import os, pathlib, sys, time
if "--version" in sys.argv:
    print({version!r})
    sys.exit(0)
pathlib.Path({arguments!r}).write_text(" ".join(sys.argv[1:]))
place = sys.argv.index("--out_dir") + 1
folder = pathlib.Path(sys.argv[place])
{body}
print({prints!r})
for model in map(pathlib.Path, sys.argv[place + 1:]):
    (folder / (model.stem + "_edgetpu.tflite")).write_bytes(b"compiled " + model.read_bytes())
    if len(sys.argv) > place + 2:
        log = folder / (model.stem + "_edgetpu.log")
        log.write_text("Operator  Count  Status" + chr(10) + model.read_text() + "  1  Mapped to Edge TPU")
"""


@pytest.fixture
def program(tmp_path):
    """Writes an edgetpu_compiler that does what it is told."""

    def write(prints=SUCCESS, body="", version=VERSION_16):
        path = tmp_path / "bin" / "edgetpu_compiler"
        path.parent.mkdir(exist_ok=True)
        arguments = str(tmp_path / "arguments.txt")
        text = SCRIPT.format(python=sys.executable, version=version, arguments=arguments, prints=prints, body=body)
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return write


def test_it_is_found_on_path_with_its_version(program, monkeypatch):
    path = program()
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}{os.environ['PATH']}")
    found = Compiler.find()
    assert (found.command, found.version, found.major) == ((str(path),), "16.0.384591198", 16)


def test_a_model_is_compiled_and_the_log_read(program, tmp_path):
    (made,) = Compiler.find(str(program())).compile([b"model"], 30)
    assert made.tflite == b"compiled model"
    assert [one.is_mapped for one in made.operations] == [True, True, False, False]
    assert made.operations[1] == Operation("CONV_2D", 28, "Mapped to Edge TPU")
    assert str(made.operations[2]) == "DEQUANTIZE (1): Operation is working on an unsupported data type"
    told = (tmp_path / "arguments.txt").read_text()
    assert told == "--show_operations --timeout_sec 30 --out_dir . segment_0.tflite"


def test_an_older_version_gets_no_option_that_it_does_not_know(program, tmp_path):
    compiler = Compiler.find(str(program(version="Edge TPU Compiler version 2.1.302470888")))
    assert compiler.compile([b"model"], 30)[0].tflite == b"compiled model"
    assert (tmp_path / "arguments.txt").read_text() == "--show_operations --out_dir . segment_0.tflite"


def test_several_models_are_compiled_together_and_told_apart(program, tmp_path):
    made = Compiler.find(str(program())).compile([b"ADD", b"MUL"], 30)
    assert [one.tflite for one in made] == [b"compiled ADD", b"compiled MUL"]
    assert [[operation.kind for operation in one.operations] for one in made] == [["ADD"], ["MUL"]]
    assert (tmp_path / "arguments.txt").read_text().endswith(" segment_0.tflite segment_1.tflite")


def test_without_a_compiler_the_reason_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        Rejected, match=r"not compiled .*, and there is no edgetpu_compiler on PATH; .* --compiled FILE"
    ):
        Compiler.find()
    with pytest.raises(Rejected, match="no program '/nowhere/edgetpu_compiler'"):
        Compiler.find("/nowhere/edgetpu_compiler")


@pytest.mark.parametrize("version", ["tflite converter 3", "", "Edge TPU Compiler version unknown"])
def test_a_program_that_is_no_edge_tpu_compiler_is_refused(program, version):
    with pytest.raises(Rejected, match="does not say that it is the Edge TPU compiler"):
        Compiler.find(str(program(version=version)))


@pytest.mark.parametrize(
    ("prints", "reason"),
    [
        ("Invalid model: segment.tflite\nModel not quantized\n", "Model not quantized$"),
        ("\nInternal compiler error. Aborting! \n", "Internal compiler error$"),
        (
            "Started a compilation timeout timer of 180 seconds.\n"
            "ERROR: Restored original execution plan after delegate application failure.\n"
            "Compilation failed: Compilation failed due to large activation tensors in model.\n"
            "Compilation child process completed within timeout period.\nCompilation failed!\n",
            "it: Compilation failed due to large activation tensors in model$",
        ),
        (
            "ERROR: Attempting to use a delegate that only supports static-sized tensors with a graph that has "
            "dynamic-sized tensors.\nCompilation failed: Model failed in Tflite interpreter.\nCompilation failed!\n",
            "only supports static-sized tensors",
        ),
        ("libc++abi: terminating with uncaught exception of type std::out_of_range: vector\n", "out_of_range: vector$"),
        ("something new\nhappened", "it ended with 1 and said: something new / happened"),
        ("", "it ended with 1 and wrote no model"),
    ],
)
def test_a_failure_is_told_in_the_compilers_own_words(program, prints, reason):
    compiler = Compiler.find(str(program(body=f"print({VERSION_16!r}); print({prints!r}); sys.exit(1)")))
    with pytest.raises(Rejected, match="edgetpu_compiler 16.0.384591198 did not compile it") as caught:
        compiler.compile([b"model"], 30)
    assert caught.match(reason)


def test_success_without_a_file_is_a_failure(program):
    with pytest.raises(Rejected, match="did not compile it"):
        Compiler.find(str(program(body="print('done'); sys.exit(0)"))).compile([b"model"], 30)


def test_a_compiler_that_dies_of_a_signal_is_a_failure(program):
    compiler = Compiler.find(str(program(body="import signal; os.kill(os.getpid(), signal.SIGSEGV)")))
    with pytest.raises(Rejected, match="ended by signal 11"):
        compiler.compile([b"model"], 30)


def test_nothing_mapped_is_a_failure_with_the_ops_that_were_not(program):
    with pytest.raises(Rejected, match=r"mapped nothing.*SOFTMAX \(1\): More than one subgraph is not supported"):
        Compiler.find(str(program(prints=UNMAPPED))).compile([b"model"], 30)


def test_a_compiler_that_hangs_is_ended_with_its_children(program, tmp_path, monkeypatch):
    monkeypatch.setattr("subgraft.backends.edgetpu.compiler.GRACE_S", 0.2)
    child = tmp_path / "child.txt"
    body = f"if os.fork() == 0:\n    pathlib.Path({str(child)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    compiler = Compiler.find(str(program(body=body)))
    start = time.monotonic()
    with pytest.raises(Rejected, match="not done after .* give it more with the option compile_timeout_s"):
        compiler.compile([b"model"], 0.5)
    assert time.monotonic() - start < 10
    until(lambda: not is_running(child.read_text()))


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"  # Z: dead, and not looked at yet
    except FileNotFoundError:
        return False


def test_a_program_that_cannot_be_started_is_a_reason(tmp_path):
    text = tmp_path / "edgetpu_compiler"
    text.write_text("no program at all")
    text.chmod(0o755)
    with pytest.raises(Rejected, match="cannot be started"):
        Compiler.find(str(text))


def test_what_was_put_is_found_by_what_it_was_made_from(tmp_path):
    cache = Cache(tmp_path / "new" / "folder")
    assert cache.get(b"model", b"16.0") is None
    cache.put(b"compiled", b"model", b"16.0")
    assert cache.get(b"model", b"16.0") == b"compiled"
    assert cache.get(b"model", b"15.0") is None
    assert cache.get(b"model1", b"6.0") is None  # the parts do not run into each other
    assert Cache(tmp_path / "new" / "folder").get(b"model", b"16.0") == b"compiled"


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:40] + b"X" + b[41:], lambda b: b"", lambda b: b[:5]])
def test_a_damaged_file_is_dropped(tmp_path, damage):
    cache = Cache(tmp_path)
    cache.put(b"compiled model", b"model")
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert cache.get(b"model") is None
    assert list(tmp_path.iterdir()) == []


def test_the_least_lately_used_files_make_room(tmp_path):
    cache = Cache(tmp_path, largest_bytes=250)
    for number in range(2):
        cache.put(bytes(68), str(number).encode())
        os.utime(cache._path([str(number).encode()]), (number, number))
    assert cache.get(b"0") == bytes(68)  # and so used last
    cache.put(bytes(68), b"2")
    assert [cache.get(key) is not None for key in (b"0", b"1", b"2")] == [True, False, True]
    cache.put(bytes(1000), b"3")
    assert cache.get(b"3") == bytes(1000)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_cannot_be_used_is_no_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "folder")
    cache.put(b"compiled", b"model")
    assert cache.get(b"model") is None


def test_an_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("disk full")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    Cache(tmp_path).put(b"compiled", b"model")
    assert list(tmp_path.iterdir()) == []


def test_the_folder_follows_the_xdg_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "subgraft" / "edgetpu"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache" / "subgraft" / "edgetpu"
