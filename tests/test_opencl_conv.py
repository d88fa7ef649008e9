"""Convolutions of all kinds on an OpenCL device: the CPU's bits for integers with every inner loop, on any device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

import op_cases_batch_matmul
import op_cases_conv
import op_cases_depthwise_conv
import op_cases_drawn_windows
import op_cases_fully_connected
import op_cases_transpose_conv
from op_cases import Case
from op_cases_conv import channel_scales, quantized
from opencl_cases import Outcome, run
from opencl_conv_cases import RECIPES, draw_cases, long_sums
from opencl_device import TestDevice
from subgraft.backends.opencl.caps import small

# What runs everywhere; the emulated ones are what is around instructions that few devices have.
LOOPS = ("int", "f32", "dot_emulated")
TABLES = (
    op_cases_batch_matmul,
    op_cases_conv,
    op_cases_depthwise_conv,
    op_cases_transpose_conv,
    op_cases_fully_connected,
    op_cases_drawn_windows,
)
KINDS = tuple(RECIPES)
DRAWN = 700  # of each kind for each inner loop, more than 2,000 together
BY_DEFAULT = 1  # of each kind: a kernel takes PoCL half a second, and few cases share theirs
TAKEN = 0.3  # of the tables' cases at least; the others have fed weights or types that no kernel has


def cases(kind: str) -> list[Case]:
    """The tables', without those that the CPU refuses."""
    made = [case for table in TABLES for case in [*table.CASES, *getattr(table, "MORE", ())]]
    return [case for case in made if case.kind == kind and not case.error]


def like(device: TestDevice, loop: str, kind: str = "cpu") -> TestDevice:
    """The same device with one inner loop, and tiles as for a device of this kind; a GPU is as small as they get."""
    caps = small(device.found.caps) if kind == "gpu" else device.found.caps
    caps = replace(caps.with_loops((loop, "int")), kind=kind)
    return replace(device, found=replace(device.found, caps=caps))


def check(device: TestDevice, chosen: Sequence[Case], taken: float = TAKEN) -> Outcome:
    outcome = run(device, chosen)
    assert not outcome.wrong, outcome.report()
    assert len(outcome.taken) >= taken * len(chosen), outcome.report()
    return outcome


@pytest.mark.parametrize("loop", LOOPS)
def test_every_inner_loop_has_the_bits_of_the_cpu(opencl: TestDevice, loop: str) -> None:
    first = LOOPS.index(loop) * BY_DEFAULT
    drawn = [case for kind in KINDS for case in draw_cases(kind, BY_DEFAULT, first)]
    check(like(opencl, loop), [*drawn, *long_sums()], taken=0.8)


def test_tiles_and_groups_of_a_gpu_give_the_same_bits(opencl: TestDevice) -> None:
    chosen = [case for kind in KINDS for case in draw_cases(kind, BY_DEFAULT, first=50)]
    check(like(opencl, "f32", "gpu"), [*chosen, *long_sums()], taken=0.8)


def test_floats_are_quantized_while_running_as_the_cpu_does(opencl: TestDevice) -> None:
    tables = (op_cases_conv, op_cases_depthwise_conv, op_cases_fully_connected)
    check(like(opencl, "f32"), [table.HYBRID[n] for table in tables for n in (0, 1)], taken=1)


def test_what_surrounds_tensor_cores_has_the_bits_of_the_cpu(opencl: TestDevice) -> None:
    weights = {"dtype": "uint8", "weight_dtype": "uint8", "weight_zero": 128, "zero": 99, "out_zero": 120}
    chosen = [
        quantized((1, 5, 9, 36), (21, 3, 2, 36), scale=channel_scales(21), stride=(2, 2), out_scale=0.5),
        quantized((2, 6, 7, 64), (40, 1, 1, 64), scale=channel_scales(40), out_scale=0.5),
        quantized((1, 6, 6, 8), (9, 3, 3, 8), padding="VALID", out_scale=2.0, **weights),
    ]
    device = like(opencl, "mma_emulated", "gpu")
    many_units = replace(device.found.caps, compute_units=1000)  # which the smallest tile keeps busy
    check(replace(device, found=replace(device.found, caps=many_units)), chosen, taken=1)


@pytest.mark.exhaustive
@pytest.mark.parametrize("device", ["cpu", "gpu"])
@pytest.mark.parametrize("loop", [*LOOPS, "mma_emulated"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_case_has_the_bits_of_the_cpu(opencl: TestDevice, kind: str, loop: str, device: str) -> None:
    check(like(opencl, loop, device), cases(kind))


@pytest.mark.exhaustive
@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("kind", KINDS)
def test_drawn_products_have_the_bits_of_the_cpu(opencl: TestDevice, kind: str, loop: str) -> None:
    check(like(opencl, loop), draw_cases(kind, DRAWN, first=LOOPS.index(loop) * DRAWN), taken=0.9)
