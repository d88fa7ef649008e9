"""Plans drawn for a terminal and as SVG."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, replace
from xml.etree import ElementTree

import pytest
from hypothesis import given

import graphs as make
from subgraft.backends.fake import Fake
from subgraft.cli.picture import Outcome, Pen, draw
from subgraft.cli.svg import svg
from subgraft.partitioner import Candidate, Plan, partition

SVG = "{http://www.w3.org/2000/svg}"


def plan_of(graph, kinds: str) -> Plan:
    return partition(graph, [Candidate("fake:0", Fake(kinds=kinds))])


def diamond() -> Plan:
    """t0 -> A -> t1 -> B* -> t2 -> C -> t3 -> D*, which reads t1 too; * on the fake."""
    return plan_of(make.wired([[0], [1], [2], [3, 1]], ["A", "B", "C", "D"]), "B,D")


def test_every_segment_names_its_place_its_ops_and_why_they_are_not_elsewhere():
    lines = draw(diamond()).splitlines()
    titles = [line[2:].split("  ")[0] for line in lines if "segment" in line and line[0] in "║│"]
    assert titles == ["segment 0 on the CPU", "segment 1 on fake:0", "segment 2 on the CPU", "segment 3 on fake:0"]
    assert any(re.search(r"2  C .* fake:0: C is not among its kinds$", line) for line in lines)


def test_a_tensor_from_further_above_tells_its_origin():
    lines = draw(diamond()).splitlines()
    assert "    │ t0  float32 1  (input)" in lines
    assert "    │ t1  float32 1  (of segment 0)" in lines
    assert "    │ t1  float32 1" in lines  # straight from the segment above
    assert lines[-1] == "    │ t4  float32 1  (output)"


def test_a_taken_over_segment_says_how_often_and_why():
    text = draw(diamond(), {1: Outcome(30, 2, ("it was unplugged",)), 3: Outcome(30)})
    words = " ".join(re.sub("[║│]", " ", text).split())
    assert "28 of 30 runs on fake:0, 2 on the CPU: it was unplugged" in words
    assert "segment 3 on fake:0 30 of 30 runs on fake:0" in words


def test_an_emulated_owner_is_called_so():
    assert "segment 1 on fake:0 (emulated)" in draw(diamond(), emulated={"fake:0"})
    assert "emulated" not in draw(diamond())


def test_long_segments_tell_the_rest_by_kind():
    text = draw(plan_of(make.chain(*["EXP"] * 30, *["NEG"] * 20), "EXP,NEG"))
    assert len(text.splitlines()) < 25
    words = " ".join(re.sub("[║│]", " ", text).split())
    assert "and 35 more 20 NEG, 15 EXP" in words


def test_without_unicode_everything_is_ascii():
    draw(diamond(), pen=Pen(unicode=False)).encode("ascii")


def test_colour_changes_nothing_but_colour():
    outcomes = {1: Outcome(3, 1, ("gone",))}
    coloured = draw(diamond(), outcomes, pen=Pen(colour=True))
    assert "\x1b[33m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == draw(diamond(), outcomes)


@dataclass
class Terminal(io.StringIO):
    """A stream that says of itself what we want."""

    tty: bool
    encoding: str = "utf-8"

    def isatty(self) -> bool:
        return self.tty


@pytest.mark.parametrize(
    ("tty", "encoding", "environment", "pen"),
    [
        (True, "utf-8", {}, Pen(unicode=True, colour=True)),
        (False, "UTF-8", {}, Pen(unicode=True, colour=False)),
        (True, "utf-8", {"NO_COLOR": "1"}, Pen(unicode=True, colour=False)),
        (True, "utf-8", {"NO_COLOR": ""}, Pen(unicode=True, colour=True)),
        (True, "utf-8", {"TERM": "dumb"}, Pen(unicode=True, colour=False)),
        (True, "ANSI_X3.4-1968", {}, Pen(unicode=False, colour=True)),
    ],
)
def test_the_pen_suits_the_stream(monkeypatch, tty, encoding, environment, pen):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Pen.of(Terminal(tty, encoding)) == pen


def test_names_in_a_file_cannot_steer_the_terminal_or_the_document():
    graph = make.chain("EXP")
    evil = replace(graph.tensors[1], name="\x1b[2J</title><script>\x00\ud800&")
    plan = plan_of(replace(graph, tensors=(graph.tensors[0], evil), name="<&\x01"), "EXP")
    assert "\x1b" not in draw(plan)
    draw(plan).encode("utf-8")
    assert not ElementTree.fromstring(svg(plan).encode("utf-8")).findall(f".//{SVG}script")


@given(make.graphs())
def test_any_plan_can_be_drawn_in_100_columns(graph):
    plan = plan_of(graph, "A,C")
    assert max(map(len, draw(plan).splitlines())) <= 100


@given(make.graphs())
def test_the_document_has_a_node_for_each_op_and_an_edge_for_each_pair_of_ops(graph):
    plan = plan_of(graph, "A,C")
    document = ElementTree.fromstring(svg(plan))
    producers = graph.producers()
    pairs = {(producers[t], i) for i, op in enumerate(graph.ops) for t in op.inputs if t in producers}
    assert len(document.findall(f"{SVG}g")) == len(graph.ops)
    assert len(document.findall(f"{SVG}path")) == len(pairs)


@given(make.graphs())
def test_nodes_lie_inside_the_picture_and_apart(graph):
    document = ElementTree.fromstring(svg(plan_of(graph, "A,C")))
    boxes = [
        [int(rectangle.get(name, "")) for name in ("x", "y", "width", "height")]
        for rectangle in document.findall(f"{SVG}g/{SVG}rect")
    ]
    for n, (x, y, width, height) in enumerate(boxes):
        assert x >= 0 and y >= 0
        assert x + width <= int(document.get("width", "")) and y + height <= int(document.get("height", ""))
        for ax, ay, awidth, aheight in boxes[:n]:
            assert x >= ax + awidth or ax >= x + width or y >= ay + aheight or ay >= y + height


def test_the_document_shows_what_came_of_the_segments():
    document = ElementTree.fromstring(svg(diamond(), {1: Outcome(30, 1, ("it fell off",))}, title="what ran where"))
    texts = [text.text for text in document.findall(f"{SVG}text")]
    assert texts[0] == "what ran where"
    assert "29 of 30 runs on fake:0, 1 on the CPU: it fell off" in texts
    looks = [rectangle.get("class") for rectangle in document.findall(f"{SVG}rect")]
    assert looks[1:] == ["band cpu", "band fell", "band cpu", "band delegate"]
