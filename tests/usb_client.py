"""A program that uses a Coral through one of our buses: "libusb" or "pyusb", then what it does.

It is run in a process of its own, and prints one line of JSON. Where it needs the test to act, it asks the emulator.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from subgraft._native import UsbDevice, UsbError, UsbTransfer
from subgraft.backends.edgetpu.buses import Bus, Found, LibusbBus
from subgraft.backends.edgetpu.pyusb_bus import PyusbBus
from subgraft.testing import Emulator
from waiting import until

BUSES: Mapping[str, Callable[[], Bus]] = {"libusb": LibusbBus, "pyusb": PyusbBus}
RUNNING = (0x18D1, 0x9302)
OUT, DATA, EVENTS, INTERRUPTS = 0x01, 0x81, 0x82, 0x83
READ_32, REGISTER = (0xC0, 1), (0xA30C, 1)  # scu_ctrl_0: wValue, wIndex
LIMIT_S = 10.0


def stick(bus: Bus) -> Found:
    (found,) = (each for each in bus.list() if (each.vendor, each.product) == RUNNING)
    return found


def code(call: Callable[[], object]) -> str:
    try:
        call()
    except UsbError as error:
        return error.code
    return "COMPLETED"


def register(device: UsbDevice, timeout_ms: int = 2000) -> str:
    return device.control_in(*READ_32, *REGISTER, 4, timeout_ms)[::-1].hex()


def finish(device: UsbDevice, *transfers: UsbTransfer) -> list[str | None]:
    end = time.monotonic() + LIMIT_S
    while any(transfer.status is None for transfer in transfers) and device.wait(max(0.0, end - time.monotonic())):
        pass
    return [transfer.status for transfer in transfers]


def seconds(call: Callable[[], object]) -> float:
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def listing(bus: Bus, emulator: Emulator) -> Any:
    found = stick(bus)
    device = bus.open(found)
    missing = Found("1-7", 1, 9, *RUNNING, 5000)
    return {
        "found": [found.path, found.speed_mbps, found.emulated],
        "speed_mbps": device.speed_mbps,
        "register": register(device),
        "elsewhere": code(lambda: bus.open(missing)),
    }


def commands(bus: Bus, emulator: Emulator) -> Any:
    device, other = bus.open(stick(bus)), bus.open(stick(bus))
    device.claim(0)
    second = code(lambda: other.claim(0))
    device.close()
    answers = {"second": second, "after close": code(lambda: other.claim(0))}
    emulator.fault("stall@control")
    answers["stalled"] = code(lambda: register(other))
    answers["next"] = register(other)
    emulator.fault("timeout@control")
    answers["waited_s"] = seconds(lambda: answers.update(late=code(lambda: register(other, 200))))
    answers["then"] = register(other)
    emulator.fault("halt@out:1")
    answers["halted"] = [
        *finish(other, other.submit_out(OUT, bytes(8))),
        *finish(other, other.submit_out(OUT, bytes(8))),
    ]
    answers["cleared"] = code(lambda: other.clear_halt(OUT))
    answers["reset"] = code(other.reset)
    answers["released"] = code(lambda: other.release(0))
    return answers


def hold(bus: Bus, emulator: Emulator) -> Any:
    """Claims the device, and ends when it is told to on stdin."""
    device = bus.open(stick(bus))
    device.claim(0)
    print("claimed", flush=True)  # noqa: T201
    sys.stdin.readline()
    return "done"


def claim(bus: Bus, emulator: Emulator) -> Any:
    return code(lambda: bus.open(stick(bus)).claim(0))


def cancelling(bus: Bus, emulator: Emulator) -> Any:
    device = bus.open(stick(bus))
    device.claim(0)
    reads = [
        device.submit_in(DATA, 32768),
        device.submit_in(EVENTS, 16),
        device.submit_in(INTERRUPTS, 4, interrupt=True),
    ]
    answers: dict[str, Any] = {"silent_s": seconds(lambda: answers_wait(device))}
    for read in reads[:2]:
        read.cancel()
    answers["cancelled_s"] = seconds(lambda: finish(device, *reads[:2]))
    answers["statuses"] = [read.status for read in reads]
    waiting = threading.Thread(target=device.wait, args=(30,))
    waiting.start()
    time.sleep(0.05)
    answers["closed_s"] = seconds(device.close)
    waiting.join(5)
    answers["waits"] = waiting.is_alive()
    answers["last"] = reads[2].status
    answers["closed"] = code(lambda: device.submit_in(EVENTS, 16))
    return answers


def answers_wait(device: UsbDevice) -> None:
    assert not device.wait(0.2)


def echoes(bus: Bus, emulator: Emulator) -> Any:
    """Runs a program that gives its input back, which the test taught the device: argv names its instructions."""
    instructions, size = bytes.fromhex(sys.argv[3]), int(sys.argv[4])
    device = bus.open(stick(bus))
    device.claim(0)
    interrupt = device.submit_in(INTERRUPTS, 4, interrupt=True)
    right = 0
    for _ in range(10):
        sent = os.urandom(size)
        reads = [device.submit_in(DATA, -(-size // 1024) * 1024), device.submit_in(EVENTS, 16)]
        writes = [
            device.submit_out(OUT, struct.pack("<IB3x", len(instructions), 0) + instructions),
            device.submit_out(OUT, struct.pack("<IB3x", size, 1) + sent),
        ]
        finish(device, *writes, *reads)
        right += reads[0].data == sent and reads[1].data == bytes(12) + b"\x04\0\0\0"
    return {"right": right, "interrupt": interrupt.status}


def unplugged(bus: Bus, emulator: Emulator) -> Any:
    device = bus.open(stick(bus))
    device.claim(0)
    reads = [device.submit_in(DATA, 1024) for _ in range(8)] + [device.submit_in(EVENTS, 16)]
    threading.Timer(0.2, emulator.unplug).start()
    answers: dict[str, Any] = {"lost_s": seconds(lambda: finish(device, *reads))}
    answers["statuses"] = sorted({str(read.status) for read in reads})
    answers["control"] = code(lambda: register(device))
    answers["send"] = code(lambda: answers.update(sent=finish(device, device.submit_out(OUT, bytes(8)))))
    answers["closed_s"] = seconds(device.close)
    answers["listed"] = len(bus.list())
    emulator.plug("app")
    until(lambda: any((each.vendor, each.product) == RUNNING for each in bus.list()))
    answers["again"] = register(bus.open(stick(bus)))
    return answers


def reopening(bus: Bus, emulator: Emulator) -> Any:
    """Opens and closes again and again, with reads pending; what is left over at the end."""

    def count() -> list[int]:
        return [len(list(Path(f"/proc/self/{what}").iterdir())) for what in ("task", "fd")]

    def footprint() -> list[int]:
        """Once the last threads are gone, which let go of the device before they end."""
        seen: list[list[int]] = []
        while len(seen) < 10 or any(each != seen[-1] for each in seen[-10:]):
            seen.append(count())
            time.sleep(0.02)
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
        return [*seen[-1], resident]

    def use(times: int) -> None:
        for i in range(times):
            device = bus.open(stick(bus))
            device.claim(0)
            reads = [device.submit_in(DATA, 4096), device.submit_in(EVENTS, 16)]
            register(device)
            if i % 2:
                reads[0].cancel()
            device.close()
            assert [read.status for read in reads] == ["CANCELLED", "CANCELLED"]

    times = int(sys.argv[3])
    use(3)
    before = footprint()
    use(times)
    return [now - then for now, then in zip(footprint(), before, strict=True)]


def leaving(bus: Bus, emulator: Emulator) -> Any:
    """Ends with everything open and pending."""
    device = bus.open(stick(bus))
    device.claim(0)
    reads = [device.submit_in(DATA, 1024), device.submit_in(EVENTS, 16)]
    threading.Thread(target=device.wait, args=(30,), daemon=True).start()
    time.sleep(0.05)
    return [read.status for read in reads]


if __name__ == "__main__":
    doing: Callable[[Bus, Emulator], Any] = globals()[sys.argv[2]]
    print(json.dumps(doing(BUSES[sys.argv[1]](), Emulator.connect())), flush=True)  # noqa: T201
