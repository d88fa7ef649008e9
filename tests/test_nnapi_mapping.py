"""What the NNAPI delegate takes and what not, where NNAPI and TFLite are not of one mind; through the stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import subgraft
from nnapi_stand_in import StandIn
from subgraft.backends.nnapi import Nnapi
from subgraft.delegates import Array, Graph, Op, Options, Quantization, Tensor
from subgraft.interpreter.model import Model
from test_nnapi_faults import delegate


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    yield StandIn(tmp_path_factory.mktemp("nnapi"))


def scaled(name: str, shape: tuple[int, ...], dtype: str, scale: float, zero: int = 0) -> Tensor:
    return Tensor(name, shape, dtype, quantization=Quantization((scale,), (zero,)))


def whole(kind: str, tensors: list[Tensor], ins: tuple[int, ...], outs: tuple[int, ...], **options: object) -> Graph:
    """A graph of one op, fed with all its inputs that are no constants."""
    feeds = tuple(dict.fromkeys(t for t in ins if not tensors[t].is_constant))
    return Graph(tensors, [Op(kind, ins, outs, Options(options))], feeds, outs)


def on_both(graph: Graph, feeds: dict[str, Array], stand_in: StandIn) -> tuple[dict[str, Array], dict[str, Array]]:
    """What the device makes of it, all on its own, and what the CPU does."""
    model = Model.of(graph)
    with subgraft.load(model) as cpu, subgraft.load(model, delegates=[delegate(stand_in)], strict=True) as session:
        return session.run(feeds), cpu.run(feeds)


def reasons(graph: Graph, level: int = 8) -> str:
    return "; ".join(Nnapi(feature_level=level).check(graph.ops[0], graph).reasons)


AXIS = Tensor.constant("axis", np.array(1, np.int32))


def split_of(scales: tuple[float, float, float]) -> Graph:
    parts = [scaled(f"part {i}", (2, 2), "uint8", scale) for i, scale in enumerate(scales[1:])]
    return whole("SPLIT", [AXIS, scaled("x", (2, 4), "uint8", scales[0]), *parts], (0, 1), (2, 3), num_splits=2)


def split_v_of(scale: float) -> Graph:
    sizes = Tensor.constant("sizes", np.array([1, 3], np.int32))
    parts = [scaled("a", (2, 1), "int8", 0.5), scaled("b", (2, 3), "int8", scale)]
    return whole("SPLIT_V", [scaled("x", (2, 4), "int8", 0.5), sizes, AXIS, *parts], (0, 1, 2), (3, 4), num_splits=2)


def topk_of(scale: float, is_constant: bool = True) -> Graph:
    k = Tensor.constant("k", np.array([2], np.int32)) if is_constant else Tensor("k", (1,), "int32")
    ends = [scaled("values", (1, 2), "uint8", scale), Tensor("indices", (1, 2), "int32")]
    return whole("TOPK_V2", [scaled("x", (1, 4), "uint8", 0.5), k, *ends], (0, 1), (2, 3))


def pair_of(kind: str, scale: float) -> Graph:
    shape = (2, 4) if kind == "PACK" else (4,)
    ends = [scaled("a", (4,), "uint8", 0.5), scaled("b", (4,), "uint8", scale), scaled("y", shape, "uint8", 0.5)]
    return whole(kind, ends, (0, 1), (2,), values_count=2, axis=0)


def unpack_of(scale: float) -> Graph:
    parts = [scaled("a", (4,), "uint8", 0.5), scaled("b", (4,), "uint8", scale)]
    return whole("UNPACK", [scaled("x", (2, 4), "uint8", 0.5), *parts], (0,), (1, 2), num=2, axis=0)


@pytest.mark.parametrize(
    ("same", "other"),
    [
        pytest.param(split_of((0.5, 0.5, 0.5)), split_of((0.5, 0.5, 0.25)), id="SPLIT"),
        pytest.param(split_v_of(0.5), split_v_of(0.25), id="SPLIT_V"),
        pytest.param(topk_of(0.5), topk_of(0.25), id="TOPK_V2"),
        pytest.param(unpack_of(0.5), unpack_of(0.25), id="UNPACK"),
        *(pytest.param(pair_of(k, 0.5), pair_of(k, 0.25), id=k) for k in ("PACK", "MAXIMUM", "MINIMUM")),
    ],
)
def test_bytes_that_are_moved_keep_their_scale(same: Graph, other: Graph) -> None:
    """TFLite moves or compares the bytes as they are; NNAPI would bring them into the other scale, or refuse."""
    assert reasons(same) == ""
    assert "one scale and zero point" in reasons(other) or "its scale and zero point" in reasons(other)


def test_the_number_that_topk_picks_must_be_a_constant() -> None:
    assert "the number that it picks must be a constant" in reasons(topk_of(0.5, is_constant=False))


def test_a_lookup_needs_no_scale_for_what_was_found(stand_in: StandIn) -> None:
    tensors = [
        Tensor("ids", (3,), "int32"), Tensor.constant("keys", np.array([1, 5], np.int32)),
        Tensor.constant("values", np.array([[1, 2], [3, 4]], np.float32)), Tensor("y", (3, 2), "float32"),
        Tensor("hits", (3,), "uint8"),
    ]  # fmt: skip
    graph = whole("HASHTABLE_LOOKUP", tensors, (0, 1, 2), (3, 4))
    device, cpu = on_both(graph, {"ids": np.array([5, 2, 1], np.int32)}, stand_in)
    np.testing.assert_array_equal(device["hits"], [1, 0, 1])
    np.testing.assert_array_equal(device["y"], cpu["y"])


@pytest.mark.parametrize("to", ["float32", "int32"])
def test_plain_bytes_are_cast_from_and_not_to(to: str, stand_in: StandIn) -> None:
    """They need no scale, as none means anything there."""
    graph = whole("CAST", [Tensor("x", (4,), "uint8"), Tensor("y", (4,), to)], (0,), (1,))
    device, cpu = on_both(graph, {"x": np.array([0, 1, 128, 255], np.uint8)}, stand_in)
    np.testing.assert_array_equal(device["y"], cpu["y"])
    back = whole("CAST", [Tensor("x", (4,), to), Tensor("y", (4,), "uint8")], (0,), (1,))
    assert reasons(back).startswith("of what is cast to uint8 TFLite keeps the lowest bits")
    signed = whole("CAST", [Tensor("x", (4,), "int8"), Tensor("y", (4,), to)], (0,), (1,))
    assert reasons(signed) == "NNAPI casts between float32, float16, int32 and uint8, and other types to themselves"


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_rows_of_a_quantized_table_are_looked_up_as_they_are(dtype: str, stand_in: StandIn) -> None:
    table = Tensor.constant("table", np.arange(8, dtype=dtype).reshape(4, 2), Quantization((0.5,), (3,)))
    tensors = [Tensor("ids", (3,), "int32"), table, scaled("y", (3, 2), dtype, 0.5, 3)]
    graph = whole("EMBEDDING_LOOKUP", tensors, (0, 1), (2,))
    device, cpu = on_both(graph, {"ids": np.array([3, 0, 1], np.int32)}, stand_in)
    np.testing.assert_array_equal(device["y"], cpu["y"])
    real = whole("EMBEDDING_LOOKUP", [*tensors[:2], Tensor("y", (3, 2), "float32")], (0, 1), (2,))
    assert "no float32 of a quantized one" in reasons(real)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_weights_may_be_computed_where_they_have_one_scale(dtype: str, stand_in: StandIn) -> None:
    def tensor(name: str, shape: tuple[int, ...], scale: float) -> Tensor:
        return Tensor(name, shape, dtype) if dtype == "float32" else scaled(name, shape, dtype, scale)

    rng = np.random.default_rng(1)
    tensors = [tensor("x", (1, 5, 5, 3), 0.5), tensor("w", (4, 3, 3, 3), 0.25), tensor("y", (1, 5, 5, 4), 2.0)]
    graph = whole("CONV_2D", tensors, (0, 1), (2,), padding="SAME", stride_w=1, stride_h=1)
    feeds = {name: rng.integers(-9, 9, t.shape).astype(dtype) for name, t in zip("xw", tensors[:2], strict=True)}
    device, cpu = on_both(graph, feeds, stand_in)
    np.testing.assert_array_equal(device["y"], cpu["y"])
    channels = Tensor("w", (4, 3, 3, 3), "int8", quantization=Quantization((0.5,) * 4, (0,) * 4))
    graph = whole("CONV_2D", [tensors[0], channels, tensors[2]], (0, 1), (2,), padding="SAME", stride_w=1, stride_h=1)
    assert "must be constants where they have a scale for each channel" in reasons(graph)


def basic_lstm(**changes: object) -> Graph:
    """Two rows of three values into four cells, as the first converters wrote it."""
    rng = np.random.default_rng(3)
    weights = Tensor.constant("w", rng.integers(0, 256, (16, 7)).astype(np.uint8), Quantization((0.004,), (100,)))
    bias = Quantization((0.004 / 128,), (0,))
    tensors = [
        scaled("x", (2, 3), "uint8", 1 / 128, 128), scaled("h", (2, 4), "uint8", 1 / 128, 128), weights,
        Tensor.constant("b", rng.integers(-9999, 9999, 16).astype(np.int32), bias),
        scaled("c", (2, 4), "int16", 1 / 2048), scaled("y", (2, 4), "uint8", 1 / 128, 128),
        scaled("cells", (2, 4), "int16", 1 / 2048), Tensor("scratch", (2, 7), "uint8"),
        Tensor("gates", (2, 16), "int16"),
    ]  # fmt: skip
    tensors = [replace(t, **changes.get(t.name, {})) for t in tensors]  # type: ignore[arg-type]
    options = Options({"kernel_type": "BASIC", "fused_activation_function": "TANH"}, table="LSTMOptions")
    return Graph(tensors, [Op("LSTM", (0, 1, 2, 3, 4), (5, 6, 7, 8), options)], (0, 1, 4), (5, 6))


def test_the_basic_lstm_of_bytes_is_an_operation_of_its_own(stand_in: StandIn) -> None:
    rng = np.random.default_rng(4)
    feeds = {name: rng.integers(0, 256, (2, size)).astype(np.uint8) for name, size in (("x", 3), ("h", 4))}
    feeds["c"] = rng.integers(-9999, 9999, (2, 4)).astype(np.int16)
    device, cpu = on_both(basic_lstm(), feeds, stand_in)
    np.testing.assert_array_equal(device["y"], cpu["y"])
    np.testing.assert_array_equal(device["cells"], cpu["cells"])


@pytest.mark.parametrize(
    "changes",
    [
        {"x": {"quantization": Quantization((1 / 64,), (128,))}},
        {"c": {"quantization": Quantization((1 / 1024,), (0,))}},
        {"w": {"buffer": None}},
        {"h": {"is_variable": True}},
    ],
)
def test_a_basic_lstm_that_nnapi_would_compute_otherwise_stays_on_the_cpu(changes: dict[str, object]) -> None:
    assert "of uint8 it must be the basic kind" in reasons(basic_lstm(**changes))
    assert "since feature level 3" in reasons(basic_lstm(), level=2)


def test_sequences_of_integers_are_told_that_nnapi_has_single_steps() -> None:
    ends = [scaled(name, (1, 1, 4), "int8", 0.5) for name in ("x", "y")]
    graph = whole("UNIDIRECTIONAL_SEQUENCE_LSTM", [ends[0], Tensor("w", (4, 4), "int8"), ends[1]], (0, -1, 1), (2,))
    assert "of integers NNAPI has LSTMs of one step only" in reasons(graph)
