"""What a model's outputs say: classes with scores, boxes, a map of classes, or just numbers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from subgraft.cli.exit_codes import UsageError
from subgraft.cli.scaled import real_values, scale_of
from subgraft.cli.table import table
from subgraft.delegates import Array, Graph, Tensor

LOG = logging.getLogger("subgraft.cli")
DETECTION_OP = "TFLite_Detection_PostProcess"
CARRIES_ON = {"DEQUANTIZE", "QUANTIZE", "RESHAPE", "SQUEEZE", "CAST"}  # ops that do not change what a tensor means
PROBABILITIES = {"SOFTMAX", "LOGISTIC"}
CLASS_NUMBERS = ("int32", "int64")  # what ARG_MAX writes; a map of these is never scores
MAX_LISTED_VALUES = 1000  # longer tensors are summed up in JSON, and whole in --output
MAX_IMAGE_CHANNELS = 4  # a map with more channels than a picture has holds scores of classes
KINDS = ("classification", "detection", "segmentation", "raw")


class Answer(Protocol):
    """One reading of the outputs."""

    def text(self) -> str: ...

    def to_dict(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Scored:
    index: int
    label: str
    score: float


@dataclass(frozen=True, slots=True)
class Classification:
    """The classes with the highest scores, best first."""

    best: tuple[Scored, ...]

    def text(self) -> str:
        if not self.best:
            return "no class reaches the threshold"
        return _labelled(
            ("score", "class", "label"), [(f"{s.score:.4f}", s.index, s.label) for s in self.best], right=(0, 1)
        )

    def to_dict(self) -> dict[str, Any]:
        best = [{"class": s.index, "label": s.label, "score": s.score} for s in self.best]
        return {"kind": "classification", "best": best}


@dataclass(frozen=True, slots=True)
class Box:
    """top, left, bottom, right: fractions of the picture's height and width; may lie outside 0..1."""

    found: Scored
    top: float
    left: float
    bottom: float
    right: float


@dataclass(frozen=True, slots=True)
class Detection:
    """Boxes in the model's order, which is by score.

    size: the picture's width and height in pixels, where there is a picture.
    """

    boxes: tuple[Box, ...]
    size: tuple[int, int] | None = None

    def text(self) -> str:
        if not self.boxes:
            return "no boxes above the threshold"
        width, height = self.size or (1, 1)
        form = "{:.0f}" if self.size else "{:.4f}"
        rows = []
        for box in self.boxes:
            sides = (box.left * width, box.top * height, box.right * width, box.bottom * height)
            found = box.found
            rows.append((f"{found.score:.4f}", found.index, found.label, *(form.format(side) for side in sides)))
        return _labelled(("score", "class", "label", "left", "top", "right", "bottom"), rows, right=(0, 1, 3, 4, 5, 6))

    def to_dict(self) -> dict[str, Any]:
        boxes = [
            {
                "class": box.found.index,
                "label": box.found.label,
                "score": box.found.score,
                "box": [box.top, box.left, box.bottom, box.right],
            }
            for box in self.boxes
        ]
        return {"kind": "detection", "boxes": boxes}


@dataclass(frozen=True, slots=True)
class Segmentation:
    """A class for each pixel of `classes` (height, width); shares are in order of size."""

    classes: Array
    shares: tuple[Scored, ...]  # score: the share of the pixels

    def text(self) -> str:
        rows = [(f"{100 * s.score:.2f} %", s.index, s.label) for s in self.shares]
        return _labelled(("pixels", "class", "label"), rows, right=(0, 1))

    def to_dict(self) -> dict[str, Any]:
        height, width = self.classes.shape
        shares = [{"class": s.index, "label": s.label, "share": s.score} for s in self.shares]
        return {"kind": "segmentation", "height": height, "width": width, "shares": shares}


@dataclass(frozen=True, slots=True)
class Raw:
    """The tensors as they are."""

    outputs: Mapping[str, Array]

    def text(self) -> str:
        rows = [(name, a.dtype, "x".join(map(str, a.shape)), *_summary(a)) for name, a in self.outputs.items()]
        return table(("output", "type", "shape", "least", "mean", "greatest", "first values"), rows, right=(3, 4, 5))

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "raw", "outputs": {name: _plain(array) for name, array in self.outputs.items()}}


def answer(
    graph: Graph,
    outputs: Sequence[tuple[str, Array]],
    *,
    kind: str | None = None,
    labels: Sequence[str] = (),
    top: int | None = None,
    threshold: float | None = None,
    size: tuple[int, int] | None = None,
) -> Answer:
    """Reads the outputs as `kind`, or as what they look like. Raises UsageError when they cannot be that kind.

    outputs: name and array for each of graph.outputs, in that order.
    """
    chosen = kind or _kind(graph, [array for _, array in outputs], labels)
    if chosen == "detection":
        return _detection(graph, [array for _, array in outputs], labels, top, threshold, size)
    if threshold is not None and chosen != "classification":
        raise UsageError(f"--threshold is about scores of classes and boxes; this answer is {chosen}; see --as")
    if chosen == "raw":
        return Raw(dict(outputs))
    if len(outputs) != 1:
        raise UsageError(f"the model has {len(outputs)} outputs, a {chosen} has one")
    array, tensor = outputs[0][1], graph.tensors[graph.outputs[0]]
    if chosen == "segmentation":
        return _segmentation(array, tensor, labels)
    return _classification(array, tensor, labels, top, threshold)


