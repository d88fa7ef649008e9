"""Constants that ops make of constants (float16 weights, mostly) are known when a segment is compiled."""

from __future__ import annotations

import numpy as np
import pytest

from opencl_cases import on_device, segment_of
from opencl_device import TestDevice
from subgraft.backends.opencl.lowering import check, lower
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.settings import Settings
from subgraft.delegates import Graph, Op, Options, Tensor, Verdict
from subgraft.delegates.constants import MOST_MADE_OF, constant, makes_constants

SHAPE = (2, 3)
WEIGHTS = np.array([[0.5, -1.25, 3], [7, 1, -2]], np.float16)


def weighted(*, kept: bool) -> Graph:
    """x * float32(float16 weights); kept: the weights leave the graph too."""
    tensors = [
        Tensor("x", SHAPE, "float32"),
        Tensor.constant("stored", WEIGHTS),
        Tensor("weights", SHAPE, "float32"),
        Tensor("y", SHAPE, "float32"),
    ]
    options = Options({"fused_activation_function": "NONE"})
    ops = [Op("DEQUANTIZE", (1,), (2,)), Op("MUL", (0, 2), (3,), options)]
    return Graph(tensors, ops, (0,), (3, 2) if kept else (3,), name="weighted")


def test_it_is_computed_while_compiling(opencl: TestDevice) -> None:
    segment = segment_of(weighted(kept=False))
    assert all(check(op, segment.graph) for op in segment.graph.ops)
    (launch,) = lower(segment, opencl.found.caps)
    assert launch.ops == (1,)
    assert (constant(2, segment.graph) == WEIGHTS).all()


@pytest.mark.parametrize("kept", [False, True])
def test_the_device_has_the_same_weights(opencl: TestDevice, kept: bool) -> None:
    segment = segment_of(weighted(kept=kept))
    opened = Opened(opencl.found, Settings.of(opencl.options()))
    x = np.arange(6, dtype=np.float32).reshape(SHAPE)
    made = on_device(opened, segment, {0: x})
    opened.close()
    assert (made[3] == x * WEIGHTS.astype(np.float32)).all()
    assert not kept or (made[2] == WEIGHTS).all()


def test_what_no_op_on_the_device_reads_stays_on_the_cpu() -> None:
    graph = weighted(kept=True)
    alone = Graph(graph.tensors, graph.ops[:1], (), (2,), name="alone")
    verdict = check(alone.ops[0], alone)
    assert "no op that OpenCL takes reads them" in verdict.reasons[0]


def remade(count: int, *, twice: bool) -> Graph:
    """x * (a constant through so many RESHAPEs); twice: each reads the one before as its sizes too."""
    tensors = [Tensor("x", (1,), "int32"), Tensor.constant("one", np.ones(1, np.int32))]
    ops = []
    for t in range(1, count + 1):
        tensors.append(Tensor(f"t{t}", (1,), "int32"))
        ops.append(Op("RESHAPE", (t, t if twice else 1), (t + 1,), Options({"new_shape": (1,)})))
    tensors.append(Tensor("y", (1,), "int32"))
    ops.append(Op("MUL", (0, count + 1), (count + 2,), Options({"fused_activation_function": "NONE"})))
    return Graph(tensors, ops, (0,), (count + 2,), name="remade")


def test_constants_that_are_read_twice_again_and_again_take_no_longer() -> None:
    graph = remade(40, twice=True)
    assert all(check(op, graph) for op in graph.ops)


def test_what_thousands_of_ops_make_of_a_constant_is_no_constant_any_more() -> None:
    graph = remade(2000, twice=False)
    assert 0 < [makes_constants(op, graph) for op in graph.ops[:-1]].count(True) <= MOST_MADE_OF
    assert all(isinstance(check(op, graph), Verdict) for op in graph.ops)
