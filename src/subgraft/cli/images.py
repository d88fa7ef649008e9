"""From a picture to an input tensor. Pillow is imported when a picture is read or written, not before."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from subgraft.cli.exit_codes import MissingDependency, UsageError, why
from subgraft.cli.metadata import Normalization
from subgraft.cli.scaled import quantize, scale_of
from subgraft.delegates import NUMPY_DTYPES, Array, Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

LOG = logging.getLogger("subgraft.cli")
MODES = {1: "L", 3: "RGB", 4: "RGBA"}
HOLDS_PICTURES = "that takes a shape such as [1, height, width, 3], with 1, 3 or 4 channels"
SYMMETRIC = Normalization((127.5,), (127.5,))  # 0..255 to -1..1: what most float image models were trained with


@dataclass(frozen=True, slots=True)
class Layout:
    """How an input tensor holds one picture."""

    height: int
    width: int
    channels: int
    channels_first: bool = False


def layout(tensor: Tensor) -> Layout | None:
    """[1, H, W, C], [1, C, H, W], [H, W, C], [1, H, W] or [H, W] with 1, 3 or 4 channels; None for anything else."""
    shape = tensor.shape
    if tensor.dtype not in ("uint8", "int8", "int16", "int32", "float16", "float32") or min(shape, default=0) < 1:
        return None
    if len(shape) == 4 and shape[0] == 1:
        shape = shape[1:]
    elif len(shape) == 3 and shape[0] == 1:
        shape = (*shape[1:], 1)
    elif len(shape) == 2 and min(shape) > 1:
        shape = (*shape, 1)
    if len(shape) != 3:
        return None
    if shape[2] in MODES:
        return Layout(*shape)
    if shape[0] in MODES:
        return Layout(shape[1], shape[2], shape[0], channels_first=True)
    return None


def pillow() -> ModuleType:
    """The PIL.Image module, or a MissingDependency that says how to get it."""
    try:
        import PIL.Image
    except ImportError as error:
        raise MissingDependency("pictures need Pillow, which is not installed: pip install pillow") from error
    return PIL.Image


def open_picture(path: Path) -> Image:
    """Decodes the whole file. Raises UsageError when it is missing or no picture."""
    pil = pillow()
    try:
        picture: Image = pil.open(path)
        picture.load()
    except (OSError, SyntaxError, ValueError, pil.DecompressionBombError) as error:  # what Pillow's decoders raise
        reason = why(error) if isinstance(error, OSError) and error.errno else "it is no picture that Pillow can read"
        raise UsageError(f"cannot read the picture {path}: {reason}") from error
    return picture


def encode(
    picture: Image, tensor: Tensor, normalization: Normalization | None = None, *, override: bool = False
) -> Array:
    """The picture, resized bilinearly, as this tensor's array.

    normalization: from the model's metadata or, with override=True, from the user. Unsigned integers take the pixels as
    they are, because their quantization was made for pixels; only the user can say otherwise.
    """
    place = layout(tensor)
    if place is None:
        raise UsageError(
            f"input {tensor.name!r} is {tensor.dtype}{list(tensor.shape)}, which holds no picture: {HOLDS_PICTURES}"
        )
    resized = picture.convert(MODES[place.channels]).resize((place.width, place.height), pillow().Resampling.BILINEAR)
    pixels = np.asarray(resized, np.uint8).reshape(place.height, place.width, place.channels)
    values = _values(pixels, tensor, normalization, override)
    if place.channels_first:
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values.reshape(tensor.shape))


def _values(pixels: Array, tensor: Tensor, normalization: Normalization | None, override: bool) -> Array:
    if normalization is not None and (override or tensor.dtype not in ("uint8", "int32")):
        return _to_type(_normalize(pixels, normalization), tensor)
    if tensor.dtype == "int8":
        # Quantizing 0..1, -1..1 or 0..255 to the whole range of int8 all come to this, within one step.
        return (pixels.astype(np.int16) - 128).astype(np.int8)
    if tensor.dtype in ("uint8", "int32"):
        return pixels.astype(tensor.dtype)
    LOG.info("input %s: pixels normalised as %s; --mean and --std say otherwise", tensor.name, SYMMETRIC)
    return _to_type(_normalize(pixels, SYMMETRIC), tensor)


def _normalize(pixels: Array, normalization: Normalization) -> Array:
    channels = pixels.shape[2]
    for values in (normalization.mean, normalization.std):
        if len(values) not in (1, channels):
            raise UsageError(f"the normalisation {normalization} has {len(values)} numbers for {channels} channels")
    mean, std = (np.array(values, np.float32) for values in (normalization.mean, normalization.std))
    return (pixels.astype(np.float32) - mean) / std


def _to_type(real: Array, tensor: Tensor) -> Array:
    dtype = NUMPY_DTYPES[tensor.dtype]
    if dtype.kind == "f":
        return real.astype(dtype)
    scaled = scale_of(tensor)
    if scaled is None:
        raise UsageError(f"input {tensor.name!r} is {tensor.dtype} without a scale: pixels cannot be quantized for it")
    return quantize(real, tensor, *scaled)


def write_class_map(path: Path, classes: Array, palette: Sequence[tuple[int, int, int]]) -> None:
    """A PNG whose pixel values are the class numbers and whose palette makes them visible."""
    picture: Any = pillow().fromarray(classes.astype(np.uint8))
    picture.putpalette([channel for colour in palette for channel in colour])
    picture.save(path)


def palette(count: int) -> list[tuple[int, int, int]]:
    """Colours that differ for neighbouring numbers; 0 is black. The PASCAL VOC colour map: bits of the number, spread
    over the three channels from the highest bit down."""
    colours = []
    for number in range(count):
        colour = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                colour[channel] |= (number >> (3 * bit + channel) & 1) << (7 - bit)
        colours.append((colour[0], colour[1], colour[2]))
    return colours
