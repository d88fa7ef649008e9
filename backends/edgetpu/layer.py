"""What a program says of one of its inputs or outputs: size, type, quantization, and how an output lies in tiles."""

from __future__ import annotations

from dataclasses import dataclass

from subgraft.backends.edgetpu.errors import PackageError
from subgraft.backends.edgetpu.flatbuffer import INT16, UINT8, Integers, Table

# DataType of executable.fbs: numpy's name where there is one, and the bytes of an element.
DTYPES = {
    0: ("uint8", 1),
    1: ("uint16", 2),
    2: ("int32", 4),
    3: ("bfloat16", 2),
    4: ("float16", 2),
    5: ("float32", 4),
    8: ("int8", 1),
    9: ("int16", 2),
}
FLIPPED = frozenset({"int8", "int16"})  # the device computes unsigned: the top bit of each element is inverted
MAX_LAYER_BYTES = 1 << 28  # ours, against sizes made up by damaged files; the largest known one has 2.8 MB
MAX_NAME_BYTES = 1 << 12
OUTPUT_LAYER, INPUT_LAYER = 1, 2  # AnyLayer of executable.fbs


@dataclass(frozen=True, slots=True, eq=False)
class OutputLayout:
    """Where the elements of an output lie, in element units (OutputLayout of executable.fbs).

    index(y, x, z) = tile_offset[y_to_tile[y] + x_to_tile[x]] + y_to_row[y] * x_to_row_size[x] + x_to_offset[x] + z
    """

    y_to_tile: Integers
    x_to_tile: Integers
    tile_offset: Integers
    x_to_offset: Integers
    y_to_row: Integers
    x_to_row_size: Integers


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """One input or output of a program.

    size_bytes: as transferred, padding included, for all executions of one inference.
    y, x, z: the tensor's dimensions; a vector has y = x = 1.
    layout: of outputs that lie in tiles; None: as the tensor, z padded at the end.
    executions: how often the layer runs in one inference.
    shape: of the tensor; empty where the file has none.
    """

    name: str
    size_bytes: int
    y: int
    x: int
    z: int
    dtype: str
    zero_point: int
    scale: float
    layout: OutputLayout | None
    executions: int
    shape: tuple[int, ...]
    element_bytes: int

    @property
    def tensor_bytes(self) -> int:
        """Without padding."""
        return self.y * self.x * self.z * self.element_bytes * self.executions


def read_layer(table: Table, kind: int) -> Layer:
    """kind: OUTPUT_LAYER or INPUT_LAYER. Raises PackageError."""
    name = _name(table)
    what = f"the {'output' if kind == OUTPUT_LAYER else 'input'} {name!r} of the compiled model"
    if table.integer(7, layout=UINT8) not in (0, kind):
        raise PackageError(f"{what} is listed with the wrong kind of layers")
    y, x, z = (table.integer(slot) for slot in (2, 3, 4))
    size_bytes, executions = table.integer(1), table.integer(9, default=1)
    code = table.integer(6, layout=INT16)
    if code not in DTYPES:
        raise PackageError(f"{what} has the data type {code}, which does not exist")
    dtype, element_bytes = DTYPES[code]
    if min(y, x, z, executions) < 1 or not 0 < size_bytes <= MAX_LAYER_BYTES:
        raise PackageError(f"{what} cannot have {y} x {x} x {z} elements, {executions} times, in {size_bytes} bytes")
    numerics, details = table.table(5), table.table(8)
    return Layer(
        name=name,
        size_bytes=size_bytes,
        y=y,
        x=x,
        z=z,
        dtype=dtype,
        zero_point=numerics.integer(0) if numerics else 0,
        scale=numerics.real(1) if numerics else 0.0,
        layout=_layout(details, what) if details and kind == OUTPUT_LAYER else None,
        executions=executions,
        shape=_shape(table.table(11)),
        element_bytes=element_bytes,
    )


def _name(table: Table) -> str:
    if len(table.view(0)) > MAX_NAME_BYTES:
        raise PackageError(f"an input or output of the compiled model has a name of over {MAX_NAME_BYTES} bytes")
    return table.text(0)


def _layout(output: Table, what: str) -> OutputLayout | None:
    if output.has(2):
        raise PackageError(f"{what} is described by slices, as for batches; subgraft reads tiles only")
    layout = output.table(0)
    return OutputLayout(*(layout.integers(slot) for slot in range(6))) if layout else None


def _shape(shape: Table | None) -> tuple[int, ...]:
    """From inclusive ranges of indices."""
    if shape is None:
        return ()
    ranges = shape.integers(0, per_element=2).reshape(-1, 2)
    return tuple((ranges[:, 1] - ranges[:, 0] + 1).tolist())
