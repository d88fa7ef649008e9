"""What is known when a segment is compiled: constants, and what ops make of constants alone."""

from __future__ import annotations

import numpy as np

from subgraft.delegates.graph import NUMPY_DTYPES, Array, Graph, Op

# Ops that files put between weights as they are stored and the op that reads them: float16, sparse, quantized weights.
MAKERS = frozenset(("DEQUANTIZE", "DENSIFY", "CAST", "RESHAPE", "TRANSPOSE", "QUANTIZE", "EXPAND_DIMS", "SQUEEZE"))
MOST_MADE_OF = 64  # tensors that a computed constant may go back to; files have a handful


def is_constant(t: int, graph: Graph) -> bool:
    """Whether the tensor is a constant, or computed from constants alone, by few ops."""
    pending, seen = [t], {t}
    while pending:
        made = pending.pop()
        if graph.tensors[made].is_constant:
            continue
        maker = graph.producers().get(made)
        if maker is None or not _may_make_constants(graph.ops[maker]) or len(seen) > MOST_MADE_OF:
            return False
        given = {one for one in graph.ops[maker].inputs if one >= 0} - seen
        seen |= given
        pending += given
    return True


def makes_constants(op: Op, graph: Graph) -> bool:
    """Whether the op's outputs follow from constants alone."""
    return _may_make_constants(op) and all(t < 0 or is_constant(t, graph) for t in op.inputs)


def _may_make_constants(op: Op) -> bool:
    return op.kind in MAKERS and not op.is_custom and bool(op.inputs)


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
    pending, found = [t], set[int]()
    while pending:
        maker = graph.producers().get(pending.pop())
        if maker is not None and maker not in found:
            found.add(maker)
            pending += (given for given in graph.ops[maker].inputs if given >= 0)
    return found
