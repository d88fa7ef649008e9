"""A USB device as native code drives it: order, short answers, stalls, cancels, time limits, unplugging."""

from __future__ import annotations

import gc
import os
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from ctypes.util import find_library
from pathlib import Path

import pytest

from subgraft._native import LibUsb, Loopback, NullDevice, Urb, UsbError, UsbTransfer
from subgraft.backends.edgetpu.buses import Found, LibusbBus, path_of, ports_of
from subgraft.backends.edgetpu.errors import NoUsbLibrary
from waiting import until

OUT, IN, EVENTS, INTERRUPTS = 0x01, 0x81, 0x82, 0x83
READ_32 = (0xC0, 1, 0xA30C, 1)  # a register read: request type, request, value, index
WRITE_32 = (0x40, 1, 0xA30C, 1)


@pytest.fixture
def device() -> Iterator[Loopback]:
    loopback = Loopback(5000)
    yield loopback
    loopback.close()


class Player(threading.Thread):
    """Answers every request with `answer` until the device is closed or unplugged."""

    def __init__(self, device: Loopback, answer: Callable[[Loopback, Urb], object]) -> None:
        super().__init__(daemon=True)
        self.device, self.answer = device, answer
        self.seen: list[str] = []
        self.start()

    def run(self) -> None:
        while (urb := self.device.take(5)) is not None and urb.kind != "close":
            self.seen.append(urb.kind)
            self.answer(self.device, urb)


def accept(device: Loopback, urb: Urb) -> None:
    if urb.kind != "cancel":
        device.complete(urb.id, "COMPLETED", bytes(urb.length) if urb.endpoint & 0x80 else None)


def taken(device: Loopback) -> Urb:
    urb = device.take(5)
    assert urb is not None
    return urb


def finish(device: Loopback, *transfers: UsbTransfer) -> None:
    end = time.monotonic() + 5
    while any(transfer.status is None for transfer in transfers):
        assert device.wait(max(0.0, end - time.monotonic()))


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(UsbError) as caught:
        call()
    return caught.value.code


# ---- control transfers and commands


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


# ---- transfers


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


# ---- the end


def test_unplugging_ends_everything_pending_and_to_come(device: Loopback) -> None:
    player = Player(device, lambda device, urb: None)
    reads = [device.submit_in(IN, 4) for _ in range(3)]
    until(lambda: len(player.seen) == 3)
    threading.Timer(0.05, device.unplug).start()
    begun = time.monotonic()
    assert code_of(lambda: device.control_in(*READ_32, 4, 20000)) == "NO_DEVICE"
    assert time.monotonic() - begun < 5
    finish(device, *reads)
    assert {read.status for read in reads} == {"NO_DEVICE"}
    assert code_of(lambda: device.submit_out(OUT, b"x")) == "NO_DEVICE"
    assert code_of(device.reset) == "NO_DEVICE"
    player.join(5)
    assert not player.is_alive()
    assert taken(device).kind == "close"


def test_closing_ends_what_is_pending_and_the_player(device: Loopback) -> None:
    player = Player(device, lambda device, urb: None)
    read = device.submit_in(IN, 4)
    until(lambda: player.seen)
    device.close()
    assert read.status == "CANCELLED"
    device.close()
    player.join(5)
    assert not player.is_alive()
    assert code_of(lambda: device.submit_in(IN, 4)) == "NO_DEVICE"
    assert code_of(lambda: device.claim(0)) == "NO_DEVICE"


def test_a_second_thread_may_call_while_one_waits(device: Loopback) -> None:
    read = device.submit_in(IN, 4)
    waiting = threading.Thread(target=device.wait, args=(20,))
    waiting.start()
    Player(device, accept)
    assert device.control_in(*READ_32, 4, 5000) == bytes(4)
    waiting.join(5)
    assert read.status == "COMPLETED"


def test_closing_ends_the_wait_of_another_thread(device: Loopback) -> None:
    read = device.submit_in(IN, 4)
    waiting = threading.Thread(target=device.wait, args=(20,))
    waiting.start()
    time.sleep(0.02)
    device.close()
    waiting.join(5)
    assert not waiting.is_alive()
    assert read.status == "CANCELLED"


