"""TensorFlow's ops on ragged tensors: values one after the other, and where each row begins."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from subgraft.delegates import NUMPY_DTYPES, Array

LARGEST_RESULT = 2**31 - 1  # elements; more is a mistake in the inputs


def ragged_range(inputs: list[Array], attribute: Mapping[str, Any]) -> list[Array]:
    """Rows start, start + delta, ... up to limit, which is not included; returns where rows begin, and the values."""
    given = [x.reshape(-1) for x in inputs]
    if any(x.ndim > 1 for x in inputs):
        raise ValueError("starts, limits and deltas must be scalars or vectors")
    rows = max((x.size for x, shaped in zip(given, inputs, strict=True) if shaped.ndim), default=1)
    starts, limits, deltas = (np.broadcast_to(x, rows) for x in given)
    if not deltas.all():
        raise ValueError("a delta is 0")
    if given[0].dtype.kind == "f":
        counts = np.ceil(np.abs((limits - starts) / deltas))
    else:
        distances = np.abs(limits.astype(object) - starts.astype(object))
        counts = np.array([-(-d // abs(int(step))) for d, step in zip(distances, deltas, strict=True)], np.float64)
    counts = np.where((deltas > 0) & (limits < starts) | (deltas < 0) & (limits > starts), 0, counts)
    if not counts.sum() <= LARGEST_RESULT:
        raise ValueError(f"{counts.sum():.0f} values are too many")
    splits = np.concatenate([[0], np.cumsum(counts)]).astype(NUMPY_DTYPES[attribute.get("Tsplits", "int64")])
    whole = counts.astype(np.int64)
    position = np.arange(int(splits[-1])) - np.repeat(splits[:-1].astype(np.int64), whole)
    values = np.repeat(starts, whole) + position.astype(starts.dtype) * np.repeat(deltas, whole)
    return [splits, values.astype(starts.dtype)]


def ragged_tensor_to_tensor(inputs: list[Array], attribute: Mapping[str, Any]) -> Array:
    """The rows side by side, filled up with the default value or cut to the shape that is asked for."""
    shape, values, default, *partitions = inputs
    kinds = [bytes(kind).decode() for kind in attribute.get("row_partition_types", ())]
    if len(kinds) != len(partitions) or not kinds:
        raise ValueError(f"{len(partitions)} row partitions have {len(kinds)} types")
    if values.ndim == 0:
        raise ValueError("the values are a scalar")
    if kinds[0] == "FIRST_DIM_SIZE":
        rows = int(partitions[0].reshape(-1)[0])
        kinds, partitions = kinds[1:], partitions[1:]
    else:
        rows = len(partitions[0]) - 1
    counts, levels = rows, []
    for kind, partition in zip(kinds, partitions, strict=True):
        parents, columns = _places(kind, partition, counts)
        levels.append((parents, columns))
        counts = len(parents)
    if counts != len(values):
        raise ValueError(f"the rows have {counts} values, and there are {len(values)}")
    sizes = [rows, *(int(columns.max(initial=-1)) + 1 for _, columns in levels), *values.shape[1:]]
    if shape.ndim:
        if shape.size != len(sizes):
            raise ValueError(f"shape {shape.tolist()} does not fit a result of {len(sizes)} dimensions")
        sizes = [own if wanted < 0 else int(wanted) for own, wanted in zip(sizes, shape, strict=True)]
    inner = tuple(sizes[len(levels) + 1 :])
    if inner != values.shape[1:]:
        raise ValueError(f"the inner dimensions are {list(values.shape[1:])}, and {list(inner)} is asked for")
    if prod(sizes) > LARGEST_RESULT:
        raise ValueError(f"a result of {sizes} is too large")
    place = np.arange(rows)
    place = np.where(place < sizes[0], place, -1)
    for (parents, columns), width in zip(levels, sizes[1:], strict=False):
        above = place[parents]
        place = np.where((above >= 0) & (columns < width), above * width + columns, -1)
    result = np.empty((prod(sizes[: len(levels) + 1]), *inner), values.dtype)
    result[...] = default
    result[place[place >= 0]] = values[: len(place)][place >= 0]
    return result.reshape(sizes)


def _places(kind: str, partition: Array, rows: int) -> tuple[Array, Array]:
    """The row and the column of each element of a level, from one of TensorFlow's two ways to write that down."""
    if kind == "VALUE_ROWIDS":
        parents = partition.astype(np.int64).reshape(-1)
        if (np.diff(parents) < 0).any() or (parents < 0).any() or (parents >= rows).any():
            raise ValueError(f"row numbers must ascend from 0 to less than {rows}")
    elif kind == "ROW_SPLITS":
        splits = partition.astype(np.int64).reshape(-1)
        if len(splits) != rows + 1 or splits[0] != 0 or (np.diff(splits) < 0).any():
            raise ValueError(f"row splits must be {rows + 1} numbers that ascend from 0")
        if splits[-1] > LARGEST_RESULT:
            raise ValueError(f"row splits end with {splits[-1]}")
        parents = np.repeat(np.arange(rows), np.diff(splits))
    else:
        raise ValueError(f"a row partition is {kind}")
    first = np.searchsorted(parents, parents)
    return parents, np.arange(len(parents)) - first
