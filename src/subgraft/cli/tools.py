"""Modules that verbs need from backends, which this room may not import: found by entry point."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from subgraft.cli.exit_codes import MissingDependency

ENTRY_POINTS = "subgraft.tools"


def tool(name: str) -> Any:
    """The module or object that goes by this name. Raises MissingDependency where it is not installed."""
    for point in entry_points(group=ENTRY_POINTS):
        if point.name == name:
            return point.load()
    raise MissingDependency(
        f"this installation has no tool named {name!r}; install subgraft again: pip install subgraft"
    )
