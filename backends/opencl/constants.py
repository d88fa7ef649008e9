"""What is known when a segment is compiled: constants, and what ops make of constants alone."""

from __future__ import annotations

import numpy as np

from subgraft.delegates import NUMPY_DTYPES, Array, Graph, Op

# Ops that files put between weights as they are stored and the op that reads them: float16, sparse, quantized weights.
MAKERS = frozenset(("DEQUANTIZE", "DENSIFY", "CAST", "RESHAPE", "TRANSPOSE", "QUANTIZE", "EXPAND_DIMS", "SQUEEZE"))


def is_constant(t: int, graph: Graph) -> bool:
    """Whether the tensor is a constant, or computed from constants alone."""
    if graph.tensors[t].is_constant:
        return True
    maker = graph.producers().get(t)
    return maker is not None and makes_constants(graph.ops[maker], graph)


def makes_constants(op: Op, graph: Graph) -> bool:
    """Whether the op's outputs follow from constants alone."""
    if op.kind not in MAKERS or op.is_custom or not op.inputs:
        return False
    return all(t < 0 or is_constant(t, graph) for t in op.inputs)


def constant(t: int, graph: Graph) -> Array:
    """The elements of what is_constant(); packed types one element a byte.

    Raises ValueError for what cannot be read, which the rules let none pass, and InvokeError where the CPU cannot
    compute it.
    """
    tensor = graph.tensors[t]
    if tensor.is_constant:
        if tensor.data is None:
            raise ValueError(f"constant {tensor.name!r} cannot be read")
        return np.ascontiguousarray(tensor.data)
    segment = graph.segment(made_by(t, graph))
    outputs = [np.zeros(graph.tensors[made].shape, NUMPY_DTYPES[graph.tensors[made].dtype]) for made in segment.outputs]
    on_cpu = segment.reference()
    try:
        on_cpu.run([], outputs)
    finally:
        on_cpu.close()
    return outputs[segment.outputs.index(t)]


def made_by(t: int, graph: Graph) -> set[int]:
    """The ops that compute it from constants; none where it is a constant itself."""
    maker = graph.producers().get(t)
    if maker is None:
        return set()
    return {maker}.union(*(made_by(given, graph) for given in graph.ops[maker].inputs if given >= 0))
