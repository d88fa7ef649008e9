"""Real models cut in every way, clean and with a failure at each phase: the answer is the CPU's, bit for bit.

The default run takes a sample of cuts of small models; -m exhaustive takes every range of ops of graphs of up to 40
ops, and one-op, prefix, suffix and 50 seeded cuts of larger ones, of every model that the CPU can run.
"""

from __future__ import annotations

import functools
import random
import time

import numpy as np
import pytest

import subgraft
from shared_models import MODELS, needs_shared
from subgraft.backends.fake import Fake
from subgraft.delegates import NUMPY_DTYPES, InvokeError, Unsupported
from subgraft.interpreter import Model

SMALL = [
    "real/hello_world_int8.tflite",
    "real/kws_ref_model.tflite",
    "real/vww_96_int8.tflite",
    "real/keras_lstm_mnist_ptq.tflite",
    "real/model_1.tflite",
    "real/text_classification.tflite",
    "made/while_if_float.tflite",
]
ALL = sorted(
    str(path.relative_to(MODELS))
    for folder in ("real", "made", "edgetpu")
    for path in (MODELS / folder).glob("*.tflite")
    if not path.stem.endswith("_edgetpu")
)
CONDITIONS = ("clean", "open", "compile", "run", "deadline", "output")
FAULTS = {"open": "unavailable", "compile": "reject", "run": "fail", "deadline": "hang@1", "output": "sizes"}
SMALL_GRAPH = 40  # ops; of larger ones not every range is tried


def ranges(count):
    """Every cut of one graph: all ranges of its ops, or the issue's choice of them."""
    if count <= SMALL_GRAPH:
        return [range(i, j) for i in range(count) for j in range(i + 1, count + 1)]
    cuts = [range(i, i + 1) for i in range(count)]
    cuts += [range(0, i) for i in range(2, count + 1)] + [range(i, count) for i in range(1, count - 1)]
    seeded = random.Random(count)
    return cuts + [sorted(seeded.sample(range(count), seeded.randint(1, count))) for _ in range(50)]


class Subject:
    """A model with an input, and what the CPU makes of it in two runs: some models remember the first."""

    def __init__(self, name):
        self.model = Model.open(MODELS / name)
        try:
            session = subgraft.load(self.model)
        except (Unsupported, ValueError) as error:
            pytest.skip(f"the CPU cannot run {name}: {error}")
        self.inputs = [
            {n: values(np.random.default_rng(seed), t) for n, t in session.inputs.items()} for seed in range(2)
        ]
        try:
            session.run(self.inputs[0])
        except InvokeError:  # floats that are indices
            self.inputs = [{n: np.abs(value) for n, value in inputs.items()} for inputs in self.inputs]
        session.reset()
        start = time.perf_counter()
        self.answers = [session.run(inputs) for inputs in self.inputs]
        self.run_s = time.perf_counter() - start

    def try_cut(self, nodes, condition, **options):
        timeout_s = max(0.05, 2 * self.run_s) if condition == "deadline" else 60.0
        fake = Fake(faults=FAULTS.get(condition, ""), timeout_s=timeout_s, keeps_state=True, **options)
        with subgraft.load(self.model, [fake], only_nodes=nodes, probe_s=60) as session:
            for inputs, expected in zip(self.inputs, self.answers, strict=True):
                got = session.run(inputs)
                for name, value in expected.items():
                    where = f"output {name} of ops {list(nodes)}, {condition}"
                    assert (got[name].dtype, got[name].shape) == (value.dtype, value.shape), where
                    assert got[name].tobytes() == value.tobytes(), where
            check_report(session, fake, condition)
            fake.release()


def values(random, tensor):
    """Arrays that every op can take: whole numbers stay small, so that they can be indices."""
    dtype = NUMPY_DTYPES[tensor.dtype]
    if dtype.kind == "f":
        return random.standard_normal(tensor.shape).astype(dtype)
    if dtype.kind == "b":
        return random.integers(0, 2, tensor.shape).astype(bool)
    if dtype.itemsize == 1:
        return random.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, tensor.shape, dtype, endpoint=True)
    return random.integers(0, 8, tensor.shape).astype(dtype)


def check_report(session, fake, condition):
    """Every event that must have happened is named, and nothing else is."""
    seen = {(event.phase, event.graph, event.segment) for event in session.report}
    plans = {0: session.plan, **session.plan.bodies}
    delegated = {(g, n) for g, plan in plans.items() for n, step in enumerate(plan.steps) if step.owner}
    with_outputs = {(g, n) for g, n in delegated if plans[g].steps[n].segment.outputs}
    if condition == "clean":
        assert not seen
    elif condition == "open":
        assert seen == {("open", 0, None)}
        assert not delegated
    elif condition == "compile":
        assert {phase for phase, _, _ in seen} <= {"compile"}
        assert not delegated
    elif condition == "deadline":
        assert {phase for phase, _, _ in seen} <= {"deadline"}
        assert len(seen) >= (1 if fake.runs else 0)
    else:
        ran = {(graph, segment) for _, graph, segment in seen}
        assert {phase for phase, _, _ in seen} <= {condition}
        assert ran <= delegated if condition == "run" else ran <= with_outputs
        if fake.chains:  # what follows a failed segment in a chain is not even tried
            assert bool(ran) == bool(delegated)
        elif all(graph == 0 for graph, _ in delegated):  # bodies may never be run
            assert ran == (delegated if condition == "run" else with_outputs)


subject = functools.lru_cache(maxsize=2)(Subject)


@needs_shared
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("name", SMALL)
def test_a_sample_of_cuts_of_small_models(name, condition):
    one = subject(name)
    cuts = ranges(len(one.model.graphs[0].ops))
    for nodes in random.Random(name).sample(cuts, min(4, len(cuts))):
        one.try_cut(nodes, condition)


@needs_shared
@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("options", [{"submits": True}, {"chains": True}], ids=str)
@pytest.mark.parametrize("condition", ["clean", "run", "output"])
def test_requests_in_flight_and_chained_segments_change_no_answer(name, options, condition):
    one = subject(name)
    if options.get("chains") and condition == "output":
        pytest.skip("what a chained segment hands over cannot be exchanged")
    seeded = random.Random(name)
    count = len(one.model.graphs[0].ops)
    for _ in range(3):
        one.try_cut(seeded.sample(range(count), (count + 1) // 2), condition, **options)


@pytest.mark.exhaustive
@needs_shared
@pytest.mark.parametrize("condition", CONDITIONS)
@pytest.mark.parametrize("name", ALL)
def test_every_cut_of_every_model(name, condition):
    one = subject(name)
    for nodes in ranges(len(one.model.graphs[0].ops)):
        one.try_cut(nodes, condition)
