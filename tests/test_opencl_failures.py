"""What breaks on an OpenCL device ends in one of the contract's errors, with the reason; the device may come back."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

import graphs as make
import subgraft
from opencl_device import Faults, TestDevice
from subgraft.backends.opencl import OpenCl, library
from subgraft.backends.opencl.errors import (
    CODES,
    MEANINGS,
    Lost,
    NotBuilt,
    OutOfMemory,
    TooLarge,
    failed,
    rejected,
    translate,
    unavailable,
)
from subgraft.delegates import Array, DelegateError, Device, Failed, Health, Rejected, Unavailable
from subgraft.interpreter import Model
from waiting import until

WHERE = "opencl:0 (NVIDIA, H100)"
OUT_OF_RESOURCES, INVALID_COMMAND_QUEUE, BUILD_FAILURE, NO_MEMORY = -5, -36, -11, -4


class NativeError(RuntimeError):
    """As native code raises it."""

    def __init__(self, code: str, call: str = "clFinish", log: str = "") -> None:
        super().__init__(f"{call}: {code}")
        self.code, self.call, self.log = code, call, log


class PyopenclError(Exception):
    """As pyopencl raises it."""

    code, routine = -2, "create_context"


@pytest.mark.parametrize(
    "error, kind, words",
    [
        (NativeError("BUILD_PROGRAM_FAILURE", "clBuildProgram"), NotBuilt, "does not compile the kernels"),
        (NativeError("OUT_OF_RESOURCES"), Lost, "OUT_OF_RESOURCES in clFinish, while running"),
        (NativeError("MEM_OBJECT_ALLOCATION_FAILURE"), OutOfMemory, "no memory left; end what else uses it"),
        (NativeError("INVALID_BUFFER_SIZE"), TooLarge, "no buffers of that size"),
        (NativeError("-4711"), Failed, "failed"),
        (PyopenclError(), Lost, r"is gone \(DEVICE_NOT_AVAILABLE in create_context"),
        (MemoryError(), OutOfMemory, "no memory from this machine while running"),
    ],
)
def test_an_error_says_which_device_what_and_while_doing_what(
    error: Exception, kind: type[DelegateError], words: str
) -> None:
    found = translate(error, "running", WHERE)
    assert type(found) is kind
    assert found.reason.startswith(WHERE)
    with pytest.raises(kind, match=words):
        raise found


def test_every_code_with_a_meaning_is_a_code() -> None:
    ours = {"CLOSED", "FORKED", "BUSY", "MISSING_SYMBOL", "NO_ANSWER"}
    assert set(MEANINGS) - ours <= set(CODES.values())


@pytest.mark.parametrize("code", [*CODES.values(), "-4711"])
def test_each_phase_raises_what_the_contract_allows_there(code: str) -> None:
    assert isinstance(failed(NativeError(code), WHERE), Failed)
    assert isinstance(rejected(NativeError(code), WHERE), DelegateError)
    assert type(rejected(NativeError(code), WHERE)) is not Failed
    assert isinstance(unavailable(NativeError(code), WHERE), Unavailable)


def test_the_beginning_of_a_build_log_is_shown() -> None:
    log = "\n".join(f"<kernel>:{n}: error: no {n}" for n in range(40))
    reason = rejected(NativeError("BUILD_PROGRAM_FAILURE", "clBuildProgram", log), WHERE).reason
    assert "<kernel>:0: error: no 0\n" in reason
    assert reason.endswith("... and 28 lines more")


@pytest.fixture
def used(opencl: TestDevice, opencl_faults: Faults, tmp_path: Path) -> tuple[OpenCl, Device]:
    """A delegate whose device is open."""
    delegate = OpenCl(**opencl.options())  # type: ignore[arg-type]
    return delegate, delegate.choose(opencl.found.id)


@pytest.mark.parametrize("call", ["clEnqueueNDRangeKernel", "clFinish"])
@pytest.mark.parametrize("code", [OUT_OF_RESOURCES, INVALID_COMMAND_QUEUE])
def test_a_lost_device_is_gone_until_a_new_context_works(
    used: tuple[OpenCl, Device], opencl_faults: Faults, call: str, code: int
) -> None:
    delegate, device = used
    assert delegate.health(device) is Health.OK
    before = delegate._in_use(device)
    opencl_faults.fail(call, code)
    assert [delegate.health(device) for _ in range(2)] == [Health.GONE, Health.GONE]
    opencl_faults.mend()
    assert delegate.health(device) is Health.OK
    assert delegate._in_use(device) is not before


def test_a_device_that_does_not_open_is_unavailable_with_the_reason(
    opencl: TestDevice, opencl_faults: Faults, tmp_path: Path
) -> None:
    delegate = OpenCl(cache=str(tmp_path))
    for call, code, words in (
        ("clBuildProgram", BUILD_FAILURE, "does not compile the kernels"),
        ("clCreateBuffer", NO_MEMORY, "has no memory left"),
        ("clEnqueueNDRangeKernel", OUT_OF_RESOURCES, "ran out of resources"),
    ):
        opencl_faults.fail(call, code)
        with pytest.raises(Unavailable, match=f"{words}.*it is not used"):
            delegate.choose(opencl.found.id)
        opencl_faults.mend()
    delegate.choose(opencl.found.id)  # nothing of that was remembered as a device that computes wrongly


def test_a_library_that_is_no_opencl_library_is_named(
    opencl: TestDevice, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(library.VARIABLE, str(tmp_path / "libnone.so"))
    with pytest.raises(Unavailable, match=r"libnone\.so.*set \$SUBGRAFT_OPENCL to its file"):
        OpenCl(cache=str(tmp_path)).choose(opencl.found.id)


def test_a_kept_program_that_the_device_does_not_take_is_built_again(
    opencl: TestDevice, used: tuple[OpenCl, Device]
) -> None:
    delegate, device = used
    opened = delegate._in_use(device)
    source = "__kernel void one(__global int* x) { x[0] = 1; }"
    opened.store.put_program(b"no binary at all", source, "", opened.caps.identity)
    opened.program(source)
    assert opened.is_fresh(source)
    opened.keep(source)
    assert not opened.is_fresh(source)
    opened.program(source)
    assert not opened.is_fresh(source)


def test_a_program_that_does_not_compile_is_rejected_with_the_compilers_words(used: tuple[OpenCl, Device]) -> None:
    delegate, device = used
    with pytest.raises(Rejected, match="(?s)does not compile.*nonsense"):
        delegate._in_use(device).program("__kernel void f() { nonsense; }")


X = np.linspace(-3, 3, 4000, dtype=np.float32).reshape(4, 1000)


def chain() -> Model:
    return Model.of(make.chain("ADD", "TANH", "MUL", shape=X.shape))


def expected() -> Array:
    with subgraft.load(chain()) as cpu:
        (value,) = cpu.run({"x": X}).values()
        return value


def answer(session: subgraft.Session) -> Array:
    (value,) = session.run({"x": X}).values()
    return value


@pytest.mark.parametrize(
    "call, code, words",
    [
        ("clEnqueueNDRangeKernel", OUT_OF_RESOURCES, "OUT_OF_RESOURCES"),
        ("clFinish", INVALID_COMMAND_QUEUE, "INVALID_COMMAND_QUEUE"),
        ("clEnqueueNDRangeKernel", NO_MEMORY, "MEM_OBJECT_ALLOCATION_FAILURE"),
    ],
)
def test_the_cpu_answers_a_run_that_fails_and_the_device_is_used_again(
    opencl: TestDevice, opencl_faults: Faults, call: str, code: int, words: str
) -> None:
    with subgraft.load(chain(), delegates=[opencl.delegate()], probe_s=0.02) as session:
        assert np.allclose(answer(session), expected(), atol=1e-5)
        assert not session.report.events
        opencl_faults.fail(call, code)
        assert np.array_equal(answer(session), expected())
        assert words in str(session.report)
        opencl_faults.mend()
        until(lambda: "used again" in str(session.report))
        before = session.report.events
        for _ in range(3):
            assert np.allclose(answer(session), expected(), atol=1e-5)
        assert session.report.events == before


def test_without_fallback_the_failure_is_raised_with_device_and_reason(
    opencl: TestDevice, opencl_faults: Faults
) -> None:
    with subgraft.load(chain(), delegates=[opencl.delegate()], fallback=False) as session:
        opencl_faults.fail("clFinish", OUT_OF_RESOURCES)
        with pytest.raises(Failed, match="OUT_OF_RESOURCES"):
            session.run({"x": X})


def test_a_segment_that_does_not_compile_runs_on_the_cpu_with_the_compilers_words_in_the_report(
    opencl: TestDevice, opencl_faults: Faults, tmp_path: Path
) -> None:
    delegate = OpenCl(**opencl.options(cache=str(tmp_path)))  # type: ignore[arg-type]
    delegate.choose(opencl.found.id)
    opencl_faults.replace("tanh(", "tanx(")
    with subgraft.load(chain(), delegates=[opencl.delegate(cache=str(tmp_path))]) as session:
        assert np.array_equal(answer(session), expected())
        assert "does not compile the kernels" in str(session.report)
        assert "tanx" in str(session.report)


def test_a_segment_without_memory_for_it_runs_on_the_cpu(
    opencl: TestDevice, opencl_faults: Faults, tmp_path: Path
) -> None:
    opencl_faults.fail("clCreateBuffer", NO_MEMORY, after=1000)
    delegate = opencl.delegate()
    with subgraft.load(chain(), delegates=[delegate]) as session:
        assert not session.report.events
    opencl_faults.fail("clCreateBuffer", NO_MEMORY)
    with subgraft.load(chain(), delegates=[delegate]) as session:
        assert np.array_equal(answer(session), expected())
        assert "no memory left" in str(session.report)


def test_a_kernel_that_does_not_end_in_time_is_left_behind(
    opencl: TestDevice, opencl_faults: Faults, tmp_path: Path
) -> None:
    delegate = opencl.delegate(timeout_s=0.2)
    with subgraft.load(chain(), delegates=[delegate]) as session:
        opencl_faults.hold(2.0)
        start = time.monotonic()
        assert np.array_equal(answer(session), expected())
        assert time.monotonic() - start < 1.5
        assert "no answer within 0.2 s" in str(session.report)
        opencl_faults.mend()
        time.sleep(2.0)


def test_a_device_that_cannot_be_measured_has_no_cost(opencl: TestDevice, opencl_faults: Faults) -> None:
    made = OpenCl(prefer="speed", cache=False)
    made.choose(opencl.found.id)
    graph = Model.of(make.chain("NEG")).graphs[0]
    opencl_faults.fail("clFinish", OUT_OF_RESOURCES)
    assert made.cost(graph.segment([0])) is None
    opencl_faults.mend()
    assert made.cost(graph.segment([0])) is not None
