"""A USB device as native code drives it: order, short answers, stalls, cancels, time limits."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator

import pytest

from edgetpu_usb import EVENTS, IN, INTERRUPTS, OUT, READ_32, WRITE_32, Player, code_of, finish, taken
from subgraft._native import Loopback, Urb, UsbError
from waiting import until


@pytest.fixture
def device() -> Iterator[Loopback]:
    loopback = Loopback(5000)
    yield loopback
    loopback.close()


def test_a_control_read_carries_its_setup_and_brings_the_answer(device: Loopback) -> None:
    seen: list[tuple[str, bytes, int, int, int]] = []

    def answer(device: Loopback, urb: Urb) -> None:
        seen.append((urb.kind, urb.setup, urb.endpoint, urb.length, urb.timeout_ms))
        device.complete(urb.id, "COMPLETED", b"\x59\x09\x0f\x00")

    Player(device, answer)
    assert device.control_in(*READ_32, 4, 6000) == b"\x59\x09\x0f\x00"
    assert seen == [("control", bytes.fromhex("c0 01 0c a3 01 00 04 00"), 0x80, 4, 6000)]


def test_a_control_write_carries_its_data(device: Loopback) -> None:
    seen: list[tuple[bytes, bytes, int]] = []

    def answer(device: Loopback, urb: Urb) -> None:
        seen.append((urb.setup, bytes(urb.data), urb.endpoint))
        device.complete(urb.id, "COMPLETED")

    Player(device, answer)
    device.control_out(*WRITE_32, bytearray(b"\x59\x00\x0f\x00"), 6000)
    assert seen == [(bytes.fromhex("40 01 0c a3 01 00 04 00"), b"\x59\x00\x0f\x00", 0)]


def test_a_short_control_answer_is_returned_as_it_came(device: Loopback) -> None:
    Player(device, lambda device, urb: device.complete(urb.id, "COMPLETED", b"ab"))
    assert device.control_in(*READ_32, 8, 6000) == b"ab"


@pytest.mark.parametrize("code", ["STALLED", "IO", "NO_DEVICE", "OVERFLOW"])
def test_a_control_transfer_that_fails_raises_its_code_and_says_which_it_was(device: Loopback, code: str) -> None:
    Player(device, lambda device, urb: device.complete(urb.id, code))
    with pytest.raises(UsbError, match=f"^control transfer c0 01 value a30c index 0001 length 4: {code}$") as caught:
        device.control_in(*READ_32, 4, 6000)
    assert caught.value.code == code


def test_a_longer_control_answer_than_asked_for_is_an_overflow(device: Loopback) -> None:
    Player(device, lambda device, urb: device.complete(urb.id, "COMPLETED", bytes(5)))
    assert code_of(lambda: device.control_in(*READ_32, 4, 6000)) == "OVERFLOW"


def test_a_control_write_of_which_the_device_took_only_a_part_fails(device: Loopback) -> None:
    Player(device, lambda device, urb: device.complete(urb.id, "COMPLETED", actual=3))
    with pytest.raises(UsbError, match="the device took only 3 bytes"):
        device.control_out(*WRITE_32, bytes(4), 6000)


def test_a_control_transfer_that_nobody_answers_ends_at_its_time_limit(device: Loopback) -> None:
    begun = time.monotonic()
    assert code_of(lambda: device.control_in(*READ_32, 4, 50)) == "TIMEOUT"
    assert 0.05 <= time.monotonic() - begun < 2
    assert device.take(0) is None  # it is not played to a player that comes late


def test_an_answer_after_the_time_limit_is_for_nobody(device: Loopback) -> None:
    late: list[Urb] = []
    Player(device, lambda device, urb: late.append(urb))
    assert code_of(lambda: device.control_in(*READ_32, 4, 50)) == "TIMEOUT"
    until(lambda: len(late) == 2)
    assert late[1].kind == "cancel"
    assert late[1].id == late[0].id
    assert not device.complete(late[0].id, "COMPLETED", b"late")


def test_commands_reach_the_player_in_order_with_their_argument(device: Loopback) -> None:
    seen: list[tuple[str, int, int]] = []

    def answer(device: Loopback, urb: Urb) -> None:
        seen.append((urb.kind, urb.interface, urb.endpoint))
        device.complete(urb.id, "COMPLETED")

    Player(device, answer)
    device.claim(2)
    device.clear_halt(IN)
    device.release(2)
    device.reset()
    assert seen == [("claim", 2, 0), ("clear_halt", 0, IN), ("release", 2, 0), ("reset", 0, 0)]


def test_a_reset_after_which_the_device_is_another_one_says_so(device: Loopback) -> None:
    def answer(device: Loopback, urb: Urb) -> None:
        device.complete(urb.id, "NOT_FOUND")
        device.unplug()

    Player(device, answer)
    assert code_of(device.reset) == "NOT_FOUND"
    assert code_of(lambda: device.claim(0)) == "NO_DEVICE"


@pytest.mark.parametrize(
    "call",
    [
        lambda device: device.control_in(*READ_32, 4, 0),
        lambda device: device.control_in(*WRITE_32, 4, 10),
        lambda device: device.control_out(*READ_32, b"", 10),
        lambda device: device.control_out(*WRITE_32, bytes(70000), 10),
        lambda device: device.submit_in(OUT, 4),
        lambda device: device.submit_out(IN, b""),
        lambda device: device.submit_in(0x181, 4),
        lambda device: device.wait(float("nan")),
        lambda device: device.wait(-1),
        lambda device: device.take(float("nan")),
        lambda device: device.complete(1, "FINE"),
        lambda device: device.complete(1, "COMPLETED", b"x", actual=1),
    ],
)
def test_a_call_without_sense_is_refused(device: Loopback, call: Callable[[Loopback], object]) -> None:
    with pytest.raises(ValueError):
        call(device)


def test_transfers_reach_the_player_in_the_order_of_their_submission(device: Loopback) -> None:
    reads = [device.submit_in(IN, 1024), device.submit_in(EVENTS, 16), device.submit_in(INTERRUPTS, 4, interrupt=True)]
    write = device.submit_out(OUT, b"header and payload")
    urbs = [taken(device) for _ in range(4)]
    assert [(urb.kind, urb.endpoint, urb.length) for urb in urbs] == [
        ("bulk", IN, 1024),
        ("bulk", EVENTS, 16),
        ("interrupt", INTERRUPTS, 4),
        ("bulk", OUT, 18),
    ]
    assert bytes(urbs[3].data) == b"header and payload"
    assert device.complete(urbs[3].id, "COMPLETED")
    assert device.complete(urbs[1].id, "COMPLETED", bytes(16))
    assert device.complete(urbs[0].id, "COMPLETED", b"short")
    finish(device, reads[0], reads[1], write)
    assert [reads[0].data, reads[1].data, write.actual, reads[2].status] == [b"short", bytes(16), 18, None]


def test_sent_bytes_are_the_players_to_keep(device: Loopback) -> None:
    mine = bytearray(b"sent")
    write = device.submit_out(OUT, mine)
    mine[:] = b"gone"
    urb = taken(device)
    data = urb.data
    device.complete(urb.id, "COMPLETED")
    finish(device, write)
    del write, urb
    gc.collect()
    assert bytes(data) == b"sent"
    assert data.readonly


def test_more_bytes_than_asked_for_are_an_overflow_and_write_no_further(device: Loopback) -> None:
    read = device.submit_in(IN, 4)
    device.complete(taken(device).id, "COMPLETED", b"abcdef")
    finish(device, read)
    assert (read.status, read.data) == ("OVERFLOW", b"abcd")


def test_a_stalled_transfer_brings_what_had_come(device: Loopback) -> None:
    read = device.submit_in(IN, 8)
    device.complete(taken(device).id, "STALLED", b"abc")
    finish(device, read)
    assert (read.status, read.data) == ("STALLED", b"abc")


def test_a_player_cannot_take_more_than_was_sent_nor_answer_a_write_with_bytes(device: Loopback) -> None:
    write = device.submit_out(OUT, b"abc")
    urb = taken(device)
    assert code_of(lambda: device.complete(urb.id, "COMPLETED", actual=4)) == "INVALID"
    assert code_of(lambda: device.complete(urb.id, "COMPLETED", b"abc")) == "INVALID"
    device.complete(urb.id, "IO", actual=2)
    finish(device, write)
    assert (write.status, write.actual) == ("IO", 2)


def test_waiting_ends_in_time_when_nothing_is_done(device: Loopback) -> None:
    device.submit_in(IN, 4)
    begun = time.monotonic()
    assert not device.wait(0.05)
    assert 0.05 <= time.monotonic() - begun < 2


def test_waiting_with_nothing_pending_ends_at_once(device: Loopback) -> None:
    begun = time.monotonic()
    assert not device.wait(60)
    assert time.monotonic() - begun < 2


def test_a_transfer_cancelled_before_the_player_saw_it_never_reaches_it(device: Loopback) -> None:
    first, second = device.submit_in(IN, 4), device.submit_in(IN, 8)
    first.cancel()
    assert device.wait(5)
    assert (first.status, second.status) == ("CANCELLED", None)
    assert taken(device).length == 8
    assert device.take(0) is None


def test_the_player_is_told_of_a_cancel_and_has_the_last_word(device: Loopback) -> None:
    reads = [device.submit_in(IN, 4), device.submit_in(IN, 4)]
    urbs = [taken(device), taken(device)]
    for read, urb in zip(reads, urbs, strict=True):
        assert device.is_wanted(urb.id)
        read.cancel()
        read.cancel()  # a second time means nothing
        told = taken(device)
        assert (told.kind, told.id) == ("cancel", urb.id)
        assert not device.is_wanted(urb.id)
    assert device.complete(urbs[0].id, "CANCELLED")
    assert device.complete(urbs[1].id, "COMPLETED", b"done")
    finish(device, *reads)
    assert [(read.status, read.data) for read in reads] == [("CANCELLED", b""), ("COMPLETED", b"done")]
    assert device.take(0) is None


def test_a_cancelled_transfer_ends_although_the_player_is_dead(device: Loopback) -> None:
    read = device.submit_in(IN, 4)
    urb = taken(device)
    read.cancel()
    begun = time.monotonic()
    finish(device, read)
    assert read.status == "CANCELLED"
    assert time.monotonic() - begun < 3
    assert not device.complete(urb.id, "COMPLETED", b"late")
    assert read.data == b""


def test_cancelling_what_is_done_changes_nothing(device: Loopback) -> None:
    read = device.submit_in(IN, 4)
    device.complete(taken(device).id, "COMPLETED", b"done")
    read.cancel()
    finish(device, read)
    read.cancel()
    assert (read.status, read.data) == ("COMPLETED", b"done")
