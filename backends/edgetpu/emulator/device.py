"""The emulated Coral USB Accelerator: takes USB transfers from any transport and behaves as the stick does.

It computes nothing by itself and knows no instruction set: programs are taught to it (program.py), and which bytes they
want and send follows from the instructions that the host sends.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial

from subgraft.backends.edgetpu.emulator import descriptors as usb
from subgraft.backends.edgetpu.emulator import register_map
from subgraft.backends.edgetpu.emulator.chip import INTERRUPT_WORD, Chip
from subgraft.backends.edgetpu.emulator.delivery import Delivery
from subgraft.backends.edgetpu.emulator.descriptors import Mode, Speed
from subgraft.backends.edgetpu.emulator.dfu import BootRom
from subgraft.backends.edgetpu.emulator.effects import effect
from subgraft.backends.edgetpu.emulator.endpoints import Endpoints
from subgraft.backends.edgetpu.emulator.faults import Fault, FaultRules
from subgraft.backends.edgetpu.emulator.log import Log, Transfer, Violation
from subgraft.backends.edgetpu.emulator.program import EmulatedProgram
from subgraft.backends.edgetpu.emulator.registers import (
    THERMAL_SHUTDOWN,
    THERMAL_WARNING,
    UNWANTED_DATA,
    Registers,
)
from subgraft.backends.edgetpu.emulator.requests import answer
from subgraft.backends.edgetpu.emulator.urb import CANCELLED, IO, NO_DEVICE, OK, STALLED, Done, Urb

HOT_C = 105.0  # what the temperature reads after a thermal fault


class EmulatedCoral:
    """mode: "dfu" as after power-up, "app" with firmware loaded. speed: "super" (USB 3) or "high" (USB 2).

    seed: of padding, memory contents and damage. reset_values, power_reads: see Registers. reenumerate_s: how long it
    is away when it comes back as another device. check_bytes: whether received parameters are compared with those of
    the package. starts_firmware: False for a stick that stays in its boot ROM whatever it is sent.
    on_disconnect, on_connect: set by the transport; called, like every `done`, without locks held and in order.
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
        starts_firmware: bool = True,
    ) -> None:
        self.speed: Speed = speed
        self.reenumerate_s = reenumerate_s
        self.starts_firmware = starts_firmware
        self.on_disconnect: Callable[[], None] = lambda: None
        self.on_connect: Callable[[], None] = lambda: None
        self.log = Log()
        self.faults = FaultRules()
        self.firmware: bytes | None = None  # the last image that it started
        self._seed = seed
        self._chance = random.Random(seed)
        self._delivery = Delivery(self.log)
        self._endpoints = Endpoints(self._delivery, self.faults, self._chance, self.log, self._befall)
        self.registers = Registers(self.log.violation, self._slept, reset_values=reset_values, power_reads=power_reads)
        self._chip = Chip(self.registers, self, self.log, seed)
        self._chip.check_bytes = check_bytes
        self._endpoints.feed = self._chip.feed
        self._endpoints.between_payloads = lambda: self._chip.between_payloads
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
        with self._delivery.locked():
            return tuple(self.log.trace)

    @property
    def violations(self) -> tuple[Violation, ...]:
        """What the host did that hardware would not forgive."""
        with self._delivery.locked():
            return tuple(self.log.violations)

    @property
    def notes(self) -> tuple[str, ...]:
        with self._delivery.locked():
            return tuple(self.log.notes)

    def counts(self) -> dict[str, int]:
        """Transfers by kind, inferences, violations by rule."""
        with self._delivery.locked():
            return dict(self.log.counts)

    def clear_log(self) -> None:
        with self._delivery.locked():
            self.log.clear()

    def teach(self, program: EmulatedProgram) -> None:
        """From now on its instructions are understood."""
        with self._delivery.locked():
            self._chip.teach(program)

    def forget(self) -> None:
        """Of all that it was taught nothing is left."""
        with self._delivery.locked():
            self._chip.forget()

    def check_bytes(self, on: bool) -> None:
        with self._delivery.locked():
            self._chip.check_bytes = on

    def inject(self, *faults: Fault) -> None:
        with self._delivery.locked():
            self.faults.add(*faults)

    def clear_faults(self) -> None:
        with self._delivery.locked():
            self.faults.clear()

    # What a transport does.

    def submit(self, urb: Urb, done: Done) -> None:
        """Starts a transfer. done(urb) is called once: now, later, or after cancel()."""
        with self._delivery.locked():
            self._delivery.begin(urb, done)
            if not self.connected:
                self._delivery.end(urb, NO_DEVICE)
            elif urb.setup:
                self._control(urb)
            else:
                self._endpoints.post(urb)

    def cancel(self, urb: Urb) -> bool:
        """Takes a pending transfer back: it ends as cancelled. False: it had ended."""
        with self._delivery.locked():
            if not self._delivery.is_pending(urb):
                return False
            if urb.setup:
                self._delivery.end(urb, CANCELLED)
            else:
                self._endpoints.cancel(urb)
            return True

    def bus_reset(self) -> bool:
        """A port reset. True: it comes back as another device, see on_connect."""
        with self._delivery.locked():
            if not self.connected:
                return False
            self.log.counts["bus reset"] += 1
            mode = self._mode_after_reset()
            if mode != self.mode:
                self._reenumerate(mode)
                return True
            self._end_all(IO)
            self._boot(mode)
            return False

    def reset_in_place(self) -> bool:
        """A port reset by a transport whose hub reads the descriptors again by itself. True: they are others now."""
        with self._delivery.locked():
            if not self.connected:
                return False
            self.log.counts["bus reset"] += 1
            before, mode = self.mode, self._mode_after_reset()
            self._end_all(NO_DEVICE)
            self._boot(mode)
            return mode != before

    def clear_halt(self, endpoint: int) -> None:
        """As CLEAR_FEATURE(ENDPOINT_HALT)."""
        with self._delivery.locked():
            self._endpoints.unhalt(endpoint)

    def unplug(self) -> None:
        with self._delivery.locked():
            self._disconnect()

    def plug(self, mode: Mode = "dfu") -> None:
        """Gives it power again."""
        with self._delivery.locked():
            if not self.connected:
                self._connect(mode)

    # What the parts of the device ask of each other.

    @property
    def output_waits(self) -> bool:
        return self._endpoints.has_data(usb.OUTPUT_IN)

    def send_output(self, data: memoryview, chunk_bytes: int) -> None:
        self._endpoints.push(usb.OUTPUT_IN, data, chunk_bytes)

    def send_event(self, data: bytes) -> None:
        self._endpoints.push(usb.EVENT_IN, data, len(data))

    def send_interrupt(self, data: bytes) -> None:
        self._endpoints.push(usb.INTERRUPT_IN, data, len(data))

    def is_halted(self, endpoint: int) -> bool:
        return self._endpoints.is_halted(endpoint)

    def set_halt(self, endpoint: int) -> None:
        self._endpoints.halt(endpoint)

    def unhalt(self, endpoint: int) -> None:
        self._endpoints.unhalt(endpoint)

    def _slept(self) -> None:
        self._chip.power_off()

    # Modes and presence.

    def _boot(self, mode: Mode) -> None:
        """As after power-up or a port reset: nothing is left of what was."""
        self._delivery.forget_later()
        self.mode: Mode = mode
        self.detached = False
        self.rom = BootRom(self.log.violation, self._seed)
        self.registers.reset()
        self._chip.reset()
        self._endpoints.boot(mode, self.speed)

    def _mode_after_reset(self) -> Mode:
        if self.mode == "app":
            return "dfu" if self.detached else "app"
        if self.rom.firmware is None or not self.starts_firmware:
            return "dfu"
        self.firmware = self.rom.firmware
        return "app"

    def _disconnect(self) -> None:
        if self.connected:
            self.connected = False
            self._delivery.forget_later()
            self._chip.reset()
            self._end_all(NO_DEVICE)
            self._delivery.tell(self.on_disconnect)

    def _connect(self, mode: Mode) -> None:
        self._boot(mode)
        self.connected = True
        self._delivery.tell(self.on_connect)

    def _reenumerate(self, mode: Mode) -> None:
        self._disconnect()
        if self.reenumerate_s > 0:
            self._delivery.later(self.reenumerate_s, partial(self._connect, mode))
        else:
            self._connect(mode)

    def _end_all(self, status: str) -> None:
        self._endpoints.end_all(status)
        for urb in self._delivery.pending():  # control transfers that are held
            self._delivery.end(urb, status)

    # Control transfers and faults.

    def _control(self, urb: Urb) -> None:
        fault = self.faults.strike(urb)
        if not fault:
            self._answer(urb, None)
            return
        hit = effect(fault, b"" if urb.is_in else bytes(urb.data), self._chance)
        if hit.status:
            self._delivery.end(urb, hit.status)
        self._befall(fault, urb)
        if hit.hold_s:
            self._delivery.later(hit.hold_s, partial(self._answer, urb, None))
        else:
            self._answer(urb, fault)

    def _answer(self, urb: Urb, fault: Fault | None) -> None:
        if not self._delivery.is_pending(urb):
            return
        data = b"" if urb.is_in else bytes(urb.data)
        if fault and not urb.is_in:
            data = bytes(effect(fault, data, self._chance).data)
            data += bytes(len(urb.data) - len(data))  # the length is the setup's, whatever arrived
        reply = answer(self, urb.setup, data)
        if reply is None:
            self._delivery.end(urb, STALLED)
        elif urb.is_in:
            self._delivery.end(urb, OK, bytes(effect(fault, reply, self._chance).data) if fault else reply)
        else:
            self._delivery.end(urb, OK, actual=urb.length)
            self._endpoints.pump()  # a register may have made it ready

    def _befall(self, fault: Fault, urb: Urb) -> None:
        """What a fault does to the device as a whole."""
        action = fault.action
        self.log.counts[f"fault {action}"] += 1
        if action == "halt":
            self._endpoints.halt(urb.endpoint)
        elif action == "unplug":
            self._disconnect()
            if fault.arg:
                self._delivery.later(fault.number(0), partial(self._connect, "dfu"))
        elif action == "dfu":
            self._reenumerate("dfu")
        elif action == "dfu_error":
            self.rom.fail()
        elif action == "reset_register" and fault.arg:
            self.registers.reset_one(int(fault.arg, 16))
        elif action == "reset_register":
            self.registers.reset()
        elif action == "fatal":
            self._chip.die(UNWANTED_DATA, "a fault was asked for")
        elif action == "thermal_warning":
            self._overheat(THERMAL_WARNING)
        elif action == "thermal_shutdown":
            self._overheat(THERMAL_SHUTDOWN)
            self._disconnect()

    def _overheat(self, interrupt: int) -> None:
        self.registers.temperature_c = HOT_C
        word = self.registers.overheat(interrupt)
        if word:
            self.send_interrupt(INTERRUPT_WORD.pack(word))
