"""Graphs of elementwise ops, drawn at random: chains, branches, broadcasts, constants, other shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from subgraft.delegates import Graph, Op, Options, Quantization, Tensor

FLOAT_UNARY = ("RELU", "RELU6", "ABS", "NEG", "SQUARE", "LOGISTIC", "TANH", "HARD_SWISH", "FLOOR", "RESHAPE")
INT8_UNARY = ("RELU", "LEAKY_RELU", "HARD_SWISH", "LOGISTIC", "RESHAPE")
BINARY = ("ADD", "MUL", "SUB", "MAXIMUM")
SHAPE = (2, 3, 5)
SHAPES: Sequence[tuple[int, ...]] = ((2, 3, 5), (5,), (3, 1), (2, 1, 5), (1,), ())
ACTIVATED = ("ADD", "MUL", "SUB")


class Drawing:
    """A graph while it grows."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.inputs: list[int] = []

    def tensor(self, dtype: str, shape: tuple[int, ...], like: Tensor | None = None, **more: Any) -> int:
        quantization = None
        if dtype == "int8":
            scale = float(np.float32(self.rng.uniform(0.01, 0.1)))
            quantization = Quantization((scale,), (int(self.rng.integers(-128, 128)),))
            quantization = like.quantization if like is not None else quantization
        self.tensors.append(Tensor(f"t{len(self.tensors)}", shape, dtype, quantization=quantization, **more))
        return len(self.tensors) - 1

    def fed(self, dtype: str, shape: tuple[int, ...] = SHAPE) -> int:
        self.inputs.append(self.tensor(dtype, shape))
        return self.inputs[-1]

    def constant(self, dtype: str, shape: tuple[int, ...], like: Tensor | None = None) -> int:
        values = self.rng.standard_normal(shape) * (40 if dtype == "int8" else 1)
        return self.tensor(dtype, shape, like, buffer=np.asarray(values).astype(dtype).tobytes())

    def op(self, kind: str, inputs: Sequence[int], out: int, **options: Any) -> int:
        self.ops.append(Op(kind, tuple(inputs), (out,), Options(options)))
        return out

    def unary(self, kind: str, t: int) -> int:
        given = self.tensors[t]
        if kind == "RESHAPE":
            shape = given.shape[::-1]
            sizes = Tensor.constant("sizes", np.array(shape, np.int32))
            self.tensors.append(sizes)
            return self.op(kind, (t, len(self.tensors) - 1), self.tensor(given.dtype, shape, given))
        out = self.tensor(given.dtype, given.shape)
        if kind == "LOGISTIC" and given.dtype == "int8":
            self.tensors[out] = Tensor(f"t{out}", given.shape, "int8", quantization=Quantization((1 / 256,), (-128,)))
        return self.op(kind, (t,), out, **({"alpha": 0.25} if kind == "LEAKY_RELU" else {}))

    def binary(self, kind: str, a: int, b: int) -> int:
        given = self.tensors[a]
        out = self.tensor(given.dtype, given.shape, given if kind == "MAXIMUM" else None)
        activation = str(self.rng.choice(("NONE", "RELU", "RELU6")))
        options = {"fused_activation_function": activation} if kind in ACTIVATED else {}
        inputs = (a, b) if self.rng.random() < 0.5 else (b, a)
        return self.op(kind, inputs, out, **options)

    def convert(self, t: int) -> int:
        """To the other of the two types."""
        given = self.tensors[t]
        if given.dtype == "int8":
            return self.op("DEQUANTIZE", (t,), self.tensor("float32", given.shape))
        return self.op("QUANTIZE", (t,), self.tensor("int8", given.shape))

    def step(self, made: Sequence[int]) -> int:
        """One more op on what there is."""
        t = made[-1] if self.rng.random() < 0.7 else int(self.rng.choice(made))
        given = self.tensors[t]
        kinds = FLOAT_UNARY if given.dtype == "float32" else INT8_UNARY
        chance = self.rng.random()
        if chance < 0.4:
            return self.unary(str(self.rng.choice(kinds)), t)
        if chance < 0.5:
            return self.convert(t)
        kind = str(self.rng.choice(BINARY))
        others = [o for o in made if self.tensors[o].shape == given.shape and self.tensors[o].dtype == given.dtype]
        if kind != "MAXIMUM" and self.rng.random() < 0.5:
            return self.binary(kind, t, int(self.rng.choice(others)))
        shapes = [s for s in SHAPES if _broadcasts(s, given.shape)]
        shape = shapes[int(self.rng.integers(len(shapes)))]
        return self.binary(kind, t, self.constant(given.dtype, shape, given))

    def graph(self) -> Graph:
        read = {t for op in self.ops for t in op.inputs}
        outputs = tuple(t for op in self.ops for t in op.outputs if t not in read or self.rng.random() < 0.1)
        return Graph(self.tensors, self.ops, tuple(self.inputs), outputs, name="drawn")


def drawn(seed: int, pieces: int, ops: int) -> Graph:
    """Several pieces that share nothing, of so many ops each."""
    drawing = Drawing(seed)
    for _ in range(pieces):
        made = [drawing.fed(str(drawing.rng.choice(("float32", "int8"))))]
        for _ in range(ops):
            made.append(drawing.step(made))
    return drawing.graph()


def feed(graph: Graph, seed: int) -> dict[int, Any]:
    """Random inputs by tensor."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for t in graph.inputs:
        shape, dtype = graph.tensors[t].shape, graph.tensors[t].dtype
        whole = rng.integers(-128, 128, shape) if dtype == "int8" else rng.standard_normal(shape) * 3
        arrays[t] = np.asarray(whole).astype(dtype)
    return arrays


def _broadcasts(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(shape, whole) == whole
    except ValueError:
        return False
