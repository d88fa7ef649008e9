"""Tables in docs/ say what the code says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import opencl_page
import subgraft
from shared_models import MODELS, needs_shared
from subgraft.backends.edgetpu import EdgeTpu, rules
from subgraft.backends.edgetpu.accelerators import UDEV_FILE, UDEV_RULES
from subgraft.backends.edgetpu.emulator.faults import ACTIONS
from subgraft.backends.fake import Fake
from subgraft.backends.fake.faults import KINDS
from subgraft.backends.opencl import OpenCl
from subgraft.backends.opencl.caps import LOOPS
from subgraft.backends.opencl.drivers import DRIVERS
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


def test_every_option_of_the_edge_tpu_is_documented_with_its_default() -> None:
    written = {(): "`()`", "": '`""`'}
    expected = [
        (f"`{p.name}`", written.get(p.default, f"`{p.default}`"))
        for p in inspect.signature(EdgeTpu).parameters.values()
    ]
    assert [row[:2] for row in rows("edgetpu.md", 3) if row[0].startswith("`") and row[0] in dict(expected)] == expected


def test_the_edge_tpus_rules_are_documented_word_for_word() -> None:
    page = (ROOT / "docs" / "edgetpu.md").read_text()
    assert [line for line in re.findall(r"^\* (its .+|only .+)$", page, re.MULTILINE)] == [
        rule.__doc__ for rule in rules.EVERY_OP
    ]
    table = {row[0]: row[1:] for row in rows("edgetpu.md", 3) if row[0] in rules.SUPPORTED}
    assert table == {
        kind: (
            "any" if published.since == rules.FIRST else str(published.since),
            "; ".join(str(rule.__doc__) for rule in published.limits),
        )
        for kind, published in rules.SUPPORTED.items()
    }


def test_the_udev_rules_in_the_documentation_are_those_that_are_printed() -> None:
    page = (ROOT / "docs" / "edgetpu.md").read_text()
    assert UDEV_RULES in page
    assert UDEV_FILE in page


def test_every_option_of_opencl_is_documented_with_its_default() -> None:
    expected = [(f"`{p.name}`", f"`{p.default}`") for p in inspect.signature(OpenCl).parameters.values()]
    assert [row[:2] for row in rows("opencl.md", 3) if row[0].startswith("`")] == expected


def test_every_vendor_whose_driver_is_looked_for_is_documented() -> None:
    page = (ROOT / "docs" / "opencl.md").read_text()
    assert [driver.vendor for driver in DRIVERS if f"| {driver.vendor.partition(' (')[0]} " not in page] == [
        "PoCL (CPU)"
    ]


def test_the_rules_of_opencl_are_documented_word_for_word() -> None:
    up_to_date = opencl_page.written() == opencl_page.PAGE.read_text()
    assert up_to_date, "docs/opencl.md is out of date; run: python tests/opencl_page.py"


def test_every_inner_loop_of_opencl_is_documented() -> None:
    page = (ROOT / "docs" / "opencl.md").read_text()
    assert [loop for loop in LOOPS if f"`{loop}`" not in page] == []


def test_every_fault_of_the_emulated_edge_tpu_is_documented() -> None:
    shown = [row for row in rows("edgetpu.md", 2) if row[0].strip("`") in ACTIONS]
    assert shown == [(f"`{name}`", meaning) for name, meaning in ACTIONS.items()]
