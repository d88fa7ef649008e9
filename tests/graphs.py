"""Small graphs made by hand."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from subgraft.delegates import Graph, Op, Options, Tensor


def chain(*kinds: str, shape: tuple[int, ...] = (4,)) -> Graph:
    """x -> op -> op -> ...; ADD, SUB and MUL read their operand twice."""
    tensors = [Tensor("x", shape, "float32")]
    ops = []
    for i, kind in enumerate(kinds):
        tensors.append(Tensor(f"t{i + 1}", shape, "float32"))
        inputs = (i, i) if kind in ("ADD", "SUB", "MUL") else (i,)
        table = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions"}.get(kind, "")
        options = Options({"fused_activation_function": "NONE"}, table=table) if table else Options()
        ops.append(Op(kind, inputs, (i + 1,), options))
    return Graph(tuple(tensors), tuple(ops), (0,), (len(kinds),), name="chain")


def wired(reads: Sequence[Sequence[int]], kinds: Sequence[str] | None = None) -> Graph:
    """Op i reads these tensors and writes tensor i + 1; tensor 0 is the input, and what nothing reads is an output."""
    kinds = kinds or ["ADD"] * len(reads)
    ops = tuple(Op(kind, tuple(read), (i + 1,)) for i, (read, kind) in enumerate(zip(reads, kinds, strict=True)))
    tensors = tuple(Tensor(f"t{i}", (1,), "float32") for i in range(len(reads) + 1))
    read = {t for r in reads for t in r}
    return Graph(tensors, ops, (0,), tuple(t for t in range(1, len(tensors)) if t not in read), name="wired")


@st.composite
def graphs(draw: st.DrawFn, kinds: Sequence[str] = ("A", "B", "C", "D"), largest: int = 25) -> Graph:
    """Any order of ops in which each reads what is already there."""
    count = draw(st.integers(1, largest))
    reads = [draw(st.lists(st.integers(0, i), min_size=1, max_size=3)) for i in range(count)]
    return wired(reads, draw(st.lists(st.sampled_from(kinds), min_size=count, max_size=count)))
