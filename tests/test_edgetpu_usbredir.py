"""The emulated Coral in a virtual machine's USB port, played here byte by byte by the USB redirection protocol."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from subgraft.backends.edgetpu.emulator.device import EmulatedCoral
from subgraft.backends.edgetpu.emulator.urb import Done, Urb
from subgraft.backends.edgetpu.emulator.usbredir import CAPABILITIES, Packet, Redirection
from waiting import until

SUCCESS, CANCELLED, STALL = 0, 1, 4
GET_DEVICE_DESCRIPTOR = (0x80, 6, 0x0100, 0, 18)
READ_REGISTER = (0xC0, 1, 0xA30C, 1, 4)
HIGH, SUPER = 2, 3


class Watched(EmulatedCoral):
    """Knows which transfers wait for their end."""

    def __init__(self) -> None:
        self.waiting: set[Urb] = set()
        super().__init__("app", "super")

    def submit(self, urb: Urb, done: Done) -> None:
        def end(urb: Urb) -> None:
            self.waiting.discard(urb)
            done(urb)

        self.waiting.add(urb)
        super().submit(urb, end)


class Machine:
    """The virtual machine's side of the protocol."""

    def __init__(self, path: Path, capabilities: int = CAPABILITIES) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        hello = b"a machine".ljust(64, b"\0") + struct.pack("<I", capabilities)
        self.socket.sendall(struct.pack("<III", Packet.HELLO, len(hello), 0) + hello)
        kind, size, _ = struct.unpack("<III", self.read(12))
        assert kind == Packet.HELLO
        self.read(size)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError
            data += part
        return data

    def receive(self) -> tuple[Packet, int, bytes]:
        kind, size, number = struct.unpack("<IIQ", self.read(16))
        return Packet(kind), number, self.read(size)

    def send(self, kind: Packet, body: bytes, number: int = 0) -> None:
        self.socket.sendall(struct.pack("<IIQ", kind, len(body), number) + body)

    def expect(self, *kinds: Packet) -> list[bytes]:
        received = [self.receive() for _ in kinds]
        assert [kind for kind, _, _ in received] == list(kinds)
        return [body for _, _, body in received]

    def control(self, number: int, request: tuple[int, int, int, int, int], data: bytes = b"") -> tuple[int, bytes]:
        """Status and data of a control transfer."""
        kind, code, value, index, length = request
        head = struct.pack("<BBBBHHH", kind & 0x80, code, kind, 0, value, index, length)
        self.send(Packet.CONTROL, head + data, number)
        answer, answered, body = self.receive()
        assert (answer, answered) == (Packet.CONTROL, number)
        return body[3], body[10:]


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("r")


def plugged(coral: EmulatedCoral, folder: Path) -> Iterator[Machine]:
    redirection = Redirection(coral, folder / "usb")
    machine = Machine(folder / "usb")
    try:
        yield machine
    finally:
        machine.socket.close()
        redirection.close()


@pytest.fixture
def coral() -> Watched:
    return Watched()


@pytest.fixture
def machine(coral: Watched, folder: Path) -> Iterator[Machine]:
    for each in plugged(coral, folder):
        each.expect(Packet.EP_INFO, Packet.INTERFACE_INFO, Packet.DEVICE_CONNECT)
        yield each


@pytest.mark.parametrize(("speed", "code", "packet"), [("super", SUPER, 1024), ("high", HIGH, 512)])
def test_the_machine_is_told_which_device_and_which_endpoints_there_are(
    speed: str, code: int, packet: int, folder: Path
) -> None:
    for machine in plugged(EmulatedCoral("app", speed), folder):  # type: ignore[arg-type]
        endpoints, interfaces, device = machine.expect(Packet.EP_INFO, Packet.INTERFACE_INFO, Packet.DEVICE_CONNECT)
        assert endpoints[1:4] == bytes([2, 2, 2])  # bulk OUT 1 to 3
        assert endpoints[17:20] == bytes([2, 2, 3])  # bulk IN 81 and 82, interrupt IN 83
        assert struct.unpack_from("<H", endpoints, 96 + 2)[0] == packet
        assert interfaces[:4] == struct.pack("<I", 1)
        assert device == struct.pack("<BBBBHHH", code, 0, 0, 0, 0x18D1, 0x9302, 0x0100)


def test_control_transfers_reach_the_device(machine: Machine, coral: Watched) -> None:
    assert machine.control(7, GET_DEVICE_DESCRIPTOR) == (SUCCESS, coral.device_descriptor)
    assert machine.control(8, READ_REGISTER) == (SUCCESS, struct.pack("<I", 0x000F0959))
    status, _ = machine.control(9, (0x80, 6, 0x0300, 0, 255))
    assert status == STALL  # it has no strings


def test_a_read_that_is_waiting_can_be_taken_back(machine: Machine) -> None:
    machine.send(Packet.BULK, struct.pack("<BBHIH", 0x81, 0, 512, 0, 0), 5)
    machine.send(Packet.CANCEL_DATA_PACKET, b"", 5)
    kind, number, body = machine.receive()
    assert (kind, number, body[1]) == (Packet.BULK, 5, CANCELLED)


