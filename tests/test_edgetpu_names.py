"""The device strings of an Edge TPU, pycoral's among them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from subgraft.backends.edgetpu.errors import NotFound
from subgraft.backends.edgetpu.names import DeviceName
from subgraft.delegates import Unavailable
from subgraft.interpreter.discovery import SPEC


@dataclass(frozen=True)
class Stick:
    path: str


STICKS = [Stick("2-1.10"), Stick("2-1.9"), Stick("1-4")]


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ("edgetpu", "1-4"),
        ("edgetpu:usb", "1-4"),
        ("edgetpu:usb:0", "1-4"),
        ("edgetpu:usb:1", "2-1.9"),
        ("edgetpu:usb:2", "2-1.10"),
        ("edgetpu::1", "2-1.9"),
        ("edgetpu:usb@2-1.10", "2-1.10"),
        ("edgetpu@2-1.9", "2-1.9"),
    ],
)
def test_a_device_string_means_one_stick(spec, path):
    wanted = SPEC.fullmatch(spec)["device"] or ""
    name = DeviceName.parse(wanted)
    assert not name.emulated
    assert name.pick(STICKS).path == path


@pytest.mark.parametrize(("text", "index"), [("emulated", 0), ("emulated:0", 0), ("emulated:3", 3)])
def test_an_emulated_device_is_asked_for_by_its_name(text, index):
    assert DeviceName.parse(text) == DeviceName(text, emulated=True, index=index)


@pytest.mark.parametrize("text", ["tpu", "usb0", "usb:", "usb:-1", "usb:x", "usb@", "usb@2", "usb@2-1.", "3", "2-1:1"])
def test_what_names_no_device_is_refused_with_what_does(text):
    with pytest.raises(Unavailable, match=r'no Edge TPU goes by .*write "usb", "usb:0"'):
        DeviceName.parse(text)


@pytest.mark.parametrize("text", ["pci", "pci:0"])
def test_pcie_is_refused_in_plain_words(text):
    with pytest.raises(Unavailable, match="on PCIe, which subgraft does not drive"):
        DeviceName.parse(text)


@pytest.mark.parametrize("text", ["usb:3", ":7", "usb@3-1"])
def test_a_stick_that_is_not_there_is_refused_with_those_that_are(text):
    with pytest.raises(NotFound, match=f"no Edge TPU '{text}'; there are: usb@1-4, usb@2-1.9, usb@2-1.10"):
        DeviceName.parse(text).pick(STICKS)


@pytest.mark.parametrize("text", ["", "usb", "usb:0", "usb@2-1"])
def test_without_any_stick_the_emulated_one_is_named_and_not_used(text):
    with pytest.raises(NotFound, match="no Edge TPU is plugged in on USB; plug one in, or ask for 'edgetpu:emulated'"):
        DeviceName.parse(text).pick([])
