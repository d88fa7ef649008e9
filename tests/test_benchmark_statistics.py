"""The benchmarks' arithmetic: medians of turns, spreads, means, classes, conditions and charts. Nothing is timed."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Any

import pytest
from benchmarks.chart import Bar, Group, chart
from benchmarks.cpu.classes import FLOAT, INT8, INT16, SMALL, TRANSFORMER, UINT8, ModelClass, class_of, is_integer
from benchmarks.cpu.conditions import evaluate
from benchmarks.cpu.measure import Load, Row, Speed
from benchmarks.cpu.report import report
from benchmarks.rounds import Effort, geometric_mean, interleave, ratio_spread, spread, verdict
from benchmarks.runtimes import BUILTIN, OURS, XNNPACK

from subgraft.cli.table import MAX_COLUMNS
from subgraft.delegates import Graph, Op, Tensor

SVG = "{http://www.w3.org/2000/svg}"


def test_contestants_take_turns() -> None:
    seen: list[str] = []
    effort = Effort(block_s=0.0, least=4, most=4, budget_s=60.0)
    times = interleave([lambda: seen.append("a"), lambda: seen.append("b")], effort)
    assert [len(t.rounds) for t in times] == [4, 4]
    order = "".join(seen)
    assert "ab" in order and "ba" in order  # neither is always first


def test_a_contestant_that_fails_is_not_hidden() -> None:
    def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        interleave([fails], Effort())


def test_a_spread_is_the_middle_halfs_width() -> None:
    assert spread([1.0]) == 0.0
    assert spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)
    assert spread([1.0, 1.0, 1.0, 1.0, 90.0]) == 0.0  # one outlier says nothing


def test_what_slows_both_in_a_round_is_no_noise_of_the_ratio() -> None:
    assert ratio_spread([1.0, 2.0, 4.0], [3.0, 6.0, 12.0]) == 0.0
    assert [verdict(s) for s in (0.0, 0.1, 0.5)] == ["steady", "rough", "noisy"]


def test_the_geometric_mean_of_opposite_ratios_is_one() -> None:
    assert geometric_mean([4.0, 0.25]) == pytest.approx(1.0)
    assert math.isnan(geometric_mean([]))


def layers(data: str, weights: str, *kinds: str, units: int = 512) -> Graph:
    """One FULLY_CONNECTED of these types, units x units, and other ops behind it."""
    tensors = [Tensor("x", (1, units), data), Tensor("w", (units, units), weights), Tensor("y", (1, units), data)]
    ops = [Op("FULLY_CONNECTED", (0, 1), (2,))]
    for i, kind in enumerate(kinds):
        tensors.append(Tensor(f"t{i}", (1, units), data))
        ops.append(Op(kind, (2, 2), (len(tensors) - 1,)))
    return Graph(tuple(tensors), tuple(ops), (0,), (len(tensors) - 1,))


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (layers("uint8", "uint8"), UINT8),
        (layers("int8", "int8"), INT8),
        (layers("int8", "int8", "BATCH_MATMUL"), TRANSFORMER),
        (layers("int16", "int8"), INT16),
        (layers("float32", "float32"), FLOAT),
        (layers("float32", "int8"), FLOAT),
        (layers("int8", "int8", units=16), SMALL),
        (layers("float32", "float32", "WHILE"), SMALL),
        (layers("float32", "float32", "UNIDIRECTIONAL_SEQUENCE_LSTM"), SMALL),
    ],
)
def test_a_class_is_seen_from_the_graph(graph: Graph, expected: ModelClass) -> None:
    assert class_of([graph]) == expected


def test_weights_of_8_bits_do_not_make_a_model_an_integer_one() -> None:
    assert is_integer([layers("int8", "int8")])
    assert not is_integer([layers("float32", "int8")])


def row(ours_us: float, theirs_us: float, *, kind: ModelClass = INT8, name: str = "m", **more: Any) -> Row:
    """A model that XNNPACK runs in theirs_us and the built-in kernels in twice that."""
    times = {OURS: ours_us, XNNPACK: theirs_us, BUILTIN: 2 * theirs_us}
    answers: Mapping[str, Any] = {
        r: {"median_s": t * 1e-6, "least_s": t * 1e-6, "rounds": [t * 1e-6] * 3} for r, t in times.items()
    }
    return Row(name, f"{name}.tflite", name, 2 << 20, kind.key, kind is not FLOAT, [Speed(1, answers)], **more)


def misses(*rows: Row) -> list[str]:
    return [condition.what for condition in evaluate(rows) if not condition.holds]


def test_the_rival_is_the_faster_of_litert() -> None:
    (speed,) = row(10, 30).speeds
    assert (speed.rival, speed.ratio) == (XNNPACK, pytest.approx(3.0))


def test_a_class_must_reach_its_goal_in_the_geometric_mean() -> None:
    assert not misses(row(10, 60, kind=UINT8), row(10, 20, kind=UINT8))
    assert misses(row(10, 60, kind=UINT8), row(10, 11, kind=UINT8)) == ["legacy uint8, 1 thread"]


def test_a_slower_model_is_named_unless_the_loss_is_negligible() -> None:
    fast = row(10, 60, kind=FLOAT)
    assert not misses(fast, row(1.0, 0.8, kind=FLOAT, name="tiny"))
    (missed,) = [c for c in evaluate([fast, row(100, 90, kind=FLOAT, name="slow")]) if not c.holds]
    assert missed.failing == ["slow 0.90"]


def test_a_model_that_does_not_run_here_is_named() -> None:
    failed = Row(
        "m", "m.tflite", "m", 1, FLOAT.key, False, [Speed(1, {OURS: {"error": "no"}, XNNPACK: {"median_s": 1.0}})]
    )
    (missed,) = [c for c in evaluate([failed]) if not c.holds]
    assert (missed.what, missed.failing) == ("every model runs, 1 thread", ["m"])


def load(fresh_s: float, peak_bytes: float, second_bytes: float = 0) -> Load:
    return Load(fresh_s, fresh_s, peak_bytes, held_bytes=100.0, second_bytes=second_bytes, arena_bytes=50)


def test_load_and_memory_are_compared_where_both_have_them() -> None:
    good = {OURS: load(1, 10), XNNPACK: load(2, 20)}
    assert not misses(row(10, 30, loads=good))
    assert any("load to first" in what for what in misses(row(10, 30, loads=good | {OURS: load(3, 10)})))
    assert any("peak memory" in what for what in misses(row(10, 30, loads=good | {OURS: load(1, 30)})))
    heavy = good | {OURS: load(1, 10, second_bytes=61)}  # 11 beyond the arena, of 100
    assert [what[:20] for what in misses(row(10, 30, loads=heavy))] == ["a second interpreter"]


def test_the_report_fits_the_terminal_and_tells_why_a_model_has_no_ratio() -> None:
    alone = Row(
        "only_ours" * 9, "x", "x", 5, "int8", True, [Speed(1, {OURS: {"median_s": 1e-3}})], notes=["LiteRT: no op"]
    )
    rows = [row(10, 30, loads={OURS: load(1, 10)}), alone]
    text = report(rows, evaluate(rows))
    assert max(map(len, text.splitlines())) <= MAX_COLUMNS
    assert "LiteRT: no op" in text and "3.00" in text


def test_a_chart_is_xml_with_a_bar_for_each_ratio() -> None:
    groups = [Group("a & b", [Bar("<fast>", 4.0), Bar("slow", 0.5)], goal=2.0), Group("empty", [])]
    drawing = ElementTree.fromstring(chart("title", groups))
    bars = {bar.get("class"): float(bar.get("width", 0)) for bar in drawing.iter(f"{SVG}rect")}
    assert bars["ahead"] == pytest.approx(2 * bars["behind"], rel=0.01)  # log2: 2 and 1
    shown = [text.text for text in drawing.iter(f"{SVG}text")]
    assert "<fast>" in shown and "a & b" in shown and "4.00×" in shown
    assert "prefers-color-scheme:dark" in chart("title", groups)


def test_a_bar_beyond_the_axis_is_cut_and_its_figure_kept() -> None:
    drawing = ElementTree.fromstring(chart("title", [Group("g", [Bar("wild", 1000.0)])]))
    (bar,) = drawing.iter(f"{SVG}rect")
    assert float(bar.get("x", 0)) + float(bar.get("width", 0)) <= float(drawing.get("width", 0))
    assert "1000.00×" in [text.text for text in drawing.iter(f"{SVG}text")]
