"""Which element of one array each element of another is: the strides of slices, transposes, tiles, concatenations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from subgraft.backends.opencl.launch import Argument, Int

MAX_RANK = 8  # axes that the kernels have parameters for


@dataclass(frozen=True, slots=True)
class Strided:
    """Element (c0, c1, ...) of an array of shape `sizes` is element base + c0 * strides[0] + ... of a flat one."""

    sizes: tuple[int, ...]
    strides: tuple[int, ...]
    base: int = 0

    @classmethod
    def dense(cls, sizes: Sequence[int]) -> Strided:
        """The array itself, row by row."""
        return cls(tuple(sizes), strides_of(sizes))

    @property
    def merged(self) -> Strided:
        """The same with as few axes as possible, at least one."""
        sizes: list[int] = []
        strides: list[int] = []
        for size, stride in zip(self.sizes, self.strides, strict=True):
            if size == 1:
                continue
            if sizes and strides[-1] == stride * size:
                sizes[-1] *= size
                strides[-1] = stride
            else:
                sizes.append(size)
                strides.append(stride)
        return Strided(tuple(sizes) or (1,), tuple(strides) or (1,), self.base)

    @property
    def is_dense(self) -> bool:
        """Whether it is the flat array, from somewhere on."""
        merged = self.merged
        return len(merged.sizes) == 1 and (merged.strides == (1,) or merged.sizes == (1,))

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """The kernel's parameters: base, and size and stride of each axis, the innermost first."""
        pairs = zip(reversed(self.sizes), reversed(self.strides), strict=True)
        axes = [(Int(f"size{n}", size), Int(f"stride{n}", stride)) for n, (size, stride) in enumerate(pairs)]
        return (Int("base", self.base), *(argument for axis in axes for argument in axis))


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Elements from one index of an axis to the next, of a dense array."""
    return tuple(math.prod(shape[n + 1 :]) for n in range(len(shape)))
