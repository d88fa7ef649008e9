"""USB through pyusb, for systems where its libraries are all there is: a thread for each endpoint moves the bytes."""

from __future__ import annotations

import atexit
import errno
import importlib
import queue
import threading
import time
import weakref
from array import array
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from subgraft import _native
from subgraft.backends.edgetpu.buses import Found, is_emulated, path_of
from subgraft.backends.edgetpu.errors import NoUsbLibrary

SLICE_MS = 100  # of a transfer that may last: so late at most a cancel is noticed
IDLE_S = 60.0  # between two looks
FAREWELL_S = 2.0  # what closing waits for the threads
INTERFACE = 0  # pyusb wants to know; its libraries do not
BACKENDS = ("libusb1", "libusb0", "openusb")
SPEEDS_MBPS: Mapping[int, int] = {2: 12, 3: 480, 4: 5000, 5: 10000, 6: 20000}  # libusb.h, enum libusb_speed
BULK_PACKET_BYTES: Mapping[int, int] = {12: 64, 480: 512}  # USB 2.0, 5.8.3; else USB 3.2, 8.12.1.2:
SUPERSPEED_PACKET_BYTES = 1024

CODES: Mapping[int, str] = {
    errno.ETIMEDOUT: "TIMEOUT",
    errno.EPIPE: "STALLED",
    errno.ENODEV: "NO_DEVICE",
    errno.EBUSY: "BUSY",
    errno.EACCES: "ACCESS",
    errno.EPERM: "ACCESS",
    errno.EOVERFLOW: "OVERFLOW",
    errno.EIO: "IO",
    errno.ENOENT: "NOT_FOUND",
    errno.ENOMEM: "NO_MEM",
    errno.ENOSYS: "NOT_SUPPORTED",
    errno.EINVAL: "INVALID",
}


class PyusbBus:
    """Raises NoUsbLibrary without pyusb, or when pyusb finds none of the libraries that it needs."""

    name = "pyusb"

    def __init__(self) -> None:
        try:
            self._usb_error: type[OSError] = importlib.import_module("usb.core").USBError
        except ImportError as error:
            raise NoUsbLibrary("pyusb is not installed (pip install pyusb)") from error
        self._backend()

    def list(self) -> Sequence[Found]:
        backend = self._backend()
        return _listed(backend)

    def open(self, found: Found) -> _native.UsbDevice:
        backend = self._backend()
        try:
            handle = _open(backend, found.path)
        except self._usb_error as error:
            raise _error(code_of(error), f"opening USB device {found.path}: {error}") from error
        if handle is None:
            raise _error("NO_DEVICE", f"opening USB device {found.path}: nothing is plugged in there")
        return _Player(backend, handle, found.speed_mbps, self._usb_error).loopback

    def _backend(self) -> Any:
        for name in BACKENDS:
            backend = importlib.import_module(f"usb.backend.{name}").get_backend()
            if backend is not None:
                # A context of its own every time: within one, libusb sees no plugging where no udevd runs.
                return type(backend)(backend.lib) if name == "libusb1" else backend
        reason = f"pyusb finds none of its libraries ({', '.join(BACKENDS)})"
        raise NoUsbLibrary(reason) from ImportError(reason)


def _devices(backend: Any) -> list[tuple[Found, Any]]:
    """Without root hubs, which have no port."""
    all_of_them = ((backend.get_device_descriptor(device), device) for device in backend.enumerate_devices())
    return [(_found(descriptor), device) for descriptor, device in all_of_them if descriptor.port_numbers]


def _listed(backend: Any) -> list[Found]:
    """In a function of its own, because libusb wants its devices let go of before the context."""
    return [found for found, _ in _devices(backend)]


def _open(backend: Any, path: str) -> Any:
    """The handle; None when nothing is plugged in there."""
    for found, device in _devices(backend):
        if found.path == path:
            return backend.open_device(device)
    return None


def code_of(error: OSError) -> str:
    """What pyusb's errors mean, in the words of _native.UsbError."""
    return CODES.get(error.errno or 0, "IO")


def _found(descriptor: Any) -> Found:
    return Found(
        path=path_of(descriptor.bus, descriptor.port_numbers),
        bus=descriptor.bus,
        address=descriptor.address,
        vendor=descriptor.idVendor,
        product=descriptor.idProduct,
        speed_mbps=SPEEDS_MBPS.get(descriptor.speed, 0),
        emulated=is_emulated(),
    )


def _error(code: str, message: str) -> _native.UsbError:
    error = _native.UsbError(message)
    error.code = code
    return error


_opened: weakref.WeakSet[_native.Loopback] = weakref.WeakSet()


def _close_at_exit(loopback: _native.Loopback) -> None:
    """Before pyusb, which was here first, tears libusb down with our threads inside."""
    if not _opened:
        atexit.unregister(_close_opened)
        atexit.register(_close_opened)
    _opened.add(loopback)


def _close_opened() -> None:
    for loopback in list(_opened):
        loopback.close()


