"""Ops on rows and axes: fully connected, softmax, norms, reductions, products of matrices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from subgraft.backends.nnapi import codes
from subgraft.backends.nnapi.codes import LEVEL_1, LEVEL_2, LEVEL_3, LEVEL_6
from subgraft.backends.nnapi.draft import TYPES, Draft, Operand, Refused
from subgraft.backends.nnapi.lowering import floats, lowers
from subgraft.backends.nnapi.ops.elementwise import same_quantization, same_types
from subgraft.backends.nnapi.ops.windows import (
    CONVOLUTION,
    bias,
    fused,
    image_only,
    same_quantization_of_images,
    scales_of,
    weights,
)
from subgraft.delegates import Graph, Op, rule


@rule
def plain_weights(op: Op, graph: Graph) -> bool:
    """its weights must not be shuffled"""
    return bool(op.options.get("weights_format", "DEFAULT") == "DEFAULT")


@rule
def rows_of_the_weights(op: Op, graph: Graph) -> bool:
    """its input must be a number of whole rows, as long as the weights' are"""
    x, w = (graph.tensors[t] for t in op.inputs[:2])
    return len(w.shape) == 2 and int(np.prod(x.shape)) % w.shape[1] == 0


@lowers(
    "FULLY_CONNECTED",
    levels=floats(LEVEL_1),
    rules=(*CONVOLUTION, plain_weights, rows_of_the_weights),
    any_rank=True,
)
def fully_connected(op: Op, draft: Draft) -> None:
    graph = draft.graph
    x, w, out = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]], graph.tensors[op.outputs[0]]
    if out.dtype != x.dtype:
        raise Refused(f"its output is {out.dtype}, and NNAPI gives {x.dtype}")
    units, depth = w.shape
    rows = int(np.prod(x.shape)) // depth
    data = draft.tensor(op.inputs[0])
    if len(x.shape) < 2 or x.shape[-1] != depth:  # NNAPI flattens by the first dimension, TFLite by the last
        data = reshaped(draft, op.inputs[0], (rows, depth))
    if len(scales_of(w)) > 1:
        as_convolution(op, draft, data, (rows, units, depth))
        return
    inputs = [data, weights(op, draft), bias(op, draft, units), fused(op, draft)]
    if out.shape == (rows, units):
        draft.write("FULLY_CONNECTED", inputs, draft.tensor(op.outputs[0]))
        return
    flat = draft.like(op.outputs[0], (rows, units))
    draft.write("FULLY_CONNECTED", inputs, flat)
    draft.write("RESHAPE", [flat, draft.integers(out.shape)], draft.tensor(op.outputs[0]))


def as_convolution(op: Op, draft: Draft, data: int, sizes: tuple[int, int, int]) -> None:
    """NNAPI has scales for each channel in convolutions only: each row becomes an image of one pixel."""
    rows, units, depth = sizes
    x, out = op.inputs[0], op.outputs[0]
    weights(op, draft)  # refuses what the level does not have
    pixels, results = draft.like(x, (rows, 1, 1, depth)), draft.like(out, (rows, 1, 1, units))
    draft.write("RESHAPE", [data, draft.integers((rows, 1, 1, depth))], pixels)
    ones = [draft.integer(v) for v in (codes.PADDINGS["VALID"], 1, 1)]
    kernel = draft.shaped(op.inputs[1], (units, 1, 1, depth))
    draft.write("CONV_2D", [pixels, kernel, bias(op, draft, units), *ones, fused(op, draft)], results)
    shape = draft.integers(draft.graph.tensors[out].shape)
    draft.write("RESHAPE", [results, shape], draft.tensor(out))


def reshaped(draft: Draft, t: int, shape: Sequence[int]) -> int:
    """The tensor in another shape."""
    made = draft.like(t, shape)
    draft.write("RESHAPE", [draft.tensor(t), draft.integers(shape)], made)
    return made


# The scale and zero point that NNAPI gives a quantized output, as int8 has it; uint8 is 128 higher.
SOFTMAX_OUTPUT = (1 / 256, -128)
NORMALIZED_OUTPUT = (1 / 128, 0)


