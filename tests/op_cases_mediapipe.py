"""MediaPipe's custom ops. LiteRT has kernels for some of them in XNNPACK alone, which runs on floats."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from op_cases import Array, Case, c, out, x

SAME, VALID = 1, 2  # TfLitePadding
XNNPACK: dict[str, Any] = dict(resolver="AUTO", why="only XNNPACK has a kernel")


def transposed(
    image: tuple[int, ...],
    weights: tuple[int, ...],
    padding: int = SAME,
    stride: tuple[int, int] = (1, 1),
    **more: Any,
) -> Case:
    """stride: of y and x."""
    options = struct.pack("<3i", padding, stride[1], stride[0])
    label = f"padding{padding}_stride{stride[0]}_{stride[1]}"
    given: dict[str, Any] = dict(custom_options=options, is_custom=True, label=label) | more
    if "error" not in more and (stride[0] <= weights[1] and stride[1] <= weights[2]):
        given |= XNNPACK
    elif "error" not in more:
        given |= dict(expected=spread(padding, stride), why="XNNPACK refuses strides larger than the filter")
    sizes = zip(image[1:3], weights[1:3], stride, strict=False)
    shape = (image[0], *(widest(padding, *size) for size in sizes), weights[0])
    result = out(shape=() if "error" in more else shape)  # XNNPACK wants to find it in the file
    return Case("Convolution2DTransposeBias", [x(*image), c(*weights), c(weights[0])], [result], **given)


def spread(padding: int, stride: tuple[int, int]) -> Callable[[list[Array]], list[Array]]:
    """As MediaPipe's own kernel says it: every input element is spread over the outputs."""

    def expected(arrays: list[Array]) -> list[Array]:
        image, weights, bias = (array.astype(np.float64) for array in arrays)
        windows = weights.shape[1:3]
        sizes = list(zip(image.shape[1:3], windows, stride, strict=True))
        full = [(size - 1) * step + window for size, window, step in sizes]
        whole = np.zeros((len(image), *full, len(weights)))
        for row, column in np.ndindex(image.shape[1:3]):
            part = np.einsum("bi,oyxi->byxo", image[:, row, column], weights)
            top, left = row * stride[0], column * stride[1]
            whole[:, top : top + windows[0], left : left + windows[1]] += part
        cuts = [f - widest(padding, *size) for f, size in zip(full, sizes, strict=True)]
        (top, left), (height, width) = (cut // 2 for cut in cuts), (f - cut for f, cut in zip(full, cuts, strict=True))
        return [(whole[:, top : top + height, left : left + width] + bias).astype(np.float32)]

    return expected


def widest(padding: int, size: int, window: int, stride: int) -> int:
    """The output's size along one axis."""
    cut = max(0, window - (size - 1) % stride - 1) if padding == SAME and stride > 0 else 0
    return (size - 1) * stride + window - cut


STRIDES = [(1, 1), (2, 2), (2, 3), (3, 1), (4, 4)]
TRANSPOSED = [
    *(transposed((1, 4, 5, 3), (6, 3, 2, 3), p, s) for p in (SAME, VALID) for s in STRIDES),
    *(transposed((2, 4, 3, 7), (2, 2, 2, 7), p, (2, 2)) for p in (SAME, VALID)),
    transposed((1, 8, 8, 16), (1, 2, 2, 16), SAME, (2, 2)),
    transposed((1, 1, 1, 1), (1, 1, 1, 1)),
    transposed((1, 1, 1, 3), (2, 5, 5, 3), SAME, (2, 2)),
]
REFUSED = [
    transposed((1, 4, 4, 3), (6, 3, 3, 3), stride=(0, 1), error="stride is 0"),
    transposed((1, 4, 4, 3), (6, 3, 3, 3), stride=(1, -2), error="stride is -2"),
    transposed((1, 4, 4, 3), (6, 3, 3, 3), 3, error="padding 3"),
    transposed((1, 4, 4, 3), (6, 3, 3, 3), 0, error="padding 0"),
    transposed((1, 4, 4, 3), (6, 3, 3, 2), error="3 channels but the weights have 2"),
    transposed((1, 0, 4, 3), (6, 3, 3, 3), error="have sizes 0 and 3"),
    transposed((1, 4, 4, 3), (6, 3, 3), error="must have rank 4"),
    transposed((1, 4, 4, 3), (6, 3, 3, 3), stride=(2**31 - 1, 1), error="the output has size 6442450944"),
    transposed((1, 4, 4, 3), (6, 3, 3, 3), custom_options=bytes(11), error="11 bytes of options"),
    Case("Convolution2DTransposeBias", [x(1, 4, 4, 3), c(6, 3, 3, 3)], [out()], is_custom=True, error="has 2 inputs"),
    Case("Convolution2DTransposeBias", [x(1, 4, 4, 3), c(6, 3, 3, 3), c(6, dtype="int32")], [out()], is_custom=True,
         error="input 2 that is int32"),
]  # fmt: skip


def random_transposed(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    depth, channels = (int(n) for n in rng.integers(1, 12, 2))
    image = (int(rng.integers(1, 3)), *(int(n) for n in rng.integers(1, 8, 2)), depth)
    weights = (channels, *(int(n) for n in rng.integers(1, 6, 2)), depth)
    stride = int(rng.integers(1, 5)), int(rng.integers(1, 5))
    return transposed(image, weights, int(rng.integers(1, 3)), stride, seed=seed)


CASES = [*TRANSPOSED, *REFUSED]
MORE = [random_transposed(seed) for seed in range(40)]
