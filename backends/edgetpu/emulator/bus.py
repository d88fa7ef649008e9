"""A USB bus inside this process on which emulated Corals are plugged in."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

from subgraft import _native
from subgraft.backends.edgetpu.buses import Found
from subgraft.backends.edgetpu.emulator.device import EmulatedCoral
from subgraft.backends.edgetpu.emulator.urb import OK, Urb

BUS_NUMBER = 0  # no machine has a bus with this number
TAKE_TIMEOUT_S = 10.0  # how long the serving thread waits at once; it is woken when the device is closed
CLOSING_S = 0.05  # a claim waits so long for an owner who may just have closed the device
COMPLETED = "COMPLETED"


class EmulatedBus:
    """The first device sits in port 0-1, the second in 0-2. One thread serves each device that is open."""

    name = "emulated"

    def __init__(self, corals: Sequence[EmulatedCoral]) -> None:
        self._lock = threading.Lock()
        self._enumerations = 0
        paths = (f"{BUS_NUMBER}-{number}" for number in range(1, len(corals) + 1))
        self._ports = {path: _Port(path, coral) for path, coral in zip(paths, corals, strict=True)}
        for port in self._ports.values():
            port.coral.on_disconnect = partial(self._gone, port)
            port.coral.on_connect = partial(self._enumerate, port)
            self._enumerate(port)

    def list(self) -> Sequence[Found]:
        with self._lock:
            return [port.found for port in self._ports.values() if port.found]

    def open(self, found: Found) -> _native.UsbDevice:
        """Raises _native.UsbError: NO_DEVICE when what was found is gone."""
        port = self._ports.get(found.path)
        with self._lock:
            if port is None or port.found != found:
                raise _no_device(found.path)
            player = _Player(port)
            port.players.add(player)
        player.start()
        return player.loopback

    def _enumerate(self, port: _Port) -> None:
        vendor, product = port.coral.ids
        with self._lock:
            self._enumerations += 1
            port.found = Found(
                port.path, BUS_NUMBER, self._enumerations, vendor, product, port.coral.speed_mbps, emulated=True
            )

    def _gone(self, port: _Port) -> None:
        with self._lock:
            port.found = None
            players = list(port.players)
            port.players.clear()
            port.claims.clear()
        for player in players:
            player.unplug()


class _Port:
    def __init__(self, path: str, coral: EmulatedCoral) -> None:
        self.path = path
        self.coral = coral
        self.found: Found | None = None  # while a device is there
        self.players: set[_Player] = set()
        self.claims: dict[int, _Player] = {}  # by interface
        self.claiming = threading.Lock()


class _Player:
    """Hands what one user of the device asks for to the device, and its answers back."""

    def __init__(self, port: _Port) -> None:
        self.loopback = _native.Loopback(port.coral.speed_mbps)
        self._port = port
        self._pending: dict[int, Urb] = {}
        self._resetting: int | None = None
        self._thread = threading.Thread(target=self._serve, name="subgraft-emulated-coral", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def unplug(self) -> None:
        if self._resetting is not None:
            self.loopback.complete(self._resetting, "NOT_FOUND")
        self.loopback.unplug()

    def _serve(self) -> None:
        try:
            while True:
                request = self.loopback.take(TAKE_TIMEOUT_S)
                if request is None:
                    continue
                if request.kind == "close":
                    break
                self._answer(request)
        finally:
            self._leave()

    def _leave(self) -> None:
        """What this user left pending and claimed is free; nobody waits for a thread that died."""
        self.loopback.unplug()
        for urb in list(self._pending.values()):
            self._port.coral.cancel(urb)
        with self._port.claiming:
            for interface in [i for i, player in self._port.claims.items() if player is self]:
                del self._port.claims[interface]
        self._port.players.discard(self)

    def _answer(self, request: _native.Urb) -> None:
        if request.kind in ("control", "bulk", "interrupt"):
            self._submit(request)
        elif request.kind == "cancel":
            urb = self._pending.get(request.id)
            if urb is None or not self._port.coral.cancel(urb):
                self.loopback.complete(request.id, "CANCELLED")
        elif request.kind == "reset":
            self._reset(request.id)
        elif request.kind == "clear_halt":
            self._port.coral.clear_halt(request.endpoint)
            self.loopback.complete(request.id, COMPLETED)
        else:
            self.loopback.complete(request.id, self._claim(request))

    def _submit(self, request: _native.Urb) -> None:
        endpoint = 0 if request.kind == "control" else request.endpoint
        urb = Urb(endpoint, request.length, request.data, request.setup)
        self._pending[request.id] = urb
        self._port.coral.submit(urb, partial(self._done, request.id))

    def _done(self, number: int, urb: Urb) -> None:
        self._pending.pop(number, None)
        status = COMPLETED if urb.status == OK else urb.status
        if urb.is_in:
            self.loopback.complete(number, status, urb.reply)
        else:
            self.loopback.complete(number, status, actual=urb.actual)

    def _reset(self, number: int) -> None:
        self._resetting = number
        moved = self._port.coral.bus_reset()
        self._resetting = None
        self.loopback.complete(number, "NOT_FOUND" if moved else COMPLETED)

    def _claim(self, request: _native.Urb) -> str:
        """A claim is one user's alone, as in the kernel."""
        claims = self._port.claims
        owner = claims.get(request.interface)
        if request.kind == "claim" and owner and owner is not self:
            owner.join(CLOSING_S)
        with self._port.claiming:
            owner = claims.get(request.interface)
            if owner not in (None, self):
                return "BUSY"
            if request.kind == "claim":
                claims[request.interface] = self
            elif claims.pop(request.interface, None) is None:
                return "NOT_FOUND"
            return COMPLETED


def _no_device(path: str) -> _native.UsbError:
    error = _native.UsbError(f"the emulated device {path} is not plugged in any more")
    error.code = "NO_DEVICE"
    return error
