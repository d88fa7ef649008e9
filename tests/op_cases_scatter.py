"""SCATTER_ND, SPARSE_TO_DENSE and DYNAMIC_UPDATE_SLICE."""

from typing import Any

import numpy as np

from op_cases import Array, Case, In, const, fed, out, x
from op_shapes import random_shape

SPARSE_MOST = 4  # dimensions that TFLite's SPARSE_TO_DENSE knows


def points(rng: np.random.Generator, shape: tuple[int, ...], count: tuple[int, ...], *, twice: bool) -> Array:
    """Indices into the shape, of shape [*count, rank]; each once unless `twice`."""
    size, total = int(np.prod(shape)), int(np.prod(count))
    places = rng.integers(0, size, total) if twice else rng.permutation(size)[:total]
    return np.stack(np.unravel_index(places, shape), axis=-1).reshape(*count, len(shape))


def scatters() -> list[Case]:
    cases = []
    for dtype in ("float32", "int8", "uint8", "int32", "int64", "bool"):
        for i in range(12):
            rng = np.random.default_rng((7, i))
            rank = 1 + i % 4
            output = tuple(int(d) for d in rng.integers(1, 6, rank))
            depth = int(rng.integers(1, rank + 1))
            count = tuple(int(d) for d in rng.integers(1, 5, i % 3))
            indices = points(rng, output[:depth], count, twice=True)
            updates = x(*count, *output[depth:], dtype=dtype)
            # TFLite wants a constant shape; a shape that is fed works by way of dynamic tensors.
            inputs = [(const, fed)[i % 2](indices, "int32"), updates, (fed if i % 5 == 4 else const)(output, "int32")]
            if count:  # TFLite refuses updates that are scalars
                cases.append(Case("SCATTER_ND", inputs, [out(dtype)], seed=i, label=f"into{list(output)}"))
    whole = [const(np.zeros((2, 0), np.int32)), x(2, 3, 2), const([3, 2])]
    cases.append(Case("SCATTER_ND", whole, [out()], label="whole"))
    big = [const(np.arange(500)[::-1].reshape(500, 1)), x(500, 40), const([1000, 40])]
    cases.append(Case("SCATTER_ND", big, [out()], label="many"))
    wraps = [const([[1], [1], [1]]), fed([2**31 - 1, 2, 3], "int32"), const([2])]
    cases.append(Case("SCATTER_ND", wraps, [out("int32")], label="wraps"))

    def wide(arrays: list[Array]) -> list[Array]:
        return [np.array([0, *arrays[1][::-1]], np.float32)]

    why = "TFLite takes int32 indices only; TensorFlow takes int64 too"
    longs = [const([[2], [1]], "int64"), x(2), const([3], "int64")]
    return [*cases, Case("SCATTER_ND", longs, [out()], expected=wide, why=why)]


def dense() -> list[Case]:
    cases = []
    for dtype in ("float32", "int8", "uint8", "int32", "int64"):
        for i in range(12):
            rng = np.random.default_rng((8, i))
            rank = i % SPARSE_MOST + 1
            output = tuple(int(d) for d in rng.integers(1, 6, rank))
            count = int(rng.integers(1, np.prod(output) + 1))
            indices = points(rng, output, (count,), twice=i % 3 == 0)
            if rank == 1:
                indices = indices[:, 0] if i % 8 else indices[:1, 0].reshape(())
            index = "int64" if i % 2 else "int32"
            values = x(dtype=dtype) if i % 3 == 1 else x(*([count] if indices.ndim else []), dtype=dtype)
            make = fed if i % 4 == 3 else const
            inputs = [make(indices, index), const(output, index), values, x(dtype=dtype)]
            options = {"validate_indices": bool(i % 2)}
            cases.append(Case("SPARSE_TO_DENSE", inputs, [out(dtype)], options, seed=i, label=f"into{list(output)}"))
    five = [const([[0, 1, 0, 1, 1]]), const([1, 2, 1, 2, 2]), fed([7.0]), fed(0.0)]

    def last(_: list[Array]) -> list[Array]:
        result = np.zeros((1, 2, 1, 2, 2), np.float32)
        result[0, 1, 0, 1, 1] = 7
        return [result]

    return [*cases, Case("SPARSE_TO_DENSE", five, [out()], expected=last, why="TFLite knows four dimensions")]


