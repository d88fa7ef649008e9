"""The types that TFLite's ops take, ours take too, with the same results: what litert_types.txt says of both is so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oracle import Oracle
from probe_types import rows_of
from type_cases import asked, bases, realized
from type_deviations import DEVIATIONS, difference, is_refused
from type_table import read, text_of

SAMPLE = 8  # the default run takes every eighth op
PROBED = ("AVERAGE_POOL_2D", "CEIL", "CONV_2D", "DEQUANTIZE", "GATHER", "LSTM", "MAXIMUM", "QUANTIZE", "SOFTMAX")


def ops() -> Iterator[object]:
    for i, kind in enumerate(read()):
        yield pytest.param(kind, marks=[pytest.mark.conformance, *([pytest.mark.exhaustive] if i % SAMPLE else [])])


@pytest.mark.parametrize("kind", list(ops()))
def test_both_take_what_the_table_says(kind: str, oracle: Oracle) -> None:
    wrong = []
    for types, row in read()[kind].items():
        case = realized(kind, types)
        assert case is not None, f"no case fits {types}"
        if row.deviation:  # TFLite's answer may be another each time
            if DEVIATIONS[row.deviation].is_refused and not is_refused(case):
                wrong.append(f"{types}: taken in spite of !{row.deviation}")
            continue
        answers = asked(kind, types, oracle)
        if tuple(answers) != row.kernels:
            wrong.append(f"{types}: taken by {' '.join(answers) or 'nothing'}, not by {' '.join(row.kernels)}")
        elif message := difference(case, answers):
            wrong.append(f"{types}: {message}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.conformance
@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", PROBED)
def test_the_search_finds_what_the_table_says(kind: str, oracle: Oracle) -> None:
    assert text_of(kind, rows_of(kind, oracle)) == text_of(kind, read()[kind])


@pytest.mark.conformance
@pytest.mark.exhaustive
def test_the_table_has_every_op_that_has_cases() -> None:
    assert read().keys() == bases().keys()


def test_every_deviation_has_a_reason_and_every_reason_a_deviation() -> None:
    assert {row.deviation for rows in read().values() for row in rows.values()} - {""} == DEVIATIONS.keys()
