"""Programs that a compiler makes while the model loads: Google's for real devices, the stand-in for emulated ones."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from subgraft.backends.edgetpu import rules
from subgraft.backends.edgetpu.cache import Cache
from subgraft.backends.edgetpu.compiler import PROGRAM, Compiled, Compiler, Operation
from subgraft.backends.edgetpu.errors import WrongTwin
from subgraft.backends.edgetpu.loadable import Loadable
from subgraft.backends.edgetpu.package import CUSTOM_OP, STAND_IN, Package, package_of
from subgraft.backends.edgetpu.replaced import bound
from subgraft.backends.edgetpu.twin import match_all
from subgraft.delegates import Graph, ModelError, Op, Rejected, Segment, Verdict

MOST_GRAPHS = 8  # that are planned at the same time, or whose devices may come back
MOST_RESULTS = 64  # kept in memory: of the segments of a few models, while they are planned and compiled


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What became of a segment. by: who made it; failure: why there is none."""

    by: str
    compiled: Compiled | None = None
    failure: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """A segment that a plan in the making has."""

    segment: Segment
    tflite: bytes


class Made:
    """Ops of an uncompiled model, each supported segment compiled on its own.

    Segments of one model are compiled together in the end, so that the device keeps the parameters of all of them.

    named: a compiler by name or path; "": edgetpu_compiler on PATH, or the stand-in for an emulated device.
    is_emulated: whether the device in use is, asked when ops are checked.
    """

    def __init__(self, named: str, timeout_s: float, cache: Cache, is_emulated: Callable[[], bool]) -> None:
        self._named = named
        self._timeout_s = timeout_s
        self._cache = cache
        self._is_emulated = is_emulated
        self._found: Compiler | Rejected | None = None
        self._lock = threading.RLock()  # several sessions may plan at once
        self._results: dict[tuple[bool, bytes], Result] = {}
        self._planned: dict[int, list[Planned]] = {}  # by graph

    def check(self, op: Op, graph: Graph) -> Verdict:
        against = rules.check(op, graph)
        missing = self._missing(self._is_emulated()) if against else ""
        return Verdict((missing,)) if missing else against

    def block(self, op: Op, graph: Graph) -> Hashable | None:
        return None

    def refine(self, segment: Segment, emulated: bool) -> Sequence[Verdict]:
        """What the compiler left to the CPU. A segment that it fails at is load()'s business."""
        content = [Verdict()] * len(segment.ops)
        with self._lock:
            planned = self._plan(segment)
            result = self._alone(planned.tflite, emulated)
        try:
            made = _read(segment, result)
            if [op.kind for op in made.ops] == [CUSTOM_OP]:
                return content
            twin = match_all(segment.read(planned.tflite), [made])
        except (Rejected, WrongTwin):
            return content
        taken = {place for part in twin.parts for place in part.segment.ops}  # places in segment.ops
        return [
            Verdict() if place in taken else _left(result, segment.graph.ops[i]) for place, i in enumerate(segment.ops)
        ]

    def load(self, segment: Segment, emulated: bool) -> Loadable:
        with self._lock:
            result = self._together(self._plan(segment), emulated)
        made = _read(segment, result)
        if [op.kind for op in made.ops] != [CUSTOM_OP]:
            left = ", ".join(sorted({op.kind for op in made.ops if op.kind != CUSTOM_OP})) or "nothing"
            raise Rejected(f"{result.by} did not make one program of these ops; it left {left} to the CPU")
        (op,) = made.ops
        package = Package.parse(package_of(op))
        layers = bound(op, made, package)
        inputs = [_counterpart(made, t, made.inputs, segment, segment.inputs) for t in layers.inputs]
        outputs = [_counterpart(made, t, made.outputs, segment, segment.outputs) for t in layers.outputs]
        ordered = Segment(segment.graph, segment.ops, tuple(inputs), tuple(outputs))
        return Loadable.of(package, segment, inputs, outputs, ordered)

    def notes(self, segment: Segment) -> Sequence[str]:
        with self._lock:
            result = self._alone(self._plan(segment).tflite, self._is_emulated())
        return [f"compiled by {result.by}"] if result.compiled else []

    def _missing(self, emulated: bool) -> str:
        """Why nothing here can compile; empty when something can."""
        try:
            self._compiler(emulated)
        except Rejected as error:
            return error.reason
        return ""

    def _compiler(self, emulated: bool) -> Compiler | None:
        """None: the stand-in. Raises Rejected when there is none. Looked for once."""
        if emulated and not self._named:
            return None
        if self._found is None:
            try:
                self._found = Compiler.find(self._named)
            except Rejected as error:
                self._found = error
        if isinstance(self._found, Rejected):
            raise Rejected(self._found.reason)
        return self._found

    def _plan(self, segment: Segment) -> Planned:
        """Takes note of the segment, in the place of those of its graph that it overlaps with."""
        siblings = self._siblings(segment)
        for planned in siblings:
            if planned.segment.ops == segment.ops:
                return planned
        inside = set(segment.ops)
        siblings[:] = [planned for planned in siblings if inside.isdisjoint(planned.segment.ops)]
        siblings.append(Planned(segment, segment.to_tflite()))
        return siblings[-1]

    def _siblings(self, segment: Segment) -> list[Planned]:
        """What is known of the plan of its graph."""
        graph = id(segment.graph)  # of an object that its segments keep alive
        siblings = self._planned.pop(graph, [])
        self._planned[graph] = siblings  # the latest last
        if len(self._planned) > MOST_GRAPHS:
            del self._planned[next(iter(self._planned))]
        return siblings

    def _alone(self, tflite: bytes, emulated: bool) -> Result:
        """One segment compiled without regard to others, once, also when that fails."""
        key = (emulated, _digest([tflite]))
        if key not in self._results:
            self._keep(key, self._compile([tflite], emulated)[0])
        return self._results[key]

    def _together(self, wanted: Planned, emulated: bool) -> Result:
        """One segment compiled with the others of its model; alone where it is the only one, or where that fails."""
        siblings = self._siblings(wanted.segment)
        tflites = [planned.tflite for planned in siblings]
        if len(tflites) == 1 or not all(self._is_whole(planned, emulated) for planned in siblings):
            return self._alone(wanted.tflite, emulated)
        key = (emulated, _digest([wanted.tflite, *tflites]))
        if key not in self._results:
            for planned, result in zip(siblings, self._compile(tflites, emulated), strict=True):
                self._keep((emulated, _digest([planned.tflite, *tflites])), result)
        result = self._results[key]
        return result if result.compiled else self._alone(wanted.tflite, emulated)

    def _is_whole(self, planned: Planned, emulated: bool) -> bool:
        """Whether the compiler made one program of it when it was alone."""
        try:
            made = _read(planned.segment, self._alone(planned.tflite, emulated))
        except Rejected:
            return False
        return [op.kind for op in made.ops] == [CUSTOM_OP]

    def _keep(self, key: tuple[bool, bytes], result: Result) -> None:
        while len(self._results) >= MOST_RESULTS:
            del self._results[next(iter(self._results))]
        self._results[key] = result

    def _compile(self, tflites: Sequence[bytes], emulated: bool) -> list[Result]:
        by = ""
        try:
            compiler = self._compiler(emulated)
            if compiler is None:
                by = f"the {STAND_IN}"
                return [Result(by, compiled) for compiled in _stand_in(tflites)]
            by = f"{PROGRAM} {compiler.version}"
            kept = [self._cache.get(*_parts(by, tflites, place)) for place in range(len(tflites))]
            found = [Result(by, Compiled(tflite)) for tflite in kept if tflite is not None]
            if len(found) == len(tflites):
                return found
            made = compiler.compile(tflites, self._timeout_s)
        except Rejected as error:
            return [Result(by, failure=error.reason)] * len(tflites)
        for place, compiled in enumerate(made):
            self._cache.put(compiled.tflite, *_parts(by, tflites, place))
        return [Result(by, compiled) for compiled in made]


