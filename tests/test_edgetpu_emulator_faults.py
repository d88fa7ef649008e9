"""Faults of the emulated Coral: what each does to a transfer, when it strikes, and how it is written."""

from __future__ import annotations

import struct
import threading
import time
from collections import Counter

import pytest

from edgetpu_raw_client import Ended, RawClient, Unanswered, event
from edgetpu_small_program import CACHED, IN, OUT, coral_with, echo, infer, made
from subgraft.backends.edgetpu.emulator import EmulatedCoral, EmulatedProgram, Fault, Urb, storm
from subgraft.backends.edgetpu.emulator.faults import ACTIONS, FaultRules

SCU_CTRL_3 = 0x1A318


def ready(*faults: str) -> tuple[EmulatedCoral, RawClient, bytes]:
    """A device with parameters stored, then these faults; and the instructions of its program."""
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()), check_bytes=True)
    client.store([filling], bytes(range(CACHED)))
    for fault in faults:
        coral.inject(*Fault.parse(fault))
    return coral, client, running


def begin(client: RawClient, running: bytes) -> None:
    client.send(0, running)
    client.send(1, bytes(range(IN)))


def test_a_stall_ends_one_transfer_and_keeps_the_data() -> None:
    _, client, running = ready("stall@in", "stall@out:3", "stall@event", "stall@control")
    client.send(0, running)
    with pytest.raises(Ended, match="STALLED"):
        client.send(1, bytes(range(IN)))
    client.send(1, bytes(range(IN)))
    with pytest.raises(Ended, match="STALLED"):
        client.take(0x81, 1024)
    assert len(client.take(0x81, 1024)) == OUT
    with pytest.raises(Ended, match="STALLED"):
        client.take(0x82, 16)
    assert client.take(0x82, 16) == event(4)
    with pytest.raises(Ended, match="STALLED"):
        client.read(SCU_CTRL_3, 4)
    assert client.read(SCU_CTRL_3, 4)


def test_a_halted_endpoint_stalls_until_it_is_cleared() -> None:
    coral, client, running = ready("halt@in")
    begin(client, running)
    for _ in range(3):
        with pytest.raises(Ended, match="STALLED"):
            client.take(0x81, 1024)
    assert client.control(0x82, 0, 0, 0x81, 2) == b"\1\0"
    client.control(0x02, 1, 0, 0x81, b"")
    assert len(client.take(0x81, 1024)) == OUT
    coral.inject(*Fault.parse("halt@out"))
    with pytest.raises(Ended, match="STALLED"):
        client.out(bytes(8))
    coral.clear_halt(0x01)
    client.send(0, running)


def test_an_error_loses_the_transfer() -> None:
    _, client, running = ready("error@in", "error@control")
    begin(client, running)
    with pytest.raises(Ended, match="IO"):
        client.take(0x81, 1024)
    with pytest.raises(Unanswered):
        client.take(0x81, 1024)
    with pytest.raises(Ended, match="IO"):
        client.read(SCU_CTRL_3, 4)


def test_a_babble_is_an_overflow() -> None:
    _, client, running = ready("babble@event")
    begin(client, running)
    client.take(0x81, 1024)
    with pytest.raises(Ended, match="OVERFLOW"):
        client.take(0x82, 16)


@pytest.mark.parametrize("place", ["out", "in", "event", "control", "0x01"])
def test_a_timeout_leaves_the_transfer_pending_until_it_is_taken_back(place: str) -> None:
    _, client, running = ready(f"timeout@{place}")
    with pytest.raises(Unanswered):
        client.read(SCU_CTRL_3, 4)
        begin(client, running)
        client.take(0x81, 1024)
        client.take(0x82, 16)
    if place in ("out", "0x01", "control"):
        begin(client, running)
        assert len(client.take(0x81, 1024)) == OUT
    with pytest.raises(Unanswered):  # it was lost, and nothing else was
        client.take(0x81, 1024)


