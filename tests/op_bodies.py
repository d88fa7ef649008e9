"""Subgraphs that combine two elements: the bodies of STABLEHLO_SCATTER and STABLEHLO_REDUCE_WINDOW."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from subgraft.delegates import Graph, Op, Options, Tensor


def combining(kind: str, dtype: str, options: Mapping[str, Any] | None = None) -> Graph:
    """The op of its two inputs; without a kind the second input alone."""
    ends = [Tensor(name, (), dtype) for name in ("a", "b")]
    if not kind:
        return Graph(ends, (), (0, 1), (1,), name="body", index=1)
    op = Op(kind, (0, 1), (2,), Options(options or {}))
    return Graph([*ends, Tensor("c", (), dtype)], (op,), (0, 1), (2,), name="body", index=1)
