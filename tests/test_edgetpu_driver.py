"""One accelerator in use, on the emulated device: caching, sharing, forks, failures and recovery."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgetpu_models import SIZE, Model, Rig, infer, model
from subgraft.backends.edgetpu import accelerators, opening, sharing, turns
from subgraft.backends.edgetpu.accelerators import find
from subgraft.backends.edgetpu.breaker import Breaker
from subgraft.backends.edgetpu.driver import Accelerator
from subgraft.backends.edgetpu.emulator.bus import EmulatedBus
from subgraft.backends.edgetpu.emulator.device import EmulatedCoral
from subgraft.backends.edgetpu.emulator.faults import Fault
from subgraft.backends.edgetpu.errors import Busy, Fatal, LinkTooSlow, Lost, NotFound, TimedOut, WrongBytes
from subgraft.backends.edgetpu.locks import DeviceLock
from subgraft.backends.edgetpu.package import Package
from subgraft.backends.edgetpu.settings import Settings
from subgraft.backends.edgetpu.stick import Stick
from subgraft.delegates import DelegateError, Failed, Health, Rejected, Unavailable
from waiting import until

TOKEN, OTHER_TOKEN = 77, 78


@pytest.fixture(scope="module")
def one() -> Model:
    return model(1, TOKEN)


@pytest.fixture(scope="module")
def together() -> list[Model]:
    """Two models that were compiled together, one alone, and one whose parameters do not stay on the device."""
    return [model(1, TOKEN), model(2, TOKEN, streams=True), model(3, OTHER_TOKEN), model(4, 0)]


def stored(coral: EmulatedCoral) -> int:
    """How often parameters were sent to stay."""
    return coral.counts().get("parameters stored", 0)


class Expected:
    """The rules of caching, written down once more: which model's parameters are sent before which run."""

    def __init__(self) -> None:
        self.token, self.cached = 0, set[int]()

    def is_sent(self, which: int, token: int) -> bool:
        if token == 0 or token != self.token:
            self.cached = set()
        if which in self.cached:
            return False
        self.token, self.cached = token, self.cached | {which}
        return True


@pytest.mark.parametrize("mode", ["app", "dfu"])
@pytest.mark.parametrize("speed", ["super", "high"])
def test_an_inference_is_right_from_either_mode_at_either_speed(mode: str, speed: str, one: Model) -> None:
    rig = Rig(one, mode=mode, speed=speed)
    with rig.open() as accelerator:
        x, y = infer(accelerator, accelerator.prepare(one.package))
        assert np.array_equal(y, one.right(x))
    assert rig.coral.violations == ()


def test_parameters_are_sent_when_they_are_not_there_and_only_then(together: list[Model]) -> None:
    rig, expected = Rig(*together), Expected()
    rig.coral.check_bytes(True)
    with rig.open() as accelerator:
        prepared = [accelerator.prepare(model.package) for model in together]
        for number, which in enumerate(np.random.default_rng(5).integers(0, len(together), 200)):
            before = stored(rig.coral)
            x, y = infer(accelerator, prepared[which], seed=number)
            assert np.array_equal(y, together[which].right(x))
            assert stored(rig.coral) - before == expected.is_sent(int(which), prepared[which].token)
    assert rig.coral.violations == ()


def test_the_same_model_prepared_twice_is_cached_once(one: Model) -> None:
    rig = Rig(one)
    with rig.open() as accelerator:
        for _ in range(2):
            infer(accelerator, accelerator.prepare(one.package))
    assert stored(rig.coral) == 1


def test_nothing_is_taken_for_cached_after_a_close(one: Model) -> None:
    rig = Rig(one)
    for _ in range(2):
        with rig.open() as accelerator:
            x, y = infer(accelerator, accelerator.prepare(one.package))
            assert np.array_equal(y, one.right(x))
    assert stored(rig.coral) == 2


def test_several_threads_share_an_accelerator(together: list[Model]) -> None:
    rig = Rig(*together)
    with rig.open() as accelerator:
        prepared = [accelerator.prepare(model.package) for model in together]

        def work(thread: int) -> int:
            right = 0
            for number in range(40):
                which = (thread + number // 10) % len(together)
                x, y = infer(accelerator, prepared[which], seed=100 * thread + number)
                right += np.array_equal(y, together[which].right(x))
            return right

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(work, range(4))) == [40] * 4
    assert rig.coral.violations == ()


