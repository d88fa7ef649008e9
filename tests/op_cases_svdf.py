"""SVDF: float, hybrid and integer, its memory over several runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from op_cases import Array, Case, In, c, out, x

NONE, RELU, RELU_N1_TO_1, RELU6, TANH, SIGN_BIT = range(6)
FEATURES = {"scale": 0.02}


@dataclass(frozen=True)
class Svdf:
    """What varies between the cases."""

    kind: str = "float"  # or "hybrid" or "integer"
    batch: int = 2
    depth: int = 5
    units: int = 3
    rank: int = 2
    memory: int = 4
    activation: int = NONE
    bias: bool = True
    asymmetric: bool = False
    weights: str = "int8"  # of hybrid kernels
    fed: bool = False  # the weights are
    input_scale: float = 0.05
    input_zero: int = -7
    state_scale: float = 0.003
    time_scale: float = 0.0005
    output_scale: float = 0.04
    output_zero: int = 3
    seed: int = 0

    def inputs(self) -> list[In | None]:
        filters = self.units * self.rank
        make = x if self.fed else c
        if self.kind == "integer":
            feature = {"dtype": "int8", **FEATURES, "low": -127, "high": 127}
            return [
                x(self.batch, self.depth, dtype="int8", scale=self.input_scale, zero=self.input_zero),
                make(filters, self.depth, **feature),
                make(filters, self.memory, dtype="int16", scale=self.time_scale, low=-32767, high=32767),
                make(self.units, dtype="int32", scale=1e-6, low=-40000, high=40000) if self.bias else None,
                x(self.batch, filters * self.memory, dtype="int16", scale=self.state_scale, variable=True),
            ]
        weights: dict[str, Any] = {"low": -0.6, "high": 0.6}
        if self.kind == "hybrid":
            low, high = (-127, 127) if self.weights == "int8" else (0, 255)
            weights = {"dtype": self.weights, "scale": 0.01, "low": low, "high": high}
        return [
            x(self.batch, self.depth),
            make(filters, self.depth, **weights),
            make(filters, self.memory, **weights),
            make(self.units) if self.bias else None,
            x(self.batch, filters * self.memory, variable=True),
        ]

    def case(self, **more: Any) -> Case:
        base = Svdf()
        told = [f"{k}={v}" for k, v in self.__dict__.items() if v != getattr(base, k)]
        integer = self.kind == "integer"
        activation = RELU if integer and self.activation == NONE else self.activation
        options = {
            "rank": self.rank,
            "fused_activation_function": activation,
            "asymmetric_quantize_inputs": self.asymmetric,
        }
        quantized = {"dtype": "int8", "scale": self.output_scale, "zero": self.output_zero} if integer else {}
        runs = 1 if self.fed else 6  # the reference keeps what it derived from the weights of the first run
        settings = {"runs": runs, "version": 3, "seed": self.seed, "label": "-".join(told), "tolerance": 1e-5}
        if self.batch == 0:
            settings |= {"expected": self.nothing, "why": "BUILTIN_REF aborts without a vector"}
        return Case("SVDF", self.inputs(), [out(**quantized)], options, **(settings | more))

    def nothing(self, arrays: list[Array]) -> list[Array]:
        return [np.zeros((0, self.units), "int8" if self.kind == "integer" else "float32")]

    def changed(self, place: int, spec: In | None, error: str) -> Case:
        """The case with one input replaced, which is refused."""
        case = self.case()
        inputs = [spec if i == place else given for i, given in enumerate(case.inputs)]
        return replace(case, inputs=inputs, error=error, label=f"{self.kind}_refused_{place}_{error[:12]}")


class Memory:
    """SVDF with an 8-bit memory as tflite-micro computes it, run after run."""

    def __init__(self, svdf: Svdf, zero: int) -> None:
        self.svdf, self.zero = svdf, zero
        self.state: Array | None = None

    def __call__(self, arrays: list[Array]) -> list[Array]:
        given, features, times, bias, first = (a.astype(np.int64) for a in arrays)
        s = self.svdf
        shape = (s.batch, s.units * s.rank, s.memory)
        state = np.full(shape, self.zero) if self.state is None else self.state
        dots = (given - s.input_zero) @ features.T
        latest = scaled(dots, np.float32(s.input_scale) * np.float32(FEATURES["scale"]) / np.float32(s.state_scale))
        state = np.concatenate([state[:, :, 1:], np.clip(latest + self.zero, -128, 127)[:, :, None]], axis=2)
        self.state = state
        sums = ((state - self.zero) * times).sum(axis=2).reshape(s.batch, s.units, s.rank).sum(axis=2) + bias
        real = scaled(sums, np.float32(s.state_scale) * np.float32(s.time_scale) / np.float32(s.output_scale))
        return [np.clip(real + s.output_zero, -128, 127).astype(np.int8)]


def scaled(values: Array, factor: np.float32) -> Array:
    """values * factor in fixed point, rounded at bit 31 and again at the shift, ties away from zero."""
    fraction, shift = np.frexp(np.float64(factor))
    high = (values * 2 ** max(int(shift), 0) * round(float(fraction) * 2**31) + 2**30) >> 31
    right = max(-int(shift), 0)
    return np.sign(high) * ((np.abs(high) + (1 << right >> 1)) >> right)


def with_8_bit_memory(zero: int) -> Case:
    svdf = Svdf(kind="integer", state_scale=0.06, time_scale=0.01)
    case = svdf.case()
    inputs = list(case.inputs)
    inputs[2] = c(6, 4, dtype="int8", scale=svdf.time_scale, low=-127, high=127)
    inputs[4] = x(2, 24, dtype="int8", scale=svdf.state_scale, zero=zero, variable=True)
    why = "BUILTIN_REF reads 8-bit weights over time as 16-bit ones; this is tflite-micro's definition"
    return replace(case, inputs=inputs, expected=Memory(svdf, zero), why=why, label=f"8_bit_memory_{zero}")


SHAPES = [
    {},
    {"rank": 1},
    {"memory": 1},
    {"batch": 1, "depth": 1, "units": 1, "rank": 1, "memory": 1},
    {"bias": False},
    {"depth": 40, "units": 16, "rank": 2, "memory": 10, "seed": 1},
    {"depth": 17, "units": 32, "rank": 1, "memory": 8, "batch": 1, "seed": 2},
    {"fed": True},
    {"batch": 0},
]
SCALES = [
    {"input_scale": 1e-4},
    {"input_scale": 10.0, "input_zero": 127},
    {"input_zero": -128, "output_zero": -128},
    {"state_scale": 1e-5},
    {"output_scale": 1e-4},
    {"output_scale": 50.0, "output_zero": 127},
    {"time_scale": 1e-7},
]

CASES = [
    *(Svdf(**s).case() for s in SHAPES),
    *(Svdf(activation=a).case() for a in (RELU, RELU_N1_TO_1, RELU6, TANH, SIGN_BIT)),
    *(Svdf(kind="hybrid", asymmetric=a, **s).case() for s in SHAPES for a in (False, True)),
    Svdf(kind="hybrid", weights="uint8").case(),
    *(Svdf(kind="integer", **s).case() for s in SHAPES),
    *(Svdf(kind="integer", **s).case() for s in SCALES),
    with_8_bit_memory(0),
    with_8_bit_memory(-5),
    Svdf(activation=7).case(error="activation 7"),
    Svdf(kind="integer", activation=TANH).case(error="RELU"),
    replace(Svdf().case(), options={"rank": 0}, error="rank 0"),
    replace(Svdf().case(), options={"rank": -2}, error="rank -2"),
    replace(Svdf().case(), options={"rank": 4}, error="6 filters of rank 4"),
    replace(Svdf().case(), inputs=Svdf().case().inputs[:4], error="inputs"),
    Svdf().changed(0, x(2, 3, 5), "shape"),
    Svdf().changed(0, x(2, 6), "shape"),
    Svdf().changed(0, x(2, 5, dtype="int32"), "int32"),
    Svdf().changed(1, c(6, 5, dtype="int16"), "int16"),
    Svdf().changed(1, c(30), "shape"),
    Svdf().changed(2, c(6, 0), "memory"),
    Svdf().changed(2, c(5, 4), "shape"),
    Svdf().changed(2, c(6, 4, dtype="int8", scale=0.1), "weights over time"),
    Svdf().changed(3, c(4), "shape"),
    Svdf().changed(3, c(3, dtype="int32"), "int32"),
    Svdf().changed(4, x(2, 24), "variable"),
    Svdf().changed(4, x(2, 23, variable=True), "state"),
    Svdf().changed(4, x(48, variable=True), "state"),
    Svdf(kind="hybrid").changed(1, c(6, 5, dtype="int8"), "quantiz|scale"),
    Svdf(kind="integer").changed(2, c(6, 4, dtype="float32"), "float32"),
    Svdf(kind="integer").changed(4, x(2, 24, variable=True), "state"),
    Svdf(kind="integer").changed(1, c(6, 5, dtype="uint8", scale=0.1), "uint8"),
]

MORE = [
    Svdf(kind, b, d, u, r, m, seed=b + d + u, asymmetric=a).case()
    for kind in ("float", "hybrid", "integer")
    for b, d, u, r, m, a in (
        (3, 7, 4, 3, 5, False), (1, 64, 8, 2, 16, True), (4, 33, 5, 1, 2, False), (2, 8, 8, 8, 8, True),
        (5, 2, 2, 4, 12, False), (1, 100, 12, 2, 8, True),
    )
]  # fmt: skip
