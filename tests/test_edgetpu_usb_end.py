"""The end of a USB device: unplugged, closed, used by two threads, left to a fork or to the interpreter's exit."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgetpu_usb import EVENTS, IN, OUT, READ_32, Player, accept, code_of, finish, taken
from subgraft._native import Loopback, Urb, UsbError
from waiting import until


@pytest.fixture
def device() -> Iterator[Loopback]:
    loopback = Loopback(5000)
    yield loopback
    loopback.close()


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


def test_a_device_that_is_dropped_with_transfers_pending_is_let_go() -> None:
    device = Loopback(480)
    read = device.submit_in(IN, 4)
    gone = weakref.ref(device)
    del device
    gc.collect()
    assert gone() is None
    assert read.status == "CANCELLED"
    read.cancel()


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
