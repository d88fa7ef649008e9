"""BIDIRECTIONAL_SEQUENCE_LSTM with float and hybrid arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from op_cases import Array, Case, In, c, out, x

TANH, RELU, RELU6, NONE = 4, 1, 3, 0
GATES = 4


@dataclass(frozen=True)
class Both:
    """What varies between the cases. Sizes with "back" are the backward direction's."""

    kind: str = "float"  # or "hybrid" (8-bit weights)
    time: int = 3
    batch: int = 2
    depth: int = 5
    cells: int = 4
    outputs: int = 4
    time_major: bool = False
    cifg: bool = False
    peephole: bool = False
    projection: bool = False
    merge: bool = False
    aux: str = ""  # "" or "input" (no weights of its own) or "weights"
    aux_depth: int = 5
    cell_clip: float = 0.0
    proj_clip: float = 0.0
    activation: int = TANH
    asymmetric: bool = False
    weights_dtype: str = "int8"
    weight_scale: float = 0.005
    seed: int = 0

    @property
    def weights(self) -> dict[str, Any]:
        if self.kind == "float":
            return {"low": -0.6, "high": 0.6}
        low, high = (-127, 127) if self.weights_dtype == "int8" else (0, 255)
        return {"dtype": self.weights_dtype, "scale": self.weight_scale, "low": low, "high": high}

    def matrices(self, columns: int) -> list[In | None]:
        made: list[In | None] = [c(self.cells, columns, **self.weights) for _ in range(GATES)]
        return [None, *made[1:]] if self.cifg else made

    def direction(self) -> list[In | None]:
        biases: list[In | None] = [c(self.cells, low=-0.5, high=0.5) for _ in range(GATES)]
        peephole = [self.peephole and not self.cifg, self.peephole, self.peephole]
        return [
            *self.matrices(self.depth),
            *self.matrices(self.outputs),
            *(c(self.cells, **self.weights) if there else None for there in peephole),
            *([None, *biases[1:]] if self.cifg else biases),
            c(self.outputs, self.cells, **self.weights) if self.projection else None,
            c(self.outputs, low=-0.5, high=0.5) if self.projection else None,
        ]

    def sequence(self, depth: int) -> In:
        return x(*((self.time, self.batch) if self.time_major else (self.batch, self.time)), depth)

    def inputs(self) -> list[In | None]:
        states = [x(self.batch, size, variable=True) for size in (self.outputs, self.cells)]
        aux = self.matrices(self.aux_depth) if self.aux == "weights" else [None] * GATES
        return [
            self.sequence(self.depth), *self.direction(), *self.direction(), *states, *states,
            self.sequence(self.aux_depth) if self.aux else None, *aux, *aux,
        ]  # fmt: skip

    def case(self, **more: Any) -> Case:
        base = Both()
        told = [f"{k}={v}" for k, v in self.__dict__.items() if v != getattr(base, k)]
        options = {
            "fused_activation_function": self.activation,
            "cell_clip": self.cell_clip,
            "proj_clip": self.proj_clip,
            "merge_outputs": self.merge,
            "time_major": self.time_major,
            "asymmetric_quantize_inputs": self.asymmetric,
        }
        # A rounding apart in a float can be a step apart in the 8-bit number made of it, and with many of them is.
        tolerance = 1e-5 if self.kind == "float" else 1e-4 if self.depth < 10 else 1e-2
        settings = {"runs": 3, "version": 3, "seed": self.seed, "label": "-".join(told), "tolerance": tolerance}
        outputs = [out()] * (1 if self.merge else 2)
        return Case("BIDIRECTIONAL_SEQUENCE_LSTM", self.inputs(), outputs, options, **(settings | more))

    def changed(self, place: int, spec: In | None, error: str) -> Case:
        """The case with one input replaced, which is refused."""
        case = self.case()
        inputs = [spec if i == place else given for i, given in enumerate(case.inputs)]
        return replace(case, inputs=inputs, error=error, label=f"{self.kind}_refused_{place}_{error[:12]}")


