"""IF, WHILE and CALL inside of one native program: bodies without Python between them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence

import numpy as np
import pytest

import subgraft
from subgraft.delegates import Graph, InvokeError, Op, Options, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

ADD = Options({"fused_activation_function": "NONE"}, table="AddOptions")
LESS = Options({}, table="LessOptions")


def loop(cond: int = 1, body: int = 2) -> Options:
    return Options({"cond_subgraph_index": cond, "body_subgraph_index": body}, table="WhileOptions")


def numbers(*names: str, dtype: str = "int32") -> list[Tensor]:
    return [Tensor(name, (1,), dtype) for name in names]


def constant(name: str, value: int) -> Tensor:
    return Tensor.constant(name, np.array([value], np.int32))


def less_than(limit: int, inputs: int, index: int) -> Graph:
    """Whether the first of its inputs is less than the limit."""
    tensors = [*numbers(*(f"x{i}" for i in range(inputs))), constant("limit", limit), *numbers("less", dtype="bool")]
    return Graph(tensors, [Op("LESS", (0, inputs), (inputs + 1,), LESS)], range(inputs), (inputs + 1,), index=index)


def runs_natively(model: Model) -> bool:
    with subgraft.load(model) as session:
        return isinstance(session._engine, _native.Program)


def run(model: Model, *inputs: Sequence[int]) -> list[list[int]]:
    assert runs_natively(model)
    with subgraft.load(model) as session:
        given = {name: np.array(x, np.int32) for name, x in zip(session.inputs, inputs, strict=True)}
        first = [x.tolist() for x in session.run(given).values()]
        assert first == [x.tolist() for x in session.run(given).values()]
        return first


def test_variables_of_a_loop_may_change_places() -> None:
    """Fibonacci: i, a, b = i + 1, b, a + b."""
    body = Graph(
        [*numbers("i", "a", "b"), constant("one", 1), *numbers("j", "c")],
        [Op("ADD", (0, 3), (4,), ADD), Op("ADD", (1, 2), (5,), ADD)],
        (0, 1, 2),
        (4, 2, 5),
        index=2,
    )
    main = Graph(
        numbers("i", "a", "b", "j", "c", "d"), [Op("WHILE", (0, 1, 2), (3, 4, 5), loop())], (0, 1, 2), (3, 4, 5)
    )
    assert run(Model.of(main, less_than(10, 3, 1), body), [0], [0], [1]) == [[10], [55], [89]]
    assert run(Model.of(main, less_than(10, 3, 1), body), [10], [3], [4]) == [[10], [3], [4]]


def test_an_output_may_be_given_twice_and_another_be_a_constant() -> None:
    body = Graph(
        [*numbers("i", "a", "b"), constant("one", 1), *numbers("j")],
        [Op("ADD", (0, 3), (4,), ADD)],
        (0, 1, 2),
        (4, 4, 3),
        index=2,
    )
    main = Graph(
        numbers("i", "a", "b", "j", "c", "d"), [Op("WHILE", (0, 1, 2), (3, 4, 5), loop())], (0, 1, 2), (3, 4, 5)
    )
    assert run(Model.of(main, less_than(5, 3, 1), body), [2], [7], [9]) == [[5], [5], [1]]


def test_what_a_loop_leaves_alone_is_its_input() -> None:
    """The sum of the array that every step reads."""
    main = Graph(
        [*numbers("i", "sum"), Tensor("x", (4,), "int32"), *numbers("j", "total"), Tensor("same", (4,), "int32"),
         Tensor("twice", (4,), "int32")],
        [Op("WHILE", (0, 1, 2), (3, 4, 5), loop()), Op("ADD", (5, 5), (6,), ADD)],
        (0, 1, 2),
        (3, 4, 5, 6),
    )  # fmt: skip
    body = Graph(
        [*numbers("i", "sum"), Tensor("x", (4,), "int32"), constant("one", 1), *numbers("j", "item", "next")],
        [
            Op("ADD", (0, 3), (4,), ADD),
            Op("GATHER", (2, 0), (5,), Options({"axis": 0}, table="GatherOptions")),
            Op("ADD", (1, 5), (6,), ADD),
        ],
        (0, 1, 2),
        (4, 6, 2),
        index=2,
    )
    condition = Graph(
        [*numbers("i", "sum"), Tensor("x", (4,), "int32"), constant("limit", 4), *numbers("less", dtype="bool")],
        [Op("LESS", (0, 3), (4,), LESS)],
        (0, 1, 2),
        (4,),
        index=1,
    )
    model = Model.of(main, condition, body)
    assert run(model, [0], [0], [1, 2, 3, 4]) == [[4], [10], [1, 2, 3, 4], [2, 4, 6, 8]]


def test_loops_within_loops_may_share_their_condition() -> None:
    """Both count to 6 with graph 1; the outer one adds what the inner one counted."""
    inner = Graph(
        [*numbers("i", "n"), constant("two", 2), constant("one", 1), *numbers("j", "m")],
        [Op("ADD", (0, 2), (4,), ADD), Op("ADD", (1, 3), (5,), ADD)],
        (0, 1),
        (4, 5),
        index=3,
    )
    outer = Graph(
        [*numbers("i", "n"), constant("zero", 0), constant("one", 1), *numbers("j", "end", "m")],
        [Op("WHILE", (2, 1), (5, 6), loop(1, 3)), Op("ADD", (0, 3), (4,), ADD)],
        (0, 1),
        (4, 6),
        index=2,
    )
    main = Graph(numbers("i", "n", "j", "m"), [Op("WHILE", (0, 1), (2, 3), loop())], (0, 1), (2, 3))
    assert run(Model.of(main, less_than(6, 2, 1), outer, inner), [0], [0]) == [[6], [18]]


def test_one_graph_may_be_called_by_several_ops() -> None:
    twice = Graph(numbers("x", "y"), [Op("ADD", (0, 0), (1,), ADD)], (0,), (1,), index=1)
    call = Options({"subgraph": 1}, table="CallOptions")
    ops = [Op("CALL", (i,), (i + 1,), call) for i in range(5)]
    assert run(Model.of(Graph(numbers(*"abcdef"), ops, (0,), (5, 3)), twice), [1]) == [[32], [8]]


def counting_to(limit: int) -> Model:
    main = Graph(numbers("x", "y"), [Op("WHILE", (0,), (1,), loop())], (0,), (1,))
    body = Graph(
        [*numbers("x"), constant("one", 1), *numbers("y")], [Op("ADD", (0, 1), (2,), ADD)], (0,), (2,), index=2
    )
    return Model.of(main, less_than(limit, 1, 1), body)


def test_a_native_loop_is_stopped_after_as_many_steps_as_it_may_take() -> None:
    assert runs_natively(counting_to(4))
    with subgraft.load(counting_to(4), max_loop_steps=3) as session:
        with pytest.raises(InvokeError, match="op 0 WHILE.*wants more than 3 steps; load.max_loop_steps="):
            session.run({"x": np.array([0], np.int32)})
        assert session.run({"x": np.array([1], np.int32)})["y"] == 4


def test_a_native_loop_can_be_interrupted() -> None:
    model = counting_to(2**31 - 1)
    assert runs_natively(model)
    with subgraft.load(model) as session:
        timer = threading.Timer(0.2, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            session.run({"x": np.array([-(2**31)], np.int32)})
        timer.join()
        assert session.run({"x": np.array([2**31 - 2], np.int32)})["y"] == 2**31 - 1


def test_an_error_in_a_body_names_the_ops_that_led_there() -> None:
    gather = Op("GATHER", (1, 0), (2,), Options({"axis": 0}, table="GatherOptions"))
    pick = Graph([*numbers("i"), Tensor("x", (3,), "int32"), *numbers("y")], [gather], (0, 1), (2,), index=1)
    call = Op("CALL", (0, 1), (2,), Options({"subgraph": 1}, table="CallOptions"))
    main = Graph([*numbers("i"), Tensor("x", (3,), "int32"), *numbers("y")], [call], (0, 1), (2,))
    x = np.arange(3, dtype=np.int32)
    with subgraft.load(Model.of(main, pick)) as session:
        with pytest.raises(InvokeError, match="op 0 CALL: op 0 GATHER"):
            session.run({"i": np.array([3], np.int32), "x": x})
        assert session.run({"i": np.array([2], np.int32), "x": x})["y"] == 2
