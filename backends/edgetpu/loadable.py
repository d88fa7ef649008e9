"""What a device gets for a segment, and the question where it comes from."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from subgraft.backends.edgetpu.package import Package
from subgraft.delegates import Graph, Op, Rejected, Segment, Verdict


@dataclass(frozen=True, slots=True, eq=False)
class Loadable:
    """A compiled program and how the segment's tensors belong to its layers.

    inputs, outputs: for each layer, in the program's order, its place in the segment's inputs or outputs; -1: an
    output that nothing reads.
    uncompiled: the ops that the program stands for, inputs and outputs in the order of its layers; None: not known.
    """

    package: Package
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    uncompiled: Segment | None

    @classmethod
    def of(
        cls,
        package: Package,
        segment: Segment,
        inputs: Sequence[int],
        outputs: Sequence[int],
        uncompiled: Segment | None,
    ) -> Loadable:
        """inputs, outputs: the segment's tensor for each layer. Raises Rejected where the two do not fit."""
        missing = [t for t in inputs if t not in segment.inputs] + [t for t in segment.outputs if t not in outputs]
        if missing:
            name = segment.graph.tensors[missing[0]].name
            raise Rejected(f"the compiled program and the segment do not fit: only one of them has {name!r}")
        read = tuple(segment.inputs.index(t) for t in inputs)
        made = tuple(segment.outputs.index(t) if t in segment.outputs else -1 for t in outputs)
        return cls(package, read, made, uncompiled)


class Origin(Protocol):
    """Where the programs for one graph come from. emulated: the device is, and computes what it was taught."""

    def check(self, op: Op, graph: Graph) -> Verdict:
        """Every reason why there is no program for this op. Raises WrongTwin."""

    def block(self, op: Op, graph: Graph) -> Hashable | None:
        """Which program the op belongs to, where that is settled; None: it is not."""

    def refine(self, segment: Segment, emulated: bool) -> Sequence[Verdict]:
        """What turned out while compiling, op by op."""

    def load(self, segment: Segment, emulated: bool) -> Loadable:
        """Raises Rejected."""

    def notes(self, segment: Segment) -> Sequence[str]:
        """What a user should know of the program."""
