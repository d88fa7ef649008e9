"""A PAD in front of a case's op, which a fast kernel takes over."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from op_cases import Case
from subgraft.delegates import Graph, Op, Tensor
from subgraft.interpreter.model import Model


def behind_pad(case: Case, seed: int) -> bytes:
    """A model of PAD and the case's op."""
    rng = np.random.default_rng(seed)
    graph = case.graph()
    padded = graph.inputs[0]
    tensors = list(graph.tensors)
    widths = [[0, 0], *rng.integers(0, 4, (2, 2)).tolist(), [0, 0]]
    unpadded = tensors[padded].shape
    widths[1][1], widths[2][1] = (min(w[1], n - 1) for w, n in zip(widths[1:3], unpadded[1:3], strict=True))
    widths[1][0], widths[2][0] = (min(w[0], n - 1 - w[1]) for w, n in zip(widths[1:3], unpadded[1:3], strict=True))
    inner = tuple(n - before - after for n, (before, after) in zip(unpadded, widths, strict=True))
    tensors.append(replace(tensors[padded], name="unpadded", shape=inner))
    tensors.append(Tensor.constant("widths", np.array(widths, np.int32)))
    pad = Op("PAD", (len(tensors) - 2, len(tensors) - 1), (padded,))
    return Model.of(Graph(tensors, [pad, *graph.ops], (len(tensors) - 2,), graph.outputs, name="main")).to_bytes()
