"""Programs that were compiled beforehand: in the model itself, or in a file beside it."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from subgraft.backends.edgetpu.errors import NeedsNewerRuntime, PackageError, WrongTwin
from subgraft.backends.edgetpu.loadable import Loadable
from subgraft.backends.edgetpu.package import CUSTOM_OP, Package, package_of
from subgraft.backends.edgetpu.replaced import bound
from subgraft.backends.edgetpu.twin import NAMES_ONLY, Part, Twin, match_all, pair
from subgraft.delegates import Graph, Models, Op, Rejected, Segment, Verdict

MOST_GRAPHS = 8  # whose twins are kept: a session plans a graph again for other input shapes


class Alone:
    """A compiled model by itself: its edgetpu-custom-ops hold the programs, and no CPU can take over.

    emulates: what it may have been compiled from, for emulated devices.
    """

    def __init__(self, emulates: Models) -> None:
        self._emulates = emulates

    def check(self, op: Op, graph: Graph) -> Verdict:
        if op.kind != CUSTOM_OP:
            return Verdict(("the model is compiled already, and its compiler left this op to the CPU",))
        try:
            package = Package.parse(package_of(op))
            bound(op, graph, package)
        except (PackageError, NeedsNewerRuntime) as error:
            return Verdict((error.reason,))
        return Verdict(unsuited(package))

    def block(self, op: Op, graph: Graph) -> Hashable | None:
        return op.outputs if op.kind == CUSTOM_OP else None

    def refine(self, segment: Segment, emulated: bool) -> Sequence[Verdict]:
        return [Verdict()] * len(segment.ops)

    def load(self, segment: Segment, emulated: bool) -> Loadable:
        (i,) = segment.ops
        op = segment.graph.ops[i]
        package = Package.parse(package_of(op))
        layers = bound(op, segment.graph, package)
        uncompiled = self._uncompiled(segment.graph, i) if emulated else None
        return Loadable.of(package, segment, layers.inputs, layers.outputs, uncompiled)

    def notes(self, segment: Segment) -> Sequence[str]:
        return ["compiled alone: no fallback, for the CPU cannot run what was compiled for the Edge TPU"]

    def _uncompiled(self, graph: Graph, op: int) -> Segment:
        """The ops that this one was compiled from; their weights may differ, as those that arrive count.

        Raises Rejected, WrongTwin.
        """
        if not self._emulates:
            raise Rejected(
                "an emulated device does not run the Edge TPU's instructions; name the model that this one was "
                "compiled from with the option emulates"
            )
        reasons = []
        for source in self._emulates:
            try:
                twin = pair(source, [graph])
            except WrongTwin as error:
                reasons.append(str(error))
            else:
                return next(part.segment for part in twin.parts if part.op == op)
        raise WrongTwin(f"option emulates: {'; '.join(reasons)}")


class Beside:
    """The uncompiled model, and what its compiler made of it in other files. The CPU can take over."""

    def __init__(self, compiled: Models) -> None:
        self._compiled = compiled
        self._lock = threading.Lock()  # several sessions may plan at once
        self._known: dict[Hashable, _Matched] = {}

    def check(self, op: Op, graph: Graph) -> Verdict:
        matched = self._matched(graph)
        part = matched.part(op)
        if part is None:
            return Verdict((matched.refusal or "the compiled model leaves this op to the CPU",))
        return Verdict(unsuited(part.package))

    def block(self, op: Op, graph: Graph) -> Hashable | None:
        part = self._matched(graph).part(op)
        return part.segment.ops if part else None

    def refine(self, segment: Segment, emulated: bool) -> Sequence[Verdict]:
        return [Verdict()] * len(segment.ops)

    def load(self, segment: Segment, emulated: bool) -> Loadable:
        part = self._part_of(segment)
        return Loadable.of(part.package, segment, part.segment.inputs, part.segment.outputs, part.segment)

    def notes(self, segment: Segment) -> Sequence[str]:
        part = self._matched(segment.graph).part(segment.graph.ops[segment.ops[0]])
        return _notes(part) if part else []

    def _part_of(self, segment: Segment) -> Part:
        part = self._matched(segment.graph).part(segment.graph.ops[segment.ops[0]])
        if part is None or part.segment.ops != segment.ops:
            raise Rejected(f"these ops are not what one {CUSTOM_OP} of the compiled model stands for")
        return part

    def _matched(self, graph: Graph) -> _Matched:
        key = (id(graph.ops), tuple(graph.tensors[t].shape for t in graph.inputs))
        with self._lock:
            found = self._known.pop(key, None) or self._match(graph)
            self._known[key] = found  # the latest last
            if len(self._known) > MOST_GRAPHS:
                del self._known[next(iter(self._known))]
        return found

    def _match(self, graph: Graph) -> _Matched:
        if graph.index != 0:
            return _Matched(graph.ops, refusal="only the main graph was compiled, and this op is in another one")
        try:
            return _Matched(graph.ops, match_all(graph, self._compiled))
        except NeedsNewerRuntime as error:
            return _Matched(graph.ops, refusal=error.reason)
        except PackageError as error:
            raise WrongTwin(f"the compiled model cannot be read: {error.reason}") from error
        except WrongTwin:
            if any(known.ops is graph.ops and known.twin for known in self._known.values()):
                return _Matched(graph.ops, refusal="the model was compiled for other input shapes than these")
            raise


@dataclass(frozen=True, eq=False)
class _Matched:
    """What is known of one graph. ops: the graph's, held so that their id stays their own."""

    ops: Sequence[Op]
    twin: Twin | None = None
    refusal: str = ""
    _parts: Mapping[tuple[int, ...], Part] = field(init=False)

    def __post_init__(self) -> None:
        parts = self.twin.parts if self.twin else ()
        object.__setattr__(self, "_parts", {self.ops[i].outputs: part for part in parts for i in part.segment.ops})

    def part(self, op: Op) -> Part | None:
        """What the op belongs to; it is known by the tensors that no other op writes."""
        return self._parts.get(op.outputs)


def unsuited(package: Package) -> tuple[str, ...]:
    """Why this driver does not run a package that is in order."""
    if package.inference.deterministic:
        return ()
    return (
        "the compiled program leaves the order of its transfers to the device (its DMA hints are not fully "
        "deterministic), and this driver goes by the hints alone",
    )


def _notes(part: Part) -> list[str]:
    """How much of a twin was compared, and each layer that was not."""
    named = [layer for layer in part.layers if layer.parameters == NAMES_ONLY]
    total = sum(layer.bytes for layer in part.layers)
    compared = total - sum(layer.bytes for layer in named)
    count = len(part.layers)
    if not count:
        return ["compiled beforehand: matched by names, shapes and quantization; there are no parameters to compare"]
    head = (
        f"compiled beforehand: parameters compared in {count - len(named)} of {count} layers, "
        f"{compared:,} of {total:,} bytes"
    )
    return [head, *(f"matched by names only: op {one.op} {one.kind} {one.name} ({one.why})" for one in named)]
