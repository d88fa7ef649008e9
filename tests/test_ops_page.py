"""docs/ops.md says what the registry and the tables of cases say."""

from __future__ import annotations

import pytest

import ops_page
from litert_ops import CUSTOM, VERSIONS
from subgraft.interpreter.native import _native
from subgraft.partitioner import BODY_OPTIONS


def test_the_page_of_ops_is_up_to_date() -> None:
    if lines := ops_page.out_of_date():
        pytest.fail("docs/ops.md is out of date; run: python tests/ops_page.py\n" + "\n".join(lines[:20]))


def test_every_op_that_litert_registers_runs() -> None:
    assert not {*VERSIONS, *CUSTOM} - {*_native.kernel_names(), *BODY_OPTIONS}