def test_interrupts_are_read_without_being_asked_for_until_told_to_stop(machine: Machine, coral: Watched) -> None:
    machine.send(Packet.START_INTERRUPT_RECEIVING, b"\x83")
    assert machine.expect(Packet.INTERRUPT_RECEIVING_STATUS) == [b"\x00\x83"]
    for word in (b"\x01\0\0\0", b"\x02\0\0\0"):
        coral.send_interrupt(word)
        coral.clear_halt(0x83)  # this thread delivers what is due
        assert machine.expect(Packet.INTERRUPT) == [struct.pack("<BBH", 0x83, 0, 4) + word]
    machine.send(Packet.STOP_INTERRUPT_RECEIVING, b"\x83")
    assert machine.expect(Packet.INTERRUPT_RECEIVING_STATUS) == [b"\x00\x83"]


def test_a_port_reset_starts_the_firmware_and_the_machine_learns_the_new_endpoints(folder: Path) -> None:
    coral = EmulatedCoral("dfu", "super")
    for machine in plugged(coral, folder):
        machine.expect(Packet.EP_INFO, Packet.INTERFACE_INFO, Packet.DEVICE_CONNECT)
        for number, block in enumerate([bytes(256), bytes(100), b""]):
            request = (0x21, 1, number, 0, len(block))
            assert machine.control(number, request, block)[0] == SUCCESS
            machine.control(number, (0xA1, 3, 0, 0, 6))
        machine.send(Packet.RESET, b"")
        endpoints, _ = machine.expect(Packet.EP_INFO, Packet.INTERFACE_INFO)
        assert endpoints[1] == 2
        assert machine.control(9, READ_REGISTER)[0] == SUCCESS


def test_pulling_the_stick_ends_what_waits_and_is_told(machine: Machine, coral: Watched) -> None:
    machine.send(Packet.BULK, struct.pack("<BBHIH", 0x82, 0, 16, 0, 0), 3)
    until(lambda: coral.waiting)
    coral.unplug()
    (body, _) = machine.expect(Packet.BULK, Packet.DEVICE_DISCONNECT)
    assert body[1] not in (SUCCESS, CANCELLED)
    coral.plug("dfu")
    _, _, device = machine.expect(Packet.EP_INFO, Packet.INTERFACE_INFO, Packet.DEVICE_CONNECT)
    assert device[4:8] == struct.pack("<HH", 0x1A6E, 0x089A)


def test_what_a_machine_left_is_taken_back_and_the_next_one_is_served(coral: Watched, folder: Path) -> None:
    redirection = Redirection(coral, folder / "usb")
    first = Machine(folder / "usb")
    first.expect(Packet.EP_INFO, Packet.INTERFACE_INFO, Packet.DEVICE_CONNECT)
    first.send(Packet.BULK, struct.pack("<BBHIH", 0x82, 0, 16, 0, 0), 3)
    until(lambda: coral.waiting)
    first.socket.close()
    until(lambda: not coral.waiting)
    second = Machine(folder / "usb")
    second.expect(Packet.EP_INFO, Packet.INTERFACE_INFO, Packet.DEVICE_CONNECT)
    second.socket.close()
    redirection.close()


@pytest.mark.parametrize(
    "garbage",
    [b"\xff" * 64, struct.pack("<III", 0, 4, 0) + b"abcd", struct.pack("<III", 0, 1 << 31, 0)],
    ids=["noise", "a hello without a version", "a hello of 2 GB"],
)
def test_a_peer_that_speaks_otherwise_is_hung_up_on(coral: Watched, folder: Path, garbage: bytes) -> None:
    redirection = Redirection(coral, folder / "usb")
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(10)
        peer.connect(str(folder / "usb"))
        peer.sendall(garbage)
        with suppress(ConnectionResetError):  # it left something unread
            while peer.recv(4096):
                pass
    redirection.close()


def test_a_machine_without_the_needed_capabilities_is_hung_up_on(coral: Watched, folder: Path) -> None:
    redirection = Redirection(coral, folder / "usb")
    machine = Machine(folder / "usb", capabilities=0)
    with pytest.raises((EOFError, ConnectionResetError)):
        machine.receive()
    machine.socket.close()
    redirection.close()


@pytest.mark.parametrize("kind", [Packet.CONTROL, Packet.BULK, Packet.INTERRUPT, Packet.START_INTERRUPT_RECEIVING])
def test_a_packet_that_is_too_short_ends_the_connection_and_not_the_device(
    coral: Watched, folder: Path, kind: Packet
) -> None:
    for machine in plugged(coral, folder):
        machine.expect(Packet.EP_INFO, Packet.INTERFACE_INFO, Packet.DEVICE_CONNECT)
        machine.send(kind, b"")
        with pytest.raises(EOFError):
            machine.receive()
        again = Machine(folder / "usb")
        again.expect(Packet.EP_INFO, Packet.INTERFACE_INFO, Packet.DEVICE_CONNECT)
        again.socket.close()
