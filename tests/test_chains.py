"""Two segments of one delegate that pass a tensor without the host, and what a failure of one of them does."""

from __future__ import annotations

import numpy as np
import pytest

import subgraft
from subgraft.backends.fake import Fake
from subgraft.delegates import Graph, Op, Options, Tensor
from subgraft.interpreter import Model
from waiting import until

NONE = {"fused_activation_function": "NONE"}
HANDED = 4  # made by the first segment on the fake, read by the second alone
X = np.linspace(-1, 1, 6, dtype=np.float32)


def skipping():
    """x -> SPLIT* -> ADD -> MUL*, and SPLIT's other half straight to MUL; * on the fake."""
    tensors = (
        Tensor("x", (6,), "float32"),
        Tensor.constant("axis", np.array(0, np.int32)),
        Tensor("doubled", (6,), "float32"),
        Tensor("left", (3,), "float32"),
        Tensor("right", (3,), "float32"),
        Tensor("sum", (3,), "float32"),
        Tensor("y", (3,), "float32"),
    )
    ops = (
        Op("ADD", (0, 0), (2,), Options(NONE, table="AddOptions")),
        Op("SPLIT", (1, 2), (3, 4), Options({"num_splits": 2}, table="SplitOptions")),
        Op("ADD", (3, 3), (5,), Options(NONE, table="AddOptions")),
        Op("MUL", (5, 4), (6,), Options(NONE, table="MulOptions")),
    )
    return Model.of(Graph(tensors, ops, (0,), (6,)))


EXPECTED = 4 * X[:3] * 2 * X[3:]


def chained(**options):
    return Fake(kinds="SPLIT,MUL", chains=True, **options)


def lanes(session):
    return session._engine.lanes


def test_the_tensor_between_two_segments_never_visits_the_host():
    with subgraft.load(skipping(), [chained()]) as session:
        assert [step.owner for step in session.plan.steps] == [None, "fake", None, "fake"]
        host = session._engine.store.fixed[HANDED]
        host[...] = 77
        np.testing.assert_allclose(session.run({"x": X})["y"], EXPECTED, rtol=1e-6)
        assert (host == 77).all()


def test_without_the_capability_it_does():
    with subgraft.load(skipping(), [Fake(kinds="SPLIT,MUL")]) as session:
        session.run({"x": X})
        np.testing.assert_array_equal(session._engine.store.fixed[HANDED], 2 * X[3:])


@pytest.mark.parametrize("fault, runs", [("fail@1", 1), ("fail@2", 2), ("gone@2", 2), ("busy@1", 1)])
def test_when_one_of_them_fails_the_cpu_computes_both(fault, runs):
    fake = chained(faults=fault)
    with subgraft.load(skipping(), [fake], probe_s=60) as session:
        np.testing.assert_allclose(session.run({"x": X})["y"], EXPECTED, rtol=1e-6)
        assert fake.runs == runs  # after a failure of the first the second is not tried
        assert len(session.report) == 1


def test_the_chain_is_whole_again_in_the_next_run():
    fake = chained(faults="fail@2")
    with subgraft.load(skipping(), [fake]) as session:
        for _ in range(3):
            np.testing.assert_allclose(session.run({"x": X})["y"], EXPECTED, rtol=1e-6)
        assert fake.runs == 6
        assert all(lane.on_device for lane in lanes(session))


def test_a_segment_compiled_anew_is_chained_again():
    fake = chained(faults="hang@3", timeout_s=0.05)
    with subgraft.load(skipping(), [fake], probe_s=0.01) as session:
        for _ in range(2):
            np.testing.assert_allclose(session.run({"x": X})["y"], EXPECTED, rtol=1e-6)
        fake.release()
        until(lambda: any(event.phase == "back" for event in session.report))
        host = session._engine.store.fixed[HANDED]
        host[...] = 77
        np.testing.assert_allclose(session.run({"x": X})["y"], EXPECTED, rtol=1e-6)
        assert (host == 77).all()


def test_a_chain_is_verified_from_its_beginning():
    with subgraft.load(skipping(), [chained(faults="values@2")], verify_every=1) as session:
        for _ in range(3):
            np.testing.assert_allclose(session.run({"x": X})["y"], EXPECTED, rtol=1e-6)
        assert [(event.phase, event.segment) for event in session.report] == [("verify", 3)]


def test_what_a_chain_may_need_again_keeps_its_memory():
    session = subgraft.load(skipping(), [chained()])
    fixed = session._engine.store.fixed
    # Were the first segment computed again after ADD, its input and outputs must not lie where ADD wrote.
    for tensor in (2, 3, 4):
        assert not np.shares_memory(fixed[tensor], fixed[5])
