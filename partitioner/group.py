"""Cuts the graph into segments that can run as one."""

from __future__ import annotations

import heapq
from collections.abc import Hashable, Sequence
from typing import TypeVar

from subgraft.delegates import Graph
from subgraft.partitioner.kept import has_effects

Owner = TypeVar("Owner", bound=Hashable)


def group(
    graph: Graph, owners: Sequence[Owner], blocks: Sequence[Hashable | None] | None = None
) -> list[tuple[Owner, list[int]]]:
    """Waves of ready ops with one owner.

    blocks: ops of one block, which share an owner, stay in one wave unless others must run in their middle.

    An op is ready when all its inputs exist. A wave takes every ready op of its owner until none is left, so no path
    leaves a segment and comes back into it: segments can run in the order returned, each as a whole.

        a --> b* --> d        owners: * npu, others CPU
        |            ^        waves:  [a, c]  [b]  [d]
        +---> c -----+        (c needs nothing of b, so it does not split the CPU's first wave)

    Where ops of several owners are ready at the start, the one that leads to the fewest segments begins.
    """
    after = _followers(graph)
    if blocks is not None and any(block is not None for block in blocks):
        whole = _waves_of_blocks(owners, after, blocks)
        if whole is not None:
            return whole
    return _waves(owners, after)


def _waves(owners: Sequence[Owner], after: Sequence[Sequence[int]]) -> list[tuple[Owner, list[int]]]:
    starts = dict.fromkeys(owners[i] for i, count in enumerate(_counts(after)) if count == 0)
    return min((_drain(owners, after, start) for start in starts), key=len, default=[])


def _waves_of_blocks(
    owners: Sequence[Owner], after: Sequence[Sequence[int]], blocks: Sequence[Hashable | None]
) -> list[tuple[Owner, list[int]]] | None:
    """The same with every block as one op; None when a path leaves a block and comes back into it."""
    firsts: dict[Hashable, int] = {}
    heads = [i if block is None else firsts.setdefault(block, i) for i, block in enumerate(blocks)]
    places = {head: n for n, head in enumerate(dict.fromkeys(heads))}
    members: list[list[int]] = [[] for _ in places]
    follow: list[dict[int, None]] = [{} for _ in places]
    for i, followers in enumerate(after):
        here = places[heads[i]]
        members[here].append(i)
        follow[here].update((places[heads[j]], None) for j in followers if places[heads[j]] != here)
    waves = _waves([owners[ops[0]] for ops in members], [list(f) for f in follow])
    if sum(len(members[n]) for _, wave in waves for n in wave) < len(owners):
        return None
    return [(owner, sorted(i for n in wave for i in members[n])) for owner, wave in waves]


def _drain(owners: Sequence[Owner], after: Sequence[Sequence[int]], start: Owner) -> list[tuple[Owner, list[int]]]:
    missing = _counts(after)
    ready: dict[Owner, list[int]] = {}  # heaps: the earliest op first
    for i, count in enumerate(missing):
        if count == 0:
            ready.setdefault(owners[i], []).append(i)
    waves: list[tuple[Owner, list[int]]] = []
    owner = start
    while True:
        heap, wave = ready[owner], []
        while heap:
            op = heapq.heappop(heap)
            wave.append(op)
            for i in after[op]:
                missing[i] -= 1
                if missing[i] == 0:
                    heapq.heappush(ready.setdefault(owners[i], []), i)
        waves.append((owner, wave))
        del ready[owner]
        if not ready:
            return waves
        owner = min(ready, key=lambda o: ready[o][0])


def _counts(after: Sequence[Sequence[int]]) -> list[int]:
    """How many ops each op waits for."""
    counts = [0] * len(after)
    for followers in after:
        for i in followers:
            counts[i] += 1
    return counts


def _followers(graph: Graph) -> list[list[int]]:
    """For each op those that must run after it: its tensors' readers, and the next op whose effects could meet its own.

    Only ops behind it in the file count, so that the answer has no cycles whatever the file says.
    """
    followers: list[dict[int, None]] = [{} for _ in graph.ops]
    writers: dict[int, int] = {}
    last_effect = -1
    for i, op in enumerate(graph.ops):
        for t in op.inputs:
            if t in writers:
                followers[writers[t]][i] = None
        if has_effects(op, graph):
            if last_effect >= 0:
                followers[last_effect][i] = None
            last_effect = i
        writers.update((t, i) for t in op.outputs if t >= 0)
    return [list(f) for f in followers]
