"""STABLEHLO_PAD and STABLEHLO_REDUCE_WINDOW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from op_bodies import combining
from op_cases import Array, Case, In, const, fed, out, x
from op_draws import Draw, drawn

MOVED = ("float32", "float16", "float64", "int8", "uint8", "int16", "int32", "int64", "bool")
REDUCED = ("float32", "float64", "int8", "uint8", "int16", "int32", "int64")
BODIES = ("ADD", "MUL", "MINIMUM", "MAXIMUM")
HLO_BODIES = tuple(f"STABLEHLO_{name}" for name in ("ADD", "MULTIPLY", "MINIMUM", "MAXIMUM"))
TRUTHS = ("STABLEHLO_AND", "LOGICAL_AND", "LOGICAL_OR")
BUILTIN = "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
RANK_MOST = 5  # of windows in TFLite


def padded(values: Array, padding: Any, low: Sequence[int], high: Sequence[int], inner: Sequence[int]) -> Array:
    """What StableHLO says of pad."""
    for axis, (front, back, hole) in enumerate(zip(low, high, inner, strict=True)):
        size = values.shape[axis]
        spread = np.full([*values.shape[:axis], max(0, size + (size - 1) * hole), *values.shape[axis + 1 :]], padding)
        index = [slice(None)] * values.ndim
        index[axis] = slice(None, None, hole + 1)
        spread[tuple(index)] = values
        edges = [(0, 0)] * values.ndim
        edges[axis] = (max(front, 0), max(back, 0))
        spread = np.pad(spread, edges, constant_values=padding)
        index[axis] = slice(max(-front, 0), spread.shape[axis] - max(-back, 0))
        values = spread[tuple(index)]
    return values.astype(values.dtype)


def pad(source: In, value: In, low: Any, high: Any, inner: Any, **more: Any) -> Case:
    options = {"edge_padding_low": tuple(low), "edge_padding_high": tuple(high), "interior_padding": tuple(inner)}
    shape = more.pop("shape", source.shape)
    return Case("STABLEHLO_PAD", [source, value], [out(source.dtype, shape=shape)], options, **more)


def by_definition(low: Any, high: Any, inner: Any) -> Any:
    return lambda arrays: [padded(arrays[0], arrays[1].reshape(()), low, high, inner).astype(arrays[0].dtype)]


def any_pad(draw: Draw) -> Case:
    shape = draw.shape(1, 5, empty=0.05, limit=300)
    inner = [draw.pick((0, 0, 1, 3)) for _ in shape]
    low, high, more = [], [], {}
    for size, hole in zip(shape, inner, strict=True):
        whole = size + max(size - 1, 0) * hole
        low.append(draw.number(-min(whole - 1, 4), 3) if whole > 1 else draw.number(0, 2))
        high.append(draw.number(-(whole + low[-1] - 1), 3) if whole + low[-1] > 1 else draw.number(1, 3))
    dtype = draw.pick(MOVED)
    if 0 in shape:
        more = {}
    return pad(x(*shape, dtype=dtype), draw.operand((), dtype=dtype), low, high, inner, **more)


def pads() -> list[Case]:
    two = x(2, 3)
    nothing = {"why": "TFLite makes all dimensions 0 where one is"}
    return [
        *drawn("STABLEHLO_PAD", any_pad, extra=60),
        pad(x(3), fed(7.0), [0], [0], [0], label="same"),
        pad(x(3), fed([7.0]), [1], [2], [0], label="paddingofrank1"),
        pad(x(5), fed(7.0), [-4], [6], [2], label="croptoahole"),
        pad(x(5), fed(7.0), [-20], [30], [2], label="allcut"),
        pad(x(2, 2, dtype="complex64"), x(dtype="complex64"), [1, 0], [0, 1], [1, 1]),
        pad(x(1), fed(7.0), [1], [1], [2**31 - 2], label="noroomneeded"),
        pad(x(40, 30, 30), fed(7.0), [1, 2, 3], [3, 2, 1], [0, 1, 0], label="threads"),
        pad(two, fed(7.0), [0, -1], [0, -2], [0, 0], expected=by_definition([0, -1], [0, -2], [0, 0]), **nothing),
        pad(x(0, 3), fed(7.0), [0, 0], [0, 0], [2, 0], expected=by_definition([0, 0], [0, 0], [2, 0]), **nothing),
        pad(two, fed(7.0), [0, -2], [0, -2], [0, 0], error="padding of -2 and -2 around .* of 3 makes it -1"),
        pad(two, fed(7.0), [0], [0], [0], error="1 interior_padding instead of 2"),
        pad(two, fed(7.0), [0, 0, 0], [0, 0], [0, 0], error="3 edge_padding_low instead of 2"),
        pad(two, fed(7.0), [0, 0], [0], [0, 0], error="1 edge_padding_high instead of 2"),
        pad(two, fed(7.0), [0, 0], [0, 0], [0, -1], error="padding of -1 between elements"),
        pad(two, fed(7.0), [0, 2**62], [0, 2**62], [0, 0], error="padding of 4611686018427387904"),
        pad(two, fed(7.0), [0, 0], [0, 0], [0, 2**63 - 1], error="padding of"),
        pad(two, fed(7.0), [0, -(2**63)], [0, 0], [0, 0], error="padding of -9223372036854775808"),
        pad(two, fed(7.0), [2**31 - 1, 0], [1, 0], [0, 0], error="makes it 2147483650"),
        pad(two, fed(7.0), [2**31 - 3, 2**31 - 4], [0, 0], [0, 0], error="too many elements|memory limit"),
        pad(two, fed(7, "int32"), [0, 0], [0, 0], [0, 0], error="the padding is int32.., not one float32"),
        pad(two, x(2), [0, 0], [0, 0], [0, 0], error="the padding is float32.2."),
        Case("STABLEHLO_PAD", [two, fed(1.0)], [out("int32")], error="output is int32"),
        Case("STABLEHLO_PAD", [two], [out()], error="has 1 inputs"),
    ]


def window(body: str, source: In, initial: In, sizes: Any, padding: Any = (), **more: Any) -> Case:
    """Lists that are left out are all ones."""
    lists = ("window_strides", "base_dilations", "window_dilations")
    options = {"window_dimensions": tuple(sizes), "padding": tuple(np.ravel(padding).tolist())}
    options |= {name: tuple(more.pop(name)) for name in lists if name in more}
    options["body_subgraph_index"] = more.pop("index", 1)
    bodies = more.pop("bodies", [combining(body, source.dtype)])
    produced = [out(source.dtype, shape=(1,) * len(source.shape))]
    return Case("STABLEHLO_REDUCE_WINDOW", [source, initial], produced, options, bodies=bodies, **more)


def any_window(draw: Draw) -> Case:
    dtype = draw.pick((*REDUCED, "bool"))
    body = draw.pick(TRUTHS if dtype == "bool" else (*BODIES, *HLO_BODIES, *TRUTHS))
    shape = draw.shape(1, RANK_MOST, limit=200)
    sizes, strides, holes, spread, padding = [], [], [], [], []
    for size in shape:
        spread.append(draw.pick((1, 1, 2, 3)))
        whole = (size - 1) * spread[-1] + 1
        low = draw.number(-min(2, whole - 1), 2)
        high = draw.number(-min(2, whole + low - 1), 2)
        padding.append((low, high))
        sizes.append(draw.number(1, min(3, whole + low + high)))
        room = (whole + low + high - 1) // max(1, sizes[-1] - 1)
        holes.append(draw.number(1, max(1, min(3, room))))
        strides.append(draw.number(1, 3))
    source = x(*shape, dtype=dtype) if dtype == "bool" else x(*shape, dtype=dtype, low=0, high=3)
    lists = {"window_strides": strides, "window_dilations": holes, "base_dilations": spread}
    more = {"resolver": BUILTIN, "why": "BUILTIN_REF has no STABLEHLO_AND"} if body == "STABLEHLO_AND" else {}
    return window(body, source, draw.operand((), dtype=dtype), sizes, padding, label=body, **lists, **more)


def truths(function: Any) -> Any:
    def expected(arrays: list[Array]) -> list[Array]:
        return [function(np.lib.stride_tricks.sliding_window_view(arrays[0], 2), axis=-1)]

    return expected


def windows() -> list[Case]:
    add, zero = "STABLEHLO_ADD", const(0.0, "float32")
    cases = [*drawn("STABLEHLO_REDUCE_WINDOW", any_window, extra=80)]
    cases += [window(add, x(1, 30, 40, 3), zero, [1, 5, 4, 1], [0, 0, 1, 2, 0, 3, 0, 0], label="threads")]
    cases += [window(add, x(40, dtype="int8", low=-128, high=127), fed(3, "int8"), [4], label="wraps")]
    special = fed([float("nan"), 1, float("inf"), -float("inf"), 0.0, -0.0])
    cases += [window(body, special, const(1.0, "float32"), [2], label=f"{body}special") for body in HLO_BODIES]
    counted = "TFLite counts bools as numbers and hands out sums of them"
    for body, meant in (("STABLEHLO_ADD", np.any), ("STABLEHLO_MULTIPLY", np.all), ("STABLEHLO_OR", np.any)):
        known = {"expected": truths(meant), "why": "LiteRT has no STABLEHLO_OR" if body[-2:] == "OR" else counted}
        given = fed([True, True, False, False, True], "bool")
        cases.append(window(body, given, const(meant is np.all, "bool"), [2], label=body, **known))
    cases += [
        window(add, x(3, 2), zero, [4, 1], label="empty"),
        window(add, x(0), fed(2.0), [2], [1, 1], label="ofpadding"),
        window(add, x(3), zero, [0], error="a window of 0"),
        window(add, x(3), zero, [], error="a window of 0|0 window_dimensions"),
        window(add, x(3), zero, [1, 1], error="2 window_dimensions instead of 1"),
        window(add, x(3), zero, [1], [1], error="1 padding instead of 2"),
        window(add, x(3), zero, [1], window_strides=[0], error="in steps of 0"),
        window(add, x(3), zero, [1], window_strides=[1, 1], error="2 window_strides instead of 1"),
        window(add, x(3), zero, [1], window_dilations=[-1], error="with a dilation of -1"),
        window(add, x(3), zero, [1], base_dilations=[0], error="padding of -1 between elements"),
        window(add, x(3), zero, [2**62], window_strides=[2**62], window_dilations=[2**62], error="a window of 461"),
        window(add, x(3), zero, [1], [2**40, 0], error="padding of 1099511627776"),
        window(add, x(3), zero, [1], [-2, -2], error="makes it -1"),
        window(add, x(), zero, [], error="input is a scalar"),
        window(add, x(3), const(0), [1], error="the initial value is int32"),
        window(add, x(3), x(2), [1], error="the initial value is float32.2."),
        window(add, x(3, dtype="float16"), x(dtype="float16"), [1], error="STABLEHLO_REDUCE_WINDOW of float16"),
        window(add, x(3), zero, [1], index=2, error="the body is subgraph 2, and there are 2"),
        window(add, x(3), zero, [1], index=-1, error="the body is subgraph -1"),
        window("", x(3), zero, [1], error="a body that returns its second input"),
        window("SUB", x(3), zero, [1], error="a body of SUB"),
        Case("STABLEHLO_REDUCE_WINDOW", [x(3)], [out()], error="has 1 inputs"),
        Case("STABLEHLO_REDUCE_WINDOW", [x(3), zero], [out()], error="the body is subgraph 0|has 1 inputs"),
    ]  # fmt: skip
    relu = combining("ADD", "float32", {"fused_activation_function": "RELU"})
    return [*cases, window(add, x(3), zero, [1], bodies=[relu], error="is a ADD with an activation")]


CASES = [*pads(), *windows()]
