"""Tensors without elements: drawn ones, and what each of the other ops makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

import op_cases_drawn_elementwise as elementwise
import op_cases_drawn_movement as movement
import op_cases_drawn_rows as rows
from op_cases import Array, Case, const, fed, out, x
from op_draws import Draw, Recipe

EACH, SAMPLE = 6, 1  # cases of an op, and how many of them the default run takes
RECIPES = elementwise.RECIPES | rows.RECIPES | movement.RECIPES
# Those whose recipe draws no shape, or elements out of it.
UNFIT = (
    "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE", "FILL", "MIRROR_PAD", "SLICE",
    "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPLIT", "SPLIT_V", "UNPACK",
)  # fmt: skip
NHWC = {"dtype": "int8", "scale": 0.1, "zero": 3}


class Empty(Draw):
    """Draws shapes with a dimension of 0 only."""

    def __init__(self, kind: str, number: int) -> None:
        super().__init__(f"empty {kind}", number)

    def shape(self, least: int = 0, most: int = 5, *, empty: float = 0.0, limit: int = 2000) -> tuple[int, ...]:
        dims = list(super().shape(max(least, 1), most, limit=limit))
        dims[self.number(0, len(dims) - 1)] = 0
        return tuple(dims)


def empties(kind: str, recipe: Recipe) -> list[Case]:
    cases = (recipe(Empty(kind, n)) for n in range(EACH))
    # Without channels there are no scales either: TFLite refuses that, or aborts.
    return [labelled(judged(case), n) for n, case in enumerate(cases) if case.outputs[0].scale != []]


def labelled(case: Case, number: int) -> Case:
    return replace(case, seed=number, label=f"{case.label}_empty{number}".strip("_"))


def judged(case: Case) -> Case:
    """The case; with a refusal, or with what the op means, where TFLite has no answer."""
    given, result = case.inputs[0], case.outputs[0]
    assert given is not None
    if case.kind in ("ARG_MAX", "ARG_MIN"):
        return replace(case, error="is empty") if given.shape[axis_of(case)] == 0 else case
    if case.kind == "QUANTIZE" and isinstance(result.scale, list):
        return replace(case, expected=nothing_of(result.dtype), why="TFLite aborts at times, or refuses it")
    if case.kind in ("SUM", "REDUCE_PROD") and result.quantization():
        return replace(case, expected=reduced(case), resolver="BUILTIN_REF", why=UNSET)
    return case


def axis_of(case: Case) -> int:
    axis = case.inputs[1]
    assert axis is not None
    return int(axis.value)


def nothing_of(dtype: str) -> Callable[[list[Array]], list[Array]]:
    return lambda arrays: [np.zeros(arrays[0].shape, dtype)]


UNSET = "TFLite's quantized sums and products of nothing are what the memory happened to hold"


def reduced(case: Case) -> Callable[[list[Array]], list[Array]]:
    """The sum 0, or the product 1, as the output's quantization has it."""
    result = case.outputs[0]
    assert isinstance(result.scale, float) and isinstance(result.zero, int)
    limits = np.iinfo(result.dtype)
    real = 0.0 if case.kind == "SUM" else 1.0
    number = np.clip(np.round(real / result.scale + result.zero), limits.min, limits.max)

    def expected(arrays: list[Array]) -> list[Array]:
        rank = arrays[0].ndim
        axes = tuple({int(a) % rank for a in arrays[1]})
        shape = arrays[0].sum(axis=axes, keepdims=bool(case.options["keep_dims"])).shape
        return [np.full(shape, number, result.dtype)]

    return expected


def unpacked(axis: int) -> dict[str, Any]:
    """TFLite refuses to take nothing apart."""
    return {
        "expected": lambda arrays: [np.take(arrays[0], i, axis) for i in range(2)],
        "why": "TFLite refuses to unpack nothing",
    }


