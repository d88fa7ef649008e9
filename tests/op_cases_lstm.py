"""UNIDIRECTIONAL_SEQUENCE_LSTM and LSTM (the full kernel) with float, hybrid and integer arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from op_cases import Case, In, Out, TensorSpec, c, out, x

GATES = ("input", "forget", "cell", "output")
TANH, RELU, RELU_N1_TO_1, RELU6, SIGN_BIT, NONE = 4, 1, 2, 3, 5, 0


@dataclass(frozen=True)
class Lstm:
    """What varies between the cases."""

    kind: str = "float"  # or "hybrid" (8-bit weights) or "integer"
    op: str = "UNIDIRECTIONAL_SEQUENCE_LSTM"  # or "LSTM": one step
    weights_dtype: str = "int8"  # of hybrid kernels
    fed: bool = False  # the input and recurrent weights are
    time: int = 4
    batch: int = 2
    depth: int = 5
    cells: int = 6
    outputs: int = 6
    time_major: bool = False
    cifg: bool = False
    peephole: bool = False
    projection: bool = False
    projection_bias: bool = True
    norm: bool = False
    diagonal: bool = False
    cell_clip: float = 0.0
    proj_clip: float = 0.0
    activation: int = TANH
    asymmetric: bool = False
    cell_scale: float = 2.0**-11
    weight_scale: float = 0.02
    seed: int = 0

    @property
    def weights(self) -> dict[str, Any]:
        if self.kind == "float":
            return {"low": -0.6, "high": 0.6}
        low, high = (-127, 127) if self.weights_dtype == "int8" else (0, 255)
        return {"dtype": self.weights_dtype, "scale": self.weight_scale, "low": low, "high": high}

    def matrix(self, rows: int, columns: int) -> In:
        return (x if self.fed else c)(rows, columns, **self.weights)

    def recurrent(self) -> In:
        return c(self.cells, low=-0.9, high=0.9) if self.diagonal else self.matrix(self.cells, self.outputs)

    def bias(self, size: int) -> In:
        if self.kind != "integer":
            return c(size, low=-0.5, high=0.5)
        return c(size, dtype="int32", scale=1e-4, low=-4000, high=4000)

    def peephole_weights(self) -> In:
        if self.kind == "integer":
            return c(self.cells, dtype="int16", scale=2.0**-15, low=-32767, high=32767)
        return c(self.cells, **self.weights)

    def norm_weights(self) -> In:
        if self.kind == "integer":
            return c(self.cells, dtype="int16", scale=2.0**-15, low=-32767, high=32767)
        return c(self.cells, low=-1.5, high=1.5)

    def inputs(self) -> list[In | None]:
        gates = [not (self.cifg and gate == "input") for gate in GATES]
        shape = self.shape()
        integer = self.kind == "integer"
        state = {"dtype": "int8", "scale": 0.008, "zero": 4} if integer else {}
        cell = {"dtype": "int16", "scale": self.cell_scale} if integer else {}
        peephole = [self.peephole and gates[0], self.peephole, self.peephole]
        return [
            x(*shape, self.depth, **({"dtype": "int8", "scale": 0.03, "zero": -7} if integer else {})),
            *(self.matrix(self.cells, self.depth) if there else None for there in gates),
            *(self.recurrent() if there else None for there in gates),
            *(self.peephole_weights() if there else None for there in peephole),
            *(self.bias(self.cells) if there else None for there in gates),
            self.matrix(self.outputs, self.cells) if self.projection else None,
            self.bias(self.outputs) if self.projection and self.projection_bias else None,
            x(self.batch, self.outputs, variable=True, **state),
            x(self.batch, self.cells, variable=True, **cell),
            *(self.norm_weights() if there and self.norm else None for there in gates),
        ]

    def shape(self) -> tuple[int, ...]:
        """Of input and output, without the elements of a vector."""
        if self.op == "LSTM":
            return (self.batch,)
        return (self.time, self.batch) if self.time_major else (self.batch, self.time)

    def output(self) -> Out:
        quantized = {"dtype": "int8", "scale": 0.008, "zero": 4} if self.kind == "integer" else {}
        return out(shape=(*self.shape(), self.outputs), **quantized)

    def case(self, **more: Any) -> Case:
        gate = TensorSpec(shape=(1,), dtype="int16", scale=2.0**-12)
        hidden = TensorSpec(shape=(1,), dtype="int8", scale=0.007, zero=-3)
        base = Lstm()
        told = [f"{k}={v}" for k, v in self.__dict__.items() if k != "op" and v != getattr(base, k)]
        settings = {
            "inputs": self.inputs(),
            "outputs": [self.output()],
            "options": {
                "fused_activation_function": self.activation,
                "cell_clip": self.cell_clip,
                "proj_clip": self.proj_clip,
                "asymmetric_quantize_inputs": self.asymmetric,
                **({} if self.op == "LSTM" else {"time_major": self.time_major}),
            },
            "intermediates": [gate] * 4 + [hidden] if self.kind == "integer" else (),
            "version": 3,
            "seed": self.seed,
            "runs": 1 if self.fed else 4 if self.op == "LSTM" else 2,
            "label": "-".join(told).replace(" ", ""),
        }
        return Case(self.op, **(settings | more))


VARIANTS = [
    {},
    {"time_major": True},
    {"cifg": True},
    {"peephole": True},
    {"cifg": True, "peephole": True, "time_major": True},
    {"projection": True, "outputs": 4},
    {"projection": True, "outputs": 4, "projection_bias": False, "proj_clip": 0.1},
    {"projection": True, "outputs": 9, "time_major": True},
    {"norm": True},
    {"norm": True, "cifg": True, "time_major": True},
    {"norm": True, "peephole": True, "projection": True, "outputs": 4},
    {"norm": True, "peephole": True, "projection": True, "outputs": 3, "time_major": True, "cell_clip": 0.3},
    {"cell_clip": 0.2},
    {"cells": 33, "outputs": 33, "depth": 40, "batch": 3},
    {"cells": 64, "outputs": 64, "depth": 17, "batch": 1, "time": 9, "seed": 4},
    {"time": 1, "batch": 1, "seed": 5},
]
HYBRID = {"kind": "hybrid", "tolerance": 1e-4}


def changed(case: Case, place: int, spec: In | None) -> dict[str, Any]:
    """The case's inputs with one of them replaced."""
    return {"inputs": [spec if i == place else given for i, given in enumerate(case.inputs)]}


