"""What a test of few ops together is: variables, tables, control flow and strings need more than one op alone.

A table of them is a module graph_cases_<family>.py with a list CASES, which test_graphs.py runs: a sample by default,
all of it with -m conformance.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import strings
from op_cases import Array
from op_draws import OF_RARE, Draw
from subgraft.delegates import Graph, Op, Options, Quantization, Tensor
from subgraft.interpreter.model import Model

PREFIX = "graph_cases_"
PART = 5  # the default run takes every fifth case of a kind
LETTERS = b"abc xyz\xc3\xbc\x00"
PLAIN = {"fused_activation_function": "NONE"}


@dataclass(frozen=True, kw_only=True)
class GraphCase:
    """A model, what to feed it in each run, and what is expected of it.

    kinds: the ops that it tests. Expected is what the oracle says of the model with `resolver`; or of `reference`,
    which does the same without an op that the oracle lacks; or `expected(inputs)`. Anything but BUILTIN_REF's answer to
    the model is explained in `why`.
    tolerance: for floats, relative to the largest expected magnitude.
    """

    kinds: Sequence[str]
    model: Model
    runs: Sequence[Sequence[Array]]
    resolver: str = "BUILTIN_REF"
    reference: Model | None = None
    expected: Callable[[Sequence[Array]], Sequence[Array]] | None = None
    why: str = ""
    tolerance: float = 0.0
    label: str = ""

    def __post_init__(self) -> None:
        plain = self.resolver == "BUILTIN_REF" and self.reference is None and self.expected is None
        assert plain or self.why, f"{self.name()}: say why BUILTIN_REF's answer is not what is expected"

    def name(self) -> str:
        fed = (tensor for tensor in (self.model.graphs[0].tensors[t] for t in self.model.graphs[0].inputs))
        text = "_".join(f"{t.dtype}{'x'.join(map(str, t.shape))}" for t in fed)
        return "-".join(part for part in (self.kinds[0], text, self.label) if part)


class Sketch:
    """A graph in the making."""

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.inputs: list[int] = []

    def tensor(self, shape: Sequence[int], dtype: str, **more: Any) -> int:
        self.tensors.append(Tensor(f"t{len(self.tensors)}", tuple(shape), dtype, **more))
        return len(self.tensors) - 1

    def feed(self, shape: Sequence[int], dtype: str, **more: Any) -> int:
        self.inputs.append(self.tensor(shape, dtype, **more))
        return self.inputs[-1]

    def constant(self, values: Array, quantization: Quantization | None = None) -> int:
        name = f"t{len(self.tensors)}"
        if values.dtype == object:
            made = strings.constant(name, list(values.flat), values.shape)
        else:
            made = replace(Tensor.constant(name, values), quantization=quantization)
        self.tensors.append(made)
        return len(self.tensors) - 1

    def op(self, kind: str, inputs: Sequence[int], outputs: Sequence[int] = (), **options: Any) -> tuple[int, ...]:
        self.ops.append(Op(kind, tuple(inputs), tuple(outputs), Options(options)))
        return tuple(outputs)

    def graph(self, *outputs: int) -> Graph:
        return Graph(self.tensors, self.ops, self.inputs, outputs, index=self.index, name=f"graph{self.index}")


def values(draw: Draw, shape: Sequence[int], dtype: str) -> Array:
    """Random ones; of strings too."""
    if dtype == "string":
        return words(draw, shape)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.asarray(draw.rng.integers(0, 2, shape)).astype(bool)
    if kind in "fc":
        return np.asarray(draw.rng.standard_normal(shape) * 3).astype(dtype)
    low, high = (-100, 100) if kind == "i" else (0, 200)
    return np.asarray(draw.rng.integers(low, high, shape)).astype(dtype)


def words(draw: Draw, shape: Sequence[int]) -> Array:
    made = np.empty(shape, object)
    for place in np.ndindex(*shape):
        made[place] = word(draw)
    return made


def word(draw: Draw) -> bytes:
    """Few letters, so that equal ones occur; an empty one and bytes that are no text too."""
    return bytes(draw.pick(LETTERS) for _ in range(draw.pick((0, 1, 1, 2, 2, 9))))


def drawn(kind: str, recipe: Callable[[Draw], GraphCase], count: int = OF_RARE) -> list[GraphCase]:
    """As many cases as a rare op needs."""
    return [
        replace(case, label=f"{case.label}_drawn{i}".strip("_"))
        for i, case in enumerate(recipe(Draw(kind, number)) for number in range(count))
    ]


def tables() -> Sequence[str]:
    return sorted(path.stem for path in Path(__file__).parent.glob(f"{PREFIX}*.py"))


def entries() -> Iterator[tuple[str, GraphCase, bool]]:
    """Every case with its name, and whether the default run takes it."""
    for name in tables():
        seen = Counter[str]()
        for i, case in enumerate(importlib.import_module(name).CASES):
            yield f"{name.removeprefix(PREFIX)}-{i}-{case.name()}", case, seen[case.kinds[0]] % PART == 0
            seen[case.kinds[0]] += 1


def counts() -> Counter[str]:
    """How many cases each op has."""
    return Counter(kind for _, case, _ in entries() for kind in case.kinds)
