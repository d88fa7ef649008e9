"""IF, WHILE and CALL whose bodies have plans of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import subgraft
from subgraft.backends.fake import Fake
from subgraft.delegates import Graph, ModelError, Op, Options, Tensor
from subgraft.interpreter.model import Model

NONE = {"fused_activation_function": "NONE"}
ADD, MUL = Options(NONE, table="AddOptions"), Options(NONE, table="MulOptions")

LOOP = Options({"cond_subgraph_index": 1, "body_subgraph_index": 2}, table="WhileOptions")
CHOICE = Options({"then_subgraph_index": 1, "else_subgraph_index": 2}, table="IfOptions")


def scalar(name, dtype="float32"):
    return Tensor(name, (1,), dtype)


def constant(name, value):
    return Tensor.constant(name, np.array([value], np.float32))


def doubling():
    """Doubles x until it is at least 100, then adds 1."""
    main = Graph(
        (scalar("x"), scalar("big"), constant("one", 1), scalar("y")),
        (
            Op(
                "WHILE", (0,), (1,), Options({"cond_subgraph_index": 1, "body_subgraph_index": 2}, table="WhileOptions")
            ),
            Op("ADD", (1, 2), (3,), ADD),
        ),
        (0,),
        (3,),
        name="main",
    )
    condition = Graph(
        (scalar("x"), constant("limit", 100), scalar("less", "bool")),
        (Op("LESS", (0, 1), (2,), Options({}, table="LessOptions")),),
        (0,),
        (2,),
        name="condition",
        index=1,
    )
    body = Graph((scalar("x"), scalar("twice")), (Op("ADD", (0, 0), (1,), ADD),), (0,), (1,), name="body", index=2)
    return Model.of(main, condition, body)


def choosing():
    """x + x when c, else x * x."""
    main = Graph(
        (scalar("c", "bool"), scalar("x"), scalar("y")),
        (Op("IF", (0, 1), (2,), CHOICE),),
        (0, 1),
        (2,),
        name="main",
    )
    then = Graph((scalar("x"), scalar("y")), (Op("ADD", (0, 0), (1,), ADD),), (0,), (1,), name="then", index=1)
    other = Graph((scalar("x"), scalar("y")), (Op("MUL", (0, 0), (1,), MUL),), (0,), (1,), name="else", index=2)
    return Model.of(main, then, other)


def value(x):
    return np.array([x], np.float32)


@pytest.mark.parametrize("kinds", [None, "ADD", "LESS", "ADD,LESS"])
def test_a_loop_runs_until_its_condition_says_no(kinds):
    fake = Fake(kinds=kinds or "")
    with subgraft.load(doubling(), [fake] if kinds else []) as session:
        assert session.run({"x": value(3)})["y"] == 193
        assert session.run({"x": value(200)})["y"] == 201
        assert bool(fake.runs) == bool(kinds)


@pytest.mark.parametrize("kinds", [None, "ADD", "ADD,MUL"])
def test_a_condition_chooses_the_body(kinds):
    with subgraft.load(choosing(), [Fake(kinds=kinds)] if kinds else []) as session:
        assert session.run({"c": np.array([True]), "x": value(3)})["y"] == 6
        assert session.run({"c": np.array([False]), "x": value(3)})["y"] == 9


@pytest.mark.parametrize("faults", ["fail@2", "reject", "sizes@3", "hang@2", "gone@4"])
def test_a_failure_in_a_loops_body_changes_no_answer(faults):
    fake = Fake(kinds="ADD", faults=faults, timeout_s=0.05)
    with subgraft.load(doubling(), [fake], probe_s=60) as session:
        assert session.run({"x": value(3)})["y"] == 193
        assert {event.graph for event in session.report} <= {0, 2}
        assert len(session.report) > 0
        fake.release()


@pytest.mark.parametrize("kinds", ["ADD", "LESS"])
def test_inputs_that_are_variables_are_set_as_any_other(kinds):
    graphs = [
        replace(g, tensors=tuple(replace(t, is_variable=t.name == "x") for t in g.tensors)) for g in doubling().graphs
    ]
    with subgraft.load(Model.of(*graphs), [Fake(kinds=kinds, keeps_state=True)]) as session:
        assert session.run({"x": value(3)})["y"] == 193
        assert session.run({"x": value(200)})["y"] == 201


def test_a_body_that_runs_itself_is_refused():
    model = doubling()
    call = Op("CALL", (0,), (1,), Options({"subgraph": 2}, table="CallOptions"))
    body = Graph(model.graphs[2].tensors, (call,), (0,), (1,), index=2)
    with pytest.raises(ModelError, match="graph 2 runs itself"):
        subgraft.load(Model.of(*model.graphs[:2], body))


def test_a_body_of_another_arity_is_refused():
    model = doubling()
    body = Graph((scalar("a"), scalar("b"), scalar("c")), (Op("ADD", (0, 1), (2,), ADD),), (0, 1), (2,), index=2)
    with pytest.raises(ModelError, match="op 0 WHILE needs a body of 1 inputs and 1 outputs; graph 2 has 2 and 1"):
        subgraft.load(Model.of(*model.graphs[:2], body))


def test_a_body_that_is_not_there_is_refused():
    model = choosing()
    with pytest.raises(ModelError, match="graph 2"):
        subgraft.load(Model.of(*model.graphs[:2]))
