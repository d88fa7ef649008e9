"""Constants that ops make of constants (float16 weights, mostly) are known when a segment is compiled."""

from __future__ import annotations

import numpy as np
import pytest

from opencl_cases import on_device, segment_of
from opencl_device import TestDevice
from subgraft.backends.opencl.constants import constant
from subgraft.backends.opencl.lowering import check, lower
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.settings import Settings
from subgraft.delegates import Graph, Op, Options, Tensor

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
