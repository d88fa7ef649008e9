"""IF and WHILE on an NNAPI device, with their bodies: through the stand-in, and what stays on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import subgraft
from nnapi_stand_in import StandIn
from subgraft.backends.fake import Fake
from subgraft.delegates import Array, Graph, Op, Options, Quantization, Tensor
from subgraft.interpreter.model import Model
from test_nnapi_faults import delegate

LOOP = Options({"cond_subgraph_index": 1, "body_subgraph_index": 2}, table="WhileOptions")
CHOICE = Options({"then_subgraph_index": 1, "else_subgraph_index": 2}, table="IfOptions")
OP_FAILED, BAD_DATA = 5, 4


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> dict[int, StandIn]:
    folder = tmp_path_factory.mktemp("nnapi")
    return {level: StandIn(folder, level) for level in (29, 30, 1000008)}


@pytest.fixture
def stand_in(builds: dict[int, StandIn]) -> Iterator[StandIn]:
    builds[1000008].reset()
    yield builds[1000008]
    builds[1000008].reset()


def counted(size: int = 40) -> Model:
    """While a counter is below n: y += a constant, twice over the counter. The limit passes through unchanged."""

    def state() -> list[Tensor]:
        return [Tensor("i", (), "int32"), Tensor("n", (), "int32"), Tensor("y", (size,), "float32")]

    outer = [*state(), *state(), Tensor("z", (size,), "float32")]
    ops = [Op("WHILE", (0, 1, 2), (3, 4, 5), LOOP), Op("MUL", (5, 5), (6,))]
    main = Graph(outer, ops, (0, 1, 2), (3, 4, 6), name="main")
    less = Graph([*state(), Tensor("less", (), "bool")], [Op("LESS", (0, 1), (3,))], (0, 1, 2), (3,), "less", 1)
    inner = [*state(), Tensor("next", (), "int32"), Tensor("sum", (size,), "float32")]
    inner += [Tensor.constant("one", np.array(1, np.int32)), Tensor.constant("w", np.arange(size, dtype=np.float32))]
    steps = [Op("ADD", (0, 5), (3,)), Op("ADD", (2, 6), (4,))]
    return Model.of(main, less, Graph(inner, steps, (0, 1, 2), (3, 1, 4), "body", 2))


def chosen(dtype: str) -> Model:
    """One branch gives its input and a constant, the other the maximum and the input: neither alone is allowed."""
    quantization = None if dtype in ("float32", "int32") else Quantization((0.5,), (3,))

    def ends(*names: str) -> list[Tensor]:
        return [Tensor(name, (2, 3), dtype, quantization=quantization) for name in names]

    main = Graph(
        [Tensor("c", (1,), "bool"), *ends("a", "b", "y", "z")], [Op("IF", (0, 1, 2), (3, 4), CHOICE)], (0, 1, 2), (3, 4)
    )
    known = Tensor.constant("k", np.arange(6, dtype=dtype).reshape(2, 3), quantization)
    then = Graph([*ends("a", "b"), known], [], (0, 1), (0, 2), "then", 1)
    other = Graph(ends("a", "b", "larger"), [Op("MAXIMUM", (0, 1), (2,))], (0, 1), (2, 2), "else", 2)
    return Model.of(main, then, other)


def on_device(model: Model, feeds: list[dict[str, Array]], stand_in: StandIn, **options: object) -> None:
    """All of it in one segment, with the CPU's answers."""
    with (
        subgraft.load(model) as cpu,
        subgraft.load(model, delegates=[delegate(stand_in)], **{"strict": True, **options}) as session,
    ):
        assert [step.owner for step in session.plan.steps] == ["nnapi"]
        assert session.plan.bodies == {}  # nobody else plans or runs them
        for each in feeds:
            results, expected = session.run(each), cpu.run(each)
            for name, value in expected.items():
                np.testing.assert_array_equal(results[name], value)


def scalars(i: int, n: int, size: int = 40) -> dict[str, Array]:
    return {"i": np.array(i, np.int32), "n": np.array(n, np.int32), "y": np.ones(size, np.float32)}


