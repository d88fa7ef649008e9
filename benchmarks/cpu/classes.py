"""Which class a model is in, by what its graph computes, and how much faster than LiteRT a class is to be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.known import macs
from subgraft.delegates import Graph

# Below this many multiply-accumulates an op the time is that of the calls and not of the products: 10,000 take a
# core that does 100 a nanosecond 0.1 us.
SMALL_OP_MACS = 10_000

RECURRENT_KINDS = ("LSTM", "RNN", "GRU", "SVDF")  # parts of the names of such ops
STATE_KINDS = frozenset({"WHILE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"})


@dataclass(frozen=True, slots=True)
class ModelClass:
    """goal: the geometric mean of LiteRT's time over ours that the class is to reach."""

    key: str
    title: str
    goal: float


UINT8 = ModelClass("uint8", "legacy uint8", 3.0)
INT8 = ModelClass("int8", "int8 CNN", 1.4)
TRANSFORMER = ModelClass("transformer", "integer transformers", 3.0)
INT16 = ModelClass("int16x8", "int16x8", 5.0)
FLOAT = ModelClass("float", "float, fp16 and dynamic-range weights", 1.2)
SMALL = ModelClass("small", "recurrent, or little work per op", 2.0)
CLASSES = (UINT8, INT8, TRANSFORMER, INT16, FLOAT, SMALL)
INTEGER_GOAL = 2.0  # of all models that compute with integers, whatever their class


def class_of(graphs: Sequence[Graph]) -> ModelClass:
    """Recurrent and small ones first; the others by the types of most of their products."""
    if is_recurrent(graphs) or macs_per_op(graphs) < SMALL_OP_MACS:
        return SMALL
    data, weights = product_types(graphs)
    if data == "int16":
        return INT16
    if data == "uint8":
        return UINT8
    if data == "int8" and weights in ("int8", "int4"):
        return TRANSFORMER if any(op.kind == "BATCH_MATMUL" for graph in graphs for op in graph.ops) else INT8
    return FLOAT


def is_integer(graphs: Sequence[Graph]) -> bool:
    """Whether most products are of integers on both sides; without products, whether most results are integers."""
    data, _ = product_types(graphs)
    if not data:
        made = Counter(g.tensors[t].dtype for g in graphs for op in g.ops for t in op.outputs if t >= 0)
        data = made.most_common(1)[0][0] if made else ""
    return data in ("int8", "uint8", "int16")


def is_recurrent(graphs: Sequence[Graph]) -> bool:
    kinds = {op.kind for graph in graphs for op in graph.ops}
    return bool(kinds & STATE_KINDS) or any(part in kind for kind in kinds for part in RECURRENT_KINDS)


def macs_per_op(graphs: Sequence[Graph]) -> float:
    ops = [(op, graph) for graph in graphs for op in graph.ops]
    return sum(macs(op, graph) for op, graph in ops) / max(len(ops), 1)


def product_types(graphs: Sequence[Graph]) -> tuple[str, str]:
    """The types of data and weights that most products have; empty names where a model has none."""
    found: Counter[tuple[str, str]] = Counter()
    for graph in graphs:
        for op in graph.ops:
            count = macs(op, graph)
            if count:
                data = op.inputs[2 if op.kind == "TRANSPOSE_CONV" else 0]
                found[graph.tensors[data].dtype, graph.tensors[op.inputs[1]].dtype] += count
    return found.most_common(1)[0][0] if found else ("", "")
