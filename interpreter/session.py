"""A model ready to run: its plan, its report, and run()."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType

import numpy as np

from subgraft.delegates import NUMPY_DTYPES, Array, Graph, SessionError, Tensor
from subgraft.interpreter import profile
from subgraft.interpreter.engines import Engine, Engines, Shapes
from subgraft.interpreter.frame import Frame
from subgraft.interpreter.in_flight import InFlight
from subgraft.interpreter.profile import Profile
from subgraft.interpreter.report import Report
from subgraft.partitioner import Plan

LARGEST_DIMENSION = 2**31 - 1  # the format's int32
MOST_SHAPES = 4  # engines kept for a model whose inputs change their shape

Key = tuple[tuple[int, ...], ...]  # the shapes of all inputs


class Names:
    """What run() calls inputs and outputs: the signature's names, else the tensors'; inputs go by either."""

    def __init__(self, graph: Graph, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> None:
        self.inputs = _named(graph, graph.inputs, inputs)
        self.outputs = _named(graph, graph.outputs, outputs)
        self._by_tensor_name = {graph.tensors[t].name: i for i, t in enumerate(graph.inputs)}

    def in_order(self, given: Mapping[str, Array]) -> list[Array]:
        """Arrays in the order of the inputs. Raises ValueError for missing and unknown names."""
        try:
            if len(given) == len(self.inputs):
                return [given[name] for name in self.inputs]
        except (KeyError, IndexError, TypeError):
            pass
        if not isinstance(given, Mapping):
            raise TypeError(
                f"run takes a dict {{name: array}}, not {type(given).__name__}; the inputs are {', '.join(self.inputs)}"
            )
        arrays: dict[int, Array] = {}
        for name, array in given.items():
            place = self.inputs.index(name) if name in self.inputs else self._by_tensor_name.get(name)
            if place is None:
                raise ValueError(f"there is no input {name!r}; this model's inputs are {', '.join(self.inputs)}")
            if place in arrays:
                raise ValueError(f"two values for input {self.inputs[place]}")
            arrays[place] = array
        missing = [name for i, name in enumerate(self.inputs) if i not in arrays]
        if missing:
            raise ValueError(f"no value for input {', '.join(missing)}")
        return [arrays[i] for i in range(len(self.inputs))]


class Session:
    """Runs one model. Made by load().

    A session belongs to one thread at a time: a second one gets SessionError, or waits if load() was told so. After a
    fork the child must load its own. close(), or the end of a `with` block, lets go of the devices.

    report: what went another way than planned.
    """

    def __init__(
        self,
        engines: Engines,
        graph: Graph,
        names: Names,
        report: Report,
        *,
        wait: bool,
        in_flight: Callable[[], InFlight] | None = None,
        entry: Callable[[str], tuple[Graph, Names]] | None = None,
        first: Session | None = None,
    ) -> None:
        """in_flight: makes what run_async() runs in. entry: what a signature runs. first: whose devices it shares."""
        self.report = report
        self._make_in_flight = in_flight
        self._in_flight: InFlight | None = None
        self._engines = engines
        self._graph = graph
        self._names = names
        self._wait = wait
        # Reentrant: Ctrl-C between taking a turn and the `try` leaves it taken, and close() must not wait for itself.
        self._turn: threading.RLock = first._turn if first else threading.RLock()
        self._first = first
        self._entry = entry
        self._pid = os.getpid()
        self._finalizer = weakref.finalize(self, engines.close)
        if first:
            self._finalizer.detach()  # the devices are the first one's
        self._kept: dict[Key, tuple[Engine, Plan | None]] = {}
        self._engine: Engine | None = None
        self._key: Key = ()  # of the present engine
        self._use(tuple(graph.tensors[t].shape for t in graph.inputs))

    def run(self, inputs: Mapping[str, Array], out: Mapping[str, Array] | None = None) -> dict[str, Array]:
        """One inference.

        inputs: an array for each input, by name, of its dtype and shape; other shapes where the model leaves them open.
        out: arrays to write outputs into; the others are new.
        Raises ValueError for wrong inputs, InvokeError for values that an op cannot take, Failed where nothing may fall
        back, SessionError for a second thread, after close() and after a fork.
        """
        engine = self._enter()
        try:
            arrays = self._names.in_order(inputs)
            try:
                results = engine.call(arrays)
            except ValueError:
                shapes = tuple(np.shape(array) for array in arrays)
                if shapes == self._key:
                    raise
                if not self._may_be(shapes):
                    self._refuse(arrays)
                    raise
                results = self._use(shapes).call(arrays)
        finally:
            self._turn.release()
        named = dict(zip(self._names.outputs, results, strict=True))
        return named if out is None else _write(named, out)

    def run_async(self, inputs: Mapping[str, Array]) -> Future[dict[str, Array]]:
        """Starts one inference and returns a future of what run() returns, or raises.

        inputs: as for run(); they are copied. At most `in_flight` of load() run at the same time: while that many do,
        this call waits. They share the devices and the report, and each has memory of its own.
        Raises ValueError for a model that keeps state between runs, and SessionError.
        """
        self._enter()
        try:
            self._names.in_order(inputs)
            if self._in_flight is None:
                if self._make_in_flight is None:
                    raise SessionError("run_async() is only for the session that load() made; this one has run()")
                self._in_flight = self._make_in_flight()
            return self._in_flight.run(inputs)
        finally:
            self._turn.release()

    def signature(self, key: str) -> Session:
        """A session that runs another signature of the model, with the devices, report and variables of this one.

        They take turns. It ends when this session is closed; closing it leaves this one open.
        Raises ValueError for a key that the model does not have, and what load() raises.
        """
        self._enter()
        try:
            if self._entry is None:
                raise SessionError("this session belongs to another one's run_async()")
            graph, names = self._entry(key)
            first = self._first or self
            return Session(self._engines, graph, names, self.report, wait=self._wait, entry=self._entry, first=first)
        finally:
            self._turn.release()

    @property
    def plan(self) -> Plan:
        """Who runs what at the present shapes, and why not elsewhere."""
        self._enter()
        try:
            engine, plan = self._kept[self._key]
            if plan is None:
                plan = self._engines.plan(self._graph.index, self._shapes(self._key))
                self._kept[self._key] = engine, plan
            return plan
        finally:
            self._turn.release()

    @property
    def inputs(self) -> dict[str, Tensor]:
        """What run() takes, by name."""
        return self._tensors(self._names.inputs, self._graph.inputs)

    @property
    def outputs(self) -> dict[str, Tensor]:
        """What run() gives, by name."""
        return self._tensors(self._names.outputs, self._graph.outputs)

    def resize(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Plans for other shapes of some inputs.

        Raises ValueError for names and dimensions that cannot be, Unsupported for shapes that do not suit the ops.
        """
        self._enter()
        try:
            key = list(self._key)
            for name, shape in shapes.items():
                if name not in self._names.inputs:
                    raise ValueError(f"there is no input {name!r}; the inputs are {', '.join(self._names.inputs)}")
                dims = tuple(int(dim) for dim in shape)
                if not all(0 <= dim <= LARGEST_DIMENSION for dim in dims):
                    raise ValueError(f"input {name!r} cannot be {list(dims)}: dimensions are 0 to {LARGEST_DIMENSION}")
                key[self._names.inputs.index(name)] = dims
            self._use(tuple(key))
        finally:
            self._turn.release()

    def reset(self) -> None:
        """Sets the state that ops keep between runs back to its beginning."""
        self._enter()
        try:
            for engine, _ in self._kept.values():
                engine.reset_variables()
            self._engines.reset_resources()
        finally:
            self._turn.release()

    def profile(self, inputs: Mapping[str, Array] | None = None, *, runs: int = 10) -> Profile:
        """Runs the model `runs` times, after once for warming up, and tells where the time goes.

        inputs: None for zeros. Raises ValueError for less than one run.
        """
        if runs < 1:
            raise ValueError(f"runs is {runs}: it must be at least 1")
        engine = self._enter()
        try:
            engine.call(self._zeros() if inputs is None else self._names.in_order(inputs))
            if isinstance(engine, Frame):
                return profile.frame(engine, runs)
            return profile.program(engine, self._graph, runs)
        finally:
            self._turn.release()

    def close(self) -> None:
        """Lets go of the devices; the session cannot run any more. May be called twice."""
        if self._pid == os.getpid():
            with self._turn:
                self._engine = None
                if self._first:
                    for engine, _ in self._kept.values():
                        if isinstance(engine, Frame):
                            engine.close()
                self._kept.clear()
                if self._in_flight is not None:
                    self._in_flight.close()
                self._finalizer()

    def __repr__(self) -> str:
        name = self._graph.name or f"graph {self._graph.index}"
        if not self._kept:
            return f"<Session of {name}, closed>"
        plan = self._kept[self._key][1]
        runs = plan.summary() if plan else f"{name}: the CPU runs {len(self._graph.ops)} ops"
        return f"<Session of {runs}; plan.explain() says why>"

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _enter(self) -> Engine:
        """Takes this thread's turn. Raises SessionError."""
        if self._pid != os.getpid():
            raise SessionError("this session was made before a fork; load the model again in the child process")
        if not self._turn.acquire(self._wait):
            raise SessionError("this session is in use by another thread; load one for each thread, or with wait=True")
        engine = self._engine
        if self._first is not None and self._first._engine is None:
            engine = None
        if engine is None or self._engines.watch.bug is not None:
            self._turn.release()
            raise self._engines.watch.bug or SessionError("this session is closed")
        return engine

    def _may_be(self, shapes: Key) -> bool:
        """Whether the model leaves these shapes open."""
        tensors = [self._graph.tensors[t] for t in self._graph.inputs]
        return all(
            len(shape) == len(tensor.shape)
            and all(
                free == -1 or free == dim
                for free, dim in zip(tensor.shape_signature or tensor.shape, shape, strict=True)
            )
            for tensor, shape in zip(tensors, shapes, strict=True)
        )

    def _refuse(self, arrays: Sequence[Array]) -> None:
        """Raises ValueError for the first shape that the model does not leave open, where it leaves others open.

        The engine compares with the present shapes, and so may blame a dimension that is free.
        """
        for name, t, array in zip(self._names.inputs, self._graph.inputs, arrays, strict=True):
            tensor = self._graph.tensors[t]
            signature, shape = tensor.shape_signature or tensor.shape, np.shape(array)
            if -1 not in signature or getattr(array, "dtype", None) != NUMPY_DTYPES.get(tensor.dtype):
                continue
            takes = f"input '{name}' is {list(shape)}, but the model takes {list(signature)}"
            if len(shape) != len(signature):
                raise ValueError(f"{takes}: expected {len(signature)} dimensions")
            for i, (free, dim) in enumerate(zip(signature, shape, strict=True)):
                if free not in (-1, dim):
                    raise ValueError(f"{takes}: expected {free} for dimension {i}, not {dim}")

    def _use(self, key: Key) -> Engine:
        """Makes the engine for these input shapes the present one."""
        made = self._kept.pop(key, None)
        if made is None:
            made = self._engines.engine(self._graph.index, self._shapes(key))
        elif key != self._key:
            made[0].reset_variables()  # as TFLite does with each change of shapes
        self._kept[key] = made  # the latest last
        self._key, self._engine = key, made[0]
        if len(self._kept) > MOST_SHAPES:
            oldest, _ = self._kept.pop(next(iter(self._kept)))
            if isinstance(oldest, Frame):
                oldest.close()
        return made[0]

    def _shapes(self, key: Key) -> Shapes:
        given = dict(zip(self._graph.inputs, key, strict=True))
        return {t: shape for t, shape in given.items() if shape != self._graph.tensors[t].shape}

    def _tensors(self, names: Sequence[str], tensors: Sequence[int]) -> dict[str, Tensor]:
        return {name: self._graph.tensors[t] for name, t in zip(names, tensors, strict=True)}

    def _zeros(self) -> list[Array]:
        dtypes = [self._graph.tensors[t].dtype for t in self._graph.inputs]
        if not all(dtype in NUMPY_DTYPES for dtype in dtypes):
            raise ValueError(f"inputs of {', '.join(dtypes)} have no zero; give values")
        return [np.zeros(shape, NUMPY_DTYPES[dtype]) for shape, dtype in zip(self._key, dtypes, strict=True)]


def _named(graph: Graph, tensors: Sequence[int], signature: Mapping[str, int]) -> tuple[str, ...]:
    """A name for each tensor, all different."""
    by_tensor = {t: name for name, t in signature.items()}
    names: list[str] = []
    for t in tensors:
        name = by_tensor.get(t) or graph.tensors[t].name or str(t)
        names.append(name if name not in names else f"{name}:{t}")
    return tuple(names)


def _write(results: dict[str, Array], out: Mapping[str, Array]) -> dict[str, Array]:
    for name, array in out.items():
        if name not in results:
            raise ValueError(f"there is no output {name!r}; this model's outputs are {', '.join(results)}")
        result = results[name]
        if not isinstance(array, np.ndarray):
            raise TypeError(f"out[{name!r}] is {type(array).__name__}, not a numpy array")
        if array.dtype != result.dtype or array.shape != result.shape:
            raise ValueError(
                f"out[{name!r}] is {array.dtype}{list(array.shape)}; the output is {result.dtype}{list(result.shape)}"
            )
        np.copyto(array, result)
        results[name] = array
    return results
