"""What the native OpenCL layer does when a driver fails, hangs or lacks functions, seen by a stand-in libOpenCL."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from subgraft import _native
from subgraft._native import ClBuffer, ClCommands, ClContext, ClError, ClLibrary

SOURCE = Path(__file__).with_name("stand_in_opencl.c")
KINDS = ("context", "queue", "program", "kernel", "buffer", "event", "mapping", "command")
DEVICE = 1  # the handle that the stand-in takes for a device
OUT_OF_RESOURCES = -5
X = np.arange(16, dtype=np.float32)

# Calls of scenario(), each as often as it comes there.
FAILING = [
    ("clRetainContext", 1),
    ("clCreateCommandQueue", 2),  # the second is for profiling
    ("clCreateProgramWithSource", 1),
    ("clBuildProgram", 2),  # of the source, of the binary
    ("clGetProgramInfo", 3),
    ("clCreateProgramWithBinary", 1),
    ("clCreateKernel", 3),
    ("clGetKernelInfo", 2),
    ("clSetKernelArg", 4),
    ("clGetKernelWorkGroupInfo", 3),
    ("clCreateBuffer", 3),
    ("clEnqueueWriteBuffer", 3),
    ("clEnqueueReadBuffer", 3),
    ("clEnqueueMapBuffer", 3),
    ("clEnqueueUnmapMemObject", 3),
    ("clEnqueueNDRangeKernel", 4),
    ("clFlush", 4),
    ("clFinish", 5),
    ("clGetEventProfilingInfo", 4),
]
RELEASES = [
    "clReleaseContext",
    "clReleaseCommandQueue",
    "clReleaseProgram",
    "clReleaseKernel",
    "clReleaseMemObject",
    "clReleaseEvent",
]


class StandIn:
    """The stand-in library of one test, with a context that the test has made."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.functions = ctypes.CDLL(str(path))
        self.functions.stand_in_context.restype = ctypes.c_void_p
        self.functions.stand_in_references.argtypes = [ctypes.c_void_p]
        for name in ("alive", "misuses"):
            getattr(self.functions, f"stand_in_{name}").restype = ctypes.c_long
        self.context = self.functions.stand_in_context()

    def open(self, *hidden: str) -> ClContext:
        return ClContext(ClLibrary(str(self.path), hidden), self.context, DEVICE)

    def fail(self, call: str, code: int, nth: int = 1) -> None:
        self.functions.stand_in_fail(call.encode(), code, nth)

    def lose(self, code: int) -> None:
        self.functions.stand_in_lose(code)

    def hang(self, call: str) -> None:
        self.functions.stand_in_hang(call.encode())

    def resume(self) -> None:
        self.functions.stand_in_resume()

    @property
    def is_hanging(self) -> bool:
        return bool(self.functions.stand_in_is_hanging())

    def count(self, call: str) -> None:
        self.functions.stand_in_count(call.encode())

    @property
    def counted(self) -> int:
        return int(self.functions.stand_in_counted())

    @property
    def references(self) -> int:
        """To the context."""
        return int(self.functions.stand_in_references(self.context))

    @property
    def misuses(self) -> int:
        return int(self.functions.stand_in_misuses())

    def alive(self) -> dict[str, int]:
        """What there is besides our context."""
        gc.collect()
        counts = {kind: self.functions.stand_in_alive(i) for i, kind in enumerate(KINDS)}
        counts["context"] += self.references - 2
        return {kind: count for kind, count in counts.items() if count}

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits for it, for a bounded time."""
        until = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < until
            time.sleep(0.002)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stand_in") / "libstand_in_opencl.so"  # libOpenCL... would be taken for the real one
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", str(SOURCE), "-lpthread", "-o", str(path)], check=True)
    return path


@pytest.fixture
def stand_in(built: Path, tmp_path: Path) -> Iterator[StandIn]:
    """A copy of its own, because the counts are the library's."""
    path = tmp_path / built.name
    path.write_bytes(built.read_bytes())
    stand_in = StandIn(path)
    yield stand_in
    assert stand_in.misuses == 0


