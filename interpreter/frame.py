"""One plan at fixed shapes: its memory, and its steps ready to run."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from subgraft.delegates import Array, Chains, Segment, SessionError
from subgraft.interpreter.control import ControlStep, Replan
from subgraft.interpreter.cpu import Cpu, CpuStep, LooseCpuStep
from subgraft.interpreter.custom_ops import CustomOps, CustomStep
from subgraft.interpreter.lane import Lane, Policy
from subgraft.interpreter.planning import Compiled, Unknown
from subgraft.interpreter.report import Report
from subgraft.interpreter.store import Life, Store
from subgraft.partitioner import Plan, Step


class Runnable(Protocol):
    """A step of a frame."""

    segment: Segment

    def run(self) -> None: ...
    def place(self) -> None: ...
    def reset(self) -> None: ...


class Frame:
    """Runs a plan's steps in order over one arena. Neighbours share its views, so nothing is copied between them."""

    def __init__(
        self,
        plan: Plan,
        compiled: Compiled,
        unknown: Unknown,
        cpu: Cpu,
        report: Report,
        policy: Policy,
        bodies: Mapping[int, Frame],
        custom: CustomOps,
        replan: Replan,
    ) -> None:
        """bodies: the frames of all graphs that control flow may run, by index; nested ones are there already.

        replan: makes one for other shapes.
        """
        graph = plan.graph
        self.plan = plan
        self._unknown = unknown.get(graph.index, frozenset())
        self._compiled = {n: compiled[graph.index, n] for n in range(len(plan.steps)) if (graph.index, n) in compiled}
        self._cpu = cpu
        self._report = report
        self._policy = policy
        self._bodies = bodies
        self._custom = custom
        self._replan = replan
        self._runs = 0
        self._texts_of_run: dict[int, object] = {}
        self._pid = os.getpid()
        shared = _shared_variables(plan, self._unknown)
        chains = any(isinstance(executable, Chains) for _, executable in self._compiled.values())
        self._handed = _handed(plan) if chains else []
        lives = _lives(plan, self._unknown, self._handed)
        self.store = Store.plan(graph, lives, shared)
        self.steps: list[Runnable] = [self._step(n, step) for n, step in enumerate(plan.steps)]
        self.lanes = [step for step in self.steps if isinstance(step, Lane)]
        for lane in self.lanes:
            lane.move = self.move
        self._link()

    def run(self) -> None:
        """Computes the outputs from what set() put in."""
        self._begin()
        for step in self.steps:
            step.run()

    def run_timed(self) -> list[float]:
        """The same; the seconds that each step took."""
        self._begin()
        seconds = []
        for step in self.steps:
            start = time.perf_counter()
            step.run()
            seconds.append(time.perf_counter() - start)
        return seconds

    def set(self, tensor: int, array: Array) -> None:
        """Copies an input's value in. Raises ValueError for another dtype or shape, and for what is no input."""
        graph = self.plan.graph
        if tensor not in graph.inputs:
            raise ValueError(f"tensor {tensor} is no input; only inputs can be set")
        place = self.store[tensor]
        if graph.tensors[tensor].dtype == "string":
            array = self.store.numbered(tensor, array)
        if not isinstance(array, np.ndarray):
            raise ValueError(f"input {tensor} is {type(array).__name__}, not a numpy array")
        if array.dtype != place.dtype or array.shape != place.shape:
            raise ValueError(
                f"Cannot set tensor: Got value of {array.dtype}{list(array.shape)} but expected "
                f"{place.dtype}{list(place.shape)} for input {tensor}, name: {graph.tensors[tensor].name}"
            )
        np.copyto(place, array)

    def get(self, tensor: int) -> Array:
        """A copy of a value: an input, an output, a constant, or what passes from one segment to another.

        Raises ValueError for what exists only inside of a segment.
        """
        return self.store.outside(tensor)

    def view(self, tensor: int) -> Array:
        """A view of a tensor's memory; let go of it before the next run. Raises ValueError where it has none."""
        return self.store.lend(tensor)

    @property
    def live_views(self) -> int:
        """How many arrays from view() are still held."""
        return len(self.store.lent)

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's shape: as the last run found it, or as planned."""
        found = self.store.loose.get(tensor)
        return self.plan.graph.tensors[tensor].shape if found is None else found.shape

    def call(self, arrays: Sequence[Array]) -> list[Array]:
        """One inference: copies in, runs, copies of the outputs."""
        graph = self.plan.graph
        for t, array in zip(graph.inputs, arrays, strict=True):
            self.set(t, array)
        self.run()
        return [self.get(t) for t in graph.outputs]

    def pass_through(self, values: Sequence[Array]) -> list[Array]:
        """The same with values as stores hold them, of the right types and shapes."""
        graph = self.plan.graph
        for t, value in zip(graph.inputs, values, strict=True):
            np.copyto(self.store[t], value)
        self.run()
        return [self.store[t].copy() for t in graph.outputs]

    def move(self) -> None:
        """New memory with the same values; the old belongs to a delegate that did not come back."""
        self.store.move()
        for step in self.steps:
            step.place()

    def reset_variables(self) -> None:
        """Every variable back to its first value, those of bodies too."""
        for frame in (self, *self._bodies.values()):
            frame.store.reset_state()
            for step in frame.steps:
                step.reset()

    def close(self) -> None:
        """Lets go of the devices, those of bodies too."""
        for frame in (self, *self._bodies.values()):
            for lane in frame.lanes:
                lane.close()
            for step in frame.steps:
                if isinstance(step, ControlStep):
                    step.close()

    def _begin(self) -> None:
        if self.lanes and self._pid != os.getpid():
            raise SessionError("this model was loaded before a fork; load it again in the child process")
        self._texts_of_run = dict(self.store.texts)  # outputs refer to them until the next run
        self.store.loose.clear()
        if any(lane.is_renewed for lane in self.lanes):
            self._link()
        self._runs += 1
        every = self._policy.verify_every
        if every and self._runs % every == 0:
            for lane in self.lanes:
                lane.verify_next = True

    def _step(self, number: int, step: Step) -> Runnable:
        segment = step.segment
        if step.bodies:
            bodies = [self._bodies[b] for b in step.bodies]
            return ControlStep(
                segment, bodies, self.store, self._cpu.resources, self._replan, self._policy.max_loop_steps
            )
        if number in self._compiled:
            attachment, executable = self._compiled[number]
            return Lane(number, segment, attachment, executable, self._cpu, self.store, self._report, self._policy)
        custom = self._custom.of_segment(segment)
        if custom is not None:
            return CustomStep(segment, custom, self.store, self._unknown)
        if self._unknown.isdisjoint((*segment.inputs, *segment.outputs)) and not any(
            t in self.store.state for t in segment.inputs
        ):
            return CpuStep(self._cpu, segment, self.store)
        return LooseCpuStep(self._cpu, segment, self.store, self._unknown)

    def _link(self) -> None:
        """Asks which tensors may stay on a device between two of its segments."""
        for lane in self.lanes:
            lane.unlink()
        for n, m, tensors in self._handed:
            producer, consumer = self.steps[n], self.steps[m]
            if not (isinstance(producer, Lane) and isinstance(consumer, Lane)):
                continue
            maker, taker = producer.executable, consumer.executable  # read once: the background thread changes them
            if maker is not None and isinstance(taker, Chains) and taker.accepts(maker):
                consumer.sources.append(producer)
                producer.keeps += tensors
        for lane in self.lanes:
            lane.take_capsule()


