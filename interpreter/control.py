"""Control flow whose bodies have plans of their own: the session decides what runs, the bodies' frames run it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from subgraft.delegates import Array, InvokeError, ModelError, Segment, Unsupported
from subgraft.interpreter.native import _native
from subgraft.interpreter.store import Store

if TYPE_CHECKING:
    from subgraft.interpreter.frame import Frame

# Makes the frame of a graph, by index, whose inputs have these shapes, by tensor.
Replan = Callable[[int, Mapping[int, tuple[int, ...]]], "Frame"]

MOST_SHAPES = 4  # frames kept for bodies whose inputs change their shape, beside those that were planned


class ControlStep:
    """One IF, WHILE, CALL, CALL_ONCE, STABLEHLO_CASE or STABLEHLO_COMPOSITE."""

    def __init__(
        self,
        segment: Segment,
        bodies: Sequence[Frame],
        store: Store,
        resources: _native.Resources,
        replan: Replan,
        max_steps: int | None,
    ) -> None:
        """resources: know the subgraphs that CALL_ONCE has run in this session. max_steps: of a WHILE."""
        self.segment = segment
        self._op = segment.graph.ops[segment.ops[0]]
        self._name = f"op {segment.ops[0]} {self._op.kind}"
        self._bodies = bodies
        self._store = store
        self._resources = resources
        self._replan = replan
        self._max_steps = max_steps
        self._others: dict[tuple[int, tuple[tuple[int, ...], ...]], Frame] = {}
        self._check()

    def place(self) -> None:
        """Values are looked up in each run."""

    def reset(self) -> None:
        """It has no state of its own but what its bodies keep at other shapes."""
        for frame in self._others.values():
            frame.reset_variables()

    def close(self) -> None:
        """Lets go of the devices of bodies at other shapes."""
        for frame in self._others.values():
            frame.close()
        self._others.clear()

    def run(self) -> None:
        """Runs what the values ask for."""
        values = [self._store[t] for t in self._op.inputs]
        kind = self._op.kind
        if kind == "WHILE":
            results = self._loop(values)
        elif kind == "IF":
            results = self._call(self._bodies[0 if self._truth(values[0]) else 1], values[1:])
        elif kind == "STABLEHLO_CASE":
            results = self._call(self._bodies[self._branch(values[0])], values[1:])
        elif kind in ("CALL", "STABLEHLO_COMPOSITE"):
            results = self._call(self._bodies[0], values)
        else:
            results = []
            body = self._bodies[0].plan.graph.index
            if not self._resources.has_run(body):
                self._call(self._bodies[0], [])
                self._resources.set_run(body)
        for t, value in zip(self._op.outputs, results, strict=True):
            self._put(t, value)

    def _check(self) -> None:
        """Raises ModelError unless every body takes what it is given and gives what is taken."""
        op = self._op
        name = self._name
        if -1 in op.inputs or -1 in op.outputs:
            raise ModelError(f"{name} lacks one of its inputs {list(op.inputs)} or outputs {list(op.outputs)}")
        takes = {"IF": len(op.inputs) - 1, "STABLEHLO_CASE": len(op.inputs) - 1, "CALL_ONCE": 0}.get(
            op.kind, len(op.inputs)
        )
        gives = [len(op.outputs)] * len(self._bodies)
        if op.kind == "WHILE":
            gives[0] = 1  # the condition
        for body, count in zip(self._bodies, gives, strict=True):
            graph = body.plan.graph
            if len(graph.inputs) != takes or (len(graph.outputs) != count and op.kind != "CALL_ONCE"):
                raise ModelError(
                    f"{name} needs a body of {takes} inputs and {count} outputs; graph "
                    f"{graph.index} has {len(graph.inputs)} and {len(graph.outputs)}"
                )
        if not self._bodies:
            raise ModelError(f"{name} has no branch")
        if op.kind == "WHILE" and len(op.inputs) != len(op.outputs):
            raise ModelError(f"{name} has {len(op.inputs)} inputs and {len(op.outputs)} outputs")

    def _loop(self, values: Sequence[Array]) -> Sequence[Array]:
        condition, body = self._bodies
        steps = 0
        while self._truth(self._call(condition, values)[0]):
            if steps == self._max_steps:
                raise InvokeError(
                    f"{self._name} wants more than {steps} steps; load(max_loop_steps=...) says how many it may take"
                )
            values = self._call(body, values)
            steps += 1
        return values

    def _call(self, body: Frame, values: Sequence[Array]) -> Sequence[Array]:
        graph = body.plan.graph
        fits = True
        for t, value in zip(graph.inputs, values, strict=True):
            place = body.store[t]
            if value.dtype != place.dtype:
                raise InvokeError(
                    f"{self._name} gives {value.dtype}{list(value.shape)} to input '{graph.tensors[t].name}' of graph "
                    f"{graph.index}, which is {place.dtype}{list(place.shape)}"
                )
            fits = fits and value.shape == place.shape
        return (body if fits else self._other(body, values)).pass_through(values)

    def _other(self, body: Frame, values: Sequence[Array]) -> Frame:
        """The body's frame for inputs of these shapes. Raises InvokeError when they do not suit its ops."""
        graph = body.plan.graph
        shapes = tuple(value.shape for value in values)
        frame = self._others.pop((graph.index, shapes), None)
        if frame is None:
            try:
                frame = self._replan(graph.index, dict(zip(graph.inputs, shapes, strict=True)))
            except (ModelError, Unsupported) as error:
                listed = ", ".join(str(list(shape)) for shape in shapes)
                raise InvokeError(f"{self._name} gives graph {graph.index} inputs of {listed}: {error}") from error
        self._others[graph.index, shapes] = frame  # the latest last
        if len(self._others) > MOST_SHAPES:
            self._others.pop(next(iter(self._others))).close()
        return frame

    def _truth(self, value: Array) -> bool:
        if value.size != 1 or value.dtype != bool:
            raise InvokeError(f"{self._name}: a condition is {value.dtype}{list(value.shape)}; it must be one bool")
        return bool(value.reshape(-1)[0])

    def _branch(self, value: Array) -> int:
        """Which branch a number stands for: the last one, if it is none of theirs."""
        if value.size != 1 or value.dtype != np.int32:
            raise InvokeError(f"{self._name}: a branch is {value.dtype}{list(value.shape)}; it must be one int32")
        chosen = int(value.reshape(-1)[0])
        return chosen if 0 <= chosen < len(self._bodies) else len(self._bodies) - 1

    def _put(self, tensor: int, value: Array) -> None:
        place = self._store.fixed.get(tensor)
        if place is None:
            self._store.loose[tensor] = value
        elif place.shape == value.shape and place.dtype == value.dtype:
            place[...] = value
        else:
            name = self.segment.graph.tensors[tensor].name
            raise InvokeError(
                f"{self._name} gives {value.dtype}{list(value.shape)} for output '{name}', which the model says is "
                f"{place.dtype}{list(place.shape)}"
            )
