"""What every delegate must get right on its device: the CPU's answers, all by itself, and again after a reload."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import subgraft
from subgraft.delegates import NUMPY_DTYPES, Array
from subgraft.interpreter.discovery import Wanted

RUNS = 5
FLOAT_TOLERANCE = 1e-3  # of the range; GPUs add in another order


def inputs_of(session: subgraft.Session, seed: int) -> dict[str, Array]:
    random = np.random.default_rng(seed)
    feed: dict[str, Array] = {}
    for name, tensor in session.inputs.items():
        dtype = NUMPY_DTYPES[tensor.dtype]
        if dtype.kind == "b":
            feed[name] = random.integers(0, 2, tensor.shape).astype(dtype)
        elif dtype.kind == "f":
            feed[name] = random.uniform(-1, 1, tensor.shape).astype(dtype)
        else:
            limits = np.iinfo(dtype)
            feed[name] = random.integers(limits.min, limits.max, tensor.shape, dtype, endpoint=True)
    return feed


def assert_equal(got: Array, expected: Array) -> None:
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(got, expected)
        return
    scale = float(np.ptp(expected)) or 1.0
    np.testing.assert_allclose(got, expected, rtol=0, atol=FLOAT_TOLERANCE * scale)


def compare(model: Path, accelerator: Wanted, only_nodes: list[int] | None = None) -> str:
    """Runs the model here and there, though it be slower there; why not, when the delegate takes nothing of it."""
    there = subgraft.load(model, [accelerator], only_nodes=only_nodes, cpu_cost=lambda segment: None)
    with subgraft.load(model) as cpu, there as session:
        if not any(step.owner for step in session.plan.steps):
            return (
                "; ".join(dict.fromkeys(r for p in session.plan.placements for r in p.reasons if "only_nodes" not in r))
                or "takes nothing"
            )
        for seed in range(RUNS):
            feed = inputs_of(cpu, seed)
            before = {name: array.copy() for name, array in feed.items()}
            got, expected = session.run(feed), cpu.run(feed)
            for name in expected:
                assert_equal(got[name], expected[name])
            for name, array in before.items():
                np.testing.assert_array_equal(feed[name], array, err_msg="the delegate wrote to its inputs")
        assert not session.report.events, str(session.report)
    return ""


def test_the_whole_model_gives_the_cpus_answers(model: Path, accelerator: Wanted) -> None:
    refused = compare(model, accelerator)
    if refused:
        pytest.skip(refused)


def test_each_op_alone_gives_the_cpus_answers(model: Path, accelerator: Wanted) -> None:
    with subgraft.load(model) as cpu:
        count = len(cpu.plan.placements)
    refused = [compare(model, accelerator, only_nodes=[node]) for node in range(count)]
    if all(refused):
        pytest.skip("; ".join(dict.fromkeys(refused)))


def test_the_device_can_be_opened_again(model: Path, accelerator: Wanted) -> None:
    refused = [compare(model, accelerator) for _ in range(3)]
    assert len(set(refused)) == 1, "the delegate changed its mind"
    if refused[0]:
        pytest.skip(refused[0])
