"""Finding libusb and pyusb, and what becomes of a libusb that breaks its word."""

from __future__ import annotations

import subprocess
import textwrap
from ctypes.util import find_library
from pathlib import Path

import pytest

from edgetpu_usb import code_of, in_child
from subgraft._native import LibUsb, UsbError
from subgraft.backends.edgetpu.buses import Found, LibusbBus, path_of, ports_of
from subgraft.backends.edgetpu.errors import NoUsbLibrary


def test_without_libusb_the_error_names_every_file_tried_and_the_cure() -> None:
    with pytest.raises(
        UsbError, match=r"tried /nonexistent \(.*\); install it .* or name .* in SUBGRAFT_LIBUSB$"
    ) as caught:
        LibUsb("/nonexistent")
    assert caught.value.code == "NOT_FOUND"


def test_a_library_that_is_not_libusb_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(
        UsbError, match=r"^libc\.so\.6 is no libusb-1\.0 .*: it lacks libusb_init, libusb_exit, "
    ) as caught:
        LibUsb("libc.so.6")
    assert caught.value.code == "NOT_SUPPORTED"


def test_the_variable_names_the_library_and_nothing_else_is_tried() -> None:
    script = """
        from subgraft.backends.edgetpu.buses import default_bus
        from subgraft.backends.edgetpu.errors import NoUsbLibrary
        try:
            default_bus()
        except NoUsbLibrary as error:
            print(type(error.__cause__).__name__, error)
    """
    said = in_child(script, SUBGRAFT_LIBUSB="/nonexistent")
    assert said.startswith("ImportError libusb-1.0 cannot be loaded, tried /nonexistent (")
    assert "pyusb" not in said


needs_libusb = pytest.mark.skipif(find_library("usb-1.0") is None, reason="libusb-1.0 is not installed")


@needs_libusb
def test_without_libusb_pyusb_is_taken_and_without_both_the_error_names_both() -> None:
    pytest.importorskip("usb.core", reason="pyusb is not installed")
    script = """
        import importlib, sys
        from subgraft import _native
        from subgraft.backends.edgetpu import buses

        class NoLibusb:
            def __init__(self, path):
                error = _native.UsbError("libusb-1.0 cannot be loaded")
                error.code = "NOT_FOUND"
                raise error

        _native.LibUsb = NoLibusb
        print(buses.default_bus().name)
        sys.modules["usb"] = sys.modules["usb.core"] = None
        try:
            buses.default_bus()
        except buses.NoUsbLibrary as error:
            print(error)
    """
    assert in_child(script) == "pyusb\nlibusb-1.0 cannot be loaded; pyusb is not installed (pip install pyusb)\n"


def test_libusb_lists_and_opens_nothing_where_nothing_is_plugged_in() -> None:
    try:
        bus = LibusbBus()
    except NoUsbLibrary as error:
        pytest.skip(str(error))
    assert all(isinstance(found, Found) for found in bus.list())
    nowhere = Found("250-7.7.7", 250, 1, 0x18D1, 0x9302, 5000)
    assert code_of(lambda: bus.open(nowhere)) == "NO_DEVICE"


@pytest.mark.parametrize("path", ["1-1", "2-1.3", "10-4.1.2.3"])
def test_a_path_is_a_bus_and_its_ports(path: str) -> None:
    bus, _, _ = path.partition("-")
    assert path_of(int(bus), ports_of(path)) == path


ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def stubborn(tmp_path_factory: pytest.TempPathFactory) -> str:
    built = tmp_path_factory.mktemp("libusb") / "libusb-1.0.so"
    source = str(ROOT / "tests/stubborn_libusb.c")
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", str(built)], check=True)
    return str(built)


def with_stubborn(stubborn: str, how: str, script: str) -> list[str]:
    """The lines that the script printed: it has the device, and code() and seconds() of what is called."""
    prologue = """
        import time
        from subgraft._native import LibUsb, UsbError

        def code(call):
            try:
                call()
            except UsbError as error:
                return error.code
            return "COMPLETED"

        def seconds(call):
            begun = time.monotonic()
            call()
            return time.monotonic() - begun

        def register(timeout_ms=100):
            return device.control_in(0xC0, 1, 0xA30C, 1, 4, timeout_ms)

    """
    return in_child(
        textwrap.dedent(prologue) + textwrap.dedent(script), STUBBORN=how, SUBGRAFT_LIBUSB=stubborn
    ).splitlines()


