"""Files that we write: the same content, aligned buffers, and the same results under TFLite."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from file_fields import difference, expected, found
from graphs import chain
from oracle import Oracle
from shared_models import MODELS, needs_shared
from subgraft.delegates import Blockwise, Graph, Op, Options, Quantization, SparseDimension, Sparsity, Tensor
from subgraft.delegates import VariantType as Variant
from subgraft.interpreter.model import ExternalBuffer, Model, Signature
from subgraft.interpreter.native import _native

FILES = sorted(MODELS.glob("*/*.tflite"))
RUN_BY_DEFAULT = {
    "mobilenet_v1_0.25_128_quant",
    "keras_lstm_dyn",
    "while_if_float",
    "face_detection_full_range_sparse",
    "kws_ref_model",
    "resource_var_2sig_float",
    "model_1",
}


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def by_hand(model: Model) -> bytes:
    """Written from the Python types, not from the decoded file."""
    return dataclasses.replace(model).to_bytes()


def buffer_positions(content: bytes) -> list[int]:
    """Where the data of each buffer starts."""
    model = schema.Model.GetRootAs(content, 0)
    positions = []
    for i in range(model.BuffersLength()):
        buffer = model.Buffers(i)
        if buffer.Offset() > 1:
            positions.append(buffer.Offset())
        elif not buffer.DataIsNone():
            positions.append(buffer._tab.Vector(buffer._tab.Offset(4)))
    return positions


@needs_shared
@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_rewritten_file_says_the_same_to_tflites_parser(path: Path) -> None:
    content = Model.open(path).to_bytes()
    assert difference(expected(content), expected(path.read_bytes())) == ""
    assert all(position % 16 == 0 for position in buffer_positions(content))


@needs_shared
@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_written_from_python_says_the_same(path: Path) -> None:
    model = Model.open(path)
    content = by_hand(model)
    assert difference(found(Model.open(content)), found(model)) == ""
    assert all(position % 16 == 0 for position in buffer_positions(content))
    assert len(content) < 1.3 * path.stat().st_size + 10_000  # shared buffers stay shared


def random_inputs(graph: Graph, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    arrays: list[np.ndarray] = []
    for tensor in (graph.tensors[t] for t in graph.inputs):
        dtype = np.dtype(tensor.dtype)
        if dtype.kind == "f":
            arrays.append(rng.normal(size=tensor.shape).astype(dtype))
        elif dtype.kind == "b":
            arrays.append(rng.integers(0, 2, tensor.shape).astype(bool))
        else:
            arrays.append(rng.integers(0, 100, tensor.shape).astype(dtype))
    return arrays


def assert_same_outputs(path: Path, oracle: Oracle) -> None:
    model = Model.open(path)
    if any(graph.tensors[t].dtype == "string" for graph in model.graphs[:1] for t in graph.inputs):
        pytest.skip("takes strings")
    inputs = random_inputs(model.graphs[0])
    before = oracle.run(path, *inputs)
    for content in (model.to_bytes(), by_hand(model)):
        after = oracle.run(content, *inputs)
        assert bool(after.error) == bool(before.error), after.error or before.error
        if before.error:
            continue
        assert all(
            np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
            for a, b in zip(after.outputs, before.outputs, strict=True)
        )


@needs_shared
@pytest.mark.parametrize(
    "path", [p for p in FILES if p.stem in RUN_BY_DEFAULT and p.parent.name != "edgetpu"], ids=name
)
def test_tflite_computes_the_same_from_a_rewritten_file(path: Path, oracle: Oracle) -> None:
    assert_same_outputs(path, oracle)


@needs_shared
@pytest.mark.exhaustive
@pytest.mark.parametrize("path", FILES, ids=name)
def test_tflite_computes_the_same_from_every_rewritten_file(path: Path, oracle: Oracle) -> None:
    assert_same_outputs(path, oracle)


def add_graph(**changes: Any) -> Graph:
    """y = x + constant, with anything about the op changed."""
    op = Op("ADD", (0, 1), (2,), Options({"fused_activation_function": "RELU6"}))
    tensors = (
        Tensor("x", (2, 3), "float32", shape_signature=(-1, 3)),
        Tensor.constant("c", np.arange(3, dtype=np.float32)),
        Tensor("y", (2, 3), "float32"),
    )
    return Graph(tensors, (dataclasses.replace(op, **changes),), (0,), (2,), name="main")


def test_a_graph_made_by_hand_runs_under_tflite(oracle: Oracle) -> None:
    x = np.array([[-9, 1, 2], [3, 4, 50]], np.float32)
    answer = oracle.run(Model.of(add_graph()).to_bytes(), x)
    np.testing.assert_array_equal(answer.outputs[0], np.clip(x + np.arange(3, dtype=np.float32), 0, 6))


def test_everything_that_the_types_hold_is_written() -> None:
    shared = b"sixteen bytes..."
    tensors = (
        Tensor("x", (1, 4), "float32", is_variable=True, has_rank=True, external_buffer=7),
        Tensor("a", (4,), "int32", buffer=shared),
        Tensor("b", (4,), "float32", buffer=shared),
        Tensor("per channel", (2, 1), "int8", b"ab", Quantization((0.5, 0.25), (0, 0), 0, min=(-1.0,), max=(1.0,))),
        Tensor("blocks", (1, 4), "int4", b"ab", Quantization(axis=1, blockwise=Blockwise(1, -1, 2))),
        Tensor("axes", (1, 4), "int4", b"cd", Quantization(blockwise=Blockwise(1, 2, 0, (0, 1)))),
        Tensor("custom", (1,), "uint8", b"e", Quantization(custom=b"opaque")),
        Tensor("variant", (), "variant", variant_types=(Variant((2, 3), "bool", True),)),
        Tensor(
            "sparse",
            (2, 8),
            "float32",
            b"12345678",
            sparsity=Sparsity(
                (0, 1),
                (),
                (
                    SparseDimension(2),
                    SparseDimension(0, np.array([0, 1, 2], np.uint16), np.array([3, 250], np.uint8), True),
                ),
            ),
        ),
        Tensor("empty", (0,), "int32", b""),
    )
    ops = (
        Op(
            "Mine",
            (0, -1),
            (3,),
            version=4,
            is_custom=True,
            custom_options=b"\x01\x02\x03",
            intermediates=(-1, 5),
            mutating_variable_inputs=(True, False),
            debug_metadata_index=9,
        ),
        Op("SPLIT", (0,), (4, 5), Options({"num_splits": 2}), version=3),
        Op("SPLIT", (0,), (6, 7), Options({"num_splits": 2}), version=3),
    )
    model = Model(
        graphs=(Graph(tensors, ops, (0,), (3,), name="main", debug_metadata_index=2), add_graph()),
        signatures=(Signature("serve", {"in": 0}, {"out": 3}), Signature("add", {"in": 0}, {"out": 2}, 1)),
        metadata={"z": b"last letter first", "a": memoryview(b"view"), "none": b""},
        description="made by hand",
        external_buffers=(ExternalBuffer(7, "weights.bin", 16, 32, "none"), ExternalBuffer(8, "weights.bin", 48, 4)),
    )
    content = model.to_bytes()
    wanted = found(model)
    for op in wanted["graphs"][0]["ops"][1:]:
        op["table"] = "SplitOptions"  # named after the op
    add = wanted["graphs"][1]["ops"][0]
    add["table"], add["options"]["potscaleint16"] = "AddOptions", True  # what the schema says of options left out
    assert difference(found(Model.open(content)), wanted) == ""
    assert difference(expected(content), wanted) == ""
    written = schema.ModelT.InitFromPackedBuf(content, 0)
    assert written.subgraphs[0].tensors[1].buffer == written.subgraphs[0].tensors[2].buffer
    assert len(written.operatorCodes) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "NONSENSE"}, "there is no builtin operator 'NONSENSE'"),
        ({"options": Options({"padding": "SAME"})}, "AddOptions has no option 'padding'"),
        ({"options": Options({"fused_activation_function": "SQUARE"})}, "fused_activation_function cannot be 'SQUARE'"),
        ({"options": Options({"fused_activation_function": 300})}, "fused_activation_function cannot be 300"),
        ({"options": Options({"pot_scale_int16": 0.5})}, "pot_scale_int16 cannot be 0.5"),
        ({"options": Options({"a": 1}, table="NoOptions")}, "the schema has no options table 'NoOptions'"),
        ({"kind": "LOGISTIC"}, "this operator has no options"),
    ],
)
def test_what_the_schema_lacks_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Model.of(add_graph(**changes)).to_bytes()


def test_a_dtype_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no element type 'float31'"):
        Model.of(Graph((Tensor("x", (1,), "float31"),), (), (0,), (0,))).to_bytes()


def test_buffers_too_large_for_a_flatbuffer_go_behind_it(oracle: Oracle) -> None:
    graph = add_graph()
    content = _native.Model.read(Model.of(graph).to_bytes()).write(largest_flatbuffer=100)
    assert all(position % 16 == 0 for position in buffer_positions(content))
    (constant,) = [b for b in schema.ModelT.InitFromPackedBuf(content, 0).buffers if b.offset]
    assert content[constant.offset : constant.offset + constant.size] == np.arange(3, dtype=np.float32).tobytes()
    assert difference(found(Model.open(content)), found(Model.open(Model.of(graph).to_bytes()))) == ""
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(oracle.run(content, x).outputs[0], x + np.arange(3, dtype=np.float32))


def test_options_with_an_unknown_table_are_not_lost_silently() -> None:
    content = bytearray(Model.of(chain("ADD")).to_bytes())
    op = schema.Model.GetRootAs(content, 0).Subgraphs(0).Operators(0)
    content[op._tab.Pos + op._tab.Offset(4 + 2 * 3)] = 250  # builtin_options_type
    model = Model.open(bytes(content))
    assert model.graphs[0].ops[0].options.table == ""
    with pytest.raises(RuntimeError, match="ADD: options of the unknown type 250/0 cannot be written"):
        model.to_bytes()
