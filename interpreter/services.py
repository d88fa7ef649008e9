"""What the interpreter does for segments, so that backends need not import it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from subgraft.delegates import Executable, Graph, ModelError, Models, Segment
from subgraft.interpreter.cpu import Cpu, Reference
from subgraft.interpreter.cutter import cut
from subgraft.interpreter.model import Model, Source
from subgraft.interpreter.native import _native


class Services:
    """Of one model's segments; see SegmentServices."""

    def __init__(self, model: Model) -> None:
        self._model = model
        # A pool of one thread keeps nothing between calls, so a call that was given up may go on beside the session.
        self._cpu = Cpu(model.native, _native.ThreadPool(1))

    def to_tflite(self, segment: Segment) -> bytes:
        return cut(self._model, segment)

    def reference(self, segment: Segment) -> Executable:
        return Reference(self._cpu, segment)

    def read(self, tflite: bytes) -> Graph:
        return _main_graph(tflite)

    def body(self, index: int) -> Graph:
        if not 0 <= index < len(self._model.graphs):
            raise ModelError(f"this model has {len(self._model.graphs)} graphs, and no number {index}")
        return replace(self._model.graphs[index], services=self)


def main_graphs(sources: Any) -> Models:
    """The main graph of each model, ready to be cut into segments.

    sources: what Model.open() takes, or a Model; or a list of such. Graphs are taken as they are.
    Raises ModelError and TypeError for what is no model.
    """
    return [_main_graph(source) for source in (sources if isinstance(sources, list | tuple) else [sources])]


def _main_graph(source: Source | Model | Graph) -> Graph:
    if isinstance(source, Graph):
        return source
    model = source if isinstance(source, Model) else Model.open(source)
    if not model.graphs:
        raise ModelError("this model has no graph")
    return replace(model.graphs[0], services=Services(model))
