"""Scales, zero points and sizes at the edge, for ops whose drawn cases have none of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

import op_cases_drawn_elementwise as elementwise
from op_cases import Array, Case, c, const, fed, out, x
from op_cases_arithmetic import one_side
from op_cases_audio import spectrogram
from op_cases_detection import OPTIONS, detection
from op_cases_lstm import Lstm
from op_cases_lstm_basic import Basic
from op_cases_lstm_bidirectional import Both
from op_cases_mediapipe import SAME, spread, transposed
from op_cases_normalization import l2, result
from op_cases_posenet import quantized as quantized_poses
from op_cases_rnn import Rnn
from op_cases_suppression import boxes, suppress
from op_cases_transpose_conv import UINT8
from op_cases_transpose_conv import quantized as transposed_conv

SCALES = (1e-6, 3e-5, 60.0, 900.0)
ENDS = (("int8", -128), ("int8", 127), ("uint8", 0), ("uint8", 255), ("int16", 0))


def compared(kind: str, dtype: str, scale: float, seed: int) -> Case:
    """Both sides have one scale, so that the numbers alone decide."""
    ask = {
        "EQUAL": np.equal, "NOT_EQUAL": np.not_equal, "LESS": np.less, "LESS_EQUAL": np.less_equal,
        "GREATER": np.greater, "GREATER_EQUAL": np.greater_equal,
    }[kind]  # fmt: skip
    given = {"dtype": dtype, "scale": scale, "zero": 3, "low": 0, "high": 9}

    def expected(arrays: list[Array]) -> list[Array]:
        return [ask(arrays[0], arrays[1])]

    why = "TFLite shifts by a negative number where a scale is 1 or more"
    inputs = [x(4, 5, **given), x(4, 5, **given)]
    return Case(kind, inputs, [out("bool")], expected=expected, why=why, seed=seed, label=f"scale{scale:g}")


def quotient(dtype: str, scale: float, zero: int, seed: int) -> Case:
    """The output's steps are as large as those of the dividend, and the divisor's are 1."""
    left, right = one_side(dtype, 1, 16000 if dtype == "int16" else 63, 0, scale), one_side(dtype, 1, 1, 0, 1.0)
    return Case("DIV", [x(90, **left), x(90, **right)], [out(dtype, scale=scale, zero=zero)], seed=seed,
                label=f"scale{scale:g}_zero{zero}")  # fmt: skip


def row_scales(dtype: str, scale: float) -> Case:
    table = c(3, 8, dtype=dtype, scale=[scale, scale * 7, 1.0])
    return Case("EMBEDDING_LOOKUP", [fed([2, 0, 1], "int32"), table], [out()], version=3, label=f"scale{scale:g}")


def sparse_of_nothing(combiner: str) -> Case:
    inputs = [const([]), const(np.zeros((0, 2), np.int32)), const([3, 4]), x(0), c(5, 4)]
    return Case("EMBEDDING_LOOKUP_SPARSE", inputs, [out()], {"combiner": combiner}, label=combiner)


def reduced_window(*shape: int) -> Case:
    ones = const([1, 1], "int64")
    inputs = [x(*shape), const(0.0, "float32"), ones, ones, ones]
    return Case("REDUCE_WINDOW", inputs, [out()], {"reduce_function": "ADD"}, label="empty")


def into_dense(rank: int) -> Case:
    inputs = [const(np.zeros((0, rank), np.int32)), const([3, 2][:rank]), x(0), x()]
    return Case("SPARSE_TO_DENSE", inputs, [out()], {"validate_indices": False}, label="empty")


def nothing_found(_: list[Array]) -> list[Array]:
    most = OPTIONS["max_detections"]
    return [np.zeros(shape, np.float32) for shape in ((1, most, 4), (1, most), (1, most), (1,))]


def tiny_boxes(seed: int) -> Case:
    """Offsets in such small steps that every box is its anchor."""
    case = detection(dtype="uint8", seed=seed, nms_score_threshold=0.0, nms_iou_threshold=0.9)
    offsets, *others = case.inputs
    assert offsets is not None
    return replace(case, inputs=[replace(offsets, scale=1e-6, zero=255), *others], label=f"{case.label}-tiny")


RECURRENT: list[dict[str, Any]] = [{"weight_scale": 1e-6}, {"weight_scale": 60.0}]

CASES = [
    *(compared(kind, dtype, scale, seed) for kind in elementwise.COMPARISONS for dtype in ("int8", "uint8")
      for seed, scale in enumerate((1.0, 60.0, 900.0))),
    *(quotient(dtype, scale, zero, seed) for dtype, zero in ENDS for seed, scale in enumerate(SCALES)),
    *(row_scales(dtype, scale) for dtype in ("int8", "uint8") for scale in SCALES),
    *(l2(x(3, 40, dtype=dtype, scale=scale, zero=3), result(dtype), label=f"scale{scale:g}")
      for dtype in ("int8", "uint8") for scale in SCALES),
    *(Lstm(kind="hybrid", asymmetric=a, **scale).case(tolerance=1e-2) for a in (False, True) for scale in RECURRENT),
    *(transposed_conv((2, 3, 4, 6), (7, 3, 3, 6), stride=(2, 2), **(kind | ends)) for kind in ({}, UINT8)
      for low, high in [((0, 255) if kind else (-128, 127))]
      for ends in (dict(zero=low, out_zero=high), dict(zero=high, out_zero=low))),
    *(transposed_conv((2, 3, 4, 6), (7, 3, 3, 6), **(UINT8 | {"weight_zero": zero})) for zero in (0, 255)),
    *(suppress(boxes(1, 3), [0.7], most, sigma=sigma, label="_one") for most in (0, 1, 5) for sigma in (None, 0.5)),
    *(suppress(boxes(0, 3).reshape(0, 4), [], 5, sigma=sigma, label="_empty") for sigma in (None, 0.5)),
    *(spectrogram((n, 2), 16, 8, label="empty") for n in (0, 5)),
    *(sparse_of_nothing(combiner) for combiner in ("SUM", "MEAN", "SQRTN")),
    *(reduced_window(*shape) for shape in ((0, 3), (3, 0))),
    *(into_dense(rank) for rank in (1, 2)),
    replace(Basic(batch=0).case(), runs=2),
    *(Lstm(op="LSTM", batch=0, kind=kind).case(runs=2) for kind in ("float", "hybrid")),
    *(Rnn(op, "hybrid", asymmetric=a, **scale).case(tolerance=1e-2) for a in (False, True) for scale in RECURRENT
      for op in ("RNN", "UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN")),
    *(Both(kind="hybrid", asymmetric=a, **scale).case(tolerance=1e-2) for a in (False, True) for scale in RECURRENT),
    transposed((0, 3, 3, 2), (4, 3, 3, 2), SAME, (2, 2), resolver="BUILTIN_REF", expected=spread(SAME, (2, 2)),
               why="XNNPACK refuses what is empty"),
    Case("LSH_PROJECTION", [x(2, 3), x(3, 0)], [out("int32")], {"type": "SPARSE"}, label="empty"),
    quantized_poses(3, [(1e-5, 0), (0.3, 128), (60.0, 255)]),
    tiny_boxes(0),
    Case("RSQRT", [x(50, dtype="int8", scale=100.0, zero=-128, low=-127, high=127)],
         [out("int8", scale=60.0, zero=-128)], label="all_are_nearly_zero"),
    detection(0, label="empty", expected=nothing_found, why="TFLite's boxes are what the memory happened to hold"),
]  # fmt: skip
