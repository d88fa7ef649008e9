"""What the emulated device computes with the parameters that arrived, against our CPU on the uncompiled model."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from edgetpu_pairs import OTHER_RELEASE, TRUE_PAIRS, compiled, graph, source
from shared_models import needs_shared
from subgraft.backends.edgetpu import parameters
from subgraft.backends.edgetpu.emulator.numerics import Damaged, Numerics
from subgraft.backends.edgetpu.twin import Part, pair
from subgraft.delegates import NUMPY_DTYPES, Array, Segment, Tensor

# 200 flips in all; those with multipliers, or of several layouts. deeplab and posenet take half a second each.
FLIPS = {
    "mobilenet_v1_0.25_128_quant": 80,
    "dense_256": 60,
    "movenet_single_pose_lightning_ptq": 20,
    "gabor_64x64_p4": 20,
    "bright_16x16": 10,
    "keras_lstm_mnist_ptq": 10,
}

pytestmark = needs_shared


def part_of(name: str) -> Part:
    (part,) = pair(graph(source(name)), [graph(compiled(name))]).parts
    return part


def numerics(name: str) -> Numerics:
    part = part_of(name)
    return Numerics(part.package, part.segment)


def random_inputs(segment: Segment, seed: int = 0) -> list[Array]:
    random = np.random.default_rng(seed)
    arrays = []
    for t in segment.inputs:
        tensor = segment.graph.tensors[t]
        information = np.iinfo(NUMPY_DTYPES[tensor.dtype])
        arrays.append(random.integers(information.min, information.max, tensor.shape, information.dtype, endpoint=True))
    return arrays


def on_cpu(segment: Segment, inputs: list[Array]) -> list[Array]:
    tensors = [segment.graph.tensors[t] for t in segment.outputs]
    outputs = [np.empty(tensor.shape, NUMPY_DTYPES[tensor.dtype]) for tensor in tensors]
    segment.reference().run(inputs, outputs)
    return outputs


def flipped(data: bytes, byte: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[byte] ^= 1 << bit
    return bytes(changed)


def header_bytes(of: Numerics) -> Array:
    """Where live biases and multipliers lie; zero points are left out."""
    mask = np.zeros(len(of.located.stream), bool)
    for placed in of.located.placed:
        layout = placed.layout
        if layout is None:
            continue
        live = parameters.live(layout).reshape(layout.groups, layout.record_bytes).copy()
        step = layout.lanes * parameters.ENTRY_BYTES
        wanted = [i for i, name in enumerate(layout.header) if name != parameters.ZERO_POINTS]
        keep = np.zeros(layout.record_bytes, bool)
        for i in wanted:
            keep[i * step : (i + 1) * step] = True
        mask[placed.offset : placed.offset + layout.size_bytes] = (live & keep).reshape(-1)
    return np.flatnonzero(mask)


def weight_bytes(of: Numerics) -> Array:
    mask = np.zeros(len(of.located.stream), bool)
    for placed in of.located.placed:
        layout = placed.layout
        if layout is not None:
            live = parameters.live(layout).reshape(layout.groups, layout.record_bytes).copy()
            live[:, : layout.header_bytes] = False
            mask[placed.offset : placed.offset + layout.size_bytes] = live.reshape(-1)
    return np.flatnonzero(mask)


def changed_tensors(one: Mapping[int, Mapping[int, Tensor]], other: Mapping[int, Mapping[int, Tensor]]) -> int:
    assert one.keys() == other.keys()
    return sum(one[op][t] != other[op][t] for op in one for t in one[op])


@pytest.mark.parametrize("zero_constants", [False, True], ids=["", "zeroed"])
@pytest.mark.parametrize("name", TRUE_PAIRS)
def test_a_pair_computes_the_cpus_bits_from_the_parameters_of_the_package(name: str, zero_constants: bool) -> None:
    part = part_of(name)
    inputs = random_inputs(part.segment)
    computed = Numerics(part.package, part.segment, zero_constants=zero_constants)
    outputs = computed(computed.located.stream, inputs)
    for got, wanted in zip(outputs, on_cpu(part.segment, inputs), strict=True):
        np.testing.assert_array_equal(got, wanted, strict=True)


def test_weights_come_from_the_wire_and_not_from_the_graph() -> None:
    part = part_of(OTHER_RELEASE)
    inputs = random_inputs(part.segment)
    plain, zeroed = (Numerics(part.package, part.segment, zero_constants=zero) for zero in (False, True))
    stream = plain.located.stream
    (got,), (wanted,) = plain(stream, inputs), zeroed(stream, inputs)
    np.testing.assert_array_equal(got, wanted)
    assert not np.array_equal(got, on_cpu(part.segment, inputs)[0])  # 275 of its weights are others


def test_every_flip_of_a_live_weight_bias_or_multiplier_changes_the_decoded_tensor(
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    trials = outputs_changed = refused = 0
    for seed, (name, count) in enumerate(FLIPS.items()):
        random, part = np.random.default_rng(seed), part_of(name)
        computed = Numerics(part.package, part.segment)
        stream, inputs = computed.located.stream, random_inputs(part.segment, seed)
        before, wanted = computed.decoded(stream), computed(stream, inputs)
        kinds = [kind for kind in (weight_bytes(computed), header_bytes(computed)) if len(kind)]
        for i in range(count):
            received = flipped(stream, int(random.choice(kinds[i % len(kinds)])), int(random.integers(8)))
            trials += 1
            try:
                assert changed_tensors(before, computed.decoded(received)) == 1
                got = computed(received, inputs)
            except Damaged:
                refused += 1
            else:
                outputs_changed += any(not np.array_equal(a, b) for a, b in zip(got, wanted, strict=True))
    assert trials == 200
    record_testsuite_property("flips that changed outputs", f"{outputs_changed} of {trials}")
    record_testsuite_property("flips that made multipliers of no value", f"{refused} of {trials}")
    assert outputs_changed > 60  # many low bits are rounded off, and images of noise saturate classifiers


@pytest.mark.parametrize("bit", range(32))
def test_every_bit_of_a_multiplier_changes_the_scale(bit: int) -> None:
    computed = numerics("dense_256")
    stream = computed.located.stream
    ((op, weights),) = [(placed.layer.op, placed.layer.weights) for placed in computed.located.placed]
    before = computed.decoded(stream)[op][weights].quantization
    for output in (0, 37, 255):
        (placed,) = computed.located.placed
        assert placed.layout
        group, lane = divmod(output, placed.layout.lanes)
        at = placed.offset + group * placed.layout.record_bytes + 4 * lane
        received = flipped(stream, at + bit // 8, bit % 8)
        try:
            after = computed.decoded(received)[op][weights].quantization
        except Damaged:
            assert bit >= 23  # of the mantissa none makes a number that cannot be
            continue
        assert before and after
        unequal = [i for i, (a, b) in enumerate(zip(before.scales, after.scales, strict=True)) if a != b]
        assert unequal == [output]
        ratio = struct.unpack_from("<f", received, at)[0] / struct.unpack_from("<f", stream, at)[0]
        assert after.scales[output] / before.scales[output] == pytest.approx(ratio, rel=2e-7)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.0, -1.0, 1e-45])
def test_a_multiplier_that_cannot_be_is_refused(value: float) -> None:
    computed = numerics("dense_256")
    received = struct.pack("<f", value) + computed.located.stream[4:]
    with pytest.raises(Damaged, match="the multiplier of output 0 of 'StatefulPartitionedCall_1:01' arrived as"):
        computed.decoded(received)


def test_another_zero_point_per_channel_is_refused() -> None:
    computed = numerics("dense_256")
    with pytest.raises(Damaged, match="zero point of output 3 .* arrived as 129, not 128"):
        computed.decoded(flipped(computed.located.stream, 4 * 64 + 4 * 3, 0))


@pytest.mark.parametrize("name", ["split_concat", "keras_lstm_mnist_ptq", "gabor_64x64_p4", "bright_128x128"])
def test_bytes_that_are_in_no_known_layer_must_be_the_packages(name: str) -> None:
    computed = numerics(name)
    stream = computed.located.stream
    others = np.flatnonzero(~computed.located.covered())
    for byte in np.random.default_rng(7).choice(others, 20).tolist():
        with pytest.raises(Damaged, match=f"1 B of the parameters .* byte {byte}"):
            computed.decoded(flipped(stream, byte, 3))


def test_parameters_that_are_cut_off_or_too_many_are_refused() -> None:
    computed = numerics("dense_256")
    stream, inputs = computed.located.stream, random_inputs(part_of("dense_256").segment)
    for received in (b"", stream[:-1], stream + b"\0"):
        with pytest.raises(Damaged, match=rf"{len(received)} B of parameters arrived, the package has {len(stream)}"):
            computed(received, inputs)


def test_parameters_in_another_order_give_other_outputs() -> None:
    part = part_of("dense_256")
    computed = Numerics(part.package, part.segment)
    stream, inputs = computed.located.stream, random_inputs(part.segment)
    half = len(stream) // 2
    (got,), (wanted,) = computed(stream[half:] + stream[:half], inputs), computed(stream, inputs)
    assert not np.array_equal(got, wanted)


def test_parameters_may_change_from_one_run_to_the_next_and_back() -> None:
    part = part_of("dense_256")
    computed = Numerics(part.package, part.segment)
    stream, inputs = computed.located.stream, random_inputs(part.segment)
    (wanted,) = computed(stream, inputs)
    for byte in range(2, 4 * 6, 4):  # multipliers, and more of them than programs are kept
        assert not np.array_equal(computed(flipped(stream, byte, 6), inputs)[0], wanted)
    np.testing.assert_array_equal(computed(stream, inputs)[0], wanted)


def test_outputs_are_the_callers_own() -> None:
    part = part_of("dense_256")
    computed = Numerics(part.package, part.segment)
    first, second = random_inputs(part.segment, 1), random_inputs(part.segment, 2)
    (got,) = computed(computed.located.stream, first)
    kept = got.copy()
    computed(computed.located.stream, second)
    np.testing.assert_array_equal(got, kept)


def test_inputs_may_come_in_the_shape_of_the_layer() -> None:
    part = part_of("dense_256")
    computed = Numerics(part.package, part.segment)
    inputs = random_inputs(part.segment)
    flat = [array.reshape(1, 1, -1) for array in inputs]
    stream = computed.located.stream
    np.testing.assert_array_equal(computed(stream, flat)[0], computed(stream, inputs)[0])


def test_several_threads_get_their_own_outputs() -> None:
    part = part_of("mobilenet_v1_0.25_128_quant")
    computed = Numerics(part.package, part.segment)
    stream = computed.located.stream
    inputs = [random_inputs(part.segment, seed) for seed in range(4)]
    wanted = [computed(stream, one)[0] for one in inputs]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda one: computed(stream, one)[0], inputs * 3))
    for i, output in enumerate(got):
        np.testing.assert_array_equal(output, wanted[i % 4])


def test_constants_are_not_zeroed_where_they_are_in_no_known_place() -> None:
    part = part_of("dense_256")
    stream = bytes(np.random.default_rng(8).permutation(np.frombuffer(part.located.stream, np.uint8)))
    programs = [replace(p, parameters=stream if p.parameters else b"") for p in part.package.executables]
    package = replace(part.package, executables=tuple(programs))
    with pytest.raises(ValueError, match="not found in the package, so its constants are needed"):
        Numerics(package, part.segment, zero_constants=True)
    outputs = Numerics(package, part.segment)(stream, random_inputs(part.segment))
    np.testing.assert_array_equal(outputs[0], on_cpu(part.segment, random_inputs(part.segment))[0])


def test_a_package_that_computes_a_part_of_a_tensor_is_refused() -> None:
    part = part_of("dense_256")
    tensors = [replace(tensor, shape=(2, *tensor.shape[1:])) for tensor in part.segment.graph.tensors]
    segment = replace(part.segment, graph=replace(part.segment.graph, tensors=tensors))
    with pytest.raises(ValueError, match="of 512 B in parts of 256 B"):
        Numerics(part.package, segment)
