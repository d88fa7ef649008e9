"""Ops whose shapes are known only while running stay prepared for the last shapes and values, and notice new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import subgraft
from subgraft.delegates import Graph, Op, Options, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

ADD = Options({"fused_activation_function": "NONE"})


def program(graph: Graph) -> _native.Program:
    return _native.Program(Model.of(graph).native, pool=_native.ThreadPool(1))


def reshaped_and_multiplied(depth: int = 4) -> Graph:
    """x as the rows that `sizes` asks for, through FULLY_CONNECTED and ADD."""
    tensors = [
        Tensor("x", (24,), "float32"),
        Tensor("sizes", (2,), "int32"),
        Tensor("rows", (1, depth), "float32"),
        Tensor.constant("weights", np.arange(3 * depth, dtype=np.float32).reshape(3, depth)),
        Tensor("product", (1, 3), "float32"),
        Tensor("y", (1, 3), "float32"),
    ]
    ops = [
        Op("RESHAPE", (0, 1), (2,)),
        Op("FULLY_CONNECTED", (2, 3, -1), (4,), ADD),
        Op("ADD", (4, 4), (5,), ADD),
    ]
    return Graph(tensors, ops, (0, 1), (5,), name="main")


def test_shapes_that_come_again_after_more_than_are_kept_give_right_answers() -> None:
    tensors = [Tensor("x", (24,), "float32"), Tensor("sizes", (2,), "int32")]
    tensors += [Tensor(name, (1, 1), "float32") for name in ("rows", "probabilities")]
    ops = [Op("RESHAPE", (0, 1), (2,)), Op("SOFTMAX", (2,), (3,), Options({"beta": 1.0}))]
    made = program(Graph(tensors, ops, (0, 1), (3,), name="main"))
    rng = np.random.default_rng(0)
    for rows in [1, 2, 3, 4, 6, 8, 2, 1, 1, 3, 24, 12, 8] * 3:
        x = rng.standard_normal(24).astype(np.float32)
        (y,) = made.call([x, np.array([rows, -1], np.int32)])
        powers = np.exp(x.reshape(rows, -1))
        np.testing.assert_allclose(y, powers / powers.sum(axis=1, keepdims=True), rtol=1e-5)


PARAMETERS: dict[str, tuple[tuple[int, ...], str, list[Any], dict[str, Any]]] = {
    # kind: shape of x, dtype of the parameter, its values in turn, options
    "TRANSPOSE": ((3, 3), "int32", [[0, 1], [1, 0]], {}),
    "TILE": ((2, 3), "int32", [[1, 2], [2, 1], [0, 4], [3, 3], [1, 1]], {}),
    "PAD": ((2, 3), "int32", [[[0, 1], [1, 0]], [[1, 0], [0, 1]], [[2, 2], [2, 2]]], {}),
    "SUM": ((3, 3), "int32", [[0], [1], [-1]], {"keep_dims": False}),
    "BROADCAST_TO": ((1, 3), "int32", [[2, 3], [4, 3], [1, 3]], {}),
    "EXPAND_DIMS": ((3, 2), "int32", [[0], [1], [2]], {}),
    "REVERSE_V2": ((3, 3), "int32", [[0], [1]], {}),
    "RESHAPE": ((2, 6), "int32", [[3, 4], [4, 3], [12, 1], [1, 12], [6, 2], [2, 6], [3, 4]], {}),
    "RESIZE_NEAREST_NEIGHBOR": ((1, 2, 2, 1), "int32", [[4, 2], [2, 4], [3, 3]], {}),
}  # fmt: skip


@pytest.mark.parametrize("kind", PARAMETERS)
@pytest.mark.parametrize("computed", [False, True], ids=["fed", "computed"])
def test_another_parameter_of_the_same_shape_is_noticed(kind: str, computed: bool) -> None:
    shape, dtype, values, options = PARAMETERS[kind]
    parameter = Tensor("parameter", np.shape(values[0]), dtype)
    tensors = [Tensor("x", shape, "float32"), parameter, Tensor("y", (1,), "float32")]
    ops = [Op(kind, (0, 1), (2,), Options(options))]
    if computed:  # in memory that moves: a tensor sized while running decides
        tensors += [
            Tensor("size", (len(parameter.shape),), "int32"),
            Tensor("moving", parameter.shape, dtype),
        ]
        ops = [Op("RESHAPE", (1, 3), (4,)), Op(kind, (0, 4), (2,), Options(options))]
    made = program(Graph(tensors, ops, (0, 1, 3) if computed else (0, 1), (2,), name="main"))
    rng = np.random.default_rng(1)
    for value in [*values, *values, *reversed(values), values[0], values[0]]:
        x = rng.standard_normal(shape).astype(np.float32)
        given = np.array(value, dtype)
        feed = [x, given, np.array(given.shape, np.int32)] if computed else [x, given]
        constant = [tensors[0], Tensor.constant("parameter", given), tensors[2]]
        expected = program(Graph(constant, [Op(kind, (0, 1), (2,), Options(options))], (0,), (2,))).call([x])[0]
        held = made.call(feed)[0]
        np.testing.assert_array_equal(held, expected)


def test_a_view_of_what_one_run_sized_keeps_its_values_through_the_next() -> None:
    made = program(reshaped_and_multiplied())
    sizes = np.array([6, 4], np.int32)
    before = made.call([np.ones(24, np.float32), sizes])[0]
    view = made.view(5)
    made.call([np.zeros(24, np.float32), sizes])
    np.testing.assert_array_equal(view, before)


def test_values_too_many_to_compare_decide_anew_in_every_run() -> None:
    size = 2000  # more bytes than are kept
    made = program(
        Graph([Tensor("x", (size,), "bool"), Tensor("y", (1, 1), "int64")], [Op("WHERE", (0,), (1,))], (0,), (1,))
    )
    rng = np.random.default_rng(2)
    for share in (0.5, 0.5, 0.0, 1.0, 0.5):
        x = rng.random(size) < share
        np.testing.assert_array_equal(made.call([x])[0], np.argwhere(x))


def test_a_variable_that_changes_its_shape_is_read_with_the_shape_it_has() -> None:
    variable = Options({"container": "", "shared_name": "v"}, table="VarHandleOptions")
    tensors = [
        Tensor("x", (24,), "float32"),
        Tensor("sizes", (2,), "int32"),
        Tensor("rows", (1, 1), "float32"),
        Tensor("handle", (), "resource"),
        Tensor("y", (), "float32"),
    ]
    ops = [
        Op("RESHAPE", (0, 1), (2,)),
        Op("VAR_HANDLE", (), (3,), variable),
        Op("ASSIGN_VARIABLE", (3, 2), ()),
        Op("READ_VARIABLE", (3,), (4,)),
    ]
    with subgraft.load(Model.of(Graph(tensors, ops, (0, 1), (4,), name="main"))) as session:
        x = np.arange(24, dtype=np.float32)
        for shape in [(4, 6), (6, 4), (4, 6), (2, 12), (4, 6)]:
            y = session.run({"x": x, "sizes": np.array(shape, np.int32)})["y"]
            np.testing.assert_array_equal(y, x.reshape(shape))


def remembering(times: int) -> Graph:
    """A plain RNN over so many steps, which remembers its last output; the number of steps is open."""
    tensors = [
        Tensor("x", (1, times, 2), "float32", shape_signature=(1, -1, 2)),
        Tensor.constant("weights", np.eye(2, dtype=np.float32)),
        Tensor.constant("recurrent", np.eye(2, dtype=np.float32)),
        Tensor.constant("bias", np.zeros(2, np.float32)),
        Tensor("state", (1, 2), "float32", is_variable=True),
        Tensor("y", (1, times, 2), "float32", shape_signature=(1, -1, 2)),
    ]
    options = Options({"time_major": False, "fused_activation_function": "NONE"})
    return Graph(tensors, [Op("UNIDIRECTIONAL_SEQUENCE_RNN", (0, 1, 2, 3, 4), (5,), options)], (0,), (5,), name="main")


def sums(session: subgraft.Session, steps: Sequence[int]) -> list[float]:
    """The last output for inputs of ones: how many were summed since the state was zero."""
    return [float(session.run({"x": np.ones((1, n, 2), np.float32)})["y"][0, -1, 0]) for n in steps]


def test_state_begins_anew_with_each_change_of_shapes() -> None:
    """As in TFLite, which resets variable tensors when it allocates; also for shapes that are still compiled."""
    with subgraft.load(Model.of(remembering(2))) as session:
        assert sums(session, [2, 2, 3, 3, 2, 2]) == [2, 4, 3, 6, 2, 4]
        session.resize({"x": (1, 2, 2)})
        assert sums(session, [2]) == [6]  # the shape that it has
