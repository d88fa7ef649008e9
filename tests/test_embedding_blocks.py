"""EMBEDDING_LOOKUP in a table of 4-bit or 2-bit numbers that has one scale for each block of neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from op_cases import PACKED, Array, compare, pack
from oracle import Oracle
from subgraft.delegates import Blockwise, Graph, Op, Quantization, SubgraftError, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

ROWS, DEPTH, BLOCK = 7, 64, 16
SCALES = 2  # the tensor's index
IDS = np.array([6, 0, 3, 3, 5], np.int32)


def model(
    *,
    dtype: str = "int4",
    result: str = "float32",
    block: int = BLOCK,
    zero_points: int = -1,
    count: int = ROWS * DEPTH // BLOCK,
    scale_dtype: str = "float16",
    shape: tuple[int, ...] = (ROWS, DEPTH),
) -> bytes:
    rng = np.random.default_rng(3)
    low, high = PACKED.get(dtype, (-128, 127))
    numbers = rng.integers(low, high, shape, endpoint=True)
    table = pack(numbers, dtype) if dtype in PACKED else numbers.astype(dtype).tobytes()
    blockwise = Quantization(blockwise=Blockwise(SCALES, zero_points, block))
    scales = rng.uniform(0.01, 0.2, count).astype(scale_dtype)
    tensors = [
        Tensor("ids", IDS.shape, "int32"),
        Tensor("table", shape, dtype, buffer=table, quantization=blockwise),
        Tensor("scales", (count,), scale_dtype, buffer=scales.tobytes()),
        Tensor("y", (len(IDS), *shape[1:]), result),
    ]
    return Model.of(
        Graph(tensors, [Op("EMBEDDING_LOOKUP", (0, 1), (3,), version=5)], (0,), (3,), name="main")
    ).to_bytes()


def run(file: bytes, threads: int = 1) -> Array:
    (y,) = _native.Program(Model.open(file).native, pool=_native.ThreadPool(threads)).call([IDS])
    return np.asarray(y)


@pytest.mark.parametrize("result", ["float32", "float16"])
@pytest.mark.parametrize("dtype", ["int4", "int2"])
def test_it_equals_tflite(oracle: Oracle, dtype: str, result: str) -> None:
    file = model(dtype=dtype, result=result)
    (theirs,) = oracle.run(file, IDS).outputs
    for threads in (1, 2):
        assert not compare(run(file, threads), theirs, 0.0)


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"block": 24}, "blocks of 24 do not divide rows of 64"),
        ({"block": 32}, "28 scales for 14 blocks"),
        ({"count": 27}, "27 scales for 28 blocks"),
        ({"scale_dtype": "float32"}, "scales of blocks that are float32"),
        ({"zero_points": SCALES}, "zero points"),
        ({"shape": (ROWS, 8, 8)}, "a blockwise table of shape .7, 8, 8."),
        ({"dtype": "int16"}, "a table of int16"),
        ({"result": "int8"}, "EMBEDDING_LOOKUP of int8"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, Any], error: str) -> None:
    with pytest.raises(SubgraftError, match=error):
        run(model(**changed))
