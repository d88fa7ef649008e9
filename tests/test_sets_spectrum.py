"""RFFT2D comes out the same with every instruction set."""

from __future__ import annotations

import pytest

from every_set import Recipe, check, sampled
from op_cases import Case, const, out, x
from op_draws import Draw


def rows(draw: Draw) -> Case:
    """Transforms of rows, which may be longer or shorter than the rows are."""
    length = 1 << draw.number(0, 11)
    given = draw.pick((length, length, length + 3, max(1, length - 1), max(1, length // 2 + 1)))
    height = draw.pick((1, 1, 1, 2))
    shape = (*draw.pick(((), (1,), (2,), (3,), (8,), (9,), (2, 7))), draw.pick((height, 1, 3)), given)
    return Case("RFFT2D", [x(*shape), const([height, length])], [out("complex64")], tolerance=1e-6)


@pytest.mark.parametrize(("recipe", "first", "count"), sampled(rows=rows))
def test_every_set_equals_the_reference(recipe: Recipe, first: int, count: int) -> None:
    check(recipe, first, count)
