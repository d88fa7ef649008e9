"""Every kernel template with 2,000 ops at random: the CPU's answers, bit for bit where they are integers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

import pytest

import op_cases_drawn_elementwise
import op_cases_drawn_movement
import op_cases_drawn_rows
import op_cases_drawn_windows
from op_cases import Case
from op_draws import OF_FREQUENT, Draw, Recipe
from opencl_cases import run
from opencl_device import TestDevice
from subgraft.backends.opencl.lowering import LOWERINGS

WANTED = 2000  # cases that the device takes, of each template
MOST = 8 * WANTED  # cases that are drawn for them; some have types that stay on the CPU
ROUND = 400
FIRST = OF_FREQUENT  # the tables have those before it
RECIPES: dict[str, Recipe] = {
    **op_cases_drawn_elementwise.RECIPES,
    **op_cases_drawn_movement.RECIPES,
    **op_cases_drawn_rows.RECIPES,
    **op_cases_drawn_windows.RECIPES,
}
# Which ops come to which kernels. TRANSPOSE_CONV and L2_POOL_2D have tables of their own, see test_opencl_conv.py.
TEMPLATES = {
    "conv": ("CONV_2D",),
    "depthwise": ("DEPTHWISE_CONV_2D",),
    "gemv": ("FULLY_CONNECTED",),
    "matmul": ("BATCH_MATMUL",),
    "gather": (
        "BATCH_TO_SPACE_ND", "BROADCAST_TO", "DEPTH_TO_SPACE", "REVERSE_V2", "SLICE", "SPACE_TO_DEPTH", "SPLIT",
        "SPLIT_V", "STRIDED_SLICE", "TILE", "TRANSPOSE", "UNPACK",
    ),
    "scatter": ("CONCATENATION", "PACK"),
    "pad": ("PAD", "PADV2", "SPACE_TO_BATCH_ND"),
    "pool": ("AVERAGE_POOL_2D", "MAX_POOL_2D"),
    "reduce": ("MEAN", "REDUCE_ALL", "REDUCE_ANY", "REDUCE_MAX", "REDUCE_MIN", "SUM"),
    "arg": ("ARG_MAX", "ARG_MIN"),
    "resize": ("RESIZE_BILINEAR",),
    "resize_nearest": ("RESIZE_NEAREST_NEIGHBOR",),
    "softmax": ("SOFTMAX",),
    "pointwise": tuple(kind for kind in op_cases_drawn_elementwise.RECIPES if kind in LOWERINGS),
    "conversion": ("CAST", "DEQUANTIZE", "QUANTIZE"),
}  # fmt: skip

pytestmark = pytest.mark.exhaustive


@pytest.mark.parametrize("limits", ["device", "small"])
@pytest.mark.parametrize("template", TEMPLATES)
def test_two_thousand_cases_have_the_cpus_answers(template: str, limits: str, opencl: TestDevice) -> None:
    cases = drawn(TEMPLATES[template])
    taken = 0
    for _ in range(MOST // ROUND):
        outcome = run(opencl, list(islice(cases, ROUND)), limits=limits)
        assert not outcome.wrong, outcome.report()
        taken += len(outcome.taken)
        if taken >= WANTED:
            return
    pytest.fail(f"only {taken} of {MOST} cases are taken: {outcome.report()}")


def drawn(kinds: tuple[str, ...]) -> Iterator[Case]:
    """Without end, one of each kind after the other."""
    for number in count(FIRST):
        for kind in kinds:
            yield RECIPES[kind](Draw(kind, number))