def is_fixed(op: Op, graph: Graph, fixed: tuple[float, int]) -> bool:
    tensor = graph.tensors[op.outputs[0]]
    if tensor.dtype == "float32":
        return True
    if tensor.quantization is None or tensor.dtype not in ("int8", "uint8"):
        return False
    zero = fixed[1] + (128 if tensor.dtype == "uint8" else 0)
    return tensor.quantization.scales == (fixed[0],) and (tensor.quantization.zero_points or (0,)) == (zero,)


@rule
def softmax_quantization(op: Op, graph: Graph) -> bool:
    """NNAPI gives its quantized output the scale 1/256 and the lowest zero point, and this one has others"""
    return is_fixed(op, graph, SOFTMAX_OUTPUT)


@rule
def norm_quantization(op: Op, graph: Graph) -> bool:
    """NNAPI gives its quantized output the scale 1/128 and the zero point in the middle, and this one has others"""
    return is_fixed(op, graph, NORMALIZED_OUTPUT)


@rule
def no_activation(op: Op, graph: Graph) -> bool:
    """NNAPI fuses no activation here"""
    return bool(op.options.get("fused_activation_function", "NONE") == "NONE")


@rule
def positive_beta(op: Op, graph: Graph) -> bool:
    """its beta must be above 0"""
    return float(op.options.beta) > 0


@lowers("SOFTMAX", levels=floats(LEVEL_1), rules=(same_types, softmax_quantization, positive_beta))
def softmax(op: Op, draft: Draft) -> None:
    rank = len(draft.graph.tensors[op.inputs[0]].shape)
    if draft.level < LEVEL_3 and rank not in (2, 4):
        raise Refused("before feature level 3 its input must have 2 or 4 dimensions")
    draft.write("SOFTMAX", [draft.tensor(op.inputs[0]), draft.real(op.options.beta)], draft.tensor(op.outputs[0]))


@lowers("LOG_SOFTMAX", levels={"float32": LEVEL_3}, any_rank=True)
def log_softmax(op: Op, draft: Draft) -> None:
    inputs = [draft.tensor(op.inputs[0]), draft.real(1.0), draft.integer(-1)]
    draft.write("LOG_SOFTMAX", inputs, draft.tensor(op.outputs[0]))


@lowers("L2_NORMALIZATION", levels=floats(LEVEL_1, LEVEL_3), rules=(same_types, norm_quantization, no_activation))
def l2_normalization(op: Op, draft: Draft) -> None:
    if draft.level < LEVEL_3 and len(draft.graph.tensors[op.inputs[0]].shape) != 4:
        raise Refused("before feature level 3 its input must have 4 dimensions")
    draft.write("L2_NORMALIZATION", [draft.tensor(op.inputs[0])], draft.tensor(op.outputs[0]))


@lowers("LOCAL_RESPONSE_NORMALIZATION", levels={"float32": LEVEL_1})
def local_response_normalization(op: Op, draft: Draft) -> None:
    o = op.options
    numbers = [draft.integer(o.radius), *(draft.real(v) for v in (o.bias, o.alpha, o.beta))]
    inputs = [draft.tensor(op.inputs[0]), *numbers]
    draft.write("LOCAL_RESPONSE_NORMALIZATION", inputs, draft.tensor(op.outputs[0]))


@rule
def constant_axes(op: Op, graph: Graph) -> bool:
    """its axes must be a constant"""
    return graph.tensors[op.inputs[1]].is_constant


REDUCED = (constant_axes,)
REDUCTIONS = {
    "SUM": ("REDUCE_SUM", {"float32": LEVEL_3}),
    "REDUCE_PROD": ("REDUCE_PROD", {"float32": LEVEL_3}),
    "REDUCE_MAX": ("REDUCE_MAX", floats(LEVEL_3)),
    "REDUCE_MIN": ("REDUCE_MIN", floats(LEVEL_3)),
    "REDUCE_ANY": ("REDUCE_ANY", {"bool": LEVEL_3}),
    "REDUCE_ALL": ("REDUCE_ALL", {"bool": LEVEL_3}),
}


def axes(op: Op, draft: Draft) -> int:
    data = draft.graph.tensors[op.inputs[1]].data
    assert data is not None  # a rule saw to it
    return draft.integers(np.unique(data.reshape(-1) % max(1, len(draft.graph.tensors[op.inputs[0]].shape))))


