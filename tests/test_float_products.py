"""The fast kernels of float32 products against the reference kernels, on random shapes, for each instruction set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from behind_pad import behind_pad
from op_cases import Array, Case, c, const, out, x
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

TOLERANCE = 1e-5  # of the range of the sums, as docs/performance.md says
WINOGRAD_TOLERANCE = 2e-5
ACTIVATIONS = ("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
FAST_SETS = [s for s in _native.instruction_sets() if s in ("avx2", "avx512", "neon")]  # others add nothing for floats


@pytest.fixture(autouse=True)
def any_set() -> Iterator[None]:
    yield
    _native.limit_instruction_set()


def output(model: bytes, feed: list[Array], instruction_set: str, threads: int) -> Array:
    _native.limit_instruction_set(instruction_set)
    program = _native.Program(Model.open(model).native, pool=_native.ThreadPool(threads))
    (made,) = program.call(feed)
    return made.copy()


def assert_close(case: Case, depth: int, tolerance: float = TOLERANCE) -> None:
    """Values are normal with a deviation of 3, so that sums of `depth` products deviate by 9 * sqrt(depth)."""
    model, feed = case.model(), case.feed(0)
    if case.kind == "CONV_2D" and case.seed % 4 == 0:
        model = behind_pad(case, case.seed)
        graph = Model.open(model).graphs[0]
        feed = [feed[0][tuple(slice(n) for n in graph.tensors[graph.inputs[0]].shape)].copy()]
    expected = output(model, feed, "generic", 1)
    for instruction_set in FAST_SETS:
        one = output(model, feed, instruction_set, 1)
        two = output(model, feed, instruction_set, 2)
        assert np.array_equal(one, two, equal_nan=True), f"{instruction_set}: 2 threads differ from 1: {case}"
        assert one.shape == expected.shape
        if one.size:
            worst = float(np.abs(one - expected).max())
            assert worst <= tolerance * 9 * np.sqrt(depth), f"{instruction_set}: off by {worst}: {case}"


def pick(rng: np.random.Generator, *options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def size(rng: np.random.Generator, most: int) -> int:
    """Small ones and those around a vector's length are as likely as all others."""
    return min(most, int(pick(rng, 1, 2, 3, rng.integers(4, 18), 31, 32, 33, rng.integers(1, most + 1))))


def fully_connected(seed: int) -> tuple[Case, int]:
    rng = np.random.default_rng(seed)
    rows, units, depth = size(rng, 150), size(rng, 150), size(rng, 300)
    weights = (c if rng.random() < 0.8 else x)(units, depth)
    bias = [c(units)] if rng.random() < 0.7 else []
    options = {"fused_activation_function": pick(rng, *ACTIVATIONS), "weights_format": "DEFAULT"}
    return Case("FULLY_CONNECTED", [x(rows, depth), weights, *bias], [out()], options, seed=seed), depth


def conv(seed: int) -> tuple[Case, int]:
    rng = np.random.default_rng(seed)
    groups = pick(rng, 1, 1, 1, 2, 3)
    depth, units = size(rng, 40), groups * size(rng, 40)
    taps = (1, 1) if rng.random() < 0.3 else (int(rng.integers(1, 6)), int(rng.integers(1, 6)))
    stride = (int(pick(rng, 1, 1, 2, 3)), int(pick(rng, 1, 1, 2, 3)))
    dilation = (int(pick(rng, 1, 1, 1, 2)), int(pick(rng, 1, 1, 1, 3)))
    image = [max(size(rng, 20), (t - 1) * d + 1) for t, d in zip(taps, dilation, strict=True)]
    options = {
        "padding": pick(rng, "SAME", "VALID"),
        "stride_h": stride[0],
        "stride_w": stride[1],
        "dilation_h_factor": dilation[0],
        "dilation_w_factor": dilation[1],
        "fused_activation_function": pick(rng, *ACTIVATIONS),
    }
    inputs = [x(int(pick(rng, 1, 1, 2)), *image, groups * depth), c(units, *taps, depth)]
    bias = [c(units)] if rng.random() < 0.7 else []
    return Case("CONV_2D", [*inputs, *bias], [out()], options, seed=seed), depth * taps[0] * taps[1]


