"""What becomes one kernel, what is left out, and that neither changes a bit."""

from __future__ import annotations

import numpy as np
import pytest

from graphs import chain
from op_cases import compare
from opencl_cases import on_device, segment_of
from opencl_device import TestDevice
from opencl_graphs import Drawing, drawn, feed
from subgraft.backends.opencl.launch import Launch
from subgraft.backends.opencl.lowering import lower
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.settings import Settings
from subgraft.delegates import Graph, Op, Tensor


def launches(opencl: TestDevice, graph: Graph) -> list[Launch]:
    return lower(segment_of(graph), opencl.found.caps)


def check(opencl: TestDevice, graph: Graph, seed: int) -> None:
    """Fused and not fused give the same bits, and the CPU's for integers."""
    opened = Opened(opencl.found, Settings.of(opencl.options()))
    segment, arrays = segment_of(graph), feed(graph, seed)
    expected = [np.zeros(graph.tensors[t].shape, graph.tensors[t].dtype) for t in segment.outputs]
    segment.reference().run([arrays[t] for t in segment.inputs], expected)
    fused = on_device(opened, segment, arrays)
    apart = on_device(opened, segment, arrays, fuses=False)
    opened.close()
    for t, array in zip(segment.outputs, expected, strict=True):
        assert fused[t].tobytes() == apart[t].tobytes(), f"tensor {t} differs when it is fused"
        assert not compare(fused[t], array, 1e-4), f"tensor {t} of {[op.kind for op in graph.ops]}"


def test_a_chain_is_one_kernel(opencl: TestDevice) -> None:
    (launch,) = launches(opencl, chain("RELU", "ADD", "LOGISTIC", "MUL", "NEG"))
    assert launch.ops == (0, 1, 2, 3, 4)
    assert len(launch.steps) == 5


def test_what_two_ops_read_is_stored(opencl: TestDevice) -> None:
    drawing = Drawing(0)
    first = drawing.unary("ABS", drawing.fed("float32"))
    drawing.binary("ADD", drawing.unary("NEG", first), drawing.unary("SQUARE", first))
    made, *rest = launches(opencl, drawing.graph())
    assert made.result is not None and made.result.key == first
    assert sorted(op for launch in rest for op in launch.ops) == [1, 2, 3]
    assert len(rest) == 2


def test_an_output_of_the_segment_is_stored(opencl: TestDevice) -> None:
    graph = chain("ABS", "NEG")
    both = Graph(graph.tensors, graph.ops, graph.inputs, (1, 2), name="both")
    assert len(launches(opencl, both)) == 2


def test_another_shape_of_the_same_elements_costs_nothing(opencl: TestDevice) -> None:
    drawing = Drawing(0)
    drawing.unary("NEG", drawing.unary("RESHAPE", drawing.unary("ABS", drawing.fed("float32"))))
    assert len(launches(opencl, drawing.graph())) == 1


def test_an_input_in_another_shape_is_copied_to_an_output(opencl: TestDevice) -> None:
    drawing = Drawing(0)
    drawing.unary("RESHAPE", drawing.fed("float32"))
    graph = drawing.graph()
    assert len(launches(opencl, graph)) == 1
    check(opencl, graph, 1)


def test_what_nothing_reads_is_not_computed(opencl: TestDevice) -> None:
    graph = chain("ABS", "NEG")
    tensors = [*graph.tensors, Tensor("unread", (4,), "float32")]
    unread = Graph(tensors, [*graph.ops, Op("SQUARE", (0,), (3,))], graph.inputs, graph.outputs, name="unread")
    (launch,) = launches(opencl, unread)
    assert launch.ops == (0, 1)


def test_what_is_there_is_not_computed_again(opencl: TestDevice) -> None:
    drawing = Drawing(0)
    x = drawing.fed("float32")
    roots = [drawing.unary("TANH", drawing.unary("ABS", x)) for _ in range(3)]
    drawing.binary("MUL", roots[0], drawing.binary("SUB", roots[1], roots[2]))
    graph = drawing.graph()
    done = [op for launch in launches(opencl, graph) for op in launch.ops]
    assert done.count(2) + done.count(3) + done.count(4) + done.count(5) == 0
    check(opencl, graph, 2)


def test_one_tensor_for_both_operands(opencl: TestDevice) -> None:
    check(opencl, chain("ADD", "MUL", "RELU"), 3)


def test_more_steps_than_a_kernel_has_room_for_are_several_kernels(opencl: TestDevice) -> None:
    drawing = Drawing(0)
    x = drawing.fed("int8")
    for _ in range(25):
        x = drawing.binary("ADD", x, drawing.constant("int8", (5,)))
    graph = drawing.graph()
    assert 1 < len(launches(opencl, graph)) < 10
    check(opencl, graph, 4)


def test_random_graphs_have_the_same_bits_fused_and_apart(opencl: TestDevice) -> None:
    check(opencl, drawn(5, pieces=7, ops=6), 5)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(20))
def test_many_random_graphs_have_the_same_bits_fused_and_apart(opencl: TestDevice, seed: int) -> None:
    check(opencl, drawn(100 + seed, pieces=20, ops=10), seed)