@pytest.mark.parametrize("in_flight", [1, 2])
def test_requests_can_be_in_flight_together(in_flight: int, one: Model) -> None:
    rig = Rig(one, requests_in_flight=in_flight)
    xs = [np.full(SIZE, i, np.uint8) for i in range(in_flight)]
    ys = [np.zeros(SIZE, np.uint8) for _ in xs]
    with rig.open() as accelerator:
        prepared = accelerator.prepare(one.package)
        requests = [accelerator.submit(prepared, [x], [y]) for x, y in zip(xs, ys, strict=True)]
        for request in requests:
            request.wait(2.0)
    assert all(np.array_equal(y, one.right(x)) for x, y in zip(xs, ys, strict=True))


def test_inputs_are_never_written(one: Model) -> None:
    x = np.arange(SIZE, dtype=np.uint8)
    x.setflags(write=False)
    with Rig(one).open() as accelerator:
        accelerator.run(accelerator.prepare(one.package), [x], [np.zeros(SIZE, np.uint8)])


def test_a_package_for_emulated_devices_is_refused_by_a_real_one(one: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Package, "is_for_emulator", True)
    with Rig(one).open() as accelerator:
        accelerator.prepare(one.package)
        real = accelerator.found.__class__("2-1", 2, 1, 0x18D1, 0x9302, 5000, emulated=False)
        monkeypatch.setattr(accelerator, "found", real)
        with pytest.raises(Rejected, match="usb@2-1 is a real one"):
            accelerator.prepare(one.package)


# What goes wrong.

TO_DEVICE, TO_HOST = ("stall", "error", "timeout", "unplug", "dfu", "fatal"), ("short", "zero", "babble")
STRIKES = [
    *(f"{action}@{place}:{nth}" for action in TO_DEVICE for place, most in (("out", 4), ("in", 1), ("event", 2))
      for nth in range(1, most + 1)),
    *(f"{action}@{place}" for action in TO_HOST for place in ("in", "event") if (action, place) != ("zero", "in")),
    *(f"{action}@out:{nth}" for action in ("short", "truncate") for nth in (1, 2, 3, 4)),
    "halt@out:3", "halt@in:1", "delay@in:1=0.05", "thermal_shutdown@out:3",
]  # fmt: skip


@pytest.mark.parametrize("fault", STRIKES)
def test_whatever_strikes_the_next_run_after_a_recovery_is_right(fault: str, one: Model) -> None:
    rig = Rig(one, timeout_s=0.4)
    with rig.open() as accelerator:
        prepared = accelerator.prepare(one.package)
        rig.coral.inject(*Fault.parse(fault))
        try:
            x, y = infer(accelerator, prepared)
        except Failed as error:
            assert "emulated:0" in error.reason
            rig.coral.clear_faults()
            rig.coral.plug()
            accelerator.recover()
            assert accelerator.recoveries == 1
            x, y = infer(accelerator, prepared)
        assert np.array_equal(y, one.right(x))


@pytest.mark.parametrize("action", ["stall", "error", "unplug", "dfu", "timeout"])
def test_whatever_strikes_while_opening_ends_in_an_open_device_or_an_error(
    action: str, one: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "OPEN_TIMEOUT_S", 1.0)
    monkeypatch.setattr(opening, "RETURN_PATIENCE_S", 0.5 if action == "dfu" else 0.01)
    opened = 0
    strikes = range(1, 58, 1 if action != "timeout" else 13)
    for nth in strikes:
        rig = Rig(one, timeout_s=0.3)
        rig.coral.inject(*Fault.parse(f"{action}@control:{nth}"))
        try:
            accelerator = rig.open()
        except DelegateError as error:
            assert "emulated:0" in error.reason and action == "unplug"
            rig.coral.plug()
            accelerator = rig.open()
        else:
            opened += 1
        with accelerator:
            x, y = infer(accelerator, accelerator.prepare(one.package))
            assert np.array_equal(y, one.right(x))
    assert action == "unplug" or opened == len(strikes)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("unplug@out:3", Lost, "is gone"),
        ("timeout@event:2", TimedOut, "event"),
        ("fatal@event:2", Fatal, "hib_error_status 0x[1-9].*first of it 0x[1-9]"),
        ("short@in", TimedOut, "gave 1000 of 2000 bytes"),
        ("babble@in", WrongBytes, "sent more than was asked for"),
    ],
)
def test_a_failure_is_told_by_its_kind(fault: str, kind: type[Failed], words: str, one: Model) -> None:
    rig = Rig(one, timeout_s=0.4)
    with rig.open() as accelerator:
        prepared = accelerator.prepare(one.package)
        rig.coral.inject(*Fault.parse(fault))
        with pytest.raises(kind, match=words) as caught:
            infer(accelerator, prepared)
        assert isinstance(caught.value.__cause__, Exception)
        with pytest.raises(Failed, match="needs to be recovered"):
            infer(accelerator, prepared)


