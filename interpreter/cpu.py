"""Segments on the CPU: one native program each, over memory that it shares with its neighbours."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from subgraft.delegates import Array, Segment
from subgraft.interpreter.native import _native
from subgraft.interpreter.store import Store, element

MOST_SHAPES = 4  # programs kept for one segment whose inputs change their shape


@dataclass(frozen=True, slots=True)
class Cpu:
    """What every program of one session is made from.

    resources: variables and tables by name, and which subgraphs CALL_ONCE has run.
    """

    model: _native.Model
    pool: _native.ThreadPool
    resources: _native.Resources = field(default_factory=_native.Resources)

    def reset_resources(self) -> None:
        """As before the first run."""
        self.resources.reset()

    def program(self, segment: Segment, shapes: Mapping[int, Sequence[int]]) -> _native.Program:
        """A program whose inputs and outputs are bound to the caller's memory; variables are its own.

        shapes: of inputs and outputs. Outputs without one are sized while running and read with get().
        Raises Unsupported, naming the op.
        """
        variable = {t for t in segment.inputs if segment.graph.tensors[t].is_variable}
        return _native.Program(
            self.model,
            segment.graph.index,
            list(segment.ops),
            [t for t in segment.inputs if t not in variable],
            [t for t in segment.outputs if t not in variable],
            pool=self.pool,
            resources=self.resources,
            external=True,
            shapes={t: list(shape) for t, shape in shapes.items() if t not in variable},
        )


class Reference:
    """A segment on the CPU behind the interface that delegates' executables have."""

    def __init__(self, cpu: Cpu, segment: Segment) -> None:
        tensors = segment.graph.tensors
        self._segment = segment
        self._state = [t for t in segment.inputs if tensors[t].is_variable]
        shapes = {t: tensors[t].shape for t in (*segment.inputs, *segment.outputs)}
        self._program: _native.Program | None = cpu.program(segment, shapes)

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        program = self._program
        if program is None:
            raise ValueError("this reference is closed")
        results = dict(zip(self._segment.outputs, outputs, strict=True))
        for t, array in zip(self._segment.inputs, inputs, strict=True):
            if t in self._state:
                program.set(t, array)
            else:
                program.bind(t, array)
        for t, array in results.items():
            if t not in self._state:
                program.bind(t, array)
        program.run()
        for t in self._state:
            results[t][...] = program.get(t)

    def close(self) -> None:
        self._program = None


class CpuStep:
    """A segment whose shapes are fixed and whose state nobody else touches."""

    def __init__(self, cpu: Cpu, segment: Segment, store: Store) -> None:
        self.segment = segment
        self._store = store
        self._bound = [t for t in (*segment.inputs, *segment.outputs) if not segment.graph.tensors[t].is_variable]
        self.program = cpu.program(segment, {t: segment.graph.tensors[t].shape for t in self._bound})
        self.place()

    def place(self) -> None:
        """Follows the store's memory to where it is now."""
        for t in self._bound:
            self.program.bind(t, self._store.fixed[t])

    def run(self) -> None:
        self.program.run()

    def reset(self) -> None:
        """State back to its first value."""
        self.program.reset_variables()


class LooseCpuStep:
    """A segment that reads or makes tensors whose shape is known only while running, or shares its state."""

    def __init__(self, cpu: Cpu, segment: Segment, store: Store, unknown: Collection[int]) -> None:
        tensors = segment.graph.tensors
        self.segment = segment
        self._cpu = cpu
        self._store = store
        self._state = [t for t in segment.inputs if tensors[t].is_variable]
        self._loose_inputs = [t for t in segment.inputs if t in unknown]
        self._loose_outputs = [t for t in segment.outputs if t in unknown]
        fixed = (t for t in (*segment.inputs, *segment.outputs) if t not in unknown and t not in self._state)
        self._fixed = {t: tensors[t].shape for t in fixed}
        self._programs: dict[tuple[tuple[int, ...], ...], _native.Program] = {}

    def place(self) -> None:
        """The memory is looked up in each run."""

    def run(self) -> None:
        values = [self._store[t] for t in self._loose_inputs]
        program = self._fitting(tuple(value.shape for value in values))
        for t in self._fixed:
            program.bind(t, self._store.fixed[t])
        for t, value in zip(self._loose_inputs, values, strict=True):
            program.bind(t, value)
        for t in self._state:
            program.set(t, self._store.state[t])
        sized_now = [t for t in self._loose_outputs if program.is_dynamic(t)]
        for t in self._loose_outputs:
            if t not in sized_now:  # given the shapes of the inputs it is known
                self._store.loose[t] = np.empty(program.shape(t), element(self.segment.graph.tensors[t]))
                program.bind(t, self._store.loose[t])
        program.run()
        for t in sized_now:
            value = program.get(t)
            is_text = self.segment.graph.tensors[t].dtype == "string"
            self._store.loose[t] = self._store.numbered(t, value) if is_text else value
        for t in self._state:
            self._store.state[t][...] = program.get(t)

    def reset(self) -> None:
        """The state lies in the store."""

    def _fitting(self, shapes: tuple[tuple[int, ...], ...]) -> _native.Program:
        program = self._programs.pop(shapes, None)
        if program is None:
            given = dict(zip(self._loose_inputs, shapes, strict=True))
            program = self._cpu.program(self.segment, self._fixed | given)
        self._programs[shapes] = program  # the latest last
        if len(self._programs) > MOST_SHAPES:
            del self._programs[next(iter(self._programs))]
        return program
