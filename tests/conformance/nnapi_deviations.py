"""Where TFLite does not do what NNAPI specifies, and why: the one table of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from nnapi_cases import SpecCase


class Kind(Enum):
    """What becomes of the operation."""

    BRIDGED = "more than one op, or another one, does the same"
    INEXPRESSIBLE = "no op or few of them do the same; found by the mapping itself"
    DIFFERENT = "the op gives something else, as TFLite's does"
    REFUSED = "the op is refused, as TFLite's is"


@dataclass(frozen=True, slots=True)
class Deviation:
    """operation: NNAPI's name, or several with | between them. reason: what TFLite does instead, or cannot do.

    cases: for DIFFERENT and REFUSED, a regular expression that the names of the cases match.
    """

    kind: Kind
    operation: str
    reason: str
    cases: str = ""

    def concerns(self, operation: str) -> bool:
        return operation in self.operation.split("|")


AVERAGE_OF_PADDED = Deviation(
    Kind.INEXPRESSIBLE,
    "AVERAGE_POOL_2D|L2_POOL_2D",
    "TFLite's pools pad as SAME or VALID only, and padding in front of an average would count as values",
)
LSH_SPARSE_DEPRECATED = Deviation(
    Kind.INEXPRESSIBLE,
    "LSH_PROJECTION",
    "TFLite has no deprecated SPARSE: each of its hashes is offset by its place, as in NNAPI's newer SPARSE",
)

DEVIATIONS: tuple[Deviation, ...] = (
    AVERAGE_OF_PADDED,
    LSH_SPARSE_DEPRECATED,
    Deviation(
        Kind.BRIDGED,
        "AVERAGE_POOL_2D|BATCH_TO_SPACE_ND|CONV_2D|DEPTH_TO_SPACE|DEPTHWISE_CONV_2D|GROUPED_CONV_2D|L2_POOL_2D|"
        "MAX_POOL_2D|RESIZE_BILINEAR|RESIZE_NEAREST_NEIGHBOR|SPACE_TO_BATCH_ND|SPACE_TO_DEPTH|TRANSPOSE_CONV_2D",
        "TFLite's images are NHWC: a TRANSPOSE on both sides of NCHW",
    ),
    Deviation(
        Kind.BRIDGED,
        "CONV_2D|DEPTHWISE_CONV_2D|GROUPED_CONV_2D",
        "TFLite pads as SAME or VALID only: a PAD in front",
    ),
    Deviation(Kind.BRIDGED, "MAX_POOL_2D", "TFLite pads as SAME or VALID only: a PADV2 with the least value in front"),
    Deviation(Kind.BRIDGED, "TRANSPOSE_CONV_2D", "TFLite pads as SAME or VALID only: a SLICE behind"),
    Deviation(
        Kind.BRIDGED,
        "CONV_2D|DEPTHWISE_CONV_2D|GROUPED_CONV_2D|TRANSPOSE_CONV_2D",
        "TFLite has no uint8 data under per-channel filters, and zero points of 0 in int8 filters: a QUANTIZE on both "
        "sides, between int8 and uint8",
    ),
    Deviation(Kind.BRIDGED, "GROUPED_CONV_2D", "TFLite's CONV_2D finds the groups in the filter's depth"),
    Deviation(
        Kind.BRIDGED,
        "LESS|LESS_EQUAL|GREATER|GREATER_EQUAL",
        "TFLite orders no booleans: a CAST to int32 in front",
    ),
    Deviation(
        Kind.BRIDGED,
        "CONCATENATION|MAXIMUM|MINIMUM|SELECT",
        "TFLite wants one scale and zero point for all: a QUANTIZE in front of those that differ from the output",
    ),
    Deviation(Kind.BRIDGED, "DIV", "TFLite's integer DIV rounds towards zero: FLOOR_DIV"),
    Deviation(Kind.BRIDGED, "ELU", "TFLite's has an alpha of 1: a PRELU behind"),
    Deviation(Kind.BRIDGED, "RSQRT", "TFLite's knows int8, not uint8: a QUANTIZE on both sides"),
    Deviation(
        Kind.BRIDGED,
        "L2_NORMALIZATION|LOCAL_RESPONSE_NORMALIZATION|LOG_SOFTMAX|SOFTMAX",
        "TFLite's work along the last axis: a TRANSPOSE on both sides",
    ),
    Deviation(Kind.BRIDGED, "LOCAL_RESPONSE_NORMALIZATION", "TFLite's knows rank 4 only: a RESHAPE on both sides"),
    Deviation(Kind.BRIDGED, "LOG_SOFTMAX", "TFLite's has no beta: a MUL in front"),
    Deviation(
        Kind.BRIDGED,
        "ARGMAX|ARGMIN|MEAN|REDUCE_ALL|REDUCE_ANY|REDUCE_MAX|REDUCE_MIN|REDUCE_PROD|REDUCE_SUM|SQUEEZE|STRIDED_SLICE",
        "TFLite gives a scalar where NNAPI, which has no tensors of rank 0, gives [1]: a RESHAPE behind",
    ),
    Deviation(
        Kind.BRIDGED,
        "DETECTION_POSTPROCESSING",
        "TFLite's custom op gives classes and their number as floats: CASTs behind; it never counts the background: "
        "an ADD behind where NNAPI does",
    ),
    Deviation(
        Kind.BRIDGED,
        "QUANTIZED_16BIT_LSTM",
        "TFLite's basic LSTM has all weights in one tensor: CONCATENATIONs in front. NNAPI has the recurrent columns "
        "before those of the input, though the data come the other way round",
    ),
    Deviation(
        Kind.BRIDGED,
        "SVDF",
        "TFLite moves the memory on before a step, NNAPI after it: the state is moved on behind",
    ),
    Deviation(
        Kind.DIFFERENT,
        "CAST",
        "TFLite's CAST from int32 to uint8 wraps around, NNAPI's saturates",
        r"int32_to_quant8_overflow$",
    ),
    Deviation(
        Kind.DIFFERENT,
        "BIDIRECTIONAL_SEQUENCE_RNN",
        "without time_major, TFLite's backward cells read the input where they should read the auxiliary one",
        r"parallel_linking$",
    ),
    Deviation(
        Kind.DIFFERENT,
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        "TFLite's op has no layer normalization: weights for it are left out",
        r"_norm_",
    ),
    Deviation(
        Kind.REFUSED,
        "BIDIRECTIONAL_SEQUENCE_LSTM",
        "TFLite wants weights as wide as the input for the backward cells, though these read the auxiliary input",
        r"parallel_linking_2$",
    ),
    Deviation(Kind.REFUSED, "BATCH_MATMUL", "TFLite has no int32 in BATCH_MATMUL", r"_int32$"),
    Deviation(
        Kind.REFUSED,
        "DIV",
        "TFLite's integer division stops at a zero, while NNAPI leaves the result open",
        r"div_int32/model_by_zero$",
    ),
)


def of(case: SpecCase) -> Deviation | None:
    """Why this case is not expected to give what the specification says; None when it is."""
    return next(
        (d for d in DEVIATIONS if d.cases and d.concerns(case.operation) and re.search(d.cases, case.name)), None
    )
