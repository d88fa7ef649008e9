"""Control flow over tensors whose shape changes: loops that grow, branches that differ, bodies after unknown shapes."""

from __future__ import annotations

import signal
import threading
import time

import numpy as np
import pytest

import subgraft
from oracle import Oracle
from subgraft.backends.fake import Fake
from subgraft.delegates import Graph, InvokeError, ModelError, Op, Options, Tensor, Unsupported, flexbuffer
from subgraft.interpreter.model import Model

NONE = {"fused_activation_function": "NONE"}
ADD = Options(NONE, table="AddOptions")
CONCAT = Options({"axis": 0, **NONE}, table="ConcatenationOptions")
LOOP = Options({"cond_subgraph_index": 1, "body_subgraph_index": 2}, table="WhileOptions")
CHOICE = Options({"then_subgraph_index": 1, "else_subgraph_index": 2}, table="IfOptions")
LESS = Options({}, table="LessOptions")


def number(name, dtype="int32"):
    return Tensor(name, (1,), dtype)


def row(name, size=2):
    return Tensor(name, (size,), "float32", shape_signature=(-1,))


def constant(name, value):
    return Tensor.constant(name, np.array([value], np.int32))


def growing(limit=4, tail=True):
    """i = 0; while i < limit: x = x ++ x, i += 1; y = x + x."""
    ops = [Op("WHILE", (0, 1), (2, 3), LOOP)] + ([Op("ADD", (3, 3), (4,), ADD)] if tail else [])
    main = Graph((number("i"), row("x"), number("steps"), row("grown"), row("y")), ops, (0, 1), (2, 4 if tail else 3))
    condition = Graph(
        (number("i"), row("x"), constant("limit", limit), Tensor("less", (1,), "bool")),
        (Op("LESS", (0, 2), (3,), LESS),), (0, 1), (3,), index=1,
    )  # fmt: skip
    body = Graph(
        (number("i"), row("x"), constant("one", 1), number("next"), row("both")),
        (Op("ADD", (0, 2), (3,), ADD), Op("CONCATENATION", (1, 1), (4,), CONCAT)),
        (0, 1), (3, 4), index=2,
    )  # fmt: skip
    return Model.of(main, condition, body)


def choosing():
    """y = x ++ x when c, else x; z = y + y."""
    main = Graph(
        (number("c", "bool"), row("x"), row("y"), row("z")),
        (Op("IF", (0, 1), (2,), CHOICE), Op("ADD", (2, 2), (3,), ADD)),
        (0, 1),
        (3,),
    )
    then = Graph((row("x"), row("y")), (Op("CONCATENATION", (0, 0), (1,), CONCAT),), (0,), (1,), index=1)
    other = Graph((row("x"), row("y")), (Op("NEG", (0,), (1,), Options({}, table="NegOptions")),), (0,), (1,), index=2)
    return Model.of(main, then, other)


def i(value):
    return np.array([value], np.int32)


X = np.array([1, 2], np.float32)


@pytest.mark.parametrize("delegates", [[], [Fake(kinds="ADD")], [Fake()]], ids=["cpu", "adds", "all"])
@pytest.mark.parametrize("start", [0, 3, 4])
def test_a_loop_may_grow_what_it_carries_as_tflite_does(delegates, start, oracle: Oracle):
    model = growing()
    with subgraft.load(model, delegates) as session:
        result = session.run({"i": i(start), "x": X})
        again = session.run({"i": i(start), "x": X})
    steps, y = oracle.run(model.to_bytes(), i(start), X).outputs
    assert np.array_equal(result["steps"], steps) and np.array_equal(result["y"], y)
    assert len(y) == 2 * 2 ** (4 - start) and np.array_equal(again["y"], y)


def test_what_a_loop_gives_may_be_the_output():
    with subgraft.load(growing(tail=False)) as session:
        assert session.run({"i": i(2), "x": X})["grown"].tolist() == [1, 2] * 4


def test_a_loop_takes_other_shapes_than_the_file_says():
    with subgraft.load(growing()) as session:
        assert session.run({"i": i(3), "x": np.ones(5, np.float32)})["y"].tolist() == [2] * 10


@pytest.mark.parametrize("delegates", [[], [Fake()]], ids=["cpu", "fake"])
def test_branches_may_differ_in_their_shapes_as_tflite_allows(delegates, oracle: Oracle):
    model = choosing()
    with subgraft.load(model, delegates) as session:
        for choice in (True, False, True):
            for x in (X, np.ones(3, np.float32)):
                given = np.array([choice])
                (z,) = oracle.run(model.to_bytes(), given, x, shapes={1: x.shape}).outputs
                assert np.array_equal(session.run({"c": given, "x": x})["z"], z)


