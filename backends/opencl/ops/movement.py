"""Ops that move elements: each output element is one input element, found by strides."""

from __future__ import annotations

import math

from subgraft.backends.opencl.launch import In, Int, Launch, Value, Work
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.strides import MAX_RANK, Strided, strides_of
from subgraft.delegates import Array, Graph, Op, rule


@rule
def constant_parameters(op: Op, graph: Graph) -> bool:
    """what it is told beside its input (axes, sizes, begins, multiples ...) must be constants"""
    places = PARAMETERS[op.kind]
    return all(graph.tensors[op.inputs[i]].data is not None for i in places if i < len(op.inputs))


@rule
def one_kind_of_element(op: Op, graph: Graph) -> bool:
    """its input and its outputs must have one element type"""
    return len({graph.tensors[t].dtype for t in (op.inputs[data_place(op)], *op.outputs)}) == 1


@rule
def few_axes(op: Op, graph: Graph) -> bool:
    """at most 8 dimensions"""
    return all(len(graph.tensors[t].shape) <= MAX_RANK for t in (op.inputs[data_place(op)], *op.outputs))


@rule
def moving_data(op: Op, graph: Graph) -> bool:
    """what it moves must not be a constant"""
    return not graph.tensors[op.inputs[data_place(op)]].is_constant


@rule
def plain_slice(op: Op, graph: Graph) -> bool:
    """no ellipsis and no new axis, nor an offset instead of an end"""
    return not any(op.options.get(name, 0) for name in ("ellipsis_mask", "new_axis_mask", "offset"))


# Inputs that are no data, by kind.
PARAMETERS = {
    "BATCH_TO_SPACE_ND": (1, 2),
    "BROADCAST_TO": (1,),
    "DEPTH_TO_SPACE": (),
    "REVERSE_V2": (1,),
    "SLICE": (1, 2),
    "SPACE_TO_DEPTH": (),
    "SPLIT": (0,),
    "SPLIT_V": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "TILE": (1,),
    "TRANSPOSE": (1,),
    "UNPACK": (),
}
RULES = (constant_parameters, one_kind_of_element, few_axes, moving_data)


def data_place(op: Op) -> int:
    """Which input is the data: the first, but SPLIT has its axis there."""
    return 1 if op.kind == "SPLIT" else 0


def gather(build: Build, made: int, given: int, source: Strided) -> None:
    """Output `made` from the elements of `given` that `source` tells, in the order of the output."""
    alike = build.value(made).count == build.value(given).count
    if not (alike and source.is_dense and source.base == 0 and build.alias(made, given)):
        build.add(gathering(build.value(given), build.value(made), source))


def gathering(given: Value, made: Value, source: Strided) -> Launch:
    """A launch that does so for arrays on the device."""
    source = source.merged
    if len(source.sizes) > MAX_RANK:
        raise ValueError(f"{len(source.sizes)} axes; the kernel has {MAX_RANK}")  # the rules let none pass
    return Launch(
        "gather",
        (In("x", given), Int("count", made.count), *source.arguments),
        (made.count,),
        (),
        {"RANK": len(source.sizes)},
        made,
        kind_of(made),
        work=Work(bytes=2 * made.bytes),
    )


def kind_of(value: Value) -> str:
    """What its elements are computed as."""
    return "float" if value.ctype in ("float", "half") else "int"


@lowers("TRANSPOSE", rules=RULES)
def transpose(op: Op, build: Build) -> None:
    shape = build.tensor(op.inputs[0]).shape
    strides = strides_of(shape)
    order = [int(axis) % len(shape) for axis in build.constant(op.inputs[1]).reshape(-1)]
    source = Strided(tuple(shape[a] for a in order), tuple(strides[a] for a in order))
    gather(build, op.outputs[0], op.inputs[0], source)


@lowers("SLICE", rules=RULES)
def slice_(op: Op, build: Build) -> None:
    strides = strides_of(build.tensor(op.inputs[0]).shape)
    begins = _numbers(build.constant(op.inputs[1]))
    base = sum(b * s for b, s in zip(begins, strides, strict=True))
    gather(build, op.outputs[0], op.inputs[0], Strided(build.tensor(op.outputs[0]).shape, strides, base))


@lowers("STRIDED_SLICE", rules=(*RULES, plain_slice))
def strided_slice(op: Op, build: Build) -> None:
    shape = build.tensor(op.inputs[0]).shape
    begins, _, steps = (_numbers(build.constant(t)) for t in op.inputs[1:4])
    ends = _numbers(build.constant(op.inputs[2]))
    begin_mask, end_mask, shrink_mask = (
        int(op.options.get(f"{name}_mask", 0)) for name in ("begin", "end", "shrink_axis")
    )
    sizes, strides, base = [], [], 0
    for axis, stride in enumerate(strides_of(shape)):
        start, size, step = 0, shape[axis], 1
        if axis < len(begins):
            bit, step = 1 << axis, steps[axis]
            if shrink_mask & bit:
                start = 0 if begin_mask & bit else begins[axis]
                start, size, step = start % shape[axis], 1, 1
            else:
                begin = None if begin_mask & bit else begins[axis]
                end = None if end_mask & bit else ends[axis]
                taken = range(*slice(begin, end, step).indices(shape[axis]))
                start, size = (taken[0], len(taken)) if taken else (0, 0)
        sizes.append(size)
        strides.append(stride * step)
        base += start * stride
    gather(build, op.outputs[0], op.inputs[0], Strided(tuple(sizes), tuple(strides), base))