def _parts(by: str, tflites: Sequence[bytes], place: int) -> tuple[bytes, ...]:
    """What the result for one of several models depends on."""
    return (by.encode(), str(place).encode(), *tflites)


def _digest(parts: Sequence[bytes]) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.digest()


def _stand_in(tflites: Sequence[bytes]) -> list[Compiled]:
    """Compiled for emulated devices, in this process. Raises Rejected."""
    from subgraft.backends.edgetpu.emulator.compiler import CompilerError, Settings, compile_models  # no use for others

    try:
        made = compile_models(tflites, Settings())
    except CompilerError as error:
        raise Rejected(f"the {STAND_IN} did not compile it: {error}") from error
    return [Compiled(one.tflite, tuple(Operation(*operation) for operation in one.operations)) for one in made]


def _read(segment: Segment, result: Result) -> Graph:
    """The compiled model. Raises Rejected where there is none."""
    if result.compiled is None:
        raise Rejected(result.failure)
    try:
        return segment.read(result.compiled.tflite)
    except ModelError as error:
        raise Rejected(f"{result.by} wrote what is no model: {error}") from error


def _left(result: Result, op: Op) -> Verdict:
    """In the words of the compiler's log, which counts by kind."""
    operations = result.compiled.operations if result.compiled else ()
    said = sorted({one.status for one in operations if one.kind == op.kind and not one.is_mapped})
    return Verdict((f"{result.by} left it to the CPU{': ' if said else ''}{' or '.join(said)}",))


def _counterpart(made: Graph, tensor: int, listed: Sequence[int], segment: Segment, tensors: Sequence[int]) -> int:
    """The segment's tensor that a tensor of the compiled file is: of the same name, or in the same place."""
    name = made.tensors[tensor].name
    named = [t for t in tensors if segment.graph.tensors[t].name == name]
    if len(named) == 1:
        return named[0]
    if tensor in listed and len(listed) == len(tensors):
        return tensors[listed.index(tensor)]
    raise Rejected(f"the compiled program has a tensor {name!r}, which is not of this segment")
