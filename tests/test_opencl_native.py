"""The native OpenCL layer on PoCL: programs, buffers, recorded lists, and who may still use them."""

from __future__ import annotations

import gc
import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subgraft import _native
from subgraft._native import ClCommands, ClContext, ClError, ClLibrary, ClProgram

SOURCE = """
__kernel void scale(__global const float* a, __global float* b, int n, float factor) {
  int i = get_global_id(0);
  if (i < n) b[i] = a[i] * factor;
}
__kernel void count(__global int* cell) { cell[0] += 1; }
__kernel void place(__global int* cells) {
  int x = get_global_id(0), y = get_global_id(1), z = get_global_id(2);
  cells[(z * get_global_size(1) + y) * get_global_size(0) + x] = 100 * z + 10 * y + x;
}
__kernel void spin(__global int* cell, int rounds) {
  for (int i = 0; i < rounds; ++i) cell[0] = cell[0] * 1664525 + 1013904223;
}
"""
SIZE = 100
SPIN_ROUNDS = 200_000_000


@dataclass(frozen=True)
class Device:
    """What pyopencl made; `made` keeps it."""

    library: ClLibrary
    context: int
    device: int
    made: Any

    def open(self) -> ClContext:
        return ClContext(self.library, self.context, self.device)


def absent(reason: str) -> None:
    if os.environ.get("SUBGRAFT_REQUIRE_OPENCL"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def pocl(tmp_path_factory: pytest.TempPathFactory) -> Device:
    """PoCL on the processor."""
    if importlib.util.find_spec("pyopencl") is None:
        absent("needs pyopencl and PoCL; pip install 'pyopencl[pocl]'")
    return open_pocl(str(tmp_path_factory.mktemp("pocl")))


def open_pocl(cache: str) -> Device:
    os.environ.setdefault("POCL_CACHE_DIR", cache)
    import pyopencl

    try:
        platforms = pyopencl.get_platforms()
    except pyopencl.Error:
        platforms = []
    devices = [d for p in platforms if "Portable" in p.name for d in p.get_devices()]
    if not devices:
        absent("pyopencl sees no PoCL; pip install 'pyopencl[pocl]'")
    maps = Path("/proc/self/maps").read_text().splitlines()
    path = next(line.split()[-1] for line in maps if "libOpenCL" in line)
    context = pyopencl.Context([devices[0]])
    return Device(ClLibrary(path), context.int_ptr, devices[0].int_ptr, context)


@pytest.fixture
def context(pocl: Device) -> Iterator[ClContext]:
    context = pocl.open()
    yield context
    context.close()


@pytest.fixture(scope="module")
def shared(pocl: Device) -> ClContext:
    return pocl.open()


@pytest.fixture(scope="module")
def program(shared: ClContext) -> ClProgram:
    return shared.build(SOURCE, "")


def scaling(context: ClContext, program: ClProgram, factor: float, *, host_visible: bool = False) -> ClCommands:
    """A list that multiplies 100 floats."""
    a, b = (context.buffer(4 * SIZE, host_visible) for _ in range(2))
    commands = ClCommands(context)
    commands.launch(program, "scale", [a, b, SIZE, factor], (128,), (32,))
    commands.input(a, 4 * SIZE)
    commands.output(b, 4 * SIZE)
    return commands


X = np.arange(-50, 50, dtype=np.float32) / 8  # exact in every product below


def result(commands: ClCommands) -> np.ndarray[Any, np.dtype[np.float32]]:
    y = np.full_like(X, np.nan)
    commands.run([X], [y])
    return y


@pytest.mark.parametrize("host_visible", [False, True])
def test_a_list_gives_the_same_in_every_run(shared: ClContext, program: ClProgram, host_visible: bool) -> None:
    commands = scaling(shared, program, 2.5, host_visible=host_visible)
    for _ in range(3):
        np.testing.assert_array_equal(result(commands), X * np.float32(2.5))


def test_what_a_list_uses_lives_as_long_as_the_list(shared: ClContext) -> None:
    program = shared.build(SOURCE, "-DOWN")
    commands = scaling(shared, program, 3.0)
    del program
    gc.collect()
    np.testing.assert_array_equal(result(commands), X * 3)


def test_an_int_and_a_float_arrive_as_such(shared: ClContext, program: ClProgram) -> None:
    a, b = shared.buffer(16), shared.buffer(16)
    commands = ClCommands(shared)
    commands.launch(program, "scale", [a, b, np.int64(2), np.float32(0.5)], (4,), None)
    commands.input(a, 16)
    commands.input(b, 16)
    commands.output(b, 16)
    out = np.empty(4, np.float32)
    commands.run([np.arange(1, 5, dtype=np.float32), np.full(4, 9, np.float32)], [out])
    assert out.tolist() == [0.5, 1.0, 9.0, 9.0]


def test_three_dimensions_reach_the_kernel(shared: ClContext, program: ClProgram) -> None:
    cells = shared.buffer(4 * 24)
    commands = ClCommands(shared, flush_every=1)
    commands.launch(program, "place", [cells], (4, 3, 2), (2, 1, 1))
    commands.output(cells, 4 * 24)
    out = np.empty((2, 3, 4), np.int32)
    commands.run([], [out])
    np.testing.assert_array_equal(out, np.fromfunction(lambda z, y, x: 100 * z + 10 * y + x, (2, 3, 4), dtype=int))


def test_launches_keep_their_order_and_their_own_arguments(shared: ClContext, program: ClProgram) -> None:
    a, b = shared.buffer(4 * SIZE), shared.buffer(4 * SIZE)
    commands = ClCommands(shared, flush_every=2)
    for source, target, factor in ((a, b, 2.0), (b, a, 3.0), (a, b, 5.0)):
        commands.launch(program, "scale", [source, target, SIZE, factor], (SIZE,), (SIZE,))
    commands.input(a, 4 * SIZE)
    commands.output(b, 4 * SIZE)
    np.testing.assert_array_equal(result(commands), X * 30)


def test_a_chained_tensor_stays_on_the_device(shared: ClContext, program: ClProgram) -> None:
    a, b, c = (shared.buffer(4 * SIZE) for _ in range(3))
    first, second = ClCommands(shared), ClCommands(shared)
    first.launch(program, "scale", [a, b, SIZE, 2.0], (SIZE,), (1,))
    first.input(a, 4 * SIZE)
    first.output(b, 0)
    second.launch(program, "scale", [b, c, SIZE, 4.0], (SIZE,), (1,))
    second.input(b, 0)
    second.output(c, 4 * SIZE)
    y = np.empty_like(X)
    first.run([X], [None])
    second.run([None], [y])
    np.testing.assert_array_equal(y, X * 8)


@pytest.mark.parametrize("host_visible", [False, True])
def test_a_part_of_a_buffer_can_be_written_and_read(shared: ClContext, host_visible: bool) -> None:
    buffer = shared.buffer(8, host_visible)
    assert buffer.size == 8
    buffer.write(bytes(8))
    buffer.write(np.array([7, 8], np.int16), offset=2)
    back = np.empty(3, np.int16)
    buffer.read(back, 2)
    assert back.tolist() == [7, 8, 0]


@pytest.mark.parametrize(("size", "offset"), [(9, 0), (8, 1), (1, 8), (1, 2**63)])
def test_what_does_not_fit_is_refused(shared: ClContext, size: int, offset: int) -> None:
    buffer = shared.buffer(8)
    with pytest.raises(ValueError, match="do not fit"):
        buffer.write(bytes(size), offset)
    with pytest.raises(ValueError, match="do not fit"):
        buffer.read(bytearray(size), offset)
    with pytest.raises(ValueError, match="do not fit"):
        ClCommands(shared).input(buffer, size, offset)
    with pytest.raises(ValueError, match="do not fit"):
        ClCommands(shared).output(buffer, size, offset)


def test_a_buffer_that_cannot_be_written_to_is_not_read_into(shared: ClContext) -> None:
    with pytest.raises(BufferError):
        shared.buffer(4).read(bytes(4))


def test_profiling_times_each_launch(shared: ClContext, program: ClProgram) -> None:
    cell = shared.buffer(4)
    commands = ClCommands(shared)
    for rounds in (1, 200_000):
        commands.launch(program, "spin", [cell, rounds], (1,), (1,))
    commands.run([], [])
    short, long = commands.profile([], [], 3)
    assert 0 < short < long < 1


def test_profiling_computes_as_a_run_does(shared: ClContext, program: ClProgram) -> None:
    y = np.empty_like(X)
    assert len(scaling(shared, program, 7.0).profile([X], [y], 2)) == 1
    np.testing.assert_array_equal(y, X * 7)
    with pytest.raises(ValueError, match="runs must be at least 1"):
        scaling(shared, program, 7.0).profile([X], [y], 0)


def test_a_kernel_costs_the_host_little(shared: ClContext, program: ClProgram) -> None:
    """Processor time of the calling thread; the least of many runs, for a busy machine adds to it."""
    cell = shared.buffer(4)
    commands = ClCommands(shared)
    for _ in range(1000):
        commands.launch(program, "count", [cell], (1,), (1,))
    costs = []
    for _ in range(30):
        start = time.thread_time()
        commands.run([], [])
        costs.append((time.thread_time() - start) / 1000)
    assert min(costs) < 1.2e-6


def test_a_binary_gives_the_program_again(shared: ClContext, program: ClProgram) -> None:
    result(scaling(shared, program, 2.0))
    loaded = shared.load(program.binary(), "")
    np.testing.assert_array_equal(result(scaling(shared, loaded, 4.0)), X * 4)


def test_a_damaged_binary_is_refused(shared: ClContext) -> None:
    with pytest.raises(ClError) as caught:
        shared.load(b"this is no program", "")
    assert (caught.value.code, caught.value.call) == ("INVALID_BINARY", "clCreateProgramWithBinary")
    with pytest.raises(ValueError, match="0 bytes"):
        shared.load(b"", "")


def test_a_build_error_has_the_compilers_log(shared: ClContext) -> None:
    with pytest.raises(ClError) as caught:
        shared.build("__kernel void k(__global int* x) { x[0] = missing_name; }", "")
    assert (caught.value.code, caught.value.call) == ("BUILD_PROGRAM_FAILURE", "clBuildProgram")
    assert "missing_name" in caught.value.log
    assert "missing_name" in str(caught.value)


def test_the_work_group_limit_is_the_kernels(shared: ClContext, program: ClProgram) -> None:
    limit = program.work_group_limit("scale")
    assert limit >= 1
    a = shared.buffer(4)
    with pytest.raises(ClError, match=f"groups of at most {limit} work items") as caught:
        ClCommands(shared).launch(program, "count", [a], (limit * 2,), (limit * 2,))
    assert caught.value.code == "INVALID_WORK_GROUP_SIZE"
    with pytest.raises(ClError) as caught:
        program.work_group_limit("no_such_kernel")
    assert (caught.value.code, caught.value.call) == ("INVALID_KERNEL_NAME", "clCreateKernel")


@pytest.mark.parametrize(
    ("arguments", "global_size", "local_size", "message"),
    [
        ([1], (4,), (1,), "takes 4 arguments, not 1"),
        (["b", "b", 2**31, 1.0], (4,), (1,), "argument 2 does not fit into 32 bits: 2147483648"),
        (["b", "b", -(2**31) - 1, 1.0], (4,), (1,), "argument 2 does not fit into 32 bits"),
        (["b", "b", 10**30, 1.0], (4,), (1,), "argument 2 does not fit into 32 bits"),
        (["b", "b", "1", 1.0], (4,), (1,), "argument 2 is neither a ClBuffer nor a number"),
        (["b", None, 1, 1.0], (4,), (1,), "argument 1 is neither a ClBuffer nor a number"),
        (["b", "b", 1, 1.0], (), (), "has 0 dimensions"),
        (["b", "b", 1, 1.0], (1, 1, 1, 1), None, "has 4 dimensions"),
        (["b", "b", 1, 1.0], (4, 4), (4,), "global size of 2 dimensions and a local one of 1"),
        (["b", "b", 1, 1.0], (4, 0), (1, 1), "its global size is 0 in dimension 1"),
        (["b", "b", 1, 1.0], (10,), (4,), "no multiple of its local size of 4"),
        (["b", "b", 1, 1.0], (10,), (0,), "no multiple of its local size of 0"),
    ],
)
def test_a_wrong_launch_is_refused(
    shared: ClContext,
    program: ClProgram,
    arguments: list[Any],
    global_size: tuple[int, ...],
    local_size: tuple[int, ...] | None,
    message: str,
) -> None:
    buffer = shared.buffer(16)
    given = [buffer if a == "b" else a for a in arguments]
    with pytest.raises(ValueError, match=message):
        ClCommands(shared).launch(program, "scale", given, global_size, local_size)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([], [X.copy()], "expected 1 inputs, got 0"),
        ([X], [], "expected 1 outputs, got 0"),
        ([X[:50]], [X.copy()], "input 0 has 200 bytes instead of 400"),
        ([X], [X[:99].copy()], "output 0 has 396 bytes instead of 400"),
        ([np.zeros(200, np.float32)[::2]], [X.copy()], "input 0 must be C-contiguous"),
        ([X.tobytes()], [X.copy()], "input 0 is not a numpy array"),
        ([X], [np.frombuffer(X.tobytes(), np.float32)], "output 0 must be writeable"),
    ],
)
def test_wrong_arrays_are_refused(
    shared: ClContext, program: ClProgram, inputs: list[Any], outputs: list[Any], message: str
) -> None:
    commands = scaling(shared, program, 2.0)
    with pytest.raises(ValueError, match=message):
        commands.run(inputs, outputs)
    np.testing.assert_array_equal(result(commands), X * 2)


