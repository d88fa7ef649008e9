"""Drawn cases of the ops that move elements or convert them one by one."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_cases import Case, In, const, fed, out, x
from op_draws import ALL_TYPES, LIMITS, Draw, Recipe, copied, drawn

INDICES = ("int32", "int32", "int64")
CASTS = ("float32", "float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "bool")


def source(draw: Draw, shape: tuple[int, ...], types: tuple[str, ...] = ALL_TYPES) -> In:
    return x(*shape, **draw.quantized(draw.pick(types)))


def indices(draw: Draw, value: Any, types: tuple[str, ...] = INDICES) -> In:
    """Mostly constant; fed ones are known while running only."""
    return (fed if draw.chance(0.15) else const)(value, draw.pick(types))


def reshape(draw: Draw) -> Case:
    shape = draw.shape(empty=0.04)
    count = int(np.prod(shape))
    dims: list[int] = []
    rest = count
    while rest > 1 and len(dims) < 5:
        divisor = draw.pick([d for d in range(1, rest + 1) if rest % d == 0])
        dims.append(divisor)
        rest //= divisor
    dims = [*dims, rest] if rest != 1 else dims
    if dims and count and draw.chance(0.4):
        dims[draw.number(0, len(dims) - 1)] = -1
    given = source(draw, shape)
    if dims != [0] and draw.chance(0.4):
        return Case("RESHAPE", [given], [copied(given)], {"new_shape": dims})
    return Case("RESHAPE", [given, indices(draw, dims, ("int32",))], [copied(given)], {}, label=str(dims))


def squeeze(draw: Draw) -> Case:
    shape = list(draw.shape(1, 4))
    for _ in range(draw.number(1, 2)):
        shape.insert(draw.number(0, len(shape)), 1)
    ones = [i for i, d in enumerate(shape) if d == 1]
    chosen = [a - (len(shape) if draw.chance(0.3) else 0) for a in ones if draw.chance(0.6)]
    given = source(draw, tuple(shape))
    return Case("SQUEEZE", [given], [copied(given)], {"squeeze_dims": chosen})


def expand_dims(draw: Draw) -> Case:
    given = source(draw, draw.shape(0, 4, empty=0.05))
    axis = draw.number(-len(given.shape) - 1, len(given.shape))
    told = [axis] if draw.chance(0.5) else axis
    return Case("EXPAND_DIMS", [given, indices(draw, told)], [copied(given)], {}, label=str(told))


def shape_of(draw: Draw) -> Case:
    given, dtype = source(draw, draw.shape(1, 6, empty=0.1)), draw.pick(("int32", "int64"))
    return Case("SHAPE", [given], [out(dtype)], {"out_type": dtype.upper()})


def fill(draw: Draw) -> Case:
    dims, dtype = list(draw.shape(0, 5, empty=0.1)), draw.pick(("float32", "int32", "int64", "bool", "int8", "int16"))
    value = x(**draw.quantized(dtype))
    told = const(dims, draw.pick(INDICES)) if 0 in dims else indices(draw, dims)
    return Case("FILL", [told, value], [copied(value)], {}, label=str(dims))


def amounts(draw: Draw, rank: int, most: int = 3) -> list[list[int]]:
    return [[draw.number(0, most) if draw.chance(0.6) else 0 for _ in range(2)] for _ in range(rank)]


def pad(draw: Draw) -> Case:
    given = source(draw, draw.shape(1, 5, limit=500))
    pads = amounts(draw, len(given.shape))
    return Case("PAD", [given, indices(draw, pads)], [copied(given)], {}, label=str(pads))


def padv2(draw: Draw) -> Case:
    given = source(draw, draw.shape(1, 5, limit=500))
    pads = amounts(draw, len(given.shape))
    value = In(shape=(), dtype=given.dtype, scale=given.scale, zero=given.zero, constant=draw.chance(0.7))
    return Case("PADV2", [given, indices(draw, pads), value], [copied(given)], {}, label=str(pads))


def mirror_pad(draw: Draw) -> Case:
    mode = draw.pick(("REFLECT", "SYMMETRIC"))
    given = source(draw, draw.shape(1, 5, limit=500))
    less = mode == "REFLECT"
    pads = [[draw.number(0, min(3, d - less)) for _ in range(2)] for d in given.shape]
    return Case("MIRROR_PAD", [given, indices(draw, pads)], [copied(given)], {"mode": mode}, label=str(pads))


def concatenation(draw: Draw) -> Case:
    shape, count = draw.shape(1, 5, limit=500), draw.number(1, 5)
    axis = draw.axis(len(shape))
    given = draw.quantized(draw.pick(ALL_TYPES))
    inputs = []
    for _ in range(count):
        dims = list(shape)
        dims[axis] = draw.number(0 if draw.chance(0.1) else 1, 6)
        own = draw.quantized("uint8") if given["dtype"] == "uint8" else given
        inputs.append(draw.operand(dims, **own))
    result = draw.quantized("uint8") if given["dtype"] == "uint8" else given
    return Case("CONCATENATION", inputs, [out(**result)], {"axis": axis, "fused_activation_function": "NONE"})


def pack(draw: Draw) -> Case:
    shape, count = draw.shape(0, 4, empty=0.05, limit=500), draw.number(1, 5)
    given = draw.quantized(draw.pick(ALL_TYPES[:-1]))
    axis = draw.number(-len(shape) - 1, len(shape))
    inputs = [draw.operand(shape, **given) for _ in range(count)]
    return Case("PACK", inputs, [out(**given)], {"values_count": count, "axis": axis})


def unpack(draw: Draw) -> Case:
    given = source(draw, draw.shape(1, 5), ("float32", "int8", "uint8", "int16", "int32", "bool"))
    axis = draw.axis(len(given.shape))
    count = given.shape[axis]
    return Case("UNPACK", [given], [copied(given) for _ in range(count)], {"num": count, "axis": axis})


def split(draw: Draw) -> Case:
    shape, count = list(draw.shape(1, 5, limit=400)), draw.number(1, 4)
    axis = draw.axis(len(shape))
    shape[axis] = count * draw.number(1, 4)
    given = source(draw, tuple(shape), ALL_TYPES[:-1])
    inputs = [indices(draw, axis, ("int32",)), given]
    return Case("SPLIT", inputs, [copied(given) for _ in range(count)], {"num_splits": count}, label=f"axis{axis}")


def split_v(draw: Draw) -> Case:
    shape, sizes = list(draw.shape(1, 5, limit=400)), [draw.number(1, 4) for _ in range(draw.number(1, 4))]
    axis = draw.axis(len(shape))
    shape[axis] = sum(sizes)
    told = list(sizes)
    if draw.chance(0.4):
        told[draw.number(0, len(told) - 1)] = -1
    given = source(draw, tuple(shape), ALL_TYPES[:-1])
    inputs = [given, indices(draw, told), indices(draw, axis, ("int32",))]
    options, label = {"num_splits": len(sizes)}, f"axis{axis}_{told}"
    return Case("SPLIT_V", inputs, [copied(given) for _ in sizes], options, label=label)


def cut(draw: Draw) -> Case:
    given = source(draw, draw.shape(1, 5))
    begin = [draw.number(0, d - 1) for d in given.shape]
    size = [draw.number(1, d - b) if draw.chance(0.7) else -1 for d, b in zip(given.shape, begin, strict=True)]
    index = draw.pick(("int32", "int64"))
    make = fed if draw.chance(0.15) else const
    inputs = [given, make(begin, index), make(size, index)]
    return Case("SLICE", inputs, [copied(given)], {}, label=f"{begin}_{size}")


def strided(draw: Draw) -> Case:
    given = source(draw, draw.shape(1, 5, empty=0.03))
    rank = draw.number(1, len(given.shape))
    begin, end, strides, shrink = [], [], [], 0
    for i in range(rank):
        size = given.shape[i]
        step = draw.pick((1, 1, 1, 2, 3, -1, -2))
        first, last = sorted((draw.number(-size - 1, size + 1), draw.number(-size - 1, size + 1)))
        if size and draw.chance(0.2):
            shrink |= 1 << i
            first, step = draw.number(-size, size - 1), 1
            last = first + 1
        begin.append(first if step > 0 else last)
        end.append(last if step > 0 else first)
        strides.append(step)
    options = {
        "begin_mask": draw.number(0, 2**rank - 1) & ~shrink,
        "end_mask": draw.number(0, 2**rank - 1) if draw.chance(0.5) else 0,
        "ellipsis_mask": 0,
        "new_axis_mask": 0,
        "shrink_axis_mask": shrink,
    }
    inputs = [given, *(const(v) for v in (begin, end, strides))]
    return Case("STRIDED_SLICE", inputs, [copied(given)], options, label=f"{begin}:{end}:{strides}")


def transpose(draw: Draw) -> Case:
    given = source(draw, draw.shape(1, 6))
    rank = len(given.shape)
    order = [int(i) - (rank if draw.chance(0.15) else 0) for i in draw.rng.permutation(rank)]
    return Case("TRANSPOSE", [given, indices(draw, order, ("int32",))], [copied(given)], {}, label=str(order))


def gather(draw: Draw) -> Case:
    given = source(draw, draw.shape(1, 4))
    axis = draw.axis(len(given.shape))
    places = x(*draw.shape(0, 2), dtype=draw.pick(INDICES), low=0, high=given.shape[axis] - 1)
    return Case("GATHER", [given, places], [copied(given)], {"axis": axis, "batch_dims": 0})


def gather_nd(draw: Draw) -> Case:
    given = source(draw, draw.shape(1, 4))
    depth = draw.number(1, len(given.shape))
    count = draw.shape(1, 2, limit=30)
    places = np.stack([draw.rng.integers(0, d, count) for d in given.shape[:depth]], -1)
    return Case("GATHER_ND", [given, fed(places, draw.pick(INDICES))], [copied(given)])


def tile(draw: Draw) -> Case:
    given = source(draw, draw.shape(1, 5, empty=0.05, limit=200))
    multiples = [draw.number(0 if draw.chance(0.1) else 1, 3) for _ in given.shape]
    return Case("TILE", [given, indices(draw, multiples)], [copied(given)], {}, label=str(multiples))


def broadcast_to(draw: Draw) -> Case:
    shape = draw.shape(1, 5)
    dims = tuple(1 if draw.chance(0.4) else d for d in shape[draw.number(0, len(shape) - 1) :])
    given = source(draw, dims)
    return Case("BROADCAST_TO", [given, indices(draw, shape)], [copied(given)], {}, 2, label=str(shape))


def reverse(draw: Draw) -> Case:
    given = source(draw, draw.shape(1, 5))
    rank = len(given.shape)
    first = draw.number(0, rank - 1)
    axes = list(range(first, draw.number(first, rank - 1) + 1))  # TFLite takes neighbours only
    axes = [a - (rank if draw.chance(0.3) else 0) for a in axes]
    return Case("REVERSE_V2", [given, const(axes)], [copied(given)], {}, label=str(axes))


MOVED = ("float32", "int8", "uint8", "int32", "int64")


def depths(kind: str) -> Recipe:
    def recipe(draw: Draw) -> Case:
        block = draw.number(1, 3)
        batch, height, width, depth = (draw.number(1, 4) for _ in range(4))
        to_depth = kind == "SPACE_TO_DEPTH"
        shape = (batch, height * block, width * block, depth) if to_depth else (batch, height, width, depth * block**2)
        given = source(draw, shape, MOVED)
        return Case(kind, [given], [copied(given)], {"block_size": block})

    return recipe


def to_batches(draw: Draw) -> Case:
    spatial = draw.number(1, 2)
    block = [draw.number(1, 3) for _ in range(spatial)]
    sizes, margins = [], []
    for b in block:
        before, after = draw.number(0, 2), draw.number(0, 2)
        size = b * draw.number(1, 3)
        while size - before - after < 1:
            size += b
        sizes.append(size - before - after)
        margins.append([before, after])
    given = source(draw, (draw.number(1, 3), *sizes, draw.number(1, 4)), MOVED)
    inputs = [given, indices(draw, block, ("int32",)), indices(draw, margins, ("int32",))]
    return Case("SPACE_TO_BATCH_ND", inputs, [copied(given)], {}, label=f"{block}_{margins}")


def to_space(draw: Draw) -> Case:
    spatial = draw.number(1, 2)
    block = [draw.number(1, 3) for _ in range(spatial)]
    sizes = [draw.number(1, 4) for _ in block]
    margins = [[draw.number(0, min(1, b * s - 1)), 0] for b, s in zip(block, sizes, strict=True)]
    given = source(draw, (int(np.prod(block)) * draw.number(1, 2), *sizes, draw.number(1, 4)), MOVED)
    inputs = [given, indices(draw, block, ("int32",)), indices(draw, margins, ("int32",))]
    return Case("BATCH_TO_SPACE_ND", inputs, [copied(given)], {}, label=f"{block}_{margins}")


def cast(draw: Draw) -> Case:
    given, target = draw.pick(CASTS), draw.pick(CASTS)
    unsigned = (
        {"low": 0, "high": 100} if target.startswith("u") or given.startswith("u") else {"low": -100, "high": 100}
    )
    more = {} if given == "bool" else unsigned
    return Case("CAST", [x(*draw.shape(empty=0.05), dtype=given, **more)], [out(target)], {}, label=target)


def quantize(draw: Draw) -> Case:
    given = draw.pick(("float32", "float32", *LIMITS))
    target = draw.pick([t for t in LIMITS if (given, t) != ("int16", "uint8")])
    if given == "float32" and draw.chance(0.3):
        shape = draw.shape(1, 4)
        axis = draw.number(0, len(shape) - 1)
        scales = [draw.scale() for _ in range(shape[axis])]
        result = out(target, scale=scales, zero=draw.zero(target), axis=axis)
        return Case("QUANTIZE", [x(*shape)], [result], label=f"axis{axis}")
    return Case("QUANTIZE", [x(*draw.shape(empty=0.05), **draw.quantized(given))], [out(**draw.quantized(target))])


def dequantize(draw: Draw) -> Case:
    dtype = draw.pick(("int8", "uint8", "int16", "float16"))
    if dtype in ("int8", "uint8") and draw.chance(0.4):
        shape = draw.shape(1, 4)
        axis = draw.number(0, len(shape) - 1)
        scales = [draw.scale() for _ in range(shape[axis])]
        given = draw.operand(shape, dtype=dtype, scale=scales, zero=draw.zero(dtype), axis=axis)
        return Case("DEQUANTIZE", [given], [out()], label=f"axis{axis}")
    return Case("DEQUANTIZE", [draw.operand(draw.shape(empty=0.05), **draw.quantized(dtype))], [out()])


RECIPES = {
    "BATCH_TO_SPACE_ND": to_space,
    "BROADCAST_TO": broadcast_to,
    "CAST": cast,
    "CONCATENATION": concatenation,
    "DEPTH_TO_SPACE": depths("DEPTH_TO_SPACE"),
    "DEQUANTIZE": dequantize,
    "EXPAND_DIMS": expand_dims,
    "FILL": fill,
    "GATHER": gather,
    "GATHER_ND": gather_nd,
    "MIRROR_PAD": mirror_pad,
    "PACK": pack,
    "PAD": pad,
    "PADV2": padv2,
    "QUANTIZE": quantize,
    "RESHAPE": reshape,
    "REVERSE_V2": reverse,
    "SHAPE": shape_of,
    "SLICE": cut,
    "SPACE_TO_BATCH_ND": to_batches,
    "SPACE_TO_DEPTH": depths("SPACE_TO_DEPTH"),
    "SPLIT": split,
    "SPLIT_V": split_v,
    "SQUEEZE": squeeze,
    "STRIDED_SLICE": strided,
    "TILE": tile,
    "TRANSPOSE": transpose,
    "UNPACK": unpack,
}

CASES = [case for kind, recipe in RECIPES.items() for case in drawn(kind, recipe)]
