"""Sparse weights against the same weights spelled out: seconds of the dense kernel over seconds of the sparse one.

    python -m benchmarks.sparse [--rows N ...] [--units N] [--json]

One thread. Both programs take turns, so that a busy machine slows both; the figures are ratios of the least times over
the rounds. Above 1 the compressed form is the faster one. The limits in native/src/kernels/sparse_product.cpp are the
densities at which this table crosses 1.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from subgraft.delegates import Array, Graph, Op, Options, Quantization, SparseDimension, Sparsity, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

DEPTH = 512
ROWS = (1, 4, 16, 256)
BLOCKS = (1, 4, 16)
DENSITIES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
KINDS = ("float32", "hybrid", "int8", "int16x8")
ROUND_S = 0.02  # what one contestant runs in one round, at least
ROUNDS = 7


@dataclass(frozen=True)
class Row:
    """Dense time over sparse time, by density."""

    kind: str
    rows: int
    block: int
    ratios: dict[float, float]


def pruned(density: float, block: int, units: int) -> Array:
    """Weights of which whole blocks along the rows are zero."""
    rng = np.random.default_rng(1)
    kept = rng.random((units, DEPTH // block)) < density
    return np.asarray(rng.integers(1, 127, (units, DEPTH)) * np.repeat(kept, block, axis=1))


def compressed(weights: Array, block: int) -> tuple[Sparsity, Array]:
    """Rows as in CSR, of single elements or blocks along them."""
    blocks = weights.reshape(len(weights), DEPTH // block, block)
    kept = blocks.any(axis=2)
    segments = np.concatenate([[0], np.cumsum(kept.sum(axis=1))]).astype(np.int32)
    indices = np.nonzero(kept)[1].astype(np.int32)
    levels = [SparseDimension(len(weights)), SparseDimension(0, segments, indices, True)]
    if block > 1:
        levels.append(SparseDimension(block))
    order, blocked = ((0, 1, 2), (1,)) if block > 1 else ((0, 1), ())
    return Sparsity(order, blocked, tuple(levels)), blocks[kept]


def model(kind: str, rows: int, block: int, density: float, units: int) -> Model:
    """FULLY_CONNECTED with sparse weights."""
    outside = {"float32": "float32", "hybrid": "float32", "int8": "int8", "int16x8": "int16"}[kind]
    weights = "float32" if kind == "float32" else "int8"
    sparsity, values = compressed(pruned(density, block, units), block)
    scaled = Quantization((0.02,), (0,))
    quantization = scaled if outside != "float32" else None
    x = Tensor("x", (rows, DEPTH), outside, quantization=quantization)
    y = Tensor("y", (rows, units), outside, quantization=quantization)
    w = Tensor(
        "w",
        (units, DEPTH),
        weights,
        values.astype(weights).tobytes(),
        None if weights == "float32" else scaled,
        sparsity=sparsity,
    )
    op = Op("FULLY_CONNECTED", (0, 1, -1), (2,), Options({"fused_activation_function": "NONE"}))
    return Model.of(Graph((x, w, y), (op,), (0,), (2,), name="main"))


def program(made: Model, way: str) -> _native.Program:
    """way: always or never sparse."""
    os.environ["SUBGRAFT_SPARSE"] = way
    try:
        return _native.Program(made.native, pool=_native.ThreadPool(1))
    finally:
        del os.environ["SUBGRAFT_SPARSE"]


def seconds(run: _native.Program, calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        run.run()
    return (time.perf_counter() - start) / calls


def ratio(made: Model) -> float:
    contestants = [program(made, "never"), program(made, "always")]
    rng = np.random.default_rng(2)
    shape, dtype = made.graphs[0].tensors[0].shape, made.graphs[0].tensors[0].dtype
    values = np.asarray(rng.integers(-100, 100, shape)).astype(dtype)
    times: list[list[float]] = [[], []]
    for contestant in contestants:
        contestant.set(0, values)
    calls = [max(1, round(ROUND_S / seconds(contestant, 3))) for contestant in contestants]
    for _ in range(ROUNDS):
        for i, contestant in enumerate(contestants):
            times[i].append(seconds(contestant, calls[i]))
    return min(times[0]) / min(times[1])


def measure(rows: Sequence[int], units: int) -> list[Row]:
    return [
        Row(kind, n, block, {density: ratio(model(kind, n, block, density, units)) for density in DENSITIES})
        for kind in KINDS
        for n in rows
        for block in BLOCKS
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=ROWS, help="rows of activations")
    parser.add_argument("--units", type=int, default=512, help="rows of weights")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    table = measure(arguments.rows, arguments.units)
    if arguments.json:
        print(json.dumps([asdict(row) for row in table], indent=2))
        return 0
    print(f"{'weights':9}{'rows':>5}{'block':>6}" + "".join(f"{density:>7.0%}" for density in DENSITIES))
    for row in table:
        ratios = "".join(f"{row.ratios[density]:7.2f}" for density in DENSITIES)
        print(f"{row.kind:9}{row.rows:5}{row.block:6}{ratios}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