def test_nothing_passes_a_transfer_that_is_held() -> None:
    coral, client, running = ready("timeout@out")
    first, second = (client.start(Urb(0x01, 8, struct.pack("<II", len(running), 0))) for _ in range(2))
    assert (first.status, second.status) == ("", "")
    coral.cancel(first)
    assert (first.status, second.status) == ("CANCELLED", "OK")
    client.out(running)
    assert coral.violations == ()


@pytest.mark.parametrize("place", ["out", "in", "event", "control"])
def test_a_delay_is_over_after_its_time(place: str) -> None:
    _, client, running = ready(f"delay@{place}=0.02")
    ended = threading.Event()
    start = time.monotonic()
    if place == "control":
        setup = struct.pack("<BBHHH", 0xC0, 1, 0xA318, 1, 4)
        urb = Urb(0, 4, b"", setup)
        client.coral.submit(urb, lambda _: ended.set())
    elif place == "out":
        urb = Urb(0x01, 8, struct.pack("<II", len(running), 0))
        client.coral.submit(urb, lambda _: ended.set())
    else:
        urb = Urb({"in": 0x81, "event": 0x82}[place], 1024)
        client.coral.submit(urb, lambda _: ended.set())
        begin(client, running)
    assert not urb.status
    assert ended.wait(5)
    assert urb.status == "OK"
    assert time.monotonic() - start >= 0.02
    if place == "out":
        client.out(running)
        client.send(1, bytes(range(IN)))
        assert len(client.take(0x81, 1024)) == OUT


def test_a_delayed_transfer_can_be_taken_back() -> None:
    coral, client, _ = ready("delay@out=0.01")
    with pytest.raises(Unanswered):
        client.out(bytes(8))
    time.sleep(0.03)
    client.send(0, made()[1])
    assert coral.violations == ()


def test_a_short_read_loses_the_rest() -> None:
    _, client, running = ready("short@in=10", "short@event")
    begin(client, running)
    assert len(client.take(0x81, 1024)) == 10
    assert client.take(0x82, 16) == event(4)[:8]


def test_a_short_write_says_how_much_was_taken() -> None:
    coral, client, running = ready("short@out:2=100")
    client.out(struct.pack("<II", len(running), 0))
    assert client.out(running) == 100
    client.out(running[100:])
    client.send(1, bytes(range(IN)))
    assert len(client.take(0x81, 1024)) == OUT
    assert coral.violations == ()


def test_an_empty_packet_comes_before_the_data() -> None:
    _, client, running = ready("zero@in", "zero@control")
    begin(client, running)
    assert client.take(0x81, 1024) == b""
    assert len(client.take(0x81, 1024)) == OUT
    assert client.control(0xC0, 1, 0xA318, 1, 4) == b""


def test_what_the_device_sends_is_damaged_in_as_many_bits_as_asked_for() -> None:
    _, client, running = ready("corrupt@in=3", "corrupt@event", "corrupt@control:1=2")
    good = client.read(SCU_CTRL_3, 4) ^ client.read(SCU_CTRL_3, 4)
    assert good.bit_count() == 2
    begin(client, running)
    clean = bytes(range(40)) * 2
    output = client.take(0x81, 1024)
    assert sum((a ^ b).bit_count() for a, b in zip(output, clean, strict=True)) == 3
    got = client.take(0x82, 16)
    assert sum((a ^ b).bit_count() for a, b in zip(got, event(4), strict=True)) == 1


def test_what_the_device_gets_is_damaged_behind_the_header() -> None:
    compiled, filling, _ = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()), check_bytes=True)
    header = struct.pack("<II", CACHED, 2)
    for fault in ("flip@out:2=5", "reorder@out:2"):
        coral.inject(*Fault.parse(fault))
        client.out(struct.pack("<II", len(filling), 0) + filling)
        assert client.out(header + bytes(range(CACHED))) == 8 + CACHED
        client.take(0x82, 16)
    assert [violation.rule for violation in coral.violations] == ["parameters"] * 2
    assert f"{CACHED} bytes" in coral.violations[1].text