def test_transfers_that_never_come_back_are_ended_for_their_owner_and_never_freed(stubborn: str) -> None:
    script = """
        device = LibUsb().open(3, [1, 4])
        reads = [device.submit_in(0x81, 1024) for _ in range(3)]
        reads[0].cancel()
        print(device.wait(0.1), code(register), seconds(device.close) < 3, [read.status for read in reads])
    """
    assert with_stubborn(stubborn, "silent", script) == ["False TIMEOUT True ['CANCELLED', 'CANCELLED', 'CANCELLED']"]


def test_a_control_transfer_that_comes_back_after_it_was_given_up_harms_nobody(stubborn: str) -> None:
    script = """
        device = LibUsb().open(3, [1, 4])
        print(code(register), seconds(device.close) < 1)
    """
    assert with_stubborn(stubborn, "late", script) == ["TIMEOUT True"]


def test_when_libusb_cannot_wait_the_call_fails_and_closing_ends(stubborn: str) -> None:
    script = """
        device = LibUsb().open(3, [1, 4])
        read = device.submit_in(0x81, 1024)
        print(code(lambda: device.wait(5)), code(register), seconds(device.close) < 3, read.status)
    """
    assert with_stubborn(stubborn, "deaf", script) == ["IO IO True CANCELLED"]


def test_codes_of_libusb_are_passed_on(stubborn: str) -> None:
    script = """
        device = LibUsb().open(3, [1, 4])
        print(code(lambda: device.submit_in(0x81, 1024)), code(register), code(lambda: device.clear_halt(1)))
        print(code(device.reset), device.wait(5))
    """
    assert with_stubborn(stubborn, "closed", script) == ["NO_DEVICE NO_DEVICE STALLED", "NOT_FOUND False"]


def test_without_permission_the_node_is_named(stubborn: str) -> None:
    script = """
        try:
            LibUsb().open(3, [1, 4])
        except UsbError as error:
            print(error.code, error)
    """
    assert with_stubborn(stubborn, "locked", script) == [
        "ACCESS opening USB device 3-1.4 (/dev/bus/usb/003/007): LIBUSB_ERROR_ACCESS"
    ]


def test_a_device_that_is_dropped_without_being_closed_is_closed(stubborn: str) -> None:
    script = """
        usb = LibUsb()
        print(usb.list())
        for _ in range(100):
            device = usb.open(3, [1, 4])
            sent = [device.submit_out(0x01, bytes(512)) for _ in range(5)]
            register()
            while not all(transfer.status for transfer in sent):
                device.wait(1)
        print({(transfer.status, transfer.actual) for transfer in sent})
    """
    assert with_stubborn(stubborn, "echo", script) == [
        "[(3, (1, 4), 7, 6353, 37634, 5000)]",
        "{('COMPLETED', 512)}",
    ]


class Fickle:
    """A libusb that breaks off while devices come and go."""

    def __init__(self, codes: list[str]) -> None:
        self.codes = codes

    def list(self) -> list[tuple[int, tuple[int, ...], int, int, int, int]]:
        if self.codes:
            error = UsbError("broke off")
            error.code = self.codes.pop(0)
            raise error
        return [(2, (1,), 5, 0x18D1, 0x9302, 5000)]


@needs_libusb
def test_a_listing_that_broke_off_while_devices_came_and_went_is_tried_again() -> None:
    bus = LibusbBus()
    bus._usb = Fickle(["IO", "NO_DEVICE", "IO"])  # type: ignore[assignment]
    assert [found.path for found in bus.list()] == ["2-1"]
    bus._usb = Fickle(["IO"] * 100)  # type: ignore[assignment]
    assert code_of(bus.list) == "IO"
    bus._usb = Fickle(["ACCESS"])  # type: ignore[assignment]
    assert code_of(bus.list) == "ACCESS"
