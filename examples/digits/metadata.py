"""What TFLite's tools want to know of the models: TFLITE_METADATA, and the labels in a zip archive behind the model."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence

import flatbuffers

LABELS_FILE = "labels.txt"

# Of metadata_schema.fbs: enumerators, and the members of its unions.
GRAYSCALE = 2  # ColorSpaceType
TENSOR_AXIS_LABELS = 2  # AssociatedFileType
FEATURE_PROPERTIES, IMAGE_PROPERTIES = 1, 2  # ContentProperties
NORMALIZATION_OPTIONS = 1  # ProcessUnitOptions


def encode(name: str, description: str) -> bytes:
    """Pixels become (pixel - 0) / 255; the classes are the lines of LABELS_FILE."""
    b = flatbuffers.Builder(512)
    normalization = _table(b, {0: _floats(b, [0.0]), 1: _floats(b, [255.0])})
    unit = _table(b, {1: normalization}, {0: NORMALIZATION_OPTIONS})
    image = _table(b, {1: _table(b, {}, {0: GRAYSCALE})}, {0: IMAGE_PROPERTIES})
    about = b.CreateString("a grey digit, 8 by 8 pixels; 0 is paper and 255 is ink")
    inputs = _table(b, {0: b.CreateString("image"), 1: about, 3: image, 4: _tables(b, [unit])})

    scores = _table(b, {1: _table(b, {})}, {0: FEATURE_PROPERTIES})
    labels = _table(b, {0: b.CreateString(LABELS_FILE)}, {2: TENSOR_AXIS_LABELS})
    about = b.CreateString("how likely each digit is")
    outputs = _table(b, {0: b.CreateString("probabilities"), 1: about, 3: scores, 6: _tables(b, [labels])})

    subgraph = _table(b, {2: _tables(b, [inputs]), 3: _tables(b, [outputs])})
    fields = {0: b.CreateString(name), 1: b.CreateString(description), 3: _tables(b, [subgraph])}
    b.Finish(_table(b, fields), file_identifier=b"M001")
    return bytes(b.Output())


def with_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """The file followed by an archive that holds the labels. The same bytes every time."""
    file = io.BytesIO(model)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(zipfile.ZipInfo(LABELS_FILE), "".join(f"{label}\n" for label in labels))
    return file.getvalue()


def _table(b: flatbuffers.Builder, offsets: dict[int, int], bytes_: dict[int, int] | None = None) -> int:
    """A table whose fields are offsets and single bytes, by field number."""
    b.StartObject(8)
    for number, offset in offsets.items():
        b.PrependUOffsetTRelativeSlot(number, offset, 0)
    for number, value in (bytes_ or {}).items():
        b.PrependUint8Slot(number, value, 0)
    return b.EndObject()


def _tables(b: flatbuffers.Builder, tables: Sequence[int]) -> int:
    b.StartVector(4, len(tables), 4)
    for offset in reversed(tables):
        b.PrependUOffsetTRelative(offset)
    return b.EndVector()


def _floats(b: flatbuffers.Builder, values: Sequence[float]) -> int:
    b.StartVector(4, len(values), 4)
    for value in reversed(values):
        b.PrependFloat32(value)
    return b.EndVector()
