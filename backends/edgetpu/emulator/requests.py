"""What the emulated device answers on endpoint 0: to the USB standard, to DFU and to register accesses."""

from __future__ import annotations

import struct
from typing import Protocol

from subgraft.backends.edgetpu.emulator.descriptors import Mode, Speed, descriptor
from subgraft.backends.edgetpu.emulator.dfu import BootRom, Request
from subgraft.backends.edgetpu.emulator.log import REGISTER_BYTES, Log
from subgraft.backends.edgetpu.emulator.registers import Registers
from subgraft.backends.edgetpu.emulator.urb import IN

TYPE_BITS, STANDARD, CLASS, VENDOR = 0x60, 0x00, 0x20, 0x40  # of bmRequestType
RECIPIENT_BITS, ENDPOINT = 0x1F, 2
# bRequest of USB 3.1, table 9-5
GET_STATUS, CLEAR_FEATURE, SET_FEATURE, GET_DESCRIPTOR, GET_CONFIGURATION, GET_INTERFACE = 0, 1, 3, 6, 8, 10
TAKEN = frozenset({5, 9, 11, 48, 49})  # SET_ADDRESS, _CONFIGURATION, _INTERFACE, _SEL, _ISOCH_DELAY: the bus's affair
ENDPOINT_HALT = 0  # feature selector
SELF_POWERED = 1


class Function(Protocol):
    """The device, as control requests reach it."""

    mode: Mode
    speed: Speed
    rom: BootRom
    registers: Registers
    log: Log
    detached: bool

    def is_halted(self, endpoint: int) -> bool: ...

    def set_halt(self, endpoint: int) -> None: ...

    def unhalt(self, endpoint: int) -> None: ...


def answer(device: Function, setup: bytes, data: bytes) -> bytes | None:
    """What an IN request gives, b"" for an OUT request that worked; None: it stalls."""
    kind, request, value, index, length = struct.unpack("<BBHHH", setup)
    if not kind & IN and len(data) != length:
        return None
    if kind & TYPE_BITS == STANDARD:
        return _standard(device, kind, request, value, index, length)
    if kind & TYPE_BITS == CLASS:
        return _dfu(device, kind, request, value, index, length, data)
    if kind & TYPE_BITS == VENDOR and device.mode == "app":
        return _register(device, kind, request, index << 16 | value, length, data)
    return None


def _standard(device: Function, kind: int, request: int, value: int, index: int, length: int) -> bytes | None:
    to_endpoint = kind & RECIPIENT_BITS == ENDPOINT
    if kind & IN:
        if request == GET_DESCRIPTOR:
            found = descriptor(value >> 8, device.mode, device.speed)
            return None if found is None else found[:length]
        if request == GET_STATUS:
            status = (
                device.is_halted(index & 0xFF) if to_endpoint else SELF_POWERED if kind & RECIPIENT_BITS == 0 else 0
            )
            return struct.pack("<H", status)[:length]
        if request == GET_CONFIGURATION:
            return b"\x01"[:length]
        return b"\x00"[:length] if request == GET_INTERFACE else None
    if request in (CLEAR_FEATURE, SET_FEATURE) and to_endpoint and value == ENDPOINT_HALT:
        (device.unhalt if request == CLEAR_FEATURE else device.set_halt)(index & 0xFF)
        return b""
    return b"" if request in TAKEN or request in (CLEAR_FEATURE, SET_FEATURE) else None


def _dfu(device: Function, kind: int, request: int, value: int, index: int, length: int, data: bytes) -> bytes | None:
    if device.mode == "dfu":
        wants_in = request in (Request.UPLOAD, Request.GETSTATUS, Request.GETSTATE)
        return device.rom.request(request, value, index, length, data) if bool(kind & IN) == wants_in else None
    if request == Request.DETACH and not kind & IN and index == 0:
        device.detached = True
        return b""
    return None


def _register(device: Function, kind: int, request: int, offset: int, length: int, data: bytes) -> bytes | None:
    width = REGISTER_BYTES.get(request)
    if width is None or width != length:
        device.log.violation("register", f"request {request} for register {offset:05x} with {length} bytes")
        return None
    if kind & IN:
        value = device.registers.read(offset, width)
        return None if value is None else value.to_bytes(width, "little")
    return b"" if device.registers.write(offset, width, int.from_bytes(data, "little")) else None
