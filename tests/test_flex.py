"""TensorFlow's own ops in a model: what numpy computes for them, their attributes, and what is said of the others."""

import contextlib
import math

import numpy as np
import pytest

import subgraft
from node_defs import Type, node_def, options
from subgraft.delegates import Graph, InvokeError, Op, Options, Tensor, Unsupported
from subgraft.interpreter import node_def as reader
from subgraft.interpreter.flex import custom_ops, erf
from subgraft.interpreter.model import Model

PLAIN = Options({"fused_activation_function": "NONE"}, table="AddOptions")
rng = np.random.default_rng(7)


def flex_model(op, inputs, dtypes, *, constant=(), shape=(1,), name="", **attributes):
    """One Flex op; inputs by place in `constant` are part of the file. What follows it copies the first result."""
    tensors = []
    for i, x in enumerate(inputs):
        content = x.tobytes() if i in constant else None
        tensors.append(Tensor(f"in{i}", x.shape, str(x.dtype), buffer=content))
    outputs = tuple(range(len(tensors), len(tensors) + len(dtypes)))
    tensors += [Tensor(f"out{i}", shape, dtype) for i, dtype in enumerate(dtypes)]
    fed = tuple(i for i in range(len(inputs)) if i not in constant)
    told = options(op, name, **attributes)
    node = Op(f"Flex{op}", tuple(range(len(inputs))), outputs, is_custom=True, custom_options=told)
    return Model.of(Graph(tensors, [node], fed, outputs))


def run(op, *inputs, dtypes=None, constant=(), **attributes):
    inputs = [np.asarray(x) for x in inputs]
    model = flex_model(op, inputs, dtypes or [str(inputs[0].dtype)], constant=constant, **attributes)
    with subgraft.load(model.to_bytes()) as session:
        results = session.run({f"in{i}": x for i, x in enumerate(inputs) if i not in constant})
    return list(results.values()) if dtypes and len(dtypes) > 1 else next(iter(results.values()))


def test_erf_is_that_of_the_c_library():
    x = np.concatenate([rng.uniform(-7, 7, 20000), [0.0, -0.0, np.inf, -np.inf, 5.99, 6.01]])
    assert np.max(np.abs(erf(x) - [math.erf(value) for value in x])) < 3e-14
    assert np.isnan(erf(np.array([np.nan])))
    small = x[:100].astype(np.float32).reshape(2, 50)
    assert np.array_equal(run("Erf", small, T=Type("float32")), erf(small).astype(np.float32))


@pytest.mark.parametrize("op, function", [("Sub", np.subtract), ("Mul", np.multiply), ("AddV2", np.add)])
def test_arithmetic_of_int64_broadcasts_and_wraps(op, function):
    big = rng.integers(-(2**63), 2**63 - 1, (3, 4), np.int64, endpoint=True)
    row = rng.integers(-(2**63), 2**63 - 1, (4,), np.int64, endpoint=True)
    assert np.array_equal(run(op, big, row, T=Type("int64")), function(big, row))


@pytest.mark.parametrize(
    "op, a, b, expected",
    [
        ("FloorDiv", [7, -7, 7], [2, 2, -2], [3, -4, -4]),
        ("TruncateDiv", [7, -7, 6], [2, 2, -2], [3, -3, -3]),
        ("Div", [7, -7, 6], [2, 2, -2], [3, -3, -3]),
        ("FloorMod", [7, -7, 7], [4, 4, -4], [3, 1, -1]),
        ("TruncateMod", [7, -7, 7], [4, 4, -4], [3, -3, 3]),
        ("BitwiseXor", [5, 6, -1], [3, 3, 3], [6, 5, -4]),
        ("Pow", [2, -3, 1], [10, 3, 0], [1024, -27, 1]),
    ],
)
def test_integer_ops_round_as_tensorflow_says(op, a, b, expected):
    assert run(op, np.array(a, np.int64), np.array(b, np.int64)).tolist() == expected


