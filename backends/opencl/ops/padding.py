"""PAD, PADV2 and SPACE_TO_BATCH_ND."""

from __future__ import annotations

from collections.abc import Sequence

from subgraft.backends.opencl.activations import zero_point_of
from subgraft.backends.opencl.launch import Argument, In, Int, Launch, Real, Value, Work
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.backends.opencl.ops.movement import few_axes, gathering, image_batches, kind_of, one_kind_of_element
from subgraft.backends.opencl.strides import Strided, strides_of
from subgraft.delegates import Graph, Op, rule


@rule
def constant_paddings(op: Op, graph: Graph) -> bool:
    """its paddings, its block and the value that it pads with must be constants"""
    return all(graph.tensors[t].data is not None for t in op.inputs[1:] if t >= 0)


@rule
def no_negative_paddings(op: Op, graph: Graph) -> bool:
    """no negative paddings"""
    paddings = graph.tensors[op.inputs[2 if op.kind == "SPACE_TO_BATCH_ND" else 1]].data
    return paddings is None or bool((paddings >= 0).all())


RULES = (constant_paddings, no_negative_paddings, one_kind_of_element, few_axes)


@lowers("PAD", "PADV2", rules=RULES)
def pad(op: Op, build: Build) -> None:
    before = [int(b) for b, _ in build.constant(op.inputs[1]).reshape(-1, 2)]
    value: float = zero_point_of(build.tensor(op.outputs[0]))
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        value = build.constant(op.inputs[2]).reshape(-1)[0].item()
    elif build.tensor(op.outputs[0]).quantization is None:
        value = 0
    build.add(padding(build.value(op.inputs[0]), build.value(op.outputs[0]), before, value))


@lowers("SPACE_TO_BATCH_ND", rules=(*RULES, image_batches))
def space_to_batch(op: Op, build: Build) -> None:
    """n images with a border become a batch (block, block, n) of small ones."""
    given, made = build.value(op.inputs[0]), build.value(op.outputs[0])
    block = [int(b) for b in build.constant(op.inputs[1]).reshape(-1)]
    paddings = [(0, 0), *((int(b), int(a)) for b, a in build.constant(op.inputs[2]).reshape(-1, 2))]
    paddings += [(0, 0)] * (len(given.shape) - len(paddings))
    large = tuple(size + sum(p) for size, p in zip(given.shape, paddings, strict=True))
    source = given
    if large != given.shape:
        source = build.scratch(large, given.ctype)
        zero = zero_point_of(build.tensor(op.outputs[0]))
        build.add(padding(given, source, [before for before, _ in paddings], zero))
    m = len(block)
    split = [axis for k in range(m) for axis in (large[1 + k] // block[k], block[k])]
    axes = Strided.dense((large[0], *split, *large[1 + m :]))
    order = [*range(2, 2 * m + 1, 2), 0, *range(1, 2 * m + 1, 2), *range(2 * m + 1, len(axes.sizes))]
    moved = Strided(tuple(axes.sizes[a] for a in order), tuple(axes.strides[a] for a in order))
    build.add(gathering(source, made, moved))


def padding(given: Value, made: Value, before: Sequence[int], value: float) -> Launch:
    """`made` is `given` with `before` elements, and as many after it as it takes, along each axis."""
    axes = _merged(given.shape, made.shape, before)
    arguments: list[Argument] = []
    for n, (size, within, first, stride) in enumerate(reversed(axes)):
        arguments += [Int(f"size{n}", size), Int(f"within{n}", within)]
        arguments += [Int(f"before{n}", first), Int(f"stride{n}", stride)]
    kind = kind_of(made)
    filler = Real("value", float(value)) if kind == "float" else Int("value", int(value))
    return Launch(
        "pad",
        (In("x", given), Int("count", made.count), filler, *arguments),
        (made.count,),
        (),
        {"RANK": len(axes)},
        made,
        kind,
        work=Work(bytes=given.bytes + made.bytes),
    )


def _merged(given: Sequence[int], made: Sequence[int], before: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """(padded size, size, padding before, stride) of each axis; axes without padding become part of the one outside."""
    axes: list[tuple[int, int, int, int]] = []
    for size, within, first, stride in zip(made, given, before, strides_of(given), strict=True):
        if axes and first == 0 and size == within:
            outer_size, outer_within, outer_first, _ = axes.pop()
            axes.append((outer_size * size, outer_within * size, outer_first * size, stride))
        else:
            axes.append((size, within, first, stride))
    return axes or [(1, 1, 0, 1)]
