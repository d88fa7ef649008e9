"""The `subgraft` command: one module per verb."""

from subgraft.cli.main import main

__all__ = ["main"]