def test_an_integer_divided_by_zero_is_an_error():
    with pytest.raises(InvokeError, match="op 0 FlexFloorDiv: ValueError: an integer is divided by zero"):
        run("FloorDiv", np.array([1], np.int32), np.array([0], np.int32))


def test_every_elementwise_op_keeps_its_type_or_gives_truths():
    ops = custom_ops()
    for name in ("Tan", "Softplus", "Reciprocal", "Rsqrt", "DivNoNan", "Atan2", "SquaredDifference"):
        inputs = [np.array([0, 0.5, 2], np.float32)] * (2 if name in ("DivNoNan", "Atan2", "SquaredDifference") else 1)
        result = ops[f"Flex{name}"].compute(inputs, b"")
        assert result.dtype == np.float32 and not np.isnan(result).any(), name
    assert ops["FlexIsNan"].compute([np.array([np.nan, 1], np.float32)], b"").tolist() == [True, False]
    assert ops["FlexLess"].compute([np.array([1, 2]), np.array([2])], b"").tolist() == [True, False]


@pytest.mark.parametrize(
    "begin, end, strides, masks, expected",
    [
        ([1, 0], [3, 2], [1, 1], {}, np.s_[1:3, 0:2]),
        ([-1, 3], [-9, 0], [-1, -2], {}, np.s_[-1:-9:-1, 3:0:-2]),
        ([0, 1], [0, 0], [1, 1], {"begin_mask": 1, "end_mask": 1, "shrink_axis_mask": 2}, np.s_[:, 1]),
        ([0, 2], [0, 3], [1, 1], {"ellipsis_mask": 1}, np.s_[..., 2:3]),
        ([0, 1, 0], [0, 3, 0], [1, 1, 1], {"new_axis_mask": 1, "end_mask": 4}, np.s_[None, 1:3, 0:]),
        ([5, 0], [9, 2], [1, 1], {}, np.s_[5:9, 0:2]),
    ],
)
@pytest.mark.parametrize("constant", [(), (1, 2, 3)])
def test_strided_slice(begin, end, strides, masks, expected, constant):
    x = np.arange(24, dtype=np.int64).reshape(4, 6)
    bounds = [np.array(values, np.int32) for values in (begin, end, strides)]
    result = run("StridedSlice", x, *bounds, constant=constant, Index=Type("int32"), **masks)
    assert np.array_equal(result, x[expected]) and result.shape == x[expected].shape


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cumsum_also_backwards_and_without_the_last(axis):
    x = rng.integers(-9, 9, (3, 4)).astype(np.int64)
    along = np.array(axis, np.int32)
    assert np.array_equal(run("Cumsum", x, along), np.cumsum(x, axis))
    assert np.array_equal(run("Cumsum", x, along, exclusive=True), np.cumsum(x, axis) - x)
    backwards = np.flip(np.cumsum(np.flip(x, axis), axis), axis)
    assert np.array_equal(run("Cumsum", x, along, reverse=True), backwards)
    assert np.array_equal(run("Cumsum", x, along, reverse=True, exclusive=True), backwards - x)
    ones = run("Cumprod", x[:0], np.array(1, np.int32), exclusive=True)
    assert ones.shape == (0, 4)


def test_ragged_range_gives_rows_of_any_length():
    starts, limits, deltas = (np.array(values, np.int64) for values in ([0, 5, 8, 3], [3, 5, 5, 0], [1, 1, -2, 1]))
    splits, values = run("RaggedRange", starts, limits, deltas, dtypes=["int64"] * 2, Tsplits=Type("int64"))
    assert splits.tolist() == [0, 3, 3, 5, 5] and values.tolist() == [0, 1, 2, 8, 6]
    splits, values = run(
        "RaggedRange", np.float32(0), np.array([1, 2], np.float32), np.float32(0.5), dtypes=["int32", "float32"],
        Tsplits=Type("int32"),
    )  # fmt: skip
    assert splits.tolist() == [0, 2, 6] and values.tolist() == [0, 0.5, 0, 0.5, 1, 1.5]
    with pytest.raises(InvokeError, match="too many"):
        run("RaggedRange", np.int64(0), np.int64(2**62), np.int64(1), dtypes=["int64"] * 2)
    with pytest.raises(InvokeError, match="a delta is 0"):
        run("RaggedRange", np.int64(0), np.int64(1), np.int64(0), dtypes=["int64"] * 2)


