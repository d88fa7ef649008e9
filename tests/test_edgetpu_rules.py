"""What the Edge TPU's compiler is documented to take, op by op, and the reason for each op that it does not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import subgraft
from shared_models import MODELS, needs_shared
from subgraft.backends.edgetpu import rules
from subgraft.delegates import Graph, Op, Options, Quantization, Tensor

SCALED = Quantization((0.5,), (3,))
IMAGE = (1, 8, 8, 4)
EDGETPU = MODELS / "edgetpu"
FULLY_COMPILED = ["bright_16x16", "dense_256", "gabor_64x64_p4", "looming_64x64_3x3", "mobilenet_v1_0.25_128_quant"]
FULLY_COMPILED += ["mobilenet_v1_0.5_160_quant", "mobilenet_v2_1.0_224_quant", "split_concat", "keras_lstm_mnist_ptq"]
PARTLY_COMPILED = ["deeplabv3_mnv2_dm05_pascal_quant", "movenet_single_pose_lightning_ptq"]
PARTLY_COMPILED += ["posenet_mobilenet_v1_075_481_641_16_quant_decoder"]


def activation(name: str, shape: tuple[int, ...] = IMAGE, dtype: str = "uint8") -> Tensor:
    return Tensor(name, shape, dtype, quantization=SCALED)


def numbers(*values: object) -> Tensor:
    return Tensor.constant("parameter", np.array(values, np.int32))


def weights(*shape: int, dtype: str = "uint8") -> Tensor:
    return Tensor.constant("weights", np.zeros(shape, dtype), SCALED)


def reasons(kind: str, *inputs: Tensor, output: Tensor | None = None, **options: object) -> tuple[str, ...]:
    tensors = [*inputs, output or activation("y")]
    op = Op(kind, tuple(range(len(inputs))), (len(inputs),), Options(options))
    graph = Graph(tuple(tensors), (op,), tuple(range(len(inputs))), op.outputs)
    return rules.check(op, graph).reasons


X = activation("x")
ACCEPTED = {
    "ADD": (X, X),
    "AVERAGE_POOL_2D": (X,),
    "CONCATENATION": (X, X),
    "CONV_2D": (X, weights(4, 3, 3, 4), numbers(0, 0, 0, 0)),
    "DEPTHWISE_CONV_2D": (X, weights(1, 3, 3, 4), numbers(0, 0, 0, 0)),
    "EXPAND_DIMS": (X, numbers(0)),
    "L2_NORMALIZATION": (X,),
    "LOGISTIC": (X,),
    "MAXIMUM": (X, X),
    "MAX_POOL_2D": (X,),
    "MEAN": (X, numbers(1, 2)),
    "MINIMUM": (X, X),
    "MUL": (X, X),
    "PAD": (X, numbers([0, 0], [1, 1], [1, 1], [0, 0])),
    "PRELU": (X, weights(1, 1, 4)),
    "QUANTIZE": (activation("x", dtype="int8"),),
    "REDUCE_MAX": (X, numbers(-1)),
    "REDUCE_MIN": (X, numbers(1)),
    "RELU": (X,),
    "RELU6": (X,),
    "RELU_N1_TO_1": (X,),
    "RESHAPE": (X, numbers(1, 8, 8, 4)),
    "RESIZE_BILINEAR": (X, numbers(8, 8)),
    "RESIZE_NEAREST_NEIGHBOR": (X, numbers(8, 8)),
    "RSQRT": (X,),
    "SLICE": (X, numbers(0, 0, 0, 0), numbers(1, 8, 8, 4)),
    "SPACE_TO_DEPTH": (X,),
    "SPLIT": (numbers(3), X),
    "SQUARED_DIFFERENCE": (X, X),
    "SQUEEZE": (X,),
    "STRIDED_SLICE": (X, numbers(0, 0, 0, 0), numbers(1, 8, 8, 4), numbers(1, 1, 1, 1)),
    "SUB": (X, X),
    "SUM": (X, numbers(2)),
    "TANH": (X,),
    "TRANSPOSE": (X, numbers(0, 2, 1, 3)),
    "TRANSPOSE_CONV": (numbers(1, 8, 8, 4), weights(4, 3, 3, 4), X),
}
FLAT = activation("x", (1, 16))
ACCEPTED_FLAT = {
    "FULLY_CONNECTED": (FLAT, weights(16, 16), numbers(*range(16))),
    "SOFTMAX": (FLAT,),
    "PACK": (activation("x", (4,)), activation("z", (4,))),
}


@pytest.mark.parametrize("kind", sorted(rules.SUPPORTED.keys() - {"UNIDIRECTIONAL_SEQUENCE_LSTM"}))
def test_every_published_op_passes_within_its_limits(kind):
    if kind in ACCEPTED:
        assert reasons(kind, *ACCEPTED[kind]) == ()
    else:
        assert reasons(kind, *ACCEPTED_FLAT[kind], output=activation("y", (1, 16)), axis=1) == ()


@pytest.mark.parametrize("kind", ["DEQUANTIZE", "ARG_MAX", "HARD_SWISH", "LEAKY_RELU", "PosenetDecoderOp"])
def test_an_op_that_is_not_published_is_refused(kind):
    assert "the Edge TPU's compiler does not take this kind of op" in reasons(kind, X)


BATCH = activation("x", (2, 8, 8, 4))
FUSED = {"fused_activation_function": "RELU6"}


@pytest.mark.parametrize(
    ("kind", "inputs", "options", "why"),
    [
        ("RELU", (activation("x", dtype="int16"),), {}, "its tensors must be int8 or uint8"),
        ("RELU", (Tensor("x", IMAGE, "float32"),), {}, "its tensors must be int8 or uint8"),
        ("RELU", (Tensor("x", IMAGE, "int8"),), {}, "its tensors must be quantized"),
        ("RELU", (Tensor("x", IMAGE, "int8", quantization=Quantization((float("inf"),))),), {}, "finite and above 0"),
        ("RELU", (Tensor("x", IMAGE, "int8", quantization=Quantization((0.0,))),), {}, "finite and above 0"),
        ("RELU", (Tensor("x", IMAGE, "int8", quantization=Quantization((1.0,) * 4, axis=3)),), {}, "one scale each"),
        ("RELU", (activation("x", (1, 0, 8, 4)),), {}, "sizes must be known when it is compiled"),
        ("RELU", (BATCH,), {}, "only the 3 innermost dimensions"),
        ("RESHAPE", (X, Tensor("shape", (4,), "int32")), {}, "must be constants"),
        ("CONV_2D", (X, activation("w", (4, 3, 3, 4))), {}, "must be constants"),
        ("CONV_2D", (X, replace(weights(4, 3, 3, 4), buffer=b"short")), {}, "must be constants"),
        ("CONV_2D", (X, weights(4, 3, 3, 4, dtype="float32")), {}, "its weights must be int8 or uint8"),
        ("CONV_2D", ACCEPTED["CONV_2D"], {"dilation_w_factor": 2}, "dilation must be the same in x and y"),
        ("DEPTHWISE_CONV_2D", ACCEPTED["DEPTHWISE_CONV_2D"], {"dilation_h_factor": 2}, "the same in x and y"),
        ("AVERAGE_POOL_2D", (X,), FUSED, "no fused activation function"),
        ("MAX_POOL_2D", (X,), FUSED, "no fused activation function"),
        ("CONCATENATION", (X, X), FUSED, "no fused activation function"),
        ("CONCATENATION", (X, weights(*IMAGE)), {}, "the constant must be all zeros"),  # 0 stands for -1.5
        ("CONCATENATION", (X, X, Tensor.constant("z", np.full(IMAGE, 3, np.uint8), SCALED)), {}, "only 2 inputs"),
        ("FULLY_CONNECTED", ACCEPTED_FLAT["FULLY_CONNECTED"], {}, "its output must be one-dimensional"),
        ("MEAN", (X, numbers(0)), {}, "no reduction in the batch dimension"),
        ("MEAN", (X, numbers(-4)), {}, "no reduction in the batch dimension"),
        ("MEAN", (activation("x", (1, 8, 8, 6)), numbers(3)), {}, "z must be a multiple of 4"),
        ("SUM", (X, numbers(0, 1)), {}, "no reduction in the batch dimension"),
        ("REDUCE_MAX", (X, numbers(0)), {}, "no reduction in the batch dimension"),
        ("REDUCE_MIN", (X, numbers(0)), {}, "no reduction in the batch dimension"),
        ("PACK", (FLAT, FLAT), {"axis": 0}, "no packing in the batch dimension"),
        ("PAD", (X, numbers([0, 1], [0, 0], [0, 0], [0, 0])), {}, "no padding in the batch dimension"),
        ("PRELU", (X, weights(8, 8, 4)), {}, "alpha must be one-dimensional"),
        ("SOFTMAX", (activation("x", (1, 16_001)),), {}, "at most 16,000 elements"),
        ("SOFTMAX", (X,), {}, "its input must be one-dimensional"),
        ("SPLIT", (numbers(0), X), {}, "no splitting in the batch dimension"),
        ("STRIDED_SLICE", (*ACCEPTED["STRIDED_SLICE"][:3], numbers(1, 2, 1, 1)), {}, "all strides must be 1"),
        ("STRIDED_SLICE", ACCEPTED["STRIDED_SLICE"], {"ellipsis_mask": 2}, "no ellipsis"),
        ("STRIDED_SLICE", ACCEPTED["STRIDED_SLICE"], {"new_axis_mask": 1}, "no new axis"),
    ],
)
def test_each_limit_is_a_reason(kind, inputs, options, why):
    (reason,) = reasons(kind, *inputs, **options)
    assert why in reason


def test_weights_in_another_order_are_refused():
    flat = activation("y", (1, 16))
    (reason,) = reasons("FULLY_CONNECTED", *ACCEPTED_FLAT["FULLY_CONNECTED"], output=flat, weights_format="SHUFFLED")
    assert reason == "only the default format of weights"


def test_every_reason_is_told():
    assert len(reasons("MAX_POOL_2D", BATCH, **FUSED)) == 2


ANY_TENSOR = st.builds(
    Tensor,
    st.just("t"),
    st.lists(st.integers(0, 3), max_size=5).map(tuple),
    st.sampled_from(["uint8", "int8", "float32", "int32", "string", "int4"]),
    quantization=st.none() | st.just(SCALED) | st.just(Quantization((1.0, 2.0), (0, 0))),
)
ANY_CONSTANT = st.lists(st.integers(-5, 5), max_size=4).map(lambda values: numbers(*values))
DAMAGED = st.builds(replace, ANY_CONSTANT, buffer=st.binary(max_size=3), shape=st.just((2,)) | st.just((1,) * 70))


@given(
    st.sampled_from(sorted(rules.SUPPORTED)),
    st.lists(ANY_TENSOR | ANY_CONSTANT | DAMAGED, min_size=1, max_size=5),
    st.lists(st.integers(-1, 4), max_size=5),
    st.lists(st.integers(0, 4), max_size=2),
)
def test_no_op_makes_a_rule_crash(kind, tensors, inputs, outputs):
    last = len(tensors) - 1
    op = Op(kind, tuple(min(i, last) for i in inputs), tuple(min(o, last) for o in outputs))
    rules.check(op, Graph(tuple(tensors), (op,), (0,), (last,)))


def main_graph(name: str) -> Graph:
    return subgraft.Model.open(EDGETPU / f"{name}.tflite").graphs[0]


@needs_shared
@pytest.mark.parametrize("name", FULLY_COMPILED)
def test_what_googles_compiler_took_whole_passes(name):
    graph = main_graph(name)
    refused = {op.kind: rules.check(op, graph).reasons for op in graph.ops if not rules.check(op, graph)}
    assert refused == {}


@needs_shared
@pytest.mark.parametrize("name", PARTLY_COMPILED)
def test_no_op_that_googles_compiler_took_is_refused(name):
    graph = main_graph(name)
    refused = Counter(op.kind for op in graph.ops if not rules.check(op, graph))
    left = Counter(op.kind for op in main_graph(f"{name}_edgetpu").ops)
    assert refused <= left


@needs_shared
def test_the_compiler_takes_a_larger_softmax_than_it_is_documented_to():
    graph = main_graph("bright_128x128")
    refused = [(op.kind, rules.check(op, graph).reasons) for op in graph.ops if not rules.check(op, graph)]
    assert refused == [("SOFTMAX", ("its input must be one-dimensional, of at most 16,000 elements",))]
    assert [op.kind for op in main_graph("bright_128x128_edgetpu").ops] == ["edgetpu-custom-op"]