def test_lost_bytes_are_waited_for() -> None:
    coral, client, _ = ready("truncate@out:4=2")
    filling = made()[1]
    client.send(0, filling)
    client.send(2, bytes(range(CACHED)))
    with pytest.raises(Unanswered):
        client.take(0x82, 16)
    client.out(bytes([CACHED - 2, CACHED - 1]))
    assert client.take(0x82, 16) == event(4)
    assert coral.violations == ()


@pytest.mark.parametrize("place", ["control", "out", "in", "event"])
def test_unplugged_in_the_middle_everything_ends_and_with_a_time_it_is_back(place: str) -> None:
    coral, client, running = ready(f"unplug@{place}=0.01")
    back = threading.Event()
    seen: list[str] = []
    coral.on_disconnect = lambda: seen.append("gone")
    coral.on_connect = back.set
    waiting = [client.read_later(endpoint, 1024) for endpoint in (0x81, 0x82, 0x83)]
    with pytest.raises(Ended):
        client.read(SCU_CTRL_3, 4)
        begin(client, running)
        raise Ended("at an IN endpoint")
    statuses = Counter(urb.status for urb in waiting)
    assert statuses["NO_DEVICE"] >= 1
    assert set(statuses) <= {"NO_DEVICE", "IO", "OK"}
    assert seen == ["gone"]
    assert back.wait(5)
    assert (coral.connected, coral.mode) == (True, "dfu")
    client.download()


def test_back_in_the_boot_rom_it_has_another_identity() -> None:
    coral, client, _ = ready("dfu@out")
    seen: list[tuple[int, int]] = []
    coral.on_connect = lambda: seen.append(coral.ids)
    with pytest.raises(Ended, match="IO"):
        client.out(bytes(8))
    assert seen == [(0x1A6E, 0x089A)]
    with pytest.raises(Ended, match="NOT_FOUND"):
        client.out(bytes(8))


def test_a_register_that_loses_its_value_stops_the_device() -> None:
    coral, client, running = ready("reset_register@out=44018")
    with pytest.raises(Unanswered):
        client.send(0, running)
    assert [violation.rule for violation in coral.violations] == ["halted"]
    client.write(0x44018, 8, 1)
    coral.inject(*Fault.parse("reset_register@control"))
    client.read(SCU_CTRL_3, 4)
    assert client.read(SCU_CTRL_3, 4) == 0x60050004


def test_a_fatal_error_can_be_asked_for() -> None:
    coral, client, running = ready("fatal@out:2")
    interrupt = client.read_later(0x83, 4)
    with pytest.raises(Unanswered):
        client.send(0, running)
    assert client.finish(interrupt).reply == struct.pack("<I", 1)
    assert client.read(0x486F0, 8)


def test_heat_warns_and_shuts_down() -> None:
    coral, client, running = ready("thermal_warning@out", "thermal_shutdown@out:4")
    interrupt, last = client.read_later(0x83, 4), client.read_later(0x83, 4)
    client.send(0, running)
    assert client.finish(interrupt).reply == struct.pack("<I", 1 << 4)
    assert client.read(0x1A0DC, 4) >> 31 == 1
    with pytest.raises(Ended, match="IO"):
        client.send(1, bytes(range(IN)))
    assert client.finish(last).reply == struct.pack("<I", 1 << 1)
    assert not coral.connected


# When they strike.


def test_faults_count_the_transfers_that_fit() -> None:
    coral, client, running = ready("stall@control:2*2", "error@0x82:2", "babble@any:8")
    assert client.read(SCU_CTRL_3, 4)
    for _ in range(2):
        with pytest.raises(Ended, match="STALLED"):
            client.read(SCU_CTRL_3, 4)
    begin(client, running)
    with pytest.raises(Ended, match="OVERFLOW"):
        client.take(0x81, 1024)
    assert client.take(0x82, 16) == event(4)
    begin(client, running)
    client.take(0x81, 1024)
    with pytest.raises(Ended, match="IO"):
        client.take(0x82, 16)
    fired = ["stall@control:2*2", "stall@control:2*2", "babble@any:8", "error@0x82:2"]
    assert [str(fault) for fault, _ in coral.faults.fired] == fired
    assert coral.faults.waiting == 0


