"""No file, however damaged, does worse than a ModelError that says what is wrong."""

from __future__ import annotations

import os
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import subgraft
from graphs import chain
from shared_models import MODELS, needs_shared
from subgraft.delegates import Graph, ModelError, Op, Options, Quantization, Tensor
from subgraft.interpreter.model import Model, Signature

SEEDS = ("ops/integration_tests__seanet__conv__conv0", "made/while_if_float", "real/kws_ref_model", "real/model_1")


def whole_file() -> bytes:
    """A small file with a bit of everything."""
    tensors = (
        Tensor("x", (1, 4), "float32", shape_signature=(-1, 4)),
        Tensor("w", (2, 4), "int8", bytes(8), Quantization((0.5, 0.25), (0, 0), 0)),
        Tensor("y", (1, 2), "float32"),
        Tensor("z", (1, 2), "float32"),
    )
    ops = (
        Op("FULLY_CONNECTED", (0, 1, -1), (2,), Options({"fused_activation_function": "RELU"}), version=3),
        Op("Mine", (2,), (3,), is_custom=True, custom_options=b"\x01\x02\x03\x04"),
    )
    return Model(
        graphs=(Graph(tensors, ops, (0,), (3,), name="main"),),
        signatures=(Signature("serve", {"in": 0}, {"out": 3}),),
        metadata={"note": b"some text"},
        description="whole",
    ).to_bytes()


def refused_or_read(content: bytes) -> bool:
    """True when it was refused; whatever loads must also convert."""
    try:
        model = Model.open(content)
    except ModelError:
        return True
    for graph in model.graphs:
        list(graph.tensors)
        list(graph.ops)
    return False


