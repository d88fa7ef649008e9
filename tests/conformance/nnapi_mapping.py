"""What an entry of the mapping is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nnapi_cases import Operand
from nnapi_draft import Draft

Given = Mapping[str, Operand]  # the operands by the names of nnapi_operations
# Appends the ops to the draft and returns the tensor of each output.
Build = Callable[[Draft, Given, Sequence[Operand]], Sequence[int]]


@dataclass(frozen=True, slots=True)
class Mapped:
    """op: the TFLite op that does the work. build: makes it and what is needed around it."""

    op: str
    build: Build


def one_op(op: str) -> Mapped:
    """Tensors in, one tensor out, no options."""

    def build(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
        inputs = [draft.put(operand) for operand in given.values()]
        return [draft.op(op, inputs, draft.output(outputs[0]))]

    return Mapped(op, build)