def test_contexts_do_not_mix(shared: ClContext, program: ClProgram, context: ClContext) -> None:
    other = context.buffer(16)
    commands = ClCommands(shared)
    with pytest.raises(ValueError, match='argument 0 of kernel "count" is of another context'):
        commands.launch(program, "count", [other], (1,), (1,))
    with pytest.raises(ValueError, match="belongs to another context"):
        commands.input(other, 16)
    with pytest.raises(ValueError, match="belongs to another context"):
        ClCommands(context).launch(program, "count", [other], (1,), (1,))


def test_after_close_everything_says_so(context: ClContext) -> None:
    program = context.build(SOURCE, "")
    buffer = context.buffer(4 * SIZE)
    commands = scaling(context, program, 2.0)
    result(commands)
    context.close()
    context.close()
    for use in (
        lambda: result(commands),
        lambda: commands.profile([X], [X.copy()], 1),
        lambda: commands.launch(program, "count", [buffer], (1,), (1,)),
        lambda: buffer.write(X),
        lambda: buffer.read(X.copy()),
        lambda: program.binary(),
        lambda: program.work_group_limit("scale"),
        lambda: context.build(SOURCE, ""),
        lambda: context.load(b"1234", ""),
        lambda: context.buffer(4),
        lambda: context.finish(),
    ):
        with pytest.raises(ClError) as caught:
            use()
        assert caught.value.code == "CLOSED"


