"""What the Edge TPU's driver promises on a device: the twin's answers, again and again, whatever goes wrong."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import subgraft
from pairs import Pair
from subgraft.delegates import NUMPY_DTYPES, Array, Device
from subgraft.interpreter.discovery import Wanted, choose
from subgraft.pytest_plugin import emulator_of
from subgraft.testing import Emulator

FEEDS = 4
REOPENED = 10
TIMED_RUNS = 200
TIMEOUT_S = 0.5  # of the device, so that one which never answers costs little
PROBE_S = 0.05  # between two looks for a lost device
DOWN_S = 70.0  # a device that fails again and again is left alone for up to a minute
SLACK_KIB = 24 << 10  # what allocators keep
SETTLE_S = 5.0
SEED = 20260101
# Broken bits on the wire are the cable's CRC's to find, and not among these.
STORM = (
    "stall@out,stall@in,stall@event,halt@out,halt@in,error@out,error@in,error@event,short@in,short@event,zero@in,"
    "babble@in,corrupt@event,timeout@out,timeout@in,delay@out=0.01,delay@in=0.01,unplug@out=0.05,unplug@in=0.05,"
    "dfu@out,dfu@in,fatal@out,thermal_warning@out"
)
FAULTS = (
    "stall@out",
    "stall@in",
    "stall@event",
    "halt@out",
    "halt@in",
    "error@out",
    "error@in",
    "error@event",
    "timeout@out",
    "timeout@in",
    "timeout@event",
    "delay@out=0.05",
    "delay@in=0.05",
    "short@in",
    "short@event",
    "zero@in",
    "babble@in",
    "babble@event",
    "corrupt@event",
    "unplug@out=0.05",
    "unplug@in=0.05",
    "dfu@out",
    "dfu@in",
    "fatal@out",
    "thermal_warning@out",
    "thermal_shutdown@out",
    "dfu_error@out",
)

Make = Callable[..., Wanted]


def feeds(session: subgraft.Session) -> list[dict[str, Array]]:
    random = np.random.default_rng(SEED)
    return [{name: _random(random, tensor) for name, tensor in session.inputs.items()} for _ in range(FEEDS)]


def _random(random: np.random.Generator, tensor: Any) -> Array:
    dtype = NUMPY_DTYPES[tensor.dtype]
    if dtype.kind == "f":
        return random.uniform(-1, 1, tensor.shape).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, tensor.shape, dtype, endpoint=True)


class Twin:
    """A pair, loaded with the device and what the CPU answers."""

    def __init__(self, pair: Pair, compiled: Path, make: Make, device: Device) -> None:
        self.model, self.compiled = pair.model, compiled
        with subgraft.load(pair.model) as cpu:
            self.feeds = feeds(cpu)
            started = time.monotonic()
            self.expected = [{name: array.copy() for name, array in cpu.run(feed).items()} for feed in self.feeds]
        # An emulated device takes as long as the CPU does, and with its first parameters longer.
        self.timeout_s = TIMEOUT_S + 4 * (time.monotonic() - started)
        self.wanted = make(compiled=str(compiled), timeout_s=self.timeout_s)
        self.emulator = emulator_of(self.wanted, device)
        if self.emulator is not None:
            self.emulator.teach(pair.model, compiled)

    def is_there(self) -> bool:
        try:
            choose(self.wanted)
        except subgraft.Unavailable:
            return False
        return True

    @contextmanager
    def session(self, fallback: bool = False) -> Iterator[subgraft.Session]:
        with subgraft.load(self.model, [self.wanted], fallback=fallback, probe_s=PROBE_S) as session:
            if not any(step.owner for step in session.plan.steps):
                pytest.skip("; ".join(dict.fromkeys(r for p in session.plan.placements for r in p.reasons)))
            yield session

    def check(self, session: subgraft.Session, number: int) -> None:
        """One inference gives what the CPU gives, bit for bit."""
        got = session.run(self.feeds[number % FEEDS])
        for name, expected in self.expected[number % FEEDS].items():
            np.testing.assert_array_equal(got[name], expected, err_msg=f"{name} of inference {number}")


@pytest.fixture
def twin(pair: Pair, compiled: Path, make_accelerator: Make, accelerator_device: Device) -> Twin:
    return Twin(pair, compiled, make_accelerator, accelerator_device)


@pytest.fixture
def faulty(twin: Twin) -> Iterator[tuple[Twin, Emulator]]:
    """A twin on an emulated device, which is plugged in and well before and after."""
    emulator = twin.emulator
    assert emulator is not None, "tests with faults are marked so"
    restore(twin, emulator)
    yield twin, emulator
    restore(twin, emulator)


def restore(twin: Twin, emulator: Emulator) -> None:
    """No faults any more, and the device plugged in."""
    emulator.clear()
    emulator.plug("dfu")
    settle(twin)


def settle(twin: Twin) -> None:
    """The system needs a moment to see a device that was plugged in."""
    deadline = time.monotonic() + SETTLE_S
    while not twin.is_there():
        assert time.monotonic() < deadline, "it was plugged in, and is not found"
        time.sleep(0.05)


def test_it_answers_as_the_cpu_does(twin: Twin) -> None:
    with twin.session() as session:
        for number in range(2 * FEEDS):
            twin.check(session, number)
        assert not session.report.events, str(session.report)


def test_the_compiled_model_alone_answers_as_the_cpu_does_with_the_other(twin: Twin, make_accelerator: Make) -> None:
    with twin.session():
        pass  # skips what the driver refuses
    alone = make_accelerator(emulates=str(twin.model), timeout_s=twin.timeout_s)
    with subgraft.load(twin.compiled, [alone], fallback=False) as session:
        for number in range(FEEDS):
            got = list(session.run(dict(zip(session.inputs, twin.feeds[number].values(), strict=True))).values())
            for array, expected in zip(got, twin.expected[number].values(), strict=True):
                np.testing.assert_array_equal(array, expected)


def test_it_can_be_opened_and_closed_again_and_again(twin: Twin) -> None:
    before = None
    for number in range(REOPENED):
        with twin.session() as session:
            twin.check(session, number)
        if number == 1:
            before = Held.now()
    assert before is not None
    before.check_nothing_added()


@pytest.mark.emulated
def test_it_answers_as_the_cpu_does_on_usb_2(faulty: tuple[Twin, Emulator]) -> None:
    twin, emulator = faulty
    emulator.unplug()
    emulator.plug("dfu", speed="high")
    try:
        settle(twin)
        with twin.session() as session:
            for number in range(FEEDS):
                twin.check(session, number)
        assert emulator.state()["speed"] == "high"
        assert not emulator.violations()
    finally:
        emulator.unplug()
        emulator.plug("dfu", speed="super")


@pytest.mark.emulated
@pytest.mark.parametrize("rule", FAULTS)
def test_after_a_fault_the_answer_is_right_all_the_same(faulty: tuple[Twin, Emulator], rule: str) -> None:
    """From the device at the second attempt, or from the CPU; and then the device is used again."""
    twin, emulator = faulty
    with twin.session(fallback=True) as session:
        twin.check(session, 0)
        emulator.fault(rule)
        started = time.monotonic()
        twin.check(session, 1)
        assert time.monotonic() - started < 10 * twin.timeout_s + 5
        assert emulator.state()["faults_fired"] >= 1
        restore(twin, emulator)
        assert comes_back(twin, session, emulator), str(session.report)


@pytest.mark.emulated
def test_without_a_fallback_a_stick_that_was_pulled_is_an_error(faulty: tuple[Twin, Emulator]) -> None:
    twin, emulator = faulty
    with twin.session() as session:
        twin.check(session, 0)
        emulator.unplug()
        with pytest.raises(subgraft.Failed):
            twin.check(session, 1)


@pytest.mark.emulated
@pytest.mark.parametrize(
    ("inferences", "faults"),
    [(300, 30), pytest.param(20_000, 2_000, marks=pytest.mark.exhaustive)],
    ids=["short", "long"],
)
def test_a_storm_of_faults_loses_nothing(
    faulty: tuple[Twin, Emulator], inferences: int, faults: int, record_property: Callable[[str, object], None]
) -> None:
    """Every inference ends with the right answer, and nothing is left behind by those that went wrong."""
    twin, emulator = faulty
    with twin.session() as session:
        twin.check(session, 0)
    before = Held.now()
    with twin.session(fallback=True) as session:
        emulator.storm(SEED, faults, inferences, STORM)
        kib = 0
        for number in range(inferences):
            taken_over = taken_over_count(session)
            twin.check(session, number)
            if taken_over_count(session) > taken_over:
                assert comes_back(twin, session, emulator), str(session.report)
            if number == inferences // 4:
                kib = resident_kib()
        assert resident_kib() <= kib + SLACK_KIB
        state = emulator.state()
        restore(twin, emulator)
        assert comes_back(twin, session, emulator), str(session.report)
    before.check_nothing_added()
    assert state["faults_fired"] >= 0.9 * faults
    record_property("inferences on the device", state["inferences"])
    record_property("faults", state["faults_fired"])


def taken_over_count(session: subgraft.Session) -> int:
    """How many inferences the CPU computed in place of the device."""
    return sum(event.count for event in session.report.events if event.phase in ("run", "deadline"))


@pytest.mark.real
def test_the_time_of_an_inference_is_reported(
    twin: Twin, record_property: Callable[[str, object], None], accelerator_device: Device
) -> None:
    with twin.session() as session:
        for number in range(FEEDS):
            twin.check(session, number)
        times = []
        for number in range(TIMED_RUNS):
            started = time.perf_counter()
            session.run(twin.feeds[number % FEEDS])
            times.append(time.perf_counter() - started)
    for percent in (50, 99):
        record_property(f"p{percent}_ms", round(float(np.percentile(times, percent)) * 1e3, 3))
    record_property("device", f"{accelerator_device.id} {accelerator_device.description}")


def comes_back(twin: Twin, session: subgraft.Session, emulator: Emulator) -> bool:
    """Whether the device, not the CPU, answers again within some seconds."""
    deadline = time.monotonic() + DOWN_S
    number = 0
    while time.monotonic() < deadline:
        before, taken_over = emulator.state()["inferences"], taken_over_count(session)
        twin.check(session, number)
        if emulator.state()["inferences"] > before and taken_over_count(session) == taken_over:
            return True
        number += 1
        time.sleep(0.02)
    return False


def resident_kib() -> int:
    gc.collect()
    with Path("/proc/self/status").open() as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@dataclass(frozen=True, slots=True)
class Held:
    """What the process holds of the system."""

    threads: int
    files: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        return cls(threading.active_count(), len(list(Path("/proc/self/fd").iterdir())))

    def check_nothing_added(self) -> None:
        """Within some seconds, as threads need a moment to end."""
        deadline = time.monotonic() + SETTLE_S
        while (now := self.now()).threads > self.threads or now.files > self.files:
            assert time.monotonic() < deadline, (self, now, [thread.name for thread in threading.enumerate()])
            time.sleep(0.05)
