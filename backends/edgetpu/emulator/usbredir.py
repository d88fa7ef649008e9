"""Plugs an emulated Coral into a virtual machine: the host's side of the USB network redirection protocol 0.7.

QEMU: -device qemu-xhci -chardev socket,id=coral,path=PATH -device usb-redir,chardev=coral
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

from subgraft.backends.edgetpu.emulator.device import EmulatedCoral
from subgraft.backends.edgetpu.emulator.urb import (
    CANCELLED,
    IN,
    IO,
    NO_DEVICE,
    NOT_FOUND,
    OK,
    OVERFLOW,
    SETUP_BYTES,
    STALLED,
    Urb,
)


class Packet(IntEnum):
    """Types of packets, section "USB redirection packet types"."""

    HELLO = 0
    DEVICE_CONNECT = 1
    DEVICE_DISCONNECT = 2
    RESET = 3
    INTERFACE_INFO = 4
    EP_INFO = 5
    SET_CONFIGURATION = 6
    GET_CONFIGURATION = 7
    CONFIGURATION_STATUS = 8
    SET_ALT_SETTING = 9
    GET_ALT_SETTING = 10
    ALT_SETTING_STATUS = 11
    START_INTERRUPT_RECEIVING = 15
    STOP_INTERRUPT_RECEIVING = 16
    INTERRUPT_RECEIVING_STATUS = 17
    CANCEL_DATA_PACKET = 21
    CONTROL = 100
    BULK = 101
    INTERRUPT = 103


CONNECT_DEVICE_VERSION, EP_INFO_MAX_PACKET_SIZE, IDS_64_BITS, BULK_LENGTH_32_BITS = 1, 4, 5, 6
CAPABILITIES = 1 << CONNECT_DEVICE_VERSION | 1 << EP_INFO_MAX_PACKET_SIZE | 1 << IDS_64_BITS | 1 << BULK_LENGTH_32_BITS

SUCCESS = 0
STATUS = {OK: SUCCESS, CANCELLED: 1, NOT_FOUND: 2, IO: 3, NO_DEVICE: 3, STALLED: 4, OVERFLOW: 6}
SPEEDS = {"high": 2, "super": 3}

HELLO_HEAD = struct.Struct("<III")  # type, length, id: 32 bits until both said what they can
HEAD = struct.Struct("<IIQ")
VERSION_BYTES = 64
CONTROL_HEAD = struct.Struct("<BBBBHHH")  # endpoint, request, requesttype, status, value, index, length
BULK_HEAD = struct.Struct("<BBHIH")  # endpoint, status, length, stream, upper half of the length
INTERRUPT_HEAD = struct.Struct("<BBH")

ENDPOINTS = 32  # of ep_info: 16 OUT, then 16 IN
NO_ENDPOINT = 255
ENDPOINT_DESCRIPTOR, INTERFACE_DESCRIPTOR = 5, 4
LONGEST_HELLO = 4096
LONGEST_PACKET = 64 << 20
SEND_TIMEOUT_S = 30.0  # a machine that does not read for so long is gone


class Gone(Exception):
    """The virtual machine ended, or says what the protocol does not have."""


class Redirection:
    """Waits at `path` for a virtual machine and serves it until it ends; then for the next, until close()."""

    def __init__(self, coral: EmulatedCoral, path: Path) -> None:
        self._coral = coral
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(1)
        self._machine: _Machine | None = None
        coral.on_connect = self._connected
        coral.on_disconnect = self._disconnected
        self._thread = threading.Thread(target=self._serve, name="usbredir", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        machine = self._machine
        if machine is not None:
            machine.hang_up()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            self._machine = _Machine(self._coral, connection)
            try:
                self._machine.serve()
            except (Gone, OSError):
                pass
            finally:
                machine, self._machine = self._machine, None
                machine.close()

    def _connected(self) -> None:
        machine = self._machine
        if machine is not None:
            machine.connect()

    def _disconnected(self) -> None:
        machine = self._machine
        if machine is not None:
            machine.disconnect()


class _Machine:
    """One virtual machine's connection. One thread reads; every thread of the device writes."""

    def __init__(self, coral: EmulatedCoral, connection: socket.socket) -> None:
        self._coral = coral
        self._connection = connection
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", int(SEND_TIMEOUT_S), 0))
        self._sending = threading.Lock()
        self._lock = threading.Lock()
        self._greeted = False
        self._live: dict[int, Urb] = {}
        self._polled: dict[int, Urb] = {}  # interrupt endpoints that are read all the time
        self._answers: dict[int, Callable[[int, bytes], None]] = {
            Packet.RESET: self._reset,
            Packet.SET_CONFIGURATION: lambda number, body: self._configured(number, body[0]),
            Packet.GET_CONFIGURATION: lambda number, body: self._configured(number, 1),
            Packet.SET_ALT_SETTING: self._alternate,
            Packet.GET_ALT_SETTING: self._alternate,
            Packet.START_INTERRUPT_RECEIVING: self._start_polling,
            Packet.STOP_INTERRUPT_RECEIVING: self._stop_polling,
            Packet.CANCEL_DATA_PACKET: self._cancel,
            Packet.CONTROL: self._control,
            Packet.BULK: self._bulk,
            Packet.INTERRUPT: self._interrupt,
        }

    def serve(self) -> None:
        """Raises Gone or OSError when the machine is no more."""
        self._send(Packet.HELLO, b"subgraft".ljust(VERSION_BYTES, b"\0") + struct.pack("<I", CAPABILITIES))
        kind, size, _ = HELLO_HEAD.unpack(self._receive(HELLO_HEAD.size))
        if kind != Packet.HELLO or not VERSION_BYTES + 4 <= size <= LONGEST_HELLO:
            raise Gone
        theirs = struct.unpack_from("<I", self._receive(size), VERSION_BYTES)[0]
        if CAPABILITIES & ~theirs:
            raise Gone
        with self._sending:
            self._greeted = True
        if self._coral.connected:
            self.connect()
        while True:
            kind, size, number = HEAD.unpack(self._receive(HEAD.size))
            if size > LONGEST_PACKET:
                raise Gone
            body = self._receive(size)
            answer = self._answers.get(kind)
            if answer is None:
                continue
            try:
                answer(number, body)
            except (IndexError, struct.error) as error:  # shorter than such a packet is
                raise Gone from error

    def hang_up(self) -> None:
        self._connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Takes back what the machine has in flight."""
        with self._lock:
            urbs = [*self._live.values(), *self._polled.values()]
            self._polled.clear()
        for urb in urbs:
            self._coral.cancel(urb)
        self._connection.close()

    def connect(self) -> None:
        """Tells the machine what was plugged in."""
        self._describe()
        device = self._coral.device_descriptor
        vendor, product, version = struct.unpack_from("<HHH", device, 8)
        speed = SPEEDS[self._coral.speed]
        self._send(Packet.DEVICE_CONNECT, struct.pack("<BBBBHHH", speed, *device[4:7], vendor, product, version))

    def _describe(self) -> None:
        """Its endpoints, which come before the device, as the protocol asks for."""
        configuration = self._coral.configuration_descriptor
        self._send(Packet.EP_INFO, _ep_info(configuration))
        self._send(Packet.INTERFACE_INFO, _interface_info(configuration))

    def disconnect(self) -> None:
        with self._lock:
            self._polled.clear()
        self._send(Packet.DEVICE_DISCONNECT, b"")

    # --- packets of the machine

    def _reset(self, number: int, body: bytes) -> None:
        with self._lock:
            urbs = [*self._live.values(), *self._polled.values()]
            self._polled.clear()
        for urb in urbs:
            self._coral.cancel(urb)
        if self._coral.reset_in_place():
            self._describe()  # the machine's hub reads the descriptors again, and finds another device

    def _configured(self, number: int, configuration: int) -> None:
        self._send(Packet.CONFIGURATION_STATUS, bytes([SUCCESS, configuration]), number)

    def _alternate(self, number: int, body: bytes) -> None:
        self._send(Packet.ALT_SETTING_STATUS, bytes([SUCCESS, body[0], 0]), number)

    def _cancel(self, number: int, body: bytes) -> None:
        with self._lock:
            urb = self._live.get(number)
        if urb is not None:
            self._coral.cancel(urb)

    def _control(self, number: int, body: bytes) -> None:
        endpoint, request, kind, _, value, index, length = CONTROL_HEAD.unpack_from(body)
        setup = struct.pack("<BBHHH", kind, request, value, index, length)
        assert len(setup) == SETUP_BYTES

        def answer(urb: Urb) -> None:
            moved = len(urb.reply) if urb.is_in else length
            head = CONTROL_HEAD.pack(endpoint, request, kind, STATUS[urb.status], value, index, moved)
            self._send(Packet.CONTROL, head + urb.reply, number)

        self._start(number, Urb(0, length, body[CONTROL_HEAD.size :], setup), answer)

    def _bulk(self, number: int, body: bytes) -> None:
        endpoint, _, low, stream, high = BULK_HEAD.unpack_from(body)

        def answer(urb: Urb) -> None:
            size, status = urb.actual, STATUS[urb.status]
            head = BULK_HEAD.pack(endpoint, status, size & 0xFFFF, stream, size >> 16)
            self._send(Packet.BULK, head + urb.reply, number)

        data = b"" if endpoint & IN else body[BULK_HEAD.size :]
        self._start(number, Urb(endpoint, low | high << 16, data), answer)

    def _interrupt(self, number: int, body: bytes) -> None:
        endpoint, _, length = INTERRUPT_HEAD.unpack_from(body)

        def answer(urb: Urb) -> None:
            self._send(Packet.INTERRUPT, INTERRUPT_HEAD.pack(endpoint, STATUS[urb.status], urb.actual), number)

        self._start(number, Urb(endpoint, length, body[INTERRUPT_HEAD.size :]), answer)

    def _start(self, number: int, urb: Urb, answer: Callable[[Urb], None]) -> None:
        with self._lock:
            self._live[number] = urb

        def done(urb: Urb) -> None:
            with self._lock:
                self._live.pop(number, None)
            answer(urb)

        self._coral.submit(urb, done)

    def _start_polling(self, number: int, body: bytes) -> None:
        self._send(Packet.INTERRUPT_RECEIVING_STATUS, bytes([SUCCESS, body[0]]), number)
        self._poll(body[0], first=True)

    def _poll(self, endpoint: int, first: bool = False) -> None:
        urb = Urb(endpoint, _packet_size(self._coral.configuration_descriptor, endpoint))
        with self._lock:
            if not first and endpoint not in self._polled:
                return
            self._polled[endpoint] = urb
        self._coral.submit(urb, self._polled_one)

    def _polled_one(self, urb: Urb) -> None:
        endpoint = urb.endpoint
        if urb.status == OK:
            self._send(Packet.INTERRUPT, INTERRUPT_HEAD.pack(endpoint, SUCCESS, len(urb.reply)) + urb.reply)
            self._poll(endpoint)
            return
        with self._lock:
            wanted = self._polled.pop(endpoint, None) is urb
        if wanted:
            self._send(Packet.INTERRUPT_RECEIVING_STATUS, bytes([STATUS[urb.status], endpoint]))

    def _stop_polling(self, number: int, body: bytes) -> None:
        with self._lock:
            urb = self._polled.pop(body[0], None)
        if urb is not None:
            self._coral.cancel(urb)
        self._send(Packet.INTERRUPT_RECEIVING_STATUS, bytes([SUCCESS, body[0]]), number)

    # --- the wire

    def _send(self, kind: Packet, body: bytes, number: int = 0) -> None:
        """What cannot be sent any more is for a machine that is no more."""
        with self._sending:
            if not self._greeted and kind is not Packet.HELLO:
                return
            head = (HEAD if self._greeted else HELLO_HEAD).pack(kind, len(body), number)
            try:
                self._connection.sendall(head + body)
            except OSError:
                self._greeted = False  # a packet may have been cut off: nothing can follow

    def _receive(self, size: int) -> bytes:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            count = self._connection.recv_into(view)
            if not count:
                raise Gone
            view = view[count:]
        return bytes(data)


def _descriptors(configuration: bytes, kind: int) -> list[bytes]:
    found = []
    offset = 0
    while offset < len(configuration):
        size = configuration[offset]
        if configuration[offset + 1] == kind:
            found.append(configuration[offset : offset + size])
        offset += size
    return found


def _packet_size(configuration: bytes, endpoint: int) -> int:
    for each in _descriptors(configuration, ENDPOINT_DESCRIPTOR):
        if each[2] == endpoint:
            return int.from_bytes(each[4:6], "little")
    return 0


def _ep_info(configuration: bytes) -> bytes:
    """type[32], interval[32], interface[32], max_packet_size[32]"""
    types, intervals, interfaces = bytearray([NO_ENDPOINT] * ENDPOINTS), bytearray(ENDPOINTS), bytearray(ENDPOINTS)
    sizes = [0] * ENDPOINTS
    for control in (0, ENDPOINTS // 2):
        types[control], sizes[control] = 0, 64
    for each in _descriptors(configuration, ENDPOINT_DESCRIPTOR):
        index = (each[2] & IN) >> 3 | each[2] & 0x0F
        types[index], intervals[index] = each[3] & 3, each[6]
        sizes[index] = int.from_bytes(each[4:6], "little")
    return bytes(types) + bytes(intervals) + bytes(interfaces) + struct.pack(f"<{ENDPOINTS}H", *sizes)


def _interface_info(configuration: bytes) -> bytes:
    """count, interface[32], class[32], subclass[32], protocol[32]"""
    found = _descriptors(configuration, INTERFACE_DESCRIPTOR)
    columns = [bytes(each[position] for each in found).ljust(ENDPOINTS, b"\0") for position in (2, 5, 6, 7)]
    return struct.pack("<I", len(found)) + b"".join(columns)
