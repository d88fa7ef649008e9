"""Cases at random: a recipe draws one of an op's types, shapes, quantizations and options; the same ones every time."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from op_cases import Case, In, Out, c, out, x

T = TypeVar("T")

# From a survey of 184 architectures in public .tflite files: the ops that 10 of them or more have.
FREQUENT = frozenset(
    (
        "ADD", "AVERAGE_POOL_2D", "CAST", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEQUANTIZE", "DIV",
        "FULLY_CONNECTED", "LOGISTIC", "MAX_POOL_2D", "MEAN", "MUL", "PACK", "PAD", "QUANTIZE", "RELU", "RESHAPE",
        "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "RSQRT", "SHAPE", "SOFTMAX", "SPLIT", "SQUARED_DIFFERENCE",
        "STRIDED_SLICE", "SUB", "TRANSPOSE",
    )
)  # fmt: skip
OF_FREQUENT, OF_RARE = 200, 40  # cases that an op has at least

ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
ALL_TYPES = ("float32", "int8", "uint8", "int16", "int32", "int64", "bool")
SIZES = (1, 1, 2, 3, 4, 5, 7, 9)


class Draw:
    """Random choices of one case."""

    def __init__(self, kind: str, number: int) -> None:
        self.rng = np.random.default_rng((zlib.crc32(kind.encode()), number))

    def pick(self, of: Sequence[T]) -> T:
        return of[int(self.rng.integers(len(of)))]

    def chance(self, part: float) -> bool:
        return bool(self.rng.random() < part)

    def number(self, low: int, high: int) -> int:
        """Both included."""
        return int(self.rng.integers(low, high, endpoint=True))

    def shape(self, least: int = 0, most: int = 5, *, empty: float = 0.0, limit: int = 2000) -> tuple[int, ...]:
        """Of a rank in these bounds; `empty` is how often one has a dimension of 0."""
        rank = self.number(least, most)
        dims = [self.pick(SIZES) for _ in range(rank)]
        while np.prod(dims, dtype=np.int64) > limit:
            dims[int(np.argmax(dims))] = 2
        if rank and self.chance(empty):
            dims[self.number(0, rank - 1)] = 0
        return tuple(dims)

    def shapes(self, count: int = 2, most: int = 4, *, empty: float = 0.0) -> list[tuple[int, ...]]:
        """Shapes that broadcast to one."""
        whole = self.shape(0, most, empty=empty)
        made = []
        for _ in range(count):
            kept = whole if self.chance(0.5) else whole[self.number(0, len(whole)) :]
            made.append(tuple(1 if self.chance(0.25) else d for d in kept))
        made[self.number(0, count - 1)] = whole
        return made

    def axis(self, rank: int) -> int:
        """Of a tensor of this rank; negative ones too."""
        return self.number(-rank, rank - 1)

    def axes(self, rank: int) -> list[int]:
        """Some dimensions, each once, in any order and from either end."""
        chosen = self.rng.permutation(rank)[: self.number(min(1, rank), rank)]
        return [int(a) - (rank if self.chance(0.3) else 0) for a in chosen]

    def scale(self, low: float = 0.003, high: float = 1.0) -> float:
        return float(np.float32(np.exp(self.rng.uniform(np.log(low), np.log(high)))))

    def zero(self, dtype: str) -> int:
        """At an end of the range in a third of cases."""
        low, high = LIMITS[dtype]
        return 0 if dtype == "int16" else self.pick((low, high, *(self.number(low, high) for _ in range(4))))

    def quantized(self, dtype: str, low: float = 0.003, high: float = 1.0) -> dict[str, Any]:
        """The arguments of a tensor of this type; for other types than 8 and 16 bits just the type."""
        if dtype not in LIMITS:
            return {"dtype": dtype}
        if dtype == "int16":
            low, high = low / 200, high / 200
        return {"dtype": dtype, "scale": self.scale(low, high), "zero": self.zero(dtype)}

    def operand(self, shape: Sequence[int], **more: Any) -> In:
        """Fed or constant."""
        return c(*shape, **more) if self.chance(0.25) else x(*shape, **more)


Recipe = Callable[[Draw], Case]


def drawn(kind: str, recipe: Recipe, *, extra: int = 0) -> list[Case]:
    """As many cases as an op needs."""
    count = (OF_FREQUENT if kind in FREQUENT else OF_RARE) + extra
    return [_labelled(recipe(Draw(kind, number)), number) for number in range(count)]


def copied(given: In, **more: Any) -> Out:
    """An output of the input's type and quantization."""
    return out(given.dtype, **({"scale": given.scale, "zero": given.zero} | more))


def _labelled(case: Case, number: int) -> Case:
    options = "_".join(str(v) for v in case.options.values())
    label = "_".join(part for part in (case.label, options, f"drawn{number}") if part).replace(" ", "")
    return replace(case, seed=number, label=label)
