"""With the check of bytes on, damage to parameters on their way, and stale beliefs about what is cached, show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from edgetpu_packages import package_in
from edgetpu_raw_client import Ended, RawClient, Unanswered
from shared_models import MODELS, needs_shared
from subgraft.backends.edgetpu.emulator import EmulatedCoral, EmulatedProgram
from subgraft.backends.edgetpu.package import Package

TRIALS = 50  # of each kind
FOLDER = MODELS / "edgetpu"
NAME = "mobilenet_v1_0.25_128_quant_edgetpu.tflite"
OTHER = "gabor_64x64_p4_edgetpu.tflite"


@dataclass
class Rig:
    """A Coral that knows the program and checks bytes, and what a host sends it."""

    package: Package
    coral: EmulatedCoral
    client: RawClient

    def store(self, parameters: bytes) -> None:
        """Fills the parameter memory. The device may refuse to go on when what it gets is not what it asked for."""
        filling = self.package.parameter_caching
        assert filling is not None
        for bits in filling.bitstreams:
            self.client.send(0, bytes(bits.data))
        self.client.send(2, parameters)
        self.client.take(0x82, 16)

    def infer(self) -> None:
        running = self.package.inference
        self.client.send(0, bytes(running.bitstreams[0].data))
        self.client.send(1, bytes(running.inputs[0].size_bytes))

    def is_caught(self) -> bool:
        return bool(self.coral.violations)


def rig(*others: Package) -> Rig:
    package = package_in(FOLDER / NAME)
    coral = EmulatedCoral("app", check_bytes=True)
    for one in (package, *others):
        coral.teach(EmulatedProgram(one, None))
    client = RawClient(coral)
    client.open()
    coral.clear_log()
    return Rig(package, coral, client)


def parameters_of(package: Package) -> bytes:
    assert package.parameter_caching is not None
    return bytes(package.parameter_caching.parameters)


def flipped(good: bytes, rng: np.random.Generator) -> bytes:
    bad = bytearray(good)
    bad[int(rng.integers(len(bad)))] ^= 1 << int(rng.integers(8))
    return bytes(bad)


def truncated(good: bytes, rng: np.random.Generator) -> bytes:
    return good[: int(rng.integers(1, len(good)))]


def reordered(good: bytes, rng: np.random.Generator) -> bytes:
    """Two blocks of 64 bytes swapped that are not the same."""
    while True:
        a, b = (64 * int(i) for i in rng.integers(0, len(good) // 64, 2))
        if good[a : a + 64] != good[b : b + 64]:
            bad = bytearray(good)
            bad[a : a + 64], bad[b : b + 64] = good[b : b + 64], good[a : a + 64]
            return bytes(bad)


@needs_shared
@pytest.mark.parametrize("damage", [flipped, truncated, reordered])
def test_every_damage_to_the_parameters_is_caught(damage) -> None:
    bench = rig()
    good = parameters_of(bench.package)
    bench.store(good)
    assert not bench.is_caught()  # the check is not simply always on
    rng = np.random.default_rng(11)
    missed = 0
    for _ in range(TRIALS):
        bench.coral.bus_reset()
        bench.client.open()
        bench.coral.clear_log()
        try:
            bench.store(damage(good, rng))
            bench.infer()
        except (Unanswered, Ended):
            pass  # the device stopped, which a host sees
        else:
            missed += not bench.is_caught()
    assert missed == 0


@needs_shared
def test_every_stale_belief_about_what_is_cached_is_caught() -> None:
    """What the host believes to be in the chip was lost, or overwritten by another token's parameters."""
    other = package_in(FOLDER / OTHER)
    bench = rig(other)
    good = parameters_of(bench.package)
    rng = np.random.default_rng(12)
    missed = 0
    for _ in range(TRIALS):
        bench.coral.bus_reset()
        bench.client.open()
        bench.store(good)
        bench.coral.clear_log()
        if rng.integers(2):
            bench.client.sleep()
            bench.client.open()
        else:
            filling = other.parameter_caching
            assert filling is not None
            bench.client.send(0, bytes(filling.bitstreams[0].data))
            bench.client.send(2, bytes(filling.parameters))
            bench.client.take(0x82, 16)
        assert not bench.is_caught()
        bench.infer()
        missed += not any(violation.rule == "stale" for violation in bench.coral.violations)
    assert missed == 0