def test_thousands_of_transfers_leave_no_thread_file_or_memory(device: Loopback) -> None:
    sums: list[int] = []

    def echo(device: Loopback, urb: Urb) -> None:
        if urb.kind == "cancel":
            device.complete(urb.id, "CANCELLED")
        elif urb.endpoint == OUT:
            sums.append(sum(urb.data))
            device.complete(urb.id, "COMPLETED")
        elif urb.endpoint == IN:
            device.complete(urb.id, "COMPLETED", bytes([sums[-1] & 0xFF]) * 3)

    def round_trips(count: int) -> None:
        for i in range(count):
            silent = device.submit_in(EVENTS, 16)
            write, read = device.submit_out(OUT, bytes([i & 0xFF]) * 1025), device.submit_in(IN, 1024)
            finish(device, write, read)
            silent.cancel()
            finish(device, silent)
            assert (write.actual, read.data) == (1025, bytes([i * 1025 & 0xFF]) * 3)
            assert silent.status == "CANCELLED"

    Player(device, echo)
    round_trips(100)
    before = _footprint()
    round_trips(2000)
    threads, files, rss = (now - then for now, then in zip(_footprint(), before, strict=True))
    assert (threads, files) == (0, 0)
    assert rss < 8 << 20


def _footprint() -> tuple[int, int, int]:
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return threading.active_count(), len(list(Path("/proc/self/fd").iterdir())), resident


def test_unplugging_in_the_middle_of_traffic_breaks_nothing() -> None:
    for delay_s in (0.0, 0.001, 0.003):
        for _ in range(20):
            device = Loopback(480)
            Player(device, accept)
            threading.Timer(delay_s, device.unplug).start()
            codes = set()
            try:
                for _ in range(100000):
                    pair = device.submit_out(OUT, bytes(64)), device.submit_in(IN, 64)
                    device.control_in(*READ_32, 4, 5000)
                    finish(device, *pair)
                    codes.update(transfer.status for transfer in pair)
            except UsbError as error:
                codes.add(error.code)
            assert codes <= {"COMPLETED", "NO_DEVICE"}
            assert "NO_DEVICE" in codes
            device.close()


EXITS = {
    "while a player waits": "threading.Thread(target=device.take, args=(1000,), daemon=True).start(); time.sleep(0.05)",
    "with transfers pending": "device.submit_in(0x81, 64); device.take(1)",
    "while a thread waits for an answer": """
        threading.Thread(target=device.control_in, args=(0xC0, 1, 0, 0, 4, 100000), daemon=True).start()
        assert device.take(5) is not None
        threading.excepthook = lambda _: None
    """,
}


@pytest.mark.parametrize("moment", EXITS)
def test_the_interpreter_ends_cleanly(moment: str) -> None:
    script = "import threading, time\nfrom subgraft._native import Loopback\ndevice = Loopback(480)\n"
    code = script + textwrap.dedent(EXITS[moment])
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert (child.returncode, child.stderr) == (0, "")