@rule
def same_types_of_data(op: Op, graph: Graph) -> bool:
    """its input and output must have one type"""
    return same_types(image_only(op), graph)


@lowers("MEAN", levels=floats(LEVEL_2), rules=(*REDUCED, same_types_of_data), scalars=True)
def mean(op: Op, draft: Draft) -> None:
    keep = draft.integer(int(op.options.get("keep_dims", False)))  # an INT32 here, a BOOL in all other reductions
    x, out = draft.tensor(op.inputs[0]), draft.tensor(op.outputs[0])
    if same_quantization(image_only(op), draft.graph):
        draft.write("MEAN", [x, axes(op, draft), keep], out)
        return
    # NNAPI keeps scale and zero point; from one to another leads a way through floats.
    shapes = [draft.graph.tensors[t].shape for t in (op.inputs[0], op.outputs[0])]
    real, reduced = (draft.add(Operand(TYPES["float32"], shape)) for shape in shapes)
    draft.write("DEQUANTIZE", [x], real)
    draft.write("MEAN", [real, axes(op, draft), keep], reduced)
    draft.write("QUANTIZE", [reduced], out)


def reduce(op: Op, draft: Draft) -> None:
    keep = draft.boolean(op.options.get("keep_dims", False))
    inputs = [draft.tensor(op.inputs[0]), axes(op, draft), keep]
    draft.write(REDUCTIONS[op.kind][0], inputs, draft.tensor(op.outputs[0]))


for _kind, (_, _levels) in REDUCTIONS.items():
    lowers(_kind, levels=_levels, rules=(*REDUCED, same_quantization_of_images), scalars=True)(reduce)


@rule
def int32_positions(op: Op, graph: Graph) -> bool:
    """its positions must be int32"""
    return graph.tensors[op.outputs[-1]].dtype == "int32"


@lowers(
    "ARG_MAX",
    "ARG_MIN",
    levels={**floats(LEVEL_3), "int32": LEVEL_3},
    rules=(constant_axes, int32_positions),
    scalars=True,
)
def arg(op: Op, draft: Draft) -> None:
    data = draft.graph.tensors[op.inputs[1]].data
    assert data is not None  # a rule saw to it
    axis = draft.integer(int(data.reshape(-1)[0]))
    draft.write(op.kind.replace("_", ""), [draft.tensor(op.inputs[0]), axis], draft.tensor(op.outputs[0]))


@rule
def constant_count(op: Op, graph: Graph) -> bool:
    """the number that it picks must be a constant"""
    return graph.tensors[op.inputs[1]].is_constant


@rule
def values_as_they_are(op: Op, graph: Graph) -> bool:
    """the values that it picks must have the type of its input, and its scale and zero point where quantized"""
    return same_quantization_of_images(Op(op.kind, op.inputs[:1], op.outputs[:1]), graph)


@lowers(
    "TOPK_V2",
    levels={**floats(LEVEL_3), "int32": LEVEL_3},
    rules=(constant_count, int32_positions, values_as_they_are),
)
def topk(op: Op, draft: Draft) -> None:
    data = draft.graph.tensors[op.inputs[1]].data
    assert data is not None  # a rule saw to it
    inputs = [draft.tensor(op.inputs[0]), draft.integer(int(data.reshape(-1)[0]))]
    draft.write("TOPK_V2", inputs, [draft.tensor(t) for t in op.outputs])


@rule
def same_batches(op: Op, graph: Graph) -> bool:
    """its inputs must have the same leading dimensions: NNAPI does not broadcast here"""
    a, b = (graph.tensors[t].shape for t in op.inputs)
    return len(a) == len(b) and a[:-2] == b[:-2]


@lowers("BATCH_MATMUL", levels={"float32": LEVEL_6, "int8": LEVEL_6}, rules=(same_types, same_batches))
def batch_matmul(op: Op, draft: Draft) -> None:
    o = op.options
    inputs = [
        *(draft.tensor(t) for t in op.inputs),
        *(draft.boolean(o.get(side, False)) for side in ("adj_x", "adj_y")),
    ]
    draft.write("BATCH_MATMUL", inputs, draft.tensor(op.outputs[0]))
