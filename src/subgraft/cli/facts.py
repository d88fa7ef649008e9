"""What is in a model and how the CPU would run it, as plain values: the source of inspect's tables and its JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from subgraft import _native
from subgraft.delegates import Graph, InvokeError, Op, Tensor, Unsupported
from subgraft.interpreter import Model
from subgraft.partitioner import BODY_OPTIONS

MAX_SHOWN_BYTES = 64  # metadata longer than this, or not text, is shown by its size


def model_facts(model: Model) -> dict[str, Any]:
    """Everything that inspect shows."""
    return {
        "version": model.version,
        "description": model.description,
        "graphs": [graph_facts(graph) for graph in model.graphs],
        "signatures": [
            {"key": s.key, "graph": s.graph, "inputs": dict(s.inputs), "outputs": dict(s.outputs)}
            for s in model.signatures
        ],
        "metadata": [_metadata_facts(name, bytes(value)) for name, value in model.metadata.items()],
        "memory": memory_facts(model),
        "warnings": list(model.warnings),
    }


def kinds_the_cpu_runs() -> frozenset[str]:
    """Ops with a kernel, and control flow, which the session runs itself."""
    return frozenset(_native.kernel_names()) | frozenset(BODY_OPTIONS)


def graph_facts(graph: Graph) -> dict[str, Any]:
    kernels = kinds_the_cpu_runs()
    ops = [_op_facts(i, op, kernels) for i, op in enumerate(graph.ops)]
    kinds = Counter((op.kind, op.version) for op in graph.ops)
    return {
        "index": graph.index,
        "name": graph.name,
        "inputs": list(graph.inputs),
        "outputs": list(graph.outputs),
        "kinds": [
            {"kind": kind, "version": version, "count": count, "kernel": kind in kernels}
            for (kind, version), count in sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
        ],
        "ops": ops,
        "tensors": [_tensor_facts(i, tensor) for i, tensor in enumerate(graph.tensors)],
    }


def memory_facts(model: Model) -> dict[str, Any]:
    """The memory plan of the main graph on the CPU as one program, or why there is none. Sizes in bytes."""
    if not model.graphs:
        return {"unsupported": "the model has no graph"}
    if control := sorted({op.kind for op in model.graphs[0].ops} & set(BODY_OPTIONS)):
        reason = f"{', '.join(control)} runs other graphs, so a session plans the memory of each segment by itself"
        return {"unplanned": reason}
    try:
        program = _native.Program(model.native, 0, pool=_native.ThreadPool(1))
    except (Unsupported, InvokeError) as error:
        return {"unsupported": str(error)}
    count = len(model.graphs[0].ops)
    return {
        "arena_bytes": program.arena_bytes,
        "live_bytes": program.live_bytes,  # the most that lives at once: no plan needs less
        "scratch_bytes": program.scratch_bytes,
        "folded_bytes": program.folded_bytes,
        "placements": [
            {
                "tensor": tensor,
                "offset": offset,
                "bytes": size,
                "first_op": first if first >= 0 else None,  # None: there before the first op
                "last_op": last if last < count else None,  # None: kept until the next run
            }
            for tensor, offset, size, first, last in program.placements
        ],
    }


def _op_facts(index: int, op: Op, kernels: frozenset[str]) -> dict[str, Any]:
    return {
        "index": index,
        "kind": op.kind,
        "version": op.version,
        "custom": op.is_custom,
        "kernel": op.kind in kernels,
        "inputs": list(op.inputs),
        "outputs": list(op.outputs),
        "options": dict(op.options),
        "custom_options_bytes": len(op.custom_options),
    }


def _tensor_facts(index: int, tensor: Tensor) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "index": index,
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "shape_signature": None if tensor.shape_signature is None else list(tensor.shape_signature),
        "constant_bytes": None if tensor.buffer is None else len(tensor.buffer),
        "variable": tensor.is_variable,
        "sparse": tensor.sparsity is not None,
        "quantization": None,
    }
    quantization = tensor.quantization
    if quantization is not None and (quantization.scales or quantization.blockwise):
        facts["quantization"] = {
            "scales": list(quantization.scales),
            "zero_points": list(quantization.zero_points),
            "axis": quantization.axis if len(quantization.scales) > 1 else None,
            "block_size": quantization.blockwise.block_size if quantization.blockwise else None,
        }
    return facts


def _metadata_facts(name: str, value: bytes) -> Mapping[str, Any]:
    text = value.rstrip(b"\0")
    shown = len(text) <= MAX_SHOWN_BYTES and text.isascii() and text.decode("ascii", "replace").isprintable()
    return {"name": name, "bytes": len(value), "text": text.decode() if shown else None}
