"""Kernels that move, pool, reduce, resize and normalize: the CPU's answers, op by op."""

from __future__ import annotations

import numpy as np
import pytest

import op_cases_concatenation
import op_cases_drawn_movement
import op_cases_drawn_rows
import op_cases_drawn_windows
import op_cases_pad
import op_cases_pooling
import op_cases_rearrange
import op_cases_reduction
import op_cases_resize
import op_cases_slice
import op_cases_softmax
import op_cases_transpose
import subgraft
from op_cases import Case, const, out, x
from opencl_cases import run
from opencl_device import TestDevice

TABLES = (
    op_cases_concatenation, op_cases_drawn_movement, op_cases_drawn_rows, op_cases_drawn_windows, op_cases_pad,
    op_cases_pooling, op_cases_rearrange, op_cases_reduction, op_cases_resize, op_cases_slice, op_cases_softmax,
    op_cases_transpose,
)  # fmt: skip
FAMILIES = {
    "movement": (
        "BATCH_TO_SPACE_ND", "BROADCAST_TO", "DEPTH_TO_SPACE", "REVERSE_V2", "SLICE", "SPACE_TO_DEPTH", "SPLIT",
        "SPLIT_V", "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK",
    ),
    "padding": ("PAD", "PADV2", "SPACE_TO_BATCH_ND"),
    "concatenation": ("CONCATENATION", "PACK"),
    "pooling": ("AVERAGE_POOL_2D", "L2_POOL_2D", "MAX_POOL_2D"),
    "reduction": ("ARG_MAX", "ARG_MIN", "MEAN", "REDUCE_ALL", "REDUCE_ANY", "REDUCE_MAX", "REDUCE_MIN", "SUM"),
    "resize": ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"),
    "softmax": ("SOFTMAX",),
}  # fmt: skip
SAMPLE = 12  # cases of an op that run by default


def cases_of(kind: str) -> list[Case]:
    every = (case for table in TABLES for case in (*table.CASES, *getattr(table, "MORE", ())))
    return list({case.name(): case for case in every if case.kind == kind and not case.error}.values())


def sample_of(kind: str, count: int) -> list[Case]:
    every = cases_of(kind)
    return every[:: max(1, len(every) // count)]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_sample_has_the_cpus_answers(family: str, opencl: TestDevice) -> None:
    cases = [case for kind in FAMILIES[family] for case in sample_of(kind, SAMPLE)]
    outcome = run(opencl, cases)
    assert not outcome.wrong, outcome.report()
    assert all(outcome.taken_of(kind) >= SAMPLE // 4 for kind in FAMILIES[family]), outcome.report()


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", [kind for kinds in FAMILIES.values() for kind in kinds])
def test_every_case_has_the_cpus_answers(kind: str, opencl: TestDevice) -> None:
    outcome = run(opencl, cases_of(kind))
    assert not outcome.wrong, outcome.report()
    assert outcome.taken_of(kind) >= SAMPLE, outcome.report()


@pytest.mark.parametrize("family", FAMILIES)
def test_small_groups_and_separate_buffers_make_no_difference(family: str, opencl: TestDevice) -> None:
    cases = [case for kind in FAMILIES[family] for case in sample_of(kind, SAMPLE // 4)]
    outcome = run(opencl, cases, limits="small", arena=False)
    assert not outcome.wrong, outcome.report()
    assert outcome.taken, outcome.report()


@pytest.mark.parametrize("kind", ["SOFTMAX", "MEAN"])
def test_groups_that_share_a_row_do_not_disturb_each_other(kind: str, opencl: TestDevice) -> None:
    """Many runs: what threads of the device mix up they mix up now and then."""
    given = x(300, 9 if kind == "SOFTMAX" else 300, dtype="uint8", scale=0.1)
    if kind == "SOFTMAX":
        case = Case(kind, [given], [out("uint8", scale=1 / 256)], {"beta": 1.0})
    else:
        case = Case(kind, [given, const([1])], [out("uint8", scale=0.1)])
    with (
        subgraft.load(case.model(), delegates=[opencl.delegate()], fallback=False) as session,
        subgraft.load(case.model()) as cpu,
    ):
        feed = {next(iter(session.inputs)): case.feed()[0]}
        expected = next(iter(cpu.run(feed).values()))
        wrong = sum(not np.array_equal(next(iter(session.run(feed).values())), expected) for _ in range(200))
    assert wrong == 0
