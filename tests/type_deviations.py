"""What ours makes of the types that TFLite takes; and where TFLite's answer means nothing, so that ours differs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from op_cases import Array, Case, compare, numbers
from subgraft.delegates import SubgraftError
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native
from type_table import Combination

TOLERANCE = 1e-2  # of hybrid kernels; wrong types are off by far more
DIFFERS = "differs: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """Regular expressions for the op, for ours' refusal or difference, and for the types with or without marks.

    is_refused: by ours, in each of these combinations. always: also where ours gives what TFLite gave by chance.
    """

    reason: str
    ops: str = ".*"
    message: str = ""
    types: str = ""
    is_refused: bool = True
    always: bool = False


DEVIATIONS: Mapping[str, Deviation] = {
    "scale": Deviation(
        reason="TFLite computes with a scale of 0 where a tensor has none, or several that it does not look for",
        message="no quantization|weights of this kind of quantization|a right side with a scale for each channel",
    ),
    "scales": Deviation(
        reason="TFLite computes with a scale of 0 where it does not look for several, ours with all of them",
        ops="FULLY_CONNECTED|QUANTIZE",
        message=DIFFERS,
        types=r"\bint[28]b |^\w+ -> \w+c$|^\w+c -> ",
        is_refused=False,
    ),
    "as-output": Deviation(
        reason="TFLite reads the bytes of the inputs as the type of the output",
        ops="MUL|FULLY_CONNECTED|FAKE_QUANT",
        message=r"but output is|input with \w+ weights and \w+ output|FAKE_QUANT of",
    ),
    "as-weights": Deviation(
        reason="TFLite reads the bytes of the weights or of a state as another type",
        ops="(DEPTHWISE_)?CONV_2D|SVDF",
        message=r"input with \w+ weights|weights over time|weights of features|state 'input4' is",
    ),
    "as-int16": Deviation(
        reason="TFLite reads 8-bit weights over time, which TFLite for microcontrollers has, as 16-bit ones",
        ops="SVDF",
        message=DIFFERS,
        is_refused=False,
    ),
    "as-bias": Deviation(
        reason="TFLite reads the bytes of a bias of int64 as int32",
        ops="FULLY_CONNECTED",
        message="the bias is int64",
    ),
    "as-sizes": Deviation(
        reason="TFLite reads sizes as the type of the positions",
        ops="SLICE",
        types=r"^\w+ (int32 int64|int64 int32)",
        is_refused=False,
        always=True,
    ),
    "as-float32": Deviation(
        reason="TFLite takes every type that it does not list for float32",
        ops="MATRIX_DIAG|MATRIX_SET_DIAG",
        types=r"^(?!(float32|int64|int32|int16|int8|uint8)q? )",
        is_refused=False,
        always=True,
    ),
    "packed": Deviation(
        reason="TFLite casts packed elements bit by bit into what happens to lie there",
        ops="BITCAST",
        message="BITCAST of u?int4",
    ),
    "text": Deviation(
        reason="LiteRT's Python interface feeds the address of a string of rank 0",
        ops="FILL|RESHAPE",
        types=r"^(int\d+ )?string -> string",
        is_refused=False,
        always=True,
    ),
    "unset": Deviation(
        reason="TFLite leaves the output as it is when int16 has no quantization",
        ops="NOT_EQUAL",
        types="^int16 int16",
        is_refused=False,
    ),
}


def computed(case: Case) -> Sequence[Array]:
    return _native.Program(Model.open(case.model()).native, pool=_native.ThreadPool(1)).call(case.feed())


def is_refused(case: Case) -> bool:
    try:
        computed(case)
    except SubgraftError:
        return True
    return False


def difference(case: Case, answers: Mapping[str, Sequence[Array]]) -> str:
    """Empty where ours gives what one of TFLite's kernels gives; else the refusal, or what differs."""
    try:
        ours = computed(case)
    except SubgraftError as error:
        return str(error)
    found = min((of_outputs(case, ours, theirs) for theirs in answers.values()), key=len)
    return DIFFERS + found if found else ""


def of_outputs(case: Case, ours: Sequence[Array], theirs: Sequence[Array]) -> str:
    pairs = zip(ours, theirs, case.outputs, strict=True)
    with np.errstate(over="ignore", invalid="ignore"):
        return "; ".join(d for a, b, o in pairs if (d := compare(numbers(a, o.dtype), numbers(b, o.dtype), TOLERANCE)))


def deviation(kind: str, types: Combination, message: str) -> str:
    """The name of the first that tells of this difference; empty where none does, or where there is nothing to tell."""
    plain = re.sub(r"(?<=\d)[qcb]\b", "", str(types))
    for name, known in DEVIATIONS.items():
        of_types = re.search(known.types, plain) or re.search(known.types, str(types))
        if not (of_types and re.fullmatch(known.ops, kind) and re.search(known.message, message)):
            continue
        if message or known.always:
            return name
    return ""
