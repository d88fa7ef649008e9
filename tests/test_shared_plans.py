"""Interpreters of one model share what does not change from run to run, and nothing else."""

from __future__ import annotations

import ctypes
import platform
import threading

import numpy as np
import pytest

import subgraft
from subgraft.delegates import Graph, Op, Options, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

COUNT = 16
ADD = Options({"fused_activation_function": "NONE"}, table="AddOptions")


def chain(ops: int) -> _native.Model:
    """y = x + ops * x, in so many steps."""
    tensors = [Tensor(f"t{i}", (COUNT,), "float32") for i in range(ops + 1)]
    added = [Op("ADD", (i, 0), (i + 1,), ADD) for i in range(ops)]
    return Model.of(Graph(tensors, added, (0,), (ops,))).native


def program(model: _native.Model, **request: object) -> _native.Program:
    return _native.Program(model, pool=_native.ThreadPool(1), **request)


def kept() -> _native.Model:
    """Keeps 2 x in a variable (ops 0, 1 and 2); reads it (op 3) and adds it to x (op 4)."""
    names = Options({"container": "", "shared_name": "kept"}, table="VarHandleOptions")
    tensors = [Tensor(name, (COUNT,), "float32") for name in ("x", "twice", "y", "read")]
    tensors += [Tensor("kept", (), "resource")]
    ops = [Op("ADD", (0, 0), (1,), ADD), Op("VAR_HANDLE", (), (4,), names), Op("ASSIGN_VARIABLE", (4, 1), ())]
    ops += [Op("READ_VARIABLE", (4,), (3,)), Op("ADD", (3, 0), (2,), ADD)]
    return Model.of(Graph(tensors, ops, (0,), (2,))).native


def allocated_bytes() -> int:
    class Statistics(ctypes.Structure):
        _fields_ = [
            (name, ctypes.c_size_t)
            for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "used", "free", "top")
        ]

    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = Statistics
    now = mallinfo2()
    return int(now.used + now.hblkhd)


def test_programs_of_one_model_compute_on_memory_of_their_own() -> None:
    model = chain(5)
    programs = [program(model) for _ in range(3)]
    for i, one in enumerate(programs):
        one.set(0, np.full(COUNT, i + 1, np.float32))
    for one in programs:
        one.run()
    for i, one in enumerate(programs):
        np.testing.assert_array_equal(one.get(5), np.full(COUNT, 6 * (i + 1), np.float32))


def test_a_program_outlives_the_one_that_it_shares_with() -> None:
    model = chain(5)
    first = program(model)
    second = program(model)
    del first
    np.testing.assert_array_equal(second.call([np.ones(COUNT, np.float32)])[0], np.full(COUNT, 6, np.float32))


def test_external_programs_are_bound_one_by_one() -> None:
    model = chain(2)
    programs = [program(model, external=True) for _ in range(2)]
    x = [np.full(COUNT, i + 1, np.float32) for i in range(2)]
    y = [np.zeros(COUNT, np.float32) for _ in range(2)]
    programs[0].bind(0, x[0])
    programs[0].bind(2, y[0])
    with pytest.raises(ValueError, match=r"bind\(\) it first"):
        programs[1].run()
    programs[1].bind(0, x[1])
    programs[1].bind(2, y[1])
    for one in programs:
        one.run()
    np.testing.assert_array_equal(y, [np.full(COUNT, 3), np.full(COUNT, 6)])


def test_programs_that_share_run_at_the_same_time() -> None:
    model = chain(200)
    wrong = []

    def compute(value: int) -> None:
        own = program(model)
        for i in range(200):
            x = np.full(COUNT, value + i, np.float32)
            if not np.array_equal(own.call([x])[0], 201 * x):
                wrong.append((value, i))

    threads = [threading.Thread(target=compute, args=(1000 * i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_variables_by_name_are_each_interpreter_s_own() -> None:
    model = kept()
    one, other = _native.Resources(), _native.Resources()
    x = np.ones(COUNT, np.float32)
    writer = program(model, ops=[0, 1, 2], outputs=[1], resources=one)
    readers = [program(model, ops=[1, 3, 4], resources=own) for own in (one, other)]
    writer.call([x])
    np.testing.assert_array_equal(readers[0].call([x])[0], np.full(COUNT, 3, np.float32))
    with pytest.raises(RuntimeError, match="before it was assigned"):
        readers[1].call([x])
    del readers[0]
    program(model, ops=[0, 1, 2], outputs=[1], resources=other).call([3 * x])
    np.testing.assert_array_equal(readers[0].call([x])[0], np.full(COUNT, 7, np.float32))


def test_other_shapes_or_outputs_are_not_shared() -> None:
    model = chain(3)
    first = program(model)
    assert program(model, shapes={0: [2, COUNT]}).shape(3) == (2, COUNT)
    assert program(model, ops=[0], outputs=[1]).outputs == [1]
    assert first.shape(3) == (COUNT,)


def test_a_memory_limit_set_later_holds_for_the_next_program(monkeypatch: pytest.MonkeyPatch) -> None:
    model = chain(3)
    first = program(model)
    monkeypatch.setenv("SUBGRAFT_MAX_BYTES", "16")
    with pytest.raises(subgraft.Unsupported, match="memory limit"):
        program(model)
    del first


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="asks glibc how much memory is in use")
def test_a_second_program_takes_little_more_than_its_arena() -> None:
    model = chain(2000)
    before = allocated_bytes()
    first = program(model)
    between = allocated_bytes()
    second = program(model)
    after = allocated_bytes()
    own = after - between - second.arena_bytes
    assert own < 0.1 * (between - before - first.arena_bytes)
