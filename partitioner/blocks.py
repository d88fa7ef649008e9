"""Ops that a delegate takes only together: one segment of exactly them, or none of them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

from subgraft.delegates import Graph, Indivisible
from subgraft.partitioner.assign import Candidate, Placement
from subgraft.partitioner.prune import Owned, Refused

# For each delegate that has any: op index to the block it belongs to.
Blocks = Mapping[str, Mapping[int, Hashable]]


def blocks_of(graph: Graph, candidates: Sequence[Candidate]) -> Blocks:
    """What every delegate says of every op."""
    found: dict[str, dict[int, Hashable]] = {}
    for candidate in candidates:
        delegate = candidate.delegate
        if isinstance(delegate, Indivisible):
            answers = ((i, delegate.block(op, graph)) for i, op in enumerate(graph.ops))
            found[candidate.label] = {i: block for i, block in answers if block is not None}
    return found


def owned_blocks(placements: Sequence[Placement], blocks: Blocks) -> list[Hashable | None]:
    """For each op the block that it is to be compiled with."""
    return [blocks.get(p.owner or "", {}).get(i) for i, p in enumerate(placements)]


def incomplete(graph: Graph, placements: Sequence[Placement], blocks: Blocks) -> Refused:
    """What delegates have of blocks of which another op is elsewhere."""
    refused: Refused = {}
    for label, members in _members(blocks):
        had = [i for i in members if placements[i].owner == label]
        missing = next((i for i in members if placements[i].owner != label), None)
        if had and missing is not None:
            where = placements[missing].owner or "the CPU"
            why = f"it comes only with op {missing} {graph.ops[missing].kind}, which is on {where}"
            refused |= {(graph.index, label, i): (why,) for i in had}
    return refused


def torn(graph: Graph, segments: Sequence[Owned], blocks: Blocks) -> Refused:
    """What delegates have of blocks that no one segment holds: ops of others would have to run in their middle."""
    places = {i: number for number, (_, segment) in enumerate(segments) for i in segment.ops}
    refused: Refused = {}
    for label, members in _members(blocks):
        if segments[places[members[0]]][0] == label and len({places[i] for i in members}) > 1:
            why = "ops of others would have to run in the middle of what it comes with"
            refused |= {(graph.index, label, i): (why,) for i in members}
    return refused


def _members(blocks: Blocks) -> list[tuple[str, list[int]]]:
    """Every block: its delegate's label and its ops, in order."""
    found: dict[tuple[str, Hashable], list[int]] = {}
    for label, by_op in blocks.items():
        for i, block in by_op.items():
            found.setdefault((label, block), []).append(i)
    return [(label, members) for (label, _), members in found.items()]
