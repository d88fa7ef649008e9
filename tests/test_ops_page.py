"""docs/ops.md says what the registry and the tables of cases say."""

from __future__ import annotations

import pytest

import ops_page


@pytest.mark.conformance
@pytest.mark.exhaustive
def test_the_page_of_ops_is_up_to_date() -> None:
    assert ops_page.PAGE.read_text() == ops_page.page(), "run: python tests/ops_page.py"
