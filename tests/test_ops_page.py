"""docs/ops.md says what the registry and the tables of cases say."""

from __future__ import annotations

import pytest

import ops_page


def test_the_page_of_ops_is_up_to_date() -> None:
    if lines := ops_page.out_of_date():
        pytest.fail("docs/ops.md is out of date; run: python tests/ops_page.py\n" + "\n".join(lines[:20]))