class Reference:
    """A float bidirectional LSTM without extras in numpy, run after run."""

    def __init__(self, both: Both) -> None:
        self.both = both
        self.states = [[np.zeros((both.batch, both.cells)) for _ in range(2)] for _ in range(2)]

    def __call__(self, arrays: list[Array]) -> list[Array]:
        given, rest = arrays[0].astype(np.float64), arrays[1:]
        directions = [self.direction(given, rest[:12], 0), self.direction(given[:, ::-1], rest[12:24], 1)[:, ::-1]]
        return [np.concatenate(directions, axis=2).astype(np.float32)]

    def direction(self, given: Array, weights: list[Array], which: int) -> Array:
        state, cell = self.states[which]
        outputs = []
        for step in range(given.shape[1]):
            gates = [
                given[:, step] @ weights[g].T + state @ weights[4 + g].T + weights[8 + g] for g in range(GATES)
            ]  # fmt: skip
            i, f, o = (1 / (1 + np.exp(-gates[g])) for g in (0, 1, 3))
            cell = f * cell + i * np.tanh(gates[2])
            state = o * np.tanh(cell)
            outputs.append(state)
        self.states[which] = [state, cell]
        return np.stack(outputs, axis=1)


def merged_batch() -> Case:
    both = Both(merge=True)
    why = "BUILTIN_REF walks over the output state in steps of the merged output, beyond its end"
    return both.case(expected=Reference(both), why=why)


VARIANTS: list[dict[str, Any]] = [
    {},
    {"time_major": True},
    {"cifg": True},
    {"peephole": True},
    {"cifg": True, "peephole": True, "time_major": True},
    {"projection": True, "outputs": 3},
    {"projection": True, "outputs": 6, "peephole": True, "proj_clip": 0.1},
    {"projection": True, "outputs": 3, "cifg": True, "time_major": True, "cell_clip": 0.2},
    {"merge": True, "time_major": True},
    {"merge": True, "batch": 1},
    {"aux": "weights", "aux_depth": 3},
    {"aux": "weights", "time_major": True},
    {"aux": "weights", "cifg": True, "merge": True, "time_major": True},
    {"aux": "input"},
    {"aux": "input", "time_major": True, "merge": True},
    {"time": 1, "batch": 1},
    {"time": 0},
    {"batch": 3, "depth": 20, "cells": 16, "outputs": 16, "time": 5, "seed": 1},
]

CASES = [
    *(Both(**v).case() for v in VARIANTS),
    *(Both(kind="hybrid", asymmetric=a, **v).case() for v in VARIANTS for a in (False, True)),
    *(Both(activation=a).case() for a in (RELU, RELU6)),
    Both(kind="hybrid", weights_dtype="uint8").case(),
    merged_batch(),
    Both(activation=NONE).case(error="activation"),
    replace(Both().case(), outputs=[out()], error="outputs"),
    replace(Both(merge=True).case(), outputs=[out(), out()], error="outputs"),
    replace(Both().case(), inputs=Both().inputs()[:47], error="inputs"),
    Both().changed(0, x(2, 5), "shape"),
    Both().changed(0, x(2, 3, 5, dtype="int8", scale=0.1), "int8"),
    Both().changed(2, None, "absent|missing|input"),
    Both().changed(19, c(4, 6), "shape"),
    Both().changed(21, c(4, 5, dtype="int8", scale=0.1), "float32"),
    Both().changed(35, x(2, 4), "variable"),
    Both().changed(38, x(2, 5, variable=True), "state"),
    Both().changed(1, None, "all"),
    Both(aux="weights").changed(39, None, "absent|missing|input"),
    Both(aux="weights").changed(39, x(2, 3, 6), "shape"),
    Both(aux="weights").changed(41, None, "all"),
    Both(aux="weights").changed(47, None, "all"),
    Both(aux="weights").changed(40, None, "absent|missing|input"),
    Both(aux="input").changed(39, x(2, 3, 4), "auxiliary"),
    Both(aux="input").changed(39, x(2, 3, 5, dtype="int32"), "int32"),
]

MORE = [
    Both(kind, t, b, d, n, n, time_major=m, asymmetric=m, seed=d).case()
    for kind in ("float", "hybrid")
    for t, b, d, n, m in ((5, 1, 7, 8, False), (2, 3, 16, 12, True), (7, 4, 9, 3, False), (10, 2, 30, 20, True))
]
