"""An NNAPI model as data, before any library sees it: operands, operations, and where the graph's tensors are in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from subgraft.backends.nnapi import codes
from subgraft.delegates import Array, Graph, Quantization, Tensor
from subgraft.delegates.constants import constant, is_constant

TYPES = {
    "float32": codes.TENSOR_FLOAT32,
    "float16": codes.TENSOR_FLOAT16,
    "int32": codes.TENSOR_INT32,
    "uint8": codes.TENSOR_QUANT8_ASYMM,
    "int8": codes.TENSOR_QUANT8_ASYMM_SIGNED,
    "int16": codes.TENSOR_QUANT16_SYMM,
    "bool": codes.TENSOR_BOOL8,
}
SIGN_BIT = 0x80
MOST_RANK = 4  # of what is copied
ONE = (1,)  # the shape of a tensor without dimensions, which NNAPI takes for one of unknown rank


class Refused(Exception):
    """The op cannot be written at this feature level; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Operand:
    """type: OperandCode. value: a constant's bytes. absent: an optional operand that is left out.

    model: what an IF or a WHILE runs.
    """

    type: int
    shape: tuple[int, ...] = ()
    scale: float = 0.0
    zero_point: int = 0
    channel_scales: tuple[float, ...] = ()
    channel_axis: int = 0
    value: bytes | memoryview | None = None
    absent: bool = False
    model: Draft | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """Of which op of the graph it is a part."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    op: int

    @property
    def code(self) -> int:
        return codes.OPERATIONS[self.name][0]


@dataclass(slots=True)
class Draft:
    """Grows op by op. Before feature level 4 there are no int8 activations: they become uint8, 128 higher."""

    graph: Graph
    level: int
    operands: list[Operand] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)  # tensor of the graph: operand
    states: dict[int, int] = field(default_factory=dict)  # variable tensor: the operand of its value after a run
    inputs: tuple[int, ...] = ()  # operands
    outputs: tuple[int, ...] = ()
    fed: tuple[int, ...] = ()  # the tensors that they are; a segment may have constants among its ends
    given: tuple[int, ...] = ()
    op: int = -1  # whose operations are being written

    @property
    def flips(self) -> bool:
        """Whether int8 tensors are uint8 here."""
        return self.level < codes.LEVEL_4

    def add(self, operand: Operand) -> int:
        self.operands.append(operand)
        return len(self.operands) - 1

    def tensor(self, t: int) -> int:
        """A tensor of the graph."""
        if t not in self.places:
            self.places[t] = self.add(self.described(self.known(t)))
        return self.places[t]

    def state(self, t: int) -> int:
        """What a variable tensor is after the run."""
        self.states[t] = self.like(t)
        return self.states[t]

    def known(self, t: int) -> Tensor:
        """The tensor; with its value where that follows from constants, such as float16 weights and DEQUANTIZE."""
        tensor = self.graph.tensors[t]
        if tensor.is_constant or not is_constant(t, self.graph):
            return tensor
        return replace(tensor, buffer=constant(t, self.graph).tobytes())

    def shaped(self, t: int, shape: Sequence[int]) -> int:
        """A constant of the graph under another shape, or any other tensor whose elements are read as that."""
        tensor = self.known(t)
        if not tensor.is_constant:
            raise Refused("an input that is no constant would need another shape")
        described = self.described(tensor)
        return self.add(replace(described, shape=tuple(shape)))

    def described(self, tensor: Tensor) -> Operand:
        """Its operand. Raises Refused for a type that there is none for."""
        if tensor.dtype not in TYPES:
            raise Refused(f"NNAPI has no tensors of {tensor.dtype}")
        code, value = TYPES[tensor.dtype], _bytes(tensor)
        shape = tensor.shape or ONE
        scale, zero_point = _parameters(tensor.quantization)
        scale = scale or 1.0  # of plain bytes: NNAPI has none without
        if tensor.dtype in ("float32", "float16", "bool", "int32"):
            return Operand(code, shape, value=value)
        if tensor.quantization is not None and len(tensor.quantization.scales) > 1:
            return per_channel(tensor, value)
        if tensor.dtype == "int8" and self.flips:
            return Operand(TYPES["uint8"], shape, scale, zero_point + 128, value=flipped(value))
        return Operand(code, shape, scale, zero_point, value=value)

    def like(self, t: int, shape: Sequence[int] | None = None, quantization: Quantization | None = None) -> int:
        """A new operand of the type of tensor `t`, for an operation to write."""
        tensor = self.graph.tensors[t]
        described = self.described(
            Tensor(
                "", tuple(tensor.shape if shape is None else shape), tensor.dtype,
                quantization=quantization or tensor.quantization,
            )
        )  # fmt: skip
        return self.add(described)

    def integer(self, value: int) -> int:
        return self.add(Operand(codes.INT32, value=np.int32(value).tobytes()))

    def real(self, value: float) -> int:
        return self.add(Operand(codes.FLOAT32, value=np.float32(value).tobytes()))

    def boolean(self, value: bool) -> int:
        return self.add(Operand(codes.BOOL, value=bytes([bool(value)])))

    def integers(self, values: Sequence[int] | Array) -> int:
        """A constant of int32."""
        array = np.asarray(values, np.int32)
        return self.add(Operand(codes.TENSOR_INT32, array.shape, value=array.tobytes()))

    def constant(self, array: Array, like: int) -> int:
        """Elements of the type and quantization of operand `like`."""
        other = self.operands[like]
        return self.add(Operand(other.type, array.shape, other.scale, other.zero_point, value=array.tobytes()))

    def bias(self, values: Array, scales: Sequence[float]) -> int:
        """A quantized convolution's: int32 with the scale of the sums, or none where channels differ."""
        scale = float(scales[0]) if len(scales) == 1 else 0.0
        return self.add(Operand(codes.TENSOR_INT32, values.shape, scale, value=values.astype(np.int32).tobytes()))

    def model(self, body: Draft) -> int:
        return self.add(Operand(codes.MODEL, model=body))

    def absent(self, type_code: int) -> int:
        """A tensor that is left out."""
        scale = 1.0 if type_code in (codes.TENSOR_QUANT8_SYMM, codes.TENSOR_QUANT16_SYMM) else 0.0
        return self.add(Operand(type_code, (0,), scale, absent=True))

    def copy(self, t: int) -> int:
        """The tensor's value in an operand of its own: a model's input or a constant cannot be its output."""
        tensor = self.graph.tensors[t]
        if len(tensor.shape) > MOST_RANK:
            raise Refused(f"tensor {t} would be copied, and has more than {MOST_RANK} dimensions")
        given, made = self.tensor(t), self.like(t)
        if tensor.dtype == "int32":
            zero = self.add(Operand(codes.TENSOR_INT32, ONE, value=bytes(4)))
            self.write("ADD", [given, zero, self.integer(0)], made)
        elif tensor.dtype == "bool":
            self.write("LOGICAL_OR", [given, given], made)
        else:
            self.write("RESHAPE", [given, self.integers(tensor.shape or ONE)], made)
        return made

    def write(self, name: str, inputs: Sequence[int], outputs: int | Sequence[int]) -> None:
        """Appends an operation. Raises Refused where this feature level does not have it."""
        needed = codes.OPERATIONS[name][1]
        if self.level < needed:
            raise Refused(f"NNAPI's {name} needs {codes.called(needed)}, and this is {codes.called(self.level)}")
        written = (outputs,) if isinstance(outputs, int) else tuple(outputs)
        self.operations.append(Operation(name, tuple(inputs), written, self.op))


def per_channel(tensor: Tensor, value: bytes | memoryview | None) -> Operand:
    """Weights with a scale for each index of one dimension."""
    quantization = tensor.quantization
    assert quantization is not None
    return Operand(
        codes.TENSOR_QUANT8_SYMM_PER_CHANNEL,
        tensor.shape,
        channel_scales=quantization.scales,
        channel_axis=quantization.axis,
        value=value,
    )


def flipped(value: bytes | memoryview | None) -> bytes | None:
    """int8 as uint8 that is 128 higher."""
    return None if value is None else (np.frombuffer(value, np.uint8) ^ SIGN_BIT).tobytes()


def _bytes(tensor: Tensor) -> bytes | memoryview | None:
    """Exactly the constant's, whatever lies behind them in the file."""
    if tensor.buffer is None:
        return None
    data = tensor.data
    if data is None:
        raise Refused("a constant is sparse, or of a type that cannot be read here")
    return memoryview(tensor.buffer)[: data.nbytes]


def _parameters(quantization: Quantization | None) -> tuple[float, int]:
    """One scale and zero point; (0, 0) where there are none."""
    if quantization is None or not quantization.scales:
        return 0.0, 0
    return quantization.scales[0], (quantization.zero_points or (0,))[0]
