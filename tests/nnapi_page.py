"""Writes the table of docs/nnapi.md: every kind of op that the NNAPI delegate takes, since which level, with its rules.

python tests/nnapi_page.py
"""

from __future__ import annotations

from pathlib import Path

from subgraft.backends.nnapi import Nnapi, codes
from subgraft.backends.nnapi.lowering import EVERY_OP, LOWERINGS

PAGE = Path(__file__).parents[1] / "docs" / "nnapi.md"
MARK = "<!-- made by python tests/nnapi_page.py -->\n"
LEVELS = {level: number for number, level in enumerate(codes.LEVELS, 1)}


def written() -> str:
    """The page as it should be."""
    assert Nnapi  # importing the delegate registers what it takes
    head = PAGE.read_text().partition(MARK)[0]
    every = "\n".join(f"* {rule.__doc__}" for rule in EVERY_OP)
    rows = [f"| {kind} | {_levels(kind)} | {_rules(kind)} |" for kind in sorted(LOWERINGS)]
    table = "\n".join(["| op | types, and the feature level they need | rules |", "| --- | --- | --- |", *rows])
    return f"{head}{MARK}\nOf every op:\n\n{every}\n\n{table}\n"


def _levels(kind: str) -> str:
    by_level: dict[int, list[str]] = {}
    for dtype, level in LOWERINGS[kind].levels.items():
        by_level.setdefault(level, []).append(dtype)
    return "; ".join(f"{', '.join(types)}: {LEVELS[level]}" for level, types in sorted(by_level.items()))


def _rules(kind: str) -> str:
    return "; ".join(str(rule.__doc__) for rule in LOWERINGS[kind].rules)


if __name__ == "__main__":
    PAGE.write_text(written())
