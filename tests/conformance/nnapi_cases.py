"""Android's NNAPI specification tests: operations with their operands and what comes out of them.

The file's format is described in shared/README.md.
"""

from __future__ import annotations

import functools
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shared_models import SHARED

Array = np.ndarray[Any, np.dtype[Any]]

FILE = SHARED / "opcases" / "nnapi_spec_single_op.jsonl.gz"

# NNAPI's operand types and TFLite's dtypes that hold the same bytes. QUANT8_SYMM and _SYMM_PER_CHANNEL are int8 with
# zero points of 0, QUANT16_SYMM is int16.
DTYPES = {
    "FLOAT32": "float32",
    "INT32": "int32",
    "BOOL": "bool",
    "TENSOR_FLOAT32": "float32",
    "TENSOR_FLOAT16": "float16",
    "TENSOR_INT32": "int32",
    "TENSOR_BOOL8": "bool",
    "TENSOR_QUANT8_ASYMM": "uint8",
    "TENSOR_QUANT8_ASYMM_SIGNED": "int8",
    "TENSOR_QUANT8_SYMM": "int8",
    "TENSOR_QUANT8_SYMM_PER_CHANNEL": "int8",
    "TENSOR_QUANT16_SYMM": "int16",
    "TENSOR_QUANT16_ASYMM": "uint16",
}

# Largest differences that the specification allows.
FLOAT_ABSOLUTE = 1e-5
FLOAT_RELATIVE = 5 * 1.1920928955078125e-07  # 5 ulp
INT32_STEPS = 1
QUANTIZED_STEPS = 1


@dataclass(frozen=True, slots=True)
class Operand:
    """An operand of an NNAPI model with its value.

    type: NNAPI's name of it. dims: empty for scalars. scales: empty, one, or one per index of dimension `axis`.
    life: SUBGRAPH_INPUT, SUBGRAPH_OUTPUT, CONSTANT_COPY or NO_VALUE. ignored: an output whose value is not specified.
    """

    name: str
    type: str
    dims: tuple[int, ...]
    values: tuple[float, ...]
    life: str
    scales: tuple[float, ...] = ()
    zero: int = 0
    axis: int = 0
    ignored: bool = False

    @property
    def dtype(self) -> str:
        return DTYPES[self.type]

    @property
    def is_scalar(self) -> bool:
        return not self.type.startswith("TENSOR_")

    @property
    def is_quantized(self) -> bool:
        return "QUANT" in self.type

    @property
    def is_absent(self) -> bool:
        """An optional operand that was left out, which the specification's tests write as one without values."""
        return not self.values

    @property
    def array(self) -> Array:
        return np.array(self.values, self.dtype).reshape(self.dims)

    @property
    def scalar(self) -> Any:
        """A scalar's value as a Python number."""
        (value,) = self.values
        return np.dtype(self.dtype).type(value).item()


@dataclass(frozen=True, slots=True)
class SpecCase:
    """One operation. Outputs hold what is expected."""

    name: str
    operation: str
    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]


@functools.cache
def cases() -> Sequence[SpecCase]:
    """All of them; names are unique."""
    with gzip.open(FILE, "rt") as lines:
        return tuple(_case(json.loads(line)) for line in lines)


def difference(ours: Array, expected: Operand) -> str:
    """Empty when `ours` is what is expected, within the specification's tolerance, else what differs."""
    theirs = expected.array
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return f"{ours.dtype}{list(ours.shape)} instead of {theirs.dtype}{list(theirs.shape)}"
    if ours.dtype.kind == "b":
        wrong = ours != theirs
    elif ours.dtype.kind == "f":
        wrong = ~((ours == theirs) | np.isclose(ours, theirs, FLOAT_RELATIVE, FLOAT_ABSOLUTE, equal_nan=True))
    else:
        allowed = QUANTIZED_STEPS if expected.is_quantized else INT32_STEPS
        wrong = np.abs(ours.astype(np.int64) - theirs.astype(np.int64)) > allowed
    if not wrong.any():
        return ""
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{int(wrong.sum())} of {wrong.size} differ, the first at {list(where)}: {ours[where]} != {theirs[where]}"


def _case(record: Mapping[str, Any]) -> SpecCase:
    model = record["main"]
    operands = [_operand(o) for o in model["operands"]]
    (operation,) = model["ops"]
    return SpecCase(
        f"{record['spec']}/{record['name'].removeprefix('test_')}",
        operation["type"],
        tuple(operands[i] for i in operation["ins"]),
        tuple(operands[i] for i in operation["outs"]),
    )


def _operand(record: Mapping[str, Any]) -> Operand:
    channels = record.get("perchannel")
    scales = channels["scales"] if channels else [record["scale"]] if record["scale"] else []
    return Operand(
        name=record["name"],
        type=record["type"],
        dims=tuple(record["dims"]),
        values=tuple(record["data"] or ()),
        life=record["life"],
        scales=tuple(scales),
        zero=record["zp"],
        axis=channels["dim"] if channels else 0,
        ignored=record["ignored"],
    )