def test_what_is_in_a_context_outlives_it(pocl: Device) -> None:
    context = pocl.open()
    commands = scaling(context, context.build(SOURCE, ""), 2.0)
    del context
    gc.collect()
    np.testing.assert_array_equal(result(commands), X * 2)


def spinning(context: ClContext, program: ClProgram) -> tuple[ClCommands, _native.NativeCall]:
    """A list that runs for about half a second, in a thread that was given up."""
    commands = ClCommands(context)
    commands.launch(program, "spin", [context.buffer(4), SPIN_ROUNDS], (1,), (1,))
    native = _native.NativeCall(commands.capsule(), [], [])
    assert native.run(0.05) == (False, None)
    return commands, native


def code_when_idle(commands: ClCommands) -> str:
    """What running the list ends with, once its run under way is over."""
    code = "BUSY"
    while code == "BUSY":
        try:
            commands.run([], [])
            code = ""
        except ClError as error:
            code = error.code
    return code


def test_a_busy_list_is_refused_to_a_second_thread(shared: ClContext, program: ClProgram) -> None:
    commands, native = spinning(shared, program)
    cell = shared.buffer(4)
    for use in (
        lambda: commands.run([], []),
        lambda: commands.profile([], [], 1),
        lambda: commands.launch(program, "count", [cell], (1,), (1,)),
        lambda: commands.input(cell, 4),
        lambda: commands.output(cell, 4),
    ):
        with pytest.raises(ClError) as caught:
            use()
        assert caught.value.code == "BUSY"
    del native
    assert code_when_idle(commands) == ""


