"""FULLY_CONNECTED: with few rows a sum that a group of items shares, with many a convolution without a window."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from subgraft.backends.opencl.activations import clamping_activation
from subgraft.backends.opencl.launch import Argument, In, Int, Launch, Table, Work
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.ops import convolve, loops, products
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
from subgraft.backends.opencl.ops.products import Product
from subgraft.backends.opencl.windows import Window
from subgraft.delegates import Array, Graph, Op, rule

FEW_ROWS = 4  # up to here an item for each sum leaves most of a GPU idle
LANES, FEWEST_LANES = 64, 32  # items of a group; devices with smaller groups run half as many
UNITS = 4  # sums of a group, which share its activations
SHORT_ROW = 128  # elements that are no work for a group
POINT = Window(size=1, out=1, filter=1, stride=1, dilation=1, before=0)


@rule
def default_weights(op: Op, graph: Graph) -> bool:
    """its weights must be in the format DEFAULT"""
    return bool(op.options.get("weights_format", "DEFAULT") == "DEFAULT")


@rule
def fitting_shapes(op: Op, graph: Graph) -> bool:
    """its shapes must fit together: weights [units, depth] whose depth divides the input into rows, a bias of a number for each unit, and an output of a number for each row and unit"""  # noqa: E501
    data, weights, bias = (operand(op, graph, i) for i in range(3))
    if data is None or weights is None or not op.outputs:
        return True
    if len(weights.shape) != 2 or min(weights.shape) < 1 or math.prod(data.shape) % weights.shape[1]:
        return False
    units, depth = weights.shape
    if op.options.get("keep_num_dims") and data.shape[-1:] != (depth,):
        return False
    rows = math.prod(data.shape) // depth
    made = math.prod(graph.tensors[op.outputs[0]].shape)
    return made == rows * units and (bias is None or math.prod(bias.shape) == units)


RULES = (
    operand_count, matching_types, default_weights, constant_parameters, fitting_shapes, addressable, usable_scales,
    clamping_activation,
)  # fmt: skip


@lowers("FULLY_CONNECTED", rules=RULES)
def fully_connected(op: Op, build: Build) -> None:
    units, depth = build.tensor(op.inputs[1]).shape
    rows = build.value(op.inputs[0]).count // depth
    layer = read(op, build, rows)
    data = replace(layer.data, shape=(rows, 1, 1, depth))
    layer = replace(layer, data=data, weights=layer.weights.reshape(units, 1, 1, depth))
    product = Product(layer, build.value(op.outputs[0]), POINT, POINT)
    loop = loops.loop_for(layer.dtype, build.caps.loops)
    if build.caps.is_cpu or rows > FEW_ROWS or depth < SHORT_ROW or not _is_exact(product, loop):
        convolve.add(build, product)
    else:
        build.add(shared(product, loop))


def shared(product: Product, loop: Loop) -> Launch:
    """The launch whose groups share the work on a sum."""
    rows, depth, units = product.batches, product.depth, product.channels_out
    operands = products.operands(product, loop, lambda weights: _rows(weights, loop))
    groups = -(-units // UNITS)
    steps = -(-depth // loops.BYTES_A_WORD)
    sizes = {"depth": depth, "units": units, "steps": steps}
    macros = {"TN": 4, "UNITS": UNITS, "LANES": LANES, **product.layer.finish.macros(), **operands.macros}
    if depth % loops.BYTES_A_WORD == 0:
        macros["DEPTH4"] = ""
    arguments: tuple[Argument, ...] = (
        In("x", product.layer.data), *operands.arguments, *product.layer.finish.arguments,
        *(Int(name, size) for name, size in sizes.items()),
    )  # fmt: skip
    return Launch(
        f"{loop.texts} gemv",
        arguments,
        (groups * LANES, rows),
        (),
        macros,
        result=product.made,
        given=product.layer.finish.given,
        local=(LANES, 1),
        work=Work(product.macs),
    )


def _rows(weights: Array, loop: Loop) -> Table:
    """Each unit's weights one after the other, padded to fours."""
    flat = weights.reshape(weights.shape[0], -1)
    padded = np.ascontiguousarray(np.pad(flat, [(0, 0), (0, -flat.shape[1] % loops.BYTES_A_WORD)]))
    if loop.packed:
        return Table("weights", padded.astype(np.int8).view(np.dtype("<u4")))
    return Table("weights", padded if loop is loops.FLOATS else loops.narrowest(padded))


def _is_exact(product: Product, loop: Loop) -> bool:
    """Whether an item may add its share without moving its sums in between."""
    centered = (
        product.layer.weights.astype(np.int64) - product.layer.weights_zero
        if product.layer.dtype != "float32"
        else None
    )
    largest = 0 if centered is None else int(np.abs(centered).max())
    room = loops.flush_after(loop, product.layer.dtype, largest, wide=product.layer.finish.total == "long")
    return room is None or -(-product.depth // (loops.BYTES_A_WORD * FEWEST_LANES)) <= room
