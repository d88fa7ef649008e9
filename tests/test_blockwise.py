"""FULLY_CONNECTED with 4-bit weights that have one scale for each block."""

from __future__ import annotations

import numpy as np
import pytest

from op_cases import Array, compare, pack
from oracle import Oracle
from subgraft.delegates import Blockwise, Graph, Op, Options, Quantization, SubgraftError, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

UNITS, DEPTH, BLOCK = 24, 96, 32
SCALES = 3  # the tensor's index


def model(
    *,
    block: int = BLOCK,
    scales: int = SCALES,
    zero_points: int = -1,
    count: int = UNITS * DEPTH // BLOCK,
    dtype: str = "float16",
    activation: str = "NONE",
) -> bytes:
    rng = np.random.default_rng(5)
    weights = pack(rng.integers(-8, 8, (UNITS, DEPTH)), "int4")
    tensors = [
        Tensor("x", (3, DEPTH), "float32"),
        Tensor(
            "weights",
            (UNITS, DEPTH),
            "int4",
            buffer=weights,
            quantization=Quantization(blockwise=Blockwise(scales, zero_points, block)),
        ),
        Tensor("bias", (UNITS,), "float32", buffer=rng.standard_normal(UNITS).astype("float32").tobytes()),
        Tensor("scales", (count,), dtype, buffer=rng.uniform(0.01, 0.2, count).astype(dtype).tobytes()),
        Tensor("y", (3, UNITS), "float32"),
    ]
    options = Options({"fused_activation_function": activation, "asymmetric_quantize_inputs": True})
    op = Op("FULLY_CONNECTED", (0, 1, 2), (4,), options, version=13)
    return Model.of(Graph(tensors, [op], (0,), (4,), name="main")).to_bytes()


def run(file: bytes, x: Array, threads: int = 1) -> Array:
    (y,) = _native.Program(Model.open(file).native, pool=_native.ThreadPool(threads)).call([x])
    return y


def activations(seed: int) -> Array:
    return (np.random.default_rng(seed).standard_normal((3, DEPTH)) * 2 + seed).astype("float32")


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_tflite(oracle: Oracle, seed: int) -> None:
    # TFLite's reference kernel takes no blockwise scales and answers zero.
    (theirs,) = oracle.run(model(), activations(seed), resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES").outputs
    for threads in (1, 2):
        assert not compare(run(model(), activations(seed), threads), theirs, 1e-5)


def test_the_fused_activation_clamps() -> None:
    plain = run(model(), activations(1))
    assert np.array_equal(run(model(activation="RELU6"), activations(1)), plain.clip(0, 6))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"block": 0}, "blocks of 0"),
        ({"block": 36}, "blocks of 36"),
        ({"block": -32}, "block size is -32"),
        ({"block": 48}, "72 scales for 48 blocks"),
        ({"count": 71}, "71 scales for 72 blocks"),
        ({"dtype": "float32"}, "float32"),
        ({"scales": 99}, "99"),
        ({"scales": 0}, "must be a constant"),
        ({"zero_points": 3}, "zero points"),
    ],
)
def test_what_does_not_fit_is_refused(changed: dict[str, int], error: str) -> None:
    with pytest.raises(SubgraftError, match=error):
        run(model(**changed), activations(0))
