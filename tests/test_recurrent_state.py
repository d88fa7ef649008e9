"""The state of recurrent ops: kept from run to run, zero again after a reset, apart in every session."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

import subgraft
from op_cases import Array, Case
from op_cases_lstm import Lstm
from op_cases_lstm_8_bit_gates import Gates
from op_cases_lstm_basic import Basic
from op_cases_lstm_bidirectional import Both
from op_cases_rnn import TWO, Rnn
from op_cases_svdf import Svdf

CASES = [
    Svdf().case(),
    Svdf(kind="hybrid").case(),
    Svdf(kind="integer").case(),
    Rnn(op="RNN").case(),
    Rnn().case(),
    Rnn(op=TWO, kind="hybrid").case(),
    Lstm().case(),
    Lstm(op="LSTM", kind="integer").case(),
    Gates().case(),
    Basic(kind="uint8").case(),
    Both().case(),
]


def answers(session: subgraft.Session, case: Case, runs: int = 3) -> list[list[Array]]:
    def fed(run: int) -> Mapping[str, Array]:
        return dict(zip(session.inputs, case.feed(run), strict=True))

    return [[value.copy() for value in session.run(fed(run)).values()] for run in range(runs)]


def equal(a: list[list[Array]], b: list[list[Array]]) -> bool:
    return all(np.array_equal(x, y) for left, right in zip(a, b, strict=True) for x, y in zip(left, right, strict=True))


@pytest.mark.parametrize("case", CASES, ids=Case.name)
def test_a_reset_forgets_what_runs_left(case: Case) -> None:
    with subgraft.load(case.model()) as session:
        first = answers(session, case)
        went_on = answers(session, case)
        session.reset()
        again = answers(session, case)
    assert not equal(first, went_on) and equal(first, again)


@pytest.mark.parametrize("case", CASES[:3], ids=Case.name)
def test_two_sessions_of_one_model_keep_their_states_apart(case: Case) -> None:
    with subgraft.load(case.model()) as session, subgraft.load(case.model()) as other:
        answers(other, case)
        mine = answers(session, case)
        other.reset()
        assert equal(mine, answers(other, case))