def test_two_threads_run_their_own_lists(shared: ClContext, program: ClProgram) -> None:
    lists = [scaling(shared, program, float(i)) for i in range(1, 5)]
    wrong: list[int] = []

    def work(i: int) -> None:
        for _ in range(50):
            if not np.array_equal(result(lists[i]), X * np.float32(i + 1)):
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(lists))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_closing_lets_a_run_under_way_end(context: ClContext) -> None:
    commands, native = spinning(context, context.build(SOURCE, ""))
    context.close()
    del native
    assert code_when_idle(commands) == "CLOSED"


SPINNING_END = """
import sys, time
from test_opencl_native import SOURCE, ClCommands, _native, open_pocl
pocl = open_pocl(sys.argv[1])
context = pocl.open()
program, cell = context.build(SOURCE, ""), context.buffer(4)
commands = ClCommands(context)
commands.launch(program, "spin", [cell, 1], (1,), (1,))
commands.run([], [])  # compiles
for _ in range(20):
    commands.launch(program, "spin", [cell, 2_000_000_000], (1,), (1,))
native = _native.NativeCall(commands.capsule(), [], [])
assert native.run(0.05) == (False, None)
print(time.monotonic())
"""


def test_the_interpreter_ends_while_a_kernel_runs(pocl: Device) -> None:
    """Of most of a minute."""
    command = [sys.executable, "-c", SPINNING_END, os.environ["POCL_CACHE_DIR"]]
    child = subprocess.run(command, cwd=Path(__file__).parent, check=True, timeout=100, capture_output=True, text=True)
    ended = time.monotonic()
    assert ended - float(child.stdout) < 10


