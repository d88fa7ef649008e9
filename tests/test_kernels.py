"""Every case of every op_cases_*.py: our kernel, at one and at two threads, against TFLite's."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from op_cases import Array, Case, compare, numbers
from op_tables import EXACT, entries
from oracle import Oracle, Request
from subgraft.delegates import SubgraftError
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native


def all_cases() -> Iterator[object]:
    """The default run takes a sample; -m conformance takes all."""
    for entry in entries():
        marks = [pytest.mark.conformance, *(() if entry.is_sample else (pytest.mark.exhaustive,))]
        yield pytest.param(entry.case, id=entry.name, marks=marks)


def run(case: Case, model: bytes, threads: int) -> list[list[Array]]:
    """The outputs of each run, in one program."""
    program = _native.Program(Model.open(model).native, pool=_native.ThreadPool(threads))
    return [[output.copy() for output in program.call(case.feed(i))] for i in range(case.runs)]


def range_of_sums(case: Case) -> float:
    """How much larger the sums may be than the results that a fused activation leaves of them."""
    bounds = {"RELU6": 6.0, "RELU_N1_TO_1": 1.0}
    bound = bounds.get(str(case.options.get("fused_activation_function")))
    if bound is None or case.kind not in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"):
        return 1.0
    return 60 / bound


@pytest.mark.parametrize("case", list(all_cases()))
def test_a_kernel_equals_tflite(case: Case, oracle: Oracle) -> None:
    model = case.model()
    if case.error is not None:
        with pytest.raises(SubgraftError) as caught:
            run(case, model, threads=1)
        assert re.search(case.error, str(caught.value))
        return
    if case.expected is not None:
        expected = [case.expected(case.arrays(i)) for i in range(case.runs)]
    else:
        answer = oracle.ask(Request(model, [case.feed(i) for i in range(case.runs)], resolver=case.resolver))
        assert not answer.error, f"the oracle refuses: {answer.error}"
        expected = answer.runs
    tolerance = 0.0 if case.kind in EXACT else case.tolerance * range_of_sums(case)
    # The second time, inputs are copied first, so that the kernel may work in place.
    for threads, ours_model in ((1, model), (2, case.model(copy_inputs=True))):
        for i, (ours, theirs) in enumerate(zip(run(case, ours_model, threads), expected, strict=True)):
            assert len(ours) == len(theirs)
            for place, (a, b) in enumerate(zip(ours, theirs, strict=True)):
                dtype = case.outputs[place].dtype
                difference = compare(numbers(a, dtype), numbers(b, dtype), tolerance)
                assert not difference, f"output {place} of run {i} at {threads} threads: {difference}"
