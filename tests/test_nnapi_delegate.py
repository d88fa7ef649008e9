"""The NNAPI delegate as users meet it: libraries, devices, options, plans, what a driver is told."""

from __future__ import annotations

import ctypes
import hashlib
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import nnapi_page
import subgraft
from nnapi_stand_in import LEVELS, StandIn
from subgraft import _native
from subgraft.backends.nnapi import Nnapi, codes, library
from subgraft.delegates import Graph, Op, Tensor, Unavailable
from subgraft.interpreter.model import Model
from subgraft.models import DIGITS_INT8
from test_docs_tables import rows
from test_nnapi_faults import X, delegate, model


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[int, StandIn]:
    folder = tmp_path_factory.mktemp("nnapi")
    return {level: StandIn(folder, level) for level in LEVELS}


@pytest.fixture
def stand_in(builds: dict[int, StandIn]) -> Iterator[StandIn]:
    newest = builds[LEVELS[-1]]
    newest.reset()
    yield newest
    newest.reset()


@pytest.mark.parametrize("level", LEVELS)
def test_the_feature_level_follows_from_the_functions(level: int, builds: dict[int, StandIn]) -> None:
    found = _native.NnapiLibrary(str(builds[level].path))
    assert (found.kind, found.feature_level) == ("neuralnetworks", level)
    assert (found.missing == []) == (level >= codes.LEVEL_5)


def test_a_support_library_is_loaded_by_its_table(tmp_path: Path) -> None:
    stand_in = StandIn(tmp_path, support_library=True)
    found = _native.NnapiLibrary(str(stand_in.path))
    assert (found.kind, found.feature_level) == ("support library", LEVELS[-1])
    # It has devices chosen by name only, and no compilation or run without one.
    without = {"Compilation_create", "Execution_startCompute"}
    assert set(found.missing) == {f"ANeuralNetworks{name}" for name in without}
    with subgraft.load(model(), delegates=[delegate(stand_in)], fallback=False) as session:
        np.testing.assert_array_equal(session.run({"x": X})["y"], 3 * X)


@pytest.mark.parametrize("level", LEVELS)
def test_an_integer_model_has_the_cpus_bits_at_every_level(level: int, builds: dict[int, StandIn]) -> None:
    builds[level].reset()
    rng = np.random.default_rng(level)
    with (
        subgraft.load(DIGITS_INT8) as cpu,
        subgraft.load(DIGITS_INT8, delegates=[delegate(builds[level])], fallback=False) as session,
    ):
        assert any(step.owner for step in session.plan.steps)
        for _ in range(3):
            feeds = {name: rng.integers(-128, 128, end.shape, np.int8) for name, end in cpu.inputs.items()}
            expected = cpu.run(feeds)
            results = session.run(feeds)
            assert all(np.array_equal(results[name], expected[name]) for name in expected)


# Without these no model runs on a device. Of the others another does the work, or what they do is left out.
NEEDED = {
    f"ANeuralNetworks{name}"
    for name in (
        "Compilation_createForDevices", "Compilation_finish", "Compilation_setPreference", "Device_getFeatureLevel",
        "Device_getName", "Device_getType", "Device_getVersion", "Execution_create", "Execution_setInputFromMemory",
        "Execution_setOutputFromMemory", "Model_addOperand", "Model_addOperation", "Model_create", "Model_finish",
        "Model_identifyInputsAndOutputs", "Model_setOperandValue", "_getDevice", "_getDeviceCount",
    )
}  # fmt: skip


@pytest.mark.parametrize("function", sorted(_native.nnapi_signatures()))
def test_a_missing_function_is_a_reason_and_no_crash(function: str, stand_in: StandIn) -> None:
    found = _native.NnapiLibrary(str(stand_in.path), [function])
    assert found.missing == [function]
    made = Nnapi(library=str(stand_in.path), cache=False, probe=False)
    key = str(stand_in.path)
    kept = library.load(key)
    library._loaded[key] = found
    try:
        with subgraft.load(model(), delegates=[made]) as session:
            np.testing.assert_array_equal(session.run({"x": X})["y"], 3 * X)
            told = [event.reason for event in session.report]
            is_on_device = any(step.owner for step in session.plan.steps)
    except Unavailable as error:
        told, is_on_device = [error.reason], False
    finally:
        library._loaded[key] = kept
    if function in NEEDED:
        assert told and all(function in reason for reason in told)
    else:
        assert (told, is_on_device) == ([], True)


def test_a_file_that_is_no_library_is_unavailable_with_the_linkers_words(tmp_path: Path) -> None:
    other = tmp_path / "libneuralnetworks.so"
    other.write_bytes(b"nothing")
    with pytest.raises(Unavailable, match="libneuralnetworks.so cannot be loaded: .*Correct the option 'library'"):
        Nnapi(library=str(other)).devices()
    with pytest.raises(Unavailable, match="is no NNAPI library: it has none of its functions"):
        Nnapi(library="libc.so.6").devices()