@pytest.mark.parametrize("level", [30, 1000008])
def test_a_loop_runs_on_the_device_as_often_as_its_condition_says(level: int, builds: dict[int, StandIn]) -> None:
    """Not at all, too; its bodies share the device's memory with constants that the library does not copy."""
    before = builds[level].live
    on_device(counted(), [scalars(0, 5), scalars(3, 3), scalars(-2, 1)], builds[level])
    assert builds[level].calls.count("Model_setOperandValueFromModel") > 0
    assert builds[level].live == before


@pytest.mark.parametrize("dtype", ["float32", "int8", "uint8", "int32"])
def test_a_branch_runs_on_the_device_as_its_condition_says(dtype: str, stand_in: StandIn) -> None:
    rng = np.random.default_rng(2)
    a, b = (rng.integers(0, 99, (2, 3)).astype(dtype) for _ in range(2))
    on_device(chosen(dtype), [{"c": np.array([c]), "a": a, "b": b} for c in (True, False)], stand_in)


def test_a_branch_in_a_loop_runs_on_the_device(stand_in: StandIn) -> None:
    """The larger of two sums, again and again."""
    main, less, body = counted(4).graphs
    choice = Options({"then_subgraph_index": 3, "else_subgraph_index": 4}, table="IfOptions")
    tensors = [*body.tensors, Tensor("odd", (), "bool"), Tensor("two", (), "int32")]
    ops = [*body.ops[:1], Op("EQUAL", (3, 1), (7,)), Op("IF", (7, 2), (4,), choice)]
    doubled = Graph(
        [Tensor("y", (4,), "float32"), Tensor("d", (4,), "float32")], [Op("ADD", (0, 0), (1,))], (0,), (1,), "last", 3
    )
    same = Graph([Tensor("y", (4,), "float32")], [], (0,), (0,), "not last", 4)
    model = Model.of(main, less, replace(body, tensors=tensors, ops=ops), doubled, same)
    on_device(model, [scalars(0, 3, 4), scalars(2, 3, 4)], stand_in)


def test_before_feature_level_4_the_cpu_decides_and_the_bodies_are_planned(builds: dict[int, StandIn]) -> None:
    with subgraft.load(counted(), delegates=[delegate(builds[29])]) as session:
        assert session.run(scalars(0, 3))["z"][1] == 16
        assert "NNAPI takes it for int32 since feature level 4 (Android 11)" in session.plan.explain()
        assert set(session.plan.bodies) == {1, 2}
        assert [step.owner for step in session.plan.bodies[2].steps][-1] == "nnapi"  # the sum of floats


def test_other_delegates_still_leave_control_flow_to_the_cpu(stand_in: StandIn) -> None:
    with subgraft.load(counted(), delegates=[Fake()]) as session:
        assert "control flow: the CPU decides which body runs" in session.plan.explain()
    with subgraft.load(counted(), delegates=[Fake(kinds="MUL"), delegate(stand_in)]) as session:
        assert [step.owner for step in session.plan.steps] == ["nnapi", "fake"]
        assert session.run(scalars(0, 3))["z"][1] == 16


@pytest.mark.parametrize("kind", ["EXP", "WHERE"])
def test_an_op_of_a_body_that_cannot_go_along_is_named(kind: str, stand_in: StandIn) -> None:
    """EXP of int32, which NNAPI has for floats, and a kind that it does not have at all, with a shape of its own."""
    main, less, body = counted(4).graphs
    op = Op(kind, (0,), (7,))
    shape = () if kind == "EXP" else (1, 1)
    wrong = replace(body, tensors=[*body.tensors, Tensor("w", shape, "int64")], ops=[*body.ops, op])
    made = delegate(stand_in)
    with subgraft.load(counted(4), delegates=[made]) as session:
        graph = replace(session.plan.graph, services=Bodies([main, less, wrong]))
        (reason,) = made.check(graph.ops[0], graph).reasons
        assert reason.startswith(f"op 2 {kind} of its body body: ")


