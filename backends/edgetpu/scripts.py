"""From a program to the native script that runs it on any device."""

from __future__ import annotations

from subgraft import _native
from subgraft.backends.edgetpu.errors import PackageError
from subgraft.backends.edgetpu.package import Program
from subgraft.backends.edgetpu.relayout import flip_mask, runs
from subgraft.backends.edgetpu.transfers import Fence, Interrupt, Receive, Send, Step, script
from subgraft.delegates import Rejected


def native_script(program: Program) -> _native.EdgeTpuScript:
    """What one inference sends and receives, with all that is constant linked in advance.

    Raises PackageError for what cannot be, Rejected for programs that the driver does not run.
    """
    if program.batch_size != 1:
        raise Rejected(
            f"the compiled model computes batches of {program.batch_size} at once, which subgraft does not drive; "
            "compile it for batches of 1: larger tensors then take several runs"
        )
    try:
        return _native.EdgeTpuScript(
            [_fields(step) for step in script(program)],
            instructions=[bitstream.data for bitstream in program.bitstreams],
            parameters=program.parameters,
            inputs=[(layer.tensor_bytes, layer.size_bytes, flip_mask(layer)) for layer in program.inputs],
            outputs=[
                (layer.tensor_bytes, layer.size_bytes, flip_mask(layer), runs(layer)) for layer in program.outputs
            ],
            scratch_bytes=program.scratch_bytes,
        )
    except ValueError as error:
        raise PackageError(f"the compiled model is damaged: {error}") from error
    except MemoryError as error:
        raise PackageError("the compiled model needs more memory than this machine has; end other programs") from error


def _fields(step: Step) -> tuple[str | int, ...]:
    match step:
        case Send():
            return "send", step.tag, step.source, step.index, step.offset, step.size
        case Receive():
            return "receive", step.source, step.index, step.offset, step.size
        case Interrupt():
            return "interrupt", step.number
        case Fence():
            return ("fence",)
