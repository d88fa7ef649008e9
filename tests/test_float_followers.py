"""Elementwise ops of float32 that the product before them takes over: the same bits as ops of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from op_cases import Array
from subgraft.delegates import Graph, Op, Options, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

FAST_SETS = [s for s in _native.instruction_sets() if s in ("avx2", "avx512", "neon")]  # others add nothing for floats
TAKEN_OVER = pytest.mark.skipif(not FAST_SETS, reason="this processor has no fast kernels for floats")


@pytest.fixture(autouse=True)
def any_set() -> Iterator[None]:
    yield
    _native.limit_instruction_set()


class Built:
    """A graph that grows op by op; values are tensor numbers."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.inputs: list[int] = []

    def fed(self, *shape: int) -> int:
        self.inputs.append(self._add(Tensor(name=f"fed{len(self.tensors)}", dtype="float32", shape=shape)))
        return self.inputs[-1]

    def constant(self, *shape: int) -> int:
        values = (self.rng.standard_normal(shape) * 3).astype(np.float32)
        return self._add(Tensor.constant(f"constant{len(self.tensors)}", values))

    def op(self, kind: str, inputs: tuple[int, ...], shape: tuple[int, ...], **options: Any) -> int:
        output = self._add(Tensor(name=f"{kind}{len(self.tensors)}", dtype="float32", shape=shape))
        self.ops.append(Op(kind, inputs, (output,), Options(options)))
        return output

    def conv(self, image: int, units: int, size: int = 1, stride: int = 1, activation: str = "NONE") -> int:
        batches, height, width, depth = self.tensors[image].shape
        shape = (batches, -(-height // stride), -(-width // stride), units)
        inputs = (image, self.constant(units, size, size, depth), self.constant(units))
        return self.op(
            "CONV_2D",
            inputs,
            shape,
            padding="SAME",
            stride_h=stride,
            stride_w=stride,
            dilation_h_factor=1,
            dilation_w_factor=1,
            fused_activation_function=activation,
        )

    def depthwise(self, image: int, activation: str = "NONE") -> int:
        shape = self.tensors[image].shape
        return self.op(
            "DEPTHWISE_CONV_2D",
            (image, self.constant(1, 3, 3, shape[-1]), self.constant(shape[-1])),
            shape,
            padding="SAME",
            stride_h=1,
            stride_w=1,
            depth_multiplier=1,
            dilation_h_factor=1,
            dilation_w_factor=1,
            fused_activation_function=activation,
        )

    def dense(self, rows: int, units: int, keep: bool, activation: str = "NONE") -> int:
        shape = self.tensors[rows].shape
        made = (*shape[:-1], units) if keep else (int(np.prod(shape[:-1])), units)
        inputs = (rows, self.constant(units, shape[-1]), self.constant(units))
        return self.op("FULLY_CONNECTED", inputs, made, keep_num_dims=keep, fused_activation_function=activation)

    def add(self, a: int, b: int, activation: str = "NONE") -> int:
        return self.op("ADD", (a, b), self.tensors[a].shape, fused_activation_function=activation)

    def map(self, kind: str, a: int) -> int:
        slopes = (self.constant(1, 1, self.tensors[a].shape[-1]),) if kind == "PRELU" else ()
        return self.op(kind, (a, *slopes), self.tensors[a].shape)

    def model(self, *outputs: int) -> Any:
        return Model.of(Graph(self.tensors, self.ops, tuple(self.inputs), outputs, name="main")).native

    def feed(self) -> list[Array]:
        rng = np.random.default_rng(1)
        return [(rng.standard_normal(self.tensors[t].shape) * 3).astype(np.float32) for t in self.inputs]

    def _add(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def steps(b: Built, *outputs: int) -> list[str]:
    """The kinds of ops that run as ops of their own, after the outputs were compared with those of all ops alone."""
    model, feed = b.model(*outputs), b.feed()
    for instruction_set in FAST_SETS:
        _native.limit_instruction_set(instruction_set)
        expected = _native.Program(model, pool=_native.ThreadPool(1), keep_all=True).call(feed)
        expected = [e.copy() for e in expected]
        for threads in (1, 2):
            program = _native.Program(model, pool=_native.ThreadPool(threads))
            for _ in range(2):
                for made, e in zip(program.call(feed), expected, strict=True):
                    assert np.array_equal(made, e), f"{instruction_set}, {threads} threads"
    return [b.ops[i].kind for i in program.steps]


def pick(rng: np.random.Generator, *options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def drawn(seed: int) -> tuple[Built, int]:
    b = Built(seed)
    rng = b.rng
    depth, units = int(rng.integers(1, 40)), int(rng.integers(1, 70))
    image = b.fed(int(rng.integers(1, 3)), int(rng.integers(1, 14)), int(rng.integers(1, 14)), depth)
    if rng.random() < 0.5:
        image = b.map("LOGISTIC", image)  # so that its memory may be somebody else's later
    units = pick(rng, depth, units)
    value = b.conv(image, units, pick(rng, 1, 1, 3, 2), pick(rng, 1, 1, 2), pick(rng, "NONE", "RELU", "RELU6"))
    shape = b.tensors[value].shape
    if rng.random() < 0.7:
        others = [image] if shape == b.tensors[image].shape else []
        other = pick(rng, *others, b.fed(*shape), b.constant(*shape))
        pair = (value, other) if rng.random() < 0.5 else (other, value)
        value = b.add(*pair, pick(rng, "NONE", "RELU", "RELU_N1_TO_1"))
    for _ in range(int(rng.integers(0, 3))):
        value = b.map(pick(rng, "PRELU", "HARD_SWISH", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"), value)
    return b, value


@TAKEN_OVER
def test_ops_that_follow_give_the_same_bits_as_alone() -> None:
    for seed in range(60):
        steps(*drawn(seed))


@pytest.mark.exhaustive
@TAKEN_OVER
@pytest.mark.parametrize("way", ["never", "always"])
def test_thousands_of_ops_that_follow_give_the_same_bits_as_alone(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBGRAFT_WINOGRAD", way)
    for seed in range(1000, 4000):
        steps(*drawn(seed))


@TAKEN_OVER
def test_winograd_takes_over_what_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBGRAFT_WINOGRAD", "always")
    b = Built(0)
    image = b.fed(2, 9, 11, 19)
    assert steps(b, b.map("PRELU", b.add(b.conv(image, 21, 3), b.fed(2, 9, 11, 21)))) == ["CONV_2D"]


@TAKEN_OVER
@pytest.mark.parametrize("last", ["PRELU", "HARD_SWISH", "RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"])
def test_a_block_with_a_residual_is_one_step(last: str) -> None:
    b = Built(1)
    image = b.fed(1, 8, 8, 24)
    block = b.conv(b.conv(image, 12, 3, activation="RELU"), 24)
    assert steps(b, b.map(last, b.add(image, block))) == ["CONV_2D", "CONV_2D"]


@TAKEN_OVER
def test_the_later_of_two_convolutions_takes_their_sum_over() -> None:
    b = Built(2)
    image = b.fed(1, 8, 8, 24)
    total = b.add(b.conv(image, 40), b.map("LOGISTIC", b.conv(image, 40)))
    assert steps(b, total) == ["CONV_2D", "CONV_2D", "LOGISTIC", "ADD"]
    b = Built(2)
    image = b.fed(1, 8, 8, 24)
    left = b.map("LOGISTIC", b.conv(image, 40))
    assert steps(b, b.add(left, b.conv(image, 40))) == ["CONV_2D", "LOGISTIC", "CONV_2D"]


@TAKEN_OVER
@pytest.mark.parametrize("seed", range(24))
def test_rows_of_products_take_over_what_follows(seed: int) -> None:
    b = Built(seed)
    rng = b.rng
    keep = bool(rng.integers(2))
    rows = b.map("LOGISTIC", b.fed(int(rng.integers(1, 4)), int(rng.integers(1, 20)), int(rng.integers(1, 70))))
    value = b.dense(rows, int(rng.integers(1, 70)), keep, pick(rng, "NONE", "RELU"))
    value = b.map(pick(rng, "RELU6", "HARD_SWISH", "RELU"), b.add(value, b.fed(*b.tensors[value].shape)))
    assert steps(b, value) == ["LOGISTIC", "FULLY_CONNECTED"]


@TAKEN_OVER
@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU_N1_TO_1"])
@pytest.mark.parametrize("last", ["RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"])
def test_a_depthwise_convolution_takes_over_bounds(activation: str, last: str) -> None:
    b = Built(6)
    conv = b.depthwise(b.fed(1, 8, 9, 24), activation)
    assert steps(b, b.map("HARD_SWISH", b.map(last, conv))) == ["DEPTHWISE_CONV_2D", "HARD_SWISH"]


Variant = Callable[[Built, int, int], tuple[int, ...]]
NOT_TAKEN_OVER: dict[str, Variant] = {
    "somebody else reads the sum's part": lambda b, image, conv: (b.add(conv, image), b.map("LOGISTIC", conv)),
    "the caller reads it": lambda b, image, conv: (b.add(conv, image), conv),
    "it is added to itself": lambda b, image, conv: (b.add(conv, conv),),
    "a row is added": lambda b, image, conv: (b.add(conv, b.constant(1, 1, 1, 24)),),
}


@TAKEN_OVER
@pytest.mark.parametrize("variant", NOT_TAKEN_OVER.values(), ids=NOT_TAKEN_OVER)
def test_an_addition_stays_an_op_of_its_own_where(variant: Variant) -> None:
    b = Built(3)
    image = b.fed(1, 8, 8, 24)
    assert "ADD" in steps(b, *variant(b, image, b.conv(image, 24)))


@TAKEN_OVER
def test_a_slope_for_each_element_stays_an_op_of_its_own() -> None:
    b = Built(4)
    conv = b.conv(b.fed(1, 8, 8, 24), 24)
    assert steps(b, b.op("PRELU", (conv, b.constant(8, 8, 24)), (1, 8, 8, 24))) == ["CONV_2D", "PRELU"]


@TAKEN_OVER
def test_all_tensors_can_be_read_where_all_are_kept() -> None:
    b = Built(5)
    image = b.fed(1, 8, 8, 24)
    conv = b.conv(image, 24)
    total = b.add(conv, image)
    program = _native.Program(b.model(total), pool=_native.ThreadPool(1), keep_all=True)
    program.call(b.feed())
    assert program.is_readable(conv)
    assert np.array_equal(program.get(conv) + b.feed()[0], program.get(total))
