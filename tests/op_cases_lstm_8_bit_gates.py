"""LSTM whose products with its input and with its state are 8 bits: 12 intermediate tensors."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from op_cases import Case, In, TensorSpec, c, out, x


@dataclass(frozen=True)
class Gates:
    """What varies between the cases."""

    batch: int = 2
    depth: int = 5
    cells: int = 6
    outputs: int = 4
    weight_scale: float = 0.01
    sum_scale: float = 2.0**-12
    product_scale: float = 0.03
    product_zeros: tuple[int, ...] = (3, -5, 7, 0)
    norm_scale: float = 2.0**-13
    bias_range: int = 4000
    cell_clip: float = 0.0
    proj_clip: float = 0.0
    seed: int = 0

    def matrix(self, rows: int, columns: int) -> In:
        return c(rows, columns, dtype="int8", scale=self.weight_scale, low=-127, high=127)

    def inputs(self) -> list[In | None]:
        bias = {"dtype": "int32", "scale": 1e-4, "low": -self.bias_range, "high": self.bias_range}
        norm = {"dtype": "int16", "scale": self.norm_scale, "low": -32767, "high": 32767}
        return [
            x(self.batch, self.depth, dtype="int8", scale=0.03, zero=-7),
            None, *(self.matrix(self.cells, self.depth) for _ in range(3)),
            None, *(self.matrix(self.cells, self.outputs) for _ in range(3)),
            None, None, None,
            None, *(c(self.cells, **bias) for _ in range(3)),
            self.matrix(self.outputs, self.cells),
            c(self.outputs, **bias),
            x(self.batch, self.outputs, dtype="int8", scale=0.008, zero=4, variable=True),
            x(self.batch, self.cells, dtype="int16", scale=2.0**-15, variable=True),
            None, *(c(self.cells, **norm) for _ in range(3)),
        ]  # fmt: skip

    def intermediates(self) -> list[TensorSpec]:
        made = []
        for gate in range(4):
            for place in range(3):
                scale = self.product_scale * (1 + 0.1 * (gate + place)) if place else self.sum_scale
                zero = self.product_zeros[(gate + place) % len(self.product_zeros)] if place else 0
                made.append(TensorSpec(shape=(1,), dtype="int8" if place else "int16", scale=scale, zero=zero))
        return made

    def case(self, **more: Any) -> Case:
        base = Gates()
        told = [f"{k}={v}" for k, v in self.__dict__.items() if v != getattr(base, k)]
        settings = {
            "options": {"fused_activation_function": 4, "cell_clip": self.cell_clip, "proj_clip": self.proj_clip},
            "intermediates": self.intermediates(),
            "version": 3,
            "seed": self.seed,
            "runs": 6,
            "label": "8_bit_gates-" + "-".join(told).replace(" ", ""),
        }
        outputs = [out("int8", scale=0.008, zero=4)]
        return Case("LSTM", more.pop("inputs", self.inputs()), outputs, **(settings | more))

    def changed(self, place: int, spec: In | None, error: str) -> Case:
        """The case with one input replaced, which is refused."""
        inputs = [spec if i == place else given for i, given in enumerate(self.inputs())]
        return self.case(inputs=inputs, error=error, label=f"8_bit_gates_refused_{place}")


CASES = [
    *(Gates(seed=seed).case() for seed in range(4)),
    Gates(batch=1, depth=1, cells=1, outputs=1).case(),
    Gates(batch=3, depth=20, cells=33, outputs=17).case(),
    Gates(batch=1, depth=40, cells=16, outputs=40).case(),
    Gates(cell_clip=0.25).case(),
    Gates(cell_clip=1.5).case(),
    Gates(proj_clip=0.1).case(),
    Gates(product_scale=0.3).case(),
    Gates(product_scale=0.001).case(),
    Gates(sum_scale=2.0**-8).case(),
    Gates(sum_scale=0.01, product_scale=0.05).case(),
    Gates(weight_scale=0.2).case(),
    Gates(weight_scale=0.0005).case(),
    Gates(norm_scale=2.0**-10).case(),
    Gates(norm_scale=1e-6).case(),
    Gates(product_zeros=(127, -128)).case(),
    Gates(bias_range=2**31 - 1).case(),
    replace(Gates().case(), intermediates=Gates().intermediates()[:11], error="intermediate tensor 11"),
    Gates().changed(10, c(6, dtype="int16", scale=0.1), "all"),
    Gates().changed(1, c(6, 5, dtype="int8", scale=0.1), "all"),
    Gates().changed(17, None, "without"),
    Gates().changed(19, x(2, 6, dtype="int16", scale=2.0**-14, variable=True), "32768"),
    Gates().changed(19, x(2, 6, dtype="int16", variable=True), "quantiz|scale"),
]

MORE = [Gates(b, d, n, o, seed=b + d).case() for b in (1, 4) for d in (3, 9, 32) for n in (4, 15) for o in (5, 16)]