RAGGED = (np.array([1, 2, 3, 4, 5, 6], np.int32), np.int32(-1))


def to_tensor(shape, kinds, *partitions, values=RAGGED[0], default=RAGGED[1]):
    given = [np.asarray(shape, np.int64), values, default, *(np.asarray(p, np.int64) for p in partitions)]
    return run("RaggedTensorToTensor", *given, dtypes=["int32"], row_partition_types=[k.encode() for k in kinds])


def test_ragged_tensors_become_dense():
    splits = [0, 2, 2, 6]
    dense = [[1, 2, -1, -1], [-1, -1, -1, -1], [3, 4, 5, 6]]
    assert to_tensor(-1, ["ROW_SPLITS"], splits).tolist() == dense
    rows = to_tensor(-1, ["FIRST_DIM_SIZE", "VALUE_ROWIDS"], 3, [0, 0, 2, 2, 2, 2])
    assert rows.tolist() == dense
    assert to_tensor([2, 3], ["ROW_SPLITS"], splits).tolist() == [[1, 2, -1], [-1, -1, -1]]
    assert to_tensor([4, -1], ["ROW_SPLITS"], splits).tolist() == [*dense, [-1] * 4]
    nested = to_tensor(-1, ["ROW_SPLITS", "ROW_SPLITS"], [0, 1, 3], [0, 2, 3, 6])
    assert nested.tolist() == [[[1, 2, -1], [-1, -1, -1]], [[3, -1, -1], [4, 5, 6]]]
    pairs = to_tensor(-1, ["ROW_SPLITS"], [0, 2, 3], values=RAGGED[0].reshape(3, 2))
    assert pairs.tolist() == [[[1, 2], [3, 4]], [[5, 6], [-1, -1]]]
    assert to_tensor(-1, ["ROW_SPLITS"], [0], values=RAGGED[0][:0]).shape == (0, 0)


@pytest.mark.parametrize(
    "shape, kinds, partitions",
    [
        (-1, ["ROW_SPLITS"], [[0, 7]]),
        (-1, ["ROW_SPLITS"], [[0, 9, 6]]),
        (-1, ["ROW_SPLITS"], [[]]),
        (-1, ["ROW_SPLITS"], [[0, 2**62]]),
        (-1, ["FIRST_DIM_SIZE", "VALUE_ROWIDS"], [2, [0, 0, 2, 2, 2, 2]]),
        (-1, ["FIRST_DIM_SIZE", "VALUE_ROWIDS"], [-5, [0, 0, 2, 2, 2, 2]]),
        (-1, ["FIRST_DIM_SIZE"], [3]),
        (-1, ["NONSENSE"], [[0, 6]]),
        (-1, [], []),
        ([-1], ["ROW_SPLITS"], [[0, 6]]),
        ([2**31, 2**31], ["ROW_SPLITS"], [[0, 6]]),
    ],
)
def test_what_makes_no_ragged_tensor_is_an_error(shape, kinds, partitions):
    with pytest.raises(InvokeError, match="op 0 FlexRaggedTensorToTensor"):
        to_tensor(shape, kinds, *partitions)


def test_multinomial_draws_by_the_odds_and_the_same_again_with_a_seed():
    logits = np.log(np.array([[1, 2, 5], [8, 1e-30, 1]], np.float32))
    count = np.array(2000, np.int32)

    def draws(**seed):
        given = {"output_dtype": Type("int32"), "name": "draw", **seed}
        return run("Multinomial", logits, count, dtypes=["int32"], constant=(1,), **given)

    first = draws(seed=3, seed2=4)
    assert first.shape == (2, 2000) and not (first[1] == 1).any()
    shares = np.bincount(first[0], minlength=3) / 2000
    np.testing.assert_allclose(shares, [1 / 8, 2 / 8, 5 / 8], atol=0.05)
    assert np.array_equal(first, draws(seed=3, seed2=4))
    assert not np.array_equal(first, draws())