STILL = {"expected": lambda arrays: [arrays[0]], "why": "TFLite divides by the number of sequences, which is 0"}
DRAWN = {kind: empties(kind, recipe) for kind, recipe in RECIPES.items() if kind not in UNFIT}
MORE = [case for cases in DRAWN.values() for case in cases[SAMPLE:]]
CASES = [
    *(case for cases in DRAWN.values() for case in cases[:SAMPLE]),
    *(Case(kind, [x(*shape, **NHWC), const([2, 2]), const([[0, 0], [0, 0]])], [out(**NHWC)], label="empty")
      for kind in ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND") for shape in ((0, 4, 4, 3), (4, 4, 4, 0), (4, 0, 4, 2))),
    *(Case(kind, [x(*shape, **NHWC)], [out(**NHWC)], {"block_size": 2}, label="empty")
      for kind in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE") for shape in ((0, 4, 4, 4), (2, 0, 2, 4), (2, 4, 4, 0))),
    *(Case("BROADCAST_TO", [x(*shape), const(to)], [out()], {}, 2, label="empty")
      for shape, to in (((0, 3), [2, 0, 3]), ((1, 3), [0, 3]), ((0,), [0]))),
    *(Case("CONCATENATION", [x(*a), x(*b)], [out()], {"axis": axis, "fused_activation_function": "NONE"}, label="empty")
      for a, b, axis in (((0, 3), (2, 3), 0), ((2, 0), (2, 0), -1), ((0, 3), (0, 4), 1))),
    *(Case("MIRROR_PAD", [x(*shape), const(pads)], [out()], {"mode": mode}, label="empty", error=error)
      for mode, error in (("REFLECT", "too much to mirror a dimension of 0"), ("SYMMETRIC", None))
      for shape, pads in (((0, 3), [[0, 0], [1, 2]]), ((2, 0), [[1, 0], [0, 0]]))),
    *(Case("SLICE", [x(*shape), const(begin), const(size)], [out()], label="empty")
      for shape, begin, size in (((0, 3), [0, 1], [0, 2]), ((2, 3), [0, 3], [2, 0]), ((2, 0), [1, 0], [-1, -1]))),
    *(Case("SPLIT", [const(axis), x(*shape)], [out(), out()], {"num_splits": 2}, label="empty")
      for axis, shape in ((0, (4, 0)), (1, (0, 4)), (-1, (0,)))),
    *(Case("SPLIT_V", [x(*shape), const(sizes), const(axis)], [out(), out()], {"num_splits": 2}, label="empty")
      for axis, shape, sizes in ((0, (4, 0), [1, 3]), (1, (0, 4), [4, 0]), (0, (4,), [0, -1]))),
    *(Case("UNPACK", [x(*shape)], [out()] * 2, {"num": 2, "axis": axis}, label="empty", **unpacked(axis))
      for shape, axis in (((2, 0), 0), ((0, 2), 1))),
    *(Case("FILL", [const(dims), x()], [out()], label="empty") for dims in ([0], [2, 0, 3])),
    *(Case("BUCKETIZE", [x(*shape)], [out("int32")], {"boundaries": [0.0, 1.0]}, label="empty")
      for shape in ((0,), (3, 0))),
    Case("FAKE_QUANT", [x(0, 3)], [out()], {"min": -1.0, "max": 1.0, "num_bits": 8, "narrow_range": False},
         label="empty"),
    *(Case("RANGE", [fed(a, "int32"), fed(b, "int32"), fed(1, "int32")], [out("int32")], label="empty")
      for a, b in ((3, 3), (0, 0))),
    *(Case(f"UNSORTED_SEGMENT_{kind}", [x(*shape), fed(np.zeros(shape[:1], np.int32), "int32"), const(3)], [out()],
           label="empty") for kind in ("SUM", "PROD", "MAX", "MIN") for shape in ((0, 2), (2, 0))),
    *(Case("WHERE", [x(*shape, dtype=d)], [out("int64")], label="empty")
      for shape in ((0,), (2, 0)) for d in ("bool", "int32")),
    *(Case("SEGMENT_SUM", [x(*shape), fed(np.zeros(shape[:1], np.int32), "int32")], [out()], label="empty",
           resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES", why="BUILTIN_REF has no SEGMENT_SUM")
      for shape in ((2, 0), (0, 2))),
    *(Case("REVERSE_SEQUENCE", [x(*shape), fed([1] * shape[0], "int32")], [out()], {"seq_dim": 1, "batch_dim": 0},
           label="empty", **more) for shape, more in (((2, 3, 0), {}), ((0, 3), STILL))),
]  # fmt: skip
