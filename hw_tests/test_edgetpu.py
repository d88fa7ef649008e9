"""What the Edge TPU's driver promises on a device: the twin's answers, again and again, whatever goes wrong."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pairs import Pair

import subgraft
from subgraft.delegates import NUMPY_DTYPES, Array, Device
from subgraft.interpreter.discovery import Wanted
from subgraft.pytest_plugin import emulator_of
from subgraft.testing import Emulator

FEEDS = 4
REOPENED = 10
TIMED_RUNS = 200
TIMEOUT_S = 0.5  # of the device, so that one which never answers costs little
DOWN_S = 2.0  # a lost device is looked for every few seconds
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

    def __init__(self, pair: Pair, compiled: Path, make: Make, **options: object) -> None:
        self.wanted = make(compiled=str(compiled), timeout_s=TIMEOUT_S, **options)
        self.emulator = emulator_of(self.wanted)
        if self.emulator is not None:
            self.emulator.teach(pair.model, compiled)
        with subgraft.load(pair.model) as cpu:
            self.feeds = feeds(cpu)
            self.expected = [{name: array.copy() for name, array in cpu.run(feed).items()} for feed in self.feeds]
        self.model = pair.model

    @contextmanager
    def session(self, fallback: bool = False) -> Iterator[subgraft.Session]:
        with subgraft.load(self.model, [self.wanted], fallback=fallback) as session:
            assert any(step.owner for step in session.plan.steps), session.plan.explain()
            yield session

    def check(self, session: subgraft.Session, number: int) -> None:
        """One inference gives what the CPU gives, bit for bit."""
        got = session.run(self.feeds[number % FEEDS])
        for name, expected in self.expected[number % FEEDS].items():
            np.testing.assert_array_equal(got[name], expected, err_msg=f"{name} of inference {number}")


@pytest.fixture
def twin(pair: Pair, compiled: Path, make_accelerator: Make) -> Twin:
    return Twin(pair, compiled, make_accelerator)


@pytest.fixture
def faulty(twin: Twin) -> Iterator[tuple[Twin, Emulator]]:
    """A twin on an emulated device, which is plugged in and well before and after."""
    emulator = twin.emulator
    assert emulator is not None, "tests with faults are marked so"
    restore(emulator)
    yield twin, emulator
    restore(emulator)


def restore(emulator: Emulator) -> None:
    emulator.clear()
    emulator.plug("dfu")


def test_it_answers_as_the_cpu_does(twin: Twin) -> None:
    with twin.session() as session:
        for number in range(2 * FEEDS):
            twin.check(session, number)
        assert not session.report.events, str(session.report)


def test_it_can_be_opened_and_closed_again_and_again(twin: Twin) -> None:
    before = None
    for number in range(REOPENED):
        with twin.session() as session:
            twin.check(session, number)
        if number == 1:
            before = Held.now()
    assert before is not None
    Held.now().check_against(before)


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
        assert time.monotonic() - started < 10 * TIMEOUT_S + 5
        assert emulator.state()["faults_fired"] >= 1
        emulator.clear()
        emulator.plug("dfu")
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
def test_a_storm_of_faults_loses_nothing(faulty: tuple[Twin, Emulator], inferences: int, faults: int) -> None:
    """Every inference ends with the right answer, and nothing is left behind by those that went wrong."""
    twin, emulator = faulty
    with twin.session(fallback=True) as session:
        twin.check(session, 0)
        emulator.storm(SEED, faults, inferences, STORM)
        before = None
        for number in range(inferences):
            twin.check(session, number)
            if number == inferences // 4:
                before = Held.now()
        assert before is not None
        Held.now().check_against(before)
        fired = emulator.state()["faults_fired"]
        emulator.clear()
        emulator.plug("dfu")
        assert comes_back(twin, session, emulator), str(session.report)
    assert fired > faults // 2, "so few that the storm was none"


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
    deadline = time.monotonic() + 10 * DOWN_S
    number = 0
    while time.monotonic() < deadline:
        before = emulator.log()["counts"].get("inference", 0)
        twin.check(session, number)
        if emulator.log()["counts"].get("inference", 0) > before:
            return True
        number += 1
        time.sleep(0.02)
    return False


class Held:
    """What the process holds of the system."""

    SLACK_KIB = 24 << 10  # allocators keep some
    SETTLE_S = 5.0

    def __init__(self, threads: int, files: int, kib: int) -> None:
        self.threads, self.files, self.kib = threads, files, kib

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        with Path("/proc/self/status").open() as status:
            kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        return cls(threading.active_count(), len(list(Path("/proc/self/fd").iterdir())), kib)

    def check_against(self, before: Held) -> None:
        assert self.threads <= before.threads, [thread.name for thread in threading.enumerate()]
        assert self.files <= before.files
        assert self.kib <= before.kib + self.SLACK_KIB
