"""A TFLite graph that grows op by op out of an NNAPI operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from nnapi_cases import Array, Operand
from nnapi_deviations import Deviation
from subgraft.delegates import Graph, Op, Options, Quantization, Tensor

FLIPPED = {"int8": "uint8", "uint8": "int8"}


class Inexpressible(Exception):
    """No TFLite op, nor a few of them, computes what the operation does."""

    def __init__(self, deviation: Deviation) -> None:
        super().__init__(deviation.reason)
        self.deviation = deviation


@dataclass(frozen=True, slots=True)
class Converted:
    """TFLite's graph of one operation.

    feeds: the values of graph.inputs, in their order. states: what variable tensors hold before the run.
    results: per output of the operation, the tensor that holds it after the run.
    """

    graph: Graph
    feeds: tuple[Array, ...]
    states: Mapping[int, Array]
    results: tuple[int, ...]


@dataclass(slots=True)
class Draft:
    """Tensors are numbers, as in the graph; -1 is an absent one."""

    tensors: list[Tensor] = field(default_factory=list)
    ops: list[Op] = field(default_factory=list)
    feeds: dict[int, Array] = field(default_factory=dict)
    states: dict[int, Array] = field(default_factory=dict)

    def put(self, operand: Operand, *, scales: Sequence[float] = ()) -> int:
        """The operand as a tensor: fed or constant, as it is there. `scales` for one that gives none itself."""
        if operand.is_absent:
            return -1
        quantization = quantization_of(operand, scales)
        if operand.life == "CONSTANT_COPY":
            return self._add(Tensor.constant(operand.name, operand.array, quantization))
        number = self._add(Tensor(operand.name, operand.dims, operand.dtype, quantization=quantization))
        self.feeds[number] = operand.array
        return number

    def state(self, operand: Operand) -> int:
        """The operand as a variable tensor: what the operation gets and gives back under another name."""
        number = self._add(
            Tensor(operand.name, operand.dims, operand.dtype, quantization=quantization_of(operand), is_variable=True)
        )
        self.states[number] = operand.array
        return number

    def constant(self, value: Any, dtype: str = "int32", like: int = -1) -> int:
        """Axes, shapes, paddings; quantized as tensor `like`."""
        quantization = self.tensors[like].quantization if like >= 0 else None
        name = f"constant {len(self.tensors)}"
        return self._add(Tensor.constant(name, np.asarray(value, dtype), quantization))

    def like(self, tensor: int, dtype: str = "", quantization: Quantization | None = None) -> int:
        """A tensor for an op to write, of the same type unless told otherwise."""
        model = self.tensors[tensor]
        return self.temporary(dtype or model.dtype, quantization or model.quantization)

    def temporary(self, dtype: str, quantization: Quantization | None = None) -> int:
        return self._add(Tensor(f"temporary {len(self.tensors)}", (), dtype, quantization=quantization))

    def output(self, operand: Operand) -> int:
        return self._add(Tensor(operand.name, operand.dims, operand.dtype, quantization=quantization_of(operand)))

    def op(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: int | Sequence[int],
        *,
        intermediates: Sequence[int] = (),
        **options: Any,
    ) -> int:
        """Appends an op; returns its first output."""
        written = (outputs,) if isinstance(outputs, int) else tuple(outputs)
        self.ops.append(Op(kind, tuple(inputs), written, Options(options), intermediates=tuple(intermediates)))
        return written[0]

    def custom(self, kind: str, inputs: Sequence[int], outputs: Sequence[int], options: bytes) -> None:
        self.ops.append(Op(kind, tuple(inputs), tuple(outputs), is_custom=True, custom_options=options))

    def transposed(self, tensor: int, order: Sequence[int]) -> int:
        return self.op("TRANSPOSE", (tensor, self.constant(order)), self.like(tensor))

    def reshaped(self, tensor: int, shape: Sequence[int], into: int | None = None) -> int:
        output = self.like(tensor) if into is None else into
        return self.op("RESHAPE", (tensor, self.constant(shape)), output, new_shape=tuple(shape))

    def requantized(self, tensor: int, quantization: Quantization | None, dtype: str = "", into: int = -1) -> int:
        """The tensor in another quantization; itself where that is the one it has."""
        own = self.tensors[tensor]
        if into < 0 and own.quantization == quantization and dtype in ("", own.dtype):
            return tensor
        output = into if into >= 0 else self.temporary(dtype or own.dtype, quantization)
        return self.op("QUANTIZE", (tensor,), output)

    def quantization(self, tensor: int) -> Quantization:
        quantization = self.tensors[tensor].quantization
        assert quantization is not None
        return quantization

    def flipped(self, tensor: int) -> int:
        """A uint8 tensor as int8 with the same real values, or the other way round."""
        dtype = self.tensors[tensor].dtype
        return self.requantized(tensor, flip(self.quantization(tensor), dtype), FLIPPED[dtype])

    def converted(self, results: Sequence[int]) -> Converted:
        graph = Graph(
            [replace(t, name=f"{i} {t.name}") for i, t in enumerate(self.tensors)],
            self.ops,
            tuple(self.feeds),
            tuple(r for r in results if r not in self.states),
            name="main",
        )
        return Converted(graph, tuple(self.feeds.values()), self.states, tuple(results))

    def _add(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def quantization_of(operand: Operand, scales: Sequence[float] = ()) -> Quantization | None:
    found = tuple(operand.scales or scales)
    if not found:
        return None
    return Quantization(scales=found, zero_points=(operand.zero,) * len(found), axis=operand.axis)


def flip(quantization: Quantization, dtype: str) -> Quantization:
    """The quantization of 8-bit data after its highest bit is inverted; `dtype` is the type before."""
    step = -128 if dtype == "uint8" else 128
    return replace(quantization, zero_points=tuple(z + step for z in quantization.zero_points))
