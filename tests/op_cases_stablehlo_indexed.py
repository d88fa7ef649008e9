"""STABLEHLO_GATHER and STABLEHLO_SCATTER."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_bodies import combining
from op_cases import Array, Case, In, const, fed, out, x
from op_draws import Draw, drawn

FLOATS = ("float32", "float64", "float16")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
TYPES = (*FLOATS, *INTEGERS, "bool")
BODIES = ("", "STABLEHLO_ADD", "STABLEHLO_MULTIPLY", "STABLEHLO_MINIMUM", "STABLEHLO_MAXIMUM")
SCALARS = "TFLite reads beyond the indices where these are scalars"


def gather(
    source: In, indices: In, sizes: Any, *, offsets: Any = (), collapsed: Any = (), targets: Any = (0,), **more: Any
) -> Case:
    along = more.pop("along", len(indices.shape) - 1)
    options = {"offset_dims": tuple(offsets), "collapsed_slice_dims": tuple(collapsed)}
    options |= {"start_index_map": tuple(targets), "index_vector_dim": along, "slice_sizes": tuple(sizes)}
    rank = len(indices.shape) - (along < len(indices.shape)) + len(offsets)
    produced = out(more.pop("dtype", source.dtype), shape=(1,) * rank)  # TFLite takes the rank from the file
    return Case("STABLEHLO_GATHER", [source, indices], [produced], options, **more)


def pointing(draw: Draw, shape: tuple[int, ...], targets: list[int], batch: list[int]) -> tuple[In, int]:
    """Indices, of which a few point outside, and the dimension that their vectors lie along."""
    along = draw.number(0, len(batch))
    entries = [draw.rng.integers(-1, shape[d] + 1, batch) for d in targets]
    values = np.stack(entries, axis=along) if entries else np.zeros([*batch[:along], 0, *batch[along:]])
    keep = const if draw.chance(0.3) else fed
    return keep(values, draw.pick(("int32", "int64"))), along


def any_gather(draw: Draw) -> Case:
    shape = draw.shape(1, 4, limit=300)
    collapsed = [d for d in range(len(shape)) if draw.chance(0.4)]
    sizes = [1 if d in collapsed else draw.number(1, size) for d, size in enumerate(shape)]
    targets = [int(d) for d in draw.rng.permutation(len(shape))][: draw.number(1, len(shape))]
    batch = [draw.number(1, 4) for _ in range(draw.number(0, 3))]
    indices, along = pointing(draw, shape, targets, batch)
    rank = len(batch) + len(shape) - len(collapsed)
    offsets = sorted(int(d) for d in draw.rng.permutation(rank)[: len(shape) - len(collapsed)])
    more = {"offsets": offsets, "collapsed": collapsed, "targets": targets, "along": along}
    return gather(x(*shape, dtype=draw.pick(TYPES)), indices, sizes, **more)


def rows(arrays: list[Array]) -> list[Array]:
    return [arrays[0][np.clip(arrays[1], 0, len(arrays[0]) - 1)]]


def gathers() -> list[Case]:
    source, indices = x(3, 4), const([[0], [2]])
    row = {"offsets": [1], "collapsed": [0]}
    scalars = {**row, "along": 1, "expected": rows, "why": SCALARS}
    words = fed(np.array([b"a", b"b", b"c"], object), "string")
    return [
        *drawn("STABLEHLO_GATHER", any_gather, extra=60),
        gather(x(3, 4, dtype="complex64"), indices, [1, 4], **row),
        gather(x(50, 700), fed(np.arange(120)[:, None] % 60 - 3, "int32"), [1, 700], **row, label="threads"),
        gather(source, fed([[2**62, -(2**63)], [-(2**63), 2**63 - 1]], "int64"), [1, 2], offsets=[1], collapsed=[0],
               targets=[0, 1], label="farout"),
        gather(source, fed([2, 0, 9], "int32"), [1, 4], **scalars),
        gather(source, fed(1, "int64"), [1, 4], offsets=[0], collapsed=[0], along=0, expected=rows, why=SCALARS),
        gather(words, fed([[2], [0]], "int32"), [1], collapsed=[0],
               expected=lambda a: [a[0][[2, 0]]], why="TFLite moves numbers only"),
        gather(x(0, 2), const(np.zeros((2, 1), np.int32)), [0, 2], offsets=[1, 2],
               label="empty"),
        gather(source, indices, [2, 4], **row, error="slices of 2 of dimension 0, which is collapsed"),
        gather(source, indices, [1, 5], **row, error="slices of 5 of a dimension of 4"),
        gather(source, indices, [1, -1], **row, error="slices of -1"),
        gather(source, indices, [0, 4], **row, error="slices of 0 of dimension 0"),
        gather(source, indices, [1], **row, error="1 slice_sizes for input of shape .3, 4."),
        gather(source, indices, [1, 4], offsets=[2], collapsed=[0], error="offset_dims has 2, outside rank 2"),
        gather(source, indices, [1, 4], offsets=[-1], collapsed=[0], error="offset_dims has -1"),
        gather(source, indices, [1, 4], offsets=[1, 1], error="offset_dims has 1 twice"),
        gather(source, indices, [1, 4], offsets=[], collapsed=[0], error="0 offset_dims for slices of rank 1"),
        gather(source, indices, [1, 4], offsets=[1], collapsed=[7], error="collapsed_slice_dims has 7, outside rank 2"),
        gather(source, indices, [1, 4], **row, targets=[2], error="start_index_map has 2, outside rank 2"),
        gather(source, indices, [1, 4], **row, targets=[0, 1], error="index vectors of 1 for 2 dimensions"),
        gather(source, indices, [1, 4], **row, targets=[], error="index vectors of 1 for 0 dimensions"),
        gather(source, indices, [1, 4], **row, along=3, error="index_vector_dim 3 for indices of shape .2, 1."),
        gather(source, indices, [1, 4], **row, along=-1, error="index_vector_dim -1"),
        gather(source, fed([[0.0]]), [1, 4], **row, error="indices are float32"),
        gather(source, indices, [1, 4], **row, dtype="int32", error="output is int32"),
        gather(x(2, 2, 2, 2), const(np.zeros((1,) * 8, np.int32)), [1] * 4, offsets=[0, 1, 2, 3],
               error="an output of rank 11"),
        Case("STABLEHLO_GATHER", [source, indices], [out()], error="0 slice_sizes"),
        Case("STABLEHLO_GATHER", [source], [out()], error="has 1 inputs"),
    ]  # fmt: skip


def scatter(
    body: str, source: In, indices: In, updates: In, *, windows: Any = (), inserted: Any = (), targets: Any = (0,),
    **more: Any,
) -> Case:  # fmt: skip
    along = more.pop("along", len(indices.shape) - 1)
    options = {"update_window_dims": tuple(windows), "inserted_window_dims": tuple(inserted)}
    options |= {"scatter_dims_to_operand_dims": tuple(targets), "index_vector_dim": along}
    options["update_computation_subgraph_index"] = more.pop("index", 1)
    bodies = more.pop("bodies", [combining(body, source.dtype)])
    produced = out(more.pop("dtype", source.dtype), shape=source.shape)
    return Case("STABLEHLO_SCATTER", [source, indices, updates], [produced], options, bodies=bodies, **more)


def any_scatter(draw: Draw) -> Case:
    dtype = draw.pick(TYPES)
    shape = draw.shape(1, 4, limit=200)
    inserted = [d for d in range(len(shape)) if draw.chance(0.4)]
    window = [draw.number(1, size) for d, size in enumerate(shape) if d not in inserted]
    targets = [int(d) for d in draw.rng.permutation(len(shape))][: draw.number(1, len(shape))]
    batch = [draw.number(1, 4) for _ in range(draw.number(0, 3))]
    indices, along = pointing(draw, shape, targets, batch)
    rank = len(batch) + len(window)
    windows = sorted(int(d) for d in draw.rng.permutation(rank)[: len(window)])
    sizes, others = iter(window), iter(batch)
    updates = x(*(next(sizes) if d in windows else next(others) for d in range(rank)), dtype=dtype)
    body = draw.pick(BODIES)
    more = {"windows": windows, "inserted": inserted, "targets": targets, "along": along, "label": body}
    return scatter(body, draw.operand(shape, dtype=dtype), indices, updates, **more)


def put(arrays: list[Array]) -> list[Array]:
    result = arrays[0].copy()
    for index, update in zip(arrays[1].reshape(-1), arrays[2].reshape(-1, result[:1].size), strict=True):
        if 0 <= index < len(result):
            result[index] = update.reshape(result.shape[1:]) if result.ndim > 1 else update[0]
    return [result]


def scatters() -> list[Case]:
    add = "STABLEHLO_ADD"
    source, indices, updates = x(3, 4), const([[0], [2]]), x(2, 4)
    row = {"windows": [1], "inserted": [0]}
    words = fed(np.array([b"a", b"b", b"c"], object), "string")
    special = fed([float("nan"), 1, 0.0, -0.0, float("inf"), 5])
    swapped = fed([1, float("nan"), -0.0, 0.0, -float("inf"), 6])
    each = {"inserted": [0], "along": 1}
    return [
        *drawn("STABLEHLO_SCATTER", any_scatter, extra=120),
        *(
            scatter(body, special, const(np.arange(6)[:, None]), swapped, **each, label=f"{body}special")
            for body in BODIES
        ),
        scatter(add, fed([100, -100], "int8"), const([[0], [1], [0]]), fed([100, -100, 100], "int8"), **each,
                label="wraps"),
        scatter(add, source, fed([[2**62, -(2**63)], [0, 1]], "int64"), x(2, 2), windows=[1], inserted=[0],
                targets=[0, 1], label="farout"),
        scatter("", source, fed([2, 0, 9, 0], "int32"), x(4, 4), **row, along=1, expected=put, why=SCALARS),
        scatter("", source, fed(1, "int64"), x(4), windows=[0], inserted=[0], along=0, expected=put, why=SCALARS),
        scatter("", words, fed([[2]], "int32"), fed(np.array([b"d"], object), "string"), inserted=[0], expected=put,
                why="TFLite moves numbers only"),
        scatter("", source, const(np.zeros((0, 1), np.int32)), x(0, 4), **row, label="nothing"),
        scatter(add, x(30, 40), fed(np.arange(60)[:, None] % 33 - 1, "int32"), x(60, 40), **row, label="many"),
        scatter(add, source, indices, x(3, 4), **row, error="updates of shape .3, 4. for indices of shape .2, 1."),
        scatter(add, source, indices, updates, windows=[1], error="1 update_window_dims and 0 inserted_window_dims"),
        scatter(add, source, indices, updates, windows=[1], inserted=[2], error="inserted_window_dims has 2, outside"),
        scatter(add, source, indices, updates, windows=[2], inserted=[0], error="update_window_dims has 2, outside"),
        scatter(add, source, indices, updates, windows=[1, 1], error="update_window_dims has 1 twice"),
        scatter(add, source, indices, updates, **row, targets=[-1], error="scatter_dims_to_operand_dims has -1"),
        scatter(add, source, indices, updates, **row, targets=[0, 1], error="index vectors of 1 for 2 dimensions"),
        scatter(add, source, indices, updates, **row, along=9, error="index_vector_dim 9"),
        scatter(add, source, fed([[0.0]]), x(1, 4), **row, error="indices are float32"),
        scatter(add, source, indices, x(2, 4, dtype="int32"), **row, error="the updates are int32"),
        scatter(add, source, indices, updates, **row, dtype="int32", error="output is int32"),
        scatter(add, x(3, 4, dtype="complex64"), indices, x(2, 4, dtype="complex64"), **row, error="of complex64"),
        scatter("STABLEHLO_AND", source, indices, updates, **row, error="a body of STABLEHLO_AND"),
        scatter(add, source, indices, updates, **row, index=5, error="the body is subgraph 5, and there are 2"),
        scatter(add, source, indices, updates, **row, index=0, error="subgraph 0, is more than a"),
        scatter(add, source, indices, updates, **row, bodies=[], error="the body is subgraph 1, and there are 1"),
        Case("STABLEHLO_SCATTER", [source, indices], [out()], error="has 2 inputs"),
    ]  # fmt: skip


CASES = [*gathers(), *scatters()]
