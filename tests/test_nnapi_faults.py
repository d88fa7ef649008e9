"""Whatever a driver does wrong, and at whatever stage: the answer is right, or the error says what happened."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import subgraft
from nnapi_stand_in import StandIn
from subgraft.backends.nnapi import Nnapi
from subgraft.backends.nnapi.errors import DriverDied, Late, OutOfMemory, Refusal, Wrong
from subgraft.delegates import DelegateError, Failed, Graph, Op, Options, Rejected, Tensor, Unavailable
from subgraft.interpreter.model import Model

# Every ResultCode, and one that no header has; a few of them by default.
CODES = [
    pytest.param(code, marks=() if code in (1, 4, 9, 12, 15) else (pytest.mark.exhaustive,)) for code in range(1, 16)
]
OUT_OF_MEMORY, BAD_DATA, OP_FAILED, INSUFFICIENT, UNAVAILABLE, LATE, LATER, BUSY, DEAD = 1, 4, 5, 8, 9, 10, 11, 12, 14

X = np.array([[1.0, -2.0, 3.0, 4.5]], np.float32)

WHILE_COMPILING = (
    "Model_create", "Model_addOperand", "Model_setOperandValue", "Model_addOperation",
    "Model_identifyInputsAndOutputs", "Model_finish", "Compilation_createForDevices", "Compilation_setPreference",
    "Compilation_setPriority", "Compilation_setTimeout", "Compilation_finish", "Memory_createFromFd",
)  # fmt: skip
WHILE_RUNNING = (
    "Execution_create", "Execution_setInputFromMemory", "Execution_setOutputFromMemory", "Execution_setTimeout",
    "Execution_setLoopTimeout", "Execution_setReusable", "Execution_compute",
)  # fmt: skip
GIVING = (
    "Model_create",
    "Compilation_createForDevices",
    "Memory_createFromFd",
    "Execution_create",
)  # functions that hand something over


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("nnapi"))


@pytest.fixture
def stand_in(library: StandIn) -> Iterator[StandIn]:
    library.reset()
    yield library
    library.reset()


def model() -> Model:
    tensors = [Tensor("x", (1, 4), "float32"), Tensor("half", (1, 4), "float32"), Tensor("y", (1, 4), "float32")]
    tensors.append(Tensor.constant("two", np.full((1, 4), 2, np.float32)))
    plain = Options({"fused_activation_function": "NONE"})
    ops = [Op("MUL", (0, 3), (1,), plain), Op("ADD", (1, 0), (2,), plain)]
    return Model.of(Graph(tensors, ops, (0,), (2,), name="main"))


def delegate(stand_in: StandIn, **options: object) -> Nnapi:
    return Nnapi(library=str(stand_in.path), **{"cache": False, "probe": False, **options})


def run(stand_in: StandIn, *, fallback: bool = True, runs: int = 1, **options: object) -> list[str]:
    """The reasons that were reported; the answers are right."""
    with subgraft.load(model(), delegates=[delegate(stand_in, **options)], fallback=fallback) as session:
        for _ in range(runs):
            np.testing.assert_array_equal(session.run({"x": X})["y"], 3 * X)
        return [event.reason for event in session.report]


def test_without_a_fault_the_device_computes_and_nothing_is_left(stand_in: StandIn) -> None:
    before = stand_in.live
    assert run(stand_in, runs=3) == []
    assert stand_in.calls.count("Execution_compute") == 3
    assert stand_in.live == before


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("function", WHILE_COMPILING)
def test_any_code_while_compiling_leaves_the_segment_to_the_cpu(function: str, code: int, stand_in: StandIn) -> None:
    before = stand_in.live
    stand_in.fail(function, code)
    (reason,) = set(run(stand_in))
    assert f"ANeuralNetworks{function}" in reason
    assert stand_in.live == before


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("function", WHILE_RUNNING)
def test_any_code_while_running_leaves_that_run_to_the_cpu(function: str, code: int, stand_in: StandIn) -> None:
    before = stand_in.live
    stand_in.fail(function, code)
    reasons = run(stand_in, runs=2)
    assert reasons and all(f"ANeuralNetworks{function}" in reason for reason in reasons)
    assert stand_in.live == before


@pytest.mark.parametrize("function", GIVING)
def test_a_function_that_reports_success_and_gives_nothing_is_found_out(function: str, stand_in: StandIn) -> None:
    before = stand_in.live
    stand_in.give_nothing(function)
    reasons = run(stand_in)
    assert reasons and "said that all is well and gave nothing" in reasons[0]
    assert stand_in.live == before


@pytest.mark.parametrize(
    ("function", "code", "kind"),
    [
        ("Compilation_finish", BAD_DATA, Refusal),
        ("Compilation_finish", DEAD, DriverDied),
        ("Execution_compute", OP_FAILED, Failed),
        ("Execution_compute", OUT_OF_MEMORY, OutOfMemory),
        ("Execution_compute", LATER, Late),
        ("Execution_compute", DEAD, DriverDied),
        ("Execution_compute", INSUFFICIENT, Wrong),
    ],
)
def test_without_fallback_the_error_has_a_type(
    function: str, code: int, kind: type[DelegateError], stand_in: StandIn
) -> None:
    stand_in.fail(function, code)
    with pytest.raises(kind, match=f"nnapi:stand-in-npu .*ANeuralNetworks{function}"):
        run(stand_in, fallback=False)


@pytest.mark.parametrize("code", [LATE, BUSY])
def test_what_passes_is_tried_once_more_and_logged(
    code: int, stand_in: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    stand_in.fail("Execution_compute", code, times=1)
    assert run(stand_in, fallback=False, runs=3) == []
    assert stand_in.calls.count("Execution_compute") == 4
    (told,) = [record.getMessage() for record in caplog.records if record.name == "subgraft"]
    assert "nnapi:stand-in-npu failed and computed at the next attempt: of 2 attempts so far, 1 were a second" in told


@pytest.mark.parametrize("code", [UNAVAILABLE, DEAD])
def test_a_driver_that_died_gets_the_model_once_more(code: int, stand_in: StandIn) -> None:
    stand_in.fail("Execution_compute", code, times=1)
    assert run(stand_in, fallback=False) == []
    assert stand_in.calls.count("Compilation_finish") == 2


def test_an_output_of_another_shape_is_refused_with_both_shapes(stand_in: StandIn) -> None:
    stand_in.output_shape(0, (2, 4))
    reasons = run(stand_in, runs=2)
    assert "computed another shape" in reasons[0] and "[2, 4]; the model says [1, 4]" in reasons[0]
    assert stand_in.calls.count("Execution_compute") == 1  # it does not pass


def test_a_failure_that_does_not_pass_keeps_the_segment_on_the_cpu(stand_in: StandIn) -> None:
    stand_in.fail("Execution_compute", OP_FAILED, times=1)
    reasons = run(stand_in, runs=3)
    assert "this session leaves the segment to the CPU" in reasons[0]
    assert stand_in.calls.count("Execution_compute") == 1


def test_three_failures_in_a_row_keep_the_segment_on_the_cpu(stand_in: StandIn) -> None:
    stand_in.fail("Execution_compute", BUSY)
    reasons = run(stand_in, runs=6)
    assert "3 times in a row" in " ".join(reasons)
    assert stand_in.calls.count("Execution_compute") == 6  # three runs, each tried twice


@pytest.mark.parametrize("stage", ["Execution_compute", "Compilation_finish"])
def test_a_hang_ends_at_the_deadline(stage: str, stand_in: StandIn) -> None:
    stand_in.hang(stage, 1.0)
    options = {"timeout_s": 0.1, "compile_timeout_s": 0.2}
    reasons = run(stand_in, **options)
    assert "no answer within" in reasons[0] or "did not come back within" in reasons[0]
    time.sleep(1.2)  # then it is back, and is used again
    assert run(stand_in) == []


def test_a_driver_that_died_and_takes_the_model_later_computes_again(stand_in: StandIn) -> None:
    stand_in.fail("Execution_compute", DEAD, times=1)
    stand_in.fail("Compilation_finish", BUSY, times=1, after=1)
    assert "RESOURCE_EXHAUSTED_TRANSIENT" in run(stand_in, runs=4)[0]


def test_a_cache_folder_that_cannot_be_made_is_no_cache(stand_in: StandIn, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run(stand_in, fallback=False, cache=str(tmp_path / "file" / "below")) == []


def test_two_sessions_may_compile_the_same_at_once(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.hang("Compilation_finish", 0.3, times=-1)
    reasons: list[list[str]] = []
    options = {"cache": str(tmp_path), "probe": False}
    threads = [threading.Thread(target=lambda: reasons.append(run(stand_in, **options))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reasons == [[], [], []]


def test_wrong_numbers_are_found_in_the_first_run(stand_in: StandIn) -> None:
    stand_in.offset = 0.5
    (reason,) = run(stand_in, verify_first_run=True)
    assert "computes 'y' otherwise than the CPU (4 of 4 elements): it is not used" in reason


def test_right_numbers_pass_the_first_run(stand_in: StandIn) -> None:
    assert run(stand_in, verify_first_run=True, runs=2) == []


def test_a_driver_that_lies_about_what_it_takes_is_refused_when_it_compiles(stand_in: StandIn) -> None:
    stand_in.refuse("ADD")
    stand_in.control.stand_in_lie(True)
    (reason,) = run(stand_in)
    assert "BAD_DATA in ANeuralNetworksCompilation_finish" in reason


def test_ops_that_the_driver_refuses_stay_on_the_cpu_with_the_reason(stand_in: StandIn) -> None:
    stand_in.refuse("ADD")
    with subgraft.load(model(), delegates=[delegate(stand_in)]) as session:
        np.testing.assert_array_equal(session.run({"x": X})["y"], 3 * X)
        assert [step.owner is not None for step in session.plan.steps] == [True, False]
        assert "the driver of nnapi:stand-in-npu does not take ADD" in session.plan.explain()


@pytest.mark.parametrize("stage", ["Model_finish", "Model_getSupportedOperationsForDevices", "Compilation_finish"])
def test_a_crash_ends_the_probe_alone_and_is_remembered(stage: str, stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.abort(stage)
    options = {"probe": True, "cache": str(tmp_path)}
    reason = " ".join(run(stand_in, **options))
    assert "the driver crashed (SIGABRT) while compiling it, in a process of its own" in reason
    stand_in.reset()
    again = " ".join(run(stand_in, **options))
    assert "crashed when it was tried before; delete" in again


def test_a_probe_that_hangs_is_ended(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.hang("Compilation_finish", 30)
    (reason,) = run(stand_in, probe=True, cache=str(tmp_path), compile_timeout_s=0.5)
    assert "did not come back from compiling it within 0.5 s, in a process of its own" in reason


def test_a_good_probe_is_not_repeated(stand_in: StandIn, tmp_path: Path) -> None:
    options = {"probe": True, "cache": str(tmp_path)}
    assert run(stand_in, **options) == []
    assert {file.suffix for file in tmp_path.iterdir()} == {".good"}
    assert run(stand_in, **options) == []


CRASHES = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import test_nnapi_faults as t
s = t.StandIn(Path({folder!r}))
s.abort("Compilation_finish")
t.run(s, cache={cache!r})
"""


