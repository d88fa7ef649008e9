"""Sessions on emulated Edge TPUs: the delegate, what breaks its devices, and random inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import subgraft
from subgraft import _native
from subgraft.backends.edgetpu import EdgeTpu
from subgraft.backends.edgetpu.buses import Found
from subgraft.backends.edgetpu.emulator import EmulatedCoral
from subgraft.backends.edgetpu.emulator.bus import EmulatedBus
from subgraft.backends.edgetpu.emulator.descriptors import Mode
from subgraft.delegates import NUMPY_DTYPES, Array, Device
from subgraft.interpreter.discovery import Wanted, find
from subgraft.testing import Emulator

QUICK = {"timeout_s": 1.0}  # a test that waits for a deadline waits no longer than that


def wanted(device: str = "emulated", **options: object) -> Wanted:
    """The delegate of one device string, which tests may ask things that a session does not show."""
    return find(f"edgetpu:{device}", {**QUICK, **options})


def delegate_of(one: Wanted) -> EdgeTpu:
    assert isinstance(one.delegate, EdgeTpu)
    return one.delegate


def emulator(one: Wanted) -> Emulator:
    """What plugs, unplugs and breaks its first device, also while that is not there."""
    return Emulator(delegate_of(one).ask_emulator(Device("edgetpu", "emulated:0", emulated=True)))


def random_inputs(session: subgraft.Session, seed: int = 0) -> dict[str, Array]:
    """Values from the whole range of integers, and from -1 to 1."""
    random = np.random.default_rng(seed)
    feed: dict[str, Array] = {}
    for name, tensor in session.inputs.items():
        dtype = NUMPY_DTYPES[tensor.dtype]
        if dtype.kind == "f":
            feed[name] = random.uniform(-1, 1, tensor.shape).astype(dtype)
        else:
            limits = np.iinfo(dtype)
            feed[name] = random.integers(limits.min, limits.max, tensor.shape, dtype, endpoint=True)
    return feed


def assert_same(got: dict[str, Array], expected: dict[str, Array]) -> None:
    """By name where the names are the same, else by place."""
    assert len(got) == len(expected)
    for name, place in zip(expected, got, strict=True):
        np.testing.assert_array_equal(got.get(name, got[place]), expected[name], err_msg=name)


class _Real(EmulatedBus):
    """Emulated devices that are taken for real ones, on the bus 2."""

    name = "USB of this test"

    def list(self) -> Sequence[Found]:
        return [replace(found, path=f"2-{found.path[2:]}", emulated=False) for found in super().list()]

    def open(self, found: Found) -> _native.UsbDevice:
        return super().open(replace(found, path=f"0-{found.path[2:]}", emulated=True))


def real_sticks(monkeypatch: pytest.MonkeyPatch, count: int = 2, mode: Mode = "app") -> list[EmulatedCoral]:
    """Puts so many sticks on the machine's USB, which nothing tells from real ones."""
    sticks = [EmulatedCoral(mode, seed=number) for number in range(count)]
    bus = _Real(sticks)
    monkeypatch.setattr("subgraft.backends.edgetpu.delegate.default_bus", lambda library: bus)
    return sticks
