"""Uncompiled models and their compiled twins: what belongs together, and what is refused with which words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgetpu_pairs import OTHER_RELEASE, TRUE_PAIRS, compiled, graph, source
from shared_models import needs_shared
from subgraft.backends.edgetpu import parameter_layers, parameters
from subgraft.backends.edgetpu.errors import PackageError, WrongTwin
from subgraft.backends.edgetpu.package import CUSTOM_OP
from subgraft.backends.edgetpu.twin import COMPARED, NAMES_ONLY, NOT_COMPARED, Twin, match, match_all, pair
from subgraft.delegates import Graph, Op, Tensor

SMALL = ["bright_16x16", "dense_256", "gabor_64x64_p4", "looming_64x64_3x3", "mobilenet_v1_0.25_128_quant"]
DEEPLAB = "deeplabv3_mnv2_dm05_pascal_quant"
MOVENET = "movenet_single_pose_lightning_ptq"

pytestmark = needs_shared


def twin(name: str) -> Twin:
    return match(graph(source(name)), graph(compiled(name)))


def with_tensor(whole: Graph, index: int, **change: Any) -> Graph:
    tensors = list(whole.tensors)
    tensors[index] = replace(tensors[index], **change)
    return replace(whole, tensors=tensors)


def with_values(whole: Graph, index: int, values: np.ndarray) -> Graph:
    return with_tensor(whole, index, buffer=np.ascontiguousarray(values).tobytes())


def rescaled(whole: Graph, index: int, factor: float) -> Graph:
    """The same net with other scales of one tensor."""
    quantization = whole.tensors[index].quantization
    assert quantization
    scales = tuple(float(np.float32(scale * factor)) for scale in quantization.scales)
    return with_tensor(whole, index, quantization=replace(quantization, scales=scales))


def layers(whole: Graph) -> tuple[parameters.ParameterLayer, ...]:
    """Convolutions and fully connected layers."""
    found = parameter_layers.layers(whole.segment(range(len(whole.ops))))
    return tuple(layer for layer in found if layer.is_convolution)


def index_of(whole: Graph, name: str) -> int:
    return next(t for t, tensor in enumerate(whole.tensors) if tensor.name == name)


def with_package_bytes(whole: Graph, old: bytes, new: bytes) -> Graph:
    """A compiled graph with other bytes of the same length in its package."""
    assert len(old) == len(new)
    ops = list(whole.ops)
    i = next(i for i, op in enumerate(ops) if op.kind == CUSTOM_OP)
    assert ops[i].custom_options.count(old) == 1
    ops[i] = replace(ops[i], custom_options=ops[i].custom_options.replace(old, new))
    return replace(whole, ops=ops)


def joined(one: Graph, other: Graph) -> Graph:
    """Two graphs side by side as one."""

    def moved(indices: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(t + len(one.tensors) if t >= 0 else t for t in indices)

    ops = [replace(op, inputs=moved(op.inputs), outputs=moved(op.outputs)) for op in other.ops]
    return Graph(
        (*one.tensors, *other.tensors),
        (*one.ops, *ops),
        (*one.inputs, *moved(other.inputs)),
        (*one.outputs, *moved(other.outputs)),
    )


@pytest.mark.parametrize("name", TRUE_PAIRS)
def test_a_pair_matches_with_all_its_parameters_compared(name: str) -> None:
    convolutions = [layer for layer in twin(name).layers if layer.kind in parameters.CONVOLUTIONS]
    assert all(layer.parameters == COMPARED and not layer.why for layer in convolutions)
    assert all(layer.scales != NOT_COMPARED for layer in convolutions)


def test_at_least_nine_tenths_of_the_bytes_of_all_pairs_are_compared() -> None:
    twins = [twin(name) for name in TRUE_PAIRS]
    compared, total = sum(one.compared_bytes for one in twins), sum(one.total_bytes for one in twins)
    assert total > 10_000_000
    assert compared >= 0.99 * total


def test_what_is_matched_by_names_only_says_why() -> None:
    others = {
        name: {layer.kind: layer.why for layer in twin(name).layers if layer.parameters == NAMES_ONLY}
        for name in TRUE_PAIRS
    }
    assert {name: set(kinds) for name, kinds in others.items() if kinds} == {
        "keras_lstm_mnist_ptq": {"UNIDIRECTIONAL_SEQUENCE_LSTM"},
        MOVENET: {"SUB", "MUL"},  # of its input, which the compiler puts into the instructions
    }
    assert "constants of UNIDIRECTIONAL_SEQUENCE_LSTM lie is not known" in str(others["keras_lstm_mnist_ptq"])
    assert all("too small to be found" in why for why in others[MOVENET].values())


def test_the_constant_of_another_op_is_compared() -> None:
    whole = graph(source(MOVENET))
    index = next(i for i in whole.ops[87].inputs if whole.tensors[i].is_constant)
    data = whole.tensors[index].data
    assert data is not None and data.size == 48 * 48
    values = data.copy()
    values[7, 40, 0] += 1
    with pytest.raises(WrongTwin, match=r"\[7, 40, 0\] of its constant 'truediv_2;.*' is \S+ here.*1 of 2,304 differ"):
        match(with_values(whole, index, values), graph(compiled(MOVENET)))


@pytest.mark.parametrize("name", TRUE_PAIRS)
def test_inputs_and_outputs_are_in_the_order_of_the_package(name: str) -> None:
    (part,) = twin(name).parts
    tensors, program = part.segment.graph.tensors, part.package.inference
    assert [tensors[t].name for t in part.segment.inputs] == [layer.name for layer in program.inputs]
    names = [layer.name.removesuffix("_variable_output") for layer in program.outputs]
    assert [tensors[t].name for t in part.segment.outputs] == names


def test_a_state_is_an_input_and_an_output() -> None:
    (part,) = twin("keras_lstm_mnist_ptq").parts
    tensors = part.segment.graph.tensors
    states = [t for t in part.segment.inputs if tensors[t].is_variable]
    assert len(states) == 2
    assert part.segment.outputs[1:] == tuple(states)


@pytest.mark.parametrize(("name", "on_cpu"), [(DEEPLAB, 7), (MOVENET, 59), ("split_concat", 0)])
def test_the_ops_that_stay_on_the_cpu_are_not_in_the_segment(name: str, on_cpu: int) -> None:
    whole, (part,) = graph(source(name)), twin(name).parts
    absorbed = len(whole.ops) - len(part.segment.ops)
    assert absorbed == len(part.compiled.ops) - 1 == on_cpu


def test_the_report_is_json_and_says_how_each_layer_was_compared() -> None:
    report = json.loads(json.dumps(twin(MOVENET).report()))
    assert (report["compared_bytes"], report["total_bytes"]) == (2_374_512, 2_374_517)
    ways = [(layer["parameters"], layer["scales"]) for layer in report["layers"]]
    assert ways.count((COMPARED, "in the parameters")) == 73
    assert ways.count((COMPARED, "in the instructions")) == 1
    assert ways.count((NAMES_ONLY, NOT_COMPARED)) == 3


def test_the_text_of_a_twin_has_a_line_for_each_layer() -> None:
    lines = str(twin("bright_16x16")).splitlines()
    assert lines[0] == "2 of 2 layers compared, 512 of 512 bytes"
    assert lines[1].endswith("x_sum_1/MatMul: parameters compared, scales in the instructions")


@pytest.mark.parametrize("name", SMALL)
def test_one_changed_weight_in_any_layer_is_refused(name: str) -> None:
    whole, other = graph(source(name)), graph(compiled(name))
    random = np.random.default_rng(3)
    for layer in layers(whole):
        tensor = whole.tensors[layer.weights]
        assert tensor.data is not None
        values = tensor.data.copy()
        place = tuple(int(random.integers(0, n)) for n in values.shape)
        values[place] ^= 1
        with pytest.raises(WrongTwin) as caught:
            match(with_values(whole, layer.weights, values), other)
        reason = str(caught.value)
        assert repr(layer.name) in reason and repr(tensor.name) in reason
        assert f"{list(place)} of its weights" in reason
        assert f"is {values[place]} here and {values[place] ^ 1} there; 1 of {values.size:,} differ" in reason
        assert "compile this model again" in reason


@pytest.mark.parametrize("name", [DEEPLAB, MOVENET, "mobilenet_v1_0.25_128_quant"])
def test_one_changed_bias_is_refused(name: str) -> None:
    whole, other = graph(source(name)), graph(compiled(name))
    for layer in layers(whole)[::9]:
        tensor = whole.tensors[layer.bias]
        assert tensor.data is not None
        values = tensor.data.copy()
        values[-1] += 1
        with pytest.raises(WrongTwin) as caught:
            match(with_values(whole, layer.bias, values), other)
        assert repr(layer.name) in str(caught.value)
        # Of layers without any bias the whole record changes, as its header grows.
        assert repr(tensor.name) in str(caught.value) or not tensor.data.any()


@pytest.mark.parametrize("name", [MOVENET, "posenet_mobilenet_v1_075_481_641_16_quant_decoder", "dense_256"])
def test_another_scale_of_a_layer_quantized_per_channel_is_refused(name: str) -> None:
    whole = graph(source(name))
    layer = next(layer for layer in layers(whole) if "multipliers" in layer.layouts[0].header)
    with pytest.raises(WrongTwin, match=r"output 0 is multiplied by \S+ here and \S+ there") as caught:
        match(rescaled(whole, layer.weights, 1.001), graph(compiled(name)))
    assert repr(layer.name) in str(caught.value)


def test_another_scale_of_a_layer_quantized_per_tensor_is_refused() -> None:
    name = "mobilenet_v1_0.25_128_quant"
    whole = graph(source(name))
    layer = layers(whole)[5]
    with pytest.raises(WrongTwin, match="quantized in another way .* multiplies by .* here, but not there") as caught:
        match(rescaled(whole, layer.weights, 1.001), graph(compiled(name)))
    assert repr(layer.name) in str(caught.value)


@pytest.mark.parametrize("which", ["weights", "output"])
def test_another_zero_point_of_a_layer_quantized_per_tensor_is_refused(which: str) -> None:
    name = "mobilenet_v1_0.25_128_quant"
    whole = graph(source(name))
    layer = layers(whole)[8]
    index = layer.weights if which == "weights" else whole.ops[layer.op].outputs[0]
    quantization = whole.tensors[index].quantization
    assert quantization
    points = (quantization.zero_points[0] + 1,)
    with pytest.raises(WrongTwin, match=f"zero point of its {which} .* is {points[0]} here and {points[0] - 1} there"):
        match(with_tensor(whole, index, quantization=replace(quantization, zero_points=points)), graph(compiled(name)))


def test_another_release_of_the_same_net_is_refused() -> None:
    with pytest.raises(WrongTwin, match="is 179 here and 180 there; 1 of 432 differ, and 21 of its 28 layers differ"):
        twin(OTHER_RELEASE)


@pytest.mark.parametrize("name", ["mobilenet_v1_0.25_128_quant", MOVENET])
def test_another_quantization_of_the_same_net_is_refused(name: str) -> None:
    other = whole = graph(source(name))
    for layer in layers(whole):
        data = whole.tensors[layer.weights].data
        assert data is not None
        information = np.iinfo(data.dtype)
        values = np.clip(np.round(data * 0.93), information.min, information.max).astype(data.dtype)
        other = rescaled(with_values(other, layer.weights, values), layer.weights, 1 / 0.93)
    with pytest.raises(WrongTwin, match="of its .* layers differ; compile this model again"):
        match(other, graph(compiled(name)))


@pytest.mark.parametrize("name", ["mobilenet_v1_0.25_128_quant", MOVENET, "dense_256"])
@pytest.mark.parametrize("which", [0, -1])
def test_one_layer_trained_again_is_refused(name: str, which: int) -> None:
    whole = graph(source(name))
    layer = layers(whole)[which]
    tensor = whole.tensors[layer.weights]
    random = np.random.default_rng(4)
    trained = random.integers(-128, 127, tensor.shape, np.int8).view(tensor.dtype)
    other = with_values(whole, layer.weights, trained)
    if layer.bias >= 0:
        other = with_values(other, layer.bias, random.integers(-9999, 9999, whole.tensors[layer.bias].shape, np.int32))
    with pytest.raises(WrongTwin) as caught:
        match(other, graph(compiled(name)))
    assert repr(layer.name) in str(caught.value)


def test_all_layers_trained_again_are_refused() -> None:
    name = "mobilenet_v1_0.25_128_quant"
    other = whole = graph(source(name))
    random = np.random.default_rng(5)
    for layer in layers(whole):
        for t in (layer.weights, layer.bias):
            size = len(whole.tensors[t].buffer or b"")
            other = with_tensor(other, t, buffer=random.bytes(size))
    with pytest.raises(WrongTwin, match="and 28 of its 28 layers differ"):
        match(other, graph(compiled(name)))


@pytest.mark.parametrize("name", ["mobilenet_v2_1.0_224_quant", "dense_256", MOVENET])
def test_the_compiled_file_of_another_model_is_refused(name: str) -> None:
    with pytest.raises(WrongTwin, match="compile this model again"):
        match(graph(source(name)), graph(compiled("mobilenet_v1_0.25_128_quant")))


def test_models_of_the_same_architecture_and_names_are_told_apart_by_shapes() -> None:
    with pytest.raises(WrongTwin, match=r"'input' is uint8\[1, 128, 128, 3\].*but uint8\[1, 160, 160, 3\]"):
        match(graph(source("mobilenet_v1_0.25_128_quant")), graph(compiled("mobilenet_v1_0.5_160_quant")))


def test_swapped_files_are_refused() -> None:
    with pytest.raises(WrongTwin, match="swapped"):
        match(graph(compiled("dense_256")), graph(source("dense_256")))


def test_two_compiled_files_are_refused() -> None:
    with pytest.raises(WrongTwin, match="itself is compiled"):
        match(graph(compiled("dense_256")), graph(compiled("dense_256")))


def test_two_uncompiled_files_are_refused() -> None:
    with pytest.raises(WrongTwin, match="holds no edgetpu-custom-op"):
        match(graph(source("dense_256")), graph(source("dense_256")))


def test_a_renamed_tensor_is_refused() -> None:
    whole = graph(source("dense_256"))
    renamed = with_tensor(whole, whole.outputs[0], name="another")
    with pytest.raises(WrongTwin, match="makes the tensor 'StatefulPartitionedCall_1:0', which the uncompiled"):
        match(renamed, graph(compiled("dense_256")))


def test_another_scale_of_the_input_is_refused() -> None:
    whole = graph(source("dense_256"))
    with pytest.raises(WrongTwin, match="'serving_default_keras_tensor:0' is uint8.* scale 0.0156.*scale 0.0078"):
        match(rescaled(whole, whole.inputs[0], 2.0), graph(compiled("dense_256")))


def test_a_package_of_another_scale_than_its_own_graph_is_refused() -> None:
    whole, other = graph(source("dense_256")), graph(compiled("dense_256"))
    both = [rescaled(one, one.inputs[0], 2.0) for one in (whole, other)]
    with pytest.raises(WrongTwin, match="has the scale 0.0078.* in the package of the compiled model"):
        match(*both)


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        (DEEPLAB, "concat_projection/weights_quant/FakeQuantWithMinMaxVars"),
        (DEEPLAB, "ResizeBilinear/size"),
        (MOVENET, "strided_slice_3"),
    ],
)
def test_another_constant_of_an_op_on_the_cpu_is_refused(name: str, tensor: str) -> None:
    whole = graph(source(name))
    index = index_of(whole, tensor)
    data = whole.tensors[index].data
    assert data is not None
    values = data.copy()
    values.reshape(-1)[0] += 1
    with pytest.raises(WrongTwin, match=f"has another constant '{tensor}'"):
        match(with_values(whole, index, values), graph(compiled(name)))


def test_another_option_of_an_op_on_the_cpu_is_refused() -> None:
    whole = graph(source(DEEPLAB))
    ops = list(whole.ops)
    i = max(i for i, op in enumerate(ops) if op.kind == "RESIZE_BILINEAR")
    ops[i] = replace(ops[i], options=type(ops[i].options)({**ops[i].options, "align_corners": False}))
    assert ops[i].options != whole.ops[i].options
    with pytest.raises(WrongTwin, match="has other options in the uncompiled one: align_corners"):
        match(replace(whole, ops=ops), graph(compiled(DEEPLAB)))


def test_parameters_in_another_order_are_matched_by_names_only() -> None:
    name = "dense_256"
    found = twin(name)
    stream = found.parts[0].located.stream
    (placed,) = found.parts[0].located.placed
    assert placed.layout
    rows = stream[placed.layout.header_bytes : placed.layout.record_bytes]
    mixed = bytes(np.random.default_rng(6).permutation(np.frombuffer(stream, np.uint8)))
    assert rows not in mixed
    found = match(graph(source(name)), with_package_bytes(graph(compiled(name)), stream, mixed))
    (layer,) = found.layers
    assert (layer.parameters, layer.scales) == (NAMES_ONLY, NOT_COMPARED)
    assert "no order that is known here" in layer.why
    assert found.compared_bytes == 0 < found.total_bytes
    assert "names only" in str(found)


def test_a_pair_with_differences_can_be_had_for_the_emulator() -> None:
    found = pair(graph(source(OTHER_RELEASE)), [graph(compiled(OTHER_RELEASE))])
    different = [layer.why for layer in found.layers if layer.why]
    assert len(different) == 21
    assert different[0] == "1 of 432 weights differ"


def test_several_compiled_files_make_one_twin() -> None:
    both = joined(graph(source("dense_256")), graph(source("gabor_64x64_p4")))
    files = [graph(compiled("gabor_64x64_p4")), graph(compiled("dense_256"))]
    found = match_all(both, files)
    assert [len(part.segment.ops) for part in found.parts] == [4, 3]
    assert sorted(i for part in found.parts for i in part.segment.ops) == list(range(7))


def test_several_custom_ops_in_one_file_make_one_twin() -> None:
    names = ("dense_256", "gabor_64x64_p4")
    found = match(joined(*(graph(source(name)) for name in names)), joined(*(graph(compiled(name)) for name in names)))
    assert [part.op for part in found.parts] == [0, 1]
    assert {layer.parameters for layer in found.layers} == {COMPARED}


def test_a_missing_compiled_file_is_named() -> None:
    both = joined(graph(source("dense_256")), graph(source("gabor_64x64_p4")))
    with pytest.raises(WrongTwin, match=r"op 3 .*\(QUANTIZE.*is in no compiled one; give all of the compiled files"):
        match_all(both, [graph(compiled("dense_256"))])


def test_the_same_part_twice_is_refused() -> None:
    files = [graph(compiled("dense_256"))] * 2
    with pytest.raises(WrongTwin, match="two of the compiled models compute"):
        match_all(graph(source("dense_256")), files)


def test_a_custom_op_with_other_inputs_than_its_package_is_refused() -> None:
    other = graph(compiled("dense_256"))
    op = other.ops[0]
    for broken in (replace(op, inputs=()), replace(op, outputs=(0, 1)), replace(op, inputs=(-1,))):
        with pytest.raises(PackageError):
            match(graph(source("dense_256")), replace(other, ops=[broken]))


def test_an_input_that_the_compiled_model_does_not_read_is_refused() -> None:
    whole = graph(source("dense_256"))
    tensors = [*whole.tensors, Tensor("second", (1, 256), "uint8", quantization=whole.tensors[0].quantization)]
    ops = [Op("ADD", (0, len(tensors) - 1), (len(tensors),)), *whole.ops]
    tensors.append(replace(whole.tensors[0], name="sum"))
    ops[1] = replace(ops[1], inputs=(len(tensors) - 1,))
    with pytest.raises(WrongTwin, match="computes outputs from 'second', the compiled one does not"):
        match(replace(whole, tensors=tensors, ops=ops, inputs=(0, 5)), graph(compiled("dense_256")))


def test_a_tensor_that_only_the_uncompiled_model_hands_on_is_refused() -> None:
    whole = graph(source("dense_256"))
    inner = whole.ops[1].outputs[0]
    with pytest.raises(WrongTwin, match="does not make 'StatefulPartitionedCall_1:01', which the uncompiled one needs"):
        match(replace(whole, outputs=(*whole.outputs, inner)), graph(compiled("dense_256")))
