"""Every op with a kernel has its cases: many where models use it often."""

from __future__ import annotations

import pytest

from op_tables import counts, wanted
from subgraft.interpreter.native import _native

# Ops that no case of one op alone can test, and where they are tested.
ELSEWHERE = {
    "ASSIGN_VARIABLE": "tests/test_resources.py",
    "DENSIFY": "tests/test_sparse.py",
    "READ_VARIABLE": "tests/test_resources.py",
    "VAR_HANDLE": "tests/test_resources.py",
}


@pytest.mark.conformance
@pytest.mark.exhaustive
def test_every_op_with_a_kernel_has_its_cases() -> None:
    found = counts()
    ops = set(_native.kernel_names()) - ELSEWHERE.keys()
    short = {op: f"{found[op]} of {wanted(op)}" for op in sorted(ops) if found[op] < wanted(op)}
    assert not short
