"""What a kernel test is: one op with its tensors as data, built into a model of that op alone.

A table of cases is a module op_cases_<family>.py with a list CASES, which test_kernels.py runs: a stratified sample of
it by default (op_tables.py), all of it with -m conformance, and then also what is in a list MORE.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import strings
from subgraft.delegates import Blockwise, Graph, Op, Options, Quantization, Tensor
from subgraft.interpreter.model import Model

Array = np.ndarray[Any, np.dtype[Any]]
Shape = Sequence[int]

PACKED = {"int4": (-8, 7), "uint4": (0, 15), "int2": (-2, 1)}  # ranges of the types that numpy lacks
TEXTS = (b"", b"a", b"b", b"some words", "é".encode(), b"\xff")  # random strings
UNQUANTIZED_INTEGERS = (-100, 100)  # default range of random integers without a scale


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """A tensor of the op. A scale, or several of them along `axis`, makes it quantized.

    block: so many neighbours in a row have a scale of their own; these are random, in a float16 tensor.
    """

    shape: Shape = ()
    dtype: str = "float32"
    scale: float | Sequence[float] = ()
    zero: int | Sequence[int] = 0
    axis: int = 0
    block: int = 0
    name: str = ""
    shape_signature: Shape | None = None

    def quantization(self) -> Quantization | None:
        scales = tuple(np.atleast_1d(np.asarray(self.scale, np.float64)).tolist())
        if not scales:
            return None
        zeros = np.atleast_1d(self.zero).tolist()
        return Quantization(scales=scales, zero_points=tuple(zeros * (len(scales) // len(zeros))), axis=self.axis)


@dataclass(frozen=True, kw_only=True)
class In(TensorSpec):
    """An input. Its values are random unless given: normal * 3 for floats, the whole range for quantized integers.
    Those of strings are always given, as bytes.

    constant: part of the model instead of fed. variable: the op's own state, zero at first, neither fed nor returned.
    low, high: bounds of random values, both included.
    """

    value: Any = None
    constant: bool = False
    variable: bool = False
    low: float | None = None
    high: float | None = None

    def values(self, seed: int) -> Array:
        if self.dtype == "bfloat16":
            return bfloat16_bits(replace(self, dtype="float32").values(seed))
        if self.dtype == "string":
            return self._texts(seed)
        dtype = np.dtype({"int4": "int8", "uint4": "uint8", "int2": "int8"}.get(self.dtype, self.dtype))
        if self.value is not None:
            return np.asarray(self.value, dtype).reshape(self.shape)
        rng = np.random.default_rng(seed)
        if dtype.kind in "fc":
            if self.low is None:
                return np.asarray(rng.standard_normal(self.shape) * 3).astype(dtype)
            return np.asarray(rng.uniform(self.low, self.high, self.shape)).astype(dtype)
        if dtype.kind == "b":
            return np.asarray(rng.integers(0, 2, self.shape)).astype(dtype)
        low, high = self._bounds(dtype)
        return np.asarray(rng.integers(low, high, self.shape, dtype, endpoint=True))

    def _texts(self, seed: int) -> Array:
        texts = np.empty(self.shape, object)
        if self.value is None:
            texts.flat = [TEXTS[i] for i in np.random.default_rng(seed).integers(0, len(TEXTS), texts.size)]
        else:
            texts[...] = np.asarray(self.value, object).reshape(self.shape)
        return texts

    def _bounds(self, dtype: np.dtype[Any]) -> tuple[int, int]:
        if self.low is not None and self.high is not None:
            return int(self.low), int(self.high)
        if self.dtype in PACKED:
            return PACKED[self.dtype]
        limits = np.iinfo(dtype)
        low, high = (int(limits.min), int(limits.max))
        if self.quantization() is None and dtype.itemsize > 1:
            low, high = max(low, UNQUANTIZED_INTEGERS[0]), min(high, UNQUANTIZED_INTEGERS[1])
        return low, high


@dataclass(frozen=True, kw_only=True)
class Out(TensorSpec):
    """An output. The shape is what the file says; kernels find their own, so it is rarely needed."""


def x(*shape: int, dtype: str = "float32", **more: Any) -> In:
    """An input that is fed."""
    return In(shape=shape, dtype=dtype, **more)


def c(*shape: int, dtype: str = "float32", **more: Any) -> In:
    """A constant of random values."""
    return In(shape=shape, dtype=dtype, constant=True, **more)


def const(value: Any, dtype: str = "int32", **more: Any) -> In:
    """A constant of these values: axes, shapes, paddings."""
    return In(shape=np.shape(value), dtype=dtype, value=value, constant=True, **more)


def fed(value: Any, dtype: str = "float32", **more: Any) -> In:
    """An input that is fed with these values."""
    return In(shape=np.shape(value), dtype=dtype, value=value, **more)


def out(dtype: str = "float32", **more: Any) -> Out:
    return Out(dtype=dtype, **more)


@dataclass(frozen=True)
class Case:
    """One op and what is expected of it.

    Expected is what the oracle says with `resolver`, or `expected(inputs)`, or, with `error`, a refusal whose message
    matches that regular expression. Anything but BUILTIN_REF is explained in `why`.

    inputs: None for an optional input that is absent. Random values follow from `seed`.
    tolerance: for floats, relative to the largest expected magnitude; integers must be equal.
    runs: how often the op runs on new random inputs, for ops with state.
    bodies: the model's other subgraphs, from number 1 on.
    """

    kind: str
    inputs: Sequence[In | None]
    outputs: Sequence[Out]
    options: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    seed: int = 0
    resolver: str = "BUILTIN_REF"
    why: str = ""
    expected: Callable[[list[Array]], list[Array]] | None = None
    error: str | None = None
    tolerance: float = 1e-5
    runs: int = 1
    is_custom: bool = False
    custom_options: bytes = b""
    intermediates: Sequence[TensorSpec] = ()
    label: str = ""
    bodies: Sequence[Graph] = ()

    def __post_init__(self) -> None:
        plain = self.resolver == "BUILTIN_REF" and self.expected is None
        assert plain or self.why, f"{self.name()}: say why BUILTIN_REF is not what is expected"

    def name(self) -> str:
        given = [i for i in self.inputs if i is not None]
        text = "_".join(f"{i.dtype}{'k' if i.constant else ''}{'x'.join(map(str, i.shape))}" for i in given)
        return f"{self.kind}-{text}" + (f"-{self.label}" if self.label else "")

    def seeds(self, run: int = 0) -> Iterator[tuple[In, int]]:
        """The inputs that are present, with the seed of their values; constants have one for all runs."""
        for place, spec in enumerate(self.inputs):
            if spec is not None:
                yield spec, hash((self.seed, place, 0 if spec.constant else run)) & 0xFFFFFFFF

    def feed(self, run: int = 0) -> list[Array]:
        """What the model's inputs get."""
        return [spec.values(seed) for spec, seed in self.seeds(run) if not spec.constant and not spec.variable]

    def arrays(self, run: int = 0) -> list[Array]:
        """All inputs of the op that are present, constants too."""
        return [spec.values(seed) for spec, seed in self.seeds(run)]

    def graph(self, copy_inputs: bool = False) -> Graph:
        """The op alone; or behind copies of what is fed, whose memory it may reuse for its output."""
        tensors: list[Tensor] = []
        numbers = []
        seeds = iter(self.seeds())
        for place, spec in enumerate(self.inputs):
            numbers.append(-1 if spec is None else len(tensors))
            if spec is not None:
                tensors.append(_input_tensor(spec, f"input{place}", next(seeds)[1]))
        fed = [t for t, spec in zip(numbers, self.inputs, strict=True) if spec and not (spec.constant or spec.variable)]
        outputs = tuple(range(len(tensors), len(tensors) + len(self.outputs)))
        tensors += [_tensor(spec, f"output{i}") for i, spec in enumerate(self.outputs)]
        intermediates = tuple(range(len(tensors), len(tensors) + len(self.intermediates)))
        tensors += [_tensor(spec, f"intermediate{i}") for i, spec in enumerate(self.intermediates)]
        for number, spec in zip(numbers, self.inputs, strict=True):
            if spec is not None and spec.block:
                tensors[number] = replace(tensors[number], quantization=_blockwise(len(tensors), spec.block))
                tensors.append(Tensor.constant(f"scales of {number}", _block_scales(spec, self.seed)))
        copies = []
        if copy_inputs:
            for t in (t for t in fed if tensors[t].dtype not in PACKED):
                name, shape = tensors[t].name, tensors[t].shape
                tensors.append(Tensor.constant(f"shape of {name}", np.array(shape, np.int32)))
                copies.append(Op("RESHAPE", (t, len(tensors) - 1), (len(tensors),)))
                numbers = [len(tensors) if n == t else n for n in numbers]
                tensors.append(replace(tensors[t], name=f"copy of {name}"))
        op = Op(
            self.kind,
            tuple(numbers),
            outputs,
            Options(self.options),
            version=self.version,
            is_custom=self.is_custom,
            custom_options=self.custom_options,
            intermediates=intermediates,
        )
        return Graph(tensors, [*copies, op], tuple(fed), outputs, name="main")

    def model(self, copy_inputs: bool = False) -> bytes:
        return Model.of(self.graph(copy_inputs), *self.bodies).to_bytes()