def test_a_forked_child_is_refused_and_leaves_the_parents_objects_alone(shared: ClContext, program: ClProgram) -> None:
    commands = scaling(shared, program, 2.0)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            result(commands)
        except ClError as error:
            os.write(write, error.code.encode())
        del commands
        shared.close()
        os._exit(0)
    os.close(write)
    assert os.waitpid(child, 0)[1] == 0
    assert os.read(read, 100) == b"FORKED"
    os.close(read)
    np.testing.assert_array_equal(result(commands), X * 2)


def test_the_native_executor_runs_a_list(shared: ClContext, program: ClProgram) -> None:
    y = np.empty_like(X)
    native = _native.NativeCall(scaling(shared, program, 6.0).capsule(), [X], [y])
    assert native.run(30.0) == (True, None)
    np.testing.assert_array_equal(y, X * 6)


def test_the_reason_of_a_failed_run_names_the_call_or_the_state(context: ClContext) -> None:
    commands = scaling(context, context.build(SOURCE, ""), 6.0)
    native = _native.NativeCall(commands.capsule(), [X], [X.copy()])
    context.close()
    assert native.run(30.0) == (True, "this OpenCL context was closed")


def test_a_library_that_is_not_there_is_an_os_error() -> None:
    with pytest.raises(OSError, match=r"/nowhere/libOpenCL.so cannot be loaded: .*No such file"):
        ClLibrary("/nowhere/libOpenCL.so")


def test_a_library_without_opencl_is_an_os_error() -> None:
    with pytest.raises(OSError, match="is no OpenCL library"):
        ClLibrary("libm.so.6")


@pytest.mark.parametrize("size", [0, -1])
def test_a_buffer_of_no_bytes_is_refused(shared: ClContext, size: int) -> None:
    with pytest.raises((ValueError, TypeError)):
        shared.buffer(size)


def test_a_hidden_function_is_missing_by_name(pocl: Device) -> None:
    library = ClLibrary(pocl.library.path, ["clFlush", "clCreateCommandQueueWithProperties"])
    assert set(library.missing) - set(pocl.library.missing) == {"clFlush", "clCreateCommandQueueWithProperties"}
    context = ClContext(library, pocl.context, pocl.device)
    program = context.build(SOURCE, "")
    cell = context.buffer(4)
    commands = ClCommands(context, flush_every=1)
    commands.launch(program, "count", [cell], (1,), (1,))
    with pytest.raises(ClError, match="clFlush") as caught:
        commands.run([], [])
    assert (caught.value.code, caught.value.call) == ("MISSING_SYMBOL", "clFlush")
    context.close()