def test_rules_last_as_long_as_they_say_and_can_be_taken_back() -> None:
    coral, client, _ = ready("stall@control*all")
    for _ in range(5):
        with pytest.raises(Ended):
            client.read(SCU_CTRL_3, 4)
    coral.clear_faults()
    assert client.read(SCU_CTRL_3, 4)


def test_the_rule_that_was_given_first_wins() -> None:
    rules = FaultRules()
    rules.add(*Fault.parse("stall@any, error@out, halt@0x01"))
    urb = Urb(0x01, 8, bytes(8))
    assert str(rules.strike(urb)) == "stall@any:1"
    assert rules.strike(urb) is None


def test_ten_thousand_rules_cost_as_one() -> None:
    rules = FaultRules()
    rules.add(*(Fault("stall", None, "out", after) for after in range(0, 20000, 2)))
    urb = Urb(0x01, 8, bytes(8))
    start = time.perf_counter()
    struck = sum(rules.strike(urb) is not None for _ in range(20000))
    assert struck == 10000 == rules.fired_count
    assert time.perf_counter() - start < 2
    assert len(rules.fired) < 10000  # what is remembered is bounded


def test_the_device_works_on_after_a_fault_that_a_retry_can_mend() -> None:
    for action in ("stall@out:2", "stall@out:4", "zero@in", "stall@in"):
        coral, client, running = ready(action)
        for tag, payload in ((0, running), (1, bytes(range(IN)))):
            client.out(struct.pack("<II", len(payload), tag))
            try:
                client.out(payload)
            except Ended:
                client.out(payload)
        got = b""
        while len(got) < OUT:
            try:
                got += client.take(0x81, 1024)
            except Ended:
                continue
        assert got[:40] == bytes(range(40))
        assert client.take(0x82, 16) == event(4)
        assert infer(client, running) == got
        assert coral.violations == ()


# How they are written.


@pytest.mark.parametrize(
    "text",
    ["unplug@out:3", "delay@in:1*5=0.2", "stall@0x82:1", "timeout@any:1*all", "reset_register@control:2=1a318"],
)
def test_a_fault_reads_as_it_is_written(text: str) -> None:
    (fault,) = Fault.parse(text)
    assert Fault.parse(str(fault)) == (fault,)
    assert str(fault) == text


def test_a_list_of_faults_is_read_in_order() -> None:
    assert [str(fault) for fault in Fault.parse(" stall, unplug@out:3 ,")] == ["stall@any:1", "unplug@out:3"]
    assert Fault.parse("") == ()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("explode", "no fault named 'explode'"),
        ("stall@elsewhere", "not at 'elsewhere'"),
        ("stall@out:0", "the first transfer is number 1"),
        ("stall@@", "is no fault"),
        ("delay=soon", "write seconds behind"),
        ("delay=-1", "write seconds behind"),
        ("delay=1e99", "write seconds behind"),
        ("flip=0.5", "write a number behind"),
        ("stall=3", "stall takes no '=3'"),
        ("reset_register=xyz", "hexadecimal"),
        ("stall*0", "is never"),
        ("corrupt@out", "the other direction"),
        ("flip@in", "the other direction"),
        ("stall@0xzz", "is no fault"),
        ("stall@0x181", "is no fault"),
    ],
)
def test_what_is_no_fault_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Fault.parse(text)


def test_every_action_has_a_meaning_and_can_be_written() -> None:
    for action in ACTIONS:
        (fault,) = Fault.parse(action)
        assert fault.action == action


def test_a_storm_is_the_same_for_the_same_seed_and_strikes_each_transfer_once() -> None:
    faults = storm(7, 200, 2000)
    assert faults == storm(7, 200, 2000) != storm(8, 200, 2000)
    assert len(faults) == 200 == len({(fault.kind, fault.after) for fault in faults})
    assert all(fault.after < 2 * 2000 for fault in faults)
    with pytest.raises(ValueError, match="too many"):
        storm(0, 1000, 10)
