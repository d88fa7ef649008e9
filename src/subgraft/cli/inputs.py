"""From --image and --input to one array for each input of the model."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from subgraft.cli import images
from subgraft.cli.exit_codes import UsageError, why
from subgraft.cli.metadata import Normalization, normalizations
from subgraft.cli.scaled import scale_of
from subgraft.delegates import NUMPY_DTYPES, Array, Tensor


@dataclass(frozen=True, slots=True)
class Inputs:
    """arrays: by input name, for every input. size: the picture's width and height, where there was one."""

    arrays: Mapping[str, Array]
    size: tuple[int, int] | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("inputs")
    group.add_argument(
        "--image",
        action="append",
        default=[],
        metavar="[NAME=]FILE",
        help="a picture, resized bilinearly to the input that holds one. uint8 takes the pixels as they are, int8 the "
        "model's own normalisation or pixel - 128, float the model's own or (pixel - 127.5) / 127.5",
    )
    group.add_argument(
        "--input", action="append", default=[], metavar="[NAME=]FILE.npy", help="an input's array; may be repeated"
    )
    group.add_argument("--mean", type=numbers, metavar="M[,M,M]", help="normalise pixels as (pixel - mean) / std, ...")
    group.add_argument("--std", type=numbers, metavar="S[,S,S]", help="... in place of what the model or its type says")


def numbers(text: str) -> tuple[float, ...]:
    """argparse type: one number, or one per channel, with commas."""
    values = tuple(float(part) for part in text.split(","))
    if not np.isfinite(values).all():
        raise ValueError
    return values


def read_inputs(
    args: argparse.Namespace, tensors: Mapping[str, Tensor], metadata: Mapping[str, bytes | memoryview]
) -> Inputs:
    """tensors: the model's inputs by name, in order.

    Raises UsageError when an input is missing, unknown or of another type or shape.
    """
    arrays: dict[str, Array] = {}
    size = None
    for text in args.image:
        name, path = _split(text, tensors, _picture_inputs(tensors))
        if name in arrays:
            raise UsageError(f"input {name!r} is given twice")
        picture = images.open_picture(path)
        size = picture.size
        asked = _asked_normalization(args)
        known = normalizations(metadata).get(list(tensors).index(name))
        arrays[name] = images.encode(picture, tensors[name], asked or known, override=asked is not None)
    for text in args.input:
        left = [name for name in tensors if name not in arrays]
        name, path = _split(text, tensors, left or list(tensors))
        if name in arrays:
            raise UsageError(f"input {name!r} is given twice")
        arrays[name] = _load(path, name, tensors[name])
    missing = [describe(name, tensor) for name, tensor in tensors.items() if name not in arrays]
    if missing:
        raise UsageError(f"no value for {'; '.join(missing)}: give --input NAME=FILE.npy or --image FILE")
    return Inputs(arrays, size)


def describe(name: str, tensor: Tensor) -> str:
    """An input as an error message shows it: name, type, shape and scale."""
    shape = ", ".join(str(side) for side in tensor.shape_signature or tensor.shape)
    text = f"{name!r} ({tensor.dtype}[{shape}]"
    scaled = scale_of(tensor)
    if scaled is not None:
        text += f", scale {scaled[0]:g}, zero point {scaled[1]}"
    return text + ")"


def _split(text: str, tensors: Mapping[str, Tensor], default: Sequence[str]) -> tuple[str, Path]:
    """NAME=FILE, or FILE alone for the only input that it can be for. Names may hold "="; the tensor's do as well."""
    for name, tensor in tensors.items():
        for known in (name, tensor.name):
            if known and text.startswith(f"{known}="):
                return name, Path(text[len(known) + 1 :])
    if len(default) == 1 and ("=" not in text or Path(text).exists()):
        return default[0], Path(text)
    inputs = "; ".join(describe(name, tensor) for name, tensor in tensors.items())
    raise UsageError(f"which input is {text!r} for? The model has {inputs or 'no inputs'}")


def _picture_inputs(tensors: Mapping[str, Tensor]) -> list[str]:
    """Raises UsageError when there is none."""
    found = [name for name, tensor in tensors.items() if images.layout(tensor) is not None]
    if not found:
        inputs = "; ".join(describe(name, tensor) for name, tensor in tensors.items())
        raise UsageError(f"no input of this model holds a picture: {images.HOLDS_PICTURES}. It has {inputs or 'none'}")
    return found


def _asked_normalization(args: argparse.Namespace) -> Normalization | None:
    if args.mean is None and args.std is None:
        return None
    std = args.std or (1.0,)
    if not all(std):
        raise UsageError("--std must not be 0")
    return Normalization(args.mean or (0.0,), std)


def _load(path: Path, name: str, tensor: Tensor) -> Array:
    try:
        with path.open("rb") as file:  # numpy leaves a damaged archive open that it opened itself
            array: Array = np.load(file, allow_pickle=False)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {why(error)}") from error
    except (ValueError, EOFError, BadZipFile) as error:
        raise UsageError(f"{path} is not a .npy file with an array of numbers; numpy.save writes one") from error
    if not isinstance(array, np.ndarray):
        raise UsageError(f"{path} holds several arrays; an input is one, saved with numpy.save")
    expected = NUMPY_DTYPES.get(tensor.dtype)
    if expected is not None and array.dtype != expected:
        raise UsageError(f"{path} is {array.dtype}, but the input is {describe(name, tensor)}{_cure(array, tensor)}")
    wanted = tensor.shape_signature or tensor.shape
    if array.ndim != len(wanted) or any(w not in (-1, side) for w, side in zip(wanted, array.shape, strict=True)):
        raise UsageError(f"{path} has the shape {list(array.shape)}, but the input is {describe(name, tensor)}")
    return array


def _cure(array: Array, tensor: Tensor) -> str:
    """The numpy line that converts floats, where there is one without doubt."""
    if array.dtype.kind != "f":
        return ""
    if tensor.dtype not in ("int8", "uint8", "int16"):
        return f"; convert it with array.astype({tensor.dtype!r})"
    scaled = scale_of(tensor)
    if scaled is None:
        return ""
    scale, zero_point = scaled
    limits = np.iinfo(tensor.dtype)
    return (
        f"; quantize it with np.clip(np.round(array / {scale!r}) + {zero_point}, {limits.min}, {limits.max})"
        f".astype({tensor.dtype!r})"
    )