def test_a_device_that_is_not_plugged_in_any_more_is_lost_until_it_is_back(
    one: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "RETURN_PATIENCE_S", 0.02)
    rig = Rig(one)
    with rig.open() as accelerator:
        prepared = accelerator.prepare(one.package)
        rig.coral.unplug()
        with pytest.raises(Lost):
            infer(accelerator, prepared)
        for _ in range(2):
            with pytest.raises(Lost, match="not plugged in any more"):
                accelerator.recover()
        assert accelerator.health() is Health.GONE
        rig.coral.plug("dfu")
        assert accelerator.health() is Health.OK
        x, y = infer(accelerator, prepared)
        assert np.array_equal(y, one.right(x))


def test_one_thread_recovers_for_all(one: Model) -> None:
    rig = Rig(one)
    with rig.open() as accelerator:
        prepared = accelerator.prepare(one.package)
        rig.coral.inject(*Fault.parse("dfu@out:3"))

        def work(thread: int) -> bool:
            try:
                x, y = infer(accelerator, prepared, thread)
            except Failed:
                accelerator.recover()
                x, y = infer(accelerator, prepared, thread)
            return np.array_equal(y, one.right(x))

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, range(16)))
        assert accelerator.recoveries == 1


def test_without_permission_to_reset_a_failure_is_recovered_from_without(one: Model) -> None:
    rig = Rig(one, reset="never", timeout_s=0.4)
    with rig.open() as accelerator:
        prepared = accelerator.prepare(one.package)
        rig.coral.inject(*Fault.parse("timeout@event:2"))
        with pytest.raises(TimedOut):
            infer(accelerator, prepared)
        accelerator.recover()
        assert rig.coral.counts().get("bus reset", 0) == 0


@pytest.mark.parametrize(("fault", "reset"), [("", 0), ("timeout@event:2", 1)])
def test_the_next_open_resets_a_device_that_was_closed_after_a_failure(fault: str, reset: int, one: Model) -> None:
    rig = Rig(one, timeout_s=0.4)
    with rig.open() as accelerator:
        prepared = accelerator.prepare(one.package)
        rig.coral.inject(*Fault.parse(fault))
        if fault:
            with pytest.raises(TimedOut):
                infer(accelerator, prepared)
    with rig.open() as accelerator:
        assert rig.coral.counts().get("bus reset", 0) == reset
        x, y = infer(accelerator, prepared)
        assert np.array_equal(y, one.right(x))


def test_closing_is_final_and_may_be_repeated(one: Model) -> None:
    accelerator = Rig(one).open()
    prepared = accelerator.prepare(one.package)
    accelerator.close()
    accelerator.close()
    with pytest.raises(Failed, match="is closed"):
        infer(accelerator, prepared)
    accelerator.recover()
    assert accelerator.health() is Health.GONE


def test_closing_ends_requests_that_nobody_waited_for(one: Model) -> None:
    rig = Rig(one)
    accelerator = rig.open()
    prepared = accelerator.prepare(one.package)
    infer(accelerator, prepared)
    rig.coral.inject(*Fault.parse("timeout@event"))
    request = accelerator.submit(prepared, [np.zeros(SIZE, np.uint8)], [np.zeros(SIZE, np.uint8)])
    accelerator.close()
    with pytest.raises(Failed):
        request.wait(1.0)
    rig.open().close()
    assert rig.coral.counts()["bus reset"] == 1


def test_the_temperature_is_that_of_the_chip(one: Model) -> None:
    rig = Rig(one)
    rig.coral.registers.temperature_c = 61.0
    with rig.open() as accelerator:
        assert abs(accelerator.temperature_c() - 61.0) < 0.5
        x, y = infer(accelerator, accelerator.prepare(one.package))
        assert np.array_equal(y, one.right(x))


def test_a_hot_device_is_told_of(one: Model, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(one)
    with rig.open() as accelerator:
        prepared = accelerator.prepare(one.package)
        rig.coral.inject(*Fault.parse("thermal_warning@out:3"))
        for _ in range(3):
            infer(accelerator, prepared)
    assert caplog.text.count("thermal warning") == 1


# Who has it.


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sharing, "_registry", sharing._Registry())
    yield


