"""The layout of parameters, against compiled models and what they were made from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgetpu_pairs import OTHER_RELEASE, TRUE_PAIRS, compiled, graph, names, package, source
from shared_models import needs_shared
from subgraft.backends.edgetpu import parameter_layers, parameters
from subgraft.backends.edgetpu.errors import PackageError
from subgraft.backends.edgetpu.immediates import Immediates, ZeroPoints
from subgraft.backends.edgetpu.locate import Located, locate
from subgraft.backends.edgetpu.package import CUSTOM_OP
from subgraft.backends.edgetpu.parameters import Layout, ParameterLayer
from subgraft.delegates import Graph, Op, Options, Quantization, Segment, Tensor

# Those with no convolution or fully connected layer.
WITH_LAYERS = [name for name in TRUE_PAIRS if name != "split_concat"]
ON_CPU = {"concat_projection/Relu", "logits/semantic/BiasAdd"}  # of deeplab, which its compiler left there


def on_the_device(name: str) -> Segment:
    """All ops but those that the compiled graph has too."""
    whole = graph(source(name))
    kept = {
        op_graph.tensors[op.outputs[0]].name
        for op_graph in [graph(compiled(name))]
        for op in op_graph.ops
        if op.kind != CUSTOM_OP
    }
    return whole.segment(i for i, op in enumerate(whole.ops) if whole.tensors[op.outputs[0]].name not in kept)


def located(name: str) -> Located:
    """Convolutions and fully connected layers only."""
    found = locate(package(name), on_the_device(name))
    return Located(tuple(placed for placed in found.placed if placed.layer.is_convolution), found.stream)


def conv(weights: np.ndarray, biases: np.ndarray | None = None, scales: tuple[float, ...] = (0.5,)) -> ParameterLayer:
    """The layer of one convolution, or with 2-dimensional weights of a fully connected layer."""
    outputs = weights.shape[0]
    shape = (1, weights.shape[-1]) if weights.ndim == 2 else (1, 8, 8, weights.shape[-1])
    points = (0,) * len(scales) if weights.dtype == np.int8 else (7,)
    tensors = [
        Tensor("x", shape, weights.dtype.name, quantization=Quantization((0.25,), (0,))),
        Tensor.constant("w", weights, Quantization(scales, points)),
        Tensor("y", (*shape[:-1], outputs), weights.dtype.name, quantization=Quantization((2.0,), (0,))),
    ]
    inputs = (0, 1)
    if biases is not None:
        tensors.append(Tensor.constant("b", biases.astype(np.int32)))
        inputs = (0, 1, 3)
    kind = "FULLY_CONNECTED" if weights.ndim == 2 else "CONV_2D"
    made = Graph(tuple(tensors), (Op(kind, inputs, (2,)),), (0,), (2,))
    return parameter_layers.layers(made.segment([0]))[0]


@needs_shared
@pytest.mark.parametrize("name", WITH_LAYERS)
def test_every_layer_of_a_pair_is_found_byte_for_byte(name: str) -> None:
    found = located(name)
    assert all(placed.is_found and not placed.differences for placed in found.placed)
    for placed in found.placed:
        encoded = parameters.encode(placed.layer, placed.layout)
        assert found.stream[placed.offset : placed.offset + len(encoded)] == encoded, placed.layer.name


@needs_shared
@pytest.mark.parametrize("name", TRUE_PAIRS)
def test_no_two_layers_share_a_byte(name: str) -> None:
    found = located(name)
    live = sum(int(parameters.live(placed.layout).sum()) for placed in found.placed if placed.layout)
    assert int(found.covered().sum()) == live


@needs_shared
def test_what_the_compiler_left_on_the_cpu_is_not_in_the_package() -> None:
    name = "deeplabv3_mnv2_dm05_pascal_quant"
    whole = graph(source(name))
    found = locate(package(name), whole.segment(range(len(whole.ops))))
    missing = {p.layer.name: p.why for p in found.placed if not p.is_found and p.layer.is_convolution}
    assert set(missing) == ON_CPU
    assert all("not at all" in why for why in missing.values())


@needs_shared
def test_all_parameter_bytes_of_the_pairs_are_compared() -> None:
    found = [located(name) for name in WITH_LAYERS]
    assert sum(one.compared_bytes for one in found) == sum(one.total_bytes for one in found) > 10_000_000


@needs_shared
@pytest.mark.parametrize("name", names())
def test_the_constants_of_every_layer_quantized_per_tensor_are_in_the_instructions(name: str) -> None:
    immediates, segment = Immediates(package(name).inference), on_the_device(name)
    for layer in parameter_layers.layers(segment):
        if layer.multiplier is not None:
            op = segment.graph.ops[layer.op]
            source, target = (unsigned_zero_point(segment.graph.tensors[t]) for t in (op.inputs[0], op.outputs[0]))
            in_stream = "zero_points" in layer.layouts[0].header
            weights = 0 if in_stream else unsigned_zero_point(segment.graph.tensors[layer.weights])
            assert ZeroPoints(weights, source, target) in immediates.beside(layer.multiplier), layer.name


def unsigned_zero_point(tensor: Tensor) -> int:
    assert tensor.quantization
    return tensor.quantization.zero_points[0] + (128 if tensor.dtype == "int8" else 0)


@needs_shared
def test_another_release_of_the_model_differs_in_275_weights() -> None:
    found = located(OTHER_RELEASE)
    assert all(placed.is_found for placed in found.placed)
    differences = [difference for placed in found.placed for difference in placed.differences]
    assert {difference.part for difference in differences} == {"weights"}
    assert sum(difference.count for difference in differences) == 275
    assert all(abs(difference.graph - difference.package) == 1 for difference in differences)


@pytest.mark.parametrize("shape", [(1, 1, 1, 5), (3, 1, 1, 4), (17, 3, 3, 3), (64, 1, 1, 8), (65, 2, 2, 1), (1001, 8)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_what_was_encoded_is_decoded_again(shape: tuple[int, ...], dtype: type) -> None:
    random = np.random.default_rng(1)
    information = np.iinfo(dtype)
    weights = random.integers(information.min, information.max, shape, dtype, endpoint=True)
    scales = tuple(random.uniform(0.01, 1, shape[0]).tolist()) if dtype is np.int8 and shape[0] > 1 else (0.5,)
    layer = conv(weights, random.integers(-9999, 9999, shape[0]), scales)
    for layout in layer.layouts:
        encoded = b"ahead" + parameters.encode(layer, layout)
        decoded = parameters.decode(layout, encoded, offset=5)
        assert layer.parameters is not None
        for part in (parameters.WEIGHTS, *layout.header):
            np.testing.assert_array_equal(getattr(decoded, part), getattr(layer.parameters, part))
        tensor = Tensor.constant("w", weights)
        assert parameters.unstored(decoded.weights, tensor) == tensor.buffer


def test_every_live_byte_changes_what_is_decoded_and_no_other_does() -> None:
    random = np.random.default_rng(2)
    layer = conv(random.integers(-128, 127, (6, 3, 3, 3), np.int8), random.integers(1, 99, 6), (0.1, 0.2) * 3)
    layout = layer.layouts[0]
    encoded, live = parameters.encode(layer), parameters.live(layout)
    for i in range(layout.size_bytes):
        changed = bytearray(encoded)
        changed[i] ^= 0x10
        decoded = parameters.decode(layout, bytes(changed))
        assert layer.parameters is not None
        parts = (parameters.WEIGHTS, *layout.header)
        same = all(np.array_equal(getattr(decoded, part), getattr(layer.parameters, part)) for part in parts)
        assert same != live[i], i


def test_a_header_holds_only_what_the_layer_needs() -> None:
    weights = np.arange(16, dtype=np.int8).reshape(4, 1, 1, 4)
    plain, biased = conv(weights), conv(weights, np.arange(4))
    same, several = conv(weights, scales=(0.5,) * 4), conv(weights, np.arange(4), scales=(0.1, 0.2, 0.3, 0.4))
    assert plain.layouts[0].header == conv(weights, np.zeros(4)).layouts[0].header == ()
    assert biased.layouts[0].header == ("biases",)
    assert same.layouts[0].header == ("zero_points",)
    assert several.layouts[0].header == ("multipliers", "biases", "zero_points")


@pytest.mark.parametrize("biases", [np.zeros(3, np.int32), np.zeros(4, np.int64)])
def test_biases_that_no_layout_fits_say_why(biases: np.ndarray) -> None:
    weights = np.zeros((4, 1, 1, 4), np.int8)
    made = conv(weights, np.zeros(4, np.int32))
    assert made.layouts
    tensors = [
        Tensor("x", (1, 8, 8, 4), "int8", quantization=Quantization((1.0,), (0,))),
        Tensor.constant("w", weights, Quantization((1.0,), (0,))),
        Tensor.constant("b", biases),
        Tensor("y", (1, 8, 8, 4), "int8", quantization=Quantization((1.0,), (0,))),
    ]
    unfit = Graph(tuple(tensors), (Op("CONV_2D", (0, 1, 2), (3,)),), (0,), (3,))
    (layer,) = parameter_layers.layers(unfit.segment([0]))
    assert not layer.layouts
    assert "no 4 constants of type int32" in layer.unknown


def test_a_layer_beyond_the_end_of_the_stream_is_refused() -> None:
    layout = Layout(4, 1, 4, 16, (), 0)
    assert layout.size_bytes == 64
    parameters.decode(layout, bytes(64))
    for offset in (1, -1, 64):
        with pytest.raises(PackageError, match="not within 64 B"):
            parameters.decode(layout, bytes(64), offset)


@pytest.mark.parametrize(
    ("kind", "weights", "source_shape", "why"),
    [
        ("CONV_2D", (4, 1, 1, 2), (1, 8, 8, 4), "grouped"),
        ("DEPTHWISE_CONV_2D", (1, 3, 3, 8), (1, 8, 8, 4), "several outputs for each"),
        ("TRANSPOSE_CONV", (4, 3, 3, 4), (1, 8, 8, 4), "transposed"),
        ("CONV_2D", (4, 4), (1, 8, 8, 4), "2 dimensions"),
    ],
)
def test_layers_of_unknown_layout_say_why(
    kind: str, weights: tuple[int, ...], source_shape: tuple[int, ...], why: str
) -> None:
    tensors = (
        Tensor("x", source_shape, "uint8", quantization=Quantization((1.0,), (0,))),
        Tensor.constant("w", np.zeros(weights, np.uint8), Quantization((1.0,), (0,))),
        Tensor("y", (1, 8, 8, 4), "uint8", quantization=Quantization((1.0,), (0,))),
    )
    made = Graph(tensors, (Op(kind, (0, 1), (2,), Options()),), (0,), (2,))
    (layer,) = parameter_layers.layers(made.segment([0]))
    assert not layer.layouts
    assert why in layer.unknown
    with pytest.raises(PackageError, match="not known"):
        parameters.encode(layer)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"quantization": None}, "not quantized"),
        ({"quantization": Quantization((0.5, 0.5), (0, 0))}, "2 scales"),
        ({"quantization": Quantization((0.5,), (128,))}, "zero points that no int8 has"),
        ({"buffer": b"\0" * 15}, "too short"),
        ({"shape": (-4, -4)}, "empty"),
        ({"dtype": "float32", "buffer": b"\0" * 64}, "float32"),
    ],
)
def test_weights_that_no_layout_fits_say_why(change: dict[str, object], why: str) -> None:
    tensors = [
        Tensor("x", (1, 4), "int8", quantization=Quantization((1.0,), (0,))),
        Tensor.constant("w", np.zeros((4, 4), np.int8), Quantization((1.0,), (0,))),
        Tensor("y", (1, 4), "int8", quantization=Quantization((1.0,), (0,))),
    ]
    tensors[1] = replace(tensors[1], **change)  # type: ignore[arg-type]
    made = Graph(tuple(tensors), (Op("FULLY_CONNECTED", (0, 1), (2,)),), (0,), (2,))
    (layer,) = parameter_layers.layers(made.segment([0]))
    assert why in layer.unknown
