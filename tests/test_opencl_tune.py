"""Tuning: the fastest variant of a kernel that computes the same, within the time that was given, and remembered."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import graphs as make
import subgraft
from opencl_device import Faults, TestDevice
from subgraft.backends.opencl import tune
from subgraft.backends.opencl.compiler import compile_segment
from subgraft.backends.opencl.executable import OpenClExecutable
from subgraft.backends.opencl.launch import Launch
from subgraft.backends.opencl.lowering import lower
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.settings import Settings
from subgraft.backends.opencl.source import Recorded
from subgraft.delegates import DelegateError, Segment
from subgraft.interpreter import Model
from subgraft.models import DIGITS_INT8

X = np.linspace(-1, 1, 4096, dtype=np.float32)


@pytest.fixture(autouse=True)
def large_groups_are_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates run on the device; which of them is fastest does not depend on what else the machine does."""
    really = tune._seconds

    def seconds(recorded: Recorded, *rest: object) -> float:
        really(recorded, *rest)
        return 1 / math.prod(recorded.launch.local or (1,))

    monkeypatch.setattr(tune, "_seconds", seconds)


def segment() -> Segment:
    graph = Model.of(make.chain("ADD", "TANH", shape=X.shape)).graphs[0]
    return graph.segment(range(len(graph.ops)))


def opened(device: TestDevice, cache: Path, mode: str = "fast", tune_s: float = 60.0) -> Opened:
    return Opened(device.found, Settings(prefer="offload", tune=mode, tune_s=tune_s, cache_folder=cache))


def slow_by_rule(device: TestDevice) -> Launch:
    """A launch of one work item a group, beside which there is one with many."""
    (launch,) = lower(segment(), device.found.caps)

    def variants() -> Iterator[Launch]:
        yield replace(launch, local=(1024,), steps=(), result=None)

    return replace(launch, local=(1,), variants=variants)


def test_the_fastest_variant_is_taken_with_what_was_fused_into_the_launch(opencl: TestDevice, tmp_path: Path) -> None:
    launch = slow_by_rule(opencl)
    (chosen,) = tune.tuned([launch], opened(opencl, tmp_path))
    assert chosen.local == (1024,)
    assert (chosen.steps, chosen.result, chosen.ops) == (launch.steps, launch.result, launch.ops)


def test_a_group_that_a_kernel_counts_on_is_not_changed(opencl: TestDevice) -> None:
    gpu = replace(opencl.found.caps, kind="gpu", max_work_group=1024)
    (launch,) = lower(segment(), gpu)
    assert len(list(tune._distinct(launch, gpu))) > 1
    assert list(tune._distinct(replace(launch, local=(64,)), gpu)) == [replace(launch, local=(64,))]


def test_a_choice_is_remembered_and_costs_no_time_then(
    opencl: TestDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    launch = slow_by_rule(opencl)
    tune.tuned([launch], opened(opencl, tmp_path))
    monkeypatch.setattr(tune, "_fastest", lambda *arguments: pytest.fail("measured again"))
    (chosen,) = tune.tuned([launch], opened(opencl, tmp_path))
    assert chosen.local == (1024,)


def test_equal_launches_are_tuned_once(opencl: TestDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Launch] = []
    fastest = tune._fastest
    monkeypatch.setattr(tune, "_fastest", lambda launch, *rest: asked.append(launch) or fastest(launch, *rest))
    chosen = tune.tuned([slow_by_rule(opencl) for _ in range(3)], opened(opencl, tmp_path))
    assert [one.local for one in chosen] == [(1024,)] * 3
    assert len(asked) == 1


@pytest.mark.parametrize("mode, tune_s", [("off", 60.0), ("fast", 1e-9)])
def test_without_time_or_wish_the_rules_choice_stays(
    opencl: TestDevice, tmp_path: Path, mode: str, tune_s: float
) -> None:
    launch = slow_by_rule(opencl)
    assert tune.tuned([launch], opened(opencl, tmp_path, mode, tune_s)) == [launch]


def test_a_tuned_segment_computes_the_same(opencl: TestDevice, tmp_path: Path) -> None:
    of_gpu = replace(opencl.found.caps, kind="gpu", max_work_group=64)  # so that there are groups to choose from
    made = opened(opencl, tmp_path, "full")
    made.caps = of_gpu
    results = []
    for choose in (lambda launches: launches, lambda launches: tune.tuned(launches, made)):
        out = np.zeros_like(X)
        OpenClExecutable(segment(), compile_segment(segment(), made, choose=choose), made).run([X], [out])
        results.append(out)
    assert np.array_equal(*results)
    assert np.allclose(results[0], np.tanh(2 * X), atol=1e-6)


def test_a_tuned_integer_model_has_the_cpus_bits(opencl: TestDevice, tmp_path: Path) -> None:
    image = np.random.default_rng(5).integers(-128, 128, (1, 8, 8, 1)).astype(np.int8)
    tuning = opencl.delegate(tune="fast", tune_s=1.0, cache=str(tmp_path))
    with subgraft.load(DIGITS_INT8) as cpu, subgraft.load(DIGITS_INT8, [tuning]) as session:
        expected, got = cpu.run({"image": image}), session.run({"image": image})
        assert all(np.array_equal(got[name], expected[name]) for name in expected)


def test_a_variant_that_the_device_refuses_is_left_out(opencl: TestDevice, tmp_path: Path) -> None:
    (launch,) = lower(segment(), opencl.found.caps)
    broken = replace(launch, variants=lambda: iter([replace(launch, template="pointwise", macros={"AT": "nowhere"})]))
    assert tune.tuned([broken], opened(opencl, tmp_path)) == [broken]


def test_a_device_that_is_lost_while_tuning_is_no_choice(
    opencl: TestDevice, opencl_faults: Faults, tmp_path: Path
) -> None:
    made = opened(opencl, tmp_path)
    opencl_faults.fail("clCreateBuffer", -5)
    with pytest.raises(DelegateError, match="ran out of resources.*while tuning its kernels"):
        tune.tuned([slow_by_rule(opencl)], made)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_and_a_file_shows_nothing() -> None:
    terminal, file = Terminal(), io.StringIO()
    for stream in (terminal, file):
        with tune._Progress("opencl:0", 4, stream) as progress:
            progress.show(2)
            progress.show(4)
    assert file.getvalue() == ""
    assert terminal.getvalue().endswith(f"[{'#' * tune.WIDTH}] 4 of 4 kernels\n")
