"""One subgraph of an interpreter: the shapes asked for, and the engine allocated for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from subgraft.delegates import Array, Graph
from subgraft.interpreter.frame import Frame
from subgraft.partitioner import Plan

LIVE_VIEWS = """There is at least 1 reference to internal data
      in the interpreter in the form of a numpy array or slice. Be sure to
      only hold the function returned from tensor() if you are using raw
      data access."""


class Engine(Protocol):
    """What runs a subgraph: a native program, or segments on delegates and CPU. Tensors go by index."""

    @property
    def live_views(self) -> int: ...

    def run(self) -> None: ...

    def set(self, tensor: int, array: Array) -> None: ...

    def get(self, tensor: int) -> Array: ...

    def view(self, tensor: int) -> Array: ...

    def shape(self, tensor: int) -> tuple[int, ...]: ...

    def reset_variables(self) -> None: ...


Shapes = Mapping[int, tuple[int, ...]]


class Slot:
    """Holds a subgraph's engine between allocate_tensors() and the next resize."""

    def __init__(self, graph: Graph, make: Callable[[Shapes], tuple[Engine, Plan | None]]) -> None:
        self.graph = graph
        self.engine: Engine | None = None
        self.plan: Plan | None = None
        self.shapes: dict[int, tuple[int, ...]] = {}  # of inputs, where not the file's
        self._make = make

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's shape now: as allocated, as asked for, or as the file says."""
        if self.engine is not None:
            return self.engine.shape(tensor)
        return self.shapes.get(tensor, self.graph.tensors[tensor].shape)

    def check_no_views(self) -> None:
        """Memory must not change or move under an array that still shows it."""
        if self.engine is not None and self.engine.live_views:
            raise RuntimeError(LIVE_VIEWS)

    def resize(self, tensor: int, shape: tuple[int, ...]) -> None:
        """Asks for another shape; the engine goes, unless the shape is the present one."""
        if tensor not in self.graph.inputs:
            raise RuntimeError(f"tensor {tensor} is not an input; only inputs can be resized")
        if any(dim < 0 for dim in shape):
            raise RuntimeError(f"cannot resize tensor {tensor} to {list(shape)}: a dimension is negative")
        if self.shape(tensor) == shape:
            return
        self.shapes[tensor] = shape
        if isinstance(self.engine, Frame):
            self.engine.close()
        self.engine = None

    def resize_all(self, arrays: Mapping[int, Array]) -> None:
        """Asks for the shapes of these arrays."""
        self.check_no_views()
        for tensor, array in arrays.items():
            self.resize(tensor, array.shape)

    def allocate(self) -> Engine:
        """The engine for the shapes asked for. Raises RuntimeError when the model cannot run so."""
        if self.engine is None:
            try:
                self.engine, self.plan = self._make(self.shapes)
            except ValueError as error:  # here the file has loaded: what fails is the preparation, as in TFLite
                raise RuntimeError(str(error)) from error
        return self.engine

    def invoke(self) -> None:
        """Runs once. Raises RuntimeError before allocate(), under live views, and when an op fails."""
        engine = self.engine
        if engine is None:
            raise RuntimeError("Invoke called on model that is not ready. Run allocate_tensors() first")
        if engine.live_views:
            raise RuntimeError(LIVE_VIEWS)
        engine.run()
