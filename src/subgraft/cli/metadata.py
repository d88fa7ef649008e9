"""What a model's authors packed with it: how pictures are normalised (TFLITE_METADATA) and its label files."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

METADATA_NAME = "TFLITE_METADATA"
METADATA_IDENTIFIER = b"M001"  # metadata_schema.fbs: file_identifier
MAX_LABELS_BYTES = 4 << 20

# Field numbers and union members of metadata_schema.fbs.
SUBGRAPHS = 3  # ModelMetadata.subgraph_metadata
INPUT_TENSORS = 2  # SubGraphMetadata.input_tensor_metadata
PROCESS_UNITS = 4  # TensorMetadata.process_units
OPTIONS_TYPE, OPTIONS = 0, 1  # ProcessUnit.options
NORMALIZATION_OPTIONS = 1  # ProcessUnitOptions.NormalizationOptions
MEAN, STD = 0, 1  # NormalizationOptions.mean, .std
MAX_ITEMS = 1024  # tensors or process units looked at; real models have a handful


@dataclass(frozen=True, slots=True)
class Normalization:
    """real = (pixel - mean) / std; one number, or one per channel. Pixels are 0 to 255."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __str__(self) -> str:
        def text(values: tuple[float, ...]) -> str:
            return ",".join(f"{v:g}" for v in values)

        return f"(pixel - {text(self.mean)}) / {text(self.std)}"


@dataclass(frozen=True, slots=True)
class Table:
    """One flatbuffer table. Reading outside the bytes raises struct.error."""

    data: bytes
    at: int

    @classmethod
    def root(cls, data: bytes) -> Table:
        return cls(data, _number(data, "<I", 0))

    def field(self, number: int) -> int | None:
        """Where the field's value lies; None when the file leaves it out."""
        vtable = self.at - _number(self.data, "<i", self.at)
        slot = 4 + 2 * number
        if slot >= _number(self.data, "<H", vtable):
            return None
        offset = _number(self.data, "<H", vtable + slot)
        return self.at + offset if offset else None

    def byte(self, number: int) -> int:
        at = self.field(number)
        return 0 if at is None else _number(self.data, "<B", at)

    def table(self, number: int) -> Table | None:
        at = self.field(number)
        return None if at is None else Table(self.data, at + _number(self.data, "<I", at))

    def tables(self, number: int) -> Iterator[Table]:
        start, count = self._vector(number)
        for at in range(start, start + 4 * min(count, MAX_ITEMS), 4):
            yield Table(self.data, at + _number(self.data, "<I", at))

    def floats(self, number: int) -> tuple[float, ...]:
        start, count = self._vector(number)
        if start < 0 or count > MAX_ITEMS:
            raise struct.error("a vector is longer than anything it could mean")
        return struct.unpack_from(f"<{count}f", self.data, start)

    def _vector(self, number: int) -> tuple[int, int]:
        at = self.field(number)
        if at is None:
            return 0, 0
        start = at + _number(self.data, "<I", at)
        return start + 4, _number(self.data, "<I", start)


def normalizations(metadata: Mapping[str, bytes | memoryview]) -> dict[int, Normalization]:
    """Position among the main graph's inputs to its normalisation, as far as the metadata tell.

    Damaged metadata are no reason not to run a model: they count as absent.
    """
    data = bytes(metadata.get(METADATA_NAME, b""))
    if data[4:8] != METADATA_IDENTIFIER:
        return {}
    try:
        subgraph = next(Table.root(data).tables(SUBGRAPHS), None)
        tensors = list(subgraph.tables(INPUT_TENSORS)) if subgraph else []
        found = {i: _normalization(tensor) for i, tensor in enumerate(tensors)}
    except struct.error:
        return {}
    return {i: n for i, n in found.items() if n is not None}


def _normalization(tensor: Table) -> Normalization | None:
    for unit in tensor.tables(PROCESS_UNITS):
        options = unit.table(OPTIONS)
        if unit.byte(OPTIONS_TYPE) != NORMALIZATION_OPTIONS or options is None:
            continue
        mean, std = options.floats(MEAN), options.floats(STD)
        if mean and std and all(std) and all(map(math.isfinite, mean + std)):
            return Normalization(mean, std)
    return None


def packed_labels(model: Path) -> tuple[str, ...] | None:
    """The lines of the only text file in the zip archive that TFLite's metadata writer appends to a model."""
    try:
        with zipfile.ZipFile(model) as archive:
            texts = [info for info in archive.infolist() if info.filename.endswith(".txt")]
            if len(texts) != 1 or texts[0].file_size > MAX_LABELS_BYTES:
                return None
            return parse_labels(archive.read(texts[0]).decode())
    except (OSError, zipfile.BadZipFile, zlib.error, UnicodeDecodeError, NotImplementedError, RuntimeError, EOFError):
        return None  # no archive, or none that can be read without a password or a rare compression


def parse_labels(text: str) -> tuple[str, ...]:
    """One label a line; the line's number is the class, or the number that starts every line ("17  cat")."""
    lines = [line.strip() for line in text.rstrip().splitlines()]
    pairs = [line.split(maxsplit=1) for line in lines]
    if not all(len(pair) == 2 and pair[0].isdecimal() for pair in pairs) or not pairs:
        return tuple(lines)
    numbered = {int(number): label for number, label in pairs}
    if len(numbered) != len(pairs) or max(numbered) > 10 * len(pairs) + 1000:
        return tuple(lines)  # the numbers belong to the labels
    return tuple(numbered.get(i, "") for i in range(max(numbered) + 1))


def _number(data: bytes, form: str, at: int) -> int:
    if at < 0:
        raise struct.error("an offset points before the file")
    value: int = struct.unpack_from(form, data, at)[0]
    return value
