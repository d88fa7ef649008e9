"""The stand-in compiler: what it maps, what it writes, and that it is used as Google's is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import subgraft
from edgetpu_wire import Wire, by_emulator, by_reference
from graphs import wired
from model_table import CASES
from shared_models import needs_shared
from stand_in import SAMPLE, content, one_package, packages, quantized, relu_chain
from subgraft.backends.edgetpu.emulator import EmulatedCoral
from subgraft.backends.edgetpu.emulator.compiler import (
    CompilationFailed,
    CompilerError,
    InvalidModel,
    Settings,
    compile_model,
    compile_models,
    compile_pipeline,
)
from subgraft.backends.edgetpu.emulator.compiler.choosing import choose, partition
from subgraft.backends.edgetpu.emulator.compiler.reading import read
from subgraft.backends.edgetpu.emulator.compiler.tiling import output_layer
from subgraft.backends.edgetpu.emulator.teaching import teach
from subgraft.backends.edgetpu.errors import WrongTwin
from subgraft.backends.edgetpu.layer import MAX_LAYER_BYTES
from subgraft.backends.edgetpu.locate import locate
from subgraft.backends.edgetpu.package import CUSTOM_OP, STAND_IN
from subgraft.backends.edgetpu.parameters import CONVOLUTIONS
from subgraft.backends.edgetpu.transfers import script
from subgraft.backends.edgetpu.twin import COMPARED, NOT_COMPARED, match
from subgraft.delegates import Array, Graph, Op, Options, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.services import main_graphs

# Of 8 bits: as Google's, the compiler takes no other.
INTEGER = sorted(
    {case.path.removesuffix(".tflite") for case in CASES if case.arithmetic == "integer" and "int16x8" not in case.path}
)


def random_inputs(session: subgraft.Session, seed: int) -> dict[str, Array]:
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(0, 256, tensor.shape, np.uint8).view(tensor.dtype)
        if tensor.dtype in ("int8", "uint8")
        else rng.integers(0, 2, tensor.shape).astype(tensor.dtype)
        for name, tensor in session.inputs.items()
    }


def device_parts(tflite: bytes, settings: Settings) -> list[tuple[int, ...]]:
    _, graph = read(tflite)
    return [part.ops for part in choose(graph, settings).parts if part.on_device]


def check_answers(tflite: bytes, settings: Settings, *, emulated: bool = False) -> Wire:
    """The compiled model, its custom ops played byte by byte, gives the bits that the CPU gives of the original."""
    (made,) = compile_models([tflite], settings)
    original = main_graphs(tflite)[0]
    coral = EmulatedCoral("app", check_bytes=True)
    if emulated and made.subgraphs:
        teach([coral], [original], main_graphs(made.tflite))
    wire = Wire(by_emulator(coral) if emulated else by_reference(original, device_parts(tflite, settings)))
    with subgraft.load(tflite) as cpu, subgraft.load(made.tflite, delegates=[wire], fallback=False) as session:
        for seed in range(2):
            inputs = random_inputs(cpu, seed)
            expected, answers = cpu.run(inputs), session.run(inputs)
            assert expected.keys() == answers.keys()
            for name, output in expected.items():
                assert np.array_equal(output, answers[name]), name
    assert len(wire.packages) == made.subgraphs
    assert coral.violations == ()
    return wire


@needs_shared
@pytest.mark.parametrize("name", SAMPLE)
def test_a_compiled_model_gives_the_bits_of_the_original(name: str) -> None:
    wire = check_answers(content(name), Settings())
    assert wire.runs == 2
    assert all(package.is_for_emulator for package in wire.packages)


@needs_shared
@pytest.mark.parametrize("name", [*SAMPLE, "made/mobilenetv3small_int8"])
def test_the_emulated_device_computes_the_bits_of_the_original(name: str) -> None:
    check_answers(content(name), Settings(several=True), emulated=True)


@needs_shared
@pytest.mark.exhaustive
@pytest.mark.parametrize("several", [False, True], ids=["first", "all"])
@pytest.mark.parametrize("name", INTEGER)
def test_every_integer_model_gives_the_bits_of_the_original(name: str, several: bool) -> None:
    check_answers(content(name), Settings(several=several))


@needs_shared
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", INTEGER)
def test_the_emulated_device_computes_the_bits_of_every_integer_model(name: str) -> None:
    check_answers(content(name), Settings(several=True), emulated=True)


@needs_shared
@pytest.mark.parametrize("name", SAMPLE)
def test_a_compiled_model_is_the_twin_of_the_original(name: str) -> None:
    tflite = content(name)
    (graph,), (compiled,) = main_graphs(tflite), main_graphs(compile_model(tflite))
    twin = match(graph, compiled)
    known = [layer for layer in twin.layers if layer.kind in CONVOLUTIONS]
    assert all(layer.parameters == COMPARED and layer.scales != NOT_COMPARED for layer in known)


@needs_shared
def test_a_compiled_model_is_not_the_twin_of_another_quantization() -> None:
    tflite = content("edgetpu/mobilenet_v1_0.25_128_quant")
    (graph,), (compiled,) = main_graphs(tflite), main_graphs(compile_model(tflite))
    tensors, t = list(graph.tensors), graph.ops[0].outputs[0]
    old = tensors[t].quantization
    assert old
    tensors[t] = replace(tensors[t], quantization=replace(old, scales=(old.scales[0] * 2,)))
    with pytest.raises(WrongTwin, match="quantized in another way"):
        match(replace(graph, tensors=tensors), compiled)


def test_there_are_15_integer_models_to_try() -> None:
    assert len(INTEGER) >= 15


@needs_shared
def test_parts_of_a_graph_with_an_odd_op_in_the_middle_are_all_mapped_when_asked_for() -> None:
    tflite = content("made/mobilenetv3small_int8")  # HARD_SWISH is none of the published ops
    first, every = compile_models([tflite], Settings()), compile_models([tflite], Settings(several=True))
    assert first[0].subgraphs == 1
    assert every[0].subgraphs > 1
    kept = {status for _, _, status in first[0].operations}
    assert "More than one subgraph is not supported" in kept
    assert "More than one subgraph is not supported" not in {status for _, _, status in every[0].operations}
    assert check_answers(tflite, Settings(several=True)).runs == 2 * every[0].subgraphs


@needs_shared
def test_a_package_says_who_made_it_and_for_which_device() -> None:
    package = one_package(compile_model(content("edgetpu/dense_256")))
    assert package.compiler_version.startswith(STAND_IN)
    assert "emulated" in package.compiler_version
    assert package.is_for_emulator
    assert package.min_runtime_version == 13
    assert [program.kind for program in package.executables] == ["execution_only", "parameter_caching"]
    assert b"for emulation only"[:14] in package.inference.bitstreams[0].data


@needs_shared
@pytest.mark.parametrize("name", [*SAMPLE, "edgetpu/mobilenet_v2_1.0_224_quant", "made/small_unet_int8"])
def test_parameters_lie_as_the_device_has_them(name: str) -> None:
    tflite = content(name)
    package = one_package(compile_model(tflite))
    located = locate(package, main_graphs(tflite)[0].segment(device_parts(tflite, Settings())[0]))
    known = [placed for placed in located.placed if placed.layer.layouts]
    assert all(placed.is_found and not placed.differences for placed in known)
    assert located.compared_bytes == sum(placed.layer.tensor_bytes for placed in known)


@needs_shared
def test_outputs_lie_in_tiles_with_padding() -> None:
    (package,) = packages(compile_model(content("edgetpu/split_concat")))
    for output in package.inference.outputs:
        assert output.size_bytes == 8 * 8 * 4 > output.tensor_bytes
        assert output.layout is not None
        assert len(set(output.layout.tile_offset.tolist())) == 16


@needs_shared
def test_the_same_model_is_compiled_to_the_same_bytes_and_another_to_other_instructions() -> None:
    first, second = (
        content("edgetpu/mobilenet_v1_0.25_128_quant"),
        bytearray(content("edgetpu/mobilenet_v1_0.25_128_quant")),
    )
    assert compile_model(first) == compile_model(first)
    graph = Model.open(first).graphs[0]
    weights = bytes(graph.tensors[graph.ops[0].inputs[1]].buffer or b"")
    second[second.index(weights) + 5] ^= 1
    packages_of_both = [one_package(compile_model(bytes(tflite))) for tflite in (first, second)]
    for program, other in zip(*(package.executables for package in packages_of_both), strict=True):
        assert program.token != other.token
        assert program.bitstreams[0].data != other.bitstreams[0].data


@needs_shared
def test_models_compiled_together_share_the_memory_and_the_token() -> None:
    tflite = content("edgetpu/mobilenet_v2_1.0_224_quant")
    made = compile_models([tflite] * 3, Settings())
    assert [m.streamed_bytes > 0 for m in made] == [False, False, True]
    assert made[0].remaining_bytes > made[1].remaining_bytes > made[2].remaining_bytes >= 0
    programs = [one_package(m.tflite).inference for m in made]
    assert len({program.token for program in programs}) == 1
    assert len(programs[2].parameters) == made[2].streamed_bytes
    located = locate(one_package(made[2].tflite), main_graphs(tflite)[0].segment(range(66)))
    assert all(placed.is_found for placed in located.placed)


@needs_shared
def test_a_pipeline_s_segments_feed_each_other() -> None:
    tflite = content("edgetpu/mobilenet_v1_0.25_128_quant")
    made = compile_pipeline(tflite, 3, Settings())
    parameters = [m.cached_bytes for m in made]
    assert max(parameters) < sum(parameters) * 0.6
    ops = iter(device_parts(tflite, Settings())[0])
    original = main_graphs(tflite)[0]
    with subgraft.load(tflite) as cpu:
        inputs = random_inputs(cpu, 1)
        expected = cpu.run(inputs)
    passed = inputs
    for m in made:
        part = [next(ops) for _ in range(sum(count for _, count, _ in m.operations))]
        with subgraft.load(m.tflite, delegates=[Wire(by_reference(original, [part]))], fallback=False) as session:
            passed = session.run(passed)
    assert all(np.array_equal(passed[name], output) for name, output in expected.items())


@needs_shared
def test_nothing_behind_an_intermediate_tensor_is_mapped() -> None:
    tflite = content("edgetpu/mobilenet_v1_0.25_128_quant")
    graph = Model.open(tflite).graphs[0]
    stop = graph.tensors[graph.ops[9].outputs[0]].name
    settings = Settings(stop_at=(stop,))
    assert device_parts(tflite, settings) == [tuple(range(10))]
    check_answers(tflite, settings)
    with pytest.raises(CompilationFailed, match="Intermediate tensor nowhere is not in the model"):
        compile_models([tflite], Settings(stop_at=("nowhere",)))


@needs_shared
def test_an_older_runtime_gets_fewer_ops() -> None:
    tflite = content("edgetpu/movenet_single_pose_lightning_ptq")
    (old,), (new,) = (compile_models([tflite], Settings(runtime=version)) for version in (10, 14))
    assert one_package(old.tflite).min_runtime_version == 10
    assert one_package(new.tflite).min_runtime_version == 14
    assert "Operation version not supported" in {status for _, _, status in old.operations}


@needs_shared
def test_ops_with_state_stay_on_the_cpu() -> None:
    (made,) = compile_models([content("edgetpu/keras_lstm_mnist_ptq")], Settings(several=True))
    assert ("UNIDIRECTIONAL_SEQUENCE_LSTM", 1, "Operation not supported") in made.operations


def test_tensors_of_the_same_name_are_kept_apart() -> None:
    same = [quantized("t", (1, 3, 3, 2)) for _ in range(3)]
    ops = [Op("ADD", (0, 1), (2,), Options({"fused_activation_function": "NONE"}, table="AddOptions"))]
    tflite = Model.of(Graph(same, ops, (0, 1), (2,))).to_bytes()
    program = one_package(compile_model(tflite)).inference
    assert [layer.name for layer in program.inputs] == ["t#0", "t#1"]
    assert script(program)


def test_zero_points_are_those_of_unsigned_values() -> None:
    program = one_package(compile_model(relu_chain(quantized("a", (1, 4)), quantized("b", (1, 4))))).inference
    assert [(layer.zero_point, layer.scale) for layer in (*program.inputs, *program.outputs)] == [(125, 0.5)] * 2


@pytest.mark.parametrize(
    ("shape", "dimensions"), [((), (1, 1, 1)), ((7,), (1, 1, 7)), ((5, 7), (1, 5, 7)), ((1, 1, 2, 3, 4), (2, 3, 4))]
)
def test_a_tensor_s_last_three_dimensions_are_those_of_the_device(
    shape: tuple[int, ...], dimensions: tuple[int, int, int]
) -> None:
    layer = output_layer(quantized("t", shape))
    assert (layer.y, layer.x, layer.z) == dimensions


def test_tensors_that_the_device_cannot_hold_are_refused() -> None:
    with pytest.raises(CompilationFailed, match="large activation tensors"):
        output_layer(quantized("t", (1, MAX_LAYER_BYTES // 4, 4, 3)))


def test_a_model_without_quantization_is_invalid() -> None:
    plain = [Tensor(name, (1, 4), "float32") for name in "ab"]
    with pytest.raises(InvalidModel, match="Model not quantized"):
        compile_model(relu_chain(*plain))


def test_a_model_of_which_nothing_can_be_mapped_is_written_as_it_is() -> None:
    tensors = [quantized("a", (2, 1, 1, 1, 3)), quantized("b", (2, 1, 1, 1, 3))]
    (made,) = compile_models([relu_chain(*tensors)], Settings())
    assert made.subgraphs == 0
    assert made.operations == (("RELU", 1, "Tensor has unsupported rank (up to 3 innermost dimensions mapped)"),)
    assert [op.kind for op in Model.open(made.tflite).graphs[0].ops] == ["RELU"]


def test_bytes_that_are_no_model_are_invalid() -> None:
    with pytest.raises(InvalidModel, match="could not be parsed"):
        compile_model(b"no model")


def test_parts_are_as_large_as_they_can_be_and_in_order() -> None:
    # 0 -> 1 -> 3 -> 4 and 0 -> 2 -> 4; op 1 cannot go to the device
    graph = wired([[0], [1], [1], [2], [3, 4]])
    parts = partition(graph, [True, False, True, True, True])
    assert [(part.on_device, part.ops) for part in parts] == [(True, (0, 2)), (False, (1,)), (True, (3, 4))]


@needs_shared
def test_constants_of_mapped_ops_are_not_in_the_file_twice() -> None:
    tflite = content("edgetpu/mobilenet_v2_1.0_224_quant")
    graph = Model.open(compile_model(tflite)).graphs[0]
    assert [op.kind for op in graph.ops] == [CUSTOM_OP]
    assert len(graph.tensors) == 2


@needs_shared
def test_signatures_and_metadata_stay() -> None:
    tflite = content("real/vww_96_int8")
    before, after = Model.open(tflite), Model.open(compile_model(tflite))
    assert {name: bytes(data) for name, data in after.metadata.items()} == {
        name: bytes(data) for name, data in before.metadata.items()
    }
    assert [signature.key for signature in after.signatures] == [signature.key for signature in before.signatures]
    for graph, signatures in ((before.graphs[0], before.signatures), (after.graphs[0], after.signatures)):
        for signature in signatures:
            assert set(signature.inputs.values()) == set(graph.inputs)


@needs_shared
def test_a_damaged_model_is_compiled_or_refused() -> None:
    rng = np.random.default_rng(10)
    outcomes = []
    for name in ("edgetpu/gabor_64x64_p4", "edgetpu/split_concat", "real/hello_world_int8"):
        for _ in range(150):
            damaged = bytearray(content(name))
            for at in rng.integers(8, len(damaged), 2).tolist():
                damaged[at] = int(rng.integers(256))
            try:
                compile_models([bytes(damaged)], Settings(several=True))
                outcomes.append(True)
            except CompilerError:
                outcomes.append(False)
    assert 30 < sum(outcomes) < len(outcomes)