def test_sessions_share_one_device_which_is_closed_with_the_last(one: Model, registry: None) -> None:
    rig = Rig(one)
    found = find(rig.bus, "usb")
    first, second = (sharing.shared(rig.bus, found, rig.settings) for _ in range(2))
    assert first.accelerator is second.accelerator
    first.close()
    first.close()
    infer(second.accelerator, second.accelerator.prepare(one.package))
    second.close()
    with pytest.raises(Failed, match="is closed"):
        infer(second.accelerator, second.accelerator.prepare(one.package))
    third = sharing.shared(rig.bus, found, rig.settings)
    assert third.accelerator is not second.accelerator
    third.close()


@pytest.mark.parametrize(("fault", "dirty"), [("", False), ("timeout@event:2", True), ("unplug@out:3", True)])
def test_the_lock_file_keeps_others_away_and_remembers_how_the_device_was_left(
    fault: str, dirty: bool, one: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(accelerators, "lock_name", lambda found: f"usb@{found.path}")
    rig = Rig(one, timeout_s=0.4)
    with rig.open() as accelerator:
        with pytest.raises(Busy, match="usb@0-1 is used by this very process"):
            Rig(one).open()
        rig.coral.inject(*Fault.parse(fault))
        if fault:
            with pytest.raises(Failed):
                infer(accelerator, accelerator.prepare(one.package))
    lock = DeviceLock.acquire("usb@0-1")
    assert lock.is_dirty == dirty
    lock.release()


def test_a_device_that_could_not_be_opened_is_free_again_and_dirty_when_it_is_to_blame(
    one: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(accelerators, "lock_name", lambda found: f"usb@{found.path}")
    rig = Rig(one, timeout_s=0.1)
    rig.coral.inject(*Fault.parse("timeout@control*all"))
    with pytest.raises(TimedOut):
        rig.open()
    lock = DeviceLock.acquire("usb@0-1")
    assert lock.is_dirty
    lock.release()
    with pytest.raises(LinkTooSlow):
        Rig(one, speed="high", require_superspeed=True).open()
    lock = DeviceLock.acquire("usb@0-1")
    assert not lock.is_dirty
    lock.release()


def test_other_settings_for_an_open_device_are_refused(one: Model, registry: None) -> None:
    rig = Rig(one)
    lease = sharing.shared(rig.bus, find(rig.bus, "usb"), rig.settings)
    with pytest.raises(Unavailable, match="performance='max' and not 'low'"):
        sharing.shared(rig.bus, find(rig.bus, "usb"), Settings.of({"performance": "low", "timeout_s": 2}, {}))
    lease.close()


def test_many_threads_that_open_and_close_get_one_device_at_a_time(one: Model, registry: None) -> None:
    rig = Rig(one)
    found = find(rig.bus, "usb")

    def work(thread: int) -> bool:
        lease = sharing.shared(rig.bus, found, rig.settings)
        try:
            x, y = infer(lease.accelerator, lease.accelerator.prepare(one.package), thread)
        finally:
            lease.close()
        return np.array_equal(y, one.right(x))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(40)))
    assert rig.coral.violations == ()


def test_two_devices_are_two(one: Model, registry: None) -> None:
    bus = EmulatedBus([EmulatedCoral("app"), EmulatedCoral("app")])
    leases = [sharing.shared(bus, find(bus, f"usb:{i}"), Settings()) for i in range(2)]
    assert [lease.accelerator.found.path for lease in leases] == ["0-1", "0-2"]
    for lease in leases:
        lease.close()
    with pytest.raises(NotFound, match="there: emulated:0, emulated:1"):
        find(bus, "usb:2")


def test_a_forked_child_may_not_use_it_and_harms_nobody(one: Model, registry: None) -> None:
    rig = Rig(one)
    lease = sharing.shared(rig.bus, find(rig.bus, "usb"), rig.settings)
    accelerator = lease.accelerator
    prepared = accelerator.prepare(one.package)
    infer(accelerator, prepared)
    child = os.fork()
    if child == 0:
        refused = 0
        for attempt in (lambda: infer(accelerator, prepared), accelerator.recover, accelerator.temperature_c):
            try:
                attempt()
            except Failed as error:
                refused += "fork" in error.reason
        lease.close()
        accelerator.close()
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    x, y = infer(accelerator, prepared)
    assert np.array_equal(y, one.right(x))
    lease.close()
    assert rig.coral.violations == ()


