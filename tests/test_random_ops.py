"""Random ops without seeds, which the oracle cannot be compared with."""

from __future__ import annotations

import numpy as np

from op_cases import Array, Case
from op_cases_random import draw
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native


def drawn(case: Case, runs: int = 1) -> list[Array]:
    program = _native.Program(Model.open(case.model()).native, pool=_native.ThreadPool(1))
    return [program.call(case.feed())[0].copy() for _ in range(runs)]


def test_without_seeds_every_program_draws_other_numbers() -> None:
    case = draw("RANDOM_UNIFORM", (100,), (0, 0))
    first, again = drawn(case, 2)
    (other,) = drawn(case)
    assert len(np.unique([first, again, other])) > 290
    assert all(values.min() >= 0 and values.max() < 1 for values in (first, again, other))


def test_normal_numbers_have_mean_0_and_deviation_1() -> None:
    (values,) = drawn(draw("RANDOM_STANDARD_NORMAL", (10000,), (0, 0)))
    assert abs(values.mean()) < 0.06 and abs(values.std() - 1) < 0.04
