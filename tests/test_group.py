"""Segments are convex, in order, cover the graph, and are the same every time."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

import graphs as make
from subgraft.delegates import Graph, Op, Tensor
from subgraft.partitioner import group


@st.composite
def owned(draw):
    graph = draw(make.graphs())
    return graph, draw(st.lists(st.sampled_from([None, "a", "b"]), min_size=len(graph.ops), max_size=len(graph.ops)))


@given(owned())
def test_segments_run_in_order_and_cover_everything_once(case):
    graph, owners = case
    ready = set(graph.inputs)
    seen = []
    for owner, ops in group(graph, owners):
        assert {owners[i] for i in ops} == {owner}
        assert set(graph.segment(ops).inputs) <= ready  # nothing comes back into a segment
        ready |= {t for i in ops for t in graph.ops[i].outputs}
        seen += ops
    assert sorted(seen) == list(range(len(graph.ops)))


@given(owned())
def test_outputs_of_a_segment_are_what_the_rest_needs(case):
    graph, owners = case
    for _, ops in group(graph, owners):
        needed = {t for i, op in enumerate(graph.ops) if i not in ops for t in op.inputs} | set(graph.outputs)
        made = {t for i in ops for t in graph.ops[i].outputs}
        assert set(graph.segment(ops).outputs) == needed & made


@given(owned())
def test_neighbours_have_different_owners(case):
    assert all(a[0] != b[0] for a, b in pairwise(group(*case)))


@given(owned())
def test_the_same_graph_is_cut_the_same_way(case):
    assert group(*case) == group(*case)


def test_a_branch_beside_the_segment_does_not_split_the_cpus_part():
    graph = make.wired([[0], [1], [0], [2, 3]])
    assert group(graph, [None, "npu", None, None]) == [(None, [0, 2]), ("npu", [1]), (None, [3])]


def test_the_owner_that_leads_to_fewer_segments_begins():
    # In file order b would begin with op 0 alone and come back for op 2.
    graph = make.wired([[0], [0], [2], [1, 3]])
    assert group(graph, ["b", "a", "b", "b"]) == [("a", [1]), ("b", [0, 2, 3])]


def test_ops_with_side_effects_keep_their_order():
    tensors = (
        Tensor("x", (1,), "float32"),
        Tensor("handle", (1,), "resource"),
        Tensor("doubled", (1,), "float32"),
        Tensor("read", (1,), "float32"),
    )
    ops = (
        Op("VAR_HANDLE", (), (1,)),
        Op("ADD", (0, 0), (2,)),
        Op("ASSIGN_VARIABLE", (1, 2), ()),
        Op("READ_VARIABLE", (1,), (3,)),
    )
    graph = Graph(tensors, ops, (0,), (3,))
    # Without the order between effects, READ_VARIABLE would be ready before the segment on the npu ran.
    assert group(graph, [None, "npu", None, None]) == [("npu", [1]), (None, [0, 2, 3])]


def test_a_graph_of_six_thousand_ops_is_cut_in_no_time():
    graph = make.wired([[max(0, i - 1), i] for i in range(6000)])
    assert len(group(graph, [None, "npu"] * 3000)) == 6000


def test_no_ops_are_no_segments():
    assert group(make.wired([]), []) == []
