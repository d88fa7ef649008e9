"""One op under every instruction set of the machine, compared with the reference kernels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from op_cases import Array, Case, compare, numbers
from op_draws import Draw
from op_tables import EXACT
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

SAMPLE, ALL = 40, 2000  # cases of a recipe by default, and with -m exhaustive

Recipe = Callable[[Draw], Case]


@contextmanager
def limited_to(instruction_set: str) -> Iterator[None]:
    before = _native.instruction_set()
    _native.limit_instruction_set(instruction_set)
    try:
        yield
    finally:
        _native.limit_instruction_set(before)


def run(case: Case, instruction_set: str, threads: int, in_place: bool) -> list[Array]:
    with limited_to(instruction_set):
        model = Model.open(case.model(copy_inputs=in_place))
        program = _native.Program(model.native, pool=_native.ThreadPool(threads))
    return [output.copy() for output in program.call(case.feed())]


def differences(case: Case) -> Iterator[str]:
    """How the outputs of each set differ from the reference's."""
    expected = run(case, "generic", 1, False)
    tolerance = 0.0 if case.kind in EXACT else case.tolerance
    for name in _native.instruction_sets()[1:]:
        for threads in (1, 2):
            for place, (a, b) in enumerate(zip(run(case, name, threads, threads == 2), expected, strict=True)):
                dtype = case.outputs[place].dtype
                difference = compare(numbers(a, dtype), numbers(b, dtype), tolerance)
                if difference:
                    yield f"{case.name()}: output {place} with {name} at {threads} threads: {difference}"


def sampled(**recipes: Recipe) -> list[object]:
    """Parameters (recipe, first, count): a sample of each recipe by default, all under the marker `exhaustive`."""
    found: list[object] = []
    for name, recipe in recipes.items():
        found.append(pytest.param(recipe, 0, SAMPLE, id=name))
        found.append(pytest.param(recipe, SAMPLE, ALL, id=f"{name}-all", marks=pytest.mark.exhaustive))
    return found


def check(recipe: Recipe, first: int, count: int) -> None:
    """Draws the cases from number `first` on."""
    for number in range(first, first + count):
        case = recipe(Draw(recipe.__name__, number))
        found = next(differences(case), None)
        assert found is None, f"draw {number}: {found}"
