"""From a segment's ops to kernel launches: which op is taken, and who turns it into launches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from subgraft.backends.opencl.launch import CTYPES, Argument, In, Int, Launch, Out, Step, Table, Value, Work
from subgraft.backends.opencl.repetition import alive, repeated
from subgraft.delegates import Array, Graph, ModelError, Op, Rule, Segment, Tensor, Unsupported, Verdict, rule, verdict
from subgraft.delegates.constants import constant, is_constant, made_by, makes_constants

if TYPE_CHECKING:
    from subgraft.backends.opencl.caps import Caps

Lower = Callable[[Op, "Build"], None]
Limit = Callable[[Op, Graph, "Caps"], str | None]  # a device's reason against an op; None: nothing


@dataclass(frozen=True, slots=True)
class Lowering:
    """How one kind of op gets onto the device.

    rules: what it asks for on every device. limit: what more it asks of this very device.
    """

    lower: Lower
    rules: tuple[Rule, ...] = ()
    limit: Limit = lambda op, graph, caps: None


LOWERINGS: dict[str, Lowering] = {}


def lowers(*kinds: str, rules: Sequence[Rule] = (), limit: Limit | None = None) -> Callable[[Lower], Lower]:
    """Registers a function that turns an op into launches."""

    def register(lower: Lower) -> Lower:
        for kind in kinds:
            LOWERINGS[kind] = Lowering(lower, tuple(rules), limit) if limit else Lowering(lower, tuple(rules))
        return lower

    return register


@rule
def known(op: Op, graph: Graph) -> bool:
    """the OpenCL delegate has no kernel for this kind of op"""
    return op.kind in LOWERINGS and not op.is_custom


@rule
def element_types(op: Op, graph: Graph) -> bool:
    """its tensors must be float32, int8, uint8, int16, int32 or bool: the types that the kernels compute with"""
    return all(t.dtype in ELEMENT_TYPES for t in _activations(op, graph))


@rule
def fixed_sizes(op: Op, graph: Graph) -> bool:
    """its tensors must have at least one element, and sizes that are known when it is compiled"""
    return all(size > 0 for t in _activations(op, graph) for size in t.shape)


@rule
def readable_constants(op: Op, graph: Graph) -> bool:
    """its constants must be dense, and as large as their shapes say"""
    return all(_is_readable(t, graph) for t in op.inputs if t >= 0)


@rule
def no_state(op: Op, graph: Graph) -> bool:
    """it must not keep state between runs"""
    return not any(t >= 0 and graph.tensors[t].is_variable for t in op.inputs)


@rule
def serves_the_device(op: Op, graph: Graph) -> bool:
    """it only makes constants, and no op that OpenCL takes reads them: the CPU makes them when the model is loaded"""
    return any(bool(check(reader, graph)) for reader in _readers(op, graph))


@rule
def has_ends(op: Op, graph: Graph) -> bool:
    """it must have inputs and outputs"""
    return bool(op.inputs) and bool(op.outputs) and min(op.outputs) >= 0


EVERY_OP = (has_ends, element_types, fixed_sizes, readable_constants, no_state)
ELEMENT_TYPES = ("float32", "int8", "uint8", "int16", "int32", "bool")


def check(op: Op, graph: Graph) -> Verdict:
    """Every reason against this op, whatever the device."""
    if makes_constants(op, graph):
        return verdict(op, graph, (serves_the_device,))
    lowering = LOWERINGS.get(op.kind)
    if lowering is None or not known(op, graph):
        return verdict(op, graph, (known,))
    general = verdict(op, graph, EVERY_OP) and _taken_by_the_cpu(op, graph)
    return general if not general else verdict(op, graph, lowering.rules)


def _taken_by_the_cpu(op: Op, graph: Graph) -> Verdict:
    """Its kernel looks at what an op has, and whether it fits together; what it refuses no rule needs to understand."""
    if graph.services is None:
        return Verdict()
    try:
        graph.segment([graph.producers()[op.outputs[0]]]).reference().close()
    except (ModelError, Unsupported) as error:
        return Verdict((f"the CPU does not take it either: {error}",))
    return Verdict()


def refine(segment: Segment, caps: Caps) -> list[Verdict]:
    """What this very device has against the ops of a segment, op by op."""
    graph = segment.graph
    ops = [graph.ops[i] for i in segment.ops]
    reasons = [None if makes_constants(op, graph) else LOWERINGS[op.kind].limit(op, graph, caps) for op in ops]
    return [Verdict((why,) if why else ()) for why in reasons]


@dataclass(slots=True)
class Build:
    """The launches of one segment while they are made.

    half: store what lies between the segment's ends as half. fuses: ops may become steps of earlier launches.
    """

    segment: Segment
    caps: Caps
    half: bool = False
    fuses: bool = True
    launches: list[Launch] = field(default_factory=list)
    op: int = -1  # the op that is lowered now
    same: dict[int, int] = field(default_factory=dict)  # tensors, and earlier ones that hold what they hold
    _roots: dict[int, int] = field(default_factory=dict)  # a tensor to the one whose memory it shares
    _absent: set[int] = field(default_factory=set)  # ops that need nothing on the device
    _scratch: int = 0

    @property
    def graph(self) -> Graph:
        return self.segment.graph

    def tensor(self, t: int) -> Tensor:
        return self.graph.tensors[t]

    def value(self, t: int) -> Value:
        """A tensor that is no constant, as it lies on the device."""
        tensor = self.graph.tensors[t]
        ctype = CTYPES[tensor.dtype]
        if ctype == "float" and self.half and t not in (*self.segment.inputs, *self.segment.outputs):
            ctype = "half"
        root = self.root(t)
        return Value(root, tensor.shape, ctype if root == t else self.value(root).ctype)

    def is_constant(self, t: int) -> bool:
        """Also what ops compute from constants alone."""
        return is_constant(t, self.graph)

    def operand(self, name: str, t: int) -> In | Table:
        """An input of an op, constant or not."""
        return Table(name, self.constant(t)) if self.is_constant(t) else In(name, self.value(t))

    def constant(self, t: int) -> Array:
        """A constant's elements; packed types one element a byte."""
        return constant(t, self.graph)

    def scratch(self, shape: tuple[int, ...], ctype: str) -> Value:
        """Memory for what one launch hands to another."""
        self._scratch -= 1
        return Value(self._scratch, shape, ctype)

    def add(self, launch: Launch) -> None:
        """Appends a launch, for the op that is lowered now unless it says otherwise."""
        launch = launch if launch.ops else replace(launch, ops=(self.op,))
        tables = sum(a.data.nbytes for a in launch.everything if isinstance(a, Table))
        work = launch.work.bytes or tables + sum(v.bytes for v in (*launch.reads, *launch.writes))
        self.launches.append(replace(launch, work=Work(launch.work.macs, work)))

    def alias(self, made: int, given: int) -> bool:
        """Lets tensor `made` share the memory of `given`, which has the same elements; False where it must be copied.

        Segment inputs and outputs have memory of their own; an output may lend its memory to what it is made from.
        """
        ends = (*self.segment.inputs, *self.segment.outputs)
        root = self.root(given)
        if made not in ends:
            self._roots[made] = root
            self._absent.add(self.op)
            return True
        if root in ends or self.value(root).ctype != self.value(made).ctype:
            return False
        self._absent.add(self.op)
        for tensor in [t for t, shared in self._roots.items() if shared == root]:
            self._roots[tensor] = made
        self._roots[root] = made
        self.launches = [_moved(launch, root, made) for launch in self.launches]
        return True

    def leave_out(self, ops: Iterable[int]) -> None:
        """These ops read and write nothing on the device."""
        self._absent.update(ops)

    def root(self, t: int) -> int:
        """The tensor whose memory this one shares: itself, mostly."""
        return self._roots.get(t, t)

    def grows(self, t: int) -> int | None:
        """The index of the launch that ends by storing tensor `t`, when the op lowered now is all that reads it."""
        if not self.fuses or t in self.segment.outputs or self.is_constant(t):
            return None
        root = self.root(t)
        if root in self.segment.outputs:
            return None
        shared = [root, *(k for k, r in self._roots.items() if r == root)]
        if any(earlier in shared and later not in shared for later, earlier in self.same.items()):
            return None  # one more tensor will share it
        readers = [i for k in shared for i in self.graph.consumers().get(k, ()) if i not in self._absent]
        if readers != [self.op]:
            return None
        for n in range(len(self.launches) - 1, -1, -1):
            launch = self.launches[n]
            if root in [value.key for value in launch.writes]:
                return n if launch.result is not None and len(launch.writes) == 1 else None
        return None

    def append(self, n: int, step: Step, made: int) -> None:
        """Fuses a step into launch n, which from now on ends by storing tensor `made`, after all other launches."""
        launch = self.launches.pop(n)
        ops = tuple(dict.fromkeys((*launch.ops, self.op)))
        grown = replace(
            launch, steps=(*launch.steps, step), result=self.value(made), ops=ops, work=Work(launch.work.macs)
        )
        self.add(grown)


