"""Strings through the ops that move and compare them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graph_cases import GraphCase, Sketch, drawn, values
from op_cases import Array
from op_draws import Draw
from subgraft.interpreter.model import Model

EACH = 8  # cases of an op, which has its others with numbers


def model_of(
    kind: str, shape: Sequence[int], constants: Sequence[Array], result: str = "string", **options: Any
) -> Model:
    sketch = Sketch()
    inputs = [sketch.feed(shape, "string"), *(sketch.constant(c) for c in constants)]
    return Model.of(sketch.graph(*sketch.op(kind, inputs, [sketch.tensor((), result)], **options)))


def ints(of: object) -> Array:
    return np.array(of, np.int32)


def reshape(draw: Draw, shape: tuple[int, ...]) -> Model:
    dims = ints([-1] if draw.chance(0.5) else [1, *shape[::-1]])
    return model_of("RESHAPE", shape, [dims], new_shape=dims.tolist())


def squeeze(draw: Draw, shape: tuple[int, ...]) -> Model:
    return model_of("SQUEEZE", (1, *shape, 1), [], squeeze_dims=draw.pick(([], [0], [-1], [0, -1])))


def expand_dims(draw: Draw, shape: tuple[int, ...]) -> Model:
    return model_of("EXPAND_DIMS", shape, [ints(draw.number(-len(shape) - 1, len(shape)))])


def gather(draw: Draw, shape: tuple[int, ...]) -> Model:
    """TFLite gathers from vectors of strings only."""
    places = draw.rng.integers(0, shape[0], draw.shape(1, 2, limit=20))
    return model_of("GATHER", shape[:1], [ints(places)], axis=0, batch_dims=0)


def gather_nd(draw: Draw, shape: tuple[int, ...]) -> Model:
    depth = draw.number(1, len(shape))
    places = np.stack([draw.rng.integers(0, d, 4) for d in shape[:depth]], axis=-1)
    return model_of("GATHER_ND", shape, [ints(places)])


def slice_of(draw: Draw, shape: tuple[int, ...]) -> Model:
    begin = [draw.number(0, d - 1) for d in shape]
    size = [draw.pick((-1, draw.number(1, d - b))) for d, b in zip(shape, begin, strict=True)]
    return model_of("SLICE", shape, [ints(begin), ints(size)])


def strided_slice(draw: Draw, shape: tuple[int, ...]) -> Model:
    begin = [draw.number(0, d - 1) for d in shape]
    strides = [draw.pick((1, 1, 2)) for _ in shape]
    shrunk = draw.number(0, 1)  # the first dimension
    bounds = [ints(begin), ints(shape), ints([1, *strides[1:]] if shrunk else strides)]
    masks = {"begin_mask": 0, "end_mask": 0, "ellipsis_mask": 0, "new_axis_mask": 0, "shrink_axis_mask": shrunk}
    return model_of("STRIDED_SLICE", shape, bounds, **masks)


def tile(draw: Draw, shape: tuple[int, ...]) -> Model:
    return model_of("TILE", shape, [ints([draw.number(1, 3) for _ in shape])])


def compare(kind: str) -> Callable[[Draw, tuple[int, ...]], Model]:
    def recipe(draw: Draw, shape: tuple[int, ...]) -> Model:
        other = shape if draw.chance(0.5) else tuple(d if draw.chance(0.5) else 1 for d in shape)
        return model_of(kind, shape, [values(draw, other, "string")], "bool")

    return recipe


RECIPES: dict[str, Callable[[Draw, tuple[int, ...]], Model]] = {
    "RESHAPE": reshape,
    "SQUEEZE": squeeze,
    "EXPAND_DIMS": expand_dims,
    "GATHER": gather,
    "GATHER_ND": gather_nd,
    "SLICE": slice_of,
    "STRIDED_SLICE": strided_slice,
    "TILE": tile,
    "EQUAL": compare("EQUAL"),
    "NOT_EQUAL": compare("NOT_EQUAL"),
}


def of_strings(kind: str) -> Callable[[Draw], GraphCase]:
    def recipe(draw: Draw) -> GraphCase:
        model = RECIPES[kind](draw, draw.shape(1, 3, limit=40))
        shape = model.graphs[0].tensors[model.graphs[0].inputs[0]].shape
        runs = [[values(draw, shape, "string")] for _ in range(2)]
        return GraphCase(kinds=(kind,), model=model, runs=runs)

    return recipe


CASES = [case for kind in RECIPES for case in drawn(f"{kind} of strings", of_strings(kind), EACH)]
