"""Ops that a user wrote in Python: what they are told, what shapes they give, and how they run between the others."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from subgraft.delegates import NUMPY_DTYPES, Array, Graph, InvokeError, ModelError, Op, Segment, Tensor, Unsupported
from subgraft.interpreter import texts
from subgraft.interpreter.native import _native
from subgraft.interpreter.store import Store, element, read_only

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CustomOp:
    """What runs a custom op.

    compute(inputs, options): takes a list of read-only arrays, None for an optional input that is absent, and the op's
        options: what its flexbuffer holds, else its bytes. Returns the output, or a list of them when there are
        several, of the types that the file says.
    shapes(shapes of the inputs, options): returns the shape of the output, or a list of them when there are several.
        None: while the model is planned, compute is called with zeros for what is no constant, to learn them.
    shaped_by: the inputs, by place, whose values decide the shapes. Unless they are constants, the shapes are what
        compute returns in each run.
    """

    compute: Callable[[list[Array | None], Any], Any]
    shapes: Callable[[list[Shape | None], Any], Any] | None = None
    shaped_by: Collection[int] = ()

    def shapes_of(self, i: int, graph: Graph) -> list[Shape] | None:
        """Of the outputs of op i of the graph, whose inputs have the shapes that its tensors say.

        None: known only while running.
        """
        op = graph.ops[i]
        if any(
            place in self.shaped_by and t >= 0 and graph.tensors[t].data is None for place, t in enumerate(op.inputs)
        ):
            return None
        tensors = [None if t < 0 else graph.tensors[t] for t in op.inputs]
        if self.shapes is None:
            zeros = [None if x is None else _example(x, i, op) for x in tensors]
            return [result.shape for result in self.results(zeros, i, op)]
        given: list[Shape | None] = [None if x is None else x.shape for x in tensors]
        answer = _called(self.shapes, given, i, op)
        listed = answer if len(op.outputs) != 1 else [answer]
        try:
            shapes = [tuple(int(dim) for dim in shape) for shape in listed]
        except (TypeError, ValueError) as error:
            raise InvokeError(f"{_name(i, op)}: its shapes() returned {answer!r}") from error
        if len(shapes) != len(op.outputs):
            raise InvokeError(
                f"{_name(i, op)}: its shapes() returned {len(shapes)} shapes for {len(op.outputs)} outputs"
            )
        return shapes

    def results(self, inputs: list[Array | None], i: int, op: Op) -> list[Array]:
        """What compute returns, one array for each output. Raises InvokeError, naming the op."""
        answer = _called(self.compute, inputs, i, op)
        results = list(answer) if isinstance(answer, list | tuple) else [answer]
        if len(results) != len(op.outputs):
            raise InvokeError(f"{_name(i, op)}: it returned {len(results)} arrays for {len(op.outputs)} outputs")
        return [np.asarray(result) for result in results]


@dataclass(frozen=True, slots=True)
class CustomOps:
    """All of them, by the name that the model calls them."""

    by_name: Mapping[str, CustomOp] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Mapping[str, CustomOp | Callable[..., Any]] | None) -> CustomOps:
        """From CustomOps and plain functions. Raises TypeError for what is neither."""
        found = {}
        for name, one in (given or {}).items():
            if not isinstance(one, CustomOp) and not callable(one):
                raise TypeError(f"custom_ops[{name!r}] is {one!r}; it takes a function, or a CustomOp")
            found[name] = one if isinstance(one, CustomOp) else CustomOp(one)
        return cls(found)

    def with_own(self, prefix: str, make: Callable[[], Mapping[str, CustomOp]], model: _native.Model) -> CustomOps:
        """With those that the model needs and that are not given, of what `make` gives, whose names begin so."""
        missing = {
            name for name, _, is_custom in _native.missing_kernels(model) if is_custom and name.startswith(prefix)
        }
        if not missing:
            return self
        own = make()
        needed = missing & set(own)
        return CustomOps({**{name: own[name] for name in sorted(needed)}, **self.by_name}) if needed else self

    def in_graph(self, graph: Graph) -> list[int]:
        """The ops of a graph that run in Python, in order."""
        if not self.by_name:
            return []
        return [i for i, op in enumerate(graph.ops) if op.is_custom and op.kind in self.by_name]

    def of_segment(self, segment: Segment) -> CustomOp | None:
        """What runs this segment, where it is one custom op."""
        op = segment.graph.ops[segment.ops[0]]
        return self.by_name.get(op.kind) if op.is_custom and len(segment.ops) == 1 else None


class CustomStep:
    """A custom op among the steps of a plan."""

    def __init__(self, segment: Segment, custom: CustomOp, store: Store, unknown: Collection[int]) -> None:
        """unknown: the tensors whose shapes are known only while running."""
        self.segment = segment
        self._unknown = unknown
        self._index = segment.ops[0]
        self._op = segment.graph.ops[self._index]
        self._custom = custom
        self._store = store

    def place(self) -> None:
        """Values are looked up in each run."""

    def reset(self) -> None:
        """State is the function's own."""

    def run(self) -> None:
        """Calls the function. Raises InvokeError, naming the op, for what it raises and for results that do not fit."""
        inputs = [None if t < 0 else read_only(self._seen(t)) for t in self._op.inputs]
        results = self._custom.results(inputs, self._index, self._op)
        for t, result in zip(self._op.outputs, results, strict=True):
            if t < 0:
                continue
            if self.segment.graph.tensors[t].dtype == "string":
                result = self._numbered(t, result)
            place = self._store.fixed.get(t)
            if t in self._unknown:
                self._store.loose[t] = self._of_its_type(t, result)
                continue
            if place is None:  # nothing reads it
                continue
            if result.dtype != place.dtype or result.shape != place.shape:
                raise InvokeError(
                    f"{_name(self._index, self._op)}: it returned {result.dtype}{list(result.shape)} for output "
                    f"'{self.segment.graph.tensors[t].name}', which is {place.dtype}{list(place.shape)}"
                )
            np.copyto(place, result)

    def _seen(self, tensor: int) -> Array:
        is_text = self.segment.graph.tensors[tensor].dtype == "string"
        return self._store.outside(tensor) if is_text else self._store[tensor]

    def _numbered(self, tensor: int, result: Array) -> Array:
        try:
            return self._store.numbered(tensor, result)
        except ValueError as error:
            raise InvokeError(f"{_name(self._index, self._op)}: {error}") from error

    def _of_its_type(self, tensor: int, result: Array) -> Array:
        """A copy of what is to be this tensor in this run."""
        told = self.segment.graph.tensors[tensor]
        if result.dtype != element(told):
            raise InvokeError(
                f"{_name(self._index, self._op)}: it returned {result.dtype}{list(result.shape)} for output "
                f"'{told.name}', which is {told.dtype}"
            )
        return np.array(result, order="C")


def options_of(op: Op) -> Any:
    """What the op's flexbuffer holds; its bytes where they are none."""
    if not op.custom_options or op.custom_options_format != 0:
        return op.custom_options
    try:
        return _native.decode_flexbuffer(op.custom_options)
    except ModelError:
        return op.custom_options


def _called(function: Callable[..., Any], given: Any, i: int, op: Op) -> Any:
    try:
        return function(given, options_of(op))
    except Exception as error:  # a user's code: whatever it raises is its own, and must not pass for ours
        raise InvokeError(f"{_name(i, op)}: {type(error).__name__}: {error}") from error


def _example(tensor: Tensor, i: int, op: Op) -> Array:
    """Its value where it is a constant, else zeros or empty strings."""
    if tensor.data is not None:
        return tensor.data
    if tensor.dtype == "string":
        known = texts.constant(tensor)
        return np.full(tensor.shape, b"", object) if known is None else known
    if tensor.dtype not in NUMPY_DTYPES:
        raise Unsupported(f"{_name(i, op)}: an input is {tensor.dtype}, which no numpy array holds")
    return np.zeros(tensor.shape, NUMPY_DTYPES[tensor.dtype])


def _name(i: int, op: Op) -> str:
    return f"op {i} {op.kind}"