def copying(context: ClContext, a: ClBuffer, b: ClBuffer) -> ClCommands:
    """A list that copies X twice."""
    program = context.build("stand-in", "-DX")
    commands = ClCommands(context, flush_every=1)
    for _ in range(2):
        commands.launch(program, "copy", [a, b], (16,), (4,))
    commands.input(a, X.nbytes)
    commands.output(b, X.nbytes)
    return commands


def scenario(context: ClContext) -> None:
    """Uses everything once."""
    plain, other, visible = context.buffer(64), context.buffer(64), context.buffer(64, True)
    plain.write(X)
    back = np.empty_like(X)
    plain.read(back)
    assert np.array_equal(back, X)
    visible.write(X)
    commands = copying(context, plain, visible)
    commands.input(other, X.nbytes)
    commands.output(other, X.nbytes)
    for run in (commands.run, lambda *arrays: commands.profile(*arrays, 1)):
        y, z = np.empty_like(X), np.empty_like(X)
        run([X, -X], [y, z])
        assert np.array_equal(y, X)
        assert np.array_equal(z, -X)
    loaded = context.load(context.build("stand-in", "").binary(), "-DY")
    assert loaded.work_group_limit("copy") == 64


def ends_with(context: ClContext, code: str, call: str) -> None:
    with pytest.raises(ClError, match=call) as caught:
        scenario(context)
    assert (caught.value.code, caught.value.call) == (code, call)


def test_nothing_is_left_and_nothing_is_misused(stand_in: StandIn) -> None:
    context = stand_in.open()
    scenario(context)
    assert set(stand_in.alive()) == {"context", "queue"}
    context.close()
    assert stand_in.alive() == {}
    context.close()
    assert stand_in.references == 1


def test_letting_go_of_everything_releases_it(stand_in: StandIn) -> None:
    context = stand_in.open()
    commands = copying(context, context.buffer(64), context.buffer(64))
    del context
    assert stand_in.alive() == {"context": 1, "queue": 1, "program": 1, "kernel": 2, "buffer": 2}
    del commands
    assert stand_in.alive() == {}


def test_close_releases_what_is_still_referred_to(stand_in: StandIn) -> None:
    context = stand_in.open()
    a, b = context.buffer(64), context.buffer(64)
    commands = copying(context, a, b)
    context.close()
    assert stand_in.alive() == {}
    del a, b, commands
    assert stand_in.alive() == {}


def test_a_list_alone_keeps_what_it_uses(stand_in: StandIn) -> None:
    context = stand_in.open()
    capsule = copying(context, context.buffer(64), context.buffer(64)).capsule()
    del context
    y = np.empty_like(X)
    native = _native.NativeCall(capsule, [X], [y])
    assert native.run(10.0) == (True, None)
    assert np.array_equal(y, X)
    del native, capsule
    assert stand_in.alive() == {}


@pytest.mark.parametrize(("call", "nth"), [(call, nth + 1) for call, times in FAILING for nth in range(times)])
def test_a_failing_call_is_named_and_leaves_nothing(stand_in: StandIn, call: str, nth: int) -> None:
    stand_in.fail(call, OUT_OF_RESOURCES, nth)
    try:
        context = stand_in.open()
    except ClError as error:
        assert (error.code, error.call, nth) == ("OUT_OF_RESOURCES", call, 1)
    else:
        ends_with(context, "OUT_OF_RESOURCES", call)
        assert "command" not in stand_in.alive()  # nothing in a queue points at the caller's arrays any more
        scenario(context)
        context.close()
    mapped = {"mapping": 1} if call == "clEnqueueUnmapMemObject" else {}
    assert stand_in.alive() == mapped


@pytest.mark.parametrize("call", ["clCreateBuffer", "clCreateKernel", "clCreateProgramWithSource"])
def test_a_driver_that_gives_nothing_is_found_out(stand_in: StandIn, call: str) -> None:
    stand_in.fail(call, 0)
    ends_with(stand_in.open(), "NO_ANSWER", call)


@pytest.mark.parametrize("call", RELEASES)
def test_a_failing_release_is_passed_over(stand_in: StandIn, call: str) -> None:
    context = stand_in.open()
    stand_in.fail(call, OUT_OF_RESOURCES)
    scenario(context)
    context.close()
    gc.collect()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (-4, "MEM_OBJECT_ALLOCATION_FAILURE"),
        (-6, "OUT_OF_HOST_MEMORY"),
        (-9999, "ILLEGAL_ACCESS"),
        (-777, "ERROR_-777"),
    ],
)
def test_out_of_memory_and_unknown_codes_have_names(stand_in: StandIn, code: int, name: str) -> None:
    stand_in.fail("clCreateBuffer", code)
    with pytest.raises(ClError, match=rf"clCreateBuffer: {name} \({code}\)") as caught:
        stand_in.open().buffer(1 << 40)
    assert caught.value.code == name


