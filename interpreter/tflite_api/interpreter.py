"""The drop-in Interpreter: TFLite's methods and errors over this package's engines."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import IO, Any

import numpy as np

from subgraft.delegates import Array, Graph
from subgraft.interpreter import flex
from subgraft.interpreter.custom_ops import CustomOp, CustomOps
from subgraft.interpreter.discovery import Wanted, label
from subgraft.interpreter.engines import Engines, Setup
from subgraft.interpreter.model import Model, Signature
from subgraft.interpreter.planning import Wishes
from subgraft.interpreter.report import Report
from subgraft.interpreter.tflite_api.delegate import Delegate
from subgraft.interpreter.tflite_api.details import op_details, tensor_details
from subgraft.interpreter.tflite_api.resolver import OpResolverType
from subgraft.interpreter.tflite_api.signature import SignatureRunner
from subgraft.interpreter.tflite_api.slot import Engine, Slot
from subgraft.interpreter.weight_cache import WeightCache
from subgraft.partitioner import Plan

Source = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]


class Interpreter:
    """Runs a .tflite model; a replacement for tflite_runtime's and ai_edge_litert's class of this name.

    model_path or model_content: one of them; content may be bytes, bytearray, memoryview or a binary file.
    experimental_delegates: what load_delegate() returned, in priority order.
    num_threads: of the CPU's kernels; default 1.
    experimental_preserve_all_tensors: every tensor keeps its value after invoke(), so that get_tensor() can read it.
    custom_ops, weight_cache: as for load(); TFLite's own class does not have them.
    The other experimental arguments steer kernels that do not exist here and change nothing.
    Raises ValueError for a file that cannot be read and for arguments that make no sense.
    """

    def __init__(
        self,
        model_path: str | os.PathLike[str] | None = None,
        model_content: Source | None = None,
        experimental_delegates: Sequence[Delegate] | None = None,
        num_threads: int | None = None,
        experimental_op_resolver_type: OpResolverType = OpResolverType.AUTO,
        experimental_preserve_all_tensors: bool = False,
        experimental_disable_delegate_clustering: bool = False,
        experimental_default_delegate_latest_features: bool = False,
        experimental_compress_quantization_zero_points: bool = False,
        experimental_disable_delegate_node_fusion: bool = False,
        experimental_force_delegate_node_profiling: bool = False,
        *,
        custom_ops: Mapping[str, CustomOp | Callable[..., Any]] | None = None,
        weight_cache: bool | str | os.PathLike[str] | None = None,
    ) -> None:
        if not isinstance(experimental_op_resolver_type, OpResolverType):
            raise ValueError(f"Unrecognized passed in op resolver type: {experimental_op_resolver_type}")
        threads = _thread_count(num_threads)
        model = Model.open(_source(model_path, model_content))
        model.log_warnings()
        if not model.graphs:
            raise ValueError("this model has no subgraph")
        wanted: dict[str, Wanted] = {}
        for delegate in experimental_delegates or ():
            if not isinstance(delegate, Delegate):
                raise TypeError(
                    f"experimental_delegates has {delegate!r}; it takes what load_delegate() returns, such as "
                    'load_delegate("fake")'
                )
            wanted[label(delegate.wanted.spec, wanted)] = delegate.wanted
        self._report = Report()
        wishes = Wishes(custom_ops=CustomOps.of(custom_ops).with_own(flex.PREFIX, flex.custom_ops, model.native))
        weights = WeightCache.of(weight_cache)
        setup = Setup(wishes, threads=threads, keep_all=experimental_preserve_all_tensors, weights=weights)
        self._engines = Engines(model, wanted, setup, self._report, {})
        self._finalizer = weakref.finalize(self, self._engines.close)
        self._signatures: Mapping[str, Signature] = {s.key: s for s in model.signatures}
        self._compress_zero_points = experimental_compress_quantization_zero_points
        self._slots = [Slot(graph, partial(self._engines.engine, graph.index)) for graph in model.graphs]
        self._main = self._slots[0]

    def allocate_tensors(self) -> None:
        """Plans memory for the present input shapes. Raises RuntimeError, naming the op, when the model cannot run."""
        self._main.check_no_views()
        self._main.allocate()

    def invoke(self) -> None:
        """Runs the main subgraph once, without the GIL.

        Raises RuntimeError before allocate_tensors(), while an array from tensor() is held, and when an op fails; a
        delegate's bug that the background thread met, as it is.
        """
        bug = self._engines.watch.bug
        if bug is not None:
            raise bug
        self._main.invoke()

    def set_tensor(self, tensor_index: int, value: Any) -> None:
        """Copies an array into an input. Nothing is cast: ValueError for another dtype or shape."""
        engine = self._main.engine
        if engine is None:
            _check_index(tensor_index, self._main.graph)
            raise ValueError("Cannot set tensor: Tensor is unallocated. Try calling allocate_tensors() first")
        engine.set(tensor_index, value if isinstance(value, np.ndarray) else np.asarray(value))

    def get_tensor(self, tensor_index: int, subgraph_index: int = 0) -> Array:
        """A copy of a tensor's value.

        Raises ValueError for an index out of range, before allocate_tensors(), and for an intermediate tensor unless
        the interpreter was made with experimental_preserve_all_tensors (its memory is used again during a run).
        """
        if subgraph_index:
            return self._readable(tensor_index, subgraph_index).get(tensor_index)
        engine = self._main.engine
        if engine is None:
            engine = self._readable(tensor_index, 0)
        return engine.get(tensor_index)

    def tensor(self, tensor_index: int) -> Callable[[], Array]:
        """A function that gives a view of the tensor's memory. Drop the view before invoke() or a resize."""
        return lambda: self._readable(tensor_index, 0).view(tensor_index)

    def resize_tensor_input(self, input_index: int, tensor_size: Sequence[int] | Array, strict: bool = False) -> None:
        """Asks for another input shape; allocate_tensors() makes it real.

        strict: only dimensions that are -1 in the shape signature may change.
        Raises RuntimeError for a tensor that is no input and for a shape that strict forbids.
        """
        self._main.check_no_views()
        size = np.array(tensor_size, np.int32)
        if size.ndim != 1:
            raise ValueError(f"Shape should be 1D instead of {size.ndim}.")
        if not 0 <= input_index < len(self._main.graph.tensors):
            raise RuntimeError(f"Invalid tensor index {input_index}")
        shape = tuple(int(dim) for dim in size)
        if strict:
            self._check_strict(input_index, shape)
        self._main.resize(input_index, shape)

    def get_input_details(self) -> list[dict[str, Any]]:
        """Details of the main subgraph's inputs, in the model's order."""
        return [self._get_tensor_details(i, 0) for i in self._main.graph.inputs]

    def get_output_details(self) -> list[dict[str, Any]]:
        """Details of the main subgraph's outputs, in the model's order."""
        return [self._get_tensor_details(i, 0) for i in self._main.graph.outputs]

    def get_tensor_details(self, subgraph_index: int = 0) -> list[dict[str, Any]]:
        """Details of every tensor of a subgraph: name, index, shape, shape_signature, dtype, quantization ..."""
        if not 0 <= subgraph_index < len(self._slots):
            count = len(self._slots)
            raise ValueError(
                f"subgraph_index is out of range: {subgraph_index} for the model, which has {count} subgraphs."
            )
        count = len(self._slots[subgraph_index].graph.tensors)
        return [self._get_tensor_details(i, subgraph_index) for i in range(count)]

    def get_signature_list(self) -> dict[str, dict[str, list[str]]]:
        """The names of each signature's inputs and outputs."""
        return {s.key: {"inputs": list(s.inputs), "outputs": list(s.outputs)} for s in self._signatures.values()}

    def get_signature_runner(self, signature_key: str | None = None) -> SignatureRunner:
        """A signature as a callable; the key may be left out when there is just one."""
        if signature_key is None:
            if len(self._signatures) != 1:
                raise ValueError(
                    f"SignatureDef signature_key is None and model has {len(self._signatures)} Signatures. "
                    "None is only allowed when the model has 1 SignatureDef"
                )
            signature_key = next(iter(self._signatures))
        return SignatureRunner(self, signature_key)

    def reset_all_variables(self) -> None:
        """Sets every variable tensor back to zero."""
        for slot in self._slots:
            if slot.engine is not None:
                slot.engine.reset_variables()

    def num_subgraphs(self) -> int:
        """How many subgraphs the model has."""
        return len(self._slots)

    @property
    def report(self) -> Report:
        """What went another way than planned: which delegate failed, when and why. Not in TFLite."""
        return self._report

    @property
    def plan(self) -> Plan | None:
        """Who runs what, after allocate_tensors(); None without delegates. Not in TFLite."""
        return self._main.plan

    @property
    def experimental_compress_quantization_zero_points(self) -> bool:
        """As given to the constructor."""
        return self._compress_zero_points

    # Private in TFLite, and used in the wild.

    def _get_tensor_details(self, tensor_index: int, subgraph_index: int) -> dict[str, Any]:
        slot = self._slots[subgraph_index]
        _check_index(tensor_index, slot.graph)
        return tensor_details(slot.graph, tensor_index, slot.shape(tensor_index))

    def _get_op_details(self, op_index: int) -> dict[str, Any]:
        graph = self._main.graph
        return op_details(graph, op_index, graph.ops[op_index])

    def _get_ops_details(self) -> list[dict[str, Any]]:
        return [self._get_op_details(i) for i in range(len(self._main.graph.ops))]

    def _get_full_signature_list(self) -> dict[str, dict[str, dict[str, int]]]:
        return {s.key: {"inputs": dict(s.inputs), "outputs": dict(s.outputs)} for s in self._signatures.values()}

    def _ensure_safe(self) -> None:
        self._main.check_no_views()

    def _safe_to_run(self) -> bool:
        engine = self._main.engine
        return engine is None or not engine.live_views

    def _readable(self, tensor_index: int, subgraph_index: int) -> Engine:
        if not 0 <= subgraph_index < len(self._slots):
            raise ValueError(f"Invalid subgraph index {subgraph_index} exceeds max subgraph index {len(self._slots)}")
        slot = self._slots[subgraph_index]
        _check_index(tensor_index, slot.graph)
        if slot.engine is None:
            raise ValueError("Tensor data is null. Run allocate_tensors() first")
        return slot.engine

    def _check_strict(self, index: int, shape: tuple[int, ...]) -> None:
        now = self._main.shape(index)
        signature = self._main.graph.tensors[index].shape_signature or now
        if len(shape) != len(now):
            raise RuntimeError(f"ResizeInputTensorStrict cannot change the rank of tensor {index} from {len(now)}")
        for i, (free, old, new) in enumerate(zip(signature, now, shape, strict=True)):
            if free != -1 and old != new:
                raise RuntimeError(
                    f"Attempting to resize dimension {i} of tensor {index} with value {old} to {new}. "
                    "ResizeInputTensorStrict only allows mutating unknown dimensions identified by -1."
                )


def _thread_count(num_threads: int | None) -> int:
    if num_threads is None:
        return 1
    if not isinstance(num_threads, int):
        raise ValueError("type of num_threads should be int")
    if num_threads < 1:
        raise ValueError("num_threads should >= 1")
    return int(num_threads)


def _source(model_path: str | os.PathLike[str] | None, model_content: Source | None) -> Source:
    if model_path and model_content:
        raise ValueError("Can't both provide `model_path` and `model_content`")
    if model_path:
        return os.fspath(model_path)
    if isinstance(model_content, str):
        raise TypeError("model_content must be the bytes of a file or a binary file object, not a str")
    if model_content:
        return model_content
    raise ValueError("`model_path` or `model_content` must be specified.")


def _check_index(index: int, graph: Graph) -> None:
    if not 0 <= index < len(graph.tensors):
        raise ValueError(f"Invalid tensor index {index} exceeds max tensor index {len(graph.tensors)}")
