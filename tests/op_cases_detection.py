"""TFLite_Detection_PostProcess."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from op_cases import Array, Case, In, c, fed, out, x

OPTIONS: dict[str, Any] = {
    "max_detections": 10,
    "max_classes_per_detection": 1,
    "detections_per_class": 100,
    "use_regular_nms": False,
    "nms_score_threshold": 0.3,
    "nms_iou_threshold": 0.5,
    "num_classes": 4,
    "y_scale": 10.0,
    "x_scale": 10.0,
    "h_scale": 5.0,
    "w_scale": 5.0,
}
UNWRITTEN = "BUILTIN_REF leaves the places without a detection as the memory happened to be"


def anchors(count: int, seed: int = 0) -> Array:
    """Centers all over the image, sizes that overlap a few neighbours."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.uniform(0, 1, (count, 2)), rng.uniform(0.05, 0.4, (count, 2))], 1).astype("float32")


def detection(
    boxes: int = 50, columns: int = 5, coordinates: int = 4, dtype: str = "float32", seed: int = 0, **options: Any
) -> Case:
    """Random boxes, with a background column unless columns is num_classes."""
    settings = OPTIONS | {k: v for k, v in options.items() if k in OPTIONS}
    more = {k: v for k, v in options.items() if k not in OPTIONS}
    inputs: list[In | None]
    if dtype == "float32":
        inputs = [
            x(1, boxes, coordinates),
            x(1, boxes, columns, low=0.0, high=1.0),
            c(boxes, 4, value=anchors(boxes, seed)),
        ]
    else:
        # Few distinct scores: ties must come out in the same order.
        inputs = [
            x(1, boxes, coordinates, dtype=dtype, scale=0.06, zero=130, low=80, high=180),
            x(1, boxes, columns, dtype=dtype, scale=1 / 16, zero=0, low=0, high=16),
            c(boxes, 4, dtype=dtype, scale=1 / 255, zero=0, low=20, high=250),
        ]
    told = "-".join(f"{k}={v}" for k, v in options.items() if k in OPTIONS)
    defaults: dict[str, Any] = {
        "options": {},
        "is_custom": True,
        "custom_options": bytes(flexbuffers.Dumps(settings)),
        "seed": seed,
        "label": f"{told}-{seed}" + ("" if "error" not in more else "-refused"),
    }
    return Case("TFLite_Detection_PostProcess", inputs, [out() for _ in range(4)], **(defaults | more))


def slow(settings: dict[str, Any]) -> Callable[[list[Array]], list[Array]]:
    """The definition of both ways, one box and one class at a time."""

    def compute(inputs: list[Array]) -> list[Array]:
        encodings, scores, places = inputs[0][0], inputs[1][0], inputs[2]
        scores = scores[:, scores.shape[1] - settings["num_classes"] :]
        boxes = decoded(encodings, places, settings)
        wanted, per_box = settings["max_detections"], settings["max_classes_per_detection"]
        if settings["use_regular_nms"]:
            found = [
                (label, score, box)
                for label in range(scores.shape[1])
                for box, score in kept(boxes, scores[:, label], settings)[: settings["detections_per_class"]]
            ]
            rows = [[f] for f in sorted(found, key=lambda f: -f[1])[:wanted]]
        else:
            rows = []
            for box, _ in kept(boxes, scores.max(axis=1), settings)[:wanted]:
                order = sorted(range(scores.shape[1]), key=lambda label, box=box: -scores[box, label])
                rows.append([(label, scores[box, label], box) for label in order[:per_box]])
        size = wanted * per_box
        result = [np.zeros((1, size, 4), "float32"), *(np.zeros((1, size), "float32") for _ in range(2))]
        for i, row in enumerate(rows):
            for j, (label, score, box) in enumerate(row):
                place = i + j if settings["use_regular_nms"] else i * per_box + j
                result[0][0, place], result[1][0, place], result[2][0, place] = boxes[box], label, score
        return [*result, np.array([len(rows)], "float32")]

    return compute


def decoded(encodings: Array, places: Array, settings: dict[str, Any]) -> Array:
    scale = np.array([settings[f"{k}_scale"] for k in "yxhw"], "float64")
    e, a = encodings[:, :4].astype("float64") / scale, places.astype("float64")
    center = (e[:, :2] * a[:, 2:] + a[:, :2]).astype("float32")
    half = (0.5 * np.exp(e[:, 2:]) * a[:, 2:]).astype("float32")
    return np.concatenate([center - half, center + half], 1)


def kept(boxes: Array, scores: Array, settings: dict[str, Any]) -> list[tuple[int, float]]:
    result: list[int] = []
    for box in np.argsort(-scores, kind="stable"):
        if scores[box] < settings["nms_score_threshold"]:
            break
        if all(overlap(boxes[box], boxes[other]) <= settings["nms_iou_threshold"] for other in result):
            result.append(int(box))
    return [(box, float(scores[box])) for box in result]


def overlap(a: Array, b: Array) -> float:
    sides = np.maximum(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0)
    areas = [float(np.prod(box[2:] - box[:2])) for box in (a, b)]
    return float(np.prod(sides)) / (sum(areas) - float(np.prod(sides))) if min(areas) > 0 else 0.0


def partly_filled(**options: Any) -> Case:
    return detection(expected=slow(OPTIONS | options), why=UNWRITTEN, **options)


FULL = {"nms_score_threshold": 0.0, "nms_iou_threshold": 0.9}

CASES = [
    *(detection(seed=s, **FULL) for s in range(4)),
    *(detection(columns=4, seed=s, **FULL) for s in range(2)),
    detection(boxes=200, coordinates=16, **FULL),
    *(detection(max_classes_per_detection=n, seed=n, **FULL) for n in (2, 4)),
    *(detection(dtype="uint8", seed=s, **FULL) for s in range(3)),
    *(detection(dtype="uint8", max_classes_per_detection=3, seed=s, **FULL) for s in range(2)),
    *(detection(use_regular_nms=True, seed=s) for s in range(4)),
    *(detection(use_regular_nms=True, seed=s, detections_per_class=2, columns=4) for s in range(2)),
    *(detection(dtype="uint8", use_regular_nms=True, seed=s, boxes=120) for s in range(3)),
    detection(use_regular_nms=True, nms_score_threshold=0.95, boxes=20),
    partly_filled(nms_score_threshold=0.9),
    partly_filled(nms_score_threshold=2.0),
    partly_filled(nms_score_threshold=0.9, max_classes_per_detection=2),
    partly_filled(nms_iou_threshold=0.01, max_detections=40),
    detection(custom_options=b"", error="TFLite_Detection_PostProcess"),
    detection(num_classes=3, error="num_classes"),
    detection(num_classes=0, error="num_classes"),
    detection(max_detections=-1, error="max_detections"),
    detection(max_detections=1 << 30, max_classes_per_detection=1 << 30, error="max_detections"),
    detection(max_classes_per_detection=0, error="max_classes"),
    detection(nms_iou_threshold=0.0, error="iou"),
    detection(use_regular_nms=True, detections_per_class=0, error="detections_per_class"),
    detection(coordinates=3, error="encodings"),
    Case(
        "TFLite_Detection_PostProcess",
        [fed(np.zeros((1, 2, 4))), fed(np.ones((1, 2, 5))), fed([[0.5, 0.5, -1.0, 1.0]] * 2)],
        [out() for _ in range(4)],
        is_custom=True,
        custom_options=bytes(flexbuffers.Dumps(OPTIONS)),
        error="negative size",
    ),
]
