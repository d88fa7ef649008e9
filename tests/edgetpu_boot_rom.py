"""A device that waits for its firmware, as endpoint 0 shows it, with faults on demand."""

from __future__ import annotations

from subgraft import _native

IDLE, DNLOAD_IDLE, UPLOAD_IDLE, ERROR = 2, 5, 9, 10
DNLOAD, UPLOAD, GETSTATUS, CLRSTATUS, ABORT = 1, 2, 3, 4, 6
DESCRIPTOR = 0x106  # GET_DESCRIPTOR is no request of DFU
NAMES = {
    DESCRIPTOR: "DESCRIPTOR",
    DNLOAD: "DNLOAD",
    UPLOAD: "UPLOAD",
    GETSTATUS: "GETSTATUS",
    CLRSTATUS: "CLRSTATUS",
    ABORT: "ABORT",
}
ERR_VERIFY, ERR_STALLEDPKT = 7, 15

DEVICE_MEMORY = 0x8000  # what it gives back: 32 KiB, whatever was loaded
CONFIGURATION = bytes.fromhex(
    "09 02 1b 00 01 01 00 80 fa"  # one interface
    "09 04 00 00 00 fe 01 02 00"  # application specific, DFU, no endpoints
    "09 21 0f e8 03 00 01 10 01"  # download, upload; 1000 ms to detach; blocks of 256 bytes; DFU 1.1
)


def usb_error(code: str) -> _native.UsbError:
    error = _native.UsbError(f"transfer failed: {code}")
    error.code = code
    return error


class BootRom:
    """Plays the device's side of control_in() and control_out(), by the rules of DFU 1.1.

    flips: how many downloads end with a wrong byte in memory. errors: how many blocks put it into dfuERROR.
    gives_back: bytes of memory that can be read. silent_after: requests after which nothing is answered.
    busy: how often it is seen at work after each block, with state: where it starts.
    """

    def __init__(
        self,
        *,
        flips: int = 0,
        errors: int = 0,
        gives_back: int = DEVICE_MEMORY,
        silent_after: int = 1 << 30,
        busy: int = 0,
        state: int = IDLE,
        configuration: bytes = CONFIGURATION,
    ) -> None:
        self.memory = bytearray(DEVICE_MEMORY)
        self.loaded = False
        self.log: list[str] = []
        self.timeouts_ms: list[int] = []
        self.block_bytes = int.from_bytes(configuration[-4:-2], "little")
        self._flips, self._errors, self._gives_back, self._silent_after = flips, errors, gives_back, silent_after
        self._busy, self._busy_left = busy, 0
        self.state, self._status = state, ERR_STALLEDPKT if state == ERROR else 0
        self._configuration = configuration

    def control_in(
        self, request_type: int, request: int, value: int, index: int, length: int, timeout_ms: int
    ) -> bytes:
        self._note(request if request_type == 0xA1 else DESCRIPTOR, value, timeout_ms)
        if request_type == 0x80:
            assert (request, value, index) == (6, 0x0200, 0)
            return self._configuration[:length]
        assert (request_type, index) == (0xA1, 0)
        if request == GETSTATUS:
            assert (value, length) == (0, 6)
            return self._answer()
        assert request == UPLOAD and length == self.block_bytes
        if self.state not in (IDLE, UPLOAD_IDLE):
            raise self._stalled()
        block = bytes(self.memory[: self._gives_back][value * length : (value + 1) * length])
        self.state = UPLOAD_IDLE if len(block) == length else IDLE
        return block

    def control_out(
        self, request_type: int, request: int, value: int, index: int, data: bytes, timeout_ms: int
    ) -> None:
        self._note(request, value, timeout_ms)
        assert (request_type, index) == (0x21, 0)
        if request == CLRSTATUS:
            if self.state == ERROR:
                self.state, self._status = IDLE, 0
        elif request == ABORT:
            if self.state == ERROR:
                raise self._stalled()
            self.state = IDLE
        else:
            assert request == DNLOAD
            self._take(value, bytes(data))

    def _take(self, block: int, data: bytes) -> None:
        if self.state not in (IDLE, DNLOAD_IDLE) or len(data) > self.block_bytes:
            raise self._stalled()
        if not data:
            self.state, self.loaded = IDLE, True
            if self._flips:
                self._flips -= 1
                self.memory[300] ^= 1
            return
        if self._errors:
            self._errors -= 1
            self.state, self._status = ERROR, ERR_VERIFY
            return
        self.memory[block * self.block_bytes : block * self.block_bytes + len(data)] = data
        self.state, self._busy_left = DNLOAD_IDLE, self._busy

    def _answer(self) -> bytes:
        state = self.state
        if self._busy_left:
            self._busy_left -= 1
            state = 4  # dfuDNBUSY
        return bytes([self._status, 1, 0, 0, state, 0])

    def _stalled(self) -> _native.UsbError:
        self.state, self._status = ERROR, ERR_STALLEDPKT
        return usb_error("STALLED")

    def _note(self, request: int, value: int, timeout_ms: int) -> None:
        self.timeouts_ms.append(timeout_ms)
        if len(self.log) >= self._silent_after:
            raise usb_error("TIMEOUT")
        self.log.append(f"{NAMES[request]} {value}")