@lowers("REVERSE_V2", rules=RULES)
def reverse(op: Op, build: Build) -> None:
    shape = build.tensor(op.inputs[0]).shape
    strides, base = list(strides_of(shape)), 0
    for axis in {int(a) % len(shape) for a in build.constant(op.inputs[1]).reshape(-1)}:
        base += (shape[axis] - 1) * strides[axis]
        strides[axis] = -strides[axis]
    gather(build, op.outputs[0], op.inputs[0], Strided(shape, tuple(strides), base))


@rule
def few_repeats(op: Op, graph: Graph) -> bool:
    """its dimensions and those that it repeats must be at most 8 together, not counting neighbours that move as one"""
    times = graph.tensors[op.inputs[1]].data
    return times is None or len(_repeated(graph.tensors[op.inputs[0]].shape, _numbers(times)).merged.sizes) <= MAX_RANK


@lowers("TILE", rules=(*RULES, few_repeats))
def tile(op: Op, build: Build) -> None:
    times = _numbers(build.constant(op.inputs[1]))
    gather(build, op.outputs[0], op.inputs[0], _repeated(build.tensor(op.inputs[0]).shape, times))


def _repeated(shape: tuple[int, ...], multiples: list[int]) -> Strided:
    sizes: list[int] = []
    strides: list[int] = []
    for size, stride, times in zip(shape, strides_of(shape), multiples, strict=True):
        sizes += [times, size] if times != 1 else [size]
        strides += [0, stride] if times != 1 else [stride]
    return Strided(tuple(sizes), tuple(strides))


@lowers("BROADCAST_TO", rules=RULES)
def broadcast_to(op: Op, build: Build) -> None:
    made = build.tensor(op.outputs[0]).shape
    source = broadcast(build.tensor(op.inputs[0]).shape, made)
    gather(build, op.outputs[0], op.inputs[0], source)


def broadcast(shape: tuple[int, ...], made: tuple[int, ...]) -> Strided:
    """Where the elements of an array of shape `made` lie in one of `shape` that is broadcast to it."""
    padded = (1,) * (len(made) - len(shape)) + tuple(shape)
    strides = (0 if size == 1 else stride for size, stride in zip(padded, strides_of(padded), strict=True))
    return Strided(tuple(made), tuple(strides))


@lowers("SPLIT", "SPLIT_V", "UNPACK", rules=RULES)
def split(op: Op, build: Build) -> None:
    given = op.inputs[data_place(op)]
    shape = build.tensor(given).shape
    if op.kind == "UNPACK":
        axis = op.options.get("axis", 0) % len(shape)
    else:
        axis = int(build.constant(op.inputs[0 if op.kind == "SPLIT" else 2]).reshape(-1)[0]) % len(shape)
    strides = strides_of(shape)
    first = 0
    for made in op.outputs:
        size = 1 if op.kind == "UNPACK" else build.tensor(made).shape[axis]
        sizes = (*shape[:axis], size, *shape[axis + 1 :])
        gather(build, made, given, Strided(sizes, strides, first * strides[axis]))
        first += size


@lowers("SPACE_TO_DEPTH", "DEPTH_TO_SPACE", rules=RULES)
def blocks(op: Op, build: Build) -> None:
    n, height, width, depth = build.tensor(op.inputs[0]).shape
    b = op.options.get("block_size", 1)
    if op.kind == "SPACE_TO_DEPTH":
        axes = Strided.dense((n, height // b, b, width // b, b, depth))
        order = (0, 1, 3, 2, 4, 5)
    else:
        axes = Strided.dense((n, height, width, b, b, depth // (b * b)))
        order = (0, 1, 3, 2, 4, 5)
    source = Strided(tuple(axes.sizes[a] for a in order), tuple(axes.strides[a] for a in order))
    gather(build, op.outputs[0], op.inputs[0], source)


@rule
def image_batches(op: Op, graph: Graph) -> bool:
    """its input must have rank 4, or rank 3"""
    return len(graph.tensors[op.inputs[0]].shape) in (3, 4)


@lowers("BATCH_TO_SPACE_ND", rules=(*RULES, image_batches))
def batch_to_space(op: Op, build: Build) -> None:
    """Batch (block, block, n) of small images becomes n large ones, of which a border is cut off."""
    shape = build.tensor(op.inputs[0]).shape
    block = _numbers(build.constant(op.inputs[1]))
    begins = [0, *(int(begin) for begin, _ in build.constant(op.inputs[2]).reshape(-1, 2))]
    axes = Strided.dense((*block, shape[0] // math.prod(block), *shape[1:]))
    m = len(block)
    order = [m, *(axis for k in range(m) for axis in (m + 1 + k, k)), *range(2 * m + 1, len(axes.sizes))]
    source = Strided(tuple(axes.sizes[a] for a in order), tuple(axes.strides[a] for a in order))
    large = (axes.sizes[m], *(s * b for s, b in zip(shape[1:], block, strict=False)), *shape[1 + m :])
    made = build.value(op.outputs[0])
    if made.shape == large:
        gather(build, op.outputs[0], op.inputs[0], source)
        return
    whole = build.scratch(large, made.ctype)
    build.add(gathering(build.value(op.inputs[0]), whole, source))
    strides = strides_of(large)
    base = sum(begin * stride for begin, stride in zip(begins, strides, strict=False))
    build.add(gathering(whole, made, Strided(made.shape, strides, base)))


def _numbers(values: Array) -> list[int]:
    return [int(v) for v in values.reshape(-1)]