def _handed(plan: Plan) -> list[tuple[int, int, tuple[int, ...]]]:
    """The pairs of steps on one delegate of which the first hands tensors to the second alone, and these tensors.

    None that has state: it could not be computed again.
    """
    tensors, consumers = plan.graph.tensors, plan.graph.consumers()
    place = {i: n for n, step in enumerate(plan.steps) for i in step.segment.ops}
    pairs = []
    for n, step in enumerate(plan.steps):
        if step.owner is None:
            continue
        for m in sorted({place[i] for t in step.segment.outputs for i in consumers.get(t, ())} - {n}):
            reader = plan.steps[m]
            if reader.owner != step.owner:
                continue
            handed = step.segment.handed_to(reader.segment)
            if handed and not any(tensors[t].is_variable for t in (*step.segment.inputs, *reader.segment.inputs)):
                pairs.append((n, m, handed))
    return pairs


def _lives(plan: Plan, unknown: frozenset[int], handed: Sequence[tuple[int, int, tuple[int, ...]]]) -> dict[int, Life]:
    """From which step to which each tensor between segments is needed. Inputs and outputs of the graph stay."""
    graph, end = plan.graph, len(plan.steps)
    first = dict.fromkeys(graph.inputs, -1)
    last = dict.fromkeys((*graph.inputs, *graph.outputs), end)
    for n, step in enumerate(plan.steps):
        for t in step.segment.outputs:
            first.setdefault(t, n)
        for t in (*step.segment.inputs, *step.segment.outputs):
            last[t] = max(last.get(t, n), n)
    for n, m, _ in reversed(handed):  # should m fail, n is computed again: all that n touches stays until then
        needed = max(last[t] for t in plan.steps[m].segment.inputs)
        for t in (*plan.steps[n].segment.inputs, *plan.steps[n].segment.outputs):
            last[t] = max(last[t], needed)
    tensors = graph.tensors
    return {t: Life(first[t], last[t]) for t in first if not tensors[t].is_variable and t not in unknown}


def _shared_variables(plan: Plan, unknown: frozenset[int]) -> set[int]:
    """Variables that live in the store: all but those of CPU segments that share theirs with none, not even callers."""
    tensors = plan.graph.tensors
    variables = [[t for t in step.segment.inputs if tensors[t].is_variable] for step in plan.steps]
    users = Counter(t for some in variables for t in some)
    given = {t for t in plan.graph.inputs if tensors[t].is_variable}
    return given | {
        t
        for step, some in zip(plan.steps, variables, strict=True)
        if step.owner
        or step.bodies
        or any(users[t] > 1 for t in some)
        or not unknown.isdisjoint((*step.segment.inputs, *step.segment.outputs))
        for t in some
    }