def _blockwise(scales: int, block: int) -> Quantization:
    return Quantization(blockwise=Blockwise(scales, zero_points=-1, block_size=block))


def _block_scales(spec: TensorSpec, seed: int) -> Array:
    count = int(np.prod(spec.shape)) // spec.block
    return np.random.default_rng(seed).uniform(0.01, 0.2, count).astype(np.float16)


def _input_tensor(spec: In, name: str, seed: int) -> Tensor:
    if not spec.constant:
        return _tensor(spec, name, is_variable=spec.variable)
    return _tensor(spec, name, buffer=stored(spec.values(seed), spec.dtype))


def _tensor(spec: TensorSpec, name: str, **more: Any) -> Tensor:
    return Tensor(
        spec.name or name,
        tuple(spec.shape),
        spec.dtype,
        quantization=spec.quantization(),
        shape_signature=None if spec.shape_signature is None else tuple(spec.shape_signature),
        **more,
    )


def bfloat16_bits(values: Array) -> Array:
    """What numpy lacks, as we give and take it: the upper halves of floats, rounded to even, as uint16."""
    bits = np.asarray(values, np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
    return np.where(np.isnan(values), 0x7FC0, rounded).astype(np.uint16)


def numbers(values: Array, dtype: str) -> Array:
    """The elements of a tensor, with bfloat16 as floats."""
    return (values.astype(np.uint32) << 16).view(np.float32) if dtype == "bfloat16" else values


def stored(values: Array, dtype: str) -> bytes:
    """Values as the file stores them."""
    if dtype == "string":
        return strings.pack(values.reshape(-1).tolist())
    return pack(values, dtype) if dtype in PACKED else values.tobytes()


def pack(values: Array, dtype: str) -> bytes:
    """Values of a packed type as the file stores them: the first in the lowest bits."""
    bits = 2 if dtype == "int2" else 4
    per_byte = 8 // bits
    flat = values.reshape(-1).astype(np.uint8) & ((1 << bits) - 1)
    flat = np.pad(flat, (0, -len(flat) % per_byte)).reshape(-1, per_byte)
    packed = np.zeros(len(flat), np.uint8)
    for i in range(per_byte):
        packed |= flat[:, i] << (i * bits)
    return packed.tobytes()


def compare(ours: Array, theirs: Array, tolerance: float) -> str:
    """Empty when equal (floats: within the tolerance), else what differs."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return f"{ours.dtype}{list(ours.shape)} instead of {theirs.dtype}{list(theirs.shape)}"
    if ours.size == 0:
        return ""
    if ours.dtype.kind not in "fc":
        wrong = ours != theirs
    else:
        finite = np.isfinite(theirs)
        limit = tolerance * float(np.max(np.abs(theirs[finite]), initial=0))
        with np.errstate(invalid="ignore"):
            wrong = np.where(finite, ~(np.abs(ours - theirs) <= limit), ~_same(ours, theirs))
    if not wrong.any():
        return ""
    where = tuple(int(i) for i in np.argwhere(wrong)[0])
    return f"{int(wrong.sum())} of {wrong.size} differ, the first at {list(where)}: {ours[where]} != {theirs[where]}"


def _same(a: Array, b: Array) -> Array:
    return (a == b) | (np.isnan(a) & np.isnan(b))
