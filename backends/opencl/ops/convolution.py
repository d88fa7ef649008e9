"""CONV_2D."""

from __future__ import annotations

import math

from subgraft.backends.opencl.activations import clamping_activation
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.ops import convolve
from subgraft.backends.opencl.ops.layer import read
from subgraft.backends.opencl.ops.operands import (
    addressable,
    constant_parameters,
    matching_types,
    operand,
    operand_count,
    usable_scales,
)
from subgraft.backends.opencl.ops.products import Product
from subgraft.backends.opencl.windows import Window, window
from subgraft.delegates import Graph, Op, rule


@rule
def fitting_shapes(op: Op, graph: Graph) -> bool:
    """its shapes must fit together: an image of rank 4, weights [channels out, y, x, depth] whose depth divides the channels in, a bias of a number for each channel, and the output that padding, strides and dilations give"""  # noqa: E501
    image, weights, bias = (operand(op, graph, i) for i in range(3))
    if image is None or weights is None or not op.outputs:
        return True
    if len(image.shape) != 4 or len(weights.shape) != 4 or min(*image.shape, *weights.shape) < 1:
        return False
    channels, depth = weights.shape[0], weights.shape[3]
    if image.shape[3] % depth or channels % (image.shape[3] // depth) or (bias and math.prod(bias.shape) != channels):
        return False
    if not has_usable_window(op):
        return False
    y, x = windows(op, graph)
    return graph.tensors[op.outputs[0]].shape == (image.shape[0], y.out, x.out, channels)


RULES = (
    operand_count, matching_types, constant_parameters, fitting_shapes, addressable, usable_scales,
    clamping_activation,
)  # fmt: skip


@lowers("CONV_2D", rules=RULES)
def convolution(op: Op, build: Build) -> None:
    y, x = windows(op, build.graph)
    layer = read(op, build, rows=build.tensor(op.inputs[0]).shape[0])
    convolve.add(build, Product(layer, build.value(op.outputs[0]), y, x))


def has_usable_window(op: Op) -> bool:
    """Whether its padding exists, and its strides and dilations are above 0."""
    o = op.options
    steps = (o.get("stride_h"), o.get("stride_w"), o.get("dilation_h_factor", 1), o.get("dilation_w_factor", 1))
    return o.get("padding") in ("SAME", "VALID") and all(isinstance(s, int) and s > 0 for s in steps)


def windows(op: Op, graph: Graph) -> tuple[Window, Window]:
    """Along y and x."""
    o = op.options
    image, weights = graph.tensors[op.inputs[0]].shape, graph.tensors[op.inputs[1]].shape
    return (
        window(o.padding, image[1], weights[1], o.stride_h, o.get("dilation_h_factor", 1)),
        window(o.padding, image[2], weights[2], o.stride_w, o.get("dilation_w_factor", 1)),
    )