def test_a_file_truncated_anywhere_is_refused_or_read() -> None:
    content = whole_file()
    refused = [refused_or_read(content[:length]) for length in range(len(content))]
    assert all(refused[: len(content) // 2])


def test_a_file_with_any_bit_flipped_is_refused_or_read() -> None:
    content = whole_file()
    refused = 0
    for position in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[position] ^= 1 << bit
            refused += refused_or_read(bytes(damaged))
    assert refused > 1000


@pytest.mark.parametrize("value", [0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 4, 2**32 - 1])
def test_a_file_with_any_word_replaced_is_refused_or_read(value: int) -> None:
    content = whole_file()
    for position in range(0, len(content) - 3, 4):
        damaged = bytearray(content)
        struct.pack_into("<I", damaged, position, value)
        refused_or_read(bytes(damaged))


@needs_shared
@pytest.mark.parametrize("name", SEEDS)
def test_real_files_with_random_damage_are_refused_or_read(name: str) -> None:
    content = (MODELS / f"{name}.tflite").read_bytes()
    rng = random.Random(1)
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(rng.randint(1, 3)):
            struct.pack_into("<I", damaged, rng.randrange(0, len(damaged) - 4, 4), rng.choice((rng.getrandbits(32), 8)))
        refused_or_read(bytes(damaged[: rng.choice((len(damaged), rng.randrange(len(damaged))))]))


def changed(change: Callable[[Any], None]) -> bytes:
    """The whole file with its object tree changed; TFLite's own builder writes it without looking."""
    model = schema.ModelT.InitFromPackedBuf(whole_file(), 0)
    change(model)
    builder = flatbuffers.Builder()
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def no_subgraphs(model: Any) -> None:
    model.subgraphs = []


def negative_builtin(model: Any) -> None:
    model.operatorCodes[0].builtinCode = -5
    model.operatorCodes[0].deprecatedBuiltinCode = -5


def opcode(index: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.subgraphs[0].operators[1].opcodeIndex = index

    return change


def op_tensor(field: str, index: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        setattr(model.subgraphs[0].operators[0], field, [index])

    return change


def graph_tensor(field: str, index: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        setattr(model.subgraphs[0], field, [index])

    return change


def tensor_buffer(index: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.subgraphs[0].tensors[1].buffer = index

    return change


def buffer_place(offset: int, size: int) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        model.buffers[1].offset, model.buffers[1].size = offset, size

    return change


def large_options(model: Any) -> None:
    model.subgraphs[0].operators[1].largeCustomOptionsOffset = 2**40
    model.subgraphs[0].operators[1].largeCustomOptionsSize = 8


def quantization(**fields: Any) -> Callable[[Any], None]:
    def change(model: Any) -> None:
        for field, value in fields.items():
            setattr(model.subgraphs[0].tensors[1].quantization, field, value)

    return change


def blockwise(scales: int, zero_points: int, block: int) -> Callable[[Any], None]:
    details = schema.BlockwiseQuantizationT()
    details.scales, details.zeroPoints, details.blockSize = scales, zero_points, block
    return quantization(detailsType=schema.QuantizationDetails.BlockwiseQuantization, details=details)


def multi_axis(*dimensions: int) -> Callable[[Any], None]:
    details = schema.MultiAxisQuantizationT()
    details.scales, details.zeroPoints, details.quantizedDimensions = 0, -1, list(dimensions)
    return quantization(detailsType=schema.QuantizationDetails.MultiAxisQuantization, details=details)


def signature_subgraph(model: Any) -> None:
    model.signatureDefs[0].subgraphIndex = 1


def signature_tensor(model: Any) -> None:
    model.signatureDefs[0].outputs[0].tensorIndex = 4


def metadata_buffer(model: Any) -> None:
    model.metadata[0].buffer = 99


def external_group(model: Any) -> None:
    model.externalBuffers = [schema.ExternalBufferT()]


def sparse_index(model: Any) -> None:
    dimension = schema.DimensionMetadataT()
    dimension.format, dimension.arraySegmentsType = 1, schema.SparseIndexVector.Int32Vector
    model.subgraphs[0].tensors[1].sparsity = schema.SparsityParametersT()
    model.subgraphs[0].tensors[1].sparsity.dimMetadata = [dimension]


TENSORS = "but the subgraph has 4 tensors"
OP = r"subgraph 0: op 0: 'FULLY_CONNECTED': "
WEIGHTS = r"subgraph 0: tensor 1: 'w': "
CASES = {
    "no subgraph": (no_subgraphs, "the file has no subgraph"),
    "negative builtin code": (negative_builtin, "operator code 0: its builtin code is -5"),
    "opcode one past the end": (opcode(2), "subgraph 0: op 1: it has operator code 2, but the file has 2"),
    "opcode far away": (opcode(2**32 - 1), "it has operator code 4294967295, but the file has 2"),
    "input one past the end": (op_tensor("inputs", 4), OP + f"input 0 is tensor 4, {TENSORS}"),
    "input -2": (op_tensor("inputs", -2), OP + f"input 0 is tensor -2, {TENSORS}"),
    "input INT_MIN": (op_tensor("inputs", -(2**31)), OP + f"input 0 is tensor -2147483648, {TENSORS}"),
    "output -1": (op_tensor("outputs", -1), OP + f"output 0 is tensor -1, {TENSORS}"),
    "output INT_MAX": (op_tensor("outputs", 2**31 - 1), OP + f"output 0 is tensor 2147483647, {TENSORS}"),
    "intermediate -2": (op_tensor("intermediates", -2), OP + f"intermediate 0 is tensor -2, {TENSORS}"),
    "graph input -1": (graph_tensor("inputs", -1), f"subgraph 0: input 0 is tensor -1, {TENSORS}"),
    "graph output": (graph_tensor("outputs", 4), f"subgraph 0: output 0 is tensor 4, {TENSORS}"),
    "buffer one past the end": (tensor_buffer(3), WEIGHTS + "its constant is buffer 3, but the file has 3 buffers"),
    "buffer far away": (tensor_buffer(2**32 - 1), WEIGHTS + "its constant is buffer 4294967295"),
    "data behind the file": (buffer_place(10**6, 8), r"buffer 1: its data at byte 1000000 \(8 bytes\) lies outside"),
    "data that wraps around": (buffer_place(64, 2**64 - 32), "buffer 1: its data at byte 64 .* lies outside"),
    "custom options behind the file": (large_options, "op 1: 'Mine': its custom options at byte 1099511627776"),
    "fewer zero points": (quantization(zeroPoint=[0]), WEIGHTS + "there are 2 scales but 1 zero points"),
    "no zero points": (quantization(zeroPoint=None), WEIGHTS + "there are 2 scales but 0 zero points"),
    "scales of another dimension": (
        quantization(quantizedDimension=1),
        WEIGHTS + "there are 2 scales for dimension 1, which has 4 elements",
    ),
    "blockwise scales": (blockwise(4, -1, 2), WEIGHTS + f"the scales are in tensor 4, {TENSORS}"),
    "blockwise zero points": (blockwise(0, -2, 2), WEIGHTS + f"the zero points are in tensor -2, {TENSORS}"),
    "block size": (blockwise(0, -1, -32), WEIGHTS + "the quantization block size is -32"),
    "axis of several": (multi_axis(0, 2), WEIGHTS + "quantized dimension 2 does not exist in a tensor of rank 2"),
    "signature's subgraph": (signature_subgraph, "signature 0: 'serve': it runs subgraph 1, but the file has 1"),
    "signature's tensor": (signature_tensor, f"signature 0: 'serve': output 0: 'out' is tensor 4, {TENSORS}"),
    "metadata's buffer": (metadata_buffer, "metadata 0: 'note' is buffer 99, but the file has 3 buffers"),
    "external buffer's group": (external_group, "external buffer 0: it is in group 0, but the file has 0 groups"),
    "sparse index": (sparse_index, WEIGHTS + "a sparse index vector is missing"),
}


@pytest.mark.parametrize(("change", "message"), CASES.values(), ids=CASES)
def test_a_wrong_index_is_named(change: Callable[[Any], None], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Model.open(changed(change))


def test_a_quantized_dimension_that_one_scale_does_not_need_is_a_warning() -> None:
    model = Model.open(changed(quantization(scale=[0.5], zeroPoint=[0], quantizedDimension=7)))
    assert model.warnings == ("subgraph 0: tensor 1: 'w': quantized dimension 7 does not exist in a tensor of rank 2",)


@pytest.mark.parametrize("load", [subgraft.load, lambda file: subgraft.Interpreter(model_content=file)])
def test_what_is_wrong_but_harmless_is_logged_once(
    load: Callable[[bytes], Any], caplog: pytest.LogCaptureFixture
) -> None:
    several = [Tensor(name, (2,), "float32", bytes(8), Quantization((0.5,), (0,), 7)) for name in ("v", "w")]
    x, y, z = (Tensor(name, (2,), "float32") for name in "xyz")
    add = Options({"fused_activation_function": "NONE"})
    graph = Graph([x, y, z, *several], [Op("ADD", (0, 3), (1,), add), Op("ADD", (1, 4), (2,), add)], (0,), (2,))
    load(Model.of(graph).to_bytes())
    (message,) = caplog.messages
    assert "tensor 3: 'v': quantized dimension 7 does not exist in a tensor of rank 1" in message
    assert "(and 1 more of this kind; subgraft inspect shows them)" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"TFL3", "the file has only 4 bytes; a .tflite file has more"),
        (bytes(1000), r"this is not a .tflite file: bytes 4 to 7 are '\\x00\\x00\\x00\\x00', not 'TFL3'"),
        (b"PK\x03\x04" + b"zip " * 9, "this is not a .tflite file: bytes 4 to 7 are 'zip ', not 'TFL3'"),
        (struct.pack("<I", 2**31) + b"TFL3" + bytes(64), "what a reference points at at byte 2147483648"),
        (struct.pack("<I", 0) + b"TFL3" + bytes(64), "the reference at byte 0 of the file points at itself"),
    ],
)
def test_what_is_no_tflite_file_is_told_so(content: bytes, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Model.open(content)


def vtable_file(vtable: bytes, distance: int) -> bytes:
    """A root table at byte 32 whose vtable lies `distance` before it."""
    content = bytearray(128)
    struct.pack_into("<I4s", content, 0, 32, b"TFL3")
    content[16 : 16 + len(vtable)] = vtable
    struct.pack_into("<i", content, 32, distance)
    return bytes(content)


@pytest.mark.parametrize(
    ("vtable", "distance", "message"),
    [
        (b"", 33, "the table at byte 32 has its vtable before the file"),
        (b"", -(2**31), "a value at byte 2147483680"),
        (struct.pack("<HH", 3, 4), 16, "the table at byte 32 has a vtable of 3 bytes"),
        (struct.pack("<HH", 5, 4), 16, "the table at byte 32 has a vtable of 5 bytes"),
        (struct.pack("<HH", 0xFFFE, 4), 16, r"a vtable at byte 16 \(65534 bytes\) lies outside"),
    ],
)
def test_a_wild_vtable_is_refused(vtable: bytes, distance: int, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Model.open(vtable_file(vtable, distance))


def test_a_vector_of_2_to_the_31_elements_is_refused() -> None:
    content = bytearray(whole_file())
    tensors = schema.Model.GetRootAs(content, 0).Subgraphs(0)._tab
    struct.pack_into("<I", content, tensors.Vector(tensors.Offset(4)) - 4, 2**31)
    with pytest.raises(
        ModelError, match=r"subgraph 0: a vector at byte \d+ \(8589934592 bytes\) lies outside the file"
    ):
        Model.open(bytes(content))


def table_of_one_reference(field: int) -> tuple[bytes, int]:
    """A vtable and its table, whose only field refers to what follows; and where in it the table starts."""
    vtable = struct.pack("<HH", 4 + 2 * (field + 1), 8) + bytes(2 * field) + struct.pack("<H", 4)
    vtable += bytes(-len(vtable) % 4)
    return vtable + struct.pack("<iI", len(vtable), 4), len(vtable)


def unfolding_file(count: int) -> bytes:
    """`count` subgraphs that are one, each of `count` tensors that are one, whose shape has `count` dimensions."""

    def references(start_of_table: int) -> bytes:
        distances = [4 * (count - i) + start_of_table for i in range(count)]
        return struct.pack(f"<I{count}I", count, *distances)

    root, root_at = table_of_one_reference(2)
    subgraph, subgraph_at = table_of_one_reference(0)
    tensor, tensor_at = table_of_one_reference(0)
    shape = struct.pack(f"<I{count}i", count, *[1] * count)
    header = struct.pack("<I4s", 8 + root_at, b"TFL3")
    return header + root + references(subgraph_at) + subgraph + references(tensor_at) + tensor + shape


def test_tables_that_share_tables_are_read_as_long_as_they_are_few() -> None:
    (graph, again) = Model.open(unfolding_file(2)).graphs
    assert [t.shape for t in graph.tensors] == [t.shape for t in again.tensors] == [(1, 1), (1, 1)]


def test_tables_that_share_tables_do_not_unfold_without_end() -> None:
    content = unfolding_file(5000)  # 125 thousand million dimensions in 60 KB
    start = time.monotonic()
    with pytest.raises(ModelError, match="would unfold to many times its size"):
        Model.open(content)
    assert time.monotonic() - start < 2


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=f"cannot open {tmp_path}: it is a directory"):
        Model.open(tmp_path)


def test_a_fifo_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ModelError, match="fifo: it is not a regular file"):
        Model.open(tmp_path / "fifo")


def test_a_device_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot open /dev/zero: it is not a regular file"):
        Model.open("/dev/zero")


def test_a_name_with_a_null_character_is_refused() -> None:
    with pytest.raises(ModelError, match="cannot open a file whose name contains a null character"):
        Model.open("model\0.tflite")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.tflite").touch()
    with pytest.raises(ModelError, match="cannot read .*empty.tflite: the file is empty"):
        Model.open(tmp_path / "empty.tflite")


def test_a_sparse_file_of_4_gb_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tflite"
    with path.open("wb") as file:
        file.truncate(2**32)
    with pytest.raises(ModelError, match="this is not a .tflite file"):
        Model.open(path)


def test_data_4_gb_into_a_sparse_file_is_found(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tflite"
    offset = 2**32 + 64
    with path.open("wb") as file:
        file.write(changed(buffer_place(offset, 8)))
        file.seek(offset)
        file.write(bytes(range(8)))
    weights = Model.open(path).graphs[0].tensors[1].data
    assert weights is not None
    np.testing.assert_array_equal(weights.reshape(-1), np.arange(8))


def test_the_message_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(changed(opcode(2)))
    with pytest.raises(ModelError, match=rf"cannot read {path}: subgraph 0: op 1: it has operator code 2"):
        Model.open(path)


def test_strange_names_are_escaped_in_messages() -> None:
    def change(model: Any) -> None:
        model.subgraphs[0].tensors[1].name = b"a\xff\n" + b"x" * 200
        model.subgraphs[0].tensors[1].buffer = 99

    with pytest.raises(ModelError) as caught:
        Model.open(changed(change))
    assert str(caught.value).startswith("subgraph 0: tensor 1: 'a\\xff\\x0a" + "x" * 77 + "...': its constant")


def test_a_model_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="the file is empty"):
        Model.open(b"")


def test_trailing_bytes_are_ignored() -> None:
    content = Model.of(chain("RELU")).to_bytes()
    assert Model.open(content + bytes(1000)).to_bytes() == content
