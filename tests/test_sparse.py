"""Sparse constants mean what dense ones mean, for DENSIFY and for every op that reads weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import op_cases_conv
import op_cases_depthwise_conv
import op_cases_fully_connected
from op_cases import Array, Case, c, compare, out, x
from oracle import Oracle, Request
from sparse import Layout, encode, replaced, sparse, thinned
from subgraft.delegates import Graph, ModelError, Op, Quantization, SparseDimension, Sparsity, Tensor, Unsupported
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

LAYOUTS: list[tuple[Sequence[int], Layout]] = [
    ((7,), Layout(order=(0,), compressed=(0,))),
    ((7,), Layout(order=(0,))),
    ((5, 8), Layout(order=(0, 1), compressed=(1,))),
    ((5, 8), Layout(order=(0, 1), compressed=(0, 1), index="uint8")),
    ((5, 8), Layout(order=(1, 0), compressed=(0,), index="uint16")),
    ((5, 8), Layout(order=(1, 0), compressed=(1, 0))),
    ((5, 8), Layout(order=(0, 1), compressed=(0,))),
    ((8, 32), Layout(order=(0, 1, 2), compressed=(1,), blocks=[(1, 16)])),
    ((8, 32), Layout(order=(0, 1, 2), compressed=(1,), blocks=[(1, 4)], index="uint8")),
    ((8, 6), Layout(order=(0, 1, 2, 3), compressed=(1,), blocks=[(0, 2), (1, 3)])),
    ((8, 6), Layout(order=(1, 0, 2, 3), compressed=(1, 0), blocks=[(0, 4), (1, 2)], index="uint16")),
    ((4, 2, 3, 5), Layout(order=(0, 1, 2, 3), compressed=(3,))),
    ((4, 2, 3, 5), Layout(order=(0, 1, 2, 3), compressed=(0, 1, 2, 3), index="uint8")),
    ((4, 2, 3, 5), Layout(order=(3, 1, 0, 2), compressed=(1, 2))),
    ((4, 2, 3, 8), Layout(order=(0, 1, 2, 3, 4, 5), compressed=(0, 3), blocks=[(0, 2), (3, 4)])),
    ((1, 1), Layout(order=(0, 1), compressed=(0, 1))),
]


def densify(values: Array, layout: Layout | None) -> Graph:
    """DENSIFY of a constant, or, without a layout, a graph with that constant as its output."""
    tensor = Tensor.constant("x", values)
    tensors = [tensor if layout is None else sparse(tensor, values, layout), Tensor("y", values.shape, tensor.dtype)]
    return Graph(tensors, [Op("DENSIFY", (0,), (1,))], (), (1,), name="main")


def answer(graph: Graph, *inputs: Array) -> list[Array]:
    program = _native.Program(Model.of(graph).native, pool=_native.ThreadPool(1))
    return [array.copy() for array in program.call(list(inputs))]


def random_values(shape: Sequence[int], dtype: str, seed: int) -> Array:
    rng = np.random.default_rng(seed)
    values = rng.integers(-128, 128, shape) if dtype.startswith("int") else rng.standard_normal(shape)
    return thinned(np.asarray(values).astype(dtype), 0.7, seed)


@pytest.mark.conformance
@pytest.mark.parametrize("dtype", ["float32", "float16", "int8"])
@pytest.mark.parametrize(("shape", "layout"), LAYOUTS, ids=[f"{s}-{layout}" for s, layout in LAYOUTS])
def test_densify_equals_tflite(shape: Sequence[int], layout: Layout, dtype: str, oracle: Oracle) -> None:
    values = random_values(shape, dtype, seed=len(LAYOUTS))
    theirs = oracle.ask(Request(Model.of(densify(values, layout)).to_bytes(), [[]]))
    assert not theirs.error, theirs.error
    (ours,) = answer(densify(values, layout))
    assert ours.tobytes() == theirs.outputs[0].tobytes() == values.tobytes()


@pytest.mark.conformance
@pytest.mark.parametrize("dtype", ["int16", "int32", "int64", "uint8", "float64", "bool", "complex64"])
def test_densify_takes_types_that_tflite_refuses(dtype: str) -> None:
    shape, layout = LAYOUTS[-2]
    values = random_values(shape, "int32", seed=1).astype(dtype)
    (ours,) = answer(densify(values, layout))
    assert ours.tobytes() == values.tobytes()


@pytest.mark.conformance
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99, 1.0])
def test_any_share_of_zeros_is_spelled_out(share: float) -> None:
    rng = np.random.default_rng(3)
    for seed, (shape, layout) in enumerate(LAYOUTS):
        values = thinned(np.asarray(rng.standard_normal(shape)).astype(np.float32), share, seed)
        (ours,) = answer(densify(values, layout))
        np.testing.assert_array_equal(ours, values)


WEIGHTS = 1  # the input of these ops
ROWS = Layout(order=(0, 1), compressed=(1,))
INNERMOST = Layout(order=(0, 1, 2, 3), compressed=(3,))
KINDS = [
    (op_cases_conv, [INNERMOST, Layout(order=(1, 2, 0, 3), compressed=(1, 0, 3))]),
    (op_cases_depthwise_conv, [INNERMOST, Layout(order=(3, 0, 1, 2), compressed=(0,))]),
    (op_cases_fully_connected, [ROWS, Layout(order=(1, 0), compressed=(1, 0))]),
]


def with_weights() -> list[Any]:
    """Every eighth case of the tables by default, the others in the full run."""
    chosen = []
    for table, layouts in KINDS:
        plain = (case for case in table.CASES if case.error is None and case.expected is None)
        cases = [case for case in plain if case.inputs[WEIGHTS].constant and len(case.graph().tensors[WEIGHTS].buffer)]
        for i, case in enumerate(cases):
            if case.inputs[WEIGHTS].dtype not in ("int4", "int2"):
                marks = [] if i % 8 == 0 else [pytest.mark.exhaustive]
                layout = layouts[i % len(layouts)]
                chosen.append(pytest.param(case, layout, id=f"{case.name()}-{layout}", marks=marks))
    return chosen


@pytest.mark.conformance
@pytest.mark.parametrize(("case", "layout"), with_weights())
def test_sparse_weights_give_what_dense_weights_give(case: Case, layout: Layout, oracle: Oracle) -> None:
    graph = case.graph()
    weights = graph.tensors[WEIGHTS]
    assert weights.data is not None
    values = thinned(weights.data, 0.8, seed=5)
    dense = replaced(graph, WEIGHTS, replace(weights, buffer=values.tobytes()))
    theirs = oracle.ask(Request(Model.of(dense).to_bytes(), [case.feed()], resolver=case.resolver))
    assert not theirs.error, theirs.error
    ours = answer(replaced(graph, WEIGHTS, sparse(weights, values, layout)), *case.feed())
    for a, b in zip(ours, theirs.outputs, strict=True):
        assert not compare(a, b, case.tolerance)


FOUR, SIXTEEN = (Layout(order=(0, 1, 2), compressed=(1,), blocks=[(1, n)]) for n in (4, 16))
NATIVE = [
    (op_cases_fully_connected.real((3, 32), 8, 32), ROWS),
    (op_cases_fully_connected.real((3, 32), 8, 32), FOUR),
    (op_cases_fully_connected.quantized((3, 64), 8, 64), SIXTEEN),
    (op_cases_fully_connected.quantized((3, 64), 8, 64, activation="RELU6", out_scale=0.05), SIXTEEN),
]


@pytest.mark.conformance
@pytest.mark.parametrize(("case", "layout"), NATIVE, ids=[f"{case.name()}-{layout}" for case, layout in NATIVE])
def test_the_sparse_weights_that_tflite_computes_with_give_its_answer(
    case: Case, layout: Layout, oracle: Oracle
) -> None:
    weights = case.graph().tensors[WEIGHTS]
    assert weights.data is not None
    values = thinned(weights.data, 0.8, seed=6)
    graph = replaced(case.graph(), WEIGHTS, sparse(weights, values, layout))
    theirs = oracle.ask(Request(Model.of(graph).to_bytes(), [case.feed()]))
    assert not theirs.error, theirs.error
    (ours,) = answer(graph, *case.feed())
    assert not compare(ours, theirs.outputs[0], case.tolerance)


def test_two_programs_of_one_model_spell_a_constant_out_once() -> None:
    values = random_values((64, 64), "float32", seed=0)
    model = Model.of(densify(values, Layout(order=(0, 1), compressed=(1,))))
    programs = [_native.Program(model.native, pool=_native.ThreadPool(1)) for _ in range(2)]
    for program in programs:
        np.testing.assert_array_equal(program.call([])[0], values)


# Layouts that contradict themselves.

GOOD = Sparsity(
    (0, 1),
    (),
    (SparseDimension(3), SparseDimension(0, np.array([0, 1, 1, 3], np.int32), np.array([2, 0, 3], np.int32), True)),
)


def csr(segments: Sequence[int], indices: Sequence[int]) -> Sparsity:
    level = SparseDimension(0, np.array(segments, np.int32), np.array(indices, np.int32), True)
    return replace(GOOD, dimensions=(GOOD.dimensions[0], level))


BLOCKS = Sparsity((0, 1, 2), (1,), (*GOOD.dimensions, SparseDimension(2)))
HOSTILE: dict[str, tuple[Sparsity, str]] = {
    "order too short": (replace(GOOD, traversal_order=(0,)), "1 entries for 2 dimensions"),
    "no order": (replace(GOOD, traversal_order=()), "0 entries"),
    "order repeats": (replace(GOOD, traversal_order=(1, 1)), "no permutation"),
    "order outside": (replace(GOOD, traversal_order=(0, 2)), "no permutation"),
    "order negative": (replace(GOOD, traversal_order=(-1, 0)), "no permutation"),
    "too few dimensions": (replace(GOOD, dimensions=GOOD.dimensions[:1]), "1 descriptions for 2"),
    "another size": (replace(GOOD, dimensions=(SparseDimension(4), GOOD.dimensions[1])), "described as of size 4"),
    "negative size": (replace(GOOD, dimensions=(SparseDimension(-3), GOOD.dimensions[1])), "described as of size -3"),
    "too few segments": (csr([0, 1, 3], [2, 0, 3]), "3 segments for 3 nodes"),
    "no segments": (csr([], [2, 0, 3]), "0 segments for 3 nodes"),
    "segments from 1": (csr([1, 1, 1, 3], [2, 0, 3]), "do not cover its 3 indices"),
    "segments beyond": (csr([0, 1, 1, 9], [2, 0, 3]), "do not cover its 3 indices"),
    "segments fall": (csr([0, 2, 1, 3], [2, 0, 3]), "overlap"),
    "negative segments": (csr([0, -5, 1, 3], [2, 0, 3]), "overlap"),
    "index outside": (csr([0, 1, 1, 3], [2, 0, 4]), "index 4 is outside"),
    "negative index": (csr([0, 1, 1, 3], [2, 0, -1]), "index -1 is outside"),
    "more values than there are": (csr([0, 4, 4, 4], [0, 1, 2, 3]), "holds 3 values, but its layout needs 4"),
    "blocks of nothing": (replace(BLOCKS, dimensions=(*GOOD.dimensions, SparseDimension(0))), "blocks of 0"),
    "blocks of less than none": (replace(BLOCKS, dimensions=(*GOOD.dimensions, SparseDimension(-2))), "of -2"),
    "blocks that do not divide": (replace(BLOCKS, dimensions=(*GOOD.dimensions, SparseDimension(3))), "do not divide"),
    "blocks along nothing": (replace(BLOCKS, block_map=(2,)), "blocks along dimension 2"),
    "blocks along -1": (replace(BLOCKS, block_map=(-1,)), "blocks along dimension -1"),
    "sparse blocks": (replace(BLOCKS, dimensions=(*GOOD.dimensions, GOOD.dimensions[1])), "blocks are sparse"),
    "more blocks than dimensions": (replace(GOOD, block_map=(0, 0, 1)), "3 of blocks"),
}  # fmt: skip


def constant(sparsity: Sparsity | None, dtype: str = "float32", buffer: bytes = bytes(12)) -> Tensor:
    return Tensor("x", (3, 4), dtype, buffer, Quantization((1.0,), (0,)), sparsity=sparsity)


def alone(tensor: Tensor) -> Graph:
    return Graph((tensor, Tensor("y", (3, 4), tensor.dtype)), (Op("DENSIFY", (0,), (1,)),), (), (1,), name="main")


def test_the_layout_that_hostile_ones_are_made_of_is_sound() -> None:
    (values,) = answer(alone(constant(GOOD, buffer=np.array([1, 2, 3], np.float32).tobytes())))
    np.testing.assert_array_equal(values, [[0, 0, 1, 0], [0, 0, 0, 0], [2, 0, 0, 3]])


@pytest.mark.parametrize(("sparsity", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_layout_that_contradicts_itself_is_refused(sparsity: Sparsity, message: str) -> None:
    with pytest.raises(ModelError, match=f"sparse constant tensor 0 'x': .*{message}"):
        answer(alone(constant(sparsity)))


def test_a_dense_constant_is_nothing_to_densify() -> None:
    with pytest.raises(ModelError, match="the input is no sparse constant"):
        answer(alone(constant(None, buffer=bytes(48))))


def test_a_sparse_tensor_without_values_is_no_constant() -> None:
    graph = Graph((replace(constant(GOOD), buffer=None), Tensor("y", (3, 4), "float32")), (Op("DENSIFY", (0,), (1,)),),
                  (0,), (1,), name="main")  # fmt: skip
    with pytest.raises(ModelError, match="the input is no sparse constant"):
        answer(graph, np.zeros((3, 4), np.float32))


def test_sparse_elements_of_less_than_a_byte_are_refused() -> None:
    with pytest.raises(Unsupported, match="sparse with elements of type int4"):
        answer(alone(constant(GOOD, "int4")))


def test_a_sparse_constant_that_is_too_large_when_spelled_out_is_refused() -> None:
    side = 2**20
    levels = tuple(SparseDimension(0, np.array([0, 1], np.int32), np.array([7], np.int32), True) for _ in range(2))
    tensor = Tensor("x", (side, side), "float32", bytes(4), sparsity=Sparsity((0, 1), (), levels))
    with pytest.raises(Unsupported, match="memory limit"):
        answer(Graph((tensor, Tensor("y", (side, side), "float32")), (Op("DENSIFY", (0,), (1,)),), (), (1,)))


def test_an_empty_sparse_constant_is_empty() -> None:
    levels = (SparseDimension(0), SparseDimension(7))
    tensor = Tensor("x", (0, 7), "float32", b"", sparsity=Sparsity((0, 1), (), levels))
    case = Case("CONCATENATION", [x(2, 7), c(0, 7)], [out()], {"axis": 0, "fused_activation_function": "NONE"})
    (values,) = answer(replaced(case.graph(), 1, tensor), *case.feed())
    np.testing.assert_array_equal(values, case.feed()[0])


def test_the_encoder_of_these_tests_stores_what_tflite_calls_csr() -> None:
    dense = np.array([[0, 0, 1, 0], [0, 0, 0, 0], [2, 0, 0, 3]], np.float32)
    sparsity, values = encode(dense, Layout(order=(0, 1), compressed=(1,)))
    assert values == np.array([1, 2, 3], np.float32).tobytes()
    for ours, expected in zip(sparsity.dimensions, GOOD.dimensions, strict=True):
        assert (ours.size, ours.compressed) == (expected.size, expected.compressed)
        if expected.compressed:
            np.testing.assert_array_equal(ours.segments, expected.segments)
            np.testing.assert_array_equal(ours.indices, expected.indices)
