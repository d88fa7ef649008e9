"""Weights of 4 and 2 bits give what weights of 8 bits with the same values give, also where LiteRT refuses them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

import op_cases_conv
import op_cases_depthwise_conv
import op_cases_fully_connected
from op_cases import PACKED, Case, In, compare, pack
from oracle import Oracle, Request
from sparse import replaced
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

WEIGHTS = 1  # the input of these ops
TABLES = (op_cases_conv, op_cases_depthwise_conv, op_cases_fully_connected)


def is_symmetric(weights: In | None) -> bool:
    """Narrow weights have no zero points."""
    return bool(weights and weights.constant and weights.dtype == "int8" and not np.any(weights.zero))


def with_bytes() -> Iterator[object]:
    """The tables' cases with 8-bit weights of real, int8 and int16 activations; every sixth by default."""
    for table in TABLES:
        plain = [case for case in table.CASES if case.error is None and case.expected is None]
        cases = [case for case in plain if is_symmetric(case.inputs[WEIGHTS])]
        for i, case in enumerate(cases):
            for dtype in ("int4", "int2"):
                marks = [pytest.mark.conformance, *([] if i % 6 == 0 else [pytest.mark.exhaustive])]
                yield pytest.param(case, dtype, id=f"{case.name()}-{dtype}", marks=marks)


@pytest.mark.parametrize(("case", "dtype"), list(with_bytes()))
def test_narrow_weights_give_what_bytes_give(case: Case, dtype: str, oracle: Oracle) -> None:
    graph = case.graph()
    wide = graph.tensors[WEIGHTS]
    assert wide.data is not None
    low, high = PACKED[dtype]
    values = wide.data % (high - low + 1) + low
    bytes_of_values = replace(wide, buffer=values.astype(np.int8).tobytes())
    model = Model.of(replaced(graph, WEIGHTS, bytes_of_values)).to_bytes()
    theirs = oracle.ask(Request(model, [case.feed()], resolver=case.resolver))
    assert not theirs.error, theirs.error
    narrow = Model.of(replaced(graph, WEIGHTS, replace(wide, dtype=dtype, buffer=pack(values, dtype))))
    program = _native.Program(narrow.native, pool=_native.ThreadPool(2))
    for ours, expected in zip(program.call(case.feed()), theirs.outputs, strict=True):
        assert not compare(ours, expected, case.tolerance)
