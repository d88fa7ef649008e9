"""A device is tried before it is used: what it computes wrongly is not used, and what is found is remembered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from opencl_device import Faults, TestDevice
from subgraft.backends.opencl import OpenCl, measure, selftest
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.trial import rescaled, rounding_shift
from subgraft.delegates import Unavailable


def delegate(opencl: TestDevice, cache: Path | str, **options: object) -> OpenCl:
    return OpenCl(**opencl.options(cache=str(cache), **options))  # type: ignore[arg-type]


def state(made: OpenCl, opencl: TestDevice) -> str:
    return made.facts(made.devices()[opencl.found.index]).state


def loops_of(made: OpenCl, opencl: TestDevice) -> tuple[str, ...]:
    return made._open(opencl.found).caps.loops


@pytest.mark.parametrize("limits", ["device", "small"])
def test_a_right_device_passes_and_remembers_it(opencl: TestDevice, tmp_path: Path, limits: str) -> None:
    first = delegate(opencl, tmp_path, limits=limits)
    assert state(first, opencl) == "not tried yet"
    first.choose(opencl.found.id)
    second = delegate(opencl, tmp_path, limits=limits)
    assert state(second, opencl).startswith("ready: ")
    assert {"f32", "int"} <= set(second._open(second._attached()[opencl.found.index]).caps.loops)


def test_a_device_with_loops_that_were_not_tried_is_tried_again(opencl: TestDevice) -> None:
    caps = opencl.found.caps
    more = replace(caps, dot=(*caps.dot, "arm"))
    assert selftest.fact_of(more) != selftest.fact_of(caps)


def test_a_device_with_other_limits_is_tried_by_itself(opencl: TestDevice, tmp_path: Path) -> None:
    delegate(opencl, tmp_path).choose(opencl.found.id)
    assert state(delegate(opencl, tmp_path, limits="small"), opencl) == "not tried yet"


@pytest.mark.parametrize(
    "written, read, name",
    [
        ("(low >> 30) & 1u", "(low >> 30) & 0u", "rescale"),  # a product that is not rounded
        pytest.param("? 1u : 0u", "? 0u : 0u", "shift", marks=pytest.mark.exhaustive),  # halves rounded up
        pytest.param("x < least[k] ?", "x > least[k] ?", "quantize", marks=pytest.mark.exhaustive),
    ],
)
def test_a_device_that_computes_wrongly_is_not_used(
    opencl: TestDevice, opencl_faults: Faults, tmp_path: Path, written: str, read: str, name: str
) -> None:
    opencl_faults.replace(written, read)
    made = delegate(opencl, tmp_path)
    with pytest.raises(
        Unavailable, match=rf"computes wrongly, so it is not used: .*{name}: \d+ of 4096 results differ"
    ):
        made.choose(opencl.found.id)
    opencl_faults.mend()
    with pytest.raises(Unavailable, match="computes wrongly"):  # it is remembered
        delegate(opencl, tmp_path).choose(opencl.found.id)
    assert state(made, opencl).startswith("computes wrongly")


def test_an_inner_loop_that_gives_other_bits_is_left_out(
    opencl: TestDevice, opencl_faults: Faults, tmp_path: Path
) -> None:
    opencl_faults.replace("#ifdef FLUSH", "#ifdef FLUSX")  # sums beyond what float holds exactly
    loops = loops_of(delegate(opencl, tmp_path), opencl)
    assert "int" in loops and "f32" not in loops
    assert state(delegate(opencl, tmp_path), opencl) == f"ready: {', '.join(loops)}; wrong: f32"


def test_the_user_may_choose_among_the_loops_that_are_right(opencl: TestDevice, tmp_path: Path) -> None:
    assert loops_of(delegate(opencl, tmp_path, loops="int"), opencl) == ("int",)
    with pytest.raises(Unavailable, match="none of the inner loops mma; it has: .*f32"):
        delegate(opencl, tmp_path, loops="mma", limits="small").choose(opencl.found.id)


def test_a_remembered_outcome_that_means_nothing_is_found_out_again(opencl: TestDevice, tmp_path: Path) -> None:
    made = delegate(opencl, tmp_path)
    opened = Opened(opencl.found, made.settings)
    opened.store.put_fact({"passed": ["warp drive"], "failed": {}}, "self-test", opencl.found.caps.identity)
    assert "int" in loops_of(made, opencl)


def in_c(x: int, multiplier: int, shift: int) -> int:
    """gemmlowp's fixedpoint.h and TFLite's common.h, with Python's integers in the place of C's."""
    x = ((x << max(shift, 0)) + (1 << 31)) % (1 << 32) - (1 << 31)
    product = x * multiplier
    nudge = (1 << 30) if product >= 0 else 1 - (1 << 30)
    high = int((product + nudge) / (1 << 31)) if abs(product) < 1 << 52 else _truncated(product + nudge)
    right = max(-shift, 0)
    mask = (1 << right) - 1
    return (high >> right) + ((high & mask) > (mask >> 1) + (high < 0))


def _truncated(value: int) -> int:
    return value >> 31 if value >= 0 else -((-value) >> 31)


def test_what_the_device_is_compared_with_is_gemmlowps_arithmetic() -> None:
    random = np.random.default_rng(7)
    x = random.integers(-(1 << 31), 1 << 31, 3000).astype(np.int32)
    x[:1000] >>= random.integers(0, 31, 1000).astype(np.int32)
    multiplier = random.integers(1 << 30, 1 << 31, 3000).astype(np.int32)
    shift = random.integers(-31, 8, 3000).astype(np.int32)
    expected = [in_c(int(a), int(b), int(c)) for a, b, c in zip(x, multiplier, shift, strict=True)]
    assert rescaled(x, multiplier, shift).tolist() == expected
    assert rounding_shift(np.array([-3, -2, -1, 1, 2, 3]), np.full(6, 1)).tolist() == [-2, -1, -1, 1, 1, 2]


def test_a_device_is_measured_once(opencl: TestDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Opened(opencl.found, delegate(opencl, tmp_path).settings)
    found = measure.measured(opened)
    assert all(value > 0 for value in asdict(found).values())
    assert found.launch_s < 0.01 > found.run_s
    refuse: Callable[..., measure.Measured] = lambda opened: pytest.fail("measured again")  # noqa: E731
    monkeypatch.setattr(measure, "_measure", refuse)
    assert measure.measured(opened) == found


@pytest.mark.parametrize(
    "damage", [{"launch_s": 0.0}, {"run_s": "fast"}, {"write_bytes_per_s": float("inf")}, {"x": 1.0}]
)
def test_measurements_that_cannot_be_are_taken_again(
    opencl: TestDevice, tmp_path: Path, damage: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Opened(opencl.found, delegate(opencl, tmp_path).settings)
    found = measure.Measured(*[1.0] * 7)
    opened.store.put_fact({**asdict(found), **damage}, measure.FACT, opencl.found.caps.identity)
    monkeypatch.setattr(measure, "_measure", lambda opened: found)
    assert measure.measured(opened) == found
    assert opened.store.fact(measure.FACT, opencl.found.caps.identity) == asdict(found)
