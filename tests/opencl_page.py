"""Writes the rules in docs/opencl.md from the code: python tests/opencl_page.py"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from subgraft.backends.opencl import OpenCl
from subgraft.backends.opencl.lowering import EVERY_OP, LOWERINGS

PAGE = Path(__file__).parents[1] / "docs" / "opencl.md"
PLACES = re.compile(r"(?<=<!-- (?:rules|table) -->\n).*?(?=<!-- end -->)", re.DOTALL)
HEAD = "\n| op | what is asked of it, or speaks against it |\n| --- | --- |\n"

assert OpenCl  # importing it registers all ops


def general() -> str:
    return "".join(f"* {rule.__doc__}\n" for rule in EVERY_OP)


def table() -> str:
    return HEAD + "".join(f"| {', '.join(kinds)} | {'; '.join(rules)} |\n" for kinds, rules in rows()) + "\n"


def rows() -> Iterator[tuple[list[str], tuple[str, ...]]]:
    """Ops with the same rules together, by the first one's name."""
    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for kind in sorted(LOWERINGS):
        together[tuple(str(rule.__doc__).strip() for rule in LOWERINGS[kind].rules)].append(kind)
    for rules, kinds in together.items():
        yield kinds, rules


def written() -> str:
    """The page as it should be."""
    parts = iter((general(), table()))
    return PLACES.sub(lambda match: next(parts), PAGE.read_text())


if __name__ == "__main__":
    PAGE.write_text(written())