def refused(lstm: Lstm, place: int, spec: In | None, error: str) -> Case:
    return lstm.case(
        **changed(lstm.case(), place, spec), error=error, label=f"{lstm.kind}_refused_{place}_{error[:12]}"
    )


CASES = [
    *(Lstm(**v).case() for v in VARIANTS),
    *(Lstm(activation=activation).case() for activation in (RELU, RELU_N1_TO_1, RELU6, SIGN_BIT)),
    Lstm(diagonal=True).case(),
    Lstm(diagonal=True, cifg=True, time_major=True).case(),
    Lstm(kind="hybrid", diagonal=True).case(),
    Lstm(kind="hybrid", weights_dtype="uint8", peephole=True).case(),
    Lstm(fed=True).case(),
    *(Lstm(kind="hybrid", fed=True, asymmetric=asymmetric, projection=True).case() for asymmetric in (False, True)),
    *(Lstm(kind=kind, **shape).case() for kind in ("float", "hybrid") for shape in ({"time": 0}, {"batch": 0})),
    *(
        Lstm(kind="hybrid", asymmetric=asymmetric, **v).case(tolerance=1e-4)
        for v in VARIANTS
        for asymmetric in (False, True)
    ),
    *(Lstm(kind="integer", **v).case() for v in VARIANTS if v.get("outputs", 0) < 9 or not v.get("peephole")),
    *(Lstm(kind="integer", cell_scale=2.0**e).case() for e in (-15, -13, -9)),
    *(Lstm(kind="integer", weight_scale=w, seed=w_seed).case() for w_seed, w in enumerate((0.001, 0.2, 1.0))),
    *(Lstm(kind="integer", cells=48, outputs=48, depth=20, time=12, seed=s).case() for s in range(3)),
    Lstm(activation=NONE).case(error="activation"),
    Lstm(kind="integer", cell_scale=0.0003).case(error="power of two"),
    Lstm(kind="integer").case(intermediates=(), error="intermediate"),
    Lstm(kind="integer").case(intermediates=[TensorSpec(shape=(1,), scale=0.1)] * 12, error="more than 5"),
    Lstm(kind="integer", diagonal=True).case(error="diagonal"),
    replace(Lstm().case(), inputs=Lstm().case().inputs[:19], error="inputs"),
    refused(Lstm(), 2, None, "absent|missing|input"),
    refused(Lstm(), 1, None, "all"),
    refused(Lstm(), 0, x(2, 5), "shape"),
    refused(Lstm(), 2, c(6, 4), "shape"),
    refused(Lstm(), 4, c(0, 5), "cells"),
    refused(Lstm(), 13, c(5), "shape"),
    refused(Lstm(), 13, c(6, dtype="int32"), "int32"),
    refused(Lstm(), 17, c(6), "projection"),
    refused(Lstm(), 18, x(2, 6), "variable"),
    refused(Lstm(), 19, x(2, 5, variable=True), "state"),
    refused(Lstm(outputs=5), 0, x(2, 4, 5), "projection"),
    refused(Lstm(kind="integer"), 2, x(6, 5, dtype="int8", scale=0.1), "constant"),
    refused(Lstm(kind="hybrid"), 2, c(6, 5, dtype="int8"), "quantiz|scale"),
    refused(Lstm(), 4, c(6, 5, dtype="uint8", scale=0.1), "uint8"),
    *(Lstm(op="LSTM", **v).case() for v in VARIANTS if v.get("time_major") is None),
    *(
        Lstm(op="LSTM", kind="hybrid", asymmetric=asymmetric, **v).case(tolerance=1e-4)
        for v in VARIANTS
        if v.get("time_major") is None
        for asymmetric in (False, True)
    ),
    *(
        Lstm(op="LSTM", kind="integer", **v).case()
        for v in VARIANTS
        if v.get("time_major") is None and (v.get("outputs", 0) < 9 or not v.get("peephole"))
    ),
    *(Lstm(op="LSTM", activation=activation).case() for activation in (RELU, RELU6)),
    *(Lstm(op="LSTM", kind="integer", batch=b, cells=n, outputs=n, seed=n).case() for b, n in ((1, 40), (3, 24))),
    Lstm(op="LSTM", kind="integer", cell_clip=0.1, proj_clip=0.05, projection=True).case(),
    Lstm(op="LSTM").case(options={"kernel_type": 2}, error="kernel type 2"),
    Lstm(op="LSTM", activation=NONE).case(error="activation"),
    refused(Lstm(op="LSTM"), 0, x(2, 1, 5), "shape"),
    refused(Lstm(op="LSTM"), 18, x(2, 6), "variable"),
    refused(Lstm(op="LSTM"), 2, None, "absent|missing|input"),
    refused(Lstm(op="LSTM", kind="integer"), 19, x(2, 6, dtype="int16", scale=0.01, variable=True), "power of two"),
]


