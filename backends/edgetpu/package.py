"""A compiled model: from the custom op's options to the programs for the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from subgraft import _native
from subgraft.backends.edgetpu.errors import NeedsNewerRuntime, PackageError
from subgraft.backends.edgetpu.flatbuffer import INT16, INT64, UINT8, UINT64, Flatbuffer, Table
from subgraft.backends.edgetpu.layer import INPUT_LAYER, OUTPUT_LAYER, Layer, OutputLayout, read_layer
from subgraft.delegates import Op

CUSTOM_OP = "edgetpu-custom-op"
PACKAGE_KEY, FURTHER_CHIPS_KEY, OLD_FORM_KEY = "4", "7", "3"  # of the custom op's map (libedgetpu custom_op_data.cc)

IDENTIFIER = b"DWN1"
IDENTIFIER_AT = 4
RUNTIME_VERSION = 14  # what this driver speaks (libedgetpu api/runtime_version.h, kCurrent)
CHIP = "beagle"
STAND_IN = "subgraft stand-in compiler"  # how the compiler_version of packages for the emulated device begins

KINDS = ("standalone", "parameter_caching", "execution_only")  # ExecutableType of executable.fbs
SOURCES = ("output", "input", "parameters", "scratch")  # Description
ALLOWED = ({"parameter_caching", "execution_only"}, {"parameter_caching", "execution_only", "standalone"})

# Ours, far beyond every known model, so that a damaged file costs little: most programs have one to four bitstreams
# of up to 256 KiB, 20 fields, 18 hints and 10 layers, and 1.4 MB of scratch.
MAX_PROGRAMS = 3
MAX_BITSTREAMS = 1 << 10
MAX_FIELDS = 1 << 14
MAX_HINTS = 1 << 14
MAX_LAYERS = 1 << 10
MAX_SCRATCH_BYTES = 1 << 28
FIELD_BITS = 32


@dataclass(frozen=True, slots=True)
class Field:
    """32 bits of a bitstream that hold half of an address. Over USB they may have any value."""

    source: str  # of SOURCES
    name: str  # of the input or output
    batch: int
    upper: bool  # the address's upper half
    offset_bit: int


@dataclass(frozen=True, slots=True)
class Bitstream:
    """One chunk of instructions."""

    data: bytes
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class DataHint:
    """The device moves these bytes next. outfeed: it sends them; only scratch goes both ways."""

    source: str  # of SOURCES
    name: str  # of the input or output
    batch: int
    offset: int
    size: int
    outfeed: bool


@dataclass(frozen=True, slots=True)
class InstructionHint:
    """The device reads this chunk of instructions next."""

    chunk: int


@dataclass(frozen=True, slots=True)
class InterruptHint:
    """The device raises this interrupt of its scalar core, 0 to 3."""

    number: int


@dataclass(frozen=True, slots=True)
class FenceHint:
    """All that was hinted at before must be done first."""


Hint = DataHint | InstructionHint | InterruptHint | FenceHint


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """One executable: what is sent to the device for one inference, or to fill its parameter memory.

    kind: of KINDS. hints: every transfer in order, where `deterministic`. token: of 0 nothing stays cached; programs
    that share another may keep their parameters on the device side by side.
    estimated_cycles: the compiler's guess, 0 for none.
    """

    kind: str
    name: str
    bitstreams: tuple[Bitstream, ...]
    parameters: bytes
    hints: tuple[Hint, ...]
    deterministic: bool
    inputs: tuple[Layer, ...]
    outputs: tuple[Layer, ...]
    token: int
    scratch_bytes: int
    batch_size: int
    estimated_cycles: int
    chip: str

    def layer(self, hint: DataHint) -> tuple[int, Layer]:
        """The input or output that it names, and its place among its kind. Raises PackageError."""
        layers = self.inputs if hint.source == "input" else self.outputs
        for i, layer in enumerate(layers):
            if layer.name == hint.name:
                return i, layer
        raise PackageError(f"the compiled model moves the {hint.source} {hint.name!r}, which it does not have")


@dataclass(frozen=True, slots=True, eq=False)
class Package:
    """What one custom op holds."""

    min_runtime_version: int
    compiler_version: str
    model_identifier: str
    executables: tuple[Program, ...]

    @classmethod
    def parse(cls, data: bytes) -> Package:
        """Raises PackageError for what is malformed or not for this kind of device, NeedsNewerRuntime."""
        if data[IDENTIFIER_AT : IDENTIFIER_AT + len(IDENTIFIER)] != IDENTIFIER:
            raise PackageError("the compiled part of the model is no Edge TPU package: 'DWN1' is missing")
        table = Flatbuffer(memoryview(data), "the Edge TPU package").root()
        version = table.integer(0)
        if version > RUNTIME_VERSION:
            raise NeedsNewerRuntime(
                f"the model was compiled for runtime version {version}, this driver speaks up to {RUNTIME_VERSION}; "
                f"compile it with 'edgetpu_compiler --min_runtime_version {RUNTIME_VERSION}'"
            )
        if version < 1:
            raise PackageError(f"the Edge TPU package is damaged: it asks for runtime version {version}")
        if table.count(6):
            raise PackageError("the model was compiled for several chips at once, which subgraft does not drive")
        executables = tuple(_programs(table.view(1)))
        return cls(version, table.text(4), table.text(7), executables)

    @property
    def parameter_caching(self) -> Program | None:
        """What fills the parameter memory before the first inference; None: nothing has to."""
        return None if self._of("standalone") else self._of("parameter_caching")

    @property
    def inference(self) -> Program:
        """What runs one inference."""
        program = self._of("standalone") or self._of("execution_only") or self._of("parameter_caching")
        assert program, "parse() takes no package without programs"
        return program

    @property
    def is_for_emulator(self) -> bool:
        """Made by the stand-in compiler: a real device must not get it."""
        return self.compiler_version.startswith(STAND_IN)

    def _of(self, kind: str) -> Program | None:
        return next((program for program in self.executables if program.kind == kind), None)


def package_of(op: Op) -> bytes:
    """The package inside an edgetpu-custom-op. Raises PackageError."""
    if op.kind != CUSTOM_OP:
        raise PackageError(f"{op.kind} is no {CUSTOM_OP}")
    try:
        options = _native.decode_flexbuffer(op.custom_options)
    except ValueError as error:
        raise PackageError(
            f"the options of the {CUSTOM_OP} are damaged, or of a form before 2019 that needs compiling again: {error}"
        ) from error
    if not isinstance(options, Mapping) or OLD_FORM_KEY in options:
        raise PackageError(f"the {CUSTOM_OP} has an older form; compile the model again")
    if options.get(FURTHER_CHIPS_KEY):
        raise PackageError("the model was compiled for several chips at once, which subgraft does not drive")
    package = options.get(PACKAGE_KEY)
    if isinstance(package, str):  # a string that happens to be UTF-8
        package = package.encode()
    if not isinstance(package, bytes):
        raise PackageError(f"the {CUSTOM_OP} holds no package; compile the model again")
    return package


def _programs(multi_executable: memoryview) -> Iterator[Program]:
    if not multi_executable:
        raise PackageError("the Edge TPU package holds no programs")
    listed = Flatbuffer(multi_executable, "the list of programs of the Edge TPU package").root()
    programs = [_program(Flatbuffer(view, "an Edge TPU program").root()) for view in listed.views(0, MAX_PROGRAMS)]
    kinds = [program.kind for program in programs]
    if len(programs) != 1 and (set(kinds) not in ALLOWED or len(set(kinds)) != len(kinds)):
        raise PackageError(
            f"the Edge TPU package holds the programs {', '.join(kinds) or 'none'}: no known combination"
        )
    return iter(programs)


def _program(table: Table) -> Program:
    kind, chip, batch_size = table.integer(13, layout=INT16), table.text(10), table.integer(3, default=1)
    if not 0 <= kind < len(KINDS):
        raise PackageError(f"an Edge TPU program has the type {kind}, which does not exist")
    if chip != CHIP:
        raise PackageError(f"the model was compiled for the chip {chip!r}; the Coral Edge TPU is {CHIP!r}")
    if table.integer(0) != 0:
        raise PackageError(f"an Edge TPU program has the format version {table.integer(0)}, subgraft reads 0")
    if table.integer(15, layout=UINT8):
        raise PackageError("the model keeps its parameters in DRAM of the device, which the Coral Edge TPU lacks")
    scratch_bytes = table.integer(4)
    if batch_size < 1 or not 0 <= scratch_bytes <= MAX_SCRATCH_BYTES:
        raise PackageError(f"an Edge TPU program cannot have batches of {batch_size} and {scratch_bytes} B of scratch")
    hints = table.table(7)
    return Program(
        kind=KINDS[kind],
        name=table.text(1),
        bitstreams=tuple(_bitstream(chunk) for chunk in table.tables(5, MAX_BITSTREAMS)),
        parameters=table.content(6),
        hints=tuple(_hint(hint) for hint in hints.tables(0, MAX_HINTS)) if hints else (),
        deterministic=bool(hints and hints.integer(1, layout=UINT8)),
        inputs=_layers(table, 8, INPUT_LAYER),
        outputs=_layers(table, 9, OUTPUT_LAYER),
        token=table.integer(14, layout=UINT64),
        scratch_bytes=scratch_bytes,
        batch_size=batch_size,
        estimated_cycles=table.integer(16, layout=INT64) or table.integer(11),
        chip=chip,
    )


def _layers(table: Table, slot: int, kind: int) -> tuple[Layer, ...]:
    layers = tuple(read_layer(layer, kind) for layer in table.tables(slot, MAX_LAYERS))
    if len({layer.name for layer in layers}) != len(layers):
        raise PackageError("two inputs or two outputs of the compiled model have the same name")
    return layers


def _bitstream(chunk: Table) -> Bitstream:
    data = chunk.content(0)
    fields = tuple(_field(field) for field in chunk.tables(1, MAX_FIELDS))
    for field in fields:
        if not 0 <= field.offset_bit <= 8 * len(data) - FIELD_BITS:
            raise PackageError(f"bit {field.offset_bit} of a bitstream of {len(data)} bytes is to hold an address")
    return Bitstream(data, fields)


def _field(field: Table) -> Field:
    meta = _required(field.table(0), "a field of a bitstream")
    source, name, batch = _target(meta)
    return Field(source, name, batch, upper=meta.integer(3, layout=INT16) != 0, offset_bit=field.integer(1))


def _target(meta: Table) -> tuple[str, str, int]:
    source, batch = meta.integer(0, layout=INT16), meta.integer(1)
    if not 0 <= source < len(SOURCES):
        raise PackageError(f"an Edge TPU program refers to memory of the kind {source}, which does not exist")
    return SOURCES[source], meta.text(2), batch


def _hint(hint: Table) -> Hint:
    kind, content = hint.integer(0, layout=UINT8), hint.table(1)
    content = _required(content, "a DMA hint")
    if kind == 1:
        source, name, batch = _target(_required(content.table(0), "a DMA hint"))
        outfeed = hint.integer(2, layout=INT16) == 1
        return DataHint(source, name, batch, content.integer(1), content.integer(2), outfeed)
    if kind == 2:
        return InstructionHint(content.integer(0))
    if kind == 3:
        return InterruptHint(content.integer(0, layout=INT16))
    if kind == 4:
        return FenceHint()
    raise PackageError(f"an Edge TPU program has a DMA hint of the kind {kind}, which does not exist")


def _required(table: Table | None, what: str) -> Table:
    if table is None:
        raise PackageError(f"an Edge TPU program is damaged: {what} is empty")
    return table


__all__ = [
    "CUSTOM_OP", "Bitstream", "DataHint", "FenceHint", "Field", "Hint", "InstructionHint", "InterruptHint", "Layer",
    "OutputLayout", "Package", "Program", "package_of",
]  # fmt: skip
