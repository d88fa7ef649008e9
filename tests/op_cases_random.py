"""RANDOM_UNIFORM, RANDOM_STANDARD_NORMAL, MULTINOMIAL and STABLEHLO_RNG_BIT_GENERATOR: the same numbers for the same
seeds, run after run."""

from __future__ import annotations

from typing import Any

import numpy as np

from op_cases import Array, Case, In, Shape, c, const, fed, out, x

INF, NAN = float("inf"), float("nan")
SEEDS = [(1, 0), (0, 1), (42, 7), (-1, -3), (2**31 - 1, -(2**31)), (2**40 + 5, 2**62 + 11)]


def draw(kind: str, shape: Shape, seeds: tuple[int, int] = (42, 7), *, make: Any = const, **more: Any) -> Case:
    options = {"seed": seeds[0], "seed2": seeds[1]}
    label = f"{'x'.join(map(str, shape))}-{seeds[0]}-{seeds[1]}"
    inputs = [make(list(shape), "int32")]
    return Case(kind, inputs, [out()], options, label=label, **({"tolerance": 1e-6, "runs": 3} | more))


def sample(logits: In, samples: int, seeds: tuple[int, int] = (42, 7), *, make: Any = const, **more: Any) -> Case:
    options = {"seed": seeds[0], "seed2": seeds[1]}
    result = more.pop("result", "int64")
    label = f"{samples}-{seeds[0]}-{seeds[1]}-{result}"
    return Case("MULTINOMIAL", [logits, make(samples, "int32")], [out(result)], options, label=label,
                **({"runs": 3} | more))  # fmt: skip


def bits(state: list[int], shape: Shape, algorithm: int = 1, dtype: str = "uint32", **more: Any) -> Case:
    given = more.pop("given", None) or fed(state, "uint64")
    outputs = [out("uint64", shape=given.shape), out(dtype, shape=shape)]
    label = f"{algorithm}-{dtype}{'x'.join(map(str, shape))}" + more.pop("label", "")
    return Case("STABLEHLO_RNG_BIT_GENERATOR", [given], outputs, {"algorithm": algorithm}, label=label, **more)


DEFAULT, PHILOX, THREEFRY = range(3)
STATES = [[0, 0], [1, 2], [2**64 - 1, 2**63 + 7], [2**40 + 3, 2**32 - 1], [12345678901234567890, 2**64 - 2]]

KINDS = ("RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL")


def philox(seed: int, seed2: int, blocks: int) -> Array:
    """Philox4x32-10 as its paper has it, in numpy."""
    found = []
    for position in range(blocks):
        a, b, c, d = position & 0xFFFFFFFF, position >> 32, seed2 & 0xFFFFFFFF, seed2 >> 32 & 0xFFFFFFFF
        k, m = seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF
        for _ in range(10):
            p, q = a * 0xD2511F53, c * 0xCD9E8D57
            a, b, c, d = (q >> 32) ^ b ^ k, q & 0xFFFFFFFF, (p >> 32) ^ d ^ m, p & 0xFFFFFFFF
            k, m = (k + 0x9E3779B9) & 0xFFFFFFFF, (m + 0xBB67AE85) & 0xFFFFFFFF
        found += [a, b, c, d]
    return np.array(found, np.uint32)


def uniform_7(arrays: list[Array]) -> list[Array]:
    bits = philox(5, 6, 2)[:7] & 0x7FFFFF
    return [(bits | 0x3F800000).view(np.float32) - 1]


CASES = [
    *(draw(kind, (3, 4), seeds) for kind in KINDS for seeds in SEEDS),
    *(draw(kind, shape) for kind in KINDS for shape in ((2,), (8,), (1000,), (2, 2, 2, 2), (0,), (3, 0), ())),
    *(draw(kind, (2, 6), make=fed) for kind in KINDS),
    draw("RANDOM_UNIFORM", (7,)),
    draw("RANDOM_UNIFORM", (1,)),
    draw("RANDOM_UNIFORM", (7,), (5, 6), runs=1, expected=uniform_7, why="the generator's own definition"),
    *(draw(kind, (-1, 2), error="-1|negative") for kind in KINDS),
    *(draw(kind, (1 << 20, 1 << 20, 1 << 20), error="elements|limit") for kind in KINDS),
    Case("RANDOM_UNIFORM", [const([2], "int64")], [out()], error="int32"),
    Case("RANDOM_UNIFORM", [const(2)], [out()], error="shape"),
    Case("RANDOM_UNIFORM", [const([2])], [out("float64")], error="float64"),
    *(sample(x(2, 5), 6, seeds) for seeds in SEEDS),
    *(sample(x(2, 5), n, result=result) for n in (1, 3, 4, 100) for result in ("int32", "int64")),
    *(sample(x(batch, classes), 5) for batch, classes in ((1, 1), (7, 2), (3, 100))),
    sample(c(2, 5), 0),
    sample(c(0, 3), 5),
    sample(c(3, 4), 5, result="int32"),
    sample(x(2, 5), 6, make=fed),
    sample(fed([[INF, 0, 1], [-INF, NAN, 2], [100, 0, -100]]), 9),
    sample(fed([[NAN, INF]]), 3),
    sample(x(2, 3, low=-1e38, high=1e38), 20),
    sample(x(2, 0), 3, error="classes"),
    sample(x(2, 5), -1, error="-1 samples"),
    sample(x(5), 3, error="shape"),
    sample(x(2, 5, dtype="int32"), 3, error="int32"),
    sample(x(2, 5), 3, result="float32", error="float32"),
    Case("MULTINOMIAL", [x(2, 5), const([3])], [out("int64")], error="shape"),
    Case("MULTINOMIAL", [x(2, 5), const(3, "int64")], [out("int64")], error="int32"),
    *(bits(state, (3, 5), algorithm) for algorithm in (DEFAULT, PHILOX, THREEFRY) for state in STATES),
    *(bits([*state, 77], (3, 5), algorithm) for algorithm in (DEFAULT, PHILOX) for state in STATES),
    *(bits([5, 6], (7,), a, dtype) for a in (PHILOX, THREEFRY) for dtype in ("int32", "uint32", "int64", "uint64")),
    *(bits([5, 6], shape, a) for a in (PHILOX, THREEFRY) for shape in ((), (0, 3), (2, 2, 2, 2), (1000,))),
    bits([], (4,), given=const([7, 8, 9], "uint64"), label="folded"),
    bits([1, 2, 3], (4,), THREEFRY, error="shape"),
    bits([1], (4,), error="shape"),
    bits([1, 2, 3, 4], (4,), error="shape"),
    bits([1, 2], (4,), 3, error="algorithm 3"),
    bits([1, 2], (4,), -1, error="algorithm -1"),
    bits([1, 2], (4,), dtype="float32", error="float32"),
    bits([], (4,), given=fed([1, 2], "int64"), error="int64"),
    bits([], (4,), given=fed([[1, 2]], "uint64"), error="shape"),
]

MORE = [
    *(draw(kind, (n,), (n, 3)) for kind in KINDS for n in (4, 16, 64, 256, 4096)),
    *(sample(x(b, n), 17, (b, n)) for b in (1, 2, 5) for n in (2, 3, 9, 33)),
]
