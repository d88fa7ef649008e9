"""Cases of an op for any combination of types, made from those that it has; and what TFLite answers to them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import Any

import numpy as np

from litert_ops import VERSIONS
from op_cases import Array, Case, In, TensorSpec
from op_tables import entries
from ops_page import PARAMETERS
from oracle import Oracle, Request
from type_table import ABSENT, Combination, mark_of, type_of

INDEX_TYPES, INDEX_CANARY = ("int8", "int16", "int32", "int64"), "uint32"
SCALES = {"int8": 0.1, "uint8": 0.1, "int16": 0.01, "int4": 0.1, "uint4": 0.1, "int2": 0.1}
# Options that name the type of an output, by the output's place; CAST's name types too, but nothing reads them.
TYPE_OPTIONS = {
    "ARG_MAX": ("output_type", 0),
    "ARG_MIN": ("output_type", 0),
    "SHAPE": ("out_type", 0),
    "UNIQUE": ("idx_out_type", 1),
}
# Ops that only move elements, so that their output is of the input's type. Some kernels do not compare them.
KEEPS_TYPE = frozenset(
    (
        "BATCH_TO_SPACE_ND", "BROADCAST_TO", "CONCATENATION", "DEPTH_TO_SPACE", "DYNAMIC_UPDATE_SLICE",
        "EXPAND_DIMS", "FILL", "GATHER", "GATHER_ND", "MATRIX_DIAG", "MATRIX_SET_DIAG", "MIRROR_PAD", "PACK", "PAD",
        "PADV2", "RESHAPE", "REVERSE_SEQUENCE", "REVERSE_V2", "SCATTER_ND", "SELECT", "SELECT_V2", "SLICE",
        "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPARSE_TO_DENSE", "SPLIT", "SPLIT_V", "SQUEEZE", "STRIDED_SLICE",
        "TILE", "TRANSPOSE", "UNPACK", "WHERE", "ZEROS_LIKE",
    )
)  # fmt: skip
# Ops of many weights, all of one type.
RECURRENT = frozenset(
    (
        "BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "LSTM", "RNN", "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "UNIDIRECTIONAL_SEQUENCE_RNN",
    )
)  # fmt: skip
ELEMENTS_OF_A_BASE = 400
MANY = ("c", "b")  # marks of several scales
LARGE = 1e4  # for float16


def combination(case: Case) -> Combination:
    inputs = tuple(ABSENT if i is None else token(i) for i in case.inputs)
    return Combination(inputs, tuple(token(o) for o in case.outputs))


def token(spec: TensorSpec) -> str:
    """The type with its mark. Biases have none, and other types that kernels do not look for a scale of."""
    if spec.block:
        return spec.dtype + "b"
    scales = np.size(spec.scale)
    return spec.dtype + ("" if not scales or spec.dtype not in SCALES else "q" if scales == 1 else "c")


@cache
def bases() -> Mapping[str, Sequence[Case]]:
    """Each op's cases that differ in types, the smallest of each."""
    found: dict[str, dict[object, Case]] = defaultdict(dict)
    for entry in entries():
        case = entry.case
        present = [i for i in case.inputs if i is not None]
        if case.error is not None or case.is_custom or case.kind not in VERSIONS or any(0 in i.shape for i in present):
            continue
        known = found[case.kind].get(likeness(case))
        if known is None or size(case) < size(known):
            found[case.kind][likeness(case)] = case
    return {kind: tuple(of.values()) for kind, of in sorted(found.items())}


def likeness(case: Case) -> object:
    """Cases with the same one ask the same. How many tensors there are is left out where there may be any number."""
    types = combination(case)
    if case.kind in RECURRENT:
        return types.inputs[0], frozenset(types.inputs), types.outputs[0]
    return tuple(text for text, _ in groupby(types.inputs)), tuple(text for text, _ in groupby(types.outputs))


def size(case: Case) -> tuple[int, int]:
    """Tensors and elements; no base is larger than this."""
    elements = sum(int(np.prod(i.shape)) for i in case.inputs if i is not None)
    return len(case.inputs), max(elements, ELEMENTS_OF_A_BASE)


