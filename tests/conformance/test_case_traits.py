"""The cases of each op have the corners in them that its shapes, axes and quantizations have."""

from __future__ import annotations

import numpy as np
import pytest

import op_traits
from op_cases import Case
from op_traits import TRAITS, Trait
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

pytestmark = pytest.mark.conformance


@pytest.mark.parametrize("trait", TRAITS, ids=lambda trait: trait.name)
def test_every_op_that_a_trait_concerns_has_cases_with_it(trait: Trait) -> None:
    cases = op_traits.by_op()
    assert not op_traits.lacking(trait, cases), f"no case with {trait.name}"
    assert trait.exempt.keys() <= cases.keys()


@pytest.mark.exhaustive
def test_results_of_every_op_that_rescales_integers_reach_both_ends_of_their_type() -> None:
    short = {}
    for op, cases in op_traits.by_op().items():
        if rescaling := [case for case in cases if rescales(case)]:
            missing = unreached(rescaling)
            if missing and op not in op_traits.WITHOUT_SCALES:
                short[op] = missing
    assert not short, "add cases whose results saturate"


def rescales(case: Case) -> bool:
    """Quantized numbers of one scale become quantized ones of another."""
    given, result = case.inputs[0] if case.inputs else None, case.outputs[0]
    if given is None or given.dtype not in op_traits.EIGHT_BITS or result.dtype not in op_traits.EIGHT_BITS:
        return False
    return bool(given.quantization() and result.quantization()) and given.scale != result.scale


def unreached(cases: list[Case]) -> list[str]:
    """The ends that none of them reaches, by type."""
    left = {(case.outputs[0].dtype, end) for case in cases for end in op_traits.EIGHT_BITS[case.outputs[0].dtype]}
    for case in cases:
        if not any(dtype == case.outputs[0].dtype for dtype, _ in left):
            continue
        program = _native.Program(Model.open(case.model()).native, pool=_native.ThreadPool(1))
        results = program.call(case.feed())[0]
        left -= {(case.outputs[0].dtype, int(end)) for end in np.unique(results)}
    return [f"{dtype} {end}" for dtype, end in sorted(left)]