@pytest.mark.parametrize("limit, fine", [(4, True), (3, False), (0, False)])
def test_a_loop_is_stopped_after_as_many_steps_as_it_may_take(limit, fine):
    with subgraft.load(growing(), max_loop_steps=limit) as session:
        if fine:
            assert session.run({"i": i(0), "x": X})["steps"] == 4
            return
        with pytest.raises(InvokeError, match=f"op 0 WHILE wants more than {limit} steps; load.max_loop_steps="):
            session.run({"i": i(0), "x": X})
        assert session.run({"i": i(4), "x": X})["steps"] == 4


def test_a_negative_budget_is_refused():
    with pytest.raises(ValueError, match="max_loop_steps is -1"):
        subgraft.load(growing(), max_loop_steps=-1)


def endless():
    main = Graph((number("x"), number("y")), (Op("WHILE", (0,), (1,), LOOP),), (0,), (1,))
    truth = Tensor.constant("yes", np.array([True]))
    condition = Graph((number("x"), truth), (), (0,), (1,), index=1)
    body = Graph((number("x"), constant("one", 1), number("y")), (Op("ADD", (0, 1), (2,), ADD),), (0,), (2,), index=2)
    return Model.of(main, condition, body)


def test_an_endless_loop_can_be_interrupted_and_the_session_goes_on():
    with subgraft.load(endless()) as session:
        timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
        timer.start()
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            session.run({"x": i(0)})
        timer.join()
        assert time.monotonic() - start < 10
        with pytest.raises(KeyboardInterrupt):
            threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]).start()
            session.run({"x": i(0)})


def case_model():
    """y = the branch's of x: NEG, ABS, or both halves of x ++ x."""
    branches = Options({"branch_subgraph_indices": [1, 2, 3]}, table="StablehloCaseOptions")
    main = Graph(
        (number("which"), row("x"), row("y"), row("z")),
        (Op("STABLEHLO_CASE", (0, 1), (2,), branches), Op("ADD", (2, 2), (3,), ADD)),
        (0, 1),
        (3,),
    )
    kinds = [("NEG", (0,), "NegOptions", {}), ("ABS", (0,), "AbsOptions", {})]
    bodies = [
        Graph((row("x"), row("y")), (Op(kind, given, (1,), Options(options, table=table)),), (0,), (1,), index=i)
        for i, (kind, given, table, options) in enumerate(kinds, 1)
    ]
    both = Graph((row("x"), row("y")), (Op("CONCATENATION", (0, 0), (1,), CONCAT),), (0,), (1,), index=3)
    return Model.of(main, *bodies, both)


@pytest.mark.parametrize("delegates", [[], [Fake()]], ids=["cpu", "fake"])
def test_a_case_runs_the_branch_of_its_number_and_the_last_for_any_other(delegates):
    x = np.array([-1, 2], np.float32)
    expected = {0: [2, -4], 1: [2, 4], 2: [-2, 4, -2, 4], 3: [-2, 4, -2, 4], -1: [-2, 4, -2, 4]}
    with subgraft.load(case_model(), delegates) as session:
        for which, z in expected.items():
            assert session.run({"which": i(which), "x": x})["z"].tolist() == z


def test_a_case_is_tflites_where_the_branch_is_there(oracle: Oracle):
    x = np.array([-1, 2], np.float32)
    for which in range(2):
        answer = oracle.run(case_model().to_bytes(), i(which), x, resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES")
        with subgraft.load(case_model()) as session:
            assert np.array_equal(session.run({"which": i(which), "x": x})["z"], answer.outputs[0])


def test_a_composite_runs_its_decomposition_as_tflite_does(oracle: Oracle):
    told = {"name": "odml.twice", "decomposition_subgraph_index": 1, "composite_attributes": flexbuffer.encode({})}
    options = Options(told, table="StableHLOCompositeOptions")
    main = Graph(
        (row("x"), row("y"), row("z")),
        (Op("STABLEHLO_COMPOSITE", (0,), (1,), options), Op("ADD", (1, 1), (2,), ADD)), (0,), (2,),
    )  # fmt: skip
    body = Graph((row("x"), row("y")), (Op("ADD", (0, 0), (1,), ADD),), (0,), (1,), index=1)
    model = Model.of(main, body)
    (theirs,) = oracle.run(model.to_bytes(), X).outputs
    for delegates in ([], [Fake()]):
        with subgraft.load(model, delegates) as session:
            assert np.array_equal(session.run({"x": X})["z"], theirs)


def test_a_case_without_branches_is_refused():
    branches = Options({"branch_subgraph_indices": []}, table="StablehloCaseOptions")
    main = Graph((number("which"), row("x"), row("y")), (Op("STABLEHLO_CASE", (0, 1), (2,), branches),), (0, 1), (2,))
    with pytest.raises((ModelError, Unsupported), match="STABLEHLO_CASE"):
        subgraft.load(Model.of(main))