def test_a_call_that_waits_for_another_thread_gives_up_in_time(one: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_TIMEOUT_S", 0.05)
    with Rig(one, timeout_s=0.1).open() as accelerator:
        prepared = accelerator.prepare(one.package)
        with accelerator._deciding, pytest.raises(TimedOut, match="kept busy by another thread"):
            infer(accelerator, prepared)
        infer(accelerator, prepared)


def test_a_call_waits_as_long_as_another_threads_parameters_may_take(
    one: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_TIMEOUT_S", 0.05)
    with Rig(one, timeout_s=5.0).open() as accelerator:
        prepared = accelerator.prepare(one.package)
        accelerator._deciding.acquire()
        timer = threading.Timer(0.3, accelerator._deciding.release)
        timer.start()
        infer(accelerator, prepared)
        timer.join()


def test_all_that_one_run_waits_for_others_is_bounded_together(one: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TURN_TIMEOUT_S", 0.3)
    with Rig(one, timeout_s=0.2, requests_in_flight=1).open() as accelerator:
        prepared = accelerator.prepare(one.package)
        accelerator._slots.acquire(0)
        with accelerator._deciding:
            threading.Timer(0.3, accelerator._slots.release).start()  # the slot leaves little for the turn
            start = time.monotonic()
            with pytest.raises(TimedOut, match="kept busy by another thread"):
                infer(accelerator, prepared)
            assert 0.45 < time.monotonic() - start < 0.75


def test_a_second_run_has_only_what_is_left_of_the_patience_of_the_first(
    one: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_TIMEOUT_S", 0.4)
    rig = Rig(one, timeout_s=0.1)
    stick = Stick("edgetpu:0", lambda: sharing.shared(rig.bus, find(rig.bus, "usb"), rig.settings), Breaker())
    prepared = stick.prepare(one.package)
    assert stick._lease is not None
    with stick._lease.accelerator._deciding:
        start = time.monotonic()
        with pytest.raises(TimedOut, match="kept busy"):
            stick.run(prepared, [np.zeros(SIZE, np.uint8)], [np.zeros(SIZE, np.uint8)])
        assert time.monotonic() - start < 0.9
    stick.release()


def test_a_thread_that_waited_through_a_recovery_counts_as_in_flight_afterwards(one: Model) -> None:
    with Rig(one, requests_in_flight=1).open() as accelerator:
        prepared, x, y = accelerator.prepare(one.package), np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.uint8)
        with ThreadPoolExecutor(1) as pool:
            with accelerator._deciding:
                before = accelerator._slots
                waiting = pool.submit(accelerator.submit, prepared, [x], [y])
                until(lambda: not before.acquire(0) or before.release())
                accelerator._let_go()
                accelerator._wake(dirty=True)
            request = waiting.result(5)
        assert not accelerator._slots.acquire(0)
        request.wait(2.0)
        assert accelerator._slots.acquire(0)
        accelerator._slots.release()
        assert np.array_equal(y, one.right(x))


def test_a_device_whose_close_failed_is_still_there_for_the_next(
    one: Model, registry: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "TURN_TIMEOUT_S", 0.05)
    rig = Rig(one, timeout_s=0.05)
    lease = sharing.shared(rig.bus, find(rig.bus, "usb"), rig.settings)
    with lease.accelerator._deciding, pytest.raises(TimedOut):
        lease.close()
    again = sharing.shared(rig.bus, find(rig.bus, "usb"), rig.settings)
    assert again.accelerator is lease.accelerator
    x, y = infer(again.accelerator, again.accelerator.prepare(one.package))
    assert np.array_equal(y, one.right(x))
    again.close()
    assert again.accelerator.health() is Health.GONE


def test_no_thread_is_left_after_a_close(one: Model) -> None:
    before = threading.active_count()
    for _ in range(3):
        with Rig(one, mode="dfu").open() as accelerator:
            infer(accelerator, accelerator.prepare(one.package))
    for thread in threading.enumerate():
        if thread.name.startswith("subgraft"):
            thread.join(2)
    assert threading.active_count() == before


def test_an_accelerator_is_a_context(one: Model) -> None:
    with Rig(one).open() as accelerator:
        assert isinstance(accelerator, Accelerator)
    assert accelerator.health() is Health.GONE
