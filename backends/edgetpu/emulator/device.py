"""The emulated Coral USB Accelerator: takes USB transfers from any transport and behaves as the stick does.

It computes nothing by itself and knows no instruction set: programs are taught to it (program.py), and which bytes they
want and send follows from the instructions that the host sends.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain

from subgraft.backends.edgetpu.emulator import descriptors as usb
from subgraft.backends.edgetpu.emulator import register_map
from subgraft.backends.edgetpu.emulator.chip import INTERRUPT_WORD, Chip
from subgraft.backends.edgetpu.emulator.descriptors import Mode, Speed
from subgraft.backends.edgetpu.emulator.dfu import BootRom
from subgraft.backends.edgetpu.emulator.effects import HEADER_BYTES, effect
from subgraft.backends.edgetpu.emulator.faults import Fault, FaultRules
from subgraft.backends.edgetpu.emulator.log import Log, Transfer, Violation
from subgraft.backends.edgetpu.emulator.pipes import InPipe, OutPipe
from subgraft.backends.edgetpu.emulator.program import EmulatedProgram
from subgraft.backends.edgetpu.emulator.registers import (
    THERMAL_SHUTDOWN,
    THERMAL_WARNING,
    UNWANTED_DATA,
    Registers,
)
from subgraft.backends.edgetpu.emulator.requests import answer
from subgraft.backends.edgetpu.emulator.urb import CANCELLED, IO, NO_DEVICE, NOT_FOUND, OK, STALLED, Done, Urb

HOT_C = 105.0  # what the temperature reads after a thermal fault
INTERRUPT_PACKET_BYTES = 64


class EmulatedCoral:
    """mode: "dfu" as after power-up, "app" with firmware loaded. speed: "super" (USB 3) or "high" (USB 2).

    seed: of padding, memory contents and damage. reset_values, power_reads: see Registers. reenumerate_s: how long it
    is away when it comes back as another device. check_bytes: whether received parameters are compared with those of
    the package. on_disconnect, on_connect: set by the transport; called, like every `done`, without locks held, in
    order, by the thread that caused it.
    Every method may be called from any thread.
    """

    def __init__(
        self,
        mode: Mode = "dfu",
        speed: Speed = "super",
        *,
        seed: int = 0,
        reset_values: Mapping[int, int] = register_map.HARDWARE,
        power_reads: int = 0,
        reenumerate_s: float = 0.0,
        check_bytes: bool = False,
    ) -> None:
        self.speed: Speed = speed
        self.reenumerate_s = reenumerate_s
        self.on_disconnect: Callable[[], None] = lambda: None
        self.on_connect: Callable[[], None] = lambda: None
        self.log = Log()
        self.faults = FaultRules()
        self._lock = threading.RLock()
        self._seed = seed
        self._chance = random.Random(seed)
        self._outbox: deque[Callable[[], None]] = deque()
        self._delivering = False
        self._done: dict[Urb, Done] = {}
        self._believed: dict[Urb, int] = {}  # bytes that the host believes were sent, where a fault lies about it
        self._generation = 0
        self.registers = Registers(self.log.violation, self._slept, reset_values=reset_values, power_reads=power_reads)
        self._chip = Chip(self.registers, self, self.log, seed)
        self._chip.check_bytes = check_bytes
        self.registers.working = lambda: self._chip.working
        self.connected = True
        self._boot(mode)

    # What users and tests say and ask.

    @property
    def ids(self) -> tuple[int, int]:
        """Vendor and product."""
        return usb.IDS[self.mode]

    @property
    def speed_mbps(self) -> int:
        return usb.SPEED_MBPS[self.speed]

    @property
    def device_descriptor(self) -> bytes:
        return usb.device_descriptor(self.mode, self.speed)

    @property
    def configuration_descriptor(self) -> bytes:
        return usb.configuration_descriptor(self.mode, self.speed)

    @property
    def trace(self) -> tuple[Transfer, ...]:
        """The last transfers, oldest first."""
        with self._lock:
            return tuple(self.log.trace)

    @property
    def violations(self) -> tuple[Violation, ...]:
        """What the host did that hardware would not forgive."""
        with self._lock:
            return tuple(self.log.violations)

    @property
    def notes(self) -> tuple[str, ...]:
        with self._lock:
            return tuple(self.log.notes)

    def counts(self) -> dict[str, int]:
        """Transfers by kind, inferences, violations by rule."""
        with self._lock:
            return dict(self.log.counts)

    def clear_log(self) -> None:
        with self._lock:
            self.log.clear()

    def teach(self, program: EmulatedProgram) -> None:
        """From now on its instructions are understood."""
        with self._lock:
            self._chip.teach(program)

    def forget(self) -> None:
        """Of all that it was taught nothing is left."""
        with self._lock:
            self._chip.forget()

    def check_bytes(self, on: bool) -> None:
        with self._lock:
            self._chip.check_bytes = on

    def inject(self, *faults: Fault) -> None:
        with self._lock:
            self.faults.add(*faults)

    def clear_faults(self) -> None:
        with self._lock:
            self.faults.clear()

    # What a transport does.

    def submit(self, urb: Urb, done: Done) -> None:
        """Starts a transfer. done(urb) is called once: now, later, or after cancel()."""
        with self._locked():
            if urb in self._done:
                raise ValueError("this transfer is pending already")
            self._done[urb] = done
            if not self.connected:
                self._end(urb, NO_DEVICE)
            elif urb.setup:
                self._control(urb)
            elif urb.endpoint in self._in:
                self._post(urb, self._in[urb.endpoint])
            elif urb.endpoint in self._out:
                self._post(urb, self._out[urb.endpoint])
            else:
                self._end(urb, NOT_FOUND)

    def cancel(self, urb: Urb) -> bool:
        """Takes a pending transfer back: it ends as cancelled. False: it had ended."""
        with self._locked():
            if urb not in self._done:
                return False
            moved = b""
            if urb.endpoint in self._in and not urb.setup:
                moved = self._in[urb.endpoint].withdraw(urb)[1]
            elif urb.endpoint in self._out and not urb.setup:
                self._out[urb.endpoint].withdraw(urb)
            self._end(urb, CANCELLED, moved, urb.actual or len(moved))
            return True

    def bus_reset(self) -> bool:
        """A port reset. True: it comes back as another device, see on_connect."""
        with self._locked():
            if not self.connected:
                return False
            self.log.counts["bus reset"] += 1
            mode = self._mode_after_reset()
            if mode != self.mode:
                self._reenumerate(mode, self.reenumerate_s)
                return True
            self._end_all(IO)
            self._boot(mode)
            return False

    def reset_in_place(self) -> bool:
        """A port reset by a transport whose hub reads the descriptors again by itself. True: they are others now."""
        with self._locked():
            if not self.connected:
                return False
            self.log.counts["bus reset"] += 1
            before, mode = self.mode, self._mode_after_reset()
            self._end_all(NO_DEVICE)
            self._boot(mode)
            return mode != before

    def clear_halt(self, endpoint: int) -> None:
        """As CLEAR_FEATURE(ENDPOINT_HALT)."""
        with self._locked():
            self.unhalt(endpoint)

    def unplug(self) -> None:
        with self._locked():
            self._disconnect()

    def plug(self, mode: Mode = "dfu") -> None:
        """Gives it power again."""
        with self._locked():
            if not self.connected:
                self._connect(mode)

    # What the parts of the device ask of each other.

    @property
    def output_waits(self) -> bool:
        return self._in[usb.OUTPUT_IN].has_data

    def send_output(self, data: memoryview, chunk_bytes: int) -> None:
        if usb.OUTPUT_IN in self._in:  # not so after what was sent before set off a change of mode
            self._in[usb.OUTPUT_IN].push(data, chunk_bytes)

    def send_event(self, data: bytes) -> None:
        if usb.EVENT_IN in self._in:
            self._in[usb.EVENT_IN].push(data, len(data))

    def send_interrupt(self, data: bytes) -> None:
        if usb.INTERRUPT_IN in self._in:
            self._in[usb.INTERRUPT_IN].push(data, len(data))

    def is_halted(self, endpoint: int) -> bool:
        pipe = self._in.get(endpoint) or self._out.get(endpoint)
        return bool(pipe and pipe.halted)

    def set_halt(self, endpoint: int) -> None:
        pipe = self._in.get(endpoint) or self._out.get(endpoint)
        if pipe:
            pipe.halted = True

    def unhalt(self, endpoint: int) -> None:
        pipe = self._in.get(endpoint) or self._out.get(endpoint)
        if pipe:
            pipe.halted = False
            pipe.pump()

    # Power, modes and presence.

    def _boot(self, mode: Mode) -> None:
        """As after power-up or a port reset: nothing is left of what was."""
        self._generation += 1
        self.mode: Mode = mode
        self.detached = False
        self.rom = BootRom(self.log.violation, self._seed)
        self.registers.reset()
        self._chip.reset()
        self._in: dict[int, InPipe] = {}
        self._out: dict[int, OutPipe] = {}
        if mode == "dfu":
            return
        packet = usb.BULK_PACKET_BYTES[self.speed]
        for endpoint in (usb.OUTPUT_IN, usb.EVENT_IN, usb.INTERRUPT_IN):
            size = INTERRUPT_PACKET_BYTES if endpoint == usb.INTERRUPT_IN else packet
            self._in[endpoint] = InPipe(size, self._reached_host)
        self._out[usb.BULK_OUT] = OutPipe(self._reached_device, self._chip.feed, self._sent)
        for endpoint in usb.OTHER_BULK_OUTS:
            self._out[endpoint] = OutPipe(self._reached_device, self._ignored, self._sent)

    def _mode_after_reset(self) -> Mode:
        if self.mode == "dfu":
            return "app" if self.rom.firmware is not None else "dfu"
        return "dfu" if self.detached else "app"

    def _slept(self) -> None:
        self._chip.power_off()

    def _disconnect(self) -> None:
        if not self.connected:
            return
        self.connected = False
        self._generation += 1
        self._chip.reset()
        self._end_all(NO_DEVICE)
        self._outbox.append(self.on_disconnect)

    def _connect(self, mode: Mode) -> None:
        self._boot(mode)
        self.connected = True
        self._outbox.append(self.on_connect)

    def _reenumerate(self, mode: Mode, after_s: float) -> None:
        self._disconnect()
        if after_s <= 0:
            self._connect(mode)
            return
        self._later(after_s, partial(self._connect, mode))

    def _end_all(self, status: str) -> None:
        for urb in list(chain.from_iterable(pipe.drain() for pipe in self._pipes())):
            self._end(urb, status)
        for urb in list(self._done):  # control transfers that are held
            self._end(urb, status)

    def _pipes(self) -> Iterator[InPipe | OutPipe]:
        return chain(self._in.values(), self._out.values())

    # Transfers.

    def _post(self, urb: Urb, pipe: InPipe | OutPipe) -> None:
        if pipe.halted:
            self._end(urb, STALLED)
        else:
            pipe.post(urb)

    def _end(self, urb: Urb, status: str, reply: bytes = b"", actual: int | None = None) -> None:
        done = self._done.pop(urb, None)
        if done is None:
            return
        urb.status, urb.reply = status, reply
        urb.actual = len(reply) if actual is None else actual
        self._believed.pop(urb, None)
        self.log.ended(urb)
        self._outbox.append(partial(done, urb))

    def _control(self, urb: Urb) -> None:
        fault = self.faults.strike(urb)
        if not fault:
            self._answer(urb, None)
            return
        hit = effect(fault, b"" if urb.is_in else bytes(urb.data), self._chance)
        if hit.status:
            self._end(urb, hit.status)
        self._befall(fault, urb)
        if urb in self._done and hit.hold_s:
            self._later(hit.hold_s, partial(self._answer, urb, None))
        elif urb in self._done:
            self._answer(urb, fault)

    def _answer(self, urb: Urb, fault: Fault | None) -> None:
        if urb not in self._done:
            return
        data = b"" if urb.is_in else bytes(urb.data)
        if fault and not urb.is_in:
            data = bytes(effect(fault, data, self._chance).data)
            data = data + bytes(len(urb.data) - len(data))  # the length is the setup's, whatever arrived
        reply = answer(self, urb.setup, data)
        if reply is None:
            self._end(urb, STALLED)
        elif urb.is_in:
            self._end(urb, OK, bytes(effect(fault, reply, self._chance).data) if fault else reply)
        else:
            self._end(urb, OK, actual=urb.length)
            for pipe in self._out.values():  # a register may have made it ready
                pipe.pump()

    def _reached_host(self, urb: Urb, status: str, data: bytes) -> bool:
        """What an IN pipe does with a transfer that is full. False: it stays pending."""
        fault = self.faults.strike(urb)
        if not fault:
            self._end(urb, status, data)
            return True
        hit, pipe = effect(fault, data, self._chance), self._in[urb.endpoint]
        if hit.keeps:
            pipe.push_back(data)
        if hit.hold_s:
            self._later(hit.hold_s, partial(self._reach_host_late, urb, pipe, status, data))
            return False
        self._end(urb, hit.status or status, bytes(hit.data))
        self._befall(fault, urb)
        return True

    def _reach_host_late(self, urb: Urb, pipe: InPipe, status: str, data: bytes) -> None:
        if urb in self._done:
            self._end(urb, status, data)
            pipe.release()

    def _reached_device(self, urb: Urb, data: memoryview) -> memoryview | None:
        """What an OUT pipe does with a transfer whose turn it is: the bytes that arrive, or None."""
        fault = self.faults.strike(urb)
        if not fault:
            return data
        header_bytes = HEADER_BYTES if self._chip.between_payloads else 0
        hit, pipe = effect(fault, data, self._chance, header_bytes), self._out[urb.endpoint]
        if hit.hold_s:
            pipe.hold(urb)
            self._later(hit.hold_s, partial(self._reach_device_late, urb, pipe, data))
            return None
        if hit.status:
            self._end(urb, hit.status)
        else:
            self._believed[urb] = hit.actual
        self._befall(fault, urb)
        return memoryview(hit.data) if urb in self._done else None

    def _reach_device_late(self, urb: Urb, pipe: OutPipe, data: memoryview) -> None:
        if urb in self._done:
            pipe.release(data)

    def _sent(self, urb: Urb) -> None:
        self._end(urb, OK, actual=self._believed.get(urb, urb.length))

    def _ignored(self, data: memoryview) -> int:
        self.log.violation("endpoint", f"{len(data)} bytes came to an endpoint that this firmware does not use")
        return 0

    def _befall(self, fault: Fault, urb: Urb) -> None:
        """What a fault does to the device as a whole."""
        action = fault.action
        self.log.counts[f"fault {action}"] += 1
        if action == "halt" and not urb.setup:
            self.set_halt(urb.endpoint)
        elif action == "unplug":
            self._disconnect()
            if fault.arg:
                self._later(fault.number(0), partial(self._connect, "dfu"))
        elif action == "dfu":
            self._reenumerate("dfu", self.reenumerate_s)
        elif action == "dfu_error":
            self.rom.fail()
        elif action == "reset_register":
            if fault.arg:
                self.registers.reset_one(int(fault.arg, 16))
            else:
                self.registers.reset()
        elif action == "fatal":
            self._chip.die(UNWANTED_DATA, "a fault was asked for")
        elif action in ("thermal_warning", "thermal_shutdown"):
            self._overheat(THERMAL_WARNING if action == "thermal_warning" else THERMAL_SHUTDOWN)

    def _overheat(self, number: int) -> None:
        self.registers.temperature_c = HOT_C
        word = self.registers.overheat(number)
        if word:
            self.send_interrupt(INTERRUPT_WORD.pack(word))
        if number == THERMAL_SHUTDOWN:
            self._disconnect()

    # Locks and time.

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Holds the lock; then tells others what ended meanwhile."""
        with self._lock:
            yield
        self._deliver()

    def _deliver(self) -> None:
        """One thread at a time, so that everybody hears of things in order; `done` may submit again."""
        while True:
            with self._lock:
                if self._delivering or not self._outbox:
                    return
                self._delivering = True
            try:
                while self._outbox:
                    self._outbox.popleft()()
            finally:
                self._delivering = False

    def _later(self, after_s: float, action: Callable[[], None]) -> None:
        """Unless the device is reset or unplugged before."""
        if after_s == float("inf"):
            return
        generation = self._generation

        def act() -> None:
            with self._locked():
                if self._generation == generation:
                    action()

        timer = threading.Timer(after_s, act)
        timer.daemon = True
        timer.start()
