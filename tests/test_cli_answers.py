"""What the outputs are is seen from the graph; what they say comes out right for every type."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from subgraft.cli.answers import Classification, Detection, Raw, Segmentation, answer
from subgraft.cli.exit_codes import UsageError
from subgraft.cli.output import print_json
from subgraft.cli.table import MAX_COLUMNS, shorten, table
from subgraft.delegates import Graph, Op, Quantization, Tensor


def graph(*ops: str, outputs: int = 1, quantization: Quantization | None = None) -> Graph:
    """x -> op -> op -> its outputs."""
    tensors = [Tensor(f"t{i}", (1,), "float32", quantization=quantization) for i in range(len(ops) + outputs)]
    last = len(ops)
    made = [
        Op(kind, (i,), (i + 1,) if i + 1 < last else tuple(range(last, last + outputs))) for i, kind in enumerate(ops)
    ]
    return Graph(tensors, made, (0,), tuple(range(last, last + outputs)))


def seen(*ops: str, shape: Sequence[int], dtype: str = "float32", labels: Sequence[str] = ()) -> type:
    return type(answer(graph(*ops), [("out", np.zeros(shape, dtype))], labels=labels))


@pytest.mark.parametrize(
    ("ops", "shape", "dtype", "labels", "expected"),
    [
        (["FULLY_CONNECTED", "SOFTMAX"], (1, 10), "float32", (), Classification),
        (["SOFTMAX", "QUANTIZE", "RESHAPE"], (10,), "uint8", (), Classification),
        (["FULLY_CONNECTED"], (1, 10), "int8", (), Raw),
        (["FULLY_CONNECTED"], (1, 10), "int8", ("cat",), Classification),
        (["LOGISTIC"], (1, 1), "float32", (), Raw),
        (["ARG_MAX"], (1, 8, 9), "int64", (), Segmentation),
        (["ARG_MAX", "RESHAPE"], (1, 8, 9, 1), "int32", (), Segmentation),
        (["RESIZE_BILINEAR"], (1, 8, 9, 21), "float32", (), Segmentation),
        (["RESIZE_BILINEAR"], (1, 8, 9, 3), "float32", (), Raw),
        (["SOFTMAX"], (1, 8, 9, 3), "int8", (), Segmentation),
        (["LOGISTIC"], (1, 8, 9, 1), "float32", (), Segmentation),
        (["CONV_2D"], (2, 8, 9, 21), "float32", (), Raw),
        ([], (1, 10), "float32", (), Raw),
    ],
)
def test_the_kind_of_answer_follows_from_the_outputs(
    ops: list[str], shape: tuple[int, ...], dtype: str, labels: tuple[str, ...], expected: type
) -> None:
    assert seen(*ops, shape=shape, dtype=dtype, labels=labels) is expected


def test_classes_are_in_order_of_score_and_equal_scores_in_order_of_class() -> None:
    scores = np.array([[0, 200, 50, 200, 10]], np.uint8)
    made = answer(
        graph("SOFTMAX", quantization=Quantization((1 / 256,), (0,))), [("out", scores)], labels=("a", "b", "c"), top=3
    )
    assert isinstance(made, Classification)
    assert [(s.index, s.label, s.score) for s in made.best] == [
        (1, "b", 200 / 256),
        (3, "", 200 / 256),
        (2, "c", 50 / 256),
    ]


def test_labels_of_another_number_than_classes_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    answer(graph("SOFTMAX"), [("out", np.zeros((1, 3)))], labels=("a", "b", "c"))
    assert caplog.text == ""
    answer(graph("SOFTMAX"), [("out", np.zeros((1, 3)))], labels=("a", "b"))
    assert "2 labels for 3 classes" in caplog.text


def test_int8_scores_are_what_they_stand_for() -> None:
    quantization = Quantization((1 / 256,), (-128,))
    made = answer(graph("SOFTMAX", quantization=quantization), [("out", np.array([[-128, 127]], np.int8))])
    assert made.to_dict()["best"][0] == {"class": 1, "label": "", "score": 255 / 256}


def detection(count: float = 2, **options: object) -> Detection:
    arrays = [
        np.array([[[0.1, 0.2, 0.5, 0.6], [0, 0, 1, 1], [9, 9, 9, 9]]], np.float32),
        np.array([[37, 0, 5]], np.float32),
        np.array([[0.9, 0.25, 0.8]], np.float32),
        np.array([count], np.float32),
    ]
    outputs = [(f"o{i}", array) for i, array in enumerate(arrays)]
    made = answer(graph("TFLite_Detection_PostProcess", outputs=4), outputs, **options)  # type: ignore[arg-type]
    assert isinstance(made, Detection)
    return made


def test_boxes_end_at_the_models_own_count() -> None:
    assert [box.found.index for box in detection().boxes] == [37, 0]
    assert [len(detection(count=n).boxes) for n in (-1, 0, 3, 1000)] == [0, 0, 3, 3]


def test_boxes_below_the_threshold_and_behind_the_top_are_left_out() -> None:
    assert [box.found.index for box in detection(threshold=0.5).boxes] == [37]
    assert [box.found.index for box in detection(count=3, top=1).boxes] == [37]
    assert detection(threshold=1.0).text() == "no boxes above the threshold"


def test_boxes_are_shown_in_pixels_and_told_as_fractions() -> None:
    made = detection(size=(100, 200), labels=("person",))
    assert made.text().splitlines()[1].split() == ["0.9000", "37", "20", "20", "60", "100"]
    assert made.to_dict()["boxes"][1] == {"class": 0, "label": "person", "score": 0.25, "box": [0, 0, 1, 1]}


def test_detection_outputs_are_found_in_any_order() -> None:
    base = graph("TFLite_Detection_PostProcess", outputs=4)
    turned = Graph(base.tensors, base.ops, base.inputs, (4, 3, 2, 1))
    arrays = [np.ones(1, np.float32), np.full((1, 1), 0.5, np.float32), np.full((1, 1), 7, np.float32)]
    outputs = [("count", arrays[0]), ("scores", arrays[1]), ("classes", arrays[2]), ("boxes", np.zeros((1, 1, 4)))]
    made = answer(turned, outputs)
    assert isinstance(made, Detection)
    assert [(box.found.index, box.found.score) for box in made.boxes] == [(7, 0.5)]


def test_a_class_map_tells_each_class_share() -> None:
    made = answer(graph("ARG_MAX"), [("out", np.array([[[0, 0], [3, 0]]]))], labels=("sky", "a", "b", "bird"))
    assert isinstance(made, Segmentation)
    assert [(s.index, s.label, s.score) for s in made.shares] == [(0, "sky", 0.75), (3, "bird", 0.25)]


def test_class_numbers_stay_class_numbers_where_the_file_gives_them_a_quantization() -> None:
    classes = np.array([[[0, 7], [7, 7]]], np.int64)
    for quantization in (Quantization(), Quantization((0.5,), (0,))):
        made = answer(graph("ARG_MAX", quantization=quantization), [("out", classes)])
        assert [s["class"] for s in made.to_dict()["shares"]] == [7, 0]


def test_planes_of_scores_become_their_greatest_and_one_plane_foreground() -> None:
    scores = np.zeros((1, 2, 2, 5), np.float32)
    scores[0, 1, 1, 4] = 1
    made = answer(graph("CONV_2D"), [("out", scores)])
    assert isinstance(made, Segmentation)
    assert made.classes.tolist() == [[0, 0], [0, 4]]
    mask = answer(graph("LOGISTIC"), [("out", np.array([[[[0.4], [0.5]], [[0.6], [0.0]]]]))], labels=("selfie",))
    assert [(s["label"], s["share"]) for s in mask.to_dict()["shares"]] == [("background", 0.5), ("selfie", 0.5)]


@pytest.mark.parametrize("kind", ["classification", "segmentation", "detection"])
def test_outputs_that_cannot_be_what_was_asked_for_are_a_usage_error(kind: str) -> None:
    outputs = [("a", np.zeros((1, 2))), ("b", np.zeros((1, 2)))]
    with pytest.raises(UsageError):
        answer(graph("SOFTMAX", outputs=2), outputs, kind=kind)


def test_raw_tensors_of_any_type_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    arrays = [
        np.array([np.nan, np.inf, 1.5], np.float32),
        np.array([True, False]),
        np.array([b"text"], object),
        np.zeros((0, 3), np.int8),
        np.zeros(2000, np.int8),
        np.array([1 + 2j], np.complex64),
    ]
    made = answer(graph("ADD", outputs=6), [(f"o{i}", a) for i, a in enumerate(arrays)])
    assert all(len(line) <= MAX_COLUMNS for line in made.text().splitlines())
    print_json(made.to_dict())
    outputs = json.loads(capsys.readouterr().out)["outputs"]
    assert outputs["o0"]["values"] == ["nan", "inf", 1.5]
    assert outputs["o4"] == {"dtype": "int8", "shape": [2000], "min": 0.0, "mean": 0.0, "max": 0.0}


def test_tables_fit_and_cut_the_middle_of_what_is_too_long() -> None:
    made = table(("a", "b"), [("x" * 300, 1), ("line\nbreak", 22)], right=(1,))
    lines = made.splitlines()
    assert len(lines) == 3 and max(map(len, lines)) == MAX_COLUMNS
    assert lines[1].endswith("x   1") and "…" in lines[1]
    assert shorten("abcdefgh", 5) == "abc…h" or shorten("abcdefgh", 5) == "ab…gh"
