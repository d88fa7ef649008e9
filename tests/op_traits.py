"""What the cases of every op must contain: the corners of its shapes, axes and quantizations."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from op_cases import Case, TensorSpec
from op_tables import entries
from ops_page import PARAMETERS

EIGHT_BITS = {"int8": (-128, 127), "uint8": (0, 255)}
SMALL, LARGE = 1e-4, 50.0  # scales outside of these are extreme
AXIS_OPTIONS = ("axis", "squeeze_dims", "seq_dim", "batch_dim", "batch_dims")
# Inputs that hold axes.
AXIS_INPUTS = {
    **dict.fromkeys(("ARG_MAX", "ARG_MIN", "CUMSUM", "EXPAND_DIMS", "MEAN", "REDUCE_ALL", "REDUCE_ANY"), 1),
    **dict.fromkeys(("REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "REVERSE_V2", "SUM", "TRANSPOSE"), 1),
    "SPLIT": 0,
    "SPLIT_V": 2,
}
AXIS_IN_OPTIONS = ("CONCATENATION", "GATHER", "ONE_HOT", "PACK", "SQUEEZE", "UNPACK")
BROADCASTING = (
    "ADD", "ATAN2", "BATCH_MATMUL", "BITWISE_XOR", "BROADCAST_ARGS", "BROADCAST_TO", "DIV", "EQUAL", "FLOOR_DIV",
    "FLOOR_MOD", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "LOGICAL_AND", "LOGICAL_OR", "MAXIMUM", "MINIMUM",
    "MUL", "NOT_EQUAL", "POW", "PRELU", "RIGHT_SHIFT", "SELECT_V2", "SQUARED_DIFFERENCE", "SUB",
)  # fmt: skip

Found = Callable[[Case], bool]


@dataclass(frozen=True, slots=True)
class Trait:
    """of: whether a case has it. concerns: whether an op with these cases must have some that do.

    exempt: ops that cannot, and why.
    """

    name: str
    of: Found
    concerns: Callable[[str, Sequence[Case]], bool]
    exempt: Mapping[str, str]


def tensors(case: Case) -> Iterator[TensorSpec]:
    yield from (tensor for tensor in (*case.inputs, *case.outputs) if tensor is not None)


def data(case: Case) -> list[TensorSpec]:
    """The inputs that are neither axes, sizes nor indices; all of them where these are all there is.

    RNG_BIT_GENERATOR alone finds the shape of its output in the file.
    """
    if case.kind == "STABLEHLO_RNG_BIT_GENERATOR":
        return list(case.outputs[1:])
    skipped = PARAMETERS.get(case.kind, ())
    chosen = [given for i, given in enumerate(case.inputs) if given is not None and i not in skipped]
    return [*chosen] or [given for given in case.inputs if given is not None]


def has_nothing(case: Case) -> bool:
    """A dimension is 0, or the number of elements to make is."""
    given = [tensor for tensor in case.inputs if tensor is not None]
    return any(0 in tensor.shape for tensor in (*given, *data(case))) or makes_nothing(case)


def makes_nothing(case: Case) -> bool:
    first = case.inputs[0] if case.inputs else None
    if case.kind == "RANGE" and all(given is not None and given.value is not None for given in case.inputs):
        start, limit, delta = (float(np.asarray(given.value)) for given in case.inputs if given is not None)
        return delta != 0 and (limit - start) / delta <= 0
    return first is not None and case.kind in MAKERS and first.value is not None and 0 in np.asarray(first.value)


MAKERS = ("FILL", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM")  # their first input is the shape of the output


def has_one(case: Case) -> bool:
    return any(1 in given.shape or given.shape == () for given in data(case))


def has_broadcasting(case: Case) -> bool:
    return len({tuple(given.shape) for given in case.inputs if given is not None}) > 1


def has_negative_axis(case: Case) -> bool:
    told = [np.asarray(case.options[name]) for name in AXIS_OPTIONS if name in case.options]
    place = AXIS_INPUTS.get(case.kind)
    given = None if place is None else case.inputs[place]
    if given is not None and given.value is not None:
        told.append(np.asarray(given.value))
    return any((axes < 0).any() for axes in told)


def scales(case: Case) -> list[float]:
    found = (tensor.quantization() for tensor in tensors(case))
    return [scale for quantization in found if quantization for scale in quantization.scales]


def is_quantized(case: Case) -> bool:
    return bool(scales(case))


def has_extreme_scale(case: Case) -> bool:
    return any(scale <= SMALL or scale >= LARGE for scale in scales(case))


def zeros_at_an_end(case: Case) -> bool:
    return any(
        zero in EIGHT_BITS[tensor.dtype]
        for tensor in tensors(case)
        if tensor.dtype in EIGHT_BITS and (quantization := tensor.quantization())
        for zero in quantization.zero_points
    )


def has_zeros(case: Case) -> bool:
    """Some 8-bit tensor has a zero point that is not 0."""
    return any(
        any(quantization.zero_points)
        for tensor in tensors(case)
        if tensor.dtype in EIGHT_BITS and (quantization := tensor.quantization())
    )


def always(op: str, cases: Sequence[Case]) -> bool:
    return True


def any_of(found: Found) -> Callable[[str, Sequence[Case]], bool]:
    return lambda op, cases: any(map(found, cases))


def one_of(ops: Iterable[str]) -> Callable[[str, Sequence[Case]], bool]:
    named = frozenset(ops)
    return lambda op, cases: op in named


WITHOUT_SCALES = dict.fromkeys(
    ("BITCAST", "BITWISE_XOR", "DYNAMIC_UPDATE_SLICE", "FLOOR_MOD", "RIGHT_SHIFT"), "it reads no scales"
)
NEVER_EMPTY = {
    "Landmarks2TransformMatrix": "it needs its landmarks",
    "PosenetDecoderOp": "its maps have at least a place each",
    "SKIP_GRAM": "it takes the first of its texts",
}

TRAITS = (
    Trait("size 0", has_nothing, always, NEVER_EMPTY),
    Trait("size 1", has_one, always, {}),
    Trait("broadcasting", has_broadcasting, one_of(BROADCASTING), {}),
    Trait("negative axes", has_negative_axis, one_of((*AXIS_INPUTS, *AXIS_IN_OPTIONS)), {}),
    Trait("extreme scales", has_extreme_scale, any_of(is_quantized), WITHOUT_SCALES),
    Trait("zero points at an end", zeros_at_an_end, any_of(has_zeros), WITHOUT_SCALES),
)


def by_op() -> Mapping[str, Sequence[Case]]:
    """The cases of each op that compute."""
    found: dict[str, list[Case]] = defaultdict(list)
    for entry in entries():
        if entry.case.error is None:
            found[entry.case.kind].append(entry.case)
    return found


def lacking(trait: Trait, cases: Mapping[str, Sequence[Case]]) -> list[str]:
    """Ops that the trait concerns, of whose cases none has it."""
    concerned = (op for op in sorted(cases) if op not in trait.exempt and trait.concerns(op, cases[op]))
    return [op for op in concerned if not any(map(trait.of, cases[op]))]


def report() -> str:
    """How many cases of each op have each trait; "-" where it does not concern the op."""
    cases = by_op()
    lines = [" " * 32 + "cases  " + "  ".join(trait.name for trait in TRAITS)]
    totals = Counter[str]()
    for op in sorted(cases):
        cells = []
        for trait in TRAITS:
            count = sum(map(trait.of, cases[op]))
            totals[trait.name] += count
            text = str(count) if count or trait.concerns(op, cases[op]) else "-"
            cells.append(text.rjust(len(trait.name)))
        lines.append(f"{op:32}{len(cases[op]):5}  {'  '.join(cells)}")
    lines.append(" " * 39 + "  ".join(str(totals[trait.name]).rjust(len(trait.name)) for trait in TRAITS))
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(report() + "\n")
