"""What goes wrong with a stick, at each transfer of an inference: the right answer or a typed error, in a bound."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

import subgraft
from edgetpu_sessions import assert_same, delegate_of, emulator, random_inputs, real_sticks, wanted
from subgraft.backends.edgetpu.breaker import CLOSED, OPEN
from subgraft.backends.edgetpu.emulator.compiler import compile_model
from subgraft.backends.edgetpu.emulator.faults import ACTIONS, TO_DEVICE, TO_HOST
from subgraft.backends.edgetpu.emulator.teaching import teach
from subgraft.backends.edgetpu.opening import OPEN_TIMEOUT_S, REENUMERATION_TIMEOUT_S
from subgraft.delegates import Failed, Health
from subgraft.interpreter.discovery import choose
from subgraft.interpreter.services import main_graphs
from subgraft.models import DIGITS_INT8
from waiting import until

TIMEOUT_S = 0.2
# A run, a recovery in whose reset the device vanishes, a second run.
BOUND_S = 2 * TIMEOUT_S + REENUMERATION_TIMEOUT_S + 1.5
WRONG_VALUES = {"flip", "reorder", "corrupt"}  # USB checks its packets, so a host cannot see these; verification does
AT_OPENING = {"dfu_error"}  # strikes only while firmware is loaded
RUNS = 4  # of which the fault strikes one: no inference has more transfers of one kind than that
DIGITS = Path(DIGITS_INT8).read_bytes()


def places(action):
    if action in TO_HOST:
        return ["in", "event"]
    if action in TO_DEVICE:
        return ["out"]
    return ["out", "in", "event"]


def cases(*quick, without=()):
    """Every fault at every place and transfer, but those `without`; by default the quick ones."""
    rules = [
        f"{action}@{place}:{nth}"
        for action in ACTIONS
        for place in places(action)
        for nth in range(1, RUNS + 1)
        if action not in (*AT_OPENING, *without)
    ]
    assert set(quick) <= set(rules)
    return [rule if rule in quick else pytest.param(rule, marks=pytest.mark.exhaustive) for rule in rules]


@pytest.fixture(scope="module")
def expected():
    with subgraft.load(DIGITS_INT8) as cpu:
        return [cpu.run(random_inputs(cpu, seed)) for seed in range(3)]


def run(session, expected, seed):
    """One right answer, and the seconds that it took."""
    start = time.monotonic()
    got = session.run(random_inputs(session, seed % len(expected)))
    took_s = time.monotonic() - start
    assert_same(got, expected[seed % len(expected)])
    return took_s


@pytest.mark.parametrize(
    "rule",
    cases(
        "stall@out:1",
        "halt@in:1",
        "error@event:1",
        "timeout@in:2",
        "delay@out:1",
        "short@out:2",
        "zero@event:1",
        "babble@in:1",
        "corrupt@in:1",
        "flip@out:2",
        "truncate@out:1",
        "reorder@out:2",
        "unplug@in:1",
        "dfu@out:1",
        "reset_register@out:1",
        "fatal@out:1",
        "thermal_warning@in:1",
        "thermal_shutdown@event:1",
    ),
)
def test_with_the_cpu_behind_it_every_fault_ends_in_the_right_answer(rule, expected):
    one = wanted(timeout_s=TIMEOUT_S)
    verify = 1 if rule.partition("@")[0] in WRONG_VALUES else 0
    with subgraft.load(DIGITS_INT8, [one], probe_s=0.05, verify_every=verify) as session:
        run(session, expected, 0)
        emulator(one).fault(rule)
        for seed in range(RUNS):
            assert run(session, expected, seed) < BOUND_S
    assert emulator(one).state()["faults_fired"] == 1 or "register" in rule


HOT = "thermal_warning@out:1"  # an interrupt
BROKEN = "error@out:1"  # a recovery, which is control transfers
IN_RECOVERY = (1, 2, 3, 10, 20, 40)  # of some 55


def struck_twice():
    """What goes wrong after something else did, as interrupts and control transfers do not come with every run."""
    at_interrupts = [f"{HOT},{action}@interrupt:1" for action in ACTIONS if action not in (*TO_DEVICE, *AT_OPENING)]
    at_control = [
        f"{BROKEN},{action}@control:{nth}"
        for action in ACTIONS
        for nth in IN_RECOVERY
        if action not in (*TO_HOST, *TO_DEVICE, *AT_OPENING)
    ]
    return [pytest.param(rule, marks=pytest.mark.exhaustive) for rule in (*at_interrupts, *at_control)]


@pytest.mark.parametrize("rule", struck_twice())
def test_so_does_one_that_strikes_an_interrupt_or_a_recovery(rule, expected):
    one = wanted(timeout_s=TIMEOUT_S)
    with subgraft.load(DIGITS_INT8, [one], probe_s=0.05) as session:
        run(session, expected, 0)
        emulator(one).fault(rule)
        for seed in range(RUNS):
            assert (
                run(session, expected, seed) < OPEN_TIMEOUT_S + BOUND_S
            )  # a register that got half of its value may never be ready
    assert emulator(one).state()["faults_fired"] == 2 or "register" in rule


@pytest.mark.parametrize("rule", cases("stall@out:2", "truncate@out:2", "timeout@event:1", "dfu@out:3", "flip@out:2"))
def test_so_does_one_while_the_parameters_are_sent(rule, expected):
    one = wanted(timeout_s=TIMEOUT_S)
    verify = 1 if rule.partition("@")[0] in WRONG_VALUES else 0
    with subgraft.load(DIGITS_INT8, [one], probe_s=0.05, verify_every=verify) as session:
        emulator(one).fault(rule)
        for seed in range(RUNS):
            assert run(session, expected, seed) < BOUND_S


@pytest.mark.parametrize(
    "rule",
    cases("stall@in:1", "timeout@out:1", "short@event:1", "unplug@out:1", "dfu@in:1", without=WRONG_VALUES),
)
def test_without_it_every_fault_ends_in_the_right_answer_or_a_typed_error(rule, expected):
    compiled = compile_model(DIGITS)
    one = wanted(timeout_s=TIMEOUT_S, emulates=DIGITS)
    with subgraft.load(compiled, [one], probe_s=0.05) as session:
        run(session, expected, 0)
        emulator(one).fault(rule)
        for seed in range(RUNS):
            start = time.monotonic()
            try:
                got = session.run(random_inputs(session, seed % len(expected)))
            except Failed:
                assert "run" in [event.phase for event in session.report]
            else:
                assert_same(got, expected[seed % len(expected)])
            assert time.monotonic() - start < BOUND_S


def test_a_failure_is_repeated_once_and_nobody_needs_to_know(expected):
    one = wanted()
    with subgraft.load(DIGITS_INT8, [one]) as session:
        run(session, expected, 0)
        emulator(one).fault("stall@out:1")
        run(session, expected, 1)
        (status,) = delegate_of(one).status()
        assert (status.runs, status.retries, status.failures, status.breaker) == (2, 1, 0, CLOSED)
        assert "Edge TPU" in status.last
        assert not session.report.events


def test_the_parameters_are_sent_again_after_a_recovery(expected):
    one = wanted()
    with subgraft.load(DIGITS_INT8, [one]) as session:
        run(session, expected, 0)
        bulk_out = lambda: [line for line in emulator(one).log()["transfers"] if line.startswith("OUT 01")]  # noqa: E731
        first = bulk_out()  # parameters with their instructions, then the inference
        emulator(one).clear()
        run(session, expected, 1)
        usual = bulk_out()
        assert len(usual) < len(first)
        emulator(one).clear()
        emulator(one).fault("stall@in:1")
        run(session, expected, 2)
        assert bulk_out()[-len(first) :] == first


@pytest.mark.parametrize("mode", ["dfu", "app"])
def test_a_stick_that_comes_back_is_used_again(mode, expected):
    one = wanted()
    with subgraft.load(DIGITS_INT8, [one], probe_s=0.02) as session:
        run(session, expected, 0)
        emulator(one).unplug()
        run(session, expected, 1)
        run(session, expected, 2)
        (status,) = delegate_of(one).status()
        assert (status.runs, status.failures) == (1, 1)
        emulator(one).plug(mode)
        until(lambda: "back" in [event.phase for event in session.report])
        for seed in range(3):
            run(session, expected, seed)
        assert delegate_of(one).status()[0].runs == 4
        assert [event.phase for event in session.report] == ["run", "back"]


def test_a_stick_that_comes_and_goes_many_times_leaves_nothing_behind(expected):
    one = wanted()
    with subgraft.load(DIGITS_INT8, [one], probe_s=0.02) as session:
        for again in range(4):
            run(session, expected, again)
            emulator(one).unplug()
            run(session, expected, again)
            emulator(one).plug("app")
            until(lambda again=again: sum(e.count for e in session.report if e.phase == "back") == again + 1)
            if again == 1:
                threads, files = threading.active_count(), open_files()
        run(session, expected, 0)
        until(lambda: threading.active_count() <= threads)
        assert open_files() <= files


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_many_sessions_leave_nothing_behind(expected):
    threads = files = 0
    for again in range(6):
        with subgraft.load(DIGITS_INT8, [wanted()]) as session:
            run(session, expected, again)
        if again == 1:
            threads, files = threading.active_count(), open_files()
    until(lambda: threading.active_count() <= threads)
    assert open_files() <= files


def compiled_digits(monkeypatch, **options):
    """The digits, compiled, on what passes for real sticks."""
    sticks = real_sticks(monkeypatch)
    monkeypatch.setattr("subgraft.backends.edgetpu.package.Package.is_for_emulator", False)
    compiled = compile_model(DIGITS)
    teach(sticks, main_graphs(DIGITS), main_graphs(compiled))
    return sticks, wanted(options.pop("device", "usb"), compiled=compiled, **options)


def test_a_stick_that_comes_back_at_another_port_is_used_again(expected, monkeypatch):
    sticks, one = compiled_digits(monkeypatch)
    sticks[1].unplug()
    with subgraft.load(DIGITS_INT8, [one], probe_s=0.02) as session:
        run(session, expected, 0)
        assert [status.device for status in delegate_of(one).status()] == ["edgetpu:usb@2-1"]
        sticks[0].unplug()
        sticks[1].plug("app")
        run(session, expected, 1)
        until(lambda: "back" in [event.phase for event in session.report])
        run(session, expected, 2)
        assert {status.device: status.runs for status in delegate_of(one).status()} == {
            "edgetpu:usb@2-1": 1,
            "edgetpu:usb@2-2": 1,
        }


def test_who_named_a_port_waits_for_that_port(expected, monkeypatch):
    sticks, one = compiled_digits(monkeypatch, device="usb@2-1")
    with subgraft.load(DIGITS_INT8, [one], probe_s=0.02) as session:
        run(session, expected, 0)
        sticks[0].unplug()
        run(session, expected, 1)
        device = choose(wanted("usb@2-2"))
        assert delegate_of(one).health(device) is Health.OK
        gone = [delegate_of(one).health(type(device)("edgetpu", "usb@2-1")) for _ in range(3)]
        assert gone == [Health.GONE] * 3


def test_a_stick_that_keeps_failing_is_left_alone_and_tried_again(expected):
    one = wanted(timeout_s=TIMEOUT_S)
    with subgraft.load(DIGITS_INT8, [one], probe_s=0.02) as session:
        run(session, expected, 0)
        emulator(one).fault("stall@out*all")
        until(lambda: run(session, expected, 1) and delegate_of(one).status()[0].breaker == OPEN)
        assert delegate_of(one).health(choose(one)) is Health.GONE
        failures = delegate_of(one).status()[0].failures
        assert failures == 3
        assert run(session, expected, 2) < TIMEOUT_S  # nobody waits for it
        emulator(one).clear()
        until(lambda: run(session, expected, 0) and delegate_of(one).status()[0].breaker == CLOSED)
        assert delegate_of(one).status()[0].failures == failures


def test_the_last_failure_says_what_happened_before_and_after_the_recovery(expected):
    one = wanted(timeout_s=TIMEOUT_S)
    with subgraft.load(DIGITS_INT8, [one], fallback=False) as session:
        run(session, expected, 0)
        emulator(one).fault("unplug@out:1")
        with pytest.raises(Failed, match="not plugged in any more; .*; that was after a recovery, before it: "):
            session.run(random_inputs(session))