def _kind(graph: Graph, outputs: Sequence[Array], labels: Sequence[str]) -> str:
    source = _source(graph, graph.outputs[0]) if graph.outputs else ""
    if source == DETECTION_OP:
        return "detection"
    if len(outputs) != 1:
        return "raw"
    array = outputs[0]
    sides = [side for side in array.shape if side != 1]
    if len(sides) == 1 and (labels or source in PROBABILITIES):
        return "classification"
    if _map_shape(array) is None:
        return "raw"
    whole_numbers = array.dtype.kind in "iu" and (array.ndim < 4 or array.shape[-1] == 1)
    scores = source in PROBABILITIES or (array.ndim == 4 and array.shape[-1] > MAX_IMAGE_CHANNELS)
    return "segmentation" if labels or scores or (source == "ARG_MAX" and whole_numbers) else "raw"


def _source(graph: Graph, tensor: int) -> str:
    """The kind of the op that gave this tensor its meaning."""
    producers = {t: op for op in graph.ops for t in op.outputs}
    seen = set()
    while tensor in producers and tensor not in seen:
        seen.add(tensor)
        op = producers[tensor]
        if op.kind not in CARRIES_ON or not op.inputs:
            return op.kind
        tensor = op.inputs[0]
    return ""


def _classification(
    array: Array, tensor: Tensor, labels: Sequence[str], top: int | None, threshold: float | None
) -> Classification:
    scores = real_values(array, tensor).reshape(-1)
    _compare_count(labels, scores.size)
    order = np.argsort(-scores, kind="stable")[: 5 if top is None else top]
    if threshold is not None:
        order = order[scores[order] >= threshold]
    return Classification(tuple(Scored(int(i), _label(labels, int(i)), float(scores[i])) for i in order))


def _detection(
    graph: Graph,
    outputs: Sequence[Array],
    labels: Sequence[str],
    top: int | None,
    threshold: float | None,
    size: tuple[int, int] | None,
) -> Detection:
    op = next((op for op in graph.ops if op.kind == DETECTION_OP), None)
    by_tensor = dict(zip(graph.outputs, outputs, strict=True))
    if op is None or len(op.outputs) != 4 or any(t not in by_tensor for t in op.outputs):
        raise UsageError(f"no {DETECTION_OP} whose four outputs are the model's")
    places, classes, scores, count = (by_tensor[t].reshape(-1) for t in op.outputs)
    found = int(count[0]) if count.size else 0
    boxes = []
    for i in range(max(0, min(found, scores.size, classes.size, places.size // 4))):
        scored = Scored(int(classes[i]), _label(labels, int(classes[i])), float(scores[i]))
        boxes.append(Box(scored, *(float(side) for side in places[4 * i : 4 * i + 4])))
    return Detection(tuple(box for box in boxes if box.found.score >= (threshold or 0.0))[:top], size)


def _segmentation(array: Array, tensor: Tensor, labels: Sequence[str]) -> Segmentation:
    shape = _map_shape(array)
    if shape is None:
        raise UsageError(f"an output of shape {list(array.shape)} is no map of one picture")
    planes = array.reshape(*shape, -1)
    if planes.shape[2] > 1:
        _compare_count(labels, planes.shape[2])
        classes = np.argmax(planes, axis=2)
    elif array.dtype.name in CLASS_NUMBERS or (array.dtype.kind in "iu" and scale_of(tensor) is None):
        classes = planes[:, :, 0].astype(np.int64)
    else:
        classes = (real_values(planes[:, :, 0], tensor) >= 0.5).astype(np.int64)  # one score: foreground or not
        labels = ("background", labels[0] if len(labels) == 1 else "foreground") if len(labels) < 2 else labels
    numbers, counts = np.unique(classes, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    shares = (Scored(int(numbers[i]), _label(labels, int(numbers[i])), float(counts[i] / classes.size)) for i in order)
    return Segmentation(classes, tuple(shares))


def _map_shape(array: Array) -> tuple[int, int] | None:
    """Height and width of [1, H, W, C], [1, H, W] or [H, W]."""
    shape = array.shape[1:] if array.ndim > 2 and array.shape[0] == 1 else array.shape
    if len(shape) not in (2, 3) or min(shape) < 1 or min(shape[:2]) < 2:
        return None
    return shape[0], shape[1]


def _compare_count(labels: Sequence[str], classes: int) -> None:
    if labels and len(labels) != classes:
        LOG.warning("%d labels for %d classes: they may be shifted or another model's", len(labels), classes)


def _labelled(headers: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int]) -> str:
    """A table whose third column, the labels, is only there when one of them is known."""
    if any(row[2] for row in rows):
        return table(headers, rows, right=right)
    unlabelled = [(*row[:2], *row[3:]) for row in rows]
    return table((*headers[:2], *headers[3:]), unlabelled, right=[i - (i > 2) for i in right])


def _label(labels: Sequence[str], index: int) -> str:
    return labels[index] if 0 <= index < len(labels) else ""


def _summary(array: Array) -> tuple[str, str, str, str]:
    first = " ".join(_short(value) for value in array.reshape(-1)[:4])
    if array.size == 0 or array.dtype.kind not in "biuf":
        return "", "", "", first
    values = array.astype(np.float64)
    return _short(array.min()), _short(values.mean()), _short(array.max()), first + (" ..." if array.size > 4 else "")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, (float, np.floating)) else str(value)


def _plain(array: Array) -> dict[str, Any]:
    """An array as JSON: numbers where there are few, else what sums them up."""
    facts: dict[str, Any] = {"dtype": array.dtype.name, "shape": list(array.shape)}
    if array.dtype.kind not in "biuf":
        return {**facts, "values": [str(value) for value in array.reshape(-1)[:MAX_LISTED_VALUES]]}
    if array.size <= MAX_LISTED_VALUES:
        return {**facts, "values": array.tolist()}
    numbers = array.astype(np.float64)
    return {**facts, "min": float(numbers.min()), "mean": float(numbers.mean()), "max": float(numbers.max())}
