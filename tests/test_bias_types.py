"""Where an op of 16-bit activations does not say how wide its bias is, the bias itself does.

LiteRT reads beyond such a bias; the oracle gets the op with the width said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

import op_cases_conv
import op_cases_fully_connected
import op_cases_transpose_conv
from op_cases import Case, compare
from oracle import Oracle, Request
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

TABLES = (op_cases_conv, op_cases_fully_connected, op_cases_transpose_conv)
UNSAID = {"quantized_bias_type": "FLOAT32"}


def with_bias_types() -> Iterator[object]:
    for table in TABLES:
        said = [case for case in table.CASES if case.options.get("quantized_bias_type") in ("INT32", "INT64")]
        biased = [case for case in said if case.error is None and any(i and "64" in i.dtype for i in case.inputs)]
        biased += [case for case in said if case.error is None and case.options["quantized_bias_type"] == "INT32"]
        for case in biased:
            yield pytest.param(case, id=f"{case.name()}")


@pytest.mark.conformance
@pytest.mark.parametrize("case", list(with_bias_types()))
def test_a_bias_decides_for_itself(case: Case, oracle: Oracle) -> None:
    theirs = oracle.ask(Request(case.model(), [case.feed()], resolver=case.resolver))
    assert not theirs.error, theirs.error
    unsaid = replace(case, options={**case.options, **UNSAID})
    program = _native.Program(Model.of(unsaid.graph()).native, pool=_native.ThreadPool(2))
    for ours, expected in zip(program.call(case.feed()), theirs.outputs, strict=True):
        assert not compare(ours, expected, case.tolerance)
