"""Programs that a compiler makes while the model loads: Google's for real devices, the stand-in for emulated ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

from subgraft.backends.edgetpu import rules
from subgraft.backends.edgetpu.cache import Cache
from subgraft.backends.edgetpu.compiler import Compiled, Compiler, Operation
from subgraft.backends.edgetpu.emulator.compiler import CompilerError, Settings, compile_models
from subgraft.backends.edgetpu.errors import WrongTwin
from subgraft.backends.edgetpu.loadable import Loadable
from subgraft.backends.edgetpu.package import CUSTOM_OP, STAND_IN, Package, package_of
from subgraft.backends.edgetpu.replaced import bound
from subgraft.backends.edgetpu.twin import match_all
from subgraft.delegates import Graph, Op, Rejected, Segment, Verdict

MOST_RESULTS = 64  # kept in memory: of one model's segments, while it is planned and compiled


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """What became of a segment. by: who made it; failure: why there is none."""

    by: str
    compiled: Compiled | None = None
    failure: str = ""


class Made:
    """Ops of an uncompiled model, each supported segment compiled on its own.

    named: a compiler by name or path; "": edgetpu_compiler on PATH, or the stand-in for an emulated device.
    is_emulated: whether the device in use is, asked when ops are checked.
    """

    def __init__(self, named: str, timeout_s: float, cache: Cache, is_emulated: Callable[[], bool]) -> None:
        self._named = named
        self._timeout_s = timeout_s
        self._cache = cache
        self._is_emulated = is_emulated
        self._found: Compiler | Rejected | None = None
        self._results: dict[tuple[bool, bytes], Result] = {}

    def check(self, op: Op, graph: Graph) -> Verdict:
        against = rules.check(op, graph).reasons
        missing = self._missing(self._is_emulated())
        return Verdict((missing, *against) if missing else against)

    def block(self, op: Op, graph: Graph) -> Hashable | None:
        return None

    def refine(self, segment: Segment, emulated: bool) -> Sequence[Verdict]:
        """What the compiler left to the CPU. A segment that it fails at is load()'s business."""
        result = self._result(segment, emulated)
        content = [Verdict()] * len(segment.ops)
        if result.compiled is None:
            return content
        made = segment.read(result.compiled.tflite)
        if [op.kind for op in made.ops] == [CUSTOM_OP]:
            return content
        try:
            twin = match_all(segment.read(segment.to_tflite()), [made])
        except WrongTwin:
            return content
        taken = {place for part in twin.parts for place in part.segment.ops}  # places in segment.ops
        return [
            Verdict() if place in taken else _left(result, segment.graph.ops[i]) for place, i in enumerate(segment.ops)
        ]

    def load(self, segment: Segment, emulated: bool) -> Loadable:
        result = self._result(segment, emulated)
        if result.compiled is None:
            raise Rejected(result.failure)
        made = segment.read(result.compiled.tflite)
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
        result = self._result(segment, self._is_emulated())
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

    def _result(self, segment: Segment, emulated: bool) -> Result:
        """Compiles a segment once, also when that fails."""
        tflite = segment.to_tflite()
        key = (emulated, hashlib.sha256(tflite).digest())
        if key not in self._results:
            while len(self._results) >= MOST_RESULTS:
                del self._results[next(iter(self._results))]
            self._results[key] = self._compile(tflite, emulated)
        return self._results[key]

    def _compile(self, tflite: bytes, emulated: bool) -> Result:
        by = ""
        try:
            compiler = self._compiler(emulated)
            if compiler is None:
                return Result(STAND_IN, _stand_in(tflite))
            by = f"edgetpu_compiler {compiler.version}"
            kept = self._cache.get(tflite, by.encode())
            if kept is not None:
                return Result(by, Compiled(kept))
            compiled = compiler.compile(tflite, self._timeout_s)
        except Rejected as error:
            return Result(by, failure=error.reason)
        self._cache.put(compiled.tflite, tflite, by.encode())
        return Result(by, compiled)


def _stand_in(tflite: bytes) -> Compiled:
    """Compiled for emulated devices, in this process. Raises Rejected."""
    try:
        (made,) = compile_models([tflite], Settings())
    except CompilerError as error:
        raise Rejected(f"the {STAND_IN} did not compile it: {error}") from error
    return Compiled(made.tflite, tuple(Operation(*operation) for operation in made.operations))


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
