"""Elementwise ops on an OpenCL device: the CPU's bits for integers, its numbers for floats."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

import op_cases_conversion
import op_cases_drawn_elementwise
from op_cases import Case
from opencl_cases import run
from opencl_device import TestDevice

BY_DEFAULT = 40  # every so many cases; all of them with -m exhaustive
CASES = [*op_cases_drawn_elementwise.CASES, *op_cases_conversion.CASES]
TAKEN = 0.6  # of the cases at least; the others have 64-bit or empty tensors, mostly


def check(opencl: TestDevice, cases: Sequence[Case]) -> int:
    """How many of them the device takes."""
    outcome = run(opencl, cases)
    assert not outcome.wrong, outcome.report()
    assert len(outcome.taken) >= TAKEN * len(cases), outcome.report()
    return len(outcome.taken)


def test_elementwise_ops_have_the_bits_of_the_cpu(opencl: TestDevice) -> None:
    check(opencl, CASES[::BY_DEFAULT])


@pytest.mark.exhaustive
def test_every_elementwise_case_has_the_bits_of_the_cpu(opencl: TestDevice) -> None:
    assert check(opencl, CASES) >= 2000
