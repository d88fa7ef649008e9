"""The endpoints in application mode: their queues, and the faults that strike what passes through them."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from subgraft.backends.edgetpu.emulator import descriptors as usb
from subgraft.backends.edgetpu.emulator.delivery import Delivery
from subgraft.backends.edgetpu.emulator.descriptors import Mode, Speed
from subgraft.backends.edgetpu.emulator.effects import HEADER_BYTES, effect
from subgraft.backends.edgetpu.emulator.faults import Fault, FaultRules
from subgraft.backends.edgetpu.emulator.log import Log
from subgraft.backends.edgetpu.emulator.pipes import InPipe, OutPipe
from subgraft.backends.edgetpu.emulator.urb import CANCELLED, NOT_FOUND, OK, STALLED, Urb

INTERRUPT_PACKET_BYTES = 64


class Endpoints:
    """befall: told of a fault that strikes a transfer, for what it does to the whole device."""

    def __init__(
        self,
        delivery: Delivery,
        faults: FaultRules,
        chance: random.Random,
        log: Log,
        befall: Callable[[Fault, Urb], None],
    ) -> None:
        self.feed: Callable[[memoryview], int] = lambda data: 0  # takes bulk-out bytes, as many as it can
        self.between_payloads: Callable[[], bool] = lambda: True
        self._delivery = delivery
        self._faults = faults
        self._chance = chance
        self._log = log
        self._befall = befall
        self._in: dict[int, InPipe] = {}
        self._out: dict[int, OutPipe] = {}
        self._believed: dict[Urb, int] = {}  # bytes that the host believes were sent, where a fault lies about it
        self._ignoring: set[int] = set()

    def boot(self, mode: Mode, speed: Speed) -> None:
        """Empty queues, nothing halted. In the boot ROM there is endpoint 0 only."""
        self._in, self._out = {}, {}
        self._believed.clear()
        self._ignoring.clear()
        if mode == "dfu":
            return
        packet = usb.BULK_PACKET_BYTES[speed]
        for endpoint in (usb.OUTPUT_IN, usb.EVENT_IN, usb.INTERRUPT_IN):
            size = INTERRUPT_PACKET_BYTES if endpoint == usb.INTERRUPT_IN else packet
            self._in[endpoint] = InPipe(size, self._reached_host)
        self._out[usb.BULK_OUT] = OutPipe(self._reached_device, lambda data: self.feed(data), self._sent)
        for endpoint in usb.OTHER_BULK_OUTS:
            self._out[endpoint] = OutPipe(self._reached_device, partial(self._ignore, endpoint), self._sent)

    def post(self, urb: Urb) -> None:
        pipe = self._in.get(urb.endpoint) or self._out.get(urb.endpoint)
        if pipe is None:
            self._delivery.end(urb, NOT_FOUND)
        elif pipe.halted:
            self._delivery.end(urb, STALLED)
        else:
            pipe.post(urb)

    def cancel(self, urb: Urb) -> None:
        moved = b""
        if urb.endpoint in self._in:
            moved = self._in[urb.endpoint].withdraw(urb)
        elif urb.endpoint in self._out:
            self._out[urb.endpoint].withdraw(urb)
        self._delivery.end(urb, CANCELLED, moved, urb.actual or len(moved))

    def end_all(self, status: str) -> None:
        pipes: list[InPipe | OutPipe] = [*self._in.values(), *self._out.values()]
        for pipe in pipes:
            for urb in pipe.drain():
                self._delivery.end(urb, status)

    def pump(self) -> None:
        """The device may take now what it did not before."""
        for pipe in self._out.values():
            pipe.pump()

    def has_data(self, endpoint: int) -> bool:
        """Whether the host has not taken all yet."""
        return endpoint in self._in and self._in[endpoint].has_data

    def push(self, endpoint: int, data: bytes | memoryview, chunk_bytes: int) -> None:
        if endpoint in self._in:  # not so after what was sent before set off a change of mode
            self._in[endpoint].push(data, chunk_bytes)

    def is_halted(self, endpoint: int) -> bool:
        pipe = self._in.get(endpoint) or self._out.get(endpoint)
        return bool(pipe and pipe.halted)

    def halt(self, endpoint: int) -> None:
        pipe = self._in.get(endpoint) or self._out.get(endpoint)
        if pipe:
            pipe.halted = True

    def unhalt(self, endpoint: int) -> None:
        pipe = self._in.get(endpoint) or self._out.get(endpoint)
        if pipe:
            pipe.halted = False
            pipe.pump()

    def _reached_host(self, urb: Urb, status: str, data: bytes) -> bool:
        """What an IN pipe does with a transfer that is over. False: it stays pending."""
        fault = self._faults.strike(urb)
        if not fault:
            self._delivery.end(urb, status, data)
            return True
        hit, pipe = effect(fault, data, self._chance), self._in[urb.endpoint]
        if hit.hold_s:
            self._delivery.later(hit.hold_s, partial(self._reach_host_late, urb, pipe, status, data))
            return False
        if hit.keeps:
            pipe.push_back(data)
        self._delivery.end(urb, hit.status or status, bytes(hit.data))
        self._befall(fault, urb)
        return True

    def _reach_host_late(self, urb: Urb, pipe: InPipe, status: str, data: bytes) -> None:
        if self._delivery.is_pending(urb):
            self._delivery.end(urb, status, data)
            pipe.release()

    def _reached_device(self, urb: Urb, data: memoryview) -> memoryview | None:
        """What an OUT pipe does with a transfer whose turn it is: the bytes that arrive, or None."""
        fault = self._faults.strike(urb)
        if not fault:
            return data
        header_bytes = HEADER_BYTES if self.between_payloads() else 0
        hit, pipe = effect(fault, data, self._chance, header_bytes), self._out[urb.endpoint]
        if hit.hold_s:
            pipe.hold(urb)
            self._delivery.later(hit.hold_s, partial(self._reach_device_late, urb, pipe, data))
            return None
        if hit.status:
            self._delivery.end(urb, hit.status)
        else:
            self._believed[urb] = hit.actual
        self._befall(fault, urb)
        return memoryview(hit.data) if self._delivery.is_pending(urb) else None

    def _reach_device_late(self, urb: Urb, pipe: OutPipe, data: memoryview) -> None:
        if self._delivery.is_pending(urb):
            pipe.release(data)

    def _sent(self, urb: Urb) -> None:
        self._delivery.end(urb, OK, actual=self._believed.pop(urb, urb.length))

    def _ignore(self, endpoint: int, data: memoryview) -> int:
        if endpoint not in self._ignoring:
            self._ignoring.add(endpoint)
            self._log.violation("endpoint", f"{len(data)} bytes came to endpoint {endpoint}, which has no use here")
        return 0
