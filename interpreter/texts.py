"""String tensors: arrays of bytes objects outside, numbers of kept strings inside."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

from subgraft.delegates import Array, ModelError, Tensor
from subgraft.interpreter.native import _native

NUMBERS = np.dtype(np.int64)  # what a store holds of a string tensor; 0 is the empty string


def keep(array: Any, tensor: Tensor) -> tuple[Array, object]:
    """The numbers of an array's strings, and what keeps them. Raises ValueError for what is no array of strings."""
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "OSU":
        kind = array.dtype if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f"'{tensor.name}' holds strings: it takes an array of bytes or str, not {kind}")
    return _native.keep_texts(array)


def read(numbers: Array) -> Array:
    """The strings of these numbers, as an array of bytes objects."""
    return _native.read_texts(numbers)


def constant(tensor: Tensor) -> Array | None:
    """A string constant's elements as bytes objects; None for what is no constant. Raises ModelError when damaged."""
    if tensor.dtype != "string" or tensor.buffer is None:
        return None
    content = bytes(tensor.buffer)
    try:
        (count,) = struct.unpack_from("<i", content)
        ends = struct.unpack_from(f"<{max(count, 0) + 1}i", content, 4)
        if min(ends) < 0 or max(ends) > len(content):
            raise ValueError("a string lies outside of the buffer")
        texts = [content[begin:end] for begin, end in zip(ends, ends[1:], strict=False)]
        elements = np.empty(len(texts), object)
        elements[:] = texts
        return elements.reshape(tensor.shape)
    except (struct.error, ValueError) as error:
        raise ModelError(f"constant tensor '{tensor.name}' of strings is damaged: {error}") from error
