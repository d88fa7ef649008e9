"""Writes docs/ops.md: the ops that the CPU runs, from its registry, the tables of cases and the delegates' rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import unified_diff
from pathlib import Path

import graph_cases
from litert_ops import VERSIONS
from op_cases import Case
from op_tables import EXACT, entries
from subgraft.backends.edgetpu import rules
from subgraft.backends.opencl import OpenCl
from subgraft.backends.opencl.lowering import LOWERINGS
from subgraft.interpreter.native import _native
from subgraft.partitioner import BODY_OPTIONS

assert OpenCl  # importing it registers the ops that it takes

PAGE = Path(__file__).parents[1] / "docs" / "ops.md"
REFERENCE = "BUILTIN_REF"

# Types of ops that need others around them, or that take too many to list.
IN_WORDS = {
    "ASSIGN_VARIABLE": "every type",
    "BITCAST": "every type of a fixed size → every other",
    "CALL": "every type",
    "CALL_ONCE": "every type",
    "DENSIFY": "every type",
    "HASHTABLE": "resource",
    "HASHTABLE_FIND": "int64 → string; string → int64",
    "HASHTABLE_IMPORT": "int64 → string; string → int64",
    "HASHTABLE_SIZE": "resource → int64",
    "IF": "every type",
    "READ_VARIABLE": "every type",
    "STABLEHLO_CASE": "every type",
    "STABLEHLO_COMPOSITE": "every type",
    "VAR_HANDLE": "resource",
    "WHILE": "every type",
}
MOVE_TENSORS = frozenset(("ASSIGN_VARIABLE", "DENSIFY", "READ_VARIABLE", *BODY_OPTIONS))
# Inputs that hold axes, indices, sizes or conditions rather than data.
PARAMETERS: Mapping[str, tuple[int, ...]] = {
    **dict.fromkeys(("ARG_MAX", "ARG_MIN", "BROADCAST_TO", "CUMSUM", "EXPAND_DIMS", "GATHER", "GATHER_ND"), (1,)),
    **dict.fromkeys(("MEAN", "MIRROR_PAD", "MULTINOMIAL", "PAD", "PADV2", "RESHAPE", "REVERSE_V2"), (1,)),
    **dict.fromkeys(("REDUCE_ALL", "REDUCE_ANY", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD", "SUM"), (1,)),
    **dict.fromkeys(("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR", "REVERSE_SEQUENCE", "RFFT2D", "TILE"), (1,)),
    **dict.fromkeys(("SEGMENT_SUM", "STABLEHLO_GATHER", "STABLEHLO_SCATTER", "TOPK_V2", "TRANSPOSE"), (1,)),
    **dict.fromkeys(("BATCH_TO_SPACE_ND", "DILATE", "SLICE", "SPACE_TO_BATCH_ND", "SPLIT_V"), (1, 2)),
    **dict.fromkeys((f"UNSORTED_SEGMENT_{kind}" for kind in ("MAX", "MIN", "PROD", "SUM")), (1, 2)),
    **dict.fromkeys(("CONV_3D_TRANSPOSE", "EMBEDDING_LOOKUP", "FILL", "RANDOM_STANDARD_NORMAL"), (0,)),
    **dict.fromkeys(("RANDOM_UNIFORM", "SELECT", "SELECT_V2", "SPLIT", "TRANSPOSE_CONV"), (0,)),
    **dict.fromkeys(("HASHTABLE_LOOKUP", "ONE_HOT", "SPARSE_TO_DENSE"), (0, 1)),
    "DYNAMIC_UPDATE_SLICE": (2,),
    "EMBEDDING_LOOKUP_SPARSE": (0, 1, 2, 3),
    "NON_MAX_SUPPRESSION_V4": (2, 3, 4),
    "NON_MAX_SUPPRESSION_V5": (2, 3, 4, 5),
    "REDUCE_WINDOW": (2, 3, 4, 5, 6),
    "SCATTER_ND": (0, 2),
    "STRIDED_SLICE": (1, 2, 3),
}
WEIGHTS_FIRST = ("CONV_3D_TRANSPOSE", "TRANSPOSE_CONV")  # behind the shape
BIASES = ("int32", "int64")
TYPE_ORDER = ("float32", "float16", "float64", "bfloat16", "int8", "uint8", "int16", "uint16", "int32", "uint32")
MANY = 4  # types that all turn into each other are listed once

INTRODUCTION = """# Ops

What the CPU interpreter computes. `python tests/ops_page.py` writes this page from the registered kernels and from the
cases that `pytest -m conformance` compares with TFLite, so every type here is one that is tested.

- *Types* are those of the data: one alone goes in and comes out; × joins the types of an op's inputs (int16×int8: int16
  activations, int8 weights; float32×int8: float activations, 8-bit weights); → leads to another type. Indices, sizes,
  conditions and biases are left out.
- *Version* is the op's highest in LiteRT. Ops of its flatbuffer schema without one are not in its default resolver.
- *Floats* are equal to TFLite's, or differ by at most this part of the largest magnitude in the output. Integers are
  always equal, bit for bit.
- *Edge TPU* is the first version of its runtime that has the op, in 8-bit models and within the limits of
  [edgetpu.md](edgetpu.md). *OpenCL* devices take the op within the limits of [opencl.md](opencl.md). The delegate
  `fake` takes every op.

