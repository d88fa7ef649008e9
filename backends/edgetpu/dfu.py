"""Loads the firmware into a device that waits for it: USB's Device Firmware Upgrade, as the boot ROM speaks it.

Source: USB Device Firmware Upgrade specification 1.1; what the boot ROM makes of it is public knowledge.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from subgraft.backends.edgetpu.control import Control
from subgraft.backends.edgetpu.errors import FirmwareFailed, Stalled

# bmRequestType and bRequest, specification section 3.
TO_INTERFACE = 0x21
FROM_INTERFACE = 0xA1
DETACH, DNLOAD, UPLOAD, GETSTATUS, CLRSTATUS, ABORT = 0, 1, 2, 3, 4, 6

# bState, section 6.1.2.
IDLE = 2
DNLOAD_SYNC, DNBUSY, DNLOAD_IDLE = 3, 4, 5
MANIFEST_SYNC, MANIFEST = 6, 7
UPLOAD_IDLE = 9
ERROR = 10
STATES = (
    *("appIDLE", "appDETACH", "dfuIDLE", "dfuDNLOAD-SYNC", "dfuDNBUSY", "dfuDNLOAD-IDLE", "dfuMANIFEST-SYNC"),
    *("dfuMANIFEST", "dfuMANIFEST-WAIT-RESET", "dfuUPLOAD-IDLE", "dfuERROR"),
)
PASSING = (DNLOAD_SYNC, DNBUSY, MANIFEST_SYNC, MANIFEST)  # the device is at work and goes on by itself

# bStatus, section 6.1.2.
STATUSES = (
    *("OK", "errTARGET", "errFILE", "errWRITE", "errERASE", "errCHECK_ERASED", "errPROG", "errVERIFY", "errADDRESS"),
    *("errNOTDONE", "errFIRMWARE", "errVENDOR", "errUSBR", "errPOR", "errUNKNOWN", "errSTALLEDPKT"),
)
STATUS_OK = 0
STATUS_BYTES = 6

GET_DESCRIPTOR = (0x80, 6)  # bmRequestType and bRequest
CONFIGURATION_TYPE, INTERFACE_TYPE, FUNCTIONAL_TYPE = 2, 4, 0x21
CONFIGURATION = CONFIGURATION_TYPE << 8
CONFIGURATION_MOST_BYTES = 521  # its header and what may follow
DFU_CLASS = (0xFE, 1)  # bInterfaceClass and bInterfaceSubClass
CAN_DOWNLOAD, CAN_UPLOAD = 1, 2  # bits of bmAttributes
MOST_BLOCK_BYTES = 4096  # of a control transfer, by the kernel
MOST_UPLOAD_BYTES = 1 << 20  # the memory that is read back has 32 KiB
DETACH_TIMEOUT_MS = 100
TRIES = 3  # of the whole image
MOST_NUDGES = 16  # on the way back to dfuIDLE
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.1  # a device may ask for 0 s or 4 hours between two looks at its state


@dataclass(frozen=True, slots=True)
class DfuInterface:
    """What the descriptors say of the interface that takes firmware."""

    number: int
    block_bytes: int
    can_upload: bool

    @classmethod
    def parse(cls, configuration: bytes, where: str) -> DfuInterface:
        """Raises FirmwareFailed for descriptors without a usable one."""
        number: int | None = None
        for kind, body in _descriptors(configuration):
            if kind == INTERFACE_TYPE and len(body) >= 9:
                is_dfu = (body[5], body[6]) == DFU_CLASS and body[4] == 0
                number = body[2] if is_dfu else None
            elif kind == FUNCTIONAL_TYPE and len(body) >= 9 and number is not None:
                attributes, block_bytes = body[2], int.from_bytes(body[5:7], "little")
                if not attributes & CAN_DOWNLOAD or not 0 < block_bytes <= MOST_BLOCK_BYTES:
                    break
                return cls(number, block_bytes, bool(attributes & CAN_UPLOAD))
        raise FirmwareFailed(
            f"the Edge TPU {where} waits for firmware, and its descriptors have no interface that takes any; plug it "
            "in again, at another port or without a hub"
        )


def _descriptors(configuration: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of each descriptor; ends at the first whose length makes no sense."""
    place = 0
    while place + 2 <= len(configuration):
        length = configuration[place]
        if length < 2 or place + length > len(configuration):
            return
        yield configuration[place + 1], configuration[place : place + length]
        place += length


@dataclass(frozen=True, slots=True)
class Status:
    """The answer to GETSTATUS."""

    status: int
    poll_s: float
    state: int

    def __str__(self) -> str:
        return f"{_name(STATES, self.state)}, {_name(STATUSES, self.status)}"


def _name(names: Sequence[str], value: int) -> str:
    return names[value] if value < len(names) else str(value)


