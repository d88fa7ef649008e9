"""Ops that compute with sparse weights as the file holds them: the bits of dense weights, without their memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

import op_cases_conv
import op_cases_fully_connected
from op_cases import Array, Case
from oracle import Oracle, Request
from sparse import Layout, replaced, sparse, thinned
from subgraft.delegates import Graph, ModelError, Op, Options, SparseDimension, Sparsity, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

WEIGHTS = 1  # the input of these ops
ALWAYS, NEVER = "always", "never"

fc, conv = op_cases_fully_connected, op_cases_conv
CHANNELS = [0.001, 0.3, 0.02, 0.1, 0.005]


@pytest.fixture
def rule(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """With the reference kernels, whose dense sums have the order of the compressed ones."""
    monkeypatch.delenv("SUBGRAFT_SPARSE", raising=False)
    before = _native.instruction_set()
    _native.limit_instruction_set("generic")
    yield monkeypatch
    _native.limit_instruction_set(before)


def program(graph: Graph, way: str, rule: pytest.MonkeyPatch, *, threads: int = 1) -> _native.Program:
    rule.setenv("SUBGRAFT_SPARSE", way)
    made = _native.Program(Model.of(graph).native, pool=_native.ThreadPool(threads))
    rule.delenv("SUBGRAFT_SPARSE")
    return made


def with_sparse_weights(case: Case, layout: Layout, share: float = 0.6, seed: int = 0) -> Graph:
    graph = case.graph()
    weights = graph.tensors[WEIGHTS]
    assert weights.data is not None
    return replaced(graph, WEIGHTS, sparse(weights, thinned(weights.data, share, seed), layout))


# (units, depth) of every case below is (5, 32): a unit is left over beside four that are computed together.
CASES = {
    **{f"real, {n} rows": fc.real((n, 32), 5, 32) for n in (1, 2, 3, 4, 5, 16, 17, 40)},
    "real, activation, no bias": fc.real((18, 32), 5, 32, biased=False, activation="RELU"),
    **{f"int8, {n} rows": fc.quantized((n, 32), 5, 32) for n in (1, 3, 7, 33)},
    "int8, per channel": fc.quantized((6, 32), 5, 32, scale=CHANNELS),
    "int16, 64-bit sums": fc.quantized((9, 32), 5, 32, dtype="int16", zero=0, out_zero=0),
    "int16, 64-bit sums, 1 row": fc.quantized((1, 32), 5, 32, dtype="int16", zero=0, out_zero=0),
    "int16, 32-bit sums": fc.quantized((9, 32), 5, 32, dtype="int16", zero=0, out_zero=0, bias_type="INT32"),
    **{f"hybrid, {n} rows": fc.hybrid((n, 32), 5, 32) for n in (1, 3, 19)},
    "hybrid, asymmetric": fc.hybrid((19, 32), 5, 32, asymmetric=True),
    "hybrid, asymmetric, 1 row": fc.hybrid((1, 32), 5, 32, asymmetric=True),
}  # fmt: skip
IMAGES = {
    "real": conv.real((2, 5, 7, 32), (5, 1, 1, 32)),
    "real, strides": conv.real((2, 6, 7, 32), (5, 1, 1, 32), stride=(2, 3), activation="RELU6"),
    "real, one pixel": conv.real((1, 1, 1, 32), (5, 1, 1, 32), padding="VALID"),
    "int8": conv.quantized((2, 5, 7, 32), (5, 1, 1, 32), scale=CHANNELS),
    "int16": conv.quantized((1, 5, 7, 32), (5, 1, 1, 32), dtype="int16", zero=0, out_zero=0),
    "hybrid": conv.hybrid((2, 3, 7, 32), (5, 1, 1, 32)),
    "hybrid, per channel": conv.hybrid((2, 3, 7, 32), (5, 1, 1, 32), scale=CHANNELS),
}
ROWS = [
    Layout(order=(0, 1), compressed=(1,)),
    Layout(order=(0, 1, 2), compressed=(1,), blocks=[(1, 4)], index="uint8"),
    Layout(order=(0, 1, 2), compressed=(1,), blocks=[(1, 16)]),
    Layout(order=(1, 0), compressed=(0,), index="uint16"),
    Layout(order=(0, 1), compressed=(0, 1)),
    Layout(order=(0, 1, 2, 3), compressed=(1,), blocks=[(0, 5), (1, 2)]),
    Layout(order=(0, 1)),
]
PIXELS = [
    Layout(order=(0, 1, 2, 3), compressed=(3,)),
    Layout(order=(3, 1, 0, 2), compressed=(0, 3)),
    Layout(order=(0, 1, 2, 3, 4), compressed=(3,), blocks=[(3, 16)]),
]
GRID = [
    pytest.param(case, layout, id=f"{name}-{layout}")
    for cases, layouts in ((CASES, ROWS), (IMAGES, PIXELS))
    for name, case in cases.items()
    for layout in layouts
]


def graphs() -> Iterator[Graph]:
    """Some of everything, for whoever wants models with sparse weights."""
    for cases, layouts in ((CASES, ROWS), (IMAGES, PIXELS)):
        for i, case in enumerate(cases.values()):
            yield with_sparse_weights(case, layouts[i % len(layouts)])
    for dtype in ("float32", "float16"):
        yield behind_densify(IMAGES["real"], PIXELS[0], dtype)


@pytest.mark.parametrize(("case", "layout"), GRID)
def test_the_compressed_form_gives_the_bits_of_the_dense_one(
    case: Case, layout: Layout, rule: pytest.MonkeyPatch
) -> None:
    graph = with_sparse_weights(case, layout)
    for threads in (1, 3):
        compressed, dense = (program(graph, way, rule, threads=threads) for way in (ALWAYS, NEVER))
        assert compressed.folded_bytes == 0 < dense.folded_bytes
        for run in range(2):
            ours, expected = (made.call(case.feed(run))[0] for made in (compressed, dense))
            np.testing.assert_array_equal(ours.view(np.uint8), expected.view(np.uint8))


@pytest.mark.parametrize("share", [0.0, 0.95, 1.0])
@pytest.mark.parametrize("name", ["real, 1 rows", "real, 17 rows", "int8, 1 rows", "int8, 33 rows"])
def test_any_share_of_zeros_gives_the_bits_of_the_dense_form(name: str, share: float, rule: pytest.MonkeyPatch) -> None:
    for layout in ROWS:
        graph = with_sparse_weights(CASES[name], layout, share)
        ours, expected = (program(graph, way, rule).call(CASES[name].feed())[0] for way in (ALWAYS, NEVER))
        np.testing.assert_array_equal(ours, expected)


@pytest.mark.conformance
@pytest.mark.parametrize("name", CASES)
def test_the_compressed_form_gives_tflites_answer(name: str, rule: pytest.MonkeyPatch, oracle: Oracle) -> None:
    case = CASES[name]
    graph = case.graph()
    weights = graph.tensors[WEIGHTS]
    assert weights.data is not None
    values = thinned(weights.data, 0.6, seed=0)
    dense = replaced(graph, WEIGHTS, replace(weights, buffer=values.tobytes()))
    theirs = oracle.ask(Request(Model.of(dense).to_bytes(), [case.feed()], resolver=case.resolver))
    assert not theirs.error, theirs.error
    (ours,) = program(with_sparse_weights(case, ROWS[0]), ALWAYS, rule).call(case.feed())
    tolerance = 1e-5 * np.abs(theirs.outputs[0]).max() if ours.dtype == np.float32 else 0
    np.testing.assert_allclose(ours, theirs.outputs[0], rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", CASES)
def test_dense_kernels_of_every_instruction_set_agree_with_the_compressed_form(
    name: str, rule: pytest.MonkeyPatch
) -> None:
    case = CASES[name]
    graph = with_sparse_weights(case, ROWS[0])
    for instruction_set in _native.instruction_sets():
        _native.limit_instruction_set(instruction_set)
        ours, expected = (program(graph, way, rule).call(case.feed())[0] for way in (ALWAYS, NEVER))
        tolerance = 1e-5 * np.abs(expected).max() if ours.dtype == np.float32 else 0
        np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance, err_msg=instruction_set)


# The rule.


@pytest.mark.skipif(len(_native.instruction_sets()) == 1, reason="this machine has the reference kernels only")
@pytest.mark.parametrize(("share", "compressed"), [(0.5, False), (0.8, False), (0.99, True)])
def test_vectors_are_faster_than_all_but_the_sparsest_floats(
    share: float, compressed: bool, rule: pytest.MonkeyPatch
) -> None:
    """What is infinite stays out of compressed sums where its weight is zero, and is no number in dense ones."""
    case = fc.real((64, 64), 512, 64, biased=False)
    _native.limit_instruction_set()
    made = _native.Program(Model.of(with_sparse_weights(case, ROWS[0], share)).native, pool=_native.ThreadPool(1))
    (y,) = made.call([np.full((64, 64), np.inf, np.float32)])
    assert np.isnan(y).all() == (not compressed)


def uses_compressed(case: Case, share: float, layout: Layout = ROWS[0]) -> bool:
    made = _native.Program(Model.of(with_sparse_weights(case, layout, share)).native, pool=_native.ThreadPool(1))
    return bool(made.folded_bytes == 0)


@pytest.mark.usefixtures("rule")
@pytest.mark.parametrize(
    ("case", "share", "layout", "compressed"),
    [
        (fc.real((64, 64), 64, 64), 0.5, ROWS[0], True),
        (fc.real((1, 64), 64, 64), 0.5, ROWS[0], True),
        (fc.real((1, 64), 64, 64), 0.1, ROWS[0], False),
        (fc.real((64, 64), 2, 64), 0.5, ROWS[0], True),
        (fc.quantized((64, 64), 4, 64), 0.9, ROWS[0], False),  # too few units to lay the rows side by side for
        (fc.quantized((1, 64), 64, 64, dtype="int16", zero=0, out_zero=0), 0.5, ROWS[0], True),
        (fc.quantized((64, 64), 64, 64), 0.9, ROWS[0], True),
        (fc.quantized((64, 64), 64, 64), 0.5, ROWS[0], False),
        (fc.quantized((1, 64), 64, 64), 0.7, ROWS[0], False),
        (fc.quantized((64, 64), 64, 64, weight_zero=3), 0.9, ROWS[0], False),  # where 0 is no zero
        (conv.real((1, 8, 8, 64), (64, 1, 1, 64)), 0.7, PIXELS[0], True),
        (conv.real((1, 8, 8, 64), (64, 3, 3, 64)), 0.7, PIXELS[0], False),
        (conv.real((1, 8, 8, 64), (64, 1, 1, 32)), 0.7, PIXELS[0], False),  # in groups
    ],
)
def test_the_faster_form_is_used(case: Case, share: float, layout: Layout, compressed: bool) -> None:
    assert uses_compressed(case, share, layout) is compressed


@pytest.mark.usefixtures("rule")
@pytest.mark.parametrize(
    ("dtype", "density", "compressed"),
    # With blocks of 16, of 4 and of 1.
    [("int8", 0.25, (True, False, False)), ("int16", 0.6, (True, True, True))],
)
def test_blocks_of_16_are_for_one_row_of_8_bit_numbers(
    dtype: str, density: float, compressed: tuple[bool, ...]
) -> None:
    kept = np.repeat(np.random.default_rng(0).random((64, 4)) < density, 16, axis=1)
    zero = {} if dtype == "int8" else {"zero": 0, "out_zero": 0}
    graph = fc.quantized((1, 64), 64, 64, dtype=dtype, **zero).graph()
    weights = graph.tensors[WEIGHTS]
    assert weights.data is not None
    found = []
    of_4 = Layout(order=(0, 1, 2), compressed=(1,), blocks=[(1, 4)])
    for layout in (ROWS[2], of_4, ROWS[0]):
        pruned = replaced(graph, WEIGHTS, sparse(weights, np.where(kept, weights.data, np.int8(0)), layout))
        made = _native.Program(Model.of(pruned).native, pool=_native.ThreadPool(1))
        found.append(made.folded_bytes == 0)
    assert tuple(found) == compressed


# Memory.


def behind_densify(case: Case, layout: Layout, dtype: str) -> Graph:
    """The case with weights that come through DENSIFY and, from halves, DEQUANTIZE, as converters write them."""
    graph = case.graph()
    weights = graph.tensors[WEIGHTS]
    assert weights.data is not None
    stored = sparse(Tensor("stored", weights.shape, dtype), thinned(weights.data.astype(dtype), 0.6, seed=0), layout)
    tensors = [*graph.tensors, stored, Tensor("spelled out", weights.shape, dtype)]
    n = len(graph.tensors)
    ops = [Op("DENSIFY", (n,), (n + 1,))]
    read = n + 1
    if dtype == "float16":
        tensors.append(Tensor("widened", weights.shape, "float32"))
        ops.append(Op("DEQUANTIZE", (n + 1,), (n + 2,)))
        read = n + 2
    (op,) = graph.ops
    ops.append(replace(op, inputs=(op.inputs[0], read, *op.inputs[2:])))
    return Graph(tensors, ops, graph.inputs, graph.outputs, name="main")


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_weights_behind_densify_stay_compressed(dtype: str, rule: pytest.MonkeyPatch) -> None:
    case = conv.real((1, 8, 8, 32), (16, 1, 1, 32))
    graph = behind_densify(case, PIXELS[0], dtype)
    compressed, dense = (program(graph, way, rule) for way in (ALWAYS, NEVER))
    np.testing.assert_array_equal(compressed.call(case.feed())[0], dense.call(case.feed())[0])
    assert compressed.folded_bytes == 0
    assert dense.folded_bytes == 16 * 32 * 4  # once: what DENSIFY itself would give nobody reads


def test_compressed_weights_can_be_read_as_any_other_constant(rule: pytest.MonkeyPatch) -> None:
    case = conv.real((1, 8, 8, 32), (16, 1, 1, 32))
    graph = behind_densify(case, PIXELS[0], "float16")
    made = program(graph, ALWAYS, rule)
    weights = graph.tensors[WEIGHTS].data
    assert weights is not None
    halves = thinned(weights.astype(np.float16), 0.6, seed=0)
    widened = len(graph.tensors) - 1
    np.testing.assert_array_equal(made.get(widened - 1), halves)
    np.testing.assert_array_equal(made.get(widened), halves.astype(np.float32))
    before = made.call(case.feed())[0]
    np.testing.assert_array_equal(before, program(graph, NEVER, rule).call(case.feed())[0])


def test_a_program_that_keeps_all_tensors_keeps_dense_weights_too(rule: pytest.MonkeyPatch) -> None:
    graph = behind_densify(conv.real((1, 8, 8, 32), (16, 1, 1, 32)), PIXELS[0], "float16")
    rule.setenv("SUBGRAFT_SPARSE", ALWAYS)
    made = _native.Program(Model.of(graph).native, pool=_native.ThreadPool(1), keep_all=True)
    assert made.folded_bytes == 16 * 32 * (2 + 2 + 4)


def test_weights_of_which_one_op_needs_the_dense_form_serve_another_compressed(rule: pytest.MonkeyPatch) -> None:
    case = fc.real((3, 32), 5, 32)
    graph = with_sparse_weights(case, ROWS[0])
    n = len(graph.tensors)
    tensors = [*graph.tensors, Tensor("doubled", (5, 32), "float32")]
    ops = [*graph.ops, Op("ADD", (WEIGHTS, WEIGHTS), (n,), Options({"fused_activation_function": "NONE"}))]
    both = Graph(tensors, ops, graph.inputs, (*graph.outputs, n), name="main")
    product, doubled = program(both, ALWAYS, rule).call(case.feed())
    np.testing.assert_array_equal(product, program(graph, NEVER, rule).call(case.feed())[0])
    weights = graph.tensors[WEIGHTS]
    expected = thinned(case.graph().tensors[WEIGHTS].data, 0.6, seed=0)  # type: ignore[arg-type]
    assert weights.sparsity is not None
    np.testing.assert_array_equal(doubled, expected * 2)


@pytest.mark.usefixtures("rule")
def test_weights_far_too_large_to_spell_out_are_computed_with() -> None:
    units, depth = 2**20, 2**16  # 256 GiB of floats
    column = SparseDimension(0, np.array([0, 1, 1], np.int32), np.array([depth - 1], np.int32), True)
    row = SparseDimension(0, np.array([0, 2], np.int32), np.array([7, units - 1], np.int32), True)
    layout = Sparsity((0, 1), (), (row, column))
    weights = Tensor("w", (units, depth), "float32", np.float32(3).tobytes(), sparsity=layout)
    op = Op("FULLY_CONNECTED", (0, 1, -1), (2,), Options({"fused_activation_function": "NONE"}))
    graph = Graph([Tensor("x", (1, depth), "float32"), weights, Tensor("y", (1, units), "float32")], [op], (0,), (2,))
    made = _native.Program(Model.of(graph).native, pool=_native.ThreadPool(1))
    (y,) = made.call([np.full((1, depth), 2, np.float32)])
    assert y[0, 7] == 6
    assert np.count_nonzero(y) == 1


# Values and layouts.


def test_what_is_infinite_stays_out_of_sums_where_its_weight_is_zero(rule: pytest.MonkeyPatch) -> None:
    case = fc.real((17, 32), 5, 32, biased=False)
    graph = with_sparse_weights(case, ROWS[0], share=1.0)
    (y,) = program(graph, ALWAYS, rule).call([np.full((17, 32), np.inf, np.float32)])
    np.testing.assert_array_equal(y, 0)


def listed(indices: Sequence[int], values: Array) -> Graph:
    """A row of weights with these columns, in this order."""
    level = SparseDimension(0, np.array([0, len(indices)], np.int32), np.array(indices, np.int32), True)
    layout = Sparsity((0, 1), (), (SparseDimension(1), level))
    weights = Tensor("w", (1, 8), "float32", values.astype(np.float32).tobytes(), sparsity=layout)
    op = Op("FULLY_CONNECTED", (0, 1, -1), (2,), Options({"fused_activation_function": "NONE"}))
    return Graph([Tensor("x", (2, 8), "float32"), weights, Tensor("y", (2, 1), "float32")], [op], (0,), (2,))


@pytest.mark.parametrize("indices", [[6, 1, 3], [2, 5, 2], [4, 4, 4], [7, 0, 7]])
def test_columns_out_of_order_and_listed_twice_mean_what_they_mean_when_spelled_out(
    indices: Sequence[int], rule: pytest.MonkeyPatch
) -> None:
    graph = listed(indices, np.array([3, 5, 7]))
    feed = [np.arange(16, dtype=np.float32).reshape(2, 8) ** 2]
    ours, expected = (program(graph, way, rule).call(feed)[0] for way in (ALWAYS, NEVER))
    np.testing.assert_array_equal(ours, expected)


def test_weights_whose_layout_contradicts_itself_are_refused(rule: pytest.MonkeyPatch) -> None:
    for way in (ALWAYS, NEVER):
        with pytest.raises(ModelError, match="sparse constant tensor 1 'w': index 9 is outside"):
            program(listed([1, 9], np.array([3, 5])), way, rule)


def test_a_batch_known_only_while_running_meets_compressed_weights(rule: pytest.MonkeyPatch) -> None:
    case = fc.real((6, 32), 5, 32)
    graph = with_sparse_weights(case, ROWS[0])
    n = len(graph.tensors)
    tensors = [*graph.tensors, Tensor("sizes", (2,), "int32"), Tensor("loose", (6, 32), "float32")]
    (op,) = graph.ops
    ops = [Op("RESHAPE", (0, n), (n + 1,)), replace(op, inputs=(n + 1, *op.inputs[1:]))]
    loose = Graph(tensors, ops, (0, n), graph.outputs, name="main")
    expected = program(graph, NEVER, rule).call(case.feed())[0]
    for way in (ALWAYS, NEVER):
        rule.setenv("SUBGRAFT_SPARSE", way)
        made = _native.Program(Model.of(loose).native, pool=_native.ThreadPool(1))
        for _ in range(2):
            (ours,) = made.call([*case.feed(), np.array([6, 32], np.int32)])
            np.testing.assert_array_equal(ours, expected)
        assert (made.folded_bytes == 0) is (way == ALWAYS)


def test_what_two_programs_derive_from_the_same_weights_outlives_the_first(rule: pytest.MonkeyPatch) -> None:
    case = fc.real((6, 32), 5, 32)
    model = Model.of(with_sparse_weights(case, ROWS[3]))
    rule.setenv("SUBGRAFT_SPARSE", ALWAYS)
    first, second = (_native.Program(model.native, pool=_native.ThreadPool(1)) for _ in range(2))
    expected = first.call(case.feed())[0]
    del first
    np.testing.assert_array_equal(second.call(case.feed())[0], expected)
