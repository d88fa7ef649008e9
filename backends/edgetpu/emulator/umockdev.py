"""Shows emulated Corals to unmodified libusb programs in other processes, through libumockdev-preload.

The preloaded library sends each ioctl on a node to a socket, and reads and writes its process's memory when it is told
to. This is the other end of that socket.
"""

from __future__ import annotations

import errno
import os
import selectors
import socket
import struct
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from subgraft.backends.edgetpu.emulator.device import EmulatedCoral
from subgraft.backends.edgetpu.emulator.testbed import Place, Testbed
from subgraft.backends.edgetpu.emulator.usbfs import SPEEDS, File, Limits, Node
from subgraft.backends.edgetpu.emulator.usbfs_abi import GET_SPEED, Refused
from subgraft.delegates import Unavailable

PRELOAD = "libumockdev-preload.so.0"  # Debian's libumockdev0, which comes with the package umockdev

# libumockdev-preload.c, struct ioctl_request: three unsigned long
MESSAGE = struct.Struct("@LLL")
DO_IOCTL, DO_READ, DO_WRITE = 1, 7, 8
DONE, READ_MEMORY, WRITE_MEMORY = 3, 5, 6
FAILED = (1 << 8 * struct.calcsize("@L")) - 1  # (unsigned long) -1

ONE_SEND_BYTES = 4096  # so much of one send() arrives in one piece
FIRST_ADDRESS, LAST_ADDRESS = 2, 127  # the root hub has address 1
OLD_SOCKETS = 64  # kept after a disconnect: the library ends a program that finds a node without its socket


ASK_SPEED = "import fcntl, os, sys; print(fcntl.ioctl(os.open(sys.argv[1], os.O_RDWR), int(sys.argv[2]), 0))"
TRY_OUT_TIMEOUT_S = 30.0


class NoUmockdev(Unavailable):
    """Programs here cannot be shown an emulated device. Raised from an ImportError."""


class Vanished(Exception):
    """The client's process ended."""


class Client:
    """One open() of a node by a client: its ioctls, and its memory while it waits for one. One thread's."""

    def __init__(self, connection: socket.socket, file: File) -> None:
        self._connection = connection
        self._file = file
        self._unsent = bytearray()

    def serve(self) -> None:
        """Until the client closes the node or ends."""
        try:
            while True:
                command, request, argument = MESSAGE.unpack(self._receive(MESSAGE.size))
                self._put(MESSAGE.pack(DONE, *self._answer(command, request & 0xFFFFFFFF, argument)))
                self._send()
        except (Vanished, ConnectionError):
            pass
        finally:
            self._file.close()
            self._connection.close()

    def _answer(self, command: int, request: int, argument: int) -> tuple[int, int]:
        """result and errno"""
        if command != DO_IOCTL:  # descriptors are read from sysfs, and nobody writes to a USB device's node
            return FAILED, errno.EINVAL
        try:
            return self._file.ioctl(request, argument, self), 0
        except Refused as refused:
            return FAILED, refused.number

    def read(self, address: int, size: int) -> bytes:
        """The client's memory there."""
        if not size:
            return b""
        self._put(MESSAGE.pack(READ_MEMORY, address, size))
        self._send()
        return self._receive(size)

    def write(self, address: int, data: bytes) -> None:
        """Puts it into the client's memory."""
        head = MESSAGE.pack(WRITE_MEMORY, address, len(data))
        if len(head) + len(data) <= ONE_SEND_BYTES:
            self._put(head + data)
            return
        self._put(head)
        self._send()
        self._connection.sendall(data)

    def _put(self, message: bytes) -> None:
        """Is sent with what follows, but in one send() with the messages around it: the library takes the 24 bytes
        of each with one recv()."""
        if len(self._unsent) + len(message) > ONE_SEND_BYTES:
            self._send()
        self._unsent += message

    def _send(self) -> None:
        self._connection.sendall(self._unsent)
        self._unsent.clear()

    def _receive(self, size: int) -> bytes:
        data = bytearray(size)
        view = memoryview(data)
        while view:
            count = self._connection.recv_into(view)
            if not count:
                raise Vanished
            view = view[count:]
        return bytes(data)


@dataclass(slots=True)
class _Shown:
    """A device that programs can see now."""

    place: Place
    node: Node


class Stick:
    """One emulated Coral in a port: a node for each time it enumerates."""

    def __init__(self, bench: Bench, coral: EmulatedCoral, port: int) -> None:
        self.coral = coral
        self.port = port
        self._bench = bench
        self._lock = threading.Lock()
        self._shown: _Shown | None = None
        coral.on_connect = self._connect
        coral.on_disconnect = self._disconnect
        if coral.connected:
            self._connect()

    @property
    def place(self) -> Place | None:
        """Where it is now; None while it is off the bus."""
        shown = self._shown
        return shown.place if shown else None

    def in_flight(self) -> tuple[int, ...]:
        """The endpoints that transfers of programs wait at, one for each transfer."""
        shown = self._shown
        return shown.node.in_flight() if shown else ()

    def _connect(self) -> None:
        with self._lock:
            if self._shown is None:
                self._shown = self._bench.show(self.coral, self.port)

    def _disconnect(self) -> None:
        with self._lock:
            shown, self._shown = self._shown, None
            if shown is not None:
                self._bench.hide(shown)