class _Player:
    """Plays a Loopback with an opened device. Ends with the Loopback's close() or when the device is gone."""

    def __init__(self, backend: Any, handle: Any, speed_mbps: int, usb_error: type[OSError]) -> None:
        self.loopback = _native.Loopback(speed_mbps, farewell_s=FAREWELL_S)
        self._backend, self._handle, self._usb_error = backend, handle, usb_error
        self._packet_bytes = BULK_PACKET_BYTES.get(speed_mbps, SUPERSPEED_PACKET_BYTES)
        self._queues: dict[int, queue.SimpleQueue[_native.Urb | None]] = {}
        self._claimed: set[int] = set()
        self._users = 0
        self._users_lock = threading.Lock()
        _close_at_exit(self.loopback)
        self._start("pyusb", self._distribute)

    def _start(self, name: str, serve: Callable[[], None]) -> None:
        with self._users_lock:
            self._users += 1
        threading.Thread(target=self._use, args=(serve,), name=name, daemon=True).start()

    def _use(self, serve: Callable[[], None]) -> None:
        """The last thread out closes the device: no other may be inside a transfer then.

        A thread that ends by an error leaves transfers that nobody moves: the device is as good as gone.
        """
        is_over = False
        try:
            serve()
            is_over = True
        finally:
            if not is_over:
                self.loopback.unplug()
            with self._users_lock:
                self._users -= 1
                is_last = self._users == 0
            if is_last:
                self._close()

    def _close(self) -> None:
        for interface in self._claimed:
            with suppress(self._usb_error):  # the device may be gone
                self._backend.release_interface(self._handle, interface)
        self._backend.close_device(self._handle)
        self.loopback.farewell()

    def _distribute(self) -> None:
        try:
            while (urb := self.loopback.take(IDLE_S)) is None or urb.kind != "close":
                if urb is None or urb.kind == "cancel":  # is_wanted() tells the endpoint's thread
                    continue
                endpoint = urb.endpoint if urb.kind in ("bulk", "interrupt") else 0
                if endpoint not in self._queues:
                    self._queues[endpoint] = queue.SimpleQueue()
                    self._start(f"pyusb endpoint {endpoint:#04x}", partial(self._move_all, self._queues[endpoint]))
                self._queues[endpoint].put(urb)
        finally:
            for waiting in self._queues.values():
                waiting.put(None)

    def _move_all(self, waiting: queue.SimpleQueue[_native.Urb | None]) -> None:
        while (urb := waiting.get()) is not None:
            if not self.loopback.is_wanted(urb.id):
                self.loopback.complete(urb.id, "CANCELLED")
                continue
            try:
                self._move(urb)
            except self._usb_error as error:
                self.loopback.complete(urb.id, code_of(error))

    def _move(self, urb: _native.Urb) -> None:
        if urb.kind == "control":
            self._control(urb)
        elif urb.kind not in ("bulk", "interrupt"):
            self._command(urb)
            self.loopback.complete(urb.id, "COMPLETED")
        elif urb.endpoint & 0x80:
            self._read(urb)
        else:
            self._write(urb)

    def _command(self, urb: _native.Urb) -> None:
        match urb.kind:
            case "claim":
                self._backend.claim_interface(self._handle, urb.interface)
                self._claimed.add(urb.interface)
            case "release":
                self._backend.release_interface(self._handle, urb.interface)
                self._claimed.discard(urb.interface)
            case "clear_halt":
                self._backend.clear_halt(self._handle, urb.endpoint)
            case "reset":
                self._backend.reset_device(self._handle)

    def _control(self, urb: _native.Urb) -> None:
        request_type, request = urb.setup[0], urb.setup[1]
        value, index = (int.from_bytes(urb.setup[at : at + 2], "little") for at in (2, 4))
        data = array("B", bytes(urb.length) if request_type & 0x80 else urb.data.tobytes())
        count = self._backend.ctrl_transfer(self._handle, request_type, request, value, index, data, urb.timeout_ms)
        if request_type & 0x80:
            self.loopback.complete(urb.id, "COMPLETED", data[:count].tobytes())
        else:
            self.loopback.complete(urb.id, "COMPLETED", actual=count)

    def _read(self, urb: _native.Urb) -> None:
        move = self._backend.intr_read if urb.kind == "interrupt" else self._backend.bulk_read
        received = bytearray()
        is_over = False
        while not is_over and self.loopback.is_wanted(urb.id):
            buffer = array("B", bytes(urb.length - len(received)))
            begun = time.monotonic()
            try:
                count = move(self._handle, urb.endpoint, INTERFACE, buffer, SLICE_MS)
            except self._usb_error as error:
                if code_of(error) != "TIMEOUT":
                    raise
                continue
            received += buffer[:count].tobytes()
            # Whole packets may also be what had come when the slice was over, in the middle of the device's answer.
            is_cut_off = count % self._packet_bytes == 0 and time.monotonic() - begun >= SLICE_MS / 1000
            is_over = len(received) == urb.length or not is_cut_off
        self.loopback.complete(urb.id, "COMPLETED" if is_over else "CANCELLED", bytes(received))

    def _write(self, urb: _native.Urb) -> None:
        data = array("B", urb.data.tobytes())
        sent = 0
        is_over = False
        while not is_over and self.loopback.is_wanted(urb.id):
            try:
                sent += self._backend.bulk_write(self._handle, urb.endpoint, INTERFACE, data[sent:], SLICE_MS)
            except self._usb_error as error:
                if code_of(error) != "TIMEOUT":
                    raise
                continue
            is_over = sent == urb.length
        self.loopback.complete(urb.id, "COMPLETED" if is_over else "CANCELLED", actual=sent)
