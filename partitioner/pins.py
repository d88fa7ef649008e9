"""What the user said about single ops."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from subgraft.delegates import Graph

CPU = "cpu"


@dataclass(frozen=True, slots=True)
class Pins:
    """Ops that no delegate may have, and who is asked first.

    deny_ops: op kinds, in every graph. deny_nodes, only_nodes: op indices in the main graph.
    prefer: op kind, or op index in the main graph, to the delegate that is asked first for it; "cpu" keeps it here.
    """

    deny_ops: frozenset[str] = frozenset()
    deny_nodes: frozenset[int] = frozenset()
    only_nodes: frozenset[int] | None = None
    prefer: Mapping[str | int, str] = field(default_factory=dict)
    graph: int = 0  # the main graph's index

    @classmethod
    def of(
        cls,
        deny_ops: Iterable[str] = (),
        deny_nodes: Iterable[int] = (),
        only_nodes: Iterable[int] | None = None,
        prefer: Mapping[str | int, str] | None = None,
    ) -> Pins:
        """From whatever iterables a user passes."""
        if isinstance(deny_ops, str):
            raise TypeError(f'deny_ops is a list of op kinds: write ["{deny_ops}"]')
        only = None if only_nodes is None else frozenset(only_nodes)
        return cls(frozenset(deny_ops), frozenset(deny_nodes), only, dict(prefer or {}))

    def check(self, graph: Graph, labels: Collection[str]) -> None:
        """Raises ValueError for a node that the main graph does not have, and for a delegate that was not asked for."""
        unknown = [label for label in self.prefer.values() if label != CPU and label not in labels]
        if unknown:
            raise ValueError(f"prefer names {unknown[0]!r}; there are: {', '.join((*labels, CPU))}")
        named = {*self.deny_nodes, *(self.only_nodes or ()), *(key for key in self.prefer if isinstance(key, int))}
        wrong = sorted(node for node in named if not 0 <= node < len(graph.ops))
        if wrong:
            raise ValueError(f"no node {wrong[0]} in this model: its nodes are 0 to {len(graph.ops) - 1}")

    def against(self, node: int, graph: Graph) -> tuple[str, ...]:
        """Every reason of the user's to keep this op on the CPU."""
        kind = graph.ops[node].kind
        reasons = []
        if kind in self.deny_ops:
            reasons.append(f"deny_ops names {kind}")
        if graph.index == self.graph and node in self.deny_nodes:
            reasons.append(f"deny_nodes names {node}")
        if graph.index == self.graph and self.only_nodes is not None and node not in self.only_nodes:
            reasons.append(f"only_nodes does not name {node}")
        if self.first(node, graph) == CPU:
            reasons.append('prefer says "cpu"')
        return tuple(reasons)

    def first(self, node: int, graph: Graph) -> str | None:
        """Who is asked first for this op; None: the usual order."""
        named = self.prefer.get(node) if graph.index == self.graph else None
        return named or self.prefer.get(graph.ops[node].kind)
