"""Tables in docs/ say what the code says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import subgraft
from shared_models import MODELS, needs_shared
from subgraft.backends.fake import Fake
from subgraft.backends.fake.faults import KINDS
from subgraft.delegates import Unsupported

ROOT = Path(__file__).parents[1]
REAL = sorted((MODELS / "real").glob("*.tflite"))


def rows(page: str, columns: int) -> list[tuple[str, ...]]:
    """The cells of the page's tables with so many columns, without their heads."""
    lines = re.findall(r"^\| (.+) \|$", (ROOT / "docs" / page).read_text(), re.MULTILINE)
    cells = [tuple(line.split(" | ")) for line in lines]
    heads = {j for i, row in enumerate(cells) if set(row) == {"---"} for j in (i - 1, i)}
    return [row for i, row in enumerate(cells) if len(row) == columns and i not in heads]


def test_every_option_of_the_fake_is_documented_with_its_default() -> None:
    parameters = inspect.signature(Fake).parameters.values()
    shown = [(name, default) for name, default, _ in rows("fake.md", 3)]
    written = {"": '`""`'}
    expected = [(f"`{p.name}`", written.get(p.default, f"`{p.default}`")) for p in parameters]
    assert shown == expected


def test_every_fault_of_the_fake_is_documented() -> None:
    assert rows("fake.md", 2) == [(f"`{kind}`", meaning) for kind, meaning in KINDS.items()]


@needs_shared
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_public_model_runs_or_is_named_among_those_that_do_not(path: Path) -> None:
    missing = dict(rows("coverage.md", 2))
    try:
        subgraft.load(path).close()
    except Unsupported as error:
        assert path.stem in missing, error
