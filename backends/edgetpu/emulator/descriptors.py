"""What the emulated device says of itself on the bus, byte for byte as the hardware where that is known."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Literal

Mode = Literal["dfu", "app"]
Speed = Literal["super", "high"]

IDS: Mapping[Mode, tuple[int, int]] = {"dfu": (0x1A6E, 0x089A), "app": (0x18D1, 0x9302)}
SPEED_MBPS: Mapping[Speed, int] = {"super": 5000, "high": 480}
BULK_PACKET_BYTES: Mapping[Speed, int] = {"super": 1024, "high": 512}

DEVICE, CONFIGURATION, BOS = 1, 2, 15  # bDescriptorType
BULK_OUT, OUTPUT_IN, EVENT_IN, INTERRUPT_IN = 0x01, 0x81, 0x82, 0x83
OTHER_BULK_OUTS = (0x02, 0x03)  # of the firmware with several endpoints; there but unused in ours

DFU_TRANSFER_BYTES = 256  # seen on hardware
DFU_DETACH_MS = 100
DFU_ATTRIBUTES = 0x07  # download, upload, manifestation tolerant: what the known exchanges imply

# Application mode, from the firmware image (apex_latest_single_ep.bin, facts of public origin).
APP_DEVICE: Mapping[Speed, bytes] = {
    "high": bytes.fromhex("12 01 10 02 00 00 00 40 d1 18 02 93 00 01 00 00 00 01"),
    "super": bytes.fromhex("12 01 10 03 00 00 00 09 d1 18 02 93 00 01 00 00 00 01"),
}
APP_CONFIGURATION: Mapping[Speed, bytes] = {
    "high": bytes.fromhex("09 02 3c 00 01 01 00 c0 31"),
    "super": bytes.fromhex("09 02 60 00 01 01 00 c0 0c"),
}
APP_INTERFACE = bytes.fromhex("09 04 00 00 06 ff ff ff 00")
APP_BULKS = (0x01, 0x02, 0x03, 0x81, 0x82)  # in the image's order; 0x83 follows
HIGH_INTERRUPT = bytes.fromhex("07 05 83 03 40 00 01")
# Of the SuperSpeed interrupt endpoint only address, type and companion are known: packet and interval as at high speed.
SUPER_INTERRUPT = bytes.fromhex("07 05 83 03 40 00 01 06 30 00 00 04 00")
BULK_COMPANION = bytes.fromhex("06 30 0f 00 00 00")  # bursts of 16
BOS_DESCRIPTOR = bytes.fromhex("05 0f 16 00 02 07 10 02 02 00 00 00 0a 10 03 00 0c 00 02 00 00 00")

# Boot ROM: identity, class, no endpoint and the block size are known; the other bytes follow the application's.
DFU_INTERFACE = bytes.fromhex("09 04 00 00 00 fe 01 02 00")
DFU_VERSION = 0x0110


def device_descriptor(mode: Mode, speed: Speed) -> bytes:
    app = APP_DEVICE[speed]
    return app if mode == "app" else app[:8] + struct.pack("<HH", *IDS["dfu"]) + app[12:]


def configuration_descriptor(mode: Mode, speed: Speed) -> bytes:
    """With all that follows it: interface, endpoints, DFU's functional descriptor."""
    if mode == "app":
        return APP_CONFIGURATION[speed] + APP_INTERFACE + _endpoints(speed)
    functional = struct.pack("<BBBHHH", 9, 0x21, DFU_ATTRIBUTES, DFU_DETACH_MS, DFU_TRANSFER_BYTES, DFU_VERSION)
    below = DFU_INTERFACE + functional
    header = APP_CONFIGURATION[speed]
    return header[:2] + struct.pack("<H", len(header) + len(below)) + header[4:] + below


def descriptor(kind: int, mode: Mode, speed: Speed) -> bytes | None:
    """Of a type as in GET_DESCRIPTOR; None: the device has none (no strings, for one)."""
    if kind == DEVICE:
        return device_descriptor(mode, speed)
    if kind == CONFIGURATION:
        return configuration_descriptor(mode, speed)
    return BOS_DESCRIPTOR if kind == BOS else None


def _endpoints(speed: Speed) -> bytes:
    companion = BULK_COMPANION if speed == "super" else b""
    bulks = (struct.pack("<BBBBHB", 7, 5, ep, 2, BULK_PACKET_BYTES[speed], 0) + companion for ep in APP_BULKS)
    return b"".join(bulks) + (SUPER_INTERRUPT if speed == "super" else HIGH_INTERRUPT)
