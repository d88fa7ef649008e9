"""Strings in the ops that move, compare and measure elements of any type."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from op_cases import Case, In, const, fed, out
from op_draws import Draw

COUNT = 8  # cases of an op
WORDS = (b"", b"a", b"two words", b"f\xc3\xb6x", b"\x00\xff", b"long " * 40)


def texts(draw: Draw, shape: tuple[int, ...]) -> In:
    """Not of rank 0, which LiteRT's Python interface takes for something else."""
    words = np.empty(int(np.prod(shape)), object)
    words[:] = [draw.pick(WORDS) for _ in range(words.size)]
    return (const if draw.chance(0.2) else fed)(words.reshape(shape), "string")


def moved(kind: str, inputs: list[In], **options: object) -> Case:
    return Case(kind, inputs, [out("string")], options)


def reshape(draw: Draw) -> Case:
    shape = draw.shape(1, 4, limit=100)
    turned = tuple(int(d) for d in draw.rng.permutation(shape))
    return moved("RESHAPE", [texts(draw, shape), const(turned)], new_shape=turned)


def squeeze(draw: Draw) -> Case:
    return moved("SQUEEZE", [texts(draw, (1, *draw.shape(1, 3, limit=50)))], squeeze_dims=(0,))


def expand_dims(draw: Draw) -> Case:
    shape = draw.shape(1, 3, limit=50)
    return moved("EXPAND_DIMS", [texts(draw, shape), const(draw.axis(len(shape) + 1))])


def gather(draw: Draw) -> Case:
    """TFLite gathers from vectors of strings only."""
    size, count = draw.number(1, 7), draw.number(1, 5)
    return moved("GATHER", [texts(draw, (size,)), fed(draw.rng.integers(0, size, count), "int32")], axis=0)


def gather_nd(draw: Draw) -> Case:
    shape = draw.shape(1, 3, limit=50)
    depth = draw.number(1, len(shape))
    indices = np.stack([draw.rng.integers(0, d, 3) for d in shape[:depth]], axis=-1)
    return moved("GATHER_ND", [texts(draw, shape), fed(indices, "int32")])


def cut(draw: Draw) -> Case:
    shape = draw.shape(1, 4, limit=100)
    begin = [draw.number(0, d - 1) for d in shape]
    size = [draw.number(1, d - b) for d, b in zip(shape, begin, strict=True)]
    return moved("SLICE", [texts(draw, shape), const(begin), const(size)])


def strided_slice(draw: Draw) -> Case:
    shape = draw.shape(1, 4, limit=100)
    begin = [draw.number(0, d - 1) for d in shape]
    end = [draw.number(b + 1, d) for d, b in zip(shape, begin, strict=True)]
    steps = [draw.number(1, 2) for _ in shape]
    return moved("STRIDED_SLICE", [texts(draw, shape), const(begin), const(end), const(steps)])


def tile(draw: Draw) -> Case:
    shape = draw.shape(1, 3, limit=30)
    return moved("TILE", [texts(draw, shape), const([draw.number(1, 3) for _ in shape])])


def shape_of(draw: Draw) -> Case:
    return Case("SHAPE", [texts(draw, draw.shape(1, 4, limit=50))], [out("int32")], {"out_type": "INT32"})


def rank_of(draw: Draw) -> Case:
    return Case("RANK", [texts(draw, draw.shape(1, 4, limit=50))], [out("int32")])


def equal(draw: Draw) -> Case:
    a, b = (shape or (1,) for shape in draw.shapes(2, 3))
    return Case(draw.pick(("EQUAL", "NOT_EQUAL")), [texts(draw, a), texts(draw, b)], [out("bool")], version=4)


RECIPES: tuple[Callable[[Draw], Case], ...] = (
    reshape, squeeze, expand_dims, gather, gather_nd, cut, strided_slice, tile, shape_of, rank_of, equal, equal,
)  # fmt: skip

CASES = [recipe(Draw(f"strings{i}", n)) for i, recipe in enumerate(RECIPES) for n in range(COUNT)]
