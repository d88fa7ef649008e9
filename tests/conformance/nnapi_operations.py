"""NNAPI's operations: their codes and the order of their operands.

A signature lists the operands of one way to call an operation. `:i`, `:f` and `:b` are INT32, FLOAT32 and BOOL scalars,
other operands are tensors; `[` starts those that may be left out from the end; `*` takes any number of tensors.
Source: NeuralNetworksTypes.h, and the order of LSTM's and RNN's operands there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nnapi_cases import Operand

T = TypeVar("T")

CLASSES = {"INT32": "i", "FLOAT32": "f", "BOOL": "b"}

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")  # FuseCode, by TFLite's names
PADDINGS = {1: "SAME", 2: "VALID"}  # PaddingCode

_UNARY = "x"
_BINARY = "a b"
_FUSED = "a b activation:i"
_PADS = "left:i right:i top:i bottom:i stride_w:i stride_h:i"
_POOL = (
    f"x {_PADS} filter_w:i filter_h:i activation:i [ nchw:b",
    "x padding:i stride_w:i stride_h:i filter_w:i filter_h:i activation:i [ nchw:b",
)
_RESIZE = (
    "x width:i height:i [ nchw:b align_corners:b half_pixel_centers:b",
    "x width_scale:f height_scale:f [ nchw:b align_corners:b half_pixel_centers:b",
)
_REDUCE = "x axes keep:b"
_GATES = ("input", "forget", "cell", "output")
_LSTM_WEIGHTS = " ".join(
    [
        *(f"{{0}}input_to_{gate}" for gate in _GATES),
        *(f"{{0}}recurrent_to_{gate}" for gate in _GATES),
        *(f"{{0}}cell_to_{gate}" for gate in ("input", "forget", "output")),
        *(f"{{0}}{gate}_bias" for gate in _GATES),
        "{0}projection {0}projection_bias",
    ]
)
_NORMS = " ".join(f"{{0}}{gate}_norm" for gate in _GATES)
_LSTM = f"x {_LSTM_WEIGHTS.format('')} output_state cell_state"
_LSTM_TAIL = "activation:i cell_clip:f projection_clip:f"
_AUX_WEIGHTS = " ".join(f"{{0}}aux_to_{gate}" for gate in _GATES)


@dataclass(frozen=True, slots=True)
class Operation:
    """code: what ANeuralNetworksModel_addOperation takes. signatures: the ways to call it."""

    code: int
    signatures: tuple[str, ...]


def _one(code: int, *signatures: str) -> Operation:
    return Operation(code, signatures)


OPERATIONS: Mapping[str, Operation] = {
    "ADD": _one(0, _FUSED),
    "AVERAGE_POOL_2D": _one(1, *_POOL),
    "CONCATENATION": _one(2, "* axis:i"),
    "CONV_2D": _one(
        3,
        f"x filter bias {_PADS} activation:i [ nchw:b dilation_w:i dilation_h:i",
        "x filter bias padding:i stride_w:i stride_h:i activation:i [ nchw:b dilation_w:i dilation_h:i",
    ),
    "DEPTHWISE_CONV_2D": _one(
        4,
        f"x filter bias {_PADS} multiplier:i activation:i [ nchw:b dilation_w:i dilation_h:i",
        "x filter bias padding:i stride_w:i stride_h:i multiplier:i activation:i [ nchw:b dilation_w:i dilation_h:i",
    ),
    "DEPTH_TO_SPACE": _one(5, "x block:i [ nchw:b"),
    "DEQUANTIZE": _one(6, _UNARY),
    "EMBEDDING_LOOKUP": _one(7, "ids values"),
    "FLOOR": _one(8, _UNARY),
    "FULLY_CONNECTED": _one(9, "x weights bias activation:i"),
    "HASHTABLE_LOOKUP": _one(10, "lookups keys values"),
    "L2_NORMALIZATION": _one(11, "x [ axis:i"),
    "L2_POOL_2D": _one(12, *_POOL),
    "LOCAL_RESPONSE_NORMALIZATION": _one(13, "x radius:i bias:f alpha:f beta:f [ axis:i"),
    "LOGISTIC": _one(14, _UNARY),
    "LSH_PROJECTION": _one(15, "hash x weight type:i"),
    "LSTM": _one(16, f"{_LSTM} {_LSTM_TAIL} [ {_NORMS.format('')}"),
    "MAX_POOL_2D": _one(17, *_POOL),
    "MUL": _one(18, _FUSED),
    "RELU": _one(19, _UNARY),
    "RELU1": _one(20, _UNARY),
    "RELU6": _one(21, _UNARY),
    "RESHAPE": _one(22, "x shape"),
    "RESIZE_BILINEAR": _one(23, *_RESIZE),
    "RNN": _one(24, "x weights recurrent bias state activation:i"),
    "SOFTMAX": _one(25, "x beta:f [ axis:i"),
    "SPACE_TO_DEPTH": _one(26, "x block:i [ nchw:b"),
    "SVDF": _one(27, "x feature_weights time_weights bias state rank:i activation:i"),
    "TANH": _one(28, _UNARY),
    "BATCH_TO_SPACE_ND": _one(29, "x block [ nchw:b"),
    "DIV": _one(30, _FUSED),
    "MEAN": _one(31, "x axes keep:i"),
    "PAD": _one(32, "x pads"),
    "SPACE_TO_BATCH_ND": _one(33, "x block pads [ nchw:b"),
    "SQUEEZE": _one(34, "x [ axes"),
    "STRIDED_SLICE": _one(35, "x begin end strides begin_mask:i end_mask:i shrink_mask:i"),
    "SUB": _one(36, _FUSED),
    "TRANSPOSE": _one(37, "x [ perm"),
    "ABS": _one(38, _UNARY),
    "ARGMAX": _one(39, "x axis:i"),
    "ARGMIN": _one(40, "x axis:i"),
    "BIDIRECTIONAL_SEQUENCE_LSTM": _one(
        42,
        f"x {_LSTM_WEIGHTS.format('fw_')} {_LSTM_WEIGHTS.format('bw_')} "
        "fw_output_state fw_cell_state bw_output_state bw_cell_state "
        f"aux {_AUX_WEIGHTS.format('fw_')} {_AUX_WEIGHTS.format('bw_')} {_LSTM_TAIL} merge:b time_major:b "
        f"[ {_NORMS.format('fw_')} {_NORMS.format('bw_')}",
    ),
    "BIDIRECTIONAL_SEQUENCE_RNN": _one(
        43,
        "x fw_weights fw_recurrent fw_bias fw_state bw_weights bw_recurrent bw_bias bw_state aux fw_aux bw_aux "
        "activation:i time_major:b merge:b",
    ),
    "CAST": _one(45, _UNARY),
    "DETECTION_POSTPROCESSING": _one(
        47,
        "scores deltas anchors y_scale:f x_scale:f h_scale:f w_scale:f regular:b detections:i classes_per_detection:i "
        "detections_per_class:i score_threshold:f iou_threshold:f background:b",
    ),
    "EQUAL": _one(48, _BINARY),
    "EXP": _one(49, _UNARY),
    "EXPAND_DIMS": _one(50, "x axis:i"),
    "GATHER": _one(51, "x axis:i indices"),
    "GREATER": _one(53, _BINARY),
    "GREATER_EQUAL": _one(54, _BINARY),
    "GROUPED_CONV_2D": _one(
        55,
        f"x filter bias {_PADS} groups:i activation:i nchw:b",
        "x filter bias padding:i stride_w:i stride_h:i groups:i activation:i nchw:b",
    ),
    "LESS": _one(58, _BINARY),
    "LESS_EQUAL": _one(59, _BINARY),
    "LOG": _one(60, _UNARY),
    "LOGICAL_AND": _one(61, _BINARY),
    "LOGICAL_NOT": _one(62, _UNARY),
    "LOGICAL_OR": _one(63, _BINARY),
    "LOG_SOFTMAX": _one(64, "x beta:f axis:i"),
    "MAXIMUM": _one(65, _BINARY),
    "MINIMUM": _one(66, _BINARY),
    "NEG": _one(67, _UNARY),
    "NOT_EQUAL": _one(68, _BINARY),
    "PAD_V2": _one(69, "x pads value:f", "x pads value:i"),
    "POW": _one(70, _BINARY),
    "PRELU": _one(71, "x alpha"),
    "QUANTIZE": _one(72, _UNARY),
    "QUANTIZED_16BIT_LSTM": _one(
        73,
        " ".join(
            [
                "x",
                *(f"input_to_{gate}" for gate in _GATES),
                *(f"recurrent_to_{gate}" for gate in _GATES),
                *(f"{gate}_bias" for gate in _GATES),
                "cell_state output_state",
            ]
        ),
    ),
    "REDUCE_ALL": _one(75, _REDUCE),
    "REDUCE_ANY": _one(76, _REDUCE),
    "REDUCE_MAX": _one(77, _REDUCE),
    "REDUCE_MIN": _one(78, _REDUCE),
    "REDUCE_PROD": _one(79, _REDUCE),
    "REDUCE_SUM": _one(80, _REDUCE),
    "RSQRT": _one(83, _UNARY),
    "SELECT": _one(84, "condition a b"),
    "SIN": _one(85, _UNARY),
    "SLICE": _one(86, "x begin size"),
    "SPLIT": _one(87, "x axis:i count:i"),
    "SQRT": _one(88, _UNARY),
    "TILE": _one(89, "x multiples"),
    "TOPK_V2": _one(90, "x k:i"),
    "TRANSPOSE_CONV_2D": _one(
        91,
        f"x filter bias {_PADS} activation:i nchw:b",
        "x filter bias shape padding:i stride_w:i stride_h:i activation:i nchw:b",
    ),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _one(92, f"{_LSTM} {_LSTM_TAIL} time_major:b [ {_NORMS.format('')}"),
    "UNIDIRECTIONAL_SEQUENCE_RNN": _one(93, "x weights recurrent bias state activation:i time_major:i"),
    "RESIZE_NEAREST_NEIGHBOR": _one(94, *(signature.replace("[ nchw:b", "nchw:b [") for signature in _RESIZE)),
    "QUANTIZED_LSTM": _one(
        95,
        f"{_LSTM} {_NORMS.format('')} cell_clip:f projection_clip:f input_scale:f forget_scale:f cell_scale:f "
        "output_scale:f hidden_zero:i hidden_scale:f",
    ),
    "ELU": _one(98, "x alpha:f"),
    "HARD_SWISH": _one(99, _UNARY),
    "FILL": _one(100, "shape value:f", "shape value:i"),
    "RANK": _one(101, _UNARY),
    "BATCH_MATMUL": _one(102, "a b [ adj_a:b adj_b:b"),
    "PACK": _one(103, "axis:i *"),
    "MIRROR_PAD": _one(104, "x pads mode:i"),
    "REVERSE": _one(105, "x axis"),
}


def bind(operation: str, classes: Sequence[str], operands: Sequence[T]) -> dict[str, T]:
    """The operands by name; those of `*` are "0", "1", ... Raises ValueError when no signature fits.

    classes: of each operand, "i", "f" and "b" for scalars and "t" for tensors.
    """
    for signature in OPERATIONS[operation].signatures:
        names = _names(signature, len(operands))
        if names is not None and [_class_of(name) for name in names] == list(classes):
            return {name.partition(":")[0]: operand for name, operand in zip(names, operands, strict=True)}
    raise ValueError(f"{operation} is not called with operands of the classes {' '.join(classes)}")


def bound(operation: str, operands: Sequence[Operand]) -> dict[str, Operand]:
    """The operands by name."""
    return bind(operation, [CLASSES.get(o.type, "t") for o in operands], operands)


def _class_of(name: str) -> str:
    return name.partition(":")[2] or "t"


def _names(signature: str, count: int) -> list[str] | None:
    """The names of so many operands; None when the signature has fewer, or needs more."""
    names = signature.replace("[ ", "").split()
    if "*" in names:
        place = names.index("*")
        names[place : place + 1] = [str(i) for i in range(count - len(names) + 1)]
    needed = len(re.sub(r"\[.*", "", signature).split()) if "[" in signature else len(names)
    return names[:count] if needed <= count <= len(names) else None
