"""Random shapes for tables of cases."""

from __future__ import annotations

import numpy as np

Dims = tuple[int, ...]

ZERO_SHARE, ONE_SHARE = 0.05, 0.2  # of dimensions


def random_shape(rng: np.random.Generator, rank: int, largest: int = 6) -> Dims:
    kinds = rng.choice(3, rank, p=[ZERO_SHARE, ONE_SHARE, 1 - ZERO_SHARE - ONE_SHARE])
    return tuple(int(rng.integers(2, largest + 1)) if kind == 2 else int(kind) for kind in kinds)


def shapes(count: int, seed: int, *, ranks: tuple[int, int] = (0, 5), largest: int = 6) -> list[Dims]:
    """Shapes with a few dimensions of 0 and more of 1; ranks: the least and the most."""
    rng = np.random.default_rng(seed)
    return [random_shape(rng, int(rng.integers(ranks[0], ranks[1] + 1)), largest) for _ in range(count)]


def broadcast_pairs(count: int, seed: int, *, most: int = 4) -> list[tuple[Dims, Dims]]:
    """Shapes that fit together: one repeats the other along some dimensions, or lacks leading ones."""
    rng = np.random.default_rng(seed)
    pairs = []
    for whole in shapes(count, seed + 1, ranks=(0, most)):
        sides = []
        for _ in range(2):
            side = tuple(1 if dim != 0 and rng.random() < 0.25 else dim for dim in whole)
            sides.append(side[int(rng.integers(0, len(whole) + 1)) if rng.random() < 0.3 else 0 :])
        pairs.append((sides[0], sides[1]))
    return pairs