def test_a_failed_build_has_the_log(stand_in: StandIn) -> None:
    stand_in.fail("clBuildProgram", -11)
    with pytest.raises(ClError, match="no kernel is compiled here") as caught:
        stand_in.open().build("stand-in", "")
    assert caught.value.code == "BUILD_PROGRAM_FAILURE"
    assert caught.value.log == "stand-in:1:1: error: no kernel is compiled here"


def test_a_failed_build_without_a_log_is_told_as_well(stand_in: StandIn) -> None:
    stand_in.fail("clBuildProgram", -11)
    with pytest.raises(ClError) as caught:
        stand_in.open("clGetProgramBuildInfo").build("stand-in", "")
    assert (caught.value.code, caught.value.log) == ("BUILD_PROGRAM_FAILURE", "")


def test_a_binary_of_another_device_is_refused(stand_in: StandIn) -> None:
    with pytest.raises(ClError) as caught:
        stand_in.open().load(b"another", "")
    assert (caught.value.code, caught.value.call) == ("INVALID_BINARY", "clCreateProgramWithBinary")
    assert stand_in.alive() == {}


def test_a_lost_device_fails_every_run_and_still_lets_go(stand_in: StandIn) -> None:
    context = stand_in.open()
    commands = copying(context, context.buffer(64), context.buffer(64, True))
    commands.run([X], [np.empty_like(X)])
    stand_in.lose(-2)
    for _ in range(2):
        with pytest.raises(ClError) as caught:
            commands.run([X], [np.empty_like(X)])
        assert caught.value.code == "DEVICE_NOT_AVAILABLE"
    with pytest.raises(ClError, match="clFinish"):
        context.finish()
    context.close()
    assert stand_in.alive() == {}


@pytest.mark.parametrize("call", [call for call, _ in FAILING if call != "clCreateCommandQueue"])
def test_a_missing_function_is_named(stand_in: StandIn, call: str) -> None:
    try:
        context = stand_in.open(call)
    except ClError as error:
        assert (error.code, error.call) == ("MISSING_SYMBOL", call)
        assert "has no function of this name" in str(error)
    else:
        ends_with(context, "MISSING_SYMBOL", call)
        context.close()
    mapped = {"mapping": 1} if call == "clEnqueueUnmapMemObject" else {}
    assert stand_in.alive() == mapped


@pytest.mark.parametrize("call", RELEASES)
def test_without_a_release_function_everything_else_works(stand_in: StandIn, call: str) -> None:
    context = stand_in.open(call)
    scenario(context)
    context.close()


def test_a_queue_is_made_by_either_function(stand_in: StandIn) -> None:
    later = "clCreateCommandQueueWithProperties"
    stand_in.count(later)
    scenario(stand_in.open())
    assert stand_in.counted == 0
    scenario(stand_in.open("clCreateCommandQueue"))
    assert stand_in.counted == 2
    with pytest.raises(ClError) as caught:
        stand_in.open("clCreateCommandQueue", later)
    assert (caught.value.code, caught.value.call) == ("MISSING_SYMBOL", "clCreateCommandQueue")
    assert stand_in.alive() == {}


def test_a_library_that_lacks_functions_says_which(built: Path, tmp_path: Path) -> None:
    script, path = tmp_path / "hide", tmp_path / "libold.so"
    script.write_text("{ local: clFlush; clCreateCommandQueueWithProperties; };")
    script_option = f"-Wl,--version-script={script}"
    subprocess.run(["cc", "-shared", "-fPIC", str(SOURCE), script_option, "-lpthread", "-o", str(path)], check=True)
    assert ClLibrary(str(built)).missing == []
    assert ClLibrary(str(path)).missing == ["clFlush", "clCreateCommandQueueWithProperties"]