def realized(kind: str, wanted: Combination) -> Case | None:
    """A case of these types: the op's case that is closest to them, with the types changed. None: nothing fits."""
    fitting = [case for case in bases()[kind] if combination(case).pattern() == wanted.pattern()]
    if not fitting:
        return None
    base = max(fitting, key=lambda case: closeness(wanted, combination(case)))
    inputs = [
        spec if spec is None or token(spec) == text else changed(kind, place, spec, text)
        for place, (spec, text) in enumerate(zip(base.inputs, wanted.inputs, strict=True))
    ]
    scales = [scale_of(spec, text) for spec, text in zip(base.outputs, wanted.outputs, strict=True)]
    if None in scales or any(spec is None and text != ABSENT for spec, text in zip(inputs, wanted.inputs, strict=True)):
        return None
    outputs = [
        spec if token(spec) == text else replace(spec, dtype=type_of(text), **(scale or {}))
        for spec, text, scale in zip(base.outputs, wanted.outputs, scales, strict=True)
    ]
    if kind in KEEPS_TYPE or kind == "EMBEDDING_LOOKUP":
        given = moved(kind, inputs)
        outputs = [replace(o, scale=given.scale, zero=given.zero) if o.dtype == given.dtype else o for o in outputs]
    options = dict(base.options)
    if kind in TYPE_OPTIONS:
        option, place = TYPE_OPTIONS[kind]
        options[option] = type_of(wanted.outputs[place]).upper()
    plain = {"expected": None, "resolver": "BUILTIN_REF", "why": "", "runs": 1}
    return replace(base, inputs=inputs, outputs=outputs, options=options, **plain)


def closeness(wanted: Combination, base: Combination) -> tuple[int, int, int]:
    """Scales of channels and blocks, which only some cases have, decide before types do."""
    marks = sum(mark_of(a) == mark_of(b) for a, b in zip(wanted.texts, base.texts, strict=True) if mark_of(a) in MANY)
    return marks, *wanted.common(base)


def changed(kind: str, place: int, spec: In, text: str) -> In | None:
    return parameter(spec, text) if place in PARAMETERS.get(kind, ()) else retyped(spec, text)


def moved(kind: str, inputs: Sequence[In | None]) -> In:
    """The first input whose elements the op moves."""
    return next(i for place, i in enumerate(inputs) if i is not None and place not in PARAMETERS.get(kind, ()))


def scale_of(spec: TensorSpec, text: str) -> dict[str, Any] | None:
    """The quantization that the text wants; None where the case's tensor has no channels."""
    mark = mark_of(text)
    if mark == "c":
        return {} if np.size(spec.scale) > 1 else None
    if mark == "b":
        return {} if spec.block else None
    return {"scale": SCALES[type_of(text)] if mark else (), "zero": 0, "block": 0}


def retyped(spec: In, text: str) -> In | None:
    new, scale = type_of(text), scale_of(spec, text)
    if scale is None:
        return None
    least, most = (0, 1) if new in ("bool", "int2") else (1, 7)
    is_small = spec.low is not None and spec.high is not None and max(abs(spec.low), abs(spec.high)) < LARGE
    keeps = is_small and new[0] in "fcb" and new != "bool"
    low, high = (spec.low, spec.high) if keeps else (least, most)
    if new[0] in "fc" and not keeps:
        low = high = None
    return replace(spec, dtype=new, value=None, low=low, high=high, **scale)


def parameter(spec: In, text: str) -> In | None:
    """The same indices, sizes or conditions as another type; None where it cannot hold them."""
    new = type_of(text)
    if new not in (*INDEX_TYPES, INDEX_CANARY):
        return None
    if spec.value is None:
        low, high = (0, 1) if spec.low is None else (spec.low, spec.high)
        return replace(spec, dtype=new, low=low, high=high)
    value = np.asarray(spec.value)
    if value.dtype.kind in "OSU" or not np.array_equal(value.astype(new), value):
        return None
    return replace(spec, dtype=new)


def asked(kind: str, wanted: Combination, oracle: Oracle) -> dict[str, list[Array]]:
    """What each resolver's kernels answer; those that refuse are left out."""
    case = realized(kind, wanted)
    if case is None:
        return {}
    highest = replace(case, version=VERSIONS[kind])
    try:
        feed = case.feed()
        requests = {
            "ref": Request(case.model(), [feed], resolver="BUILTIN_REF"),
            "opt": Request(highest.model(), [feed], resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES"),
        }
    except (OverflowError, ValueError):  # values that the type cannot hold
        return {}
    answers = {name: oracle.ask(request) for name, request in requests.items()}
    types = ["bytes" if type_of(text) == "string" else type_of(text) for text in wanted.outputs]
    return {name: a.outputs for name, a in answers.items() if not a.error and list(a.types) == types}
