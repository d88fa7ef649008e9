"""Linux's usbfs: what an ioctl on /dev/bus/usb/BBB/DDD does, with an emulated device behind the node.

Behaviour: the kernel's drivers/usb/core/devio.c.
"""

from __future__ import annotations

import errno
import struct
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue

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
from subgraft.backends.edgetpu.emulator.usbfs_abi import (
    CLAIMINTERFACE,
    CLEAR_HALT,
    DISCARDURB,
    DISCONNECT_CLAIM,
    GET_CAPABILITIES,
    GET_SPEED,
    GETDRIVER,
    IOCTL,
    LENGTHS_OFFSET,
    POINTER,
    REAPURB,
    REAPURBNDELAY,
    RELEASEINTERFACE,
    RESET,
    RESETEP,
    SETCONFIGURATION,
    SETINTERFACE,
    STATUS_OFFSET,
    SUBMITURB,
    TYPE_BULK,
    TYPE_CONTROL,
    TYPE_INTERRUPT,
    UINT,
    URB,
    Memory,
    Refused,
)

CAPABILITIES = 0x1F  # zero packets, continuation, no packet limit, scatter-gather, reap after disconnect; no mmap
SPEEDS = {"high": 3, "super": 5}  # enum usb_device_speed
ONLY_INTERFACE = 0
USBFS_MEMORY_BYTES = 16 << 20  # usbcore.usbfs_memory_mb of a stock kernel
SYNCHRONOUS_TIMEOUT_S = 1.0
BLOCKING_REAP_S = 1.0
RESET_TIMEOUT_S = 30.0  # a device that computes is reset when it is done

ERRNO = {
    OK: 0,
    STALLED: -errno.EPIPE,
    OVERFLOW: -errno.EOVERFLOW,
    IO: -errno.EPROTO,
    CANCELLED: -errno.ENOENT,
    NO_DEVICE: -errno.ESHUTDOWN,
    NOT_FOUND: -errno.ENOENT,
}


@dataclass(eq=False, slots=True)
class _Pending:
    """One URB of a client."""

    address: int  # of its struct usbdevfs_urb, which also names it to DISCARDURB
    buffer: int
    size: int
    urb: Urb
    data: bytes = b""
    status: int = 0
    actual: int = 0


@dataclass(slots=True)
class Limits:
    """What the host has, for all nodes.

    memory_bytes: how much all URBs in flight may hold together; beyond, SUBMITURB fails with ENOMEM.
    refuse_submits: this many of the next SUBMITURBs fail with refuse_errno.
    """

    memory_bytes: int = USBFS_MEMORY_BYTES
    refuse_submits: int = 0
    refuse_errno: int = errno.ENOMEM


class Node:
    """One enumeration of a device: from the connect to the disconnect. Thread-safe.

    ready: told whether a client has something to reap, which is what poll() says of a node.
    released: called when the device is gone and no client has the node any more.
    Both are called with the lock held.
    """

    def __init__(self, coral: EmulatedCoral, limits: Limits) -> None:
        self.coral = coral
        self.limits = limits
        self.speed = coral.speed
        self.ready: Callable[[bool], None] = lambda ready: None
        self.released: Callable[[], None] = lambda: None
        self.lock = threading.RLock()
        self.gone = False
        self.owners: dict[int, File] = {}
        self.files: set[File] = set()
        self._tasks: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        threading.Thread(target=self._work, name="usbfs device", daemon=True).start()

    def open(self) -> File:
        with self.lock:
            file = File(self)
            self.files.add(file)
            return file

    def disconnect(self) -> None:
        """The device left the bus: everything fails from now on, and what is done can still be reaped."""
        with self.lock:
            self.gone = True
            self.owners.clear()
        self._release_when_left()

    def leave(self, file: File) -> None:
        """This client has closed the node."""
        with self.lock:
            self.files.discard(file)
            for interface in [number for number, owner in self.owners.items() if owner is file]:
                del self.owners[interface]
            self.tell_ready()
        self._release_when_left()

    def post(self, task: Callable[[], object]) -> None:
        """Has the device do it, after what was posted before. A client never waits for what the device computes."""
        self._tasks.put(task)

    def in_flight(self) -> tuple[int, ...]:
        """The endpoint of each transfer that the device has."""
        with self.lock:
            return tuple(pending.urb.endpoint for file in self.files for pending in file.live.values())

    def memory_in_use(self) -> int:
        return sum(pending.size for file in self.files for pending in file.live.values())

    def tell_ready(self) -> None:
        """Called with the lock held."""
        self.ready(any(file.done for file in self.files))

    def _release_when_left(self) -> None:
        with self.lock:
            if self.gone and not self.files:
                self.released()
                self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            task()


