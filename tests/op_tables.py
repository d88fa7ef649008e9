"""All tables of op cases, and which of their cases the default run takes."""

from __future__ import annotations

import importlib
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from op_cases import Case
from op_draws import FREQUENT, OF_FREQUENT, OF_RARE

PREFIX = "op_cases_"
FEW = 24  # cases of one op in one table that all run by default
PART = 5  # of more, the default run takes every fifth of each stratum


# Ops whose floats must be equal too: they move, choose or convert elements, or round each result once.
EXACT = frozenset(
    (
        "ABS", "ADD", "ADD_N", "BATCH_TO_SPACE_ND", "BITCAST", "BROADCAST_TO", "CAST", "CEIL", "CONCATENATION",
        "CUMSUM", "DEPTH_TO_SPACE", "DEQUANTIZE", "DIV", "DYNAMIC_UPDATE_SLICE", "EMBEDDING_LOOKUP", "EXPAND_DIMS",
        "FILL", "FLOOR", "FLOOR_DIV", "FLOOR_MOD", "GATHER", "GATHER_ND", "HASHTABLE_LOOKUP", "IMAG", "LEAKY_RELU",
        "MATRIX_DIAG", "MATRIX_SET_DIAG", "MAXIMUM", "MAX_POOL_2D", "MINIMUM", "MIRROR_PAD", "MUL", "NEG",
        "NON_MAX_SUPPRESSION_V5", "ONE_HOT", "PACK", "PAD", "PADV2", "PRELU", "RANGE", "REAL", "REDUCE_MAX",
        "REDUCE_MIN", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "RESHAPE", "RESIZE_NEAREST_NEIGHBOR",
        "REVERSE_SEQUENCE", "REVERSE_V2", "ROUND", "SCATTER_ND", "SELECT", "SELECT_V2", "SIGN", "SLICE",
        "SPACE_TO_BATCH_ND", "SPACE_TO_DEPTH", "SPARSE_TO_DENSE", "SPLIT", "SPLIT_V", "SQRT", "SQUARE",
        "SQUARED_DIFFERENCE", "SQUEEZE", "STABLEHLO_ADD", "STABLEHLO_GATHER",
        "STABLEHLO_MAXIMUM", "STABLEHLO_MINIMUM", "STABLEHLO_MULTIPLY", "STABLEHLO_PAD", "STABLEHLO_REDUCE_WINDOW",
        "STABLEHLO_SCATTER", "STRIDED_SLICE", "SUB", "TILE", "TOPK_V2", "TRANSPOSE", "UNIQUE", "UNPACK",
        "ZEROS_LIKE",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """A case with its place. is_sample: part of the default run."""

    name: str
    case: Case
    is_sample: bool


def tables() -> Sequence[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob(f"{PREFIX}*.py"))


def entries() -> Iterator[Entry]:
    """CASES of every table, of which a sample runs by default, and MORE, of which nothing does."""
    for name in tables():
        table = importlib.import_module(name)
        short = name.removeprefix(PREFIX)
        chosen = sample(table.CASES)
        for i, case in enumerate(table.CASES):
            yield Entry(f"{short}-{i}-{case.name()}", case, i in chosen)
        for i, case in enumerate(getattr(table, "MORE", ())):
            yield Entry(f"{short}-m{i}-{case.name()}", case, False)


def counts() -> Counter[str]:
    """How many cases each op has whose results are compared: refusals are beside them."""
    return Counter(entry.case.kind for entry in entries() if entry.case.error is None)


def sample(cases: Sequence[Case]) -> set[int]:
    """The places of a stratified sample: every stratum of an op has at least its first case in it."""
    sizes = Counter(case.kind for case in cases)
    strata: dict[object, list[int]] = defaultdict(list)
    for i, case in enumerate(cases):
        strata[stratum(case)].append(i)
    chosen = {i for i, case in enumerate(cases) if sizes[case.kind] <= FEW}
    return chosen.union(*(places[::PART] for places in strata.values()))


def stratum(case: Case) -> object:
    """What an op's cases differ by most: types, what is constant, quantization, where the answer comes from."""
    tensors = [i for i in case.inputs if i is not None]
    kinds = tuple((i.dtype, i.constant, i.quantization() is not None) for i in tensors)
    return case.kind, kinds, tuple(o.dtype for o in case.outputs), case.error is not None, case.resolver


def wanted(op: str) -> int:
    """How many cases an op has at least."""
    return OF_FREQUENT if op in FREQUENT else OF_RARE


def report() -> str:
    """A line for each op: its cases, refusals, cases of the default run, and how many it should have at least."""
    all_of, refused, by_default = Counter[str](), Counter[str](), Counter[str]()
    for entry in entries():
        all_of[entry.case.kind] += 1
        refused[entry.case.kind] += entry.case.error is not None
        by_default[entry.case.kind] += entry.is_sample
    lines = [f"{op:32}{all_of[op]:6}{refused[op]:6}{by_default[op]:6}{wanted(op):6}" for op in sorted(all_of)]
    return "\n".join([*lines, f"{len(all_of):<32}{all_of.total():6}{refused.total():6}{by_default.total():6}"])


if __name__ == "__main__":
    sys.stdout.write(report() + "\n")
