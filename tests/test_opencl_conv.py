"""Convolutions of all kinds on an OpenCL device: the CPU's bits for integers with every inner loop, on any device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

import op_cases_conv
import op_cases_depthwise_conv
import op_cases_drawn_windows
import op_cases_fully_connected
import op_cases_transpose_conv
from op_cases import Case
from opencl_cases import Outcome, run
from opencl_device import TestDevice

# What runs everywhere; "dot_emulated" is what the loops have in common that multiply four bytes at once.
LOOPS = ("int", "f32", "dot_emulated")
TABLES = (
    op_cases_conv,
    op_cases_depthwise_conv,
    op_cases_transpose_conv,
    op_cases_fully_connected,
    op_cases_drawn_windows,
)
KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
BY_DEFAULT = 200  # every so many cases: a kernel takes PoCL a quarter of a second, and few cases share theirs
TAKEN = 0.3  # of the cases at least; the others have float activations with integer weights, or fed weights


def cases(kind: str) -> list[Case]:
    """The table's, without those that the CPU refuses."""
    made = [case for table in TABLES for case in [*table.CASES, *getattr(table, "MORE", ())]]
    return [case for case in made if case.kind == kind and not case.error]


def like(device: TestDevice, loop: str, kind: str = "cpu") -> TestDevice:
    """The same device with one inner loop, and tiles as for a device of this kind."""
    caps = replace(device.found.caps.with_loops((loop, "int")), kind=kind)
    return replace(device, found=replace(device.found, caps=caps))


def check(device: TestDevice, chosen: Sequence[Case], **options: object) -> Outcome:
    outcome = run(device, chosen, **options)
    assert not outcome.wrong, outcome.report()
    assert len(outcome.taken) >= TAKEN * len(chosen), outcome.report()
    return outcome


@pytest.mark.parametrize("loop", LOOPS)
def test_every_inner_loop_has_the_bits_of_the_cpu(opencl: TestDevice, loop: str) -> None:
    check(like(opencl, loop), [case for kind in KINDS for case in cases(kind)[LOOPS.index(loop) :: BY_DEFAULT]])


def test_tiles_and_groups_of_a_gpu_give_the_same_bits(opencl: TestDevice) -> None:
    chosen = [case for kind in KINDS for case in cases(kind)[5::BY_DEFAULT]]
    check(like(opencl, "f32", "gpu"), chosen, limits="small")


@pytest.mark.conformance
@pytest.mark.exhaustive
@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_case_has_the_bits_of_the_cpu(opencl: TestDevice, kind: str, loop: str, device: str) -> None:
    check(like(opencl, loop, device), cases(kind))