def drawn(seed: int) -> Case:
    """A combination that nobody thought of."""
    rng = np.random.default_rng(seed)

    def maybe() -> bool:
        return bool(rng.integers(2))

    kind = ("float", "hybrid", "integer")[seed % 3]
    cells = int(rng.integers(1, 24))
    projection = maybe()
    peephole = maybe()
    # TFLite's integer kernel walks beyond the end of peephole weights with more outputs than cells.
    most = cells if kind == "integer" and peephole else 24
    lstm = Lstm(
        kind=kind,
        op="LSTM" if seed % 4 == 0 else "UNIDIRECTIONAL_SEQUENCE_LSTM",
        time=int(rng.integers(1, 6)),
        batch=int(rng.integers(1, 4)),
        depth=int(rng.integers(1, 12)),
        cells=cells,
        outputs=int(rng.integers(1, most + 1)) if projection else cells,
        time_major=maybe() and seed % 4 != 0,
        cifg=maybe(),
        peephole=peephole,
        projection=projection,
        projection_bias=maybe(),
        norm=maybe(),
        cell_clip=float(rng.choice([0, 0.5])),
        proj_clip=float(rng.choice([0, 0.2])),
        asymmetric=maybe() and kind == "hybrid",
        seed=seed,
    )
    # A rounding apart in a float can be a step apart in the 8-bit number made of it.
    return lstm.case(tolerance=2e-2 if kind == "hybrid" else 1e-5)


MORE = [drawn(seed) for seed in range(150)]
