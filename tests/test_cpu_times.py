"""What the CPU takes for a segment: measured here, and compared with what a delegate says of itself."""

from __future__ import annotations

import time
from typing import Any

import pytest

import graphs as make
import subgraft
from op_tables import entries
from subgraft import _native
from subgraft.backends.fake import Fake
from subgraft.delegates import Graph, Op, Options, Segment, Tensor
from subgraft.interpreter import Model
from subgraft.interpreter.cpu_times import CpuTimes, work
from subgraft.models import DIGITS_INT8


def times(model: Model, **options: Any) -> CpuTimes:
    return CpuTimes(model.native, _native.ThreadPool(1), **options)


def whole(model: Model) -> Segment:
    return model.graphs[0].segment(range(len(model.graphs[0].ops)))


@pytest.mark.parametrize("run_s, owner", [(10.0, None), (1e-9, "fake")])
def test_a_segment_goes_where_it_takes_less_time(run_s: float, owner: str | None) -> None:
    with subgraft.load(DIGITS_INT8, [Fake(run_s=run_s)]) as session:
        assert [step.owner for step in session.plan.steps] == [owner]
        text = session.plan.explain()
    assert ("no faster than the CPU's" in text) == (owner is None)
    assert ("s on the CPU)" in text) == (owner is not None)


def test_what_the_user_says_of_the_cpu_is_taken() -> None:
    with subgraft.load(DIGITS_INT8, [Fake(run_s=10.0)], cpu_cost=lambda segment: 11.0) as session:
        assert [step.cpu_s for step in session.plan.steps] == [11.0]
    with subgraft.load(DIGITS_INT8, [Fake(run_s=10.0)], cpu_cost=lambda segment: None) as session:
        assert [step.owner for step in session.plan.steps] == ["fake"]


def test_a_delegate_without_an_estimate_costs_no_time_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CpuTimes, "__call__", lambda self, segment: pytest.fail("measured"))
    subgraft.load(DIGITS_INT8, [Fake()]).close()


def test_a_segment_takes_about_as_long_as_it_is_estimated() -> None:
    model = Model.open(DIGITS_INT8)
    segment = whole(model)
    estimated_s = times(model)(segment)
    assert estimated_s is not None
    program = _native.Program(model.native, 0, pool=_native.ThreadPool(1))
    program.run()
    start = time.perf_counter()
    for _ in range(20):
        program.run()
    ran_s = (time.perf_counter() - start) / 20
    assert ran_s / 20 < estimated_s < 20 * ran_s + 1e-3


def test_ops_beyond_the_patience_are_estimated_by_their_work(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.open(DIGITS_INT8)
    segment = whole(model)
    monkeypatch.setattr("subgraft.interpreter.cpu_times._run", lambda cpu, segment: 2e-3)
    graph = model.graphs[0]
    impatient = times(model, patience_s=1e-9)
    first = work(graph, graph.ops[0])
    rest = sum(work(graph, op) for op in graph.ops[1:])
    assert impatient(segment) == pytest.approx(2e-3 * (1 + rest / first))
    assert times(model, patience_s=0.0)(segment) is None


def test_an_op_without_a_kernel_has_no_time() -> None:
    model = Model.of(make.chain("ADD", "DELEGATE"))
    assert times(model)(whole(model)) is None


def op(kind: str, shapes: list[tuple[int, ...]]) -> float:
    tensors = [Tensor(str(i), shape, "float32") for i, shape in enumerate(shapes)]
    made = Op(kind, tuple(range(len(shapes) - 1)), (len(shapes) - 1,), Options())
    return work(Graph(tensors, [made], (), ()), made)


def test_work_counts_multiply_adds_where_there_are_any() -> None:
    assert op("CONV_2D", [(1, 8, 8, 3), (16, 3, 3, 3), (16,), (1, 8, 8, 16)]) == 8 * 8 * 16 * 27
    assert op("DEPTHWISE_CONV_2D", [(1, 8, 8, 4), (1, 3, 3, 4), (1, 8, 8, 4)]) == 8 * 8 * 4 * 9
    assert op("FULLY_CONNECTED", [(2, 100), (10, 100), (2, 10)]) == 2 * 10 * 100
    assert op("TRANSPOSE_CONV", [(4,), (5, 3, 3, 7), (1, 4, 4, 7), (1, 8, 8, 5)]) == 4 * 4 * 7 * 45
    assert op("BATCH_MATMUL", [(2, 3, 4), (2, 4, 5), (2, 3, 5)]) == 2 * 3 * 5 * 4
    assert op("ADD", [(10,), (10,), (10,)]) == 30


def test_any_op_may_be_timed_whatever_zeros_mean_to_it() -> None:
    owned = 0
    for entry in list(entries())[::400]:
        if entry.case.error is not None:
            continue
        with subgraft.load(entry.case.model(), [Fake(run_s=1e-12)]) as session:
            owned += any(step.owner for step in session.plan.steps)
    assert owned > 20
