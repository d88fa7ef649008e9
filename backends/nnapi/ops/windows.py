"""Ops with a window that slides over an image: convolutions, pools, resizing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from subgraft.backends.nnapi import codes
from subgraft.backends.nnapi.codes import LEVEL_1, LEVEL_3, LEVEL_4
from subgraft.backends.nnapi.draft import Draft, Refused
from subgraft.backends.nnapi.lowering import floats, lowers
from subgraft.backends.nnapi.ops.elementwise import same_quantization, same_types
from subgraft.delegates import Array, Graph, Op, Rule, Tensor, rule
from subgraft.delegates.constants import is_constant

NHWC = False  # the BOOL scalar that says NCHW


def scales_of(tensor: Tensor) -> tuple[float, ...]:
    return tensor.quantization.scales if tensor.quantization is not None else ()


@rule
def known_filter(op: Op, graph: Graph) -> bool:
    """its weights must be constants where they have a scale for each channel"""
    return is_constant(op.inputs[1], graph) or len(scales_of(graph.tensors[op.inputs[1]])) <= 1


@rule
def known_bias(op: Op, graph: Graph) -> bool:
    """its bias must be a constant where it is quantized: NNAPI wants it in the scale of the sums"""
    b = op.inputs[2] if len(op.inputs) > 2 else -1
    return b < 0 or is_constant(b, graph) or graph.tensors[b].dtype == "float32"


@rule
def weights_of_a_kind(op: Op, graph: Graph) -> bool:
    """its weights must be of the type of its input: NNAPI has no hybrid of floats and integers"""
    return graph.tensors[op.inputs[1]].dtype == graph.tensors[op.inputs[0]].dtype


@rule
def int32_bias(op: Op, graph: Graph) -> bool:
    """its bias must be int32, or float32 where its input is"""
    if len(op.inputs) < 3 or op.inputs[2] < 0:
        return True
    is_real = graph.tensors[op.inputs[0]].dtype == "float32"
    return graph.tensors[op.inputs[2]].dtype == ("float32" if is_real else "int32")


CONVOLUTION = (known_filter, known_bias, weights_of_a_kind, int32_bias)


def bias_values(op: Op, draft: Draft, channels: int) -> Array:
    """The constant, or zeros where there is none."""
    data = draft.known(op.inputs[2]).data if len(op.inputs) > 2 and op.inputs[2] >= 0 else None
    if data is None:
        is_real = draft.graph.tensors[op.inputs[0]].dtype == "float32"
        return np.zeros(channels, np.float32 if is_real else np.int32)
    return data.reshape(-1)


def weights(op: Op, draft: Draft) -> int:
    tensor = draft.graph.tensors[op.inputs[1]]
    if len(scales_of(tensor)) > 1 and draft.level < LEVEL_3:
        raise Refused(f"weights with a scale for each channel need {codes.called(LEVEL_3)}")
    return draft.tensor(op.inputs[1])


def bias(op: Op, draft: Draft, channels: int) -> int:
    """With the scale that NNAPI demands: that of the sums, and none of its own where weights have one per channel."""
    graph = draft.graph
    if len(op.inputs) > 2 and op.inputs[2] >= 0 and not is_constant(op.inputs[2], graph):
        return draft.tensor(op.inputs[2])
    values = bias_values(op, draft, channels)
    x, w = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    if x.dtype == "float32":
        return draft.constant(values.astype(np.float32), draft.tensor(op.outputs[0]))
    product = [float(np.float32(scales_of(x)[0]) * np.float32(s)) for s in scales_of(w)]
    if draft.level < LEVEL_3 and product[0] >= scales_of(graph.tensors[op.outputs[0]])[0]:
        raise Refused("before feature level 3 the scale of the output must be above that of the sums")
    return draft.bias(values, product)


def window(op: Op, draft: Draft) -> list[int]:
    o = op.options
    return [draft.integer(v) for v in (codes.PADDINGS[o.padding], o.stride_w, o.stride_h)]


def fused(op: Op, draft: Draft) -> int:
    return draft.integer(codes.FUSED[op.options.get("fused_activation_function", "NONE")])


def dilation(op: Op, draft: Draft) -> list[int]:
    """NCHW and the two factors, where they are not 1."""
    factors = tuple(op.options.get(f"dilation_{side}_factor", 1) for side in "wh")
    if factors == (1, 1):
        return []
    if draft.level < LEVEL_3:
        raise Refused(f"dilation needs {codes.called(LEVEL_3)}")
    return [draft.boolean(NHWC), *(draft.integer(f) for f in factors)]


@lowers("CONV_2D", levels=floats(LEVEL_1), rules=CONVOLUTION)
def conv_2d(op: Op, draft: Draft) -> None:
    x, w = (draft.graph.tensors[t] for t in op.inputs[:2])
    groups = x.shape[3] // w.shape[3]
    ends = [draft.tensor(op.inputs[0]), weights(op, draft), bias(op, draft, w.shape[0])]
    if groups == 1:
        inputs = [*ends, *window(op, draft), fused(op, draft), *dilation(op, draft)]
        draft.write("CONV_2D", inputs, draft.tensor(op.outputs[0]))
        return
    if dilation(op, draft):
        raise Refused("NNAPI has no convolution that is grouped and dilated")
    inputs = [*ends, *window(op, draft), draft.integer(groups), fused(op, draft), draft.boolean(NHWC)]
    draft.write("GROUPED_CONV_2D", inputs, draft.tensor(op.outputs[0]))


@lowers("DEPTHWISE_CONV_2D", levels=floats(LEVEL_1), rules=CONVOLUTION)
def depthwise_conv_2d(op: Op, draft: Draft) -> None:
    x, w = (draft.graph.tensors[t] for t in op.inputs[:2])
    multiplier = draft.integer(w.shape[3] // x.shape[3])
    ends = [draft.tensor(op.inputs[0]), weights(op, draft), bias(op, draft, w.shape[3])]
    inputs = [*ends, *window(op, draft), multiplier, fused(op, draft), *dilation(op, draft)]
    draft.write("DEPTHWISE_CONV_2D", inputs, draft.tensor(op.outputs[0]))


@rule
def constant_output_shape(op: Op, graph: Graph) -> bool:
    """its output's shape must be a constant"""
    return graph.tensors[op.inputs[0]].is_constant


