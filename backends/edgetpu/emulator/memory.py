"""What stays on the emulated chip between inferences: the parameters that it was sent, and by which program."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from subgraft.backends.edgetpu.emulator.program import EmulatedProgram


@dataclass(frozen=True, slots=True)
class Region:
    """Parameters as they were received. owners: the programs whose instructions stored them; several look alike."""

    tokens: frozenset[int]
    owners: tuple[EmulatedProgram, ...]
    data: bytes


class ParameterMemory:
    """Programs with one token were laid out side by side by the compiler; those of another token, or of token 0,
    overwrite them: after such a program runs, they have to be sent again (libedgetpu driver/driver.cc)."""

    def __init__(self) -> None:
        self._regions: list[Region] = []

    def clear(self) -> None:
        self._regions.clear()

    def begin(self, owners: tuple[EmulatedProgram, ...]) -> None:
        """Their parameters start to come in, over those of other tokens and over their own."""
        self.ran(_tokens(owners))
        self._regions = [r for r in self._regions if not any(owner in owners for owner in r.owners)]

    def ran(self, tokens: frozenset[int]) -> None:
        """A program with one of these tokens used the chip."""
        self._regions = [r for r in self._regions if r.tokens & tokens - {0}]

    def store(self, owners: tuple[EmulatedProgram, ...], data: bytes) -> None:
        self._regions.append(Region(_tokens(owners), owners, data))

    def holds(self, program: EmulatedProgram) -> bool:
        return self._find(program) is not None

    def read(self, program: EmulatedProgram, size: int, random: np.random.Generator) -> bytes:
        """What a program finds where its parameters should be: its own, or what others left there."""
        region = self._find(program)
        if region:
            return region.data
        left = self._regions[-1].data if self._regions else b""
        return left[:size] + random.bytes(max(0, size - len(left)))

    def _find(self, program: EmulatedProgram) -> Region | None:
        return next((r for r in self._regions if program in r.owners), None)


def _tokens(owners: tuple[EmulatedProgram, ...]) -> frozenset[int]:
    return frozenset(owner.caching.program.token for owner in owners if owner.caching)
