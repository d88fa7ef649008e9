"""Drawn cases of custom ops, and of those that make complex or random numbers."""

from __future__ import annotations

from op_cases import Case, out, x
from op_cases_detection import detection
from op_cases_posenet import posenet
from op_cases_random import draw as random_numbers
from op_draws import Draw, Recipe, drawn


def detections(draw: Draw) -> Case:
    """So many boxes above the threshold that every place of the outputs is filled."""
    regular = draw.chance(0.4)
    options = {
        "max_detections": draw.number(1, 8),
        "max_classes_per_detection": 1 if regular else draw.number(1, 3),
        "detections_per_class": draw.number(4, 40),
        "use_regular_nms": regular,
        "nms_score_threshold": 0.0,
        "nms_iou_threshold": draw.pick((0.8, 0.9, 0.95)),
    }
    dtype = draw.pick(("float32", "uint8"))
    seed = draw.number(0, 10**6)
    return detection(draw.number(60, 200), draw.pick((4, 5)), draw.pick((4, 7)), dtype, seed, **options)


def poses(draw: Draw) -> Case:
    return posenet(
        draw.number(2, 6),
        draw.number(2, 6),
        seed=draw.number(0, 10**6),
        max_detections=draw.number(1, 5),
        score_threshold=draw.pick((0.2, 0.4, 0.5)),
        stride=draw.pick((8, 16, 32)),
        nms_radius=draw.pick((10.0, 20.0, 45.0)),
    )


def part(kind: str) -> Recipe:
    def recipe(draw: Draw) -> Case:
        wide = draw.chance(0.3)
        given = x(*draw.shape(empty=0.05), dtype="complex128" if wide else "complex64")
        return Case(kind, [given], [out("float64" if wide else "float32")], tolerance=1e-6)

    return recipe


def numbers(kind: str) -> Recipe:
    def recipe(draw: Draw) -> Case:
        seeds = (draw.number(-(2**31), 2**31), draw.number(-(2**31), 2**31))
        return random_numbers(kind, draw.shape(1, 4), seeds)

    return recipe


CASES = [
    *drawn("TFLite_Detection_PostProcess", detections),
    *drawn("PosenetDecoderOp", poses),
    *(case for kind in ("REAL", "IMAG", "COMPLEX_ABS") for case in drawn(kind, part(kind))),
    *(case for kind in ("RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL") for case in drawn(kind, numbers(kind))),
]
