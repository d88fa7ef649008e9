"""Small Edge TPU packages whose answers show which parameters the device had, and an accelerator to run them on."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgetpu_packages import (
    EXECUTION_ONLY,
    INPUT,
    OUTPUT,
    PARAMETER_CACHING,
    PARAMETERS,
    Executable,
    Scalar,
    bitstream,
    data,
    instructions,
    interrupt,
    layer,
    package,
)
from subgraft.backends.edgetpu.accelerators import find
from subgraft.backends.edgetpu.driver import Accelerator
from subgraft.backends.edgetpu.emulator.bus import EmulatedBus
from subgraft.backends.edgetpu.emulator.device import EmulatedCoral
from subgraft.backends.edgetpu.emulator.program import EmulatedProgram
from subgraft.backends.edgetpu.package import Package
from subgraft.backends.edgetpu.prepared import Prepared
from subgraft.backends.edgetpu.settings import Settings

Bytes = npt.NDArray[np.uint8]
SIZE = 2000  # bytes of the input and the output
CACHED, STREAMED = 3000, 500  # bytes of parameters


def answer(parameters: bytes, x: Bytes) -> Bytes:
    """What the device computes: no bit of the parameters is without effect."""
    return (x + np.random.default_rng(zlib.crc32(parameters)).integers(0, 256, x.size, np.uint8)).astype(np.uint8)


@dataclass(frozen=True)
class Model:
    """One model. right: what its device answers when everything that it needs is there."""

    package: Package
    right: Callable[[Bytes], Bytes]

    def program(self) -> EmulatedProgram:
        return EmulatedProgram(self.package, lambda received, inputs: [answer(received, inputs[0])])


def model(seed: int, token: int, *, streams: bool = False) -> Model:
    """streams: a part of the parameters comes with each inference, as in large co-compiled models."""
    random = np.random.default_rng(seed)
    cached, streamed = random.bytes(CACHED), random.bytes(STREAMED if streams else 0)
    shared = {14: Scalar("Uint64", token)}
    caching = Executable(
        PARAMETER_CACHING,
        [bitstream(random.bytes(640))],
        [instructions(0), data(PARAMETERS, 0, CACHED), interrupt(0)],
        parameters=cached,
        slots=shared,
    )
    rest = [data(PARAMETERS, 0, STREAMED)] if streams else []
    inference = Executable(
        EXECUTION_ONLY,
        [bitstream(random.bytes(1600))],
        [instructions(0), data(INPUT, 0, SIZE, "x"), *rest, data(OUTPUT, 0, SIZE, "y", outfeed=True), interrupt(0)],
        parameters=streamed,
        inputs=[layer("x", (1, 1, SIZE), 2)],
        outputs=[layer("y", (1, 1, SIZE), 1)],
        slots=shared,
    )
    parsed = Package.parse(package(caching, inference))
    return Model(parsed, lambda x: answer(cached + streamed, x))


class Rig:
    """An emulated accelerator that knows some models."""

    def __init__(self, *models: Model, mode: str = "app", speed: str = "super", **settings: object) -> None:
        self.coral = EmulatedCoral(mode, speed)  # type: ignore[arg-type]
        for one in models:
            self.coral.teach(one.program())
        self.bus = EmulatedBus([self.coral])
        self.settings = Settings.of({"timeout_s": 2.0, **settings}, {})

    def open(self) -> Accelerator:
        return Accelerator.open(self.bus, find(self.bus, "usb"), self.settings)


def infer(accelerator: Accelerator, prepared: Prepared, seed: int = 0) -> tuple[Bytes, Bytes]:
    """A random input, and what the device made of it."""
    x = np.random.default_rng(seed).integers(0, 256, SIZE, np.uint8)
    y = np.zeros(SIZE, np.uint8)
    accelerator.run(prepared, [x], [y])
    return x, y
