"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oracle import Oracle


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    """TFLite in a child process, started with the first question."""
    child = Oracle()
    yield child
    child.close()
