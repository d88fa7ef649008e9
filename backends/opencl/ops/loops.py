"""The inner loops of products: which one runs, and how weights lie in memory for it.

All of them give the same bits, so a device's self-test and the tuner are free to choose.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from subgraft.delegates import Array

EXACT_FLOATS = 1 << 24  # up to here single precision holds every whole number
LARGEST_INT = (1 << 31) - 1
LARGEST = {"int8": 128, "uint8": 255, "int16": 32768, "centered": 255}  # magnitudes of activations
BYTES = ("int8", "uint8")
UINT8_MIDDLE = 128  # what makes uint8 signed
SIGN_BITS = 0x80808080
BYTES_A_WORD = 4
# The packed loops' texts: what they share needs DOT from the loop's own text.
PACKED: Mapping[str, str] = {name: f"{name} packed" for name in ("dot_ptx", "dot_khr", "dot_arm", "dot_emulated")}


@dataclass(frozen=True, slots=True)
class Loop:
    """texts: the names of its kernel files. packed: four bytes at a time. is_tensor: by a warp's tensor cores."""

    name: str
    texts: str
    packed: bool
    is_tensor: bool = False


FLOATS = Loop("float", "dot_float", packed=False)
SINGLE = Loop("f32", "dot_f32", packed=False)
WHOLE = Loop("int", "dot_int", packed=False)
TENSOR = (Loop("mma", "mma_ptx", packed=True, is_tensor=True), Loop("mma_emulated", "mma_emulated", True, True))
LOOPS: Mapping[str, Loop] = {
    loop.name: loop
    for loop in (SINGLE, WHOLE, *(Loop(name, texts, packed=True) for name, texts in PACKED.items()), *TENSOR)
}


def loop_for(dtype: str, allowed: tuple[str, ...]) -> Loop:
    """The first of the device's loops that fits this type of activations, tensor cores aside."""
    return loops_for(dtype, allowed)[0]


def loops_for(dtype: str, allowed: tuple[str, ...]) -> list[Loop]:
    """All of them. "int" runs on every device."""
    if dtype == "float32":
        return [FLOATS]
    if dtype == "int16":
        return [WHOLE]
    known = [LOOPS[name] for name in allowed if name in LOOPS and not LOOPS[name].is_tensor]
    return [loop for loop in known if not loop.packed or dtype in BYTES] or [WHOLE]


def flush_after(loop: Loop, dtype: str, largest_weight: int, *, wide: bool) -> int | None:
    """How many products may be added before a sum has to be moved; None: any number."""
    if loop.packed or dtype == "float32":
        return None
    if loop is SINGLE:
        return EXACT_FLOATS // (LARGEST[dtype] * max(largest_weight, 1))
    return LARGEST_INT // (LARGEST[dtype] * max(largest_weight, 1)) if wide else None


def lanes(weights: Array, groups: int, width: int) -> Array:
    """[channels, y, x, depth] as [group, y, x, depth, channels of a group padded to a multiple of width]."""
    channels, y, x, depth = weights.shape
    grouped = weights.reshape(groups, channels // groups, y, x, depth).transpose(0, 2, 3, 4, 1)
    spare = -(channels // groups) % width
    return np.ascontiguousarray(np.pad(grouped, [(0, 0)] * 4 + [(0, spare)]))


def words(weights: Array, groups: int, width: int) -> Array:
    """The same for packed loops: each element holds four signed bytes along depth, the first one lowest."""
    spread = lanes(weights.astype(np.int8), groups, width)
    padded = np.pad(spread, [(0, 0)] * 3 + [(0, -spread.shape[3] % BYTES_A_WORD), (0, 0)])
    groups, y, x, depth, channels = padded.shape
    fours = padded.reshape(groups, y, x, depth // BYTES_A_WORD, BYTES_A_WORD, channels).swapaxes(-1, -2)
    return np.ascontiguousarray(fours).view(np.dtype("<u4")).reshape(fours.shape[:-1])


def narrowest(weights: Array) -> Array:
    """Whole numbers in 8 bits where they fit, else in 16."""
    fits = weights.size == 0 or (weights.min() >= -128 and weights.max() <= 127)
    return weights.astype(np.int8 if fits else np.int16)