def dfu_interface(control: Control) -> DfuInterface:
    """Reads the device's descriptors."""
    data = control.read(*GET_DESCRIPTOR, CONFIGURATION, 0, CONFIGURATION_MOST_BYTES, "reading the descriptors")
    return DfuInterface.parse(data, control.where)


def detach(control: Control, interface: int) -> None:
    """Tells a running device to wait for firmware after the next port reset."""
    control.write(TO_INTERFACE, DETACH, DETACH_TIMEOUT_MS, interface, b"", "asking it to forget its firmware")


class Download:
    """One image on its way into one device, whose interface is claimed."""

    def __init__(self, control: Control, interface: DfuInterface, image: bytes) -> None:
        if not image:
            raise FirmwareFailed("the firmware image is empty; run 'subgraft firmware' to get a good one")
        self._control = control
        self._interface = interface
        self._image = image

    def run(self) -> None:
        """Sends the image, for a second and third time when the device refuses it. Raises FirmwareFailed."""
        self._repeat(self._send)

    def run_verified(self) -> None:
        """As run(), and reads the image back each time. Raises FirmwareFailed."""
        if not self._interface.can_upload:
            raise self._failed("it cannot be read back; with verify_firmware=false it starts unread")
        self._repeat(self._send_and_compare)

    def _repeat(self, attempt: Callable[[], None]) -> None:
        for left in reversed(range(TRIES)):
            self._settle()
            try:
                attempt()
                return
            except (_Refused, Stalled) as error:
                if not left:
                    raise self._failed(f"{error}; so it went {TRIES} times") from error

    def _send_and_compare(self) -> None:
        self._send()
        self._compare()

    def _send(self) -> None:
        size = self._interface.block_bytes
        blocks = [self._image[at : at + size] for at in range(0, len(self._image), size)]
        for number, block in enumerate(blocks):
            self._request(DNLOAD, number, block)
            self._expect(DNLOAD_IDLE, f"block {number} of {len(blocks)}")
        self._request(DNLOAD, len(blocks), b"")
        self._expect(IDLE, "the end of the image")

    def _compare(self) -> None:
        """Reads until a short block: the device gives all of its memory, with the image at its start."""
        size, found = self._interface.block_bytes, bytearray()
        for number in range(MOST_UPLOAD_BYTES // size):
            block = self._control.read(
                FROM_INTERFACE, UPLOAD, number & 0xFFFF, self._interface.number, size, "reading the firmware back"
            )
            found += block
            if len(block) < size:
                break
        else:
            raise _Refused(f"it gives back more than {MOST_UPLOAD_BYTES} bytes")
        if len(found) < len(self._image):
            raise _Refused(f"it gives back {len(found)} of {len(self._image)} bytes")
        if found[: len(self._image)] != self._image:
            wrong = next(i for i, (a, b) in enumerate(zip(found, self._image, strict=False)) if a != b)
            raise _Refused(f"it gives back another image, from byte {wrong} on")

    def _settle(self) -> None:
        """Back to dfuIDLE from an error or from what somebody else left half done."""
        for _ in range(MOST_NUDGES):
            status = self._status()
            if status.state == IDLE:
                return
            if status.state == ERROR:
                self._request(CLRSTATUS, 0, b"")
            elif status.state in PASSING:
                self._pause(status)
            elif status.state in (DNLOAD_IDLE, UPLOAD_IDLE):
                self._request(ABORT, 0, b"")
            else:
                break
        raise self._failed(f"it stays in state {status}, where it takes none")

    def _expect(self, state: int, after: str) -> None:
        """Waits while the device works. Raises _Refused when it comes to rest elsewhere."""
        status = self._status()
        while status.status == STATUS_OK and status.state in PASSING:
            self._pause(status)
            status = self._status()
        if status.status != STATUS_OK or status.state != state:
            raise _Refused(f"after {after} it is in state {status}")

    def _pause(self, status: Status) -> None:
        self._control.deadline.sleep(min(max(status.poll_s, SHORTEST_PAUSE_S), LONGEST_PAUSE_S))

    def _status(self) -> Status:
        number = self._interface.number
        data = self._control.read(FROM_INTERFACE, GETSTATUS, 0, number, STATUS_BYTES, "asking how the firmware fares")
        if len(data) != STATUS_BYTES:
            raise self._failed(f"its state has {len(data)} bytes instead of {STATUS_BYTES}")
        return Status(data[0], int.from_bytes(data[1:4], "little") / 1000, data[4])

    def _request(self, request: int, value: int, data: bytes) -> None:
        number = self._interface.number
        self._control.write(TO_INTERFACE, request, value & 0xFFFF, number, data, "loading the firmware", tries=1)

    def _failed(self, why: str) -> FirmwareFailed:
        return FirmwareFailed(
            f"the Edge TPU {self._control.where} did not take its firmware: {why}; plug it in again, at another port "
            "or without a hub"
        )


class _Refused(Exception):
    """The device took this image not, and may take the next."""