def test_kernels_run_behind_results_whose_size_is_found_while_running():
    tensors = [Tensor(name, (), "int64") for name in ("start", "limit", "delta")]
    tensors += [Tensor(name, (1,), "int64") for name in ("splits", "values", "twice")]
    ragged = Op("FlexRaggedRange", (0, 1, 2), (3, 4), is_custom=True, custom_options=options("RaggedRange"))
    model = Model.of(Graph(tensors, [ragged, Op("ADD", (4, 4), (5,), PLAIN)], (0, 1, 2), (5,)))
    with subgraft.load(model) as session:
        for limit in (4, 0, 9):
            given = {"start": np.int64(0), "limit": np.int64(limit), "delta": np.int64(1)}
            result = session.run({name: np.asarray(value) for name, value in given.items()})
            assert result["twice"].tolist() == [2 * i for i in range(limit)]


def test_the_drop_in_runs_them_too():
    x = np.array([[0.5, -2]], np.float32)
    interpreter = subgraft.Interpreter(model_content=flex_model("Erf", [x], ["float32"]).to_bytes())
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, x)
    interpreter.invoke()
    np.testing.assert_allclose(interpreter.get_tensor(1), [[math.erf(0.5), math.erf(-2)]], rtol=1e-6)


def test_a_function_of_the_users_goes_before():
    x = np.ones(3, np.float32)
    with subgraft.load(flex_model("Erf", [x], ["float32"]), custom_ops={"FlexErf": lambda given, _: given[0] + 1}) as s:
        assert s.run({"in0": x})["out0"].tolist() == [2, 2, 2]


def test_another_flex_op_is_named_with_its_node_and_how_to_register_it():
    model = flex_model("Whatever", [np.ones(3, np.float32)], ["float32"], name="block/whatever")
    message = r"op 0 FlexWhatever: .*; TensorFlow's node of FlexWhatever is 'block/whatever'; a custom op can be"
    with pytest.raises(Unsupported, match=message + r'.*custom_ops=\{"FlexWhatever": function\}'):
        subgraft.load(model)
    unnamed = flex_model("Whatever", [np.ones(3, np.float32)], ["float32"])
    with pytest.raises(Unsupported, match=r"op 0 FlexWhatever: .* custom op; a custom op can be written in Python"):
        subgraft.load(unnamed)


def test_attributes_are_read_whatever_their_kind():
    given = {
        "i": -3, "f": 0.5, "b": True, "s": b"\xff\x00x", "t": Type("int64"), "shape": (1, -1),
        "list": [1, -2, 300], "strings": [b"a", b""], "floats": [0.5, 2.0], "types": [Type("bool")],
    }  # fmt: skip
    told = {"op": "Op", "name": "node"}
    assert reader.parse(node_def("Op", "node", **given)) == {**told, **given}
    assert reader.attributes(["Op", node_def("Op", "node", i=1)]) == {**told, "i": 1}


def test_no_damage_to_a_node_def_raises_anything_but_value_error():
    whole = node_def("Op", "node", i=-3, f=0.5, s=b"text", shape=(1, -1), list=[1, -2, 300], strings=[b"a"])
    for _ in range(3000):
        damaged = bytearray(whole[: rng.integers(0, len(whole) + 1)])
        for _ in range(rng.integers(0, 4)):
            if damaged:
                damaged[rng.integers(len(damaged))] = rng.integers(256)
        with contextlib.suppress(ValueError):
            reader.parse(bytes(damaged))
    for nonsense in (b"", "text", ["Op"], ["Op", 3], None):
        with pytest.raises(ValueError, match="not those of a Flex op"):
            reader.attributes(nonsense)
