"""Every case of every graph_cases_*.py: ops that need others around them, against TFLite's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pytest

import subgraft
from graph_cases import GraphCase, entries
from op_cases import Array, compare
from oracle import Oracle, Request
from subgraft.interpreter.model import Model


def all_cases() -> Iterator[object]:
    """The default run takes a sample; -m conformance takes all."""
    for name, case, is_sample in entries():
        marks = [pytest.mark.conformance, *(() if is_sample else (pytest.mark.exhaustive,))]
        yield pytest.param(case, id=name, marks=marks)


def run(model: Model, runs: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """The outputs of each run, in one session, from the file's bytes."""
    with subgraft.load(model.to_bytes()) as session:
        names = list(session.inputs)
        return [[a.copy() for a in session.run(dict(zip(names, fed, strict=True))).values()] for fed in runs]


@pytest.mark.parametrize("case", list(all_cases()))
def test_a_graph_equals_tflites(case: GraphCase, oracle: Oracle) -> None:
    if case.expected is not None:
        expected = [list(case.expected(fed)) for fed in case.runs]
    else:
        answer = oracle.ask(Request((case.reference or case.model).to_bytes(), case.runs, resolver=case.resolver))
        assert not answer.error, f"the oracle refuses: {answer.error}"
        expected = answer.runs
    for i, (ours, theirs) in enumerate(zip(run(case.model, case.runs), expected, strict=True)):
        assert len(ours) == len(theirs)
        for place, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            difference = of_strings(a, b) if a.dtype == object else compare(a, b, case.tolerance)
            assert not difference, f"output {place} of run {i}: {difference}"


def of_strings(ours: Array, theirs: Array) -> str:
    """Empty when the same."""
    theirs = np.asarray(theirs, object)
    same = ours.shape == theirs.shape and ours.tolist() == theirs.tolist()
    return "" if same else f"{ours.tolist()} instead of {theirs.tolist()}"
