"""FULLY_CONNECTED with 4-bit weights that have one scale for each block."""

from __future__ import annotations

import numpy as np
import pytest

import subgraft
from op_cases import Array, compare, pack
from oracle import Oracle
from shared_models import MODELS, needs_shared
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


QWEN = MODELS / "real/qwen_fc_blockwise_quantized.tflite"


@needs_shared
@pytest.mark.conformance
@pytest.mark.parametrize("seed", range(5))
def test_a_public_model_with_blocks_gives_what_numpy_says(oracle: Oracle, seed: int) -> None:
    """TFLite's reference kernel answers zero to it, and XNNPACK something else than TFLite's other kernel."""
    graph = Model.open(QWEN).graphs[0]
    weights, scales = (graph.tensors[t].data for t in (1, SCALES))
    assert weights is not None and scales is not None
    x = (np.random.default_rng(seed).standard_normal((1, 1, weights.shape[1])) * (1 + seed)).astype("float32")
    with subgraft.load(QWEN) as session:
        (y,) = session.run({next(iter(session.inputs)): x}).values()
    expected = with_8_bit_activations(x, weights, scales)
    assert not compare(y, expected, 1e-5)
    (theirs,) = oracle.run(QWEN, x, resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES").outputs
    assert not compare(y, theirs, 1e-5)
    in_reals = np.repeat(scales.astype("float64"), BLOCK, axis=1) * weights @ x.reshape(-1)
    assert np.abs(y.reshape(-1) - in_reals).max() < 0.02 * np.abs(in_reals).max()


def with_8_bit_activations(x: Array, weights: Array, scales: Array) -> Array:
    """The row of activations becomes 8-bit numbers with a zero point; each block of products gets its scale."""
    low, high = min(0.0, float(x.min())), max(0.0, float(x.max()))
    step = (high - low) / 255
    zero = np.clip(np.round(-128 - low / step), -128, 127)
    given = np.clip(np.round(x.reshape(-1) / step) + zero, -128, 127) - zero
    blocks = (weights.astype("float64") * given).reshape(*scales.shape, BLOCK).sum(axis=2)
    return (step * (blocks * scales.astype("float64")).sum(axis=1)).astype("float32").reshape(1, 1, -1)
