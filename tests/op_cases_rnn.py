"""RNN, UNIDIRECTIONAL_SEQUENCE_RNN and BIDIRECTIONAL_SEQUENCE_RNN: float and hybrid, their state over several runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from op_cases import Case, In, c, out, x

NONE, RELU, RELU_N1_TO_1, RELU6, TANH, SIGN_BIT = range(6)


@dataclass(frozen=True)
class Rnn:
    """What varies between the cases of one direction, or of two."""

    op: str = "UNIDIRECTIONAL_SEQUENCE_RNN"
    kind: str = "float"  # or "hybrid"
    batch: int = 2
    time: int = 3
    depth: int = 5
    units: int = 4
    activation: int = TANH
    asymmetric: bool = False
    time_major: bool = False
    weights: str = "int8"  # of hybrid kernels
    weight_scale: float = 0.005
    fed: bool = False  # the weights are
    # Of two directions:
    back_units: int = 3
    merge: bool = False
    aux: str = ""  # "" or "input" (no weights of its own) or "weights"
    aux_depth: int = 5
    seed: int = 0

    def matrix(self, rows: int, columns: int) -> In:
        make = x if self.fed else c
        if self.kind == "float":
            return make(rows, columns, low=-0.6, high=0.6)
        low, high = (-127, 127) if self.weights == "int8" else (0, 255)
        return make(rows, columns, dtype=self.weights, scale=self.weight_scale, low=low, high=high)

    def cell(self, units: int) -> list[In | None]:
        bias = c(units, low=-0.5, high=0.5)
        return [
            self.matrix(units, self.depth), self.matrix(units, units), bias, x(self.batch, units, variable=True),
        ]  # fmt: skip

    def sequence(self, depth: int) -> In:
        if self.op == "RNN":
            return x(self.batch, depth)
        return x(*((self.time, self.batch) if self.time_major else (self.batch, self.time)), depth)

    def inputs(self) -> list[In | None]:
        inputs = [self.sequence(self.depth), *self.cell(self.units)]
        if self.op != "BIDIRECTIONAL_SEQUENCE_RNN":
            return inputs
        return [
            *inputs,
            *self.cell(self.back_units),
            self.sequence(self.aux_depth) if self.aux else None,
            *(self.matrix(u, self.aux_depth) if self.aux == "weights" else None for u in (self.units, self.back_units)),
        ]

    def case(self, **more: Any) -> Case:
        base = Rnn()
        told = [f"{k}={v}" for k, v in self.__dict__.items() if k != "op" and v != getattr(base, k)]
        options = {
            "fused_activation_function": self.activation,
            "asymmetric_quantize_inputs": self.asymmetric,
        }
        if self.op != "RNN":
            options["time_major"] = self.time_major
        two = self.op == "BIDIRECTIONAL_SEQUENCE_RNN"
        if two:
            options["merge_outputs"] = self.merge
        # A rounding apart in a float can be a step apart in the 8-bit number made of it, and with many of them is.
        tolerance = 1e-5 if self.kind == "float" else 1e-4 if self.depth < 6 else 1e-2
        runs = 1 if self.fed else 3  # the reference keeps what it derived from the weights of the first run
        settings = {"runs": runs, "version": 3, "seed": self.seed, "label": "-".join(told), "tolerance": tolerance}
        outputs = [out()] * (2 if two and not self.merge else 1)
        return Case(self.op, self.inputs(), outputs, options, **(settings | more))

    def changed(self, place: int, spec: In | None, error: str) -> Case:
        """The case with one input replaced, which is refused."""
        case = self.case()
        inputs = [spec if i == place else given for i, given in enumerate(case.inputs)]
        return replace(case, inputs=inputs, error=error, label=f"{self.kind}_refused_{place}_{error[:12]}")


TWO = "BIDIRECTIONAL_SEQUENCE_RNN"
SHAPES: list[dict[str, Any]] = [
    {},
    {"time_major": True},
    {"batch": 1, "time": 1, "depth": 1, "units": 1},
    {"depth": 40, "units": 33, "batch": 3, "seed": 1},
    {"depth": 64, "units": 64, "time": 9, "batch": 1, "time_major": True, "seed": 2},
    {"fed": True},
    {"batch": 0},
    {"time": 0},
]
DIRECTIONS: list[dict[str, Any]] = [
    {},
    {"time_major": True},
    {"merge": True},
    {"batch": 1, "time_major": True, "merge": True},
    {"aux": "weights"},
    {"aux": "weights", "time_major": True},
    {"aux": "weights", "merge": True},
    {"aux": "input"},
    {"aux": "input", "time_major": True},
    {"depth": 20, "units": 16, "back_units": 17, "time": 6, "seed": 3},
    {"batch": 0},
]


def hybrids(variants: list[dict[str, Any]], **more: Any) -> list[Case]:
    return [Rnn(kind="hybrid", asymmetric=a, **v, **more).case() for v in variants for a in (False, True)]


CASES = [
    *(Rnn(op="RNN", **s).case() for s in SHAPES if "time" not in s and "time_major" not in s),
    *(Rnn(**s).case() for s in SHAPES),
    *(Rnn(activation=a).case() for a in (NONE, RELU, RELU_N1_TO_1, RELU6, SIGN_BIT)),
    *hybrids(SHAPES),
    *hybrids([{"seed": 4}, {"depth": 40, "units": 33, "batch": 3}, {"batch": 1, "units": 1, "depth": 1}], op="RNN"),
    *(Rnn(op="RNN", activation=a, seed=a).case() for a in (NONE, RELU, RELU_N1_TO_1, RELU6, SIGN_BIT)),
    *(Rnn(op="RNN", kind="hybrid", activation=a, seed=a).case() for a in (NONE, RELU, RELU6)),
    Rnn(op="RNN", kind="hybrid", weights="uint8").case(),
    Rnn(kind="hybrid", weights="uint8").case(),
    *(Rnn(op=TWO, **s).case() for s in DIRECTIONS),
    Rnn(op=TWO, time_major=True, merge=True).case(),
    Rnn(op=TWO, aux="weights", aux_depth=3).case(),
    *hybrids(DIRECTIONS, op=TWO),
    Rnn(op=TWO, kind="hybrid", time_major=True, merge=True, asymmetric=True).case(),
    Rnn(op="RNN").changed(1, c(4, 6), "shape"),
    Rnn(op="RNN").changed(2, c(4, 4, dtype="int8", scale=0.1), "int8"),
    Rnn(op="RNN").changed(3, c(4, dtype="int32"), "int32"),
    Rnn(op="RNN").changed(4, x(2, 4), "variable"),
    Rnn(op="RNN").changed(4, x(2, 5, variable=True), "state"),
    Rnn(op="RNN").changed(0, x(2, 5, dtype="int8", scale=0.1), "int8"),
    Rnn(op="RNN", activation=9).case(error="activation 9"),
    Rnn(activation=6).case(error="activation 6"),
    Rnn(activation=-1).case(error="activation -1"),
    replace(Rnn().case(), inputs=Rnn().case().inputs[:4], error="inputs"),
    replace(Rnn(op=TWO).case(), outputs=[out()], error="outputs"),
    replace(Rnn(op=TWO, merge=True).case(), outputs=[out(), out()], error="outputs"),
    Rnn().changed(0, x(2, 5), "shape"),
    Rnn(op="RNN").changed(0, x(2, 3, 5), "shape"),
    Rnn().changed(0, x(2, 3, 5, dtype="int8", scale=0.1), "int8"),
    Rnn().changed(1, c(4, 6), "shape"),
    Rnn().changed(1, c(20), "shape"),
    Rnn().changed(1, c(0, 5), "shape"),
    Rnn().changed(1, c(4, 5, dtype="int32"), "int32"),
    Rnn().changed(2, c(4, 5), "shape"),
    Rnn().changed(2, c(4, 4, dtype="int8", scale=0.1), "int8"),
    Rnn().changed(3, c(5), "shape"),
    Rnn().changed(3, None, "absent|missing|input"),
    Rnn().changed(4, x(2, 4), "variable"),
    Rnn().changed(4, x(8, variable=True), "state"),
    Rnn().changed(4, x(3, 4, variable=True), "state"),
    Rnn(kind="hybrid").changed(1, c(4, 5, dtype="int8"), "quantiz|scale"),
    Rnn(op=TWO).changed(5, c(3, 5, dtype="int8", scale=0.1), "int8"),
    Rnn(op=TWO, aux="weights").changed(9, None, "absent|missing|input"),
    Rnn(op=TWO, aux="weights").changed(9, x(2, 4, 5), "auxiliary"),
    Rnn(op=TWO, aux="weights").changed(9, x(2, 3, 0), "auxiliary"),
    Rnn(op=TWO, aux="weights").changed(10, None, "one direction"),
    Rnn(op=TWO, aux="weights").changed(11, c(3, 4), "shape"),
    Rnn(op=TWO, aux="input").changed(9, x(2, 3, 4), "auxiliary"),
]

MORE = [
    Rnn(op, kind, b, t, d, u, asymmetric=a, time_major=a, back_units=u + 1, seed=d).case()
    for op in ("RNN", "UNIDIRECTIONAL_SEQUENCE_RNN", TWO)
    for kind in ("float", "hybrid")
    for b, t, d, u, a in (
        (1, 5, 7, 8, False), (3, 2, 16, 12, True), (4, 7, 9, 3, False), (2, 10, 30, 20, True), (1, 1, 3, 2, True),
        (6, 3, 1, 5, False), (2, 4, 8, 8, True), (1, 12, 5, 4, True),
    )
]  # fmt: skip
