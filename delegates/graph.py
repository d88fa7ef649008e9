"""What a delegate sees of a model: tensors, ops, a graph of them, and a segment to run as one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from subgraft.delegates.contract import Executable

Array = npt.NDArray[Any]

# TFLite's types whose elements numpy stores in the same bytes. The others are packed (int4, int2, uint4), have no
# fixed size (string, resource, variant) or no numpy type (bfloat16, float8).
NUMPY_DTYPES: Mapping[str, np.dtype[Any]] = {
    name: np.dtype(name)
    for name in (
        "float32", "float16", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64",
        "bool", "complex64", "complex128",
    )
}  # fmt: skip

# Bits and signedness of the packed types; two or four elements a byte, the lowest bits first.
PACKED_DTYPES: Mapping[str, tuple[int, bool]] = {"int4": (4, True), "uint4": (4, False), "int2": (2, True)}


@dataclass(frozen=True, slots=True)
class Blockwise:
    """Scales for each block of `block_size` elements, kept in tensors of the same graph."""

    scales: int
    zero_points: int  # -1: all zero
    block_size: int
    quantized_dimensions: tuple[int, ...] | None = None  # None: BlockwiseQuantization, else MultiAxisQuantization


@dataclass(frozen=True, slots=True)
class Quantization:
    """real = scale * (value - zero point); one pair, or one per index of dimension `axis`."""

    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    blockwise: Blockwise | None = None
    min: tuple[float, ...] = ()  # of the values seen while quantizing; no kernel uses them
    max: tuple[float, ...] = ()
    custom: bytes | None = None  # CustomQuantization's opaque bytes


@dataclass(frozen=True, slots=True)
class SparseDimension:
    """One dimension of a sparse tensor: dense (`size`), or compressed (CSR `segments` and `indices`)."""

    size: int = 0
    segments: Array | None = None  # int32, uint16 or uint8, as stored
    indices: Array | None = None
    compressed: bool = False


@dataclass(frozen=True, slots=True)
class Sparsity:
    """TACO-style layout of a sparse constant; see SparsityParameters in the .tflite schema."""

    traversal_order: tuple[int, ...]
    block_map: tuple[int, ...]
    dimensions: tuple[SparseDimension, ...]


@dataclass(frozen=True, slots=True)
class VariantType:
    """The element type of a VARIANT tensor."""

    shape: tuple[int, ...]
    dtype: str
    has_rank: bool = False


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value in a graph.

    dtype: TFLite's name in lower case ("float32", "int4", "string", ...).
    buffer: a constant's bytes as the file stores them, else None.
    shape_signature: the shape with -1 where a dimension is free; None where the file has none.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    buffer: memoryview | bytes | None = None
    quantization: Quantization | None = None
    shape_signature: tuple[int, ...] | None = None
    is_variable: bool = False
    sparsity: Sparsity | None = None
    has_rank: bool = False
    variant_types: tuple[VariantType, ...] = ()
    external_buffer: int = 0

    @classmethod
    def constant(cls, name: str, value: npt.ArrayLike, quantization: Quantization | None = None) -> Tensor:
        """A constant of the array's dtype and shape."""
        array = np.asarray(value)
        return cls(name, array.shape, array.dtype.name, np.ascontiguousarray(array).tobytes(), quantization)

    @property
    def is_constant(self) -> bool:
        return self.buffer is not None

    @property
    def data(self) -> Array | None:
        """A constant's elements as a read-only array of this shape; packed types one element a byte.

        None for what is no constant, is sparse, or has elements numpy cannot hold (strings, bfloat16, ...).
        Raises ValueError when the buffer is too small for the shape.
        """
        if self.buffer is None or self.sparsity is not None:
            return None
        if self.dtype in PACKED_DTYPES:
            array = unpack(np.frombuffer(self.buffer, np.uint8), self.dtype, int(np.prod(self.shape)))
        elif self.dtype in NUMPY_DTYPES:
            count = int(np.prod(self.shape, dtype=np.int64))
            array = np.frombuffer(self.buffer, NUMPY_DTYPES[self.dtype], count)
        else:
            return None
        array = array.reshape(self.shape)
        array.flags.writeable = False
        return array


def unpack(packed: Array, dtype: str, count: int) -> Array:
    """`count` elements of a packed type, one a byte (int8 or uint8)."""
    bits, signed = PACKED_DTYPES[dtype]
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    values = ((packed[:, None] >> shifts) & ((1 << bits) - 1)).reshape(-1)[:count]
    if not signed:
        return values
    sign = 1 << (bits - 1)
    return ((values ^ sign).astype(np.int8) - np.int8(sign)).astype(np.int8)


