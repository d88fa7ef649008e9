"""NON_MAX_SUPPRESSION_V4 and NON_MAX_SUPPRESSION_V5."""

from collections.abc import Iterable

import numpy as np

from op_cases import Array, Case, In, const, fed, out, x

V4 = [out("int32"), out("int32")]
V5 = [out("int32"), out(), out("int32")]
FIXED, CHANGING = const, fed


def boxes(count: int, seed: int, spread: float = 4.0) -> Array:
    """Corners in any order."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, spread, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(-2, 2, (count, 2))], axis=1).astype(np.float32)


def suppress(
    corners: Array,
    scores: Array | Iterable[float],
    most: int,
    overlap: float = 0.5,
    score: float = 0.0,
    sigma: float | None = None,
    make: object = const,
    **more: object,
) -> Case:
    numbers = [In(dtype="float32", value=n, constant=make is const) for n in (overlap, score)]
    if sigma is not None:
        numbers.append(In(dtype="float32", value=sigma, constant=make is const))
    wanted = In(dtype="int32", value=most, constant=make is const)
    values = np.asarray(scores, np.float32)
    inputs = [fed(corners), fed(values), wanted, *numbers]
    kind, outputs = ("NON_MAX_SUPPRESSION_V4", V4) if sigma is None else ("NON_MAX_SUPPRESSION_V5", V5)
    label = f"{len(values)}_{most}_{overlap}_{score}" + ("" if sigma is None else f"_{sigma}")
    return Case(kind, inputs, outputs, label=f"{label}{more.pop('label', '')}", **more)


def random() -> list[Case]:
    cases = []
    rng = np.random.default_rng(9)
    for i in range(60):
        count = int(rng.integers(1, 60))
        scores = rng.uniform(-0.2, 1, count)
        if i % 3 == 0:
            scores = np.round(scores, 1)  # many are equal
        most, overlap, score = int(rng.integers(0, count + 5)), float(rng.uniform(0, 1)), float(rng.uniform(-0.1, 0.5))
        make = const if i % 4 else fed
        cases.append(suppress(boxes(count, i), scores, most, overlap, score, make=make))
        cases.append(suppress(boxes(count, i), scores, most, overlap, score, float(rng.choice([0, 0.1, 0.5, 2]))))
    return cases


def special() -> list[Case]:
    same = np.tile(np.array([[0, 0, 1, 1]], np.float32), (5, 1))
    flat = np.array([[0, 0, 0, 1], [0, 0, 0, 1], [2, 2, 2, 2]], np.float32)
    huge = np.array([[0, 0, 1e38, 1e38], [0, 0, 1e38, 1e38], [-1e38, 0, 1e38, 1]], np.float32)
    nan = np.array([[0, 0, np.nan, 1], [0, 0, 1, 1], [0, 0, 1, 1]], np.float32)
    falling = [0.9, 0.8, 0.7, 0.6, 0.5]
    cases = []
    for sigma in (None, 0.0, 0.5):
        cases += [
            suppress(same, falling, 5, sigma=sigma, label="_same"),
            suppress(same, [0.5] * 5, 5, sigma=sigma, label="_equal_scores"),
            suppress(same, falling, 5, 2.0, sigma=sigma, label="_overlap_over_1"),
            suppress(same, falling, 0, sigma=sigma, label="_none_wanted"),
            suppress(same, falling, 5, score=1.0, sigma=sigma, label="_none_good"),
            suppress(flat, falling[:3], 7, sigma=sigma, label="_no_area"),
            suppress(huge, falling[:3], 3, sigma=sigma, label="_huge"),
            suppress(nan, [0.5, np.nan, np.inf], 3, sigma=sigma, label="_nan"),
            suppress(same, falling, 5, score=-np.inf, sigma=sigma, label="_any_score"),
        ]
    return cases


def refused() -> list[Case]:
    corners, scores, number, three = x(4, 4), x(4), const(0.5, "float32"), const(3)
    v4 = [corners, scores, three, number, number]

    def change(place: int, other: In, error: str) -> Case:
        return Case("NON_MAX_SUPPRESSION_V4", [*v4[:place], other, *v4[place + 1 :]], V4, error=error)

    return [
        change(0, x(4, 3), "boxes are float32.4, 3."),
        change(0, x(16), "boxes are float32.16."),
        change(0, x(4, 4, dtype="int32"), "boxes are int32"),
        change(1, x(5), "scores are float32.5. for 4 boxes"),
        change(2, const(-1), "must be one, of 0 or more"),
        change(2, const([1, 2]), "must be one, of 0 or more"),
        change(2, const(3, "int64"), "it must be int32"),
        change(3, const([0.5, 0.5], "float32"), "input 3 is float32.2."),
        change(4, const(1), "input 4 is int32"),
        Case("NON_MAX_SUPPRESSION_V4", [*v4, number], V4, error="has 6 inputs"),
        Case("NON_MAX_SUPPRESSION_V4", v4, V5, error="gives 2"),
        Case("NON_MAX_SUPPRESSION_V4", v4, [out(), out("int32")], error="output 0 is float32"),
        Case("NON_MAX_SUPPRESSION_V5", v4, V5, error="has 5 inputs"),
        Case("NON_MAX_SUPPRESSION_V5", [*v4, const(-1.0, "float32")], V5, error="sigma is -1"),
        Case("NON_MAX_SUPPRESSION_V5", [*v4, number], [out("int32")] * 3, error="output 1 is int32"),
    ]


CASES = [*random(), *special(), *refused()]
