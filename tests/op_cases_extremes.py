"""Drawn cases whose scales are far from usual, whose zero points are at an end of the range, and which saturate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

import op_cases_drawn_elementwise as elementwise
import op_cases_drawn_movement as movement
import op_cases_drawn_rows as rows
import op_cases_drawn_windows as windows
from op_cases import Case
from op_draws import LIMITS, Draw, Recipe

T = TypeVar("T")

EACH, SAMPLE = 12, 3  # cases of an op, and how many of them the default run takes
TINY, LARGE = (1e-6, 1e-5, 1e-4), (50.0, 300.0, 2000.0)
SPREAD = (1e-4, 1e-2, 1.0, 100.0)  # of these, one tensor can be a million times another
# What TFLite's arithmetic has no defined answer for, or aborts on.
NOT_SPREAD = (  # outputs with so much finer steps than the inputs
    "ADD", "BATCH_MATMUL", "CONCATENATION", "FULLY_CONNECTED", "GELU", "SQUARED_DIFFERENCE", "SUB",
)  # fmt: skip
NOT_LARGE = (  # its comparisons shift by a negative number for scales of 1 and more, its RSQRT by more than 31
    *elementwise.COMPARISONS, "RSQRT", "SQUARED_DIFFERENCE",
)  # fmt: skip
NOT_LARGE_INT16 = ("EXP", "LOGISTIC")  # infinite entries of its table, and multipliers that overflow
RECIPES = elementwise.RECIPES | rows.RECIPES | windows.RECIPES | movement.RECIPES


class Extreme(Draw):
    """Draws quantized types where there is a choice, scales of one kind for all tensors, and zero points at an end."""

    def __init__(self, kind: str, number: int) -> None:
        super().__init__(f"extreme {kind}", number)
        allowed = [TINY]
        allowed += [] if kind in NOT_LARGE else [LARGE]
        allowed += [] if kind in NOT_SPREAD or kind in elementwise.COMPARISONS else [SPREAD]
        self.scales = allowed[number % len(allowed)]
        self.types = [t for t in LIMITS if t != "int16" or self.scales is TINY or kind not in NOT_LARGE_INT16]

    def pick(self, of: Sequence[T]) -> T:
        return super().pick([item for item in of if item in self.types] or of)

    def scale(self, low: float = 0.0, high: float = 0.0) -> float:
        return float(np.float32(self.pick(self.scales) * self.rng.uniform(1, 2)))

    def zero(self, dtype: str) -> int:
        return 0 if dtype == "int16" else self.pick(LIMITS[dtype])


def extremes(kind: str, recipe: Recipe) -> list[Case]:
    cases = (recipe(Extreme(kind, number)) for number in range(EACH))
    return [
        replace(case, seed=number, label=f"{case.label}_extreme{number}".strip("_"))
        for number, case in enumerate(cases)
        if any(tensor.quantization() for tensor in (*case.inputs, *case.outputs) if tensor is not None)
    ]


DRAWN = {kind: extremes(kind, recipe) for kind, recipe in RECIPES.items()}
CASES = [case for cases in DRAWN.values() for case in cases[:SAMPLE]]
MORE = [case for cases in DRAWN.values() for case in cases[SAMPLE:]]