def test_a_run_sets_nothing_but_launches_what_was_recorded(stand_in: StandIn) -> None:
    context = stand_in.open()
    a, b = context.buffer(64), context.buffer(64)
    program = context.build("stand-in", "")
    commands = ClCommands(context)
    for _ in range(100):
        commands.launch(program, "copy", [a, b], (16,), (4,))
    counts = {}
    for call in ("clSetKernelArg", "clCreateKernel", "clFlush", "clEnqueueNDRangeKernel", "clFinish"):
        stand_in.count(call)
        commands.run([], [])
        counts[call] = stand_in.counted
    assert list(counts.values()) == [0, 0, 0, 100, 1]


@pytest.mark.parametrize("flush_every", [0, 1, 2, 3, 100])
def test_the_driver_is_told_to_start_every_so_many_launches(stand_in: StandIn, flush_every: int) -> None:
    context = stand_in.open()
    a, b = context.buffer(64), context.buffer(64)
    program = context.build("stand-in", "")
    commands = ClCommands(context, flush_every=flush_every)
    for _ in range(7):
        commands.launch(program, "copy", [a, b], (16,), (4,))
    stand_in.count("clFlush")
    commands.run([], [])
    assert stand_in.counted == (7 // flush_every if flush_every else 0)


def test_profiling_gives_what_the_events_say(stand_in: StandIn) -> None:
    context = stand_in.open()
    commands = copying(context, context.buffer(64), context.buffer(64))
    assert commands.profile([X], [np.empty_like(X)], 3) == pytest.approx([2.5e-6, 2.5e-6])
    assert "event" not in stand_in.alive()


def hanging_list(stand_in: StandIn, call: str) -> tuple[ClContext, _native.NativeCall]:
    """A run that was given up, in `call`."""
    context = stand_in.open()
    commands = copying(context, context.buffer(64), context.buffer(64))
    stand_in.hang(call)
    native = _native.NativeCall(commands.capsule(), [X], [np.empty_like(X)])
    assert native.run(0.05) == (False, None)
    assert stand_in.is_hanging
    return context, native


@pytest.mark.parametrize("call", ["clFinish", "clEnqueueWriteBuffer", "clEnqueueNDRangeKernel", "clEnqueueReadBuffer"])
def test_a_hanging_run_keeps_all_until_it_is_back(stand_in: StandIn, call: str) -> None:
    context, native = hanging_list(stand_in, call)
    unused = context.buffer(64)
    for name in RELEASES:
        stand_in.count(name)
        del unused
        unused = context.buffer(64)
        gc.collect()
        assert stand_in.counted == 0
    context.close()
    del native, context, unused
    assert stand_in.alive()["kernel"] == 2
    stand_in.resume()
    stand_in.until(lambda: not stand_in.alive())


def test_what_was_dropped_during_a_run_goes_when_it_is_back(stand_in: StandIn) -> None:
    context, native = hanging_list(stand_in, "clFinish")
    buffers = [context.buffer(64) for _ in range(5)]
    assert stand_in.alive()["buffer"] == 7
    del buffers
    assert stand_in.alive()["buffer"] == 7
    stand_in.resume()
    stand_in.until(lambda: stand_in.alive()["buffer"] == 2)
    del native
    context.finish()


HANGING_END = """
import sys, threading
import numpy as np
from test_opencl_native_faults import StandIn, copying, X, _native
from pathlib import Path
stand_in = StandIn(Path(sys.argv[1]))
context = stand_in.open()
commands = copying(context, context.buffer(64), context.buffer(64))
stand_in.hang("clFinish")
if sys.argv[2] == "native":
    native = _native.NativeCall(commands.capsule(), [X], [np.empty_like(X)])
    assert native.run(0.05) == (False, None)
else:
    threading.Thread(target=commands.run, args=([X], [np.empty_like(X)]), daemon=True).start()
    stand_in.until(lambda: stand_in.is_hanging)
if sys.argv[3] == "closed":
    context.close()
"""


@pytest.mark.parametrize(("thread", "state"), [("native", "open"), ("native", "closed"), ("python", "open")])
def test_the_interpreter_ends_while_a_run_hangs(built: Path, thread: str, state: str) -> None:
    command = [sys.executable, "-c", HANGING_END, str(built), thread, state]
    subprocess.run(command, cwd=Path(__file__).parent, check=True, timeout=30)
