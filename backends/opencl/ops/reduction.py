"""MEAN, SUM, REDUCE_MAX, REDUCE_MIN, REDUCE_ANY, REDUCE_ALL, ARG_MAX and ARG_MIN."""

from __future__ import annotations

import math

import numpy as np

from subgraft.backends.opencl.activations import scale_of, zero_point_of
from subgraft.backends.opencl.fixed_point import quantize_multiplier
from subgraft.backends.opencl.launch import Argument, In, Int, Launch, Real, Step, Work
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.ops.movement import kind_of
from subgraft.backends.opencl.strides import Strided, strides_of
from subgraft.delegates import Graph, Op, Tensor, rule

KINDS = {
    "MEAN": "SUM", "SUM": "SUM", "REDUCE_MAX": "MAXIMUM", "REDUCE_MIN": "MINIMUM", "REDUCE_ANY": "ANY",
    "REDUCE_ALL": "ALL",
}  # fmt: skip
NUMBERS = {"SUM": 0, "MAXIMUM": 1, "MINIMUM": 2, "ANY": 3, "ALL": 4}
TYPES = {
    "SUM": ("float32", "int8", "uint8", "int16"),
    "MAXIMUM": ("float32", "int8", "uint8", "int16", "int32"),
    "MINIMUM": ("float32", "int8", "uint8", "int16", "int32"),
    "ANY": ("bool",),
    "ALL": ("bool",),
}
MOST_AXES = 4  # that the kernel has parameters for
GROUP = 64
FEW_OUTPUTS = 4096  # below this the device is not full of them: a group shares an output, where it has enough to add
ENOUGH_INPUTS = 256
BITS = 32


@rule
def reduced_types(op: Op, graph: Graph) -> bool:
    """MEAN and SUM take float32, int8, uint8 and int16, REDUCE_MAX and _MIN also int32, REDUCE_ANY and _ALL bool"""
    types = {graph.tensors[t].dtype for t in (op.inputs[0], op.outputs[0])}
    return len(types) == 1 and types <= set(TYPES[KINDS[op.kind]])


@rule
def constant_axes(op: Op, graph: Graph) -> bool:
    """its axes must be constants"""
    return graph.tensors[op.inputs[1]].data is not None


@rule
def scaled(op: Op, graph: Graph) -> bool:
    """its tensors, where they are quantized, must have scales above 0, and REDUCE_MAX and _MIN the same ones"""
    tensors = [graph.tensors[t] for t in (op.inputs[0], op.outputs[0])]
    if tensors[0].dtype not in ("int8", "uint8", "int16"):
        return True
    if KINDS[op.kind] != "SUM":
        return len({(scale_of(t), zero_point_of(t)) for t in tensors}) == 1
    return all(math.isfinite(scale_of(t)) and scale_of(t) > 0 for t in tensors)


@rule
def few_groups_of_axes(op: Op, graph: Graph) -> bool:
    """the axes that stay and those that go must alternate at most 4 times"""
    axes = graph.tensors[op.inputs[1]].data
    shape = graph.tensors[op.inputs[0]].shape
    return axes is None or all(
        len(part.sizes) <= MOST_AXES for part in _parts(shape, {int(a) for a in axes.reshape(-1)})
    )