class File:
    """One open() of a node: its claims, URBs in flight and URBs to reap."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.live: OrderedDict[int, _Pending] = OrderedDict()
        self.done: deque[_Pending] = deque()
        self.reapable = threading.Condition(node.lock)
        self.closed = False
        self._handlers: dict[int, Callable[[int, Memory], int]] = {
            SUBMITURB: self._submit,
            DISCARDURB: self._discard,
            REAPURB: self._reap_or_wait,
            REAPURBNDELAY: self._reap,
            CLAIMINTERFACE: self._claim,
            DISCONNECT_CLAIM: self._claim,
            RELEASEINTERFACE: self._release,
            SETCONFIGURATION: self._set_configuration,
            SETINTERFACE: self._set_interface,
            RESET: self._reset,
            CLEAR_HALT: self._clear_halt,
            RESETEP: self._clear_halt,
            GETDRIVER: self._no_driver,
            IOCTL: self._no_driver,
            GET_CAPABILITIES: self._capabilities,
            GET_SPEED: self._speed,
        }

    def ioctl(self, request: int, argument: int, memory: Memory) -> int:
        """The ioctl's result. Raises Refused, and what memory raises."""
        handler = self._handlers.get(request)
        if handler is None:
            raise Refused(errno.ENOTTY)
        if self.node.gone and request not in (REAPURB, REAPURBNDELAY):
            raise Refused(errno.ENODEV)
        return handler(argument, memory)

    def close(self) -> None:
        """The client closed the node, or is no more: what it has in flight is taken back from the device."""
        with self.node.lock:
            self.closed = True
            self.done.clear()
        self.cancel_all()
        self.node.leave(self)

    def cancel_all(self) -> None:
        with self.node.lock:
            pending = list(self.live.values())
        for each in reversed(pending):
            self._cancel(each)

    def _cancel(self, pending: _Pending) -> None:
        self.node.post(lambda: self.node.coral.cancel(pending.urb))

    # --- URBs

    def _submit(self, argument: int, memory: Memory) -> int:
        kind, endpoint, _, _, buffer, size, *_ = URB.unpack(memory.read(argument, URB.size))
        if kind not in (TYPE_INTERRUPT, TYPE_CONTROL, TYPE_BULK) or size < 0:
            raise Refused(errno.EINVAL)
        setup, data = b"", b""
        if kind == TYPE_CONTROL:
            setup = memory.read(buffer, SETUP_BYTES)
            endpoint, is_in = 0, bool(setup[0] & IN)
            if size < SETUP_BYTES or int.from_bytes(setup[6:8], "little") > size - SETUP_BYTES:
                raise Refused(errno.EINVAL)
            buffer, size = buffer + SETUP_BYTES, int.from_bytes(setup[6:8], "little")
        else:
            is_in = bool(endpoint & IN)
            self._check_owner()
        if size and not is_in:
            data = memory.read(buffer, size)
        pending = _Pending(argument, buffer, size, Urb(endpoint=endpoint, length=size, data=data, setup=setup))
        with self.node.lock:
            self._check_memory(size)
            if argument in self.live:
                raise Refused(errno.EINVAL)
            self.live[argument] = pending
        self.node.post(lambda: self._start(pending))
        return 0

    def _start(self, pending: _Pending) -> None:
        """On the device's thread."""
        if self.node.gone:
            pending.urb.status = NO_DEVICE
            self._finish(pending)
        else:
            self.node.coral.submit(pending.urb, lambda urb: self._finish(pending))

    def _check_memory(self, size: int) -> None:
        limits = self.node.limits
        if limits.refuse_submits > 0:
            limits.refuse_submits -= 1
            raise Refused(limits.refuse_errno)
        if self.node.memory_in_use() + size > limits.memory_bytes:
            raise Refused(errno.ENOMEM)

    def _finish(self, pending: _Pending) -> None:
        """The device is done with an URB; from any thread."""
        urb = pending.urb
        pending.status = ERRNO[urb.status]
        pending.actual = urb.actual
        pending.data = urb.reply[: urb.actual] if urb.is_in else b""
        with self.node.lock:
            self.live.pop(pending.address, None)
            if self.closed:
                return
            self.done.append(pending)
            self.node.tell_ready()
            self.reapable.notify_all()

    def _reap(self, argument: int, memory: Memory) -> int:
        with self.node.lock:
            if not self.done:
                self.node.tell_ready()
                raise Refused(errno.ENODEV if self.node.gone else errno.EAGAIN)
            pending = self.done.popleft()
            self.node.tell_ready()
        if pending.data:
            memory.write(pending.buffer, pending.data)
        memory.write(pending.address + STATUS_OFFSET, struct.pack("<i", pending.status))
        memory.write(pending.address + LENGTHS_OFFSET + 4, struct.pack("<i", pending.actual))
        memory.write(argument, POINTER.pack(pending.address))
        return 0

    def _reap_or_wait(self, argument: int, memory: Memory) -> int:
        with self.node.lock:
            if not self.done and not self.node.gone:
                self.reapable.wait(BLOCKING_REAP_S)
            if not self.done and not self.node.gone:
                raise Refused(errno.EINTR)  # as a signal would: the wait is bounded, and the caller waits again
        return self._reap(argument, memory)

    def _discard(self, argument: int, memory: Memory) -> int:
        with self.node.lock:
            pending = self.live.get(argument)
        if pending is None:
            raise Refused(errno.EINVAL)
        self._cancel(pending)
        return 0

    # --- the interface and the device

    def _check_owner(self) -> None:
        """As the kernel does, an interface that nobody claimed is claimed by the first transfer."""
        with self.node.lock:
            if self.node.owners.setdefault(ONLY_INTERFACE, self) is not self:
                raise Refused(errno.EBUSY)

    def _claim(self, argument: int, memory: Memory) -> int:
        interface = UINT.unpack(memory.read(argument, UINT.size))[0]
        if interface != ONLY_INTERFACE:
            raise Refused(errno.ENOENT)
        self._check_owner()
        return 0

    def _release(self, argument: int, memory: Memory) -> int:
        interface = UINT.unpack(memory.read(argument, UINT.size))[0]
        with self.node.lock:
            if self.node.owners.get(interface) is not self:
                raise Refused(errno.EINVAL)
            del self.node.owners[interface]
        return 0

    def _set_configuration(self, argument: int, memory: Memory) -> int:
        value = UINT.unpack(memory.read(argument, UINT.size))[0]
        with self.node.lock:
            if self.node.owners:
                raise Refused(errno.EBUSY)
        return self._control(struct.pack("<BBHHH", 0x00, 9, value & 0xFFFF, 0, 0))

    def _set_interface(self, argument: int, memory: Memory) -> int:
        interface, setting = struct.unpack("<II", memory.read(argument, 8))
        self._check_owner()
        return self._control(struct.pack("<BBHHH", 0x01, 11, setting & 0xFFFF, interface & 0xFFFF, 0))

    def _clear_halt(self, argument: int, memory: Memory) -> int:
        endpoint = UINT.unpack(memory.read(argument, UINT.size))[0]
        self._check_owner()
        return self._control(struct.pack("<BBHHH", 0x02, 1, 0, endpoint & 0xFF, 0))

    def _control(self, setup: bytes) -> int:
        """A control request of the kernel itself, waited for."""
        answered = threading.Event()
        urb = Urb(endpoint=0, length=0, data=b"", setup=setup)
        self.node.post(lambda: self.node.coral.submit(urb, lambda _: answered.set()))
        if not answered.wait(SYNCHRONOUS_TIMEOUT_S):
            self.node.post(lambda: self.node.coral.cancel(urb))
            raise Refused(errno.ETIMEDOUT)
        if urb.status != OK:
            raise Refused(-ERRNO[urb.status])
        return 0

    def _reset(self, argument: int, memory: Memory) -> int:
        """The kernel unbinds usbfs while it resets: claims and URBs are gone, the caller claims again."""
        with self.node.lock:
            self.node.owners.clear()
            files = list(self.node.files)
        for file in files:
            file.cancel_all()
        answers: SimpleQueue[bool] = SimpleQueue()
        self.node.post(lambda: answers.put(self.node.coral.bus_reset()))
        try:
            came_back_as_another = answers.get(timeout=RESET_TIMEOUT_S)
        except Empty:
            raise Refused(errno.ETIMEDOUT) from None
        if came_back_as_another:
            raise Refused(errno.ENODEV)
        return 0

    # --- what it says of itself

    def _no_driver(self, argument: int, memory: Memory) -> int:
        raise Refused(errno.ENODATA)

    def _capabilities(self, argument: int, memory: Memory) -> int:
        memory.write(argument, UINT.pack(CAPABILITIES))
        return 0

    def _speed(self, argument: int, memory: Memory) -> int:
        return SPEEDS[self.node.speed]
