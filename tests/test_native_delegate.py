"""Executables written in C: run natively, failing, hanging, closed."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import subgraft
from subgraft.delegates import Array, Device, Graph, Health, Op, Segment, Tensor, Verdict
from waiting import exit_code

ROOT = Path(__file__).resolve().parents[1]
X = np.arange(6, dtype=np.float32).reshape(1, 6)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    built = tmp_path_factory.mktemp("native") / "libfaults.so"
    source = str(ROOT / "tests/native_faults.c")
    subprocess.run(["cc", "-shared", "-fPIC", f"-I{subgraft.get_include()}", source, "-o", str(built)], check=True)
    library = ctypes.CDLL(str(built))
    library.copier_create.restype = ctypes.c_void_p
    library.copier_create.argtypes = [ctypes.c_size_t, ctypes.c_int, ctypes.c_int]
    library.copier_runs.argtypes = [ctypes.c_void_p]
    return library


class Copier:
    """Runs RESHAPE as a copy in C."""

    name = "copier"

    def __init__(self, library: ctypes.CDLL, *, fail: int = 0, hang: int = 0, timeout_s: float = 10.0) -> None:
        self.library = library
        self.faults = (fail, hang)
        self.timeout_s = timeout_s
        self.made: list[Executable] = []

    def devices(self) -> Sequence[Device]:
        return [Device(self.name, "0", emulated=True)]

    def check(self, op: Op, graph: Graph) -> Verdict:
        return Verdict() if op.kind == "RESHAPE" else Verdict(("only RESHAPE",))

    def cost(self, segment: Segment) -> None:
        return None

    def compile(self, segment: Segment, device: Device) -> Executable:
        size = 4 * prod(segment.graph.tensors[segment.inputs[0]].shape)
        self.made.append(Executable(self.library, self.library.copier_create(size, *self.faults)))
        return self.made[-1]

    def health(self, device: Device) -> Health:
        return Health.OK


class Executable:
    def __init__(self, library: ctypes.CDLL, pointer: int) -> None:
        self.library = library
        self.pointer = pointer
        self.closed = 0

    @property
    def runs(self) -> int:
        return int(self.library.copier_runs(self.pointer))

    def capsule(self) -> object:
        new = ctypes.pythonapi.PyCapsule_New
        new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
        return new(self.pointer, b"subgraft.executable", None)

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        raise AssertionError("an executable with a capsule runs natively")

    def close(self) -> None:
        self.closed += 1


def session(delegate: Copier, **more: Any) -> subgraft.Session:
    tensors = [Tensor(name, (1, 6), "float32") for name in "abc"]
    tensors.append(Tensor("d", (6, 1), "float32"))
    shape = Tensor.constant("shape", np.array([6, 1], np.int32))
    ops = [Op("NEG", (0,), (1,)), Op("RESHAPE", (1, 4), (3,)), Op("NEG", (3,), (2,))]
    graph = Graph([*tensors[:2], Tensor("c", (6, 1), "float32"), tensors[3], shape], ops, (0,), (2,))
    return subgraft.load(subgraft.Model.of(graph), [delegate], **more)


def answer(s: subgraft.Session) -> Array:
    return s.run({"a": X})["c"]


def test_a_native_executable_runs_without_a_python_frame(library: ctypes.CDLL) -> None:
    delegate = Copier(library)
    with session(delegate) as s:
        for _ in range(3):
            np.testing.assert_array_equal(answer(s), X.reshape(6, 1))
        assert not s.report.events
    assert delegate.made[0].runs == 3
    assert delegate.made[0].closed


def test_a_native_failure_is_finished_on_the_cpu(library: ctypes.CDLL) -> None:
    delegate = Copier(library, fail=2)
    with session(delegate) as s:
        for _ in range(3):
            np.testing.assert_array_equal(answer(s), X.reshape(6, 1))
        assert [(e.phase, e.reason) for e in s.report.events] == [("run", "told to fail in run 2")]
    assert delegate.made[0].runs == 3


def test_a_native_failure_is_raised_without_fallback(library: ctypes.CDLL) -> None:
    with session(Copier(library, fail=1), fallback=False) as s, pytest.raises(subgraft.Failed, match="told to fail"):
        answer(s)


def test_a_native_executable_that_hangs_is_left_behind_with_its_arrays(library: ctypes.CDLL) -> None:
    delegate = Copier(library, hang=1, timeout_s=0.2)
    with session(delegate) as s:
        start = time.monotonic()
        np.testing.assert_array_equal(answer(s), X.reshape(6, 1))
        assert time.monotonic() - start < 1.5
        assert [e.phase for e in s.report.events] == ["deadline"]
        hung = delegate.made[0]
        deadline = time.monotonic() + 10
        while not hung.closed and time.monotonic() < deadline:
            time.sleep(0.05)
        assert hung.closed == 1  # once it came back, not before
        np.testing.assert_array_equal(answer(s), X.reshape(6, 1))


@pytest.mark.parametrize(("name", "version"), [(b"something.else", 1), (b"subgraft.executable", 99)])
def test_a_capsule_of_another_kind_is_refused(library: ctypes.CDLL, name: bytes, version: int) -> None:
    from subgraft.interpreter.native import _native

    pointer = library.copier_create(4, 0, 0)
    ctypes.c_uint32.from_address(pointer).value = version
    with pytest.raises(ValueError, match="capsule|version"):
        _native.NativeCall(capsule(pointer, name), [X], [X.copy()])


def capsule(pointer: int, name: bytes) -> object:
    new = ctypes.pythonapi.PyCapsule_New
    new.restype, new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return new(pointer, name, None)


def test_a_deadline_is_a_number_and_may_be_infinite(library: ctypes.CDLL) -> None:
    from subgraft.interpreter.native import _native

    out = np.zeros_like(X)
    call = _native.NativeCall(capsule(library.copier_create(X.nbytes, 0, 0), b"subgraft.executable"), [X], [out])
    for wrong in (float("nan"), -1.0):
        with pytest.raises(ValueError, match="timeout_s"):
            call.run(wrong)
    assert call.run(float("inf")) == (True, None)
    np.testing.assert_array_equal(out, X)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_drops_a_call_whose_thread_stayed_behind(library: ctypes.CDLL) -> None:
    from subgraft.interpreter.native import _native

    call = _native.NativeCall(capsule(library.copier_create(X.nbytes, 0, 0), b"subgraft.executable"), [X], [X.copy()])
    assert call.run(10.0) == (True, None)
    child = os.fork()
    if child == 0:
        try:
            call.run(10.0)
        except ValueError:
            del call
            os._exit(0)
        os._exit(1)
    assert exit_code(child) == 0


def test_the_example_in_c_runs() -> None:
    script = ROOT / "examples/native_delegate/relu.py"
    child = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert child.returncode == 0, child.stderr
    assert "native-relu" in child.stdout