def _moved(launch: Launch, old: int, new: int) -> Launch:
    """The launch with array `new` in the place of `old`."""

    def moved(value: Value) -> Value:
        return replace(value, key=new) if value.key == old else value

    def argument(a: Argument) -> Argument:
        return replace(a, value=moved(a.value)) if isinstance(a, In | Out) else a

    arguments = tuple(argument(a) for a in launch.arguments)
    steps = tuple(replace(s, arguments=tuple(argument(a) for a in s.arguments)) for s in launch.steps)
    result = moved(launch.result) if launch.result else None
    return replace(launch, arguments=arguments, steps=steps, result=result)


def lower(segment: Segment, caps: Caps, half: bool = False, fuses: bool = True) -> list[Launch]:
    """All launches of a segment, in an order that can run.

    Ops whose results nothing reads are left out, and so is what was computed already.
    """
    build = Build(segment, caps, half, fuses)
    graph = segment.graph
    needed = alive(segment)
    build.leave_out(i for i in segment.ops if i not in needed)
    build.same = repeated(segment, needed)
    for i in segment.ops:
        if i not in needed:
            continue
        build.op, op = i, graph.ops[i]
        if makes_constants(op, graph):
            _upload(op, build)
            continue
        same = build.same.get(op.outputs[0])
        if same is None or not build.alias(op.outputs[0], same):
            LOWERINGS[op.kind].lower(op, build)
    return build.launches


