"""Segments cut into models of their own compute what they compute inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oracle import Oracle, Request
from shared_models import MODELS, needs_shared
from subgraft.delegates import Graph, Op, Options, Segment, Tensor
from subgraft.interpreter.cutter import cut
from subgraft.interpreter.model import Model

CUT = (
    "real/mobilenet_v1_0.25_224_1_default_1",
    "real/kws_ref_model",
    "real/hand_landmark_full",
    "real/face_blendshapes",
    "real/iris_landmark",
    "made/while_if_float",
    "made/bert_tiny4_float",
    "made/keras_lstm_dyn",
    "real/keras_lstm_mnist_ptq",
)


def random_inputs(graph: Graph) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [
        rng.normal(size=t.shape).astype(t.dtype)
        if t.dtype == "float32"
        else rng.integers(0, 100, t.shape).astype(t.dtype)
        for t in (graph.tensors[i] for i in graph.inputs)
    ]


def initial_state(tensor: Tensor) -> np.ndarray:
    """A variable before the first run, as TFLite sets it: zero."""
    zero = tensor.quantization.zero_points[0] if tensor.dtype == "int8" and tensor.quantization else 0
    return np.full(tensor.shape, zero, tensor.dtype)


def assert_parts_compute_the_same(path: Path, oracle: Oracle, parts: int) -> None:
    model = Model.open(path)
    graph = model.graphs[0]
    whole = oracle.ask(Request(path, [random_inputs(graph)], every_tensor=True))
    if whole.error:
        pytest.skip(f"TFLite cannot run it: {whole.error}")
    edges = np.linspace(0, len(graph.ops), min(parts, len(graph.ops)) + 1).astype(int)
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        segment = graph.segment(range(first, last))
        if any(graph.tensors[t].dtype == "resource" for t in segment.inputs + segment.outputs):
            continue  # has no value that can be passed
        inputs = [
            initial_state(graph.tensors[t]) if graph.tensors[t].is_variable else whole.tensors[t]
            for t in segment.inputs
        ]
        part = oracle.run(cut(model, segment), *inputs)
        for t, value in zip(segment.outputs, part.outputs, strict=True):
            np.testing.assert_array_equal(value, whole.tensors[t], err_msg=f"ops {first} to {last}, tensor {t}")


@needs_shared
@pytest.mark.parametrize("name", CUT)
def test_the_parts_of_a_model_compute_the_same_alone(name: str, oracle: Oracle) -> None:
    assert_parts_compute_the_same(MODELS / f"{name}.tflite", oracle, parts=4)


@needs_shared
@pytest.mark.exhaustive
@pytest.mark.parametrize("path", sorted(MODELS.glob("*/*.tflite")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_parts_of_every_model_compute_the_same_alone(path: Path, oracle: Oracle) -> None:
    graph = Model.open(path).graphs[0]
    if any(graph.tensors[t].dtype == "string" for t in graph.inputs):
        pytest.skip("takes strings")
    assert_parts_compute_the_same(path, oracle, parts=12)


def test_inputs_and_outputs_come_in_the_order_of_the_segment(oracle: Oracle) -> None:
    tensors = tuple(Tensor(name, (2,), "float32") for name in "abcdef")
    ops = (Op("SUB", (0, 1), (3,)), Op("SUB", (2, 0), (4,)), Op("NEG", (3,), (5,)))
    graph = Graph(tensors, ops, (0, 1, 2), (4, 5))
    segment = Segment(graph, (0, 1), inputs=(2, 1, 0), outputs=(4, 3))
    a, b, c = (np.array([i, 10 * i], np.float32) for i in (1, 2, 4))
    answer = oracle.run(cut(Model.of(graph), segment), c, b, a)
    np.testing.assert_array_equal(answer.outputs[0], c - a)
    np.testing.assert_array_equal(answer.outputs[1], a - b)


def test_only_what_the_segment_needs_comes_along() -> None:
    constant = Tensor.constant("weights", np.ones(1000, np.float32))
    tensors = (
        Tensor("x", (1000,), "float32"),
        constant,
        Tensor("y", (1000,), "float32"),
        Tensor("z", (1000,), "float32"),
    )
    graph = Graph(tensors, (Op("MUL", (0, 1), (2,)), Op("ABS", (2,), (3,))), (0,), (3,))
    model = Model(graphs=(graph,), metadata={"note": b"n" * 5000}, description="the whole")
    part = Model.open(cut(model, graph.segment([1])))
    assert [t.name for t in part.graphs[0].tensors] == ["y", "z"]
    assert not part.metadata
    assert part.description == "the whole"
    assert len(part.to_bytes()) < 1000


def control_flow(body: int) -> Op:
    return Op("IF", (0, 1), (2,), Options({"then_subgraph_index": body, "else_subgraph_index": 3}))


def test_bodies_come_along_under_new_numbers() -> None:
    tensors = (Tensor("condition", (1,), "bool"), Tensor("x", (1,), "float32"), Tensor("y", (1,), "float32"))
    main = Graph(tensors, (Op("NEG", (1,), (2,)), control_flow(2)), (0, 1), (2,), name="main")
    unused = Graph(tensors, (), (0,), (0,), name="unused", index=1)
    nested = Graph(tensors, (control_flow(3),), (0, 1), (2,), name="nested", index=2)
    recursive = Graph(tensors, (control_flow(3),), (0, 1), (2,), name="recursive", index=3)
    part = Model.open(cut(Model.of(main, unused, nested, recursive), main.segment([1])))
    assert [graph.name for graph in part.graphs] == ["main", "nested", "recursive"]
    branches = [
        (op.options.then_subgraph_index, op.options.else_subgraph_index) for graph in part.graphs for op in graph.ops
    ]
    assert branches == [(1, 2), (2, 2), (2, 2)]


@needs_shared
def test_blockwise_scales_come_along() -> None:
    model = Model.open(MODELS / "real/qwen_fc_blockwise_quantized.tflite")
    part = Model.open(cut(model, model.graphs[0].segment([0]))).graphs[0]
    (weights,) = [t for t in part.tensors if t.quantization and t.quantization.blockwise]
    assert weights.quantization is not None and weights.quantization.blockwise is not None
    scales = part.tensors[weights.quantization.blockwise.scales]
    (original,) = [t for t in model.graphs[0].tensors if t.dtype == "float16"]
    assert (scales.name, scales.buffer) == (original.name, original.buffer)


@needs_shared
def test_a_variable_tensor_stays_one() -> None:
    model = Model.open(MODELS / "real/keras_lstm_mnist_ptq.tflite")
    graph = model.graphs[0]
    (lstm,) = [i for i, op in enumerate(graph.ops) if op.kind == "UNIDIRECTIONAL_SEQUENCE_LSTM"]
    part = Model.open(cut(model, graph.segment([lstm]))).graphs[0]
    states = [graph.tensors[t].name for t in graph.ops[lstm].inputs if t >= 0 and graph.tensors[t].is_variable]
    assert [part.tensors[t].name for t in part.inputs if part.tensors[t].is_variable] == states
    assert len(states) == 2
    assert len(part.ops[0].intermediates) == 5
