"""The NNAPI delegate as users meet it: libraries, devices, options, plans, what a driver is told."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import nnapi_page
import subgraft
from nnapi_stand_in import LEVELS, StandIn
from subgraft import _native
from subgraft.backends.nnapi import Nnapi, codes, library
from subgraft.delegates import Unavailable
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
    except Unavailable as error:
        told = [error.reason]
    finally:
        library._loaded[key] = kept
    assert all(function in reason or "feature level" in reason or "no accelerator" in reason for reason in told), told


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


def test_a_device_of_an_older_level_than_the_runtime_is_asked_for_no_more(stand_in: StandIn) -> None:
    stand_in.control.stand_in_device_level.argtypes = [__import__("ctypes").c_int64]
    stand_in.control.stand_in_device_level(codes.LEVEL_1)
    made = delegate(stand_in)
    device = made.choose("")
    assert "feature level 1 (Android 8.1)" in device.description


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
    options = {"priority": "high", "bursts": True, "measure": True, "fp16": True, "timeout_s": 3}
    with subgraft.load(model(), delegates=[delegate(stand_in, **options)], fallback=False) as session:
        session.run({"x": X})
    called = set(stand_in.calls)
    assert {"Compilation_setPriority", "Burst_create", "Execution_burstCompute", "Execution_setTimeout"} <= called
    assert {"Execution_setMeasureTiming", "Execution_getDuration", "Execution_setReusable"} <= called
    assert "Model_relaxComputationFloat32toFloat16" in called


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