def test_a_forked_child_is_refused_and_ends(device: Loopback) -> None:
    script = """
        import os
        from subgraft._native import Loopback, UsbError
        device = Loopback(480)
        device.submit_in(0x81, 64)
        child = os.fork()
        if not child:
            try:
                device.claim(0)
            except UsbError as error:
                assert "the child must open its own" in str(error)
                del device
                raise SystemExit(7)
            raise SystemExit(1)
        raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    child = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=30)
    assert (child.returncode, child.stderr) == (7, "")


# ---- the device that computes nothing

COMPLETION = bytes([0] * 12 + [4, 0, 0, 0])
INSTRUCTIONS, INPUTS, PARAMETERS = 0, 1, 2


def payload(tag: int, size: int) -> bytes:
    return struct.pack("<IB3x", size, tag) + bytes(size)


def test_the_null_device_answers_a_request_once_its_inputs_are_there() -> None:
    device = NullDevice([b"abc", b"de"], inputs=2)
    reads = [device.submit_in(IN, 8), device.submit_in(IN, 8), device.submit_in(EVENTS, 16)]
    interrupt = device.submit_in(INTERRUPTS, 4, interrupt=True)
    first = device.submit_out(OUT, payload(INSTRUCTIONS, 64) + payload(INPUTS, 100))
    assert device.wait(5)
    assert [transfer.status for transfer in (first, *reads)] == ["COMPLETED", None, None, None]
    second = device.submit_out(OUT, payload(INPUTS, 100))
    assert device.wait(5)
    assert [transfer.data for transfer in reads] == [b"abc", b"de", COMPLETION]
    assert (second.status, interrupt.status) == ("COMPLETED", None)
    device.close()
    assert interrupt.status == "CANCELLED"


@pytest.mark.parametrize("step", [1, 3, 8, 50])
def test_the_null_device_reads_a_stream_however_it_is_cut(step: int) -> None:
    device = NullDevice([b"abcdefgh"])
    stream = payload(INSTRUCTIONS, 20) + payload(INPUTS, 0) + payload(INSTRUCTIONS, 20) + payload(INPUTS, 33)
    for at in range(0, len(stream), step):
        device.submit_out(OUT, stream[at : at + step])
    reads = [device.submit_in(IN, 5) for _ in range(5)]
    events = [device.submit_in(EVENTS, 16) for _ in range(3)]
    assert device.wait(5)
    assert [read.data for read in reads] == [b"abcde", b"fgh", b"abcde", b"fgh", b""]
    assert [event.status for event in events] == ["COMPLETED", "COMPLETED", None]
    assert reads[4].status is None


def test_the_null_device_completes_cached_parameters_but_not_streamed_ones_by_themselves() -> None:
    device = NullDevice([b"out"])
    events = [device.submit_in(EVENTS, 16) for _ in range(3)]
    caching = payload(INSTRUCTIONS, 64) + payload(PARAMETERS, 1000)
    inference = payload(INSTRUCTIONS, 64) + payload(INPUTS, 10) + payload(PARAMETERS, 1000)
    device.submit_out(OUT, caching + inference)
    assert device.wait(5)
    assert [event.status for event in events] == ["COMPLETED", None, None]
    read = device.submit_in(IN, 1024)
    assert device.wait(5)
    assert read.data == b"out"
    assert [event.status for event in events] == ["COMPLETED", "COMPLETED", None]


# ---- the libraries


def in_child(script: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_without_libusb_the_error_names_every_file_tried_and_the_cure() -> None:
    with pytest.raises(
        UsbError, match=r"tried /nonexistent \(.*\); install it .* or name .* in SUBGRAFT_LIBUSB$"
    ) as caught:
        LibUsb("/nonexistent")
    assert caught.value.code == "NOT_FOUND"


def test_a_library_that_is_not_libusb_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(
        UsbError, match=r"^libc\.so\.6 is no libusb-1\.0 .*: it lacks libusb_init, libusb_exit, "
    ) as caught:
        LibUsb("libc.so.6")
    assert caught.value.code == "NOT_SUPPORTED"


def test_the_variable_names_the_library_and_nothing_else_is_tried() -> None:
    script = """
        from subgraft.backends.edgetpu.buses import default_bus
        from subgraft.backends.edgetpu.errors import NoUsbLibrary
        try:
            default_bus()
        except NoUsbLibrary as error:
            print(type(error.__cause__).__name__, error)
    """
    said = in_child(script, SUBGRAFT_LIBUSB="/nonexistent")
    assert said.startswith("ImportError libusb-1.0 cannot be loaded, tried /nonexistent (")
    assert "pyusb" not in said


@pytest.mark.skipif(find_library("usb-1.0") is None, reason="pyusb needs libusb-1.0, which is not installed")
def test_without_libusb_pyusb_is_taken_and_without_both_the_error_names_both() -> None:
    script = """
        import importlib, sys
        from subgraft import _native
        from subgraft.backends.edgetpu import buses

        class NoLibusb:
            def __init__(self, path):
                error = _native.UsbError("libusb-1.0 cannot be loaded")
                error.code = "NOT_FOUND"
                raise error

        _native.LibUsb = NoLibusb
        print(buses.default_bus().name)
        sys.modules["usb"] = sys.modules["usb.core"] = None
        try:
            buses.default_bus()
        except buses.NoUsbLibrary as error:
            print(error)
    """
    assert in_child(script) == "pyusb\nlibusb-1.0 cannot be loaded; pyusb is not installed (pip install pyusb)\n"


def test_libusb_lists_and_opens_nothing_where_nothing_is_plugged_in() -> None:
    try:
        bus = LibusbBus()
    except NoUsbLibrary as error:
        pytest.skip(str(error))
    assert all(isinstance(found, Found) for found in bus.list())
    nowhere = Found("250-7.7.7", 250, 1, 0x18D1, 0x9302, 5000)
    assert code_of(lambda: bus.open(nowhere)) == "NO_DEVICE"


@pytest.mark.parametrize("path", ["1-1", "2-1.3", "10-4.1.2.3"])
def test_a_path_is_a_bus_and_its_ports(path: str) -> None:
    bus, _, _ = path.partition("-")
    assert path_of(int(bus), ports_of(path)) == path
