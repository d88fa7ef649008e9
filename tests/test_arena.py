"""The memory plan: blocks that live at once never overlap, and real models need hardly more than these."""

from __future__ import annotations

import json

import numpy as np
import pytest

from shared_models import MODELS, needs_shared
from subgraft.cli import main
from subgraft.interpreter.native import _native

ALIGNMENT = 64


def overlapping(sizes: list[int], first: list[int], last: list[int], offsets: list[int]) -> list[tuple[int, int]]:
    """Pairs of blocks that live at once and share memory."""
    count = range(len(sizes))
    return [
        (i, j)
        for i in count
        for j in count
        if i < j and first[i] <= last[j] and first[j] <= last[i]
        and offsets[i] < offsets[j] + sizes[j] and offsets[j] < offsets[i] + sizes[i]
    ]  # fmt: skip


@pytest.mark.parametrize("count, steps", [(1, 1), (5, 4), (40, 30), (300, 100)])
def test_blocks_that_live_at_once_do_not_overlap(count: int, steps: int) -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        sizes = (rng.integers(1, 100, count) ** 2).tolist()
        first = rng.integers(-1, steps, count).tolist()
        last = [f + int(rng.integers(0, steps)) for f in first]
        offsets, total = _native.plan_arena(sizes, first, last)
        assert not overlapping(sizes, first, last, offsets)
        assert all(offset % ALIGNMENT == 0 for offset in offsets)
        assert total >= max(offset + size for offset, size in zip(offsets, sizes, strict=True))


def test_what_lives_long_is_not_scattered_among_what_is_large() -> None:
    """By size alone this plan needs 768 bytes: the last block finds both its neighbours in each other's way."""
    sizes, first, last = [192, 192, 256, 192, 128], [0, 3, 1, 1, 2], [3, 3, 1, 2, 3]
    offsets, total = _native.plan_arena(sizes, first, last)
    assert not overlapping(sizes, first, last, list(offsets))
    assert total == 640 == max(alive(sizes, first, last))


def alive(sizes: list[int], first: list[int], last: list[int]) -> list[int]:
    """Bytes that live at each step."""
    lives = list(zip(sizes, first, last, strict=True))
    return [sum(size for size, begin, end in lives if begin <= step <= end) for step in range(max(last) + 1)]


@needs_shared
@pytest.mark.parametrize("name", ["kws_ref_model", "person_detect_model", "mobilenet_v2_1.0_224_quant", "vww_96_int8"])
def test_inspect_shows_an_arena_near_its_lower_bound(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "--json", str(MODELS / f"real/{name}.tflite")]) == 0
    memory = json.loads(capsys.readouterr().out)["memory"]
    assert memory["live_bytes"] <= memory["arena_bytes"] <= 1.1 * memory["live_bytes"]
    # Tensors that share their memory count twice here, so this is no less than what lives at once.
    first = [1 + (-1 if p["first_op"] is None else p["first_op"]) for p in memory["placements"]]
    last = [1 + (200 if p["last_op"] is None else p["last_op"]) for p in memory["placements"]]
    tensors = max(alive([p["bytes"] for p in memory["placements"]], first, last))
    assert memory["live_bytes"] <= tensors + memory["scratch_bytes"]


@needs_shared
def test_inspect_says_why_control_flow_has_no_single_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(MODELS / "real/okay_nabu.tflite")]) == 0
    assert "CALL_ONCE runs other graphs, so a session plans the memory of each segment" in " ".join(
        capsys.readouterr().out.split()
    )
