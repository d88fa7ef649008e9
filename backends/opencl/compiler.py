"""Compiles a segment for one device: lowers it, builds its program, lays out its memory, records its launches."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import subgraft.backends.opencl.ops  # noqa: F401 - registers how ops are lowered
from subgraft import _native
from subgraft.backends.opencl.launch import Argument, In, Int, Launch, Out, Real, Table
from subgraft.backends.opencl.lowering import lower
from subgraft.backends.opencl.memory import Layout, elements, lay_out, tensor_bytes
from subgraft.backends.opencl.source import Source, source
from subgraft.delegates import InvokeError, ModelError, Rejected, Segment, Unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from subgraft.backends.opencl.caps import Caps
    from subgraft.backends.opencl.opened import Opened

MOST_LOWERED = 32  # segments whose launches wait to be compiled, with their packed weights
OLDEST, NEWER = "-cl-std=CL1.2", "-cl-std=CL3.0"  # the latter for built-in functions that came with it
MOST_NUMBER = (1 << 31) - 1  # a kernel's int
GROUP = 64  # work items in a group where a launch does not say: a warp or wavefront of every GPU known divides it


@dataclass(frozen=True, slots=True)
class Program:
    """A segment as the device runs it, before anything is recorded. Chained segments are recorded with other ends."""

    source: Source
    layout: Layout
    program: _native.ClProgram
    buffers: tuple[_native.ClBuffer, ...]


def compile_segment(
    segment: Segment,
    opened: Opened,
    *,
    half: bool = False,
    one_arena: bool = True,
    fuses: bool = True,
    choose: Callable[[Sequence[Launch]], Sequence[Launch]] = lambda launches: launches,
) -> Program:
    """half: floats between the segment's ends are stored as half. one_arena: arrays share a buffer where one may be as
    large as that. fuses: elementwise ops become part of the kernel before them. choose: takes variants of launches.

    Raises Rejected, ClError, MemoryError.
    """
    made = source(choose(lowered(segment, opened, half, fuses)), defines(opened.caps))
    layout = lay_out(segment, made.launches, one_arena, opened.caps.max_alloc_bytes)
    program = opened.program(made.text, options(opened.caps))
    ends = {layout.arrays[t].buffer for t in (*segment.inputs, *segment.outputs)}
    buffers = tuple(
        opened.context.buffer(size, host_visible=n in ends and opened.caps.unified_memory)
        for n, size in enumerate(layout.sizes)
    )
    for n, content in layout.contents.items():
        buffers[n].write(content)
    return Program(made, layout, program, buffers)


def lowered(
    segment: Segment, opened: Opened, half: bool = False, fuses: bool = True, *, again: bool = False
) -> Sequence[Launch]:
    """The segment's launches. again: they will be asked for once more, to be compiled. Raises Rejected."""
    key = id(segment.graph), segment.ops, half, fuses
    graph, launches = opened.lowered.pop(key, (None, []))
    if graph is not segment.graph:
        try:
            launches = lower(segment, opened.caps, half, fuses)
        except (ModelError, Unsupported, InvokeError, ValueError) as error:
            raise Rejected(f"an op's constants cannot be prepared for {opened.where}: {error}") from error
        _check_numbers(launches)
    if again:
        opened.lowered[key] = segment.graph, launches
        while len(opened.lowered) > MOST_LOWERED:
            opened.lowered.pop(next(iter(opened.lowered)), None)
    return launches


def _check_numbers(launches: Sequence[Launch]) -> None:
    """Paddings and strides that no converter writes may pass what kernels count in. Raises Rejected."""
    for number in (a for launch in launches for a in launch.everything if isinstance(a, Int)):
        if not -MOST_NUMBER - 1 <= number.value <= MOST_NUMBER:
            raise Rejected(f"{number.name} is {number.value:,}, and kernels count in 32 bits; deny its op (deny_nodes)")


def record(
    segment: Segment, compiled: Program, opened: Opened, chained: Mapping[int, _native.ClBuffer], kept: Collection[int]
) -> _native.ClCommands:
    """chained: inputs that lie in another segment's buffers. kept: outputs that stay on the device."""
    commands = _native.ClCommands(opened.context)
    layout = compiled.layout
    of_key = {key: compiled.buffers[place.buffer] for key, place in layout.arrays.items()} | dict(chained)
    for t in segment.inputs:
        commands.input(of_key[t], 0 if t in chained else tensor_bytes(segment.graph.tensors[t]))
    for recorded in compiled.source.launches:
        size = geometry(recorded.launch, opened.caps, compiled.program.work_group_limit(recorded.kernel))
        commands.launch(
            compiled.program,
            recorded.kernel,
            [value for argument in recorded.arguments for value in _given(argument, layout, of_key, compiled.buffers)],
            *size,
        )
    for t in segment.outputs:
        commands.output(of_key[t], 0 if t in kept else tensor_bytes(segment.graph.tensors[t]))
    return commands


def geometry(launch: Launch, caps: Caps, limit: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The global and the local size. limit: what this kernel's group may have at most on this device."""
    most = min(limit, caps.max_work_group)
    local = list(launch.local or (GROUP, *[1] * (len(launch.items) - 1)))
    while math.prod(local) > most:  # the largest dimension gives way first
        largest = local.index(max(local))
        local[largest] = max(1, local[largest] // 2)
    rounded = tuple(-(-items // group) * group for items, group in zip(launch.items, local, strict=True))
    return rounded, tuple(local)


def options(caps: Caps) -> str:
    """For the device's compiler."""
    return NEWER if "dot_khr" in caps.loops else OLDEST


def defines(caps: Caps) -> str:
    """What the device decides about the text of all kernels. On a CPU mad() may be a call, many times slower."""
    return "" if caps.fma and not caps.is_cpu else "#define MAC(a, b, c) ((a) * (b) + (c))\n"


def _given(
    argument: Argument, layout: Layout, of_key: Mapping[int, _native.ClBuffer], buffers: Sequence[_native.ClBuffer]
) -> list[_native.ClBuffer | int | float]:
    """What an argument is for the kernel's parameters."""
    match argument:
        case Int(_, whole):
            return [whole]
        case Real(_, real):
            return [float(real)]
        case Table():
            place = layout.constants[id(argument.data)]
            return [buffers[place.buffer], elements(place, argument.ctype)]
        case In(_, value) | Out(_, value):
            return [of_key[value.key], elements(layout.arrays[value.key], value.ctype)]
