"""Sparse constants as .tflite files store them: the inverse of what the interpreter does with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from op_cases import Array
from subgraft.delegates import Graph, SparseDimension, Sparsity, Tensor


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How to store a constant.

    order: the dimensions and, behind them, those of blocks, from the slowest to the fastest.
    compressed: which of them (by number, not by place) are stored as in CSR.
    blocks: size of the blocks along a dimension.
    index: the type of segments and indices.
    """

    order: Sequence[int]
    compressed: Sequence[int] = ()
    blocks: Sequence[tuple[int, int]] = ()
    index: str = "int32"

    def __str__(self) -> str:
        order = "".join(f"{d}{'c' if d in self.compressed else ''}" for d in self.order)
        return f"order{order}_blocks{'_'.join(f'{d}x{n}' for d, n in self.blocks)}_{self.index}"


def encode(dense: Array, layout: Layout) -> tuple[Sparsity, bytes]:
    """The description and the values of a constant."""
    sizes = dict(layout.blocks)
    split = [n for d, size in enumerate(dense.shape) for n in ((size // sizes[d], sizes[d]) if d in sizes else (size,))]
    places = np.cumsum([0, *(2 if d in sizes else 1 for d in range(dense.ndim))])
    axes = [*places[:-1], *(places[d] + 1 for d, _ in layout.blocks)]
    stored = dense.reshape(split).transpose([axes[d] for d in layout.order])
    nodes = [stored]
    levels = []
    for dimension, extent in zip(layout.order, stored.shape, strict=True):
        if dimension not in layout.compressed:
            levels.append(SparseDimension(extent))
            nodes = [node[i] for node in nodes for i in range(extent)]
            continue
        kept = [[i for i in range(extent) if node[i].any()] for node in nodes]
        segments = np.cumsum([0, *map(len, kept)]).astype(layout.index)
        indices = np.array([i for row in kept for i in row], layout.index)
        levels.append(SparseDimension(0, segments, indices, True))
        nodes = [node[i] for node, row in zip(nodes, kept, strict=True) for i in row]
    sparsity = Sparsity(tuple(layout.order), tuple(d for d, _ in layout.blocks), tuple(levels))
    return sparsity, np.array(nodes, dense.dtype).tobytes()


def thinned(dense: Array, share: float, seed: int) -> Array:
    """The same with so many of its elements replaced by zeros."""
    gone = np.random.default_rng(seed).random(dense.shape) < share
    return np.where(gone, np.zeros((), dense.dtype), dense)


def replaced(graph: Graph, place: int, tensor: Tensor) -> Graph:
    """The graph with another tensor there."""
    tensors = list(graph.tensors)
    tensors[place] = tensor
    return Graph(tensors, graph.ops, graph.inputs, graph.outputs, name=graph.name)


def sparse(tensor: Tensor, dense: Array, layout: Layout) -> Tensor:
    sparsity, values = encode(dense, layout)
    return replace(tensor, buffer=values, sparsity=sparsity)
