"""Ops that combine elements with a subgraph of the model, in sessions: with delegates, without, and with bad bodies."""

from __future__ import annotations

import numpy as np
import pytest

import subgraft
from op_bodies import combining
from subgraft.backends.fake import Fake
from subgraft.delegates import Graph, ModelError, Op, Options, Tensor, Unsupported
from subgraft.interpreter.model import Model

SCATTER = {"inserted_window_dims": (0,), "scatter_dims_to_operand_dims": (0,), "index_vector_dim": 1}
INPUTS = {"x": np.array([1, 2, 3], np.float32), "u": np.array([10, 20, 30], np.float32)}


def scattering(*bodies: Graph, index: int = 1) -> Model:
    """A doubled x, to which u is added at 2, 0 and 2; with an op in front so that the graph is worth a delegate."""
    tensors = (
        Tensor("x", (3,), "float32"),
        Tensor("u", (3,), "float32"),
        Tensor.constant("where", np.array([[2], [0], [2]], np.int32)),
        Tensor("twice", (3,), "float32"),
        Tensor("y", (3,), "float32"),
    )
    options = Options(SCATTER | {"update_computation_subgraph_index": index})
    ops = (Op("ADD", (0, 0), (3,)), Op("STABLEHLO_SCATTER", (3, 2, 1), (4,), options))
    return Model.of(Graph(tensors, ops, (0, 1), (4,)), *bodies)


@pytest.mark.parametrize("delegates", [[], [Fake()]], ids=["cpu", "delegate"])
@pytest.mark.parametrize("kind, expected", [("STABLEHLO_ADD", [22, 4, 46]), ("", [20, 4, 30])])
def test_a_scatter_takes_its_body_along(delegates, kind, expected):
    with subgraft.load(scattering(combining(kind, "float32")), delegates) as session:
        assert session.run(INPUTS)["y"].tolist() == expected


def test_a_body_is_found_where_another_comes_before_it():
    model = scattering(combining("STABLEHLO_MAXIMUM", "float32"), combining("STABLEHLO_ADD", "float32"), index=2)
    for delegates in ([], [Fake()]):
        with subgraft.load(model, delegates) as session:
            assert session.run(INPUTS)["y"].tolist() == [22, 4, 46]


def body_of(inputs, outputs, ops, count=3):
    return Graph([Tensor(f"t{i}", (), "float32") for i in range(count)], ops, inputs, outputs, index=1)


ADD = Op("STABLEHLO_ADD", (0, 1), (2,))
BAD = {
    "one input": (body_of((0,), (2,), (ADD,)), ModelError, "has 1 inputs and 1 outputs"),
    "two outputs": (body_of((0, 1), (2, 0), (ADD,)), ModelError, "has 2 inputs and 2 outputs"),
    "one tensor twice": (body_of((0, 0), (2,), (ADD,)), ModelError, "has one tensor for both"),
    "the first alone": (body_of((0, 1), (0,), ()), Unsupported, "has 0 ops and does not return its second input"),
    "two ops": (body_of((0, 1), (3,), (ADD, Op("NEG", (2,), (3,))), 4), Unsupported, "has 2 ops; only one"),
    "one input twice": (body_of((0, 1), (2,), (Op("STABLEHLO_ADD", (0, 0), (2,)),)), Unsupported, "is more than a"),
    "another output": (body_of((0, 1), (0,), (ADD,)), Unsupported, "is more than a STABLEHLO_ADD"),
    "a tensor beside": (body_of((0, 1), (2,), (Op("STABLEHLO_ADD", (0, 3), (2,)),), 4), Unsupported, "is more than a"),
    "three inputs": (body_of((0, 1), (2,), (Op("ADD_N", (0, 1, 1), (2,)),)), Unsupported, "is more than a ADD_N"),
}


@pytest.mark.parametrize("which", BAD)
def test_a_body_that_is_not_one_op_of_both_is_refused(which):
    body, kind, message = BAD[which]
    with pytest.raises(kind, match=message):
        subgraft.load(scattering(body))
