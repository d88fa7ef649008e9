"""Every op that runs has its cases: many where models use it often."""

from __future__ import annotations

import pytest

import graph_cases
import op_tables
from subgraft.interpreter.native import _native
from subgraft.partitioner import BODY_OPTIONS


@pytest.mark.conformance
def test_every_op_that_runs_has_its_cases() -> None:
    found = op_tables.counts() + graph_cases.counts()
    ops = {*_native.kernel_names(), *BODY_OPTIONS}
    short = {op: f"{found[op]} of {wanted}" for op in sorted(ops) if found[op] < (wanted := op_tables.wanted(op))}
    assert not short, "add cases to a table tests/op_cases_*.py, or to tests/graph_cases_*.py"
