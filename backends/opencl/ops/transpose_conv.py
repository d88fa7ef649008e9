"""TRANSPOSE_CONV, as one ordinary convolution for each phase of its strides."""

from __future__ import annotations

import math

from subgraft.backends.opencl.activations import clamping_activation
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.ops import convolve
from subgraft.backends.opencl.ops.convolution import has_usable_window
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
from subgraft.delegates.constants import is_constant

MOST_PHASES = 64 * 64  # each adds a bias for every channel


@rule
def constant_shape(op: Op, graph: Graph) -> bool:
    """the shape of its output must be a constant"""
    return bool(op.inputs) and op.inputs[0] >= 0 and is_constant(op.inputs[0], graph)


@rule
def few_phases(op: Op, graph: Graph) -> bool:
    """its strides must multiply to at most 4,096: each phase of them is a convolution of its own"""
    return not has_usable_window(op) or op.options.stride_h * op.options.stride_w <= MOST_PHASES


@rule
def fitting_shapes(op: Op, graph: Graph) -> bool:
    """its shapes must fit together: an image of rank 4, weights [channels out, y, x, channels in], a bias of a number for each channel, and an output from which a convolution with its padding and strides would make the image"""  # noqa: E501
    weights, image, bias = (operand(op, graph, i) for i in (1, 2, 3))
    if image is None or weights is None or not op.outputs:
        return True
    made = graph.tensors[op.outputs[0]].shape
    if any(len(shape) != 4 or min(shape) < 1 for shape in (image.shape, weights.shape, made)):
        return False
    if image.shape[3] != weights.shape[3] or (bias and math.prod(bias.shape) != weights.shape[0]):
        return False
    if not has_usable_window(op):
        return False
    y, x = _windows(op, graph)
    outer = (made[0], y.out, x.out, made[3])
    return outer == (image.shape[0], image.shape[1], image.shape[2], weights.shape[0])


RULES = (
    operand_count, matching_types, constant_shape, constant_parameters, few_phases, fitting_shapes, addressable,
    usable_scales, clamping_activation,
)  # fmt: skip


@lowers("TRANSPOSE_CONV", rules=RULES)
def transpose_conv(op: Op, build: Build) -> None:
    y, x = _windows(op, build.graph)
    convolve.add(build, Product(read(op, build, rows=1), build.value(op.outputs[0]), y, x, is_transposed=True))


def _windows(op: Op, graph: Graph) -> tuple[Window, Window]:
    """Along y and x, of the convolution from this op's output to its input."""
    made, weights = graph.tensors[op.outputs[0]].shape, graph.tensors[op.inputs[1]].shape
    return (
        window(op.options.padding, made[1], weights[1], op.options.stride_h),
        window(op.options.padding, made[2], weights[2], op.options.stride_w),
    )