class Options(Mapping[str, Any]):
    """An op's builtin options by name, as attributes or items.

    Enumerations are their schema names ("SAME", "RELU6"; a number when the schema has none for it), vectors are
    tuples, and what the file leaves out has the schema's default.
    """

    __slots__ = ("_values", "table")

    def __init__(self, values: Mapping[str, Any] | None = None, *, table: str = "") -> None:
        self._values = dict(values or {})
        self.table = table  # the schema's name for it, "Conv2DOptions"; empty where the op has none

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return self._values[name]
        except KeyError:
            raise AttributeError(f"{self.table or 'this op'} has no option {name!r}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"{self.table or 'Options'}({', '.join(f'{k}={v!r}' for k, v in self._values.items())})"


@dataclass(frozen=True, slots=True)
class Op:
    """One operator.

    kind: the builtin's schema name ("CONV_2D"), or the custom op's own name.
    inputs, outputs: tensor indices in the graph; -1 for an optional input that is absent.
    """

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options = field(default_factory=Options)
    version: int = 1
    is_custom: bool = False
    custom_options: bytes = b""
    intermediates: tuple[int, ...] = ()
    mutating_variable_inputs: tuple[bool, ...] = ()
    custom_options_format: int = 0  # 0: flexbuffers
    debug_metadata_index: int = -1


class SegmentServices(Protocol):
    """What the interpreter does for segments, so that a backend need not import it."""

    def to_tflite(self, segment: Segment) -> bytes: ...

    def reference(self, segment: Segment) -> Executable: ...

    def read(self, tflite: bytes) -> Graph: ...

    def body(self, index: int) -> Graph: ...


@dataclass(frozen=True, slots=True)
class Graph:
    """One subgraph of a model; ops are in an order that can be executed."""

    tensors: Sequence[Tensor]
    ops: Sequence[Op]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    name: str = ""
    index: int = 0  # its place among the model's subgraphs
    services: SegmentServices | None = field(default=None, repr=False, compare=False)
    debug_metadata_index: int = -1
    _memo: list[tuple[dict[int, int], dict[int, list[int]]]] = field(
        default_factory=list, init=False, repr=False, compare=False
    )

    def producers(self) -> Mapping[int, int]:
        """Tensor index to the index of the op that writes it."""
        return self._ends()[0]

    def consumers(self) -> Mapping[int, Sequence[int]]:
        """Tensor index to the indices of the ops that read it, in order; no entry for what nothing reads."""
        return self._ends()[1]

    def segment(self, ops: Iterable[int]) -> Segment:
        """These ops as one segment; its inputs and outputs follow from the graph."""
        chosen = tuple(sorted(ops))
        inside = set(chosen)
        consumers = self.consumers()
        made = dict.fromkeys(t for i in chosen for t in self.ops[i].outputs if t >= 0)
        read = dict.fromkeys(t for i in chosen for t in self.ops[i].inputs if t >= 0 and t not in made)
        leaving = [t for t in made if t in self.outputs or any(i not in inside for i in consumers.get(t, ()))]
        return Segment(
            graph=self,
            ops=chosen,
            inputs=tuple(t for t in read if not self.tensors[t].is_constant),
            outputs=(*leaving, *(t for t in read if self.tensors[t].is_variable)),
        )

    def body(self, index: int) -> Graph:
        """Another subgraph of the same model, such as an IF's branch. Raises ModelError where there is none."""
        if self.services is None:
            raise RuntimeError("this graph was made by hand; load it with subgraft.load() first")
        return self.services.body(index)

    def _ends(self) -> tuple[dict[int, int], dict[int, list[int]]]:
        if not self._memo:
            producers: dict[int, int] = {}
            consumers: dict[int, list[int]] = {}
            for i, op in enumerate(self.ops):
                producers.update((t, i) for t in op.outputs if t >= 0)
                for t in dict.fromkeys(op.inputs):
                    if t >= 0:
                        consumers.setdefault(t, []).append(i)
            self._memo.append((producers, consumers))
        return self._memo[0]


@dataclass(frozen=True, slots=True)
class Segment:
    """Ops that run as one: every input exists before the first op, every output leaves after the last.

    ops, inputs, outputs: indices into graph.ops and graph.tensors. Constants are not inputs. A variable tensor is an
    input (the state before the run) and an output (the state after it).
    """

    graph: Graph
    ops: tuple[int, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def to_tflite(self) -> bytes:
        """This segment as a model of its own, for a compiler; its inputs and outputs in the order given here."""
        return self._services().to_tflite(self)

    def reference(self) -> Executable:
        """The CPU's executable of this segment: for fallback, verification, emulators and the fake delegate."""
        return self._services().reference(self)

    def read(self, tflite: bytes) -> Graph:
        """The main graph of a .tflite file, such as a compiler makes of to_tflite(). Raises ModelError."""
        return self._services().read(tflite)

    def handed_to(self, reader: Segment) -> tuple[int, ...]:
        """The tensors made here that only `reader`, a segment of the same graph, reads."""
        consumers, inside = self.graph.consumers(), set(reader.ops)
        return tuple(
            t
            for t in self.outputs
            if t in reader.inputs
            and t not in self.graph.outputs
            and not self.graph.tensors[t].is_variable
            and inside.issuperset(i for i in consumers[t] if i not in self.ops)
        )

    def _services(self) -> SegmentServices:
        if self.graph.services is None:
            raise RuntimeError("this graph was made by hand; load it with subgraft.load() first")
        return self.graph.services


# The main graphs of .tflite files that a user named. A delegate's factory that annotates a parameter with it is given
# the graphs of those files: the interpreter reads them, as backends must not.
Models = Sequence[Graph]
