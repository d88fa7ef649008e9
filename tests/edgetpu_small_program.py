"""A compiled model small enough to look at, with its DMAs in its instructions, and how a raw client runs it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgetpu_instructions import half_address_bits, program
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
from edgetpu_raw_client import RawClient, event
from subgraft.backends.edgetpu.emulator import EmulatedCoral, EmulatedProgram
from subgraft.backends.edgetpu.package import Package

Bytes = npt.NDArray[np.uint8]
IN, OUT, CACHED = 48, 80, 64  # bytes


def coral_with(*programs: EmulatedProgram, check_bytes: bool = False) -> tuple[EmulatedCoral, RawClient]:
    coral = EmulatedCoral("app", check_bytes=check_bytes)
    for one in programs:
        coral.teach(one)
    client = RawClient(coral)
    client.open()
    coral.clear_log()
    return coral, client


def rules(coral: EmulatedCoral) -> list[str]:
    return [violation.rule for violation in coral.violations]


def made(
    token: int = 1, seed: int = 0, cached: bytes = bytes(range(CACHED)), streamed: bytes = b""
) -> tuple[Package, bytes, bytes]:
    """A package whose instructions carry its DMAs; and the instructions of both programs."""
    filling, bits = program((2, CACHED), (4, 0), seed=seed), ()
    asks = ((1, IN), (2, len(streamed)), (3, OUT), (4, 0)) if streamed else ((1, IN), (3, OUT), (4, 0))
    running = program(*asks, seed=seed)
    bits = half_address_bits(filling)
    slots = {14: Scalar("Uint64", token)}
    hints = [instructions(0), data(INPUT, 0, IN, "in")]
    hints += [data(PARAMETERS, 0, len(streamed))] if streamed else []
    content = package(
        Executable(
            PARAMETER_CACHING,
            [bitstream(filling, *((PARAMETERS, "", i == 1, bit) for i, bit in enumerate(bits)))],
            [instructions(0), data(PARAMETERS, 0, CACHED), interrupt(0)],
            parameters=cached,
            slots=slots,
        ),
        Executable(
            EXECUTION_ONLY,
            [bitstream(running, *((INPUT, "in", i == 1, bit) for i, bit in enumerate(bits)))],
            [*hints, data(OUTPUT, 0, OUT, "out", outfeed=True), interrupt(0)],
            parameters=streamed,
            inputs=[layer("in", (1, 1, 40), 2, size=IN)],
            outputs=[layer("out", (1, 1, OUT), 1)],
            slots=slots,
        ),
    )
    return Package.parse(content), filling, running


def echo(seen: list[bytes] | None = None) -> Callable[[bytes, list[Bytes]], list[Bytes]]:
    def compute(parameters: bytes, inputs: list[Bytes]) -> list[Bytes]:
        if seen is not None:
            seen.append(parameters)
        return [np.resize(inputs[0].reshape(-1), OUT)]

    return compute


def infer(client: RawClient, running: bytes, given: bytes = bytes(range(IN)), streamed: bytes = b"") -> bytes:
    client.send(0, running)
    client.send(1, given)
    if streamed:
        client.send(2, streamed)
    output = client.take(0x81, 1024)
    assert client.take(0x82, 16) == event(4)
    return output