Every combination of types that TFLite takes, with its quantization, is in
[litert_types.txt](../tests/litert_types.txt): ours takes it too and gives the same, or the line says why not.
"""


def edge_tpu(op: str) -> str:
    published = rules.SUPPORTED.get(op)
    if published is None:
        return ""
    return "any" if published.since == rules.FIRST else str(published.since)


def opencl(op: str) -> str:
    return "yes" if op in LOWERINGS else ""


# What each delegate's column says of an op; empty where the delegate does not take it.
DELEGATES: Mapping[str, Callable[[str], str]] = {"Edge TPU": edge_tpu, "OpenCL": opencl}


def page() -> str:
    cases: dict[str, list[Case]] = defaultdict(list)
    for entry in entries():
        if entry.case.error is None:
            cases[entry.case.kind].append(entry.case)
    ops = sorted({*_native.kernel_names(), *BODY_OPTIONS})
    titles = ("op", "types", "version", "floats", *DELEGATES)
    lines = [INTRODUCTION, table_row(titles), table_row(["---"] * len(titles))]
    lines += [row(op, cases[op]) for op in ops]
    lines += ["", "## Compared with something else", "", *exceptions(cases)]
    lines += ["", "## Not here", "", *missing(ops)]
    return "\n".join(lines) + "\n"


def row(op: str, cases: Sequence[Case]) -> str:
    version = str(VERSIONS[op]) if op in VERSIONS else "" if op.isupper() else "custom"
    taken = (column(op) for column in DELEGATES.values())
    return table_row((op, IN_WORDS.get(op) or types(cases), version, exactness(op, cases), *taken))


def table_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def types(cases: Sequence[Case]) -> str:
    """Those that stay the same first, then the sources of each other type; targets with the same sources together."""
    pairs = {(data_types(case), case.outputs[0].dtype) for case in cases if case.outputs}
    targets = {target for _, target in pairs}
    if len(targets) > MANY and pairs >= {(a, b) for a in targets for b in targets}:
        return f"each of {', '.join(in_order(targets))} → each other"
    kept = {(a, b) for a, b in pairs if a.split("×")[0] == b}
    sources: dict[str, set[str]] = {target: {a for a, b in pairs - kept if b == target} for target in targets}
    for target, given in sources.items():
        if len(given) > 1 and (target, target) in kept:  # a conversion: its own type is one of many
            given.add(target)
            kept.discard((target, target))
    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for target in in_order(targets):
        if sources[target]:
            together[in_order(sources[target])].append(target)
    parts = [", ".join(in_order({a for a, _ in kept}))]
    parts += [f"{', '.join(given)} → {', '.join(found)}" for given, found in together.items()]
    return "; ".join(part for part in parts if part)


def data_types(case: Case) -> str:
    skipped = PARAMETERS.get(case.kind, ())
    inputs = [given.dtype for i, given in enumerate(case.inputs) if given is not None and i not in skipped]
    if case.kind in WEIGHTS_FIRST:
        inputs[:2] = inputs[1::-1]
    first = inputs[0] if inputs else "sizes"
    used = {first: None} | {dtype: None for dtype in inputs if dtype not in BIASES or first in BIASES}
    return "×".join(used)


def in_order(found: Iterable[str]) -> tuple[str, ...]:
    def place(text: str) -> tuple[int, int, str]:
        first = text.split("×")[0]
        return (text.count("×"), TYPE_ORDER.index(first) if first in TYPE_ORDER else len(TYPE_ORDER), text)

    return tuple(sorted(found, key=place))


def exactness(op: str, cases: Sequence[Case]) -> str:
    """Of float32 first, then of what is less exact; nothing where there are no floats."""
    floating = [c for c in cases if any(o.dtype.startswith(("float", "bfloat", "complex")) for o in c.outputs)]
    if not floating or op in EXACT:
        return "equal" if floating or op in MOVE_TENSORS else ""
    largest: dict[str, float] = defaultdict(float)
    for case in floating:
        kind = data_types(case)
        largest[kind] = max(largest[kind], case.tolerance)
    usual = largest.get("float32", min(largest.values()))
    worse: dict[float, list[str]] = defaultdict(list)
    for kind in in_order(largest):
        if largest[kind] > usual:
            worse[largest[kind]].append(kind)
    return "; ".join([power(usual), *(f"{', '.join(kinds)}: {power(part)}" for part, kinds in sorted(worse.items()))])


def power(part: float) -> str:
    return f"{part:.0e}".replace("e-0", "e-") if part else "equal"


def exceptions(cases: Mapping[str, Sequence[Case]]) -> Iterator[str]:
    """Why some cases of an op are not compared with TFLite's reference kernels."""
    yield "TFLite's reference kernels decide, but for these:"
    yield ""
    reasons = {(op, case.why) for op in cases for case in cases[op] if case.why}
    graphs = (case for _, case, _ in graph_cases.entries() if case.why and not case.kinds[0].startswith("Flex"))
    reasons |= {(case.kinds[0], case.why) for case in graphs}
    for op, reason in sorted(reasons):
        yield f"- {op}: {reason}."


def missing(ops: Sequence[str]) -> list[str]:
    """One a line, so that two who add ops at a time do not both change the same one."""
    absent = sorted(VERSIONS.keys() - set(ops))
    if not absent:
        return ["Every op that LiteRT registers is here."]
    return ["Of the ops that LiteRT registers:", "", *(f"- {op}" for op in absent)]


def out_of_date() -> list[str]:
    """The lines in which the page is not what it should be: "-" before what is there, "+" before what is missing."""
    there, wanted = PAGE.read_text().splitlines(), page().splitlines()
    return [line for line in unified_diff(there, wanted, lineterm="", n=0) if not line.startswith(("---", "+++", "@@"))]


if __name__ == "__main__":
    PAGE.write_text(page())
