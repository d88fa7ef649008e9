"""A PAD before a depthwise convolution or a pool is taken over by it: it is not run, and nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest

from behind_pad import behind_pad
from every_set import limited_to
from op_cases import Array, Case, c, out, x
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

SETS = _native.instruction_sets()
QUANTIZED = {"scale": 0.05, "zero": 3}


def depthwise(seed: int, dtype: str) -> Case:
    rng = np.random.default_rng(seed)
    channels, taps, dilation = int(rng.integers(1, 70)), int(rng.choice((2, 3, 3, 5))), int(rng.choice((1, 1, 2)))
    shape = (1, *rng.integers((taps - 1) * dilation + 1, 16, 2).tolist(), channels)
    options = {
        "padding": str(rng.choice(("SAME", "VALID"))),
        "stride_h": int(rng.choice((1, 2))),
        "stride_w": int(rng.choice((1, 2))),
        "dilation_h_factor": dilation,
        "dilation_w_factor": dilation,
        "depth_multiplier": 1,
        "fused_activation_function": str(rng.choice(("NONE", "RELU6"))),
    }
    weights = (1, taps, taps, channels)
    if dtype == "float32":
        return Case("DEPTHWISE_CONV_2D", [x(*shape), c(*weights), c(channels)], [out()], options, seed=seed)
    zero = 3 if dtype == "uint8" else 0
    inputs = [x(*shape, dtype=dtype, **QUANTIZED), c(*weights, dtype=dtype, scale=0.01, zero=zero)]
    return Case("DEPTHWISE_CONV_2D", inputs, [out(dtype=dtype, scale=0.1, zero=-1 + zero)], options, seed=seed)


def pool(kind: str, seed: int, dtype: str) -> Case:
    rng = np.random.default_rng(seed)
    options = {
        "padding": str(rng.choice(("SAME", "VALID"))),
        "filter_height": int(rng.integers(1, 6)),
        "filter_width": int(rng.integers(1, 6)),
        "stride_h": int(rng.integers(1, 3)),
        "stride_w": int(rng.integers(1, 3)),
        "fused_activation_function": "NONE",
    }
    quantized = {} if dtype == "float32" else QUANTIZED
    shape = (1, *rng.integers(5, 14, 2).tolist(), int(rng.integers(1, 70)))
    return Case(kind, [x(*shape, dtype=dtype, **quantized)], [out(dtype=dtype, **quantized)], options, seed=seed)


def outputs(model: Model, feed: list[Array], instruction_set: str, *, keep_all: bool) -> list[Array]:
    with limited_to(instruction_set):
        program = _native.Program(model.native, pool=_native.ThreadPool(2), keep_all=keep_all)
    return [output.copy() for output in program.call(feed)]


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8"])
@pytest.mark.parametrize("kind", ["DEPTHWISE_CONV_2D", "MAX_POOL_2D", "AVERAGE_POOL_2D"])
def test_an_op_behind_a_pad_gives_what_it_gives_after_it(kind: str, dtype: str) -> None:
    for seed in range(12):
        case = depthwise(seed, dtype) if kind == "DEPTHWISE_CONV_2D" else pool(kind, seed, dtype)
        model = Model.open(behind_pad(case, seed))
        graph = model.graphs[0]
        feed = [case.feed()[0][tuple(slice(n) for n in graph.tensors[graph.inputs[0]].shape)].copy()]
        (expected,) = outputs(model, feed, "generic", keep_all=True)
        for instruction_set in SETS:
            (given,) = outputs(model, feed, instruction_set, keep_all=False)
            if dtype == "float32":
                np.testing.assert_allclose(given, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max(initial=1))
            else:
                np.testing.assert_array_equal(given, expected, err_msg=f"{instruction_set}, seed {seed}")


def test_the_pad_before_a_depthwise_convolution_is_not_run() -> None:
    model = Model.open(behind_pad(depthwise(1, "float32"), 1))
    program = _native.Program(model.native, pool=_native.ThreadPool(1))
    assert [model.graphs[0].ops[op].kind for op in program.steps] == ["DEPTHWISE_CONV_2D"]
