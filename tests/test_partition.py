"""Who gets which op, why not, and what pins, limits, costs and devices change about it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphs as make
from subgraft.delegates import Cost, Graph, Health, Op, Options, Quantization, Tensor, Verdict
from subgraft.partitioner import Candidate, Limits, Pins, partition


@dataclass
class Picky:
    """Takes some kinds of op."""

    name: str
    kinds: str
    run_s: float | None = None
    keeps: bool = False
    asked: list[int] = field(default_factory=list)

    def devices(self):
        raise AssertionError("planning opens no device")

    def check(self, op, graph):
        self.asked.append(graph.ops.index(op))
        return Verdict(() if op.kind in self.kinds else (f"no {op.kind} here",))

    def cost(self, segment):
        return None if self.run_s is None else Cost(self.run_s)

    def compile(self, segment, device):
        raise AssertionError("planning compiles nothing")

    def health(self, device):
        return Health.OK

    def keeps_state(self, op, graph):
        return self.keeps


def candidate(name, kinds, **more):
    return Candidate(name, Picky(name, kinds, **more))


def owners(plan):
    return "".join(p.owner or "." for p in plan.placements)


def shape(plan):
    """One word a step: its owner and its ops."""
    return [f"{step.owner or '.'}{''.join(map(str, step.segment.ops))}" for step in plan.steps]


LINE = make.wired([[i] for i in range(6)], "AABBAC")


def test_the_first_delegate_that_says_yes_gets_the_op():
    assert owners(partition(LINE, [candidate("x", "AB"), candidate("y", "BC")])) == "xxxxxy"
    assert owners(partition(LINE, [candidate("y", "BC"), candidate("x", "AB")])) == "xxyyxy"


def test_every_delegate_is_asked_about_every_op_and_every_reason_is_kept():
    x, y = candidate("x", "A"), candidate("y", "C")
    plan = partition(LINE, [x, y])
    assert x.delegate.asked == y.delegate.asked == list(range(6))
    assert plan.placements[2].reasons == ("x: no B here", "y: no B here")
    assert plan.placements[0].reasons == ("y: no A here",)
    assert plan.placements[5].reasons == ("x: no C here",)


def test_without_delegates_everything_is_one_segment_on_the_cpu():
    assert shape(partition(LINE, [])) == [".012345"]


@pytest.mark.parametrize(
    "pins, expected, reason",
    [
        (Pins.of(deny_ops=["A"]), "..xx.x", "deny_ops names A"),
        (Pins.of(deny_nodes=[0, 5]), ".xxxx.", "deny_nodes names 0"),
        (Pins.of(only_nodes=[1, 2]), ".xx...", "only_nodes does not name 0"),
        (Pins.of(prefer={"A": "cpu"}), "..xx.x", 'prefer says "cpu"'),
        (Pins.of(prefer={0: "y"}), "yxxxxx", "y: no C here"),
        (Pins.of(prefer={"A": "y"}), "yyxxyx", "y: no C here"),
    ],
)
def test_pins_decide_before_any_delegate(pins, expected, reason):
    plan = partition(LINE, [candidate("x", "ABC"), candidate("y", "AB")], pins=pins)
    assert owners(plan) == expected
    assert reason in {why for p in plan.placements for why in p.reasons}


def test_only_ops_that_no_pin_keeps_count_as_left_on_the_cpu():
    plan = partition(LINE, [candidate("x", "A")], pins=Pins.of(deny_ops=["B"]))
    assert plan.on_cpu == (5,)


@pytest.mark.parametrize("pins", [Pins.of(deny_nodes=[6]), Pins.of(only_nodes=[-1]), Pins.of(prefer={7: "cpu"})])
def test_a_pin_of_a_node_that_is_not_there_is_an_error(pins):
    with pytest.raises(ValueError, match="its nodes are 0 to 5"):
        partition(LINE, [], pins=pins)


def test_a_preference_for_a_delegate_that_was_not_asked_for_is_an_error():
    with pytest.raises(ValueError, match="prefer names 'z'; there are: x, cpu"):
        partition(LINE, [candidate("x", "A")], pins=Pins.of(prefer={"A": "z"}))


def test_one_name_instead_of_a_list_is_an_error():
    with pytest.raises(TypeError, match=r'write \["ADD"\]'):
        Pins.of(deny_ops="ADD")


def test_labels_must_differ():
    with pytest.raises(ValueError, match="same name"):
        partition(LINE, [candidate("x", "A"), candidate("x", "B")])


def test_a_segment_under_min_ops_is_offered_to_the_next_delegate():
    plan = partition(LINE, [candidate("x", "B"), candidate("y", "AB")], limits=Limits(min_ops=3))
    assert shape(plan) == ["y01234", ".5"]
    assert "x: a segment of 2 ops, under min_ops=3" in plan.placements[2].reasons


def test_max_segments_keeps_the_largest():
    plan = partition(LINE, [candidate("x", "AC"), candidate("y", "A")], limits=Limits(max_segments=1))
    assert shape(plan) == ["x01", ".2345"]
    assert "y: beyond max_segments=1, which keeps the largest" in plan.placements[4].reasons


@pytest.mark.parametrize("wrong", [{"min_ops": 0}, {"max_segments": -1}])
def test_limits_that_mean_nothing_are_errors(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)


def test_a_segment_that_costs_more_than_on_the_cpu_stays_there():
    plan = partition(LINE, [candidate("x", "AB", run_s=1.0)], cpu_cost=lambda s: 0.1 * len(s.ops))
    assert shape(plan) == [".012345"]
    assert "x: 1 s for this segment, no faster than the CPU's 0.5 s" in plan.placements[0].reasons


@pytest.mark.parametrize("theirs, cpu", [(None, 0.1), (1.0, None), (0.05, 0.1)])
def test_a_segment_without_an_estimate_or_with_a_good_one_is_taken(theirs, cpu):
    assert shape(partition(LINE, [candidate("x", "AB", run_s=theirs)], cpu_cost=lambda s: cpu)) == ["x01234", ".5"]


def test_what_the_device_refuses_is_cut_out_and_the_rest_asked_again():
    asked = []

    def refine(segment):
        asked.append(segment.ops)
        return [Verdict(("too wide",) if i == 2 else ()) for i in segment.ops]

    x = replace(candidate("x", "AB"), refine=refine)
    plan = partition(LINE, [x])
    assert shape(plan) == ["x01", ".2", "x34", ".5"]
    assert asked == [(0, 1, 2, 3, 4), (0, 1), (3, 4)]
    assert plan.placements[2].reasons == ("x: too wide",)


def test_what_a_delegate_rejected_before_goes_to_the_next():
    refused = {(0, "x", i): ("out of memory",) for i in range(5)}
    plan = partition(LINE, [candidate("x", "AB"), candidate("y", "A")], refused=refused)
    assert owners(plan) == "yy..y."
    assert plan.placements[0].reasons == ("x: out of memory",)


def test_an_absent_delegate_is_asked_but_gets_nothing():
    plan = partition(LINE, [Candidate("x", Picky("x", "A"), absent="no USB device 18d1:9302")])
    assert shape(plan) == [".012345"]
    assert plan.placements[0].reasons == ("x: not available",)
    assert plan.placements[2].reasons == ("x: no B here", "x: not available")
    assert "x is not available: no USB device 18d1:9302" in plan.explain()
    assert "     0  A\n" in plan.explain()
    assert "     2  B                       x: no B here" in plan.explain()
    assert plan.explain().count("not available") == 1  # said once, not again for every op


def lstm() -> Graph:
    tensors = (
        Tensor("x", (1, 4), "float32"),
        Tensor("state", (1, 4), "float32", is_variable=True),
        Tensor("y", (1, 4), "float32"),
    )
    return Graph(tensors, (Op("A", (0, 1), (2,)),), (0,), (2,))


def test_state_stays_on_the_cpu_unless_the_delegate_gives_it_back():
    assert owners(partition(lstm(), [candidate("x", "A")])) == "."
    plan = partition(lstm(), [candidate("x", "A", keeps=True)])
    assert owners(plan) == "x"
    assert plan.steps[0].segment.inputs == (0, 1)
    assert plan.steps[0].segment.outputs == (2, 1)


@pytest.mark.parametrize("dtype", ["string", "resource", "variant", "int4"])
def test_only_arrays_of_whole_bytes_leave_the_cpu(dtype):
    graph = make.wired([[0]], "A")
    graph = replace(graph, tensors=(replace(graph.tensors[0], dtype=dtype), graph.tensors[1]))
    assert owners(partition(graph, [candidate("x", "A", keeps=True)])) == "."


def test_packed_constants_are_no_reason_to_stay():
    weights = Tensor("w", (2,), "int4", b"\x21", Quantization((1.0,), (0,)))
    graph = replace(make.wired([[0]], "A"), tensors=(*make.wired([[0]]).tensors, weights))
    graph = replace(graph, ops=(Op("A", (0, 2), (1,)),))
    assert owners(partition(graph, [candidate("x", "A")])) == "x"


@pytest.mark.parametrize("kind", ["READ_VARIABLE", "HASHTABLE_FIND", "CALL_ONCE", "RANDOM_UNIFORM"])
def test_ops_with_effects_stay_on_the_cpu(kind):
    options = Options({"init_subgraph_index": 9})
    graph = replace(make.wired([[0]]), ops=(Op(kind, (0,), (1,), options),))
    assert owners(partition(graph, [candidate("x", [kind])])) == "."


def test_shapes_known_only_while_running_stay_on_the_cpu():
    plan = partition(LINE, [candidate("x", "AB")], unknown_shapes=lambda graph: {3})
    assert owners(plan) == "xx..x."
    assert plan.placements[2].kept == ("its shapes are known only while running",)


def looping() -> list[Graph]:
    main = Graph(
        tuple(Tensor(f"m{i}", (1,), "float32") for i in range(4)),
        (
            Op("A", (0,), (1,)),
            Op("WHILE", (1,), (2,), Options({"cond_subgraph_index": 1, "body_subgraph_index": 2})),
            Op("C", (2,), (3,)),
        ),
        (0,),
        (3,),
        name="main",
    )
    condition = replace(make.wired([[0]], "C"), index=1, name="condition")
    call = Op("CALL", (0,), (1,), Options({"subgraph": 3}))
    body = replace(make.wired([[0]]), ops=(call,), index=2, name="body")
    inner = replace(make.wired([[0], [1]], "AA"), index=3, name="inner")
    return [main, condition, body, inner]


def test_bodies_are_partitioned_as_graphs_of_their_own():
    graphs = looping()
    plan = partition(graphs[0], [candidate("x", "A")], graphs=graphs)
    assert shape(plan) == ["x0", ".1", ".2"]  # WHILE is a step of its own: the session runs it
    assert [step.bodies for step in plan.steps] == [(), (1, 2), ()]
    assert {index: shape(body) for index, body in plan.bodies.items()} == {1: [".0"], 2: [".0"], 3: ["x01"]}
    assert plan.bodies[2].steps[0].bodies == (3,)
    assert all(name in plan.explain() for name in ("main:", "condition:", "body:", "inner:"))


def test_control_flow_with_nothing_on_a_delegate_is_an_op_like_any_other():
    graphs = looping()
    plan = partition(graphs[0], [candidate("x", "A")], graphs=graphs, pins=Pins.of(deny_ops=["A"]))
    assert shape(plan) == [".012"]


def test_bodies_that_call_each_other_come_to_an_end():
    graphs = looping()
    graphs[3] = replace(graphs[3], ops=(Op("CALL", (0,), (1,), Options({"subgraph": 2})), graphs[3].ops[1]))
    plan = partition(graphs[0], [candidate("x", "A")], graphs=graphs)
    assert set(plan.bodies) == {1, 2, 3}


def test_the_explanation_is_a_table_of_a_hundred_columns():
    long = "a reason that goes on and on, because this accelerator's manual has a great deal to say about it " * 2
    x = candidate("x", "B")
    x.delegate.check = lambda op, graph: Verdict(() if op.kind == "B" else (long,))
    text = partition(LINE, [x, candidate("y", "C")]).explain()
    assert all(len(line) <= 100 for line in text.splitlines())
    assert text.startswith("wired: the CPU runs 3 of 6 ops in 2 segments; x runs 2 of 6 ops in 1 segment; y runs 1 of")
    assert "y: no B here" not in text  # x had it before y was needed
    assert "     5  C                       x: a reason that goes on" in text
    assert "segment 1 on x" in text


def test_the_plan_as_plain_values():
    graphs = looping()
    plan = partition(graphs[0], [candidate("x", "A", run_s=0.1)], graphs=graphs, cpu_cost=lambda s: 1.0)
    data = json.loads(json.dumps(plan.to_dict()))
    assert data["segments"][0] == {
        "owner": "x",
        "ops": [0],
        "inputs": ["m0"],
        "outputs": ["m1"],
        "compute_s": 0.1,
        "transfer_s": 0.0,
        "cpu_s": 1.0,
        "notes": [],
    }
    assert data["ops"][2]["reasons"] == {"x": ["no C here"]}
    assert data["bodies"]["3"]["segments"][0]["owner"] == "x"


@st.composite
def problems(draw):
    graph = draw(make.graphs())
    delegates = {n: draw(st.text("ABCD", max_size=4)) for n in draw(st.sets(st.sampled_from("xyz")))}
    costs = {n: draw(st.none() | st.floats(0.1, 2.0)) for n in delegates}
    limits = Limits(draw(st.integers(1, 4)), draw(st.none() | st.integers(0, 3)))
    nodes = st.sets(st.integers(0, len(graph.ops) - 1))
    pins = Pins.of(draw(st.sets(st.sampled_from("ABCD"), max_size=1)), draw(nodes), draw(st.none() | nodes))
    broken = {n: draw(nodes) for n in delegates}
    return graph, delegates, costs, limits, pins, broken


def solve(problem):
    graph, delegates, costs, limits, pins, broken = problem

    def refine(name):
        return lambda segment: [Verdict(("broken",) if i in broken[name] else ()) for i in segment.ops]

    candidates = [
        Candidate(name, Picky(name, kinds, costs[name]), refine=refine(name)) for name, kinds in delegates.items()
    ]
    return partition(graph, candidates, pins=pins, limits=limits, cpu_cost=lambda s: 0.5 * len(s.ops))


@given(problems())
def test_whatever_is_asked_for_the_plan_keeps_every_promise(problem):
    graph, delegates, costs, limits, pins, broken = problem
    plan = solve(problem)
    ready = set(graph.inputs)
    for step in plan.steps:
        assert set(step.segment.inputs) <= ready
        ready |= {t for i in step.segment.ops for t in graph.ops[i].outputs}
    assert sorted(i for step in plan.steps for i in step.segment.ops) == list(range(len(graph.ops)))
    delegated = [step for step in plan.steps if step.owner]
    assert limits.max_segments is None or len(delegated) <= limits.max_segments
    for step in delegated:
        assert len(step.segment.ops) >= limits.min_ops
        assert costs[step.owner] is None or costs[step.owner] < 0.5 * len(step.segment.ops)
        for i in step.segment.ops:
            assert plan.placements[i].owner == step.owner
            assert graph.ops[i].kind in delegates[step.owner]
            assert not pins.against(i, graph)
            assert i not in broken[step.owner]
    for placement in plan.placements:
        if placement.owner is None:  # whoever is left out knows why
            assert placement.pinned or all(not answer for _, answer in placement.verdicts)


@given(problems())
def test_the_same_problem_has_the_same_plan(problem):
    assert solve(problem).to_dict() == solve(problem).to_dict()


class Talkative(Picky):
    def notes(self, segment):
        return [f"{len(segment.ops)} ops of {segment.graph.name}", "a second sentence " + "that is long " * 12]


def test_what_a_delegate_says_of_a_segment_is_in_the_plan():
    plan = partition(make.chain("ADD", "TANH"), [Candidate("talkative", Talkative("talkative", "TANH"))])
    assert [step.notes[:1] for step in plan.steps] == [(), ("1 ops of chain",)]
    assert plan.to_dict()["segments"][1]["notes"][0] == "1 ops of chain"
    lines = plan.explain().splitlines()
    assert lines[lines.index("segment 1 on talkative") + 1] == "    1 ops of chain"
    assert max(map(len, lines)) <= 100
