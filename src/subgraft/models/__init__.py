"""The models that come with the package, and real pictures to try them on. examples/digits made them."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from subgraft.delegates import Array

HERE = Path(__file__).parent
DIGITS_INT8 = HERE / "digits_int8.tflite"
DIGITS_FLOAT = HERE / "digits_float.tflite"

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY_8_BITS = (8, 0, 0, 0, 0)  # bit depth, colour type, compression, filter method, no interlace

__all__ = ["DIGITS_FLOAT", "DIGITS_INT8", "Sample", "samples"]


@dataclass(frozen=True, slots=True)
class Sample:
    """A picture that the models were not trained on. pixels: uint8 [8, 8], 0 is paper and 255 is ink."""

    path: Path
    label: int
    pixels: Array


def samples() -> list[Sample]:
    """Test pictures, three of each digit, in the order of the data set: `<place>_is_<label>.png`."""
    paths = sorted((HERE / "digits").glob("*.png"))
    return [Sample(path, int(path.stem.rpartition("_")[2]), _grey_png(path.read_bytes())) for path in paths]


def _grey_png(file: bytes) -> Array:
    """Decodes what examples/digits/train.py wrote, so that the demo needs no imaging library: 8-bit grey, no filters.

    Raises ValueError for any other PNG.
    """
    chunks: dict[bytes, bytes] = {}
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(file):
        length, name = struct.unpack_from(">I4s", file, at)
        chunks[name] = file[at + 8 : at + 8 + length]
        at += 12 + length
    if not file.startswith(PNG_SIGNATURE) or len(chunks.get(b"IHDR", b"")) != 13 or b"IDAT" not in chunks:
        raise ValueError("not a PNG of this package")
    width, height, *kind = struct.unpack(">II5B", chunks[b"IHDR"])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8)
    if tuple(kind) != GREY_8_BITS or rows.size != height * (width + 1) or rows.reshape(height, -1)[:, 0].any():
        raise ValueError("not a PNG of this package")
    return rows.reshape(height, width + 1)[:, 1:]
