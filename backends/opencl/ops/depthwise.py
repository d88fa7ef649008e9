"""DEPTHWISE_CONV_2D."""

from __future__ import annotations

import math

import numpy as np

from subgraft.backends.opencl.activations import clamping_activation
from subgraft.backends.opencl.launch import Argument, In, Int, Launch, Table, Value, Work
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.ops import loops
from subgraft.backends.opencl.ops.convolution import has_usable_window, windows
from subgraft.backends.opencl.ops.layer import read
from subgraft.backends.opencl.ops.loops import Loop
from subgraft.backends.opencl.ops.operands import (
    addressable,
    constant_parameters,
    matching_types,
    operand,
    operand_count,
    usable_scales,
)
from subgraft.backends.opencl.ops.tiles import Tile, strip
from subgraft.delegates import Array, Graph, Op, rule

INT16_TAPS = loops.LARGEST_INT // (loops.LARGEST["int16"] * loops.LARGEST["int8"])
LARGEST_DIFFERENCE = 255  # of a byte and its zero point


@rule
def fitting_shapes(op: Op, graph: Graph) -> bool:
    """its shapes must fit together: an image of rank 4, weights [1, y, x, channels out] that are a multiple of the channels in, a bias of a number for each channel, and the output that padding, strides and dilations give"""  # noqa: E501
    image, weights, bias = (operand(op, graph, i) for i in range(3))
    if image is None or weights is None or not op.outputs:
        return True
    if len(image.shape) != 4 or len(weights.shape) != 4 or min(*image.shape, *weights.shape) < 1:
        return False
    channels = weights.shape[3]
    if weights.shape[0] != 1 or channels % image.shape[3] or (bias and math.prod(bias.shape) != channels):
        return False
    if not has_usable_window(op):
        return False
    y, x = windows(op, graph)
    return graph.tensors[op.outputs[0]].shape == (image.shape[0], y.out, x.out, channels)


@rule
def exact_sums(op: Op, graph: Graph) -> bool:
    """with int16 its window must have at most 511 elements, whose sum stays within 32 bits"""
    image, weights = operand(op, graph, 0), operand(op, graph, 1)
    if image is None or weights is None or image.dtype != "int16":
        return True
    return math.prod(weights.shape[1:3]) <= INT16_TAPS


RULES = (
    operand_count, matching_types, constant_parameters, fitting_shapes, exact_sums, addressable, usable_scales,
    clamping_activation,
)  # fmt: skip


@lowers("DEPTHWISE_CONV_2D", rules=RULES)
def depthwise(op: Op, build: Build) -> None:
    layer = read(op, build, rows=build.tensor(op.inputs[0]).shape[0])
    data, made, finish = layer.data, build.value(op.outputs[0]), layer.finish
    y, x = windows(op, build.graph)
    weights = layer.weights[0] if layer.dtype == "float32" else layer.weights[0].astype(np.int64) - layer.weights_zero
    loop = _loop(layer.dtype, weights, build.caps.loops)
    chosen = strip(x.out, data.shape[0] * y.out, made.shape[3], build.caps)
    spare = -made.shape[3] % chosen.channels
    table = np.pad(weights, [(0, 0), (0, 0), (0, spare)])
    strips = -(-x.out // chosen.pixels)
    sizes = {
        "strips": data.shape[0] * y.out * strips, "strips_of_row": strips, "in_y": y.size, "in_x": x.size,
        "out_y": y.out, "out_x": x.out, "channels_in": data.shape[3], "channels_out": made.shape[3],
        "padded": table.shape[2], "multiplier_of_channels": made.shape[3] // data.shape[3], "kernel_y": y.filter,
        "kernel_x": x.filter, "stride_y": y.stride, "stride_x": x.stride, "dilation_y": y.dilation,
        "dilation_x": x.dilation, "before_y": y.before, "before_x": x.before,
    }  # fmt: skip
    arguments: tuple[Argument, ...] = (
        In("x", data),
        Table("weights", table.astype(np.float32) if loop is loops.FLOATS else loops.narrowest(table)),
        *finish.biases(layer.bias),
        *finish.arguments,
        *(Int(name, size) for name, size in sizes.items()),
    )
    if loop is not loops.FLOATS:
        arguments = (*arguments, Int("zero_in", layer.data_zero))
    items = (-(-made.shape[3] // chosen.channels), sizes["strips"])
    macros = {**finish.macros(), **_structure(data, made, loop, chosen, is_cpu=build.caps.is_cpu)}
    work = Work(made.count * y.filter * x.filter)
    template = f"{loop.texts} depthwise"
    build.add(
        Launch(template, arguments, items, (), macros, result=made, given=finish.given, local=chosen.local, work=work)
    )


def _loop(dtype: str, weights: Array, allowed: tuple[str, ...]) -> Loop:
    """Windows are so small that single precision sums them exactly, unless they are huge."""
    if dtype == "float32":
        return loops.FLOATS
    largest = math.prod(weights.shape[:2]) * int(np.abs(weights).max()) * LARGEST_DIFFERENCE
    fast = next((name for name in allowed if name in ("f32", "int")), "int")
    return loops.SINGLE if fast == "f32" and dtype != "int16" and largest <= loops.EXACT_FLOATS else loops.WHOLE


def _structure(data: Value, made: Value, loop: Loop, tile: Tile, *, is_cpu: bool) -> dict[str, str | int]:
    macros: dict[str, str | int] = {"TM": tile.pixels, "TN": tile.channels}
    macros["ZERO"] = 0 if loop is loops.FLOATS else "zero_in"
    if data.shape[3] == made.shape[3] and made.shape[3] % tile.channels == 0:
        macros["SINGLE"] = ""
    if is_cpu:
        macros["ROLLED"] = ""
    return macros
