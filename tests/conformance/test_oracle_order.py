"""Where something else than TFLite's reference kernels is expected, these refuse the case or give another answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from op_cases import Array, Case, compare, numbers
from op_tables import entries
from oracle import Oracle, Request

ORDER = ("BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES")
ASKED = 3  # cases of a reason
# Reasons that hold though TFLite's answer is the same: another definition on top, or one that it hits by chance.
BY_CHANCE = (
    "only 0 and 1 are bools in TFLite",
    "TFLite counts bools as numbers",
    "the definition in double precision, beside the reference",
    "the generator's own definition",
    "TFLite looks at a length of no sequence at all",
    "BUILTIN_REF walks over the output state in steps of the merged output",
    "BUILTIN_REF leaves the places without a detection as the memory happened to be",
    "what the memory happened to hold",
)


def groups() -> Iterator[object]:
    found: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for entry in entries():
        case = entry.case
        if case.why and case.error is None and not any(reason in case.why for reason in BY_CHANCE):
            found[case.kind, case.why].append(case)
    for (op, why), cases in sorted(found.items()):
        yield pytest.param(cases[:ASKED], id=f"{op}-{why}")


@pytest.mark.exhaustive
@pytest.mark.parametrize("cases", list(groups()))
def test_the_oracles_that_come_first_have_no_such_answer(cases: Sequence[Case], oracle: Oracle) -> None:
    assert any(is_needed(case, oracle) for case in cases), "take the case's answer from TFLite"


def is_needed(case: Case, oracle: Oracle) -> bool:
    """Every oracle before the one that decides refuses, or says something else."""
    if case.expected is not None:
        earlier, expected = ORDER, [case.expected(case.arrays(i)) for i in range(case.runs)]
    else:
        earlier = ORDER[: ORDER.index(case.resolver)] if case.resolver in ORDER else ORDER
        expected = answer(case, oracle, case.resolver) or []
    given = (answer(case, oracle, resolver) for resolver in earlier)
    return all(theirs is None or differ(case, expected, theirs) for theirs in given)


def answer(case: Case, oracle: Oracle, resolver: str) -> list[list[Array]] | None:
    found = oracle.ask(Request(case.model(), [case.feed(i) for i in range(case.runs)], resolver=resolver))
    return None if found.error else found.runs


def differ(case: Case, expected: Sequence[Sequence[Array]], theirs: Sequence[Sequence[Array]]) -> bool:
    for wanted, given in zip(expected, theirs, strict=True):
        for spec, a, b in zip(case.outputs, wanted, given, strict=True):
            if compare(numbers(np.asarray(a), spec.dtype), numbers(np.asarray(b), spec.dtype), case.tolerance):
                return True
    return False