def test_the_variable_names_the_library_and_the_option_comes_first() -> None:
    assert library.candidates(None, {library.VARIABLE: "/vendor/one.so"}) == ("/vendor/one.so",)
    assert library.candidates("/other.so", {library.VARIABLE: "/vendor/one.so"}) == ("/other.so",)
    assert library.candidates(None, {})[0] == "libneuralnetworks.so"
    assert any(path.startswith("/apex/com.android.neuralnetworks/") for path in library.candidates(None, {}))


def test_the_runtimes_cpu_is_never_taken_unasked(stand_in: StandIn) -> None:
    made = delegate(stand_in)
    assert [device.id for device in made.devices()] == ["stand-in-npu", "nnapi-reference"]
    assert made.choose("").id == "stand-in-npu"
    assert made.choose("nnapi-reference").id == "nnapi-reference"
    with pytest.raises(Unavailable, match="no device 'dsp'; devices there: nnapi:stand-in-npu, nnapi:nnapi-reference"):
        made.choose("dsp")


def test_before_feature_level_3_the_runtime_chooses_and_the_description_says_so(builds: dict[int, StandIn]) -> None:
    (device,) = delegate(builds[27]).devices()
    assert device.id == "runtime"
    assert "the runtime chooses among its drivers and its own CPU" in device.description


def rectified() -> Model:
    """An op of the first feature level, and one of the fourth."""
    tensors = [Tensor(name, (1, 4), "float32") for name in ("x", "middle", "y")]
    ops = [Op("RELU", (0,), (1,)), Op("HARD_SWISH", (1,), (2,))]
    return Model.of(Graph(tensors, ops, (0,), (2,)))


def test_a_device_of_an_older_level_than_the_runtime_is_asked_for_no_more(stand_in: StandIn) -> None:
    stand_in.device_level(codes.LEVEL_1)
    made = delegate(stand_in)
    device = made.choose("")
    assert "feature level 1 (Android 8.1)" in device.description
    x = np.array([[-4.0, -1.0, 1.0, 4.0]], np.float32)
    with subgraft.load(rectified(), delegates=[made]) as session, subgraft.load(rectified()) as cpu:
        assert [step.owner for step in session.plan.steps] == ["nnapi", None]
        assert "since feature level 4 (Android 11), and this is feature level 1" in str(
            session.plan.placements[1].reasons
        )
        np.testing.assert_array_equal(session.run({"x": x})["y"], cpu.run({"x": x})["y"])
    assert stand_in.problems == []


def test_of_two_sessions_on_devices_of_two_levels_each_gets_its_own(stand_in: StandIn) -> None:
    """One delegate, asked by both: what the older device lacks is said of it, and of it alone."""
    stand_in.device_level(codes.LEVEL_3)
    made = delegate(stand_in)
    with subgraft.load(rectified(), delegates=[made]) as first:
        newer = made.choose("nnapi-reference")  # as a second session does
        graph = first.plan.graph
        assert made.check(graph.ops[1], graph)
        whole = graph.segment([0, 1])
        assert all(made.refine(whole, newer))
        verdicts = made.refine(whole, made.choose("stand-in-npu"))
        assert [bool(verdict) for verdict in verdicts] == [True, False]
        assert "since feature level 4 (Android 11), and this is feature level 3" in verdicts[1].reasons[0]


@pytest.mark.parametrize(
    ("user", "api", "is_closed"),
    [(10_099, 30, False), (99_001, 30, True), (1_090_000, 33, True), (1_099_999, 34, False), (90_000, 0, True)],
)
def test_isolated_processes_before_android_14_are_told_why_not(
    user: int, api: int, is_closed: bool, monkeypatch: pytest.MonkeyPatch, stand_in: StandIn
) -> None:
    class Libc:
        @staticmethod
        def __system_property_get(name: bytes, value: ctypes.Array[ctypes.c_char]) -> int:
            assert name == b"ro.build.version.sdk"
            value.value = str(api).encode() if api else b""
            return len(value.value)

    setattr(Libc, "__system_property_get", Libc._Libc__system_property_get)
    monkeypatch.setattr(sys, "getandroidapilevel", lambda: 24, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: user)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Libc)
    made = delegate(stand_in)
    if is_closed:
        with pytest.raises(Unavailable, match=f"closed to isolated processes up to Android 13.*user id {user}"):
            made.devices()
    else:
        assert made.devices()


