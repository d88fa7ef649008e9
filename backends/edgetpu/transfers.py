"""From a program's DMA hints to the transfers of one inference, in order, each inside its buffer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from subgraft.backends.edgetpu.errors import PackageError
from subgraft.backends.edgetpu.layer import Layer
from subgraft.backends.edgetpu.package import DataHint, FenceHint, InstructionHint, InterruptHint, Program
from subgraft.backends.edgetpu.relayout import used_bytes
from subgraft.delegates import Rejected

INSTRUCTIONS, INPUT, PARAMETERS = 0, 1, 2  # tags of the header before bulk-out data
INTERRUPTS = 4  # of the scalar core; their events have tags 4 to 7
PAGE_BYTES = 4096  # a read past an input's end stays on its last page (libedgetpu dma_info_extractor.cc)
MAX_TRANSFER_BYTES = 1 << 28  # of one inference, as in native/src/edgetpu/script.cpp; the largest known move 4 MB


@dataclass(frozen=True, slots=True)
class Send:
    """Bytes for the device. index: which chunk of instructions, or which input; 0 for parameters and scratch.

    An input may end after its tensor does: the rest is padding, whatever its value.
    """

    tag: int
    source: str  # "instructions", "input", "parameters" or "scratch"
    index: int
    offset: int
    size: int
    batch: int = 0


@dataclass(frozen=True, slots=True)
class Receive:
    """Bytes from the device. index: which output; 0 for scratch."""

    source: str  # "output" or "scratch"
    index: int
    offset: int
    size: int
    batch: int = 0


@dataclass(frozen=True, slots=True)
class Interrupt:
    """The device says that it is here: an event with the tag 4 + number."""

    number: int


@dataclass(frozen=True, slots=True)
class Fence:
    """What is above is done before what is below begins."""


Step = Send | Receive | Interrupt | Fence


def script(program: Program) -> tuple[Step, ...]:
    """The transfers of one inference, in the order in which the device asks for them.

    Raises PackageError when one lies outside its buffer, or an output would not be complete at the end; Rejected for
    a program whose transfers the device alone knows.
    """
    if not program.deterministic:
        raise Rejected(
            "the compiled model does not list all of its transfers, as with LSTMs, so that the device would have to "
            "announce them, which subgraft does not support; compile the model without the LSTM"
        )
    steps = tuple(_step(program, hint) for hint in program.hints)
    if not steps or not isinstance(steps[-1], Interrupt):
        raise PackageError("the compiled model is damaged: its transfers do not end with an interrupt")
    moved = sum(step.size for step in steps if isinstance(step, Send | Receive))
    if moved > MAX_TRANSFER_BYTES:
        raise PackageError(
            f"the compiled model moves {moved} bytes for one inference; {MAX_TRANSFER_BYTES} is the most"
        )
    _check_outputs(program, steps)
    return steps


def input_bytes(steps: Sequence[Step], index: int) -> int:
    """How many bytes of an input the device reads, padding included: the size of its staging buffer."""
    return max(
        (s.offset + s.size for s in steps if isinstance(s, Send) and s.source == "input" and s.index == index),
        default=0,
    )


def _step(program: Program, hint: DataHint | InstructionHint | InterruptHint | FenceHint) -> Step:
    if isinstance(hint, FenceHint):
        return Fence()
    if isinstance(hint, InterruptHint):
        if not 0 <= hint.number < INTERRUPTS:
            raise PackageError(f"the compiled model waits for interrupt {hint.number}, which does not exist")
        return Interrupt(hint.number)
    if isinstance(hint, InstructionHint):
        if not 0 <= hint.chunk < len(program.bitstreams):
            raise PackageError(f"the compiled model has no chunk {hint.chunk} of instructions")
        return Send(INSTRUCTIONS, "instructions", hint.chunk, 0, len(program.bitstreams[hint.chunk].data))
    return _data(program, hint)


def _data(program: Program, hint: DataHint) -> Step:
    if hint.source == "input":
        index, layer = program.layer(hint)
        _check_range(hint, -(-layer.size_bytes // PAGE_BYTES) * PAGE_BYTES, program.batch_size)
        return Send(INPUT, "input", index, hint.offset, hint.size, hint.batch)
    if hint.source == "output":
        index, layer = program.layer(hint)
        _check_range(hint, layer.size_bytes, program.batch_size)
        return Receive("output", index, hint.offset, hint.size, hint.batch)
    if hint.source == "parameters":
        _check_range(hint, len(program.parameters), 1)
        return Send(PARAMETERS, "parameters", 0, hint.offset, hint.size)
    _check_range(hint, program.scratch_bytes, program.batch_size)
    if hint.outfeed:
        return Receive("scratch", 0, hint.offset, hint.size, hint.batch)
    return Send(INPUT, "scratch", 0, hint.offset, hint.size, hint.batch)


def _check_range(hint: DataHint, size_bytes: int, batches: int) -> None:
    if not (hint.offset >= 0 and 0 < hint.size <= size_bytes - hint.offset and 0 <= hint.batch < batches):
        raise PackageError(
            f"the compiled model is damaged: it moves bytes {hint.offset} to {hint.offset + hint.size} of {size_bytes} "
            f"of {hint.source} {hint.name!r}, batch {hint.batch} of {batches}"
        )


def _check_outputs(program: Program, steps: Sequence[Step]) -> None:
    """Raises PackageError where the host would read bytes of an output that the device never sends."""
    received: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for step in steps:
        if isinstance(step, Receive) and step.source == "output":
            received[step.index, step.batch].append((step.offset, step.offset + step.size))
    for index, layer in enumerate(program.outputs):
        for batch in range(program.batch_size):
            _check_complete(layer, sorted(received[index, batch]))


def _check_complete(layer: Layer, ranges: Sequence[tuple[int, int]]) -> None:
    end = 0
    for start, stop in ranges:
        if start > end:
            break
        end = max(end, stop)
    if end < used_bytes(layer):
        raise PackageError(
            f"the compiled model is damaged: the output {layer.name!r} is not received from byte {end} on"
        )
