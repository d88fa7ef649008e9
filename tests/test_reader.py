"""The reader against TFLite's own parser, and the ways to open a model."""

from __future__ import annotations

import gc
import io
from pathlib import Path
from typing import Any

import flatbuffers
import pytest
from ai_edge_litert import schema_py_generated as schema

from file_fields import difference, expected, expected_options, found, found_options, names_of, parse
from graphs import chain
from shared_models import MODELS, needs_shared
from subgraft.delegates import Blockwise, ModelError, Op
from subgraft.interpreter.model import Model

FILES = sorted(MODELS.glob("*/*.tflite"))
LATTICE = next(MODELS.glob("real/lattice_*.tflite"), MODELS / "absent")
TEXT_OPTIONS = {"container", "sharedName", "callTargetName", "backendConfig", "name"}


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def a_file() -> bytes:
    return Model.of(chain("RELU", "ADD")).to_bytes()


@needs_shared
@pytest.mark.parametrize("path", FILES, ids=name)
def test_every_field_is_what_tflites_own_parser_finds(path: Path) -> None:
    assert difference(found(Model.open(path)), expected(path.read_bytes())) == ""


def filled(table: str) -> Any:
    """An options object whose every field differs from its default."""
    options = getattr(schema, table + "T")()
    for field, default in vars(options).items():
        if default is None:
            value: Any = "text" if field in TEXT_OPTIONS else [1, 0, 1]
        elif isinstance(default, bool):
            value = not default
        elif isinstance(default, float):
            value = 0.25
        else:
            value = 3 - default
        setattr(options, field, value)
    return options


def file_with_options(union: type, table: str, options: Any) -> bytes:
    op = schema.OperatorT()
    op.inputs, op.outputs, op.opcodeIndex = [0], [1], 0
    kind = getattr(union, table)
    if union is schema.BuiltinOptions:
        op.builtinOptionsType, op.builtinOptions = kind, options
    else:
        op.builtinOptions2Type, op.builtinOptions2 = kind, options
    model = parse(a_file())
    model.subgraphs[0].operators = [op]
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


TABLES = [
    pytest.param(union, table, id=table)
    for union in (schema.BuiltinOptions, schema.BuiltinOptions2)
    for number, table in names_of(union).items()
    if number
]


@pytest.mark.parametrize(("union", "table"), TABLES)
def test_every_option_of_the_schema_is_read_and_written(union: type, table: str) -> None:
    content = file_with_options(union, table, filled(table))
    wanted = expected_options(filled(table))
    (op,) = Model.open(content).graphs[0].ops
    assert op.options.table == table
    assert found_options(op.options) == wanted
    (again,) = Model.open(Model.of(Model.open(content).graphs[0]).to_bytes()).graphs[0].ops
    assert found_options(again.options) == wanted


@needs_shared
def test_a_large_model_opens_without_making_its_ops() -> None:
    gc.collect()
    before = sum(isinstance(o, Op) for o in gc.get_objects())
    graph = Model.open(LATTICE).graphs[0]
    assert len(graph.ops) == 6092
    assert sum(isinstance(o, Op) for o in gc.get_objects()) == before
    assert graph.ops[-1] is graph.ops[6091]
    assert [op.kind for op in graph.ops[:2]] == [graph.ops[0].kind, graph.ops[1].kind]
    with pytest.raises(IndexError):
        graph.ops[6092]


def test_a_model_opens_from_every_kind_of_source(tmp_path: Path) -> None:
    content = a_file()
    path = tmp_path / "mödel.tflite"
    path.write_bytes(content)
    with path.open("rb") as file:
        sources = [path, str(path), content, bytearray(content), memoryview(content), io.BytesIO(content), file]
        found_in = [found(Model.open(source)) for source in sources]
    assert all(fields == found_in[0] for fields in found_in)


def test_what_is_no_model_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="a path, a file object or the bytes of a file, not int"):
        Model.open(3)  # type: ignore[arg-type]


def test_changing_a_bytearray_afterwards_changes_nothing() -> None:
    content = bytearray(a_file())
    model = Model.open(content)
    content[:] = bytes(len(content))
    assert difference(found(model), expected(a_file())) == ""


def test_constants_outlive_the_model() -> None:
    graph = chain("RELU")
    model = Model.open(Model(graphs=(graph,), metadata={"note": b"kept"}).to_bytes())
    note = model.metadata["note"]
    del model
    gc.collect()
    assert bytes(note) == b"kept"


def test_a_file_opened_twice_is_decoded_once(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(a_file())
    first, second = Model.open(path), Model.open(str(path))
    assert first.native is second.native


def test_a_file_replaced_by_another_is_decoded_again(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(a_file())
    first = Model.open(path)
    (tmp_path / "new").write_bytes(Model.of(chain("ABS")).to_bytes())
    (tmp_path / "new").replace(path)
    assert [op.kind for op in Model.open(path).graphs[0].ops] == ["ABS"]
    assert [op.kind for op in first.graphs[0].ops] == ["RELU", "ADD"]


@needs_shared
def test_blockwise_scales_are_tensors_of_the_graph() -> None:
    graph = Model.open(MODELS / "real/qwen_fc_blockwise_quantized.tflite").graphs[0]
    blockwise = [t.quantization.blockwise for t in graph.tensors if t.quantization and t.quantization.blockwise]
    assert blockwise and all(isinstance(b, Blockwise) and b.block_size == 32 for b in blockwise)
    assert all(graph.tensors[b.scales].dtype == "float16" for b in blockwise)


@needs_shared
def test_harmless_oddities_are_warnings() -> None:
    warnings = Model.open(MODELS / "real/person_detect_model.tflite").warnings
    assert len(warnings) == 14
    assert warnings[0] == (
        "subgraph 0: tensor 33: 'MobilenetV1/MobilenetV1/Conv2d_0/Conv2D_bias': "
        "quantized dimension 3 does not exist in a tensor of rank 1"
    )


def test_an_operator_newer_than_the_schema_is_read_and_written() -> None:
    model = parse(a_file())
    for code in model.operatorCodes:
        code.builtinCode = 999
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    graph = Model.open(bytes(builder.Output())).graphs[0]
    assert {op.kind for op in graph.ops} == {"BUILTIN_999"}
    assert [op.kind for op in Model.open(Model.of(graph).to_bytes()).graphs[0].ops] == ["BUILTIN_999"] * 2


def test_names_that_are_no_utf8_are_replaced() -> None:
    content = a_file().replace(b"t1\0", b"\xff1\0")
    assert Model.open(content).graphs[0].tensors[1].name == "\ufffd1"


@pytest.mark.parametrize("path", ["nowhere/model.tflite", Path("nowhere/model.tflite")])
def test_a_missing_file_is_named(path: str | Path) -> None:
    with pytest.raises(ModelError, match=r"cannot open nowhere/model.tflite: No such file or directory"):
        Model.open(path)