class Door:
    """The sockets of all nodes: a thread that lets clients in, and one for each client."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._listeners: deque[socket.socket] = deque()
        self._lock = threading.Lock()
        self._bell, bell = socket.socketpair()
        self._selector.register(bell, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._let_in, args=(bell,), name="usbfs door", daemon=True)
        self._thread.start()

    def listen(self, path: Path, node: Node) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        listener.bind(str(path))
        path.chmod(0o666)  # who may open a node is said by the node
        listener.listen()
        with self._lock:
            self._selector.register(listener, selectors.EVENT_READ, node)
            self._listeners.append(listener)
            if len(self._listeners) > OLD_SOCKETS:
                self._forget(self._listeners.popleft())

    def close(self) -> None:
        self._bell.close()
        self._thread.join()
        with self._lock:
            while self._listeners:
                self._forget(self._listeners.pop())
        self._selector.close()

    def _forget(self, listener: socket.socket) -> None:
        self._selector.unregister(listener)
        listener.close()

    def _let_in(self, bell: socket.socket) -> None:
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is bell:
                    self._selector.unregister(bell)
                    bell.close()
                    return
                self._accept(key)

    def _accept(self, key: selectors.SelectorKey) -> None:
        with self._lock:
            listener = next((each for each in self._listeners if each is key.fileobj), None)
            if listener is None:
                return
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
        connection.setblocking(True)
        client = Client(connection, key.data.open())
        threading.Thread(target=client.serve, name="usbfs client", daemon=True).start()


class Bench:
    """All emulated Corals of one testbed, served until close().

    Raises NoUmockdev where the preloaded library is missing or speaks otherwise.
    """

    def __init__(self, corals: Sequence[EmulatedCoral], node_mode: int = 0o660) -> None:
        self.testbed = Testbed()
        self.limits = Limits()
        self.node_mode = node_mode
        self._addresses = {1: FIRST_ADDRESS, 2: FIRST_ADDRESS}
        self._lock = threading.Lock()
        self._door = Door()
        self.sticks = tuple(Stick(self, coral, port) for port, coral in enumerate(corals, start=1))
        try:
            self._try_out()
        except NoUmockdev:
            self.close()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs in its environment, when it starts, to see these devices instead of the host's."""
        preload = [PRELOAD, *filter(None, [os.environ.get("LD_PRELOAD")])]
        return {"LD_PRELOAD": ":".join(preload), "UMOCKDEV_DIR": str(self.testbed.path)}

    def close(self) -> None:
        for stick in self.sticks:
            stick.coral.unplug()
        self._door.close()
        self.testbed.close()

    def _try_out(self) -> None:
        """Asks a node for its speed from a process of its own, as the programs to come will."""
        places = [(stick.place, stick.coral) for stick in self.sticks if stick.place]
        for place, coral in places[:1]:
            command = [sys.executable, "-I", "-S", "-c", ASK_SPEED, f"/dev/{place.node}", str(GET_SPEED)]
            child = subprocess.run(
                command,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TRY_OUT_TIMEOUT_S,
            )
            if child.stdout.strip() != str(SPEEDS[coral.speed]):
                raise NoUmockdev(
                    f"no emulated USB device here: {PRELOAD} cannot be used ({_last_line(child.stderr)}). It is in the "
                    "package umockdev: apt install umockdev (Debian, Ubuntu), dnf install umockdev (Fedora)"
                ) from ImportError(PRELOAD)

    def show(self, coral: EmulatedCoral, port: int) -> _Shown:
        place = self._next_place(2 if coral.speed == "super" else 1, port)
        descriptors = coral.device_descriptor + coral.configuration_descriptor
        node = Node(coral, self.limits)
        self._door.listen(self.testbed.socket_of(place), node)
        gate = self.testbed.add(place, descriptors, coral.speed, self.node_mode)
        with node.lock:
            node.ready, node.released = gate.set, gate.close
            node.tell_ready()
        return _Shown(place, node)

    def hide(self, shown: _Shown) -> None:
        shown.node.disconnect()
        self.testbed.remove(shown.place)

    def _next_place(self, bus: int, port: int) -> Place:
        """As the kernel counts: each enumeration gets the next address, and starts over after the last."""
        with self._lock:
            taken = {stick.place.address for stick in getattr(self, "sticks", ()) if stick.place}
            address = self._addresses[bus]
            while address in taken:
                address = FIRST_ADDRESS if address == LAST_ADDRESS else address + 1
            self._addresses[bus] = FIRST_ADDRESS if address == LAST_ADDRESS else address + 1
        return Place(bus, port, address)


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it says nothing"