class Bodies:
    """A model's graphs for a check that nobody runs."""

    def __init__(self, graphs: list[Graph]) -> None:
        self.graphs = graphs

    def body(self, index: int) -> Graph:
        return replace(self.graphs[index], services=self)  # type: ignore[arg-type]

    def reference(self, segment: object) -> Bodies:
        return self

    def close(self) -> None: ...


def variant(**changes: object) -> list[Graph]:
    main, less, body = counted(4).graphs
    tensors = [replace(body.tensors[2], **changes), *body.tensors[3:]]
    return [main, less, replace(body, tensors=[*body.tensors[:2], *tensors])]


@pytest.mark.parametrize(
    ("graphs", "reason"),
    [
        (variant(is_variable=True), "its bodies must keep no state"),
        (variant(shape_signature=(-1,)), "the sizes of their tensors must be known"),
        (variant(shape=(2, 2)), "what its bodies take and give must have the types, shapes"),
        (variant(dtype="int32"), "what its bodies take and give must have the types, shapes"),
        (counted(4).graphs[:2], "its bodies must be there"),
    ],
)
def test_bodies_that_nnapi_cannot_have_are_told(graphs: list[Graph], reason: str, stand_in: StandIn) -> None:
    class Model_(Bodies):
        def body(self, index: int) -> Graph:
            if index >= len(self.graphs):
                raise subgraft.ModelError(f"no graph {index}")
            return super().body(index)

    graph = replace(graphs[0], services=Model_(list(graphs)))
    assert reason in "; ".join(delegate(stand_in).check(graph.ops[0], graph).reasons)


def test_bodies_that_run_each_other_without_end_are_refused(stand_in: StandIn) -> None:
    main, less, _ = counted(4).graphs
    endless = replace(main, index=2, outputs=main.outputs)
    graph = replace(main, services=Bodies([main, less, endless]))
    assert "its bodies must be there, with at most 4 of them" in "; ".join(
        delegate(stand_in).check(graph.ops[0], graph).reasons
    )


@pytest.mark.parametrize(
    ("function", "code"),
    [
        ("Model_setOperandValueFromModel", BAD_DATA),
        ("Model_finish", BAD_DATA),
        ("Compilation_finish", OP_FAILED),
        ("Execution_compute", OP_FAILED),
    ],
)
def test_a_failure_leaves_the_loop_to_the_cpu(function: str, code: int, stand_in: StandIn) -> None:
    before = stand_in.live
    stand_in.fail(function, code)
    with subgraft.load(counted(), delegates=[delegate(stand_in)]) as session:
        for n in (2, 0, 5):
            assert session.run(scalars(0, n))["z"][1] == (1 + n) ** 2
        assert any(f"ANeuralNetworks{function}" in event.reason for event in session.report)
    assert stand_in.live == before


def test_a_driver_that_refuses_loops_gets_their_bodies(stand_in: StandIn) -> None:
    stand_in.control.stand_in_refuse(97)
    with subgraft.load(counted(), delegates=[delegate(stand_in)]) as session:
        assert session.run(scalars(0, 3))["z"][1] == 16
        assert "the driver of nnapi:stand-in-npu does not take WHILE" in session.plan.explain()
        assert session.plan.bodies[2].steps[0].owner == "nnapi"


def test_what_the_cache_token_is_of_includes_the_bodies(stand_in: StandIn, tmp_path: Path) -> None:
    def token(model: Model) -> str:
        subgraft.load(model, delegates=[delegate(stand_in, cache=str(tmp_path))]).close()
        return str(stand_in.control.stand_in_cache_dir().decode().partition(" ")[2])

    main, less, body = counted(4).graphs
    other = Tensor.constant("w", np.full(4, 7, np.float32))
    changed = Model.of(main, less, replace(body, tensors=[*body.tensors[:6], other]))
    assert token(counted(4)) == token(counted(4)) != token(changed)
