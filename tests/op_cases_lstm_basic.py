"""LSTM with the kernel type BASIC: one weight matrix for all gates, four outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from op_cases import Case, In, c, out, x

BASIC = 1


@dataclass(frozen=True)
class Basic:
    """What varies between the cases."""

    kind: str = "float"  # or "uint8"
    batch: int = 2
    depth: int = 3
    cells: int = 4
    variable: bool = True  # the states are, instead of inputs
    bias_scale: float = 5e-6
    weights_zero: int = 131
    bias_range: int = 200000
    seed: int = 0

    def inputs(self) -> list[In | None]:
        quantized = self.kind == "uint8"
        activation = {"dtype": "uint8", "scale": 1 / 128, "zero": 128} if quantized else {}
        weights = {"dtype": "uint8", "scale": 0.01, "zero": self.weights_zero} if quantized else {}
        bias = {"dtype": "int32", "scale": self.bias_scale, "low": -self.bias_range, "high": self.bias_range}
        state = {"dtype": "int16", "scale": 2.0**-11} if quantized else {}
        return [
            x(self.batch, self.depth, **activation),
            x(self.batch, self.cells, variable=self.variable, **activation),
            c(4 * self.cells, self.depth + self.cells, **(weights or {"low": -1, "high": 1})),
            c(4 * self.cells, **(bias if quantized else {})),
            x(self.batch, self.cells, variable=self.variable, **state),
        ]

    def case(self, **more: Any) -> Case:
        base = Basic()
        told = [f"{k}={v}" for k, v in self.__dict__.items() if v != getattr(base, k)]
        quantized = self.kind == "uint8"
        activation = {"dtype": "uint8", "scale": 1 / 128, "zero": 128} if quantized else {}
        state = {"dtype": "int16", "scale": 2.0**-11} if quantized else {}
        gates = {"dtype": "int16", "scale": 2.0**-12} if quantized else {}
        outputs = [out(**activation), out(**state), out(**activation), out(**gates)]
        settings = {"runs": 5, "version": 2, "seed": self.seed, "label": "-".join(told), "tolerance": 1e-5}
        return Case("LSTM", self.inputs(), outputs, {"kernel_type": BASIC}, **(settings | more))

    def changed(self, place: int, spec: In | None, error: str) -> Case:
        """The case with one input replaced, which is refused."""
        case = self.case()
        inputs = [spec if i == place else given for i, given in enumerate(case.inputs)]
        return replace(case, inputs=inputs, error=error, label=f"{self.kind}_refused_{place}_{error[:12]}")


VARIANTS: list[dict[str, Any]] = [
    {},
    {"variable": False},
    {"batch": 1, "depth": 1, "cells": 1},
    {"batch": 1, "depth": 20, "cells": 16, "seed": 1},
    {"batch": 3, "depth": 33, "cells": 40, "seed": 2},
    {"batch": 5, "depth": 2, "cells": 8, "seed": 3},
    {"batch": 1, "depth": 64, "cells": 64, "seed": 4},
]
EXTREMES: list[dict[str, Any]] = [
    {"bias_scale": 1e-9},
    {"bias_scale": 1e-3},
    {"bias_scale": 1e-4, "bias_range": 100},
    {"weights_zero": 0},
    {"weights_zero": 255},
    {"weights_zero": 0, "cells": 50, "depth": 50, "bias_scale": 1e-6},
    {"bias_range": 2**31 - 1},
]

CASES = [
    *(Basic(**v).case() for v in VARIANTS),
    *(Basic(kind="uint8", **v).case() for v in VARIANTS),
    *(Basic(kind="uint8", **v).case() for v in EXTREMES),
    Basic().changed(0, x(2, 3, dtype="int8", scale=0.1), "int8"),
    Basic().changed(0, x(2, 3, 1), "shape"),
    Basic().changed(0, x(3, 3), "shape"),
    Basic().changed(1, x(2, 5, variable=True), "shape"),
    Basic().changed(2, c(16, 8), "shape"),
    Basic().changed(2, c(12, 7), "shape"),
    Basic().changed(3, c(15), "shape"),
    Basic().changed(4, x(2, 3, variable=True), "shape"),
    Basic().changed(4, None, "absent|missing|input"),
    Basic(kind="uint8").changed(4, x(2, 4, variable=True), "float32"),
    Basic(kind="uint8").changed(3, c(16, dtype="int32"), "quantiz|scale"),
    replace(Basic().case(), outputs=[out()], error="outputs"),
    replace(Basic().case(), inputs=Basic().case().inputs[:4], error="inputs"),
    replace(
        Basic(kind="uint8").case(),
        outputs=[*Basic(kind="uint8").case().outputs[:1], out("int16", scale=2.0**-12),
                 *Basic(kind="uint8").case().outputs[2:]],
        error="1/2048",
    ),
]  # fmt: skip