def batch_matmul(seed: int) -> tuple[Case, int]:
    rng = np.random.default_rng(seed)
    rows, units, depth = size(rng, 100), size(rng, 100), size(rng, 100)
    batches = [size(rng, 4) for _ in range(int(rng.integers(0, 3)))]
    turned = {"adj_x": bool(rng.random() < 0.3), "adj_y": bool(rng.random() < 0.4)}
    left = (depth, rows) if turned["adj_x"] else (rows, depth)
    right = (units, depth) if turned["adj_y"] else (depth, units)
    kept = [d if rng.random() < 0.7 else 1 for d in batches]
    sides = [x(*batches, *left), (c if rng.random() < 0.3 else x)(*kept, *right)]
    options = turned | {"asymmetric_quantize_inputs": False}
    return Case("BATCH_MATMUL", sides, [out()], options, seed=seed), depth


def transpose_conv(seed: int) -> tuple[Case, int]:
    rng = np.random.default_rng(seed)
    depth, units = size(rng, 40), size(rng, 40)
    taps, stride, image, made = [], [], [], []
    padding = pick(rng, "SAME", "VALID")
    for _ in range(2):
        step, filter_ = int(pick(rng, 1, 2, 2, 3, 4)), int(pick(rng, 1, 2, 3, 4, 5, 8))
        if rng.random() < 0.2:
            step = filter_ = 1
        given = 1 if step == filter_ == 1 else size(rng, 12)
        # Any output that the convolution would make this input of.
        low = (given - 1) * step + (1 if padding == "SAME" else filter_)
        taps.append(filter_)
        stride.append(step)
        image.append(given)
        made.append(int(rng.integers(low, low + step)))
    options = {
        "padding": padding,
        "stride_h": stride[0],
        "stride_w": stride[1],
        "fused_activation_function": pick(rng, *ACTIVATIONS),
    }
    batches = int(pick(rng, 1, 1, 2))
    bias = [c(units)] if rng.random() < 0.7 else []
    shape = const((batches, *made, units))
    inputs = [shape, c(units, *taps, depth), x(batches, *image, depth), *bias]
    reached = int(np.ceil(taps[0] / stride[0]) * np.ceil(taps[1] / stride[1]))
    return Case("TRANSPOSE_CONV", inputs, [out()], options, version=3, seed=seed), depth * reached


def winograd(seed: int) -> tuple[Case, int]:
    """What Winograd's transformation can compute, with or without a gain."""
    rng = np.random.default_rng(seed)
    depth, units = size(rng, 70), size(rng, 70)
    options = {
        "padding": pick(rng, "SAME", "VALID"),
        "stride_h": 1,
        "stride_w": 1,
        "dilation_h_factor": 1,
        "dilation_w_factor": 1,
        "fused_activation_function": pick(rng, *ACTIVATIONS),
    }
    image = x(int(pick(rng, 1, 1, 2)), int(rng.integers(3, 20)), int(rng.integers(3, 20)), depth)
    bias = [c(units)] if rng.random() < 0.7 else []
    return Case("CONV_2D", [image, c(units, 3, 3, depth), *bias], [out()], options, seed=seed), depth * 9


KINDS = {
    "fully_connected": fully_connected,
    "conv": conv,
    "batch_matmul": batch_matmul,
    "transpose_conv": transpose_conv,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", range(2))
def test_a_fast_product_is_within_tolerance(kind: str, block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        assert_close(*KINDS[kind](seed))


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("block", range(100))
def test_thousands_of_fast_products_are_within_tolerance(kind: str, block: int) -> None:
    for seed in range(1000 + block * 40, 1000 + block * 40 + 40):
        assert_close(*KINDS[kind](seed))


@pytest.fixture
def winograd_wherever_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBGRAFT_WINOGRAD", "always")


@pytest.mark.usefixtures("winograd_wherever_it_can")
@pytest.mark.parametrize("block", range(2))
def test_winograd_is_within_its_own_tolerance(block: int) -> None:
    for seed in range(block * 20, block * 20 + 20):
        assert_close(*winograd(seed), WINOGRAD_TOLERANCE)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("winograd_wherever_it_can")
@pytest.mark.parametrize("block", range(100))
def test_winograd_is_within_its_own_tolerance_on_thousands_of_shapes(block: int) -> None:
    for seed in range(1000 + block * 40, 1000 + block * 40 + 40):
        assert_close(*winograd(seed), WINOGRAD_TOLERANCE)


def test_winograd_is_taken_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sums differ from those in the natural order, if only by little."""
    case, _ = winograd(2)
    outputs = []
    for way in ("never", "always"):
        monkeypatch.setenv("SUBGRAFT_WINOGRAD", way)
        outputs.append(output(case.model(), case.feed(0), _native.instruction_sets()[-1], 1))
    assert np.array_equal(*outputs) == (not FAST_SETS)
