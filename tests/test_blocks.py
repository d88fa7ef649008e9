"""Ops that a delegate takes only together are one segment of exactly them, or stay elsewhere with the reason."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

import graphs as make
from subgraft.delegates import Cost, Device, Health, Verdict
from subgraft.partitioner import Candidate, Limits, Pins, partition


@dataclass
class Together:
    """Takes the ops of its blocks, and no other."""

    name: str
    blocks: dict[int, str]
    costs: dict[int, float] = field(default_factory=dict)

    def devices(self):
        return [Device(self.name, "0")]

    def check(self, op, graph):
        return Verdict(() if graph.ops.index(op) in self.blocks else ("in none of its programs",))

    def block(self, op, graph):
        return self.blocks.get(graph.ops.index(op))

    def cost(self, segment):
        return Cost(1.0)

    def compile(self, segment, device):
        raise AssertionError("planning compiles nothing")

    def health(self, device):
        return Health.OK


LINE = make.wired([[i] for i in range(6)])


def plan(graph, blocks, **more):
    return partition(graph, [Candidate("x", Together("x", blocks))], **more)


def shape(made):
    return [f"{step.owner or '.'}{''.join(map(str, step.segment.ops))}" for step in made.steps]


def test_neighbouring_blocks_stay_apart():
    assert shape(plan(LINE, {1: "a", 2: "a", 3: "b"})) == [".0", "x12", "x3", ".45"]


def test_a_block_waits_for_all_that_it_reads():
    # Op 0 could start at once; op 2 of its block reads what the CPU's op 1 makes.
    graph = make.wired([[0], [0], [1, 2]])
    assert shape(plan(graph, {0: "a", 2: "a"})) == [".1", "x02"]


def test_a_block_of_which_the_user_keeps_one_op_is_refused_as_a_whole():
    made = plan(LINE, {1: "a", 2: "a", 3: "b"}, pins=Pins.of(deny_nodes=[2]))
    assert shape(made) == [".012", "x3", ".45"]
    assert f"x: it comes only with op 2 {LINE.ops[2].kind}, which is on the CPU" in made.placements[1].reasons


def test_a_block_with_others_in_its_middle_is_refused():
    made = plan(LINE, {1: "a", 3: "a", 4: "b"})
    assert shape(made) == [".0123", "x4", ".5"]
    assert "in the middle" in made.placements[1].reasons[0]


def test_limits_take_blocks_as_a_whole():
    assert shape(plan(LINE, {1: "a", 2: "a", 3: "b"}, limits=Limits(min_ops=2))) == [".0", "x12", ".345"]
    assert shape(plan(LINE, {1: "a", 2: "a", 3: "b"}, limits=Limits(max_segments=1))) == [".0", "x12", ".345"]
    assert shape(plan(LINE, {1: "a", 2: "a", 3: "b"}, cpu_cost=lambda segment: 0.5)) == [".012345"]


@st.composite
def blocked(draw):
    graph = draw(make.graphs())
    count = len(graph.ops)
    answers = draw(st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=count, max_size=count))
    return graph, {i: block for i, block in enumerate(answers) if block}


@given(blocked())
def test_every_segment_on_the_delegate_is_one_block(case):
    graph, blocks = case
    made = plan(graph, blocks)
    ready = set(graph.inputs)
    for step in made.steps:
        assert set(step.segment.inputs) <= ready
        ready |= {t for i in step.segment.ops for t in graph.ops[i].outputs}
        if step.owner:
            (block,) = {blocks[i] for i in step.segment.ops}
            assert set(step.segment.ops) == {i for i, other in blocks.items() if other == block}
    for i in blocks:
        assert made.placements[i].owner or made.placements[i].reasons
