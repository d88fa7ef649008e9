"""Numbers and the integers that stand for them, where one scale holds for a whole tensor."""

from __future__ import annotations

import numpy as np

from subgraft.delegates import NUMPY_DTYPES, Array, Tensor


def scale_of(tensor: Tensor) -> tuple[float, int] | None:
    """Scale and zero point; None where there is none, or one per channel or block."""
    quantization = tensor.quantization
    if quantization is None or len(quantization.scales) != 1 or not quantization.scales[0] > 0:
        return None
    return quantization.scales[0], quantization.zero_points[0] if quantization.zero_points else 0


def quantize(real: Array, tensor: Tensor, scale: float, zero_point: int) -> Array:
    """round(real / scale) + zero point, kept within the tensor's type."""
    dtype = NUMPY_DTYPES[tensor.dtype]
    limits = np.iinfo(dtype)
    steps = np.round(real.astype(np.float64) / scale) + zero_point
    return np.clip(steps, limits.min, limits.max).astype(dtype)


def real_values(array: Array, tensor: Tensor) -> Array:
    """float64: what the array's elements stand for, or the elements themselves."""
    values: Array = array.astype(np.float64)
    scaled = scale_of(tensor) if array.dtype.kind in "iu" else None
    return values if scaled is None else (values - scaled[1]) * scaled[0]
