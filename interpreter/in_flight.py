"""Several inferences of one model at the same time, each in a thread and in memory of its own."""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from subgraft.delegates import Array, Graph
from subgraft.partitioner import keeps_order, reachable

if TYPE_CHECKING:
    from subgraft.interpreter.session import Session


class InFlight:
    """A few sessions like the one that they belong to, on the same devices.

    While one waits for the device, another stages its inputs or computes on the CPU.
    """

    def __init__(self, make: Callable[[], Session], count: int) -> None:
        self._make = make
        self._pool = ThreadPoolExecutor(count, "subgraft-async")
        self._sessions: list[Session] = []
        self._idle: queue.SimpleQueue[Session | None] = queue.SimpleQueue()
        for _ in range(count):
            self._idle.put(None)  # made when it is needed

    def run(self, inputs: Mapping[str, Array]) -> Future[dict[str, Array]]:
        """Starts an inference with copies of the inputs; waits first while all sessions are at work."""
        session = self._idle.get()
        try:
            if session is None:
                session = self._make()
                self._sessions.append(session)
            future = self._pool.submit(session.run, {name: np.array(array) for name, array in inputs.items()})
        except BaseException:
            self._idle.put(session)
            raise
        future.add_done_callback(lambda _: self._idle.put(session))  # also when it was cancelled before it began
        return future

    def close(self) -> None:
        """Waits for what runs, and lets go of the devices."""
        self._pool.shutdown()
        for session in self._sessions:
            session.close()


def check_that_order_is_free(graph: Graph, graphs: Sequence[Graph]) -> None:
    """Raises ValueError for a model whose inferences must follow each other, naming the op."""
    for g in (graph, *reachable(graph, graphs)):
        for i, op in enumerate(g.ops):
            if keeps_order(op, g):
                where = f"op {i} {op.kind}" + (f" of graph {g.index}" if g.index != graph.index else "")
                raise ValueError(f"{where} keeps state between runs, so they must follow each other: use run()")