SHARED_MEMORY = """
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
int ASharedMemory_create(const char* name, unsigned long size) {
  const int made = memfd_create(name, 0);
  printf("%s %lu %d\\n", name, size, ftruncate(made, size));
  return made;
}
"""
RUNS_ONCE = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
import test_nnapi_faults as t
assert t.run(t.StandIn(Path({folder!r})), fallback=False) == []
"""


def test_where_android_has_shared_memory_of_its_own_drivers_get_that(tmp_path: Path) -> None:
    """Its library is found as the dynamic linker finds it."""
    source = tmp_path / "android.c"
    source.write_text(SHARED_MEMORY)
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", tmp_path / "libandroid.so"], check=True)
    code = RUNS_ONCE.format(tests=str(Path(__file__).parent), folder=str(tmp_path))
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, timeout=120, env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "subgraft-nnapi 128 0\n"  # an input and an output of 16 bytes, each in 64


def test_segments_are_compiled_for_one_named_device(stand_in: StandIn) -> None:
    subgraft.load(model(), delegates=[delegate(stand_in)]).close()
    assert "Compilation_createForDevices" in stand_in.calls
    assert "Compilation_create" not in stand_in.calls


def test_the_cache_token_is_of_the_model_the_options_and_the_versions(stand_in: StandIn, tmp_path: Path) -> None:
    def token(**options: object) -> str:
        subgraft.load(model(), delegates=[delegate(stand_in, cache=str(tmp_path), **options)]).close()
        folder, _, digits = stand_in.control.stand_in_cache_dir().decode().partition(" ")
        assert folder == str(tmp_path)
        return str(digits)

    first = token()
    assert len(first) == 2 * hashlib.sha256().digest_size
    assert token() == first
    assert len({first, token(fp16=True), token(preference="low_power")}) == 3


def test_options_reach_the_driver(stand_in: StandIn) -> None:
    options = {"priority": "high", "bursts": True, "fp16": True, "timeout_s": 3}
    with subgraft.load(model(), delegates=[delegate(stand_in, **options)], fallback=False) as session:
        session.run({"x": X})
    called = set(stand_in.calls)
    assert {"Compilation_setPriority", "Burst_create", "Execution_burstCompute", "Execution_setTimeout"} <= called
    assert {"Execution_setReusable", "Model_relaxComputationFloat32toFloat16"} <= called


@pytest.mark.parametrize("level", LEVELS)
def test_a_profile_has_the_devices_own_times(level: int, builds: dict[int, StandIn]) -> None:
    builds[level].reset()
    with subgraft.load(model(), delegates=[delegate(builds[level])], fallback=False) as session:
        session.run({"x": X})
        assert "Execution_setMeasureTiming" not in builds[level].calls  # it may cost time
        profile = session.profile({"x": X}, runs=3)
        # The stand-in says 1 us in the hardware and 2 us in the driver, at the levels that have a say.
        expected = {"in the hardware": 1e-6, "in the driver around it": 1e-6} if level >= codes.LEVEL_3 else {}
        assert {kernel.name: kernel.seconds for kernel in profile.kernels} == pytest.approx(expected)
        assert all(f"0.001 ms         {name}" in str(profile) for name in expected)
        np.testing.assert_array_equal(session.run({"x": X})["y"], 3 * X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preference": "fast"}, "option 'preference' is 'fast': write one of low_power, fast_single_answer"),
        ({"priority": "top"}, "option 'priority' is 'top': write one of low, medium, high"),
        ({"feature_level": 99}, "option 'feature_level' is 99: write a feature level from 1 to 8"),
        ({"timeout_s": 0}, "option 'timeout_s' is 0: write a number of seconds above 0"),
    ],
)
def test_a_wrong_option_is_refused_with_what_is_right(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Nnapi(**options)


def test_one_execution_serves_all_runs_where_the_level_has_that(builds: dict[int, StandIn]) -> None:
    for level, executions in ((30, 3), (31, 1)):
        builds[level].reset()
        with subgraft.load(model(), delegates=[delegate(builds[level])], fallback=False) as session:
            for _ in range(3):
                session.run({"x": X})
        assert builds[level].calls.count("Execution_create") == executions


def test_the_documentation_has_every_option_and_rule() -> None:
    written = {"fast_single_answer": "`fast_single_answer`", "medium": "`medium`"}
    expected = [
        (f"`{p.name}`", written.get(str(p.default), f"`{p.default}`"))
        for p in inspect.signature(Nnapi).parameters.values()
    ]
    options = dict(expected)
    assert [row[:2] for row in rows("nnapi.md", 3) if row[0] in options] == expected
    up_to_date = nnapi_page.written() == nnapi_page.PAGE.read_text()
    assert up_to_date, "docs/nnapi.md is out of date; run: python tests/nnapi_page.py"
