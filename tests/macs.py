"""Multiply-accumulates of the ops that have most of them."""

from __future__ import annotations

import math

from subgraft.delegates import Graph, Op


def macs(op: Op, graph: Graph) -> int:
    """Of one op; 0 for kinds that are no sums of products."""
    shapes = [graph.tensors[t].shape if t >= 0 else () for t in op.inputs]
    made = math.prod(graph.tensors[op.outputs[0]].shape) if op.outputs else 0
    match op.kind:
        case "CONV_2D" | "CONV_3D":
            return made * math.prod(shapes[1]) // max(shapes[1][0 if op.kind == "CONV_2D" else -1], 1)
        case "DEPTHWISE_CONV_2D":
            return made * math.prod(shapes[1][1:3])
        case "FULLY_CONNECTED":
            return made * shapes[1][-1]
        case "TRANSPOSE_CONV":
            return math.prod(shapes[2]) * math.prod(shapes[1][:3])
        case "BATCH_MATMUL":
            return made * shapes[0][-2 if op.options.get("adj_x", False) else -1]
        case "Convolution2DTransposeBias":
            return math.prod(shapes[0]) * math.prod(shapes[1]) // max(shapes[1][-1], 1)
        case _:
            return 0


def share(graph: Graph, ops: set[int]) -> float:
    """How much of a graph's multiply-accumulates these ops have; 1 where it has none."""
    each = [macs(op, graph) for op in graph.ops]
    return sum(each[i] for i in ops) / sum(each) if sum(each) else 1.0