def turned(op: Op) -> Op:
    """Its inputs as a convolution has them: data, weights, bias."""
    return Op(op.kind, (op.inputs[2], op.inputs[1], *op.inputs[3:]), op.outputs, op.options)


def as_of_a_convolution(check: Rule) -> Rule:
    def turned_first(op: Op, graph: Graph) -> bool:
        return check(turned(op), graph)

    turned_first.__doc__ = check.__doc__
    return rule(turned_first)


@lowers(
    "TRANSPOSE_CONV",
    levels=floats(LEVEL_3),
    rules=(constant_output_shape, *(as_of_a_convolution(check) for check in CONVOLUTION)),
    data=2,
)
def transpose_conv(op: Op, draft: Draft) -> None:
    channels = draft.graph.tensors[op.inputs[1]].shape[0]
    ends = [draft.tensor(op.inputs[2]), weights(turned(op), draft), bias(turned(op), draft, channels)]
    shape = draft.integers(draft.graph.tensors[op.outputs[0]].shape)
    activation = draft.integer(codes.FUSED[op.options.get("fused_activation_function", "NONE")])
    inputs = [*ends, shape, *window(op, draft), activation, draft.boolean(NHWC)]
    draft.write("TRANSPOSE_CONV_2D", inputs, draft.tensor(op.outputs[0]))


POOLS = {"AVERAGE_POOL_2D": floats(LEVEL_1), "MAX_POOL_2D": floats(LEVEL_1), "L2_POOL_2D": {"float32": LEVEL_1}}


def pool(op: Op, draft: Draft) -> None:
    o = op.options
    size = [draft.integer(o.filter_width), draft.integer(o.filter_height)]
    inputs = [draft.tensor(op.inputs[0]), *window(op, draft), *size, fused(op, draft)]
    draft.write(op.kind, inputs, draft.tensor(op.outputs[0]))


for _kind, _levels in POOLS.items():
    lowers(_kind, levels=_levels, rules=(same_types, same_quantization))(pool)


@rule
def same_quantization_of_images(op: Op, graph: Graph) -> bool:
    """its input and output must have one type, and one scale and zero point where they are quantized"""
    return same_types(image_only(op), graph) and same_quantization(image_only(op), graph)


def image_only(op: Op) -> Op:
    """Without the operands that say how large."""
    return Op(op.kind, op.inputs[:1], op.outputs, op.options)


def resized(op: Op, draft: Draft, needs_layout: bool) -> Sequence[int]:
    o = op.options
    _, height, width, _ = draft.graph.tensors[op.outputs[0]].shape
    inputs = [draft.tensor(op.inputs[0]), draft.integer(width), draft.integer(height)]
    align, center = o.get("align_corners", False), o.get("half_pixel_centers", False)
    if align or center:
        if draft.level < LEVEL_4:
            raise Refused(f"align_corners and half_pixel_centers need {codes.called(LEVEL_4)}")
        return [*inputs, draft.boolean(NHWC), draft.boolean(align), draft.boolean(center)]
    return [*inputs, draft.boolean(NHWC)] if needs_layout else inputs


@lowers("RESIZE_BILINEAR", levels=floats(LEVEL_1, LEVEL_3), rules=(same_quantization_of_images,))
def resize_bilinear(op: Op, draft: Draft) -> None:
    _, height, width, _ = draft.graph.tensors[op.outputs[0]].shape
    if draft.level < LEVEL_3 and height != width:
        raise Refused(f"an output that is no square needs {codes.called(LEVEL_3)}")
    draft.write("RESIZE_BILINEAR", resized(op, draft, False), draft.tensor(op.outputs[0]))


@lowers("RESIZE_NEAREST_NEIGHBOR", levels=floats(LEVEL_3), rules=(same_quantization_of_images,))
def resize_nearest(op: Op, draft: Draft) -> None:
    draft.write("RESIZE_NEAREST_NEIGHBOR", resized(op, draft, True), draft.tensor(op.outputs[0]))