def test_a_process_that_died_of_compiling_leaves_word_for_the_next(stand_in: StandIn, tmp_path: Path) -> None:
    tests = str(Path(__file__).parent)
    code = CRASHES.format(tests=tests, folder=str(tmp_path), cache=str(tmp_path / "cache"))
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120)
    assert ended.returncode < 0, ended.stderr
    (reason,) = run(stand_in, cache=str(tmp_path / "cache"))
    assert "ended the process that compiled it before; delete" in reason


@pytest.mark.parametrize("function", ["Device_getName", "_getDevice", "_getDeviceCount", "Device_getType"])
def test_a_runtime_that_cannot_list_its_devices_is_unavailable(function: str, stand_in: StandIn) -> None:
    stand_in.fail(function, OP_FAILED)
    with pytest.raises(Unavailable, match=f"OP_FAILED in ANeuralNetworks{function}"):
        delegate(stand_in).devices()


def test_ten_thousand_runs_need_no_more_memory(stand_in: StandIn) -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with subgraft.load(model(), delegates=[delegate(stand_in)]) as session:
        for _ in range(1000):
            session.run({"x": X})
        before, live = resident(), stand_in.live
        for _ in range(9000):
            session.run({"x": X})
        assert stand_in.live == live
        assert resident() - before < 2 << 20


def test_rejected_is_what_refusals_are() -> None:
    assert issubclass(Refusal, Rejected)


def test_a_memory_checker_finds_nothing(stand_in: StandIn, tmp_path: Path) -> None:
    """Address and undefined-behaviour sanitizer, while every call fails in turn."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        pytest.skip("needs a C++ compiler: apt install g++")
    native = Path(__file__).parents[1] / "native"
    program = tmp_path / "run_nnapi"
    sources = [native / "tests" / "run_nnapi.cpp", *sorted((native / "src" / "nnapi").glob("*.cpp"))]
    flags = ["-std=c++20", "-O0", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command = [compiler, *flags, f"-I{native / 'src'}", *map(str, sources), "-o", str(program), "-ldl"]
    built = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if built.returncode and "-lasan" in built.stderr:
        pytest.skip("needs the address sanitizer's library: apt install libasan8")
    assert built.returncode == 0, built.stderr
    ran = subprocess.run([program, stand_in.path], capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.startswith("2 good,") and ran.stdout.endswith(" 0 left\n")