@lowers(*KINDS, rules=(reduced_types, constant_axes, scaled, few_groups_of_axes))
def reduce(op: Op, build: Build) -> None:
    given, result = build.value(op.inputs[0]), build.value(op.outputs[0])
    axes = {int(a) % max(len(given.shape), 1) for a in build.constant(op.inputs[1]).reshape(-1)}
    kept, reduced = _parts(given.shape, axes)
    inputs = math.prod(reduced.sizes)
    kind = KINDS[op.kind]
    step = None
    if kind == "SUM":
        step = _finish(op.kind == "MEAN", inputs, build.tensor(op.inputs[0]), build.tensor(op.outputs[0]))
    shared = result.count < FEW_OUTPUTS and inputs >= ENOUGH_INPUTS
    group = 1
    while shared and group < min(GROUP, build.caps.max_work_group):
        group *= 2
    arguments: list[Argument] = [In("x", given), Int("outputs", result.count), Int("inputs", inputs)]
    for name, part in (("kept", kept), ("reduced", reduced)):
        for n, (size, stride) in enumerate(zip(reversed(part.sizes), reversed(part.strides), strict=True)):
            arguments += [Int(f"{name}{n}", size), Int(f"{name}_stride{n}", stride)]
    element = kind_of(given)
    macros: dict[str, str | int] = {"KIND": kind, **NUMBERS, "GROUP": group, "ELEMENT": element}
    macros["FIRST"] = "LOAD(x, from)"
    if element == "float" and len(axes) < len(given.shape):  # as in TFLite infinities survive only where all axes go
        macros["FIRST"] = "-FLT_MAX" if kind == "MAXIMUM" else "FLT_MAX"
    build.add(
        Launch(
            "reduce",
            tuple(arguments),
            (group, result.count) if group > 1 else (result.count,),
            (),
            {**macros, "KEPT": len(kept.sizes), "REDUCED": len(reduced.sizes)},
            result,
            element,
            (step,) if step else (),
            (group, 1) if group > 1 else None,
            Work(given.count, given.bytes + result.bytes),
        )
    )


def _parts(shape: tuple[int, ...], axes: set[int]) -> tuple[Strided, Strided]:
    """The axes that stay, and those that go."""
    gone = {a % len(shape) for a in axes} if shape else set()
    strides = strides_of(shape)
    kept = [n for n in range(len(shape)) if n not in gone]
    parts = (Strided(tuple(shape[n] for n in some), tuple(strides[n] for n in some)) for some in (kept, sorted(gone)))
    first, second = (part.merged for part in parts)
    return first, second


def _finish(mean: bool, count: int, given: Tensor, made: Tensor) -> Step | None:
    """From the sum to the output."""
    if given.dtype == "float32":
        return Step("$w = $v / $count;", "float", (Real("count", float(count)),)) if mean else None
    value, shift = quantize_multiplier(scale_of(given) / scale_of(made))
    if mean:  # 1 / count becomes part of the multiplier; its shift is bounded as in TFLite's reference
        bits = min(count.bit_length() - 1, BITS, BITS - 1 + shift)
        value, shift = (value << bits) // count, shift - bits
    low, high = int(np.iinfo(made.dtype).min), int(np.iinfo(made.dtype).max)
    code = """
        const int scaled = rescale((int)((uint)$v - (uint)$offset), $multiplier, $shift);
        $w = clamp((int)((uint)scaled + (uint)$zero), $low, $high);
    """
    offset = _wrapped(zero_point_of(given) * count)
    numbers = {"offset": offset, "multiplier": value, "shift": shift, "zero": zero_point_of(made)}
    return Step(code, "int", tuple(Int(k, v) for k, v in {**numbers, "low": low, "high": high}.items()))


def _wrapped(number: int) -> int:
    """As a 32-bit integer."""
    return (number + (1 << (BITS - 1))) % (1 << BITS) - (1 << (BITS - 1))


@rule
def argument_types(op: Op, graph: Graph) -> bool:
    """its input must be float32, int8, uint8, int16 or int32, and its output int32"""
    given, made = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    return given.dtype in ("float32", "int8", "uint8", "int16", "int32") and made.dtype == "int32"


@lowers("ARG_MAX", "ARG_MIN", rules=(argument_types, constant_axes))
def arg(op: Op, build: Build) -> None:
    given, result = build.value(op.inputs[0]), build.value(op.outputs[0])
    axis = int(build.constant(op.inputs[1]).reshape(-1)[0]) % len(given.shape)
    element = kind_of(given)
    sign = ">" if op.kind == "ARG_MAX" else "<"
    beats = f"((a) {sign} (b))" if element == "int" else f"(!isnan(a) && (isnan(b) || (a) {sign} (b)))"
    inner = math.prod(given.shape[axis + 1 :])
    sizes = (Int("outputs", result.count), Int("size", given.shape[axis]), Int("inner", inner))
    macros = {"ELEMENT": element, "BEATS(a, b)": beats}
    work = Work(given.count, given.bytes + result.bytes)
    build.add(Launch("arg", (In("x", given), *sizes), (result.count,), (), macros, result, "int", work=work))