def _upload(op: Op, build: Build) -> None:
    """Constants that leave the segment are written by each run; the others need nothing."""
    for t in op.outputs:
        if t not in build.segment.outputs:
            continue
        value = build.value(t)
        arguments = (Table("x", build.constant(t)), Int("count", value.count))
        given = "float" if value.ctype in ("float", "half") else "int"
        build.add(Launch("pointwise", arguments, (value.count,), (), {"AT": "i"}, value, given))
    build.leave_out([build.op])


def _readers(op: Op, graph: Graph) -> Iterator[Op]:
    """The ops that read what this one makes, or what others make constants of it, and make no constants themselves."""
    pending, seen = [op], set[int]()
    while pending:
        for i in (i for t in pending.pop().outputs for i in graph.consumers().get(t, ())):
            if i in seen:
                continue
            seen.add(i)
            if makes_constants(graph.ops[i], graph):
                pending.append(graph.ops[i])
            else:
                yield graph.ops[i]


def _activations(op: Op, graph: Graph) -> list[Tensor]:
    return [graph.tensors[t] for t in (*op.inputs, *op.outputs) if t >= 0 and not is_constant(t, graph)]


def _is_readable(t: int, graph: Graph) -> bool:
    """Whether it is no constant, or one that is there, or one that the CPU can compute."""
    tensor = graph.tensors[t]
    try:
        if tensor.is_constant:
            return tensor.data is not None
        if is_constant(t, graph) and graph.services is not None:
            graph.segment(made_by(t, graph)).reference().close()
    except (ValueError, ModelError, Unsupported):
        return False
    return True