def updates() -> list[Case]:
    cases = []
    types = ["float32", "int8", "uint8", "int16", "int32", "int64", "bool", "float16", "bfloat16", "float64"]
    for dtype in types:
        for i in range(10):
            rng = np.random.default_rng((9, i))
            shape = random_shape(rng, 1 + i % 5)
            update = tuple(int(rng.integers(0, d + 1)) if i % 3 else d for d in shape)
            starts = rng.integers(-3, 7, len(shape))
            index = "int64" if i % 2 else "int32"
            inputs = [x(*shape, dtype=dtype), x(*update, dtype=dtype), (fed, const)[i // 2 % 2](starts, index)]
            label = f"at{starts.tolist()}".replace(" ", "")
            cases.append(Case("DYNAMIC_UPDATE_SLICE", inputs, [out(dtype)], seed=i, label=label))
    big = [x(200, 30, 8), x(100, 20, 8), fed([77, 5, 0], "int32")]
    cases.append(Case("DYNAMIC_UPDATE_SLICE", big, [out()], label="threads", runs=2))
    same = {"scale": 0.1, "zero": 3, "dtype": "int8"}
    quantized = [x(5, 6, **same), x(2, 3, **same), fed([1, 2], "int32")]
    cases.append(Case("DYNAMIC_UPDATE_SLICE", quantized, [out(**same)], label="quantized"))
    far = [x(5, 6), x(2, 3), fed([2**40, -(2**40)], "int64")]
    return [*cases, Case("DYNAMIC_UPDATE_SLICE", far, [out()], label="far")]


def refused() -> list[Case]:
    one = const(1.0, "float32")

    def scatter(indices: Any, updates: In, shape: Any, error: str) -> Case:
        return Case("SCATTER_ND", [const(indices), updates, const(shape)], [out(updates.dtype)], error=error)

    def sparse(indices: Any, shape: Any, values: In, error: str) -> Case:
        return Case("SPARSE_TO_DENSE", [const(indices), const(shape), values, one], [out(values.dtype)], error=error)

    def update(*inputs: In, error: str) -> Case:
        return Case("DYNAMIC_UPDATE_SLICE", inputs, [out()], error=error)

    none = np.zeros((0, 1), np.int32)
    return [
        scatter([[4]], x(1), [4], "index 4 is outside a dimension of 4"),
        scatter([[-1]], x(1), [4], "index -1 is outside a dimension of 4"),
        scatter([[0, 2]], x(1), [4, 2], "index 2 is outside a dimension of 2"),
        scatter([[0, 0]], x(1), [4], "indices of shape .1, 2. for an output of shape .4."),
        scatter(0, x(1), [4], "indices of shape .. for"),
        scatter([[0]], x(2), [4], "updates of shape .2."),
        scatter([[0]], x(1, 3), [4, 2], "updates of shape .1, 3."),
        scatter([[0]], x(1), [-4], "the shape has dimension -4"),
        scatter([[0]], x(1), [[4]], "the shape must be a vector"),
        scatter([[0]], x(1, 2**20, 2**20), [2**31 - 1, 2**20, 2**20], "too many elements|memory limit"),
        scatter([[0]], x(1, dtype="int16"), [4], "SCATTER_ND of int16"),
        Case("SCATTER_ND", [const([[0.0]], "float32"), x(1), const([4])], [out()], error="SCATTER_ND of float32"),
        Case("SCATTER_ND", [const([[0]]), x(1), const([4])], [out("int32")], error="output is int32"),
        Case("SCATTER_ND", [const([[0]]), x(1)], [out()], error="has 2 inputs"),
        sparse([4], [4], x(1), "index 4 is outside a dimension of 4"),
        sparse([[0, -1]], [4, 2], x(1), "index -1 is outside"),
        sparse([[0]], [4, 2], x(1), "indices of shape .1, 1. for an output of shape .4, 2."),
        sparse([[[0]]], [4], x(1), "indices of shape .1, 1, 1."),
        sparse([0, 1], [4], x(3), "values of shape .3. for 2 indices"),
        sparse([0], [-4], x(1), "the shape has dimension -4"),
        sparse([0], [4], x(1, dtype="int32"), "the default is float32"),
        sparse(none, [2**31 - 1] * 2, x(0), "indices of shape|too many"),
        Case("SPARSE_TO_DENSE", [const([0]), const([4]), x(1), x(2)], [out()], error="default must be one element"),
        Case(
            "SPARSE_TO_DENSE", [const([0], "int16"), const([4]), x(1), one], [out()], error="SPARSE_TO_DENSE of int16"
        ),
        update(x(3), x(4), const([0]), error="an update of shape .4. does not fit in .3."),
        update(x(3, 2), x(3), const([0, 0]), error="an update of shape .3. does not fit"),
        update(x(3), x(2), const([0, 0]), error="start indices of shape .2. for rank 1"),
        update(x(3), x(2), const(0), error="start indices of shape .. for rank 1"),
        update(x(3), x(2), const([0.0], "float32"), error="DYNAMIC_UPDATE_SLICE of float32"),
        update(x(3), x(2, dtype="int32"), const([0]), error="the update is int32"),
        update(x(3, dtype="int32"), x(2, dtype="int32"), const([0]), error="output is float32"),
        update(x(3), x(2), error="has 2 inputs"),
    ]


CASES = [*scatters(), *dense(), *updates(), *refused()]
