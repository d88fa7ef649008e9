"""MediaPipe's custom ops. LiteRT has kernels for some of them in XNNPACK alone, which runs on floats."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from op_cases import Array, Case, c, fed, out, x

Pair = tuple[int, int]
Expected = Callable[[list[Array]], list[Array]]

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


# MaxPoolingWithArgmax2D and MaxUnpooling2D


def pool_options(padding: int, stride: Pair, window: Pair, activation: int = 0) -> bytes:
    """TfLitePoolParams."""
    return struct.pack("<6i", padding, stride[1], stride[0], window[1], window[0], activation)


def pooled(padding: int, stride: Pair, window: Pair, highest: float = np.inf) -> Expected:
    """The first of the largest numbers of each window, and where in the window it is."""

    def expected(arrays: list[Array]) -> list[Array]:
        image = arrays[0]
        sizes = image.shape[1:3]
        counts = [
            -(-n // s) if padding == SAME else (n - w) // s + 1 for n, s, w in zip(sizes, stride, window, strict=True)
        ]
        missing = [max(0, (m - 1) * s + w - n) for n, m, s, w in zip(sizes, counts, stride, window, strict=True)]
        fill = [(0, 0), *((gap // 2, gap) for gap in missing), (0, 0)]
        padded = np.pad(image, fill, constant_values=np.finfo(np.float32).min)
        values = np.zeros((len(image), *counts, image.shape[3]), np.float32)
        indices = np.zeros_like(values)
        for row, column in np.ndindex(*counts):
            top, left = row * stride[0], column * stride[1]
            part = padded[:, top : top + window[0], left : left + window[1]]
            part = part.reshape(len(image), window[0] * window[1], image.shape[3])
            values[:, row, column] = np.minimum(part.max(axis=1), highest)
            indices[:, row, column] = part.argmax(axis=1) + np.float32(0.1)
        return [values, indices]

    return expected


def pool(shape: tuple[int, ...], padding: int, stride: Pair, window: Pair, activation: int = 0, **more: Any) -> Case:
    label = f"padding{padding}_stride{stride}_window{window}_{activation}".replace(" ", "")
    given: dict[str, Any] = dict(custom_options=pool_options(padding, stride, window, activation), is_custom=True)
    if "error" not in more:
        given |= dict(expected=pooled(padding, stride, window, 6 if activation == 3 else np.inf), why=FLOAT_INDICES)
    return Case("MaxPoolingWithArgmax2D", [x(*shape)], [out(), out()], label=label, **given | more)


def unpooled(stride: Pair, window: Pair) -> Expected:
    def expected(arrays: list[Array]) -> list[Array]:
        values, indices = arrays
        batches, height, width, channels = values.shape
        sizes = height * window[0], width * window[1]
        counts = zip((height, width), stride, window, sizes, strict=True)
        before = [max(0, (n - 1) * s + w - size) // 2 for n, s, w, size in counts]
        result = np.zeros((batches, *sizes, channels), np.float32)
        for b, row, column, channel in np.ndindex(values.shape):
            index = int(indices[b, row, column, channel])
            to_row = row * stride[0] - before[0] + index // window[1]
            to_column = column * stride[1] - before[1] + index % window[1]
            if 0 <= to_row < sizes[0] and 0 <= to_column < sizes[1]:
                result[b, to_row, to_column, channel] = values[b, row, column, channel]
        return [result]

    return expected


def unpool(shape: tuple[int, ...], stride: Pair, window: Pair, padding: int = SAME, **more: Any) -> Case:
    rng = np.random.default_rng(sum(shape))
    indices = (rng.integers(0, max(1, window[0] * window[1]), shape) + 0.1).astype(np.float32)
    given: dict[str, Any] = dict(custom_options=pool_options(padding, stride, window), is_custom=True)
    if "error" not in more:
        given |= dict(expected=unpooled(stride, window), why=FLOAT_INDICES)
    inputs = more.pop("inputs", [x(*shape), fed(indices)])
    label = f"padding{padding}_stride{stride}_window{window}".replace(" ", "")
    return Case("MaxUnpooling2D", inputs, [out()], label=label, **given | more)


FLOAT_INDICES = "XNNPACK, which alone has a kernel, puts other indices into the tensor of floats"
NAN, HALF = float("nan"), 0.5
WINDOWS: list[tuple[Pair, Pair]] = [((2, 2), (2, 2)), ((2, 3), (3, 2)), ((1, 1), (4, 3))]
POOLS = [
    *(pool((2, 7, 8, 3), padding, *window) for padding in (SAME, VALID) for window in WINDOWS),
    pool((1, 4, 4, 130), SAME, (2, 2), (2, 2)),
    pool((1, 4, 4, 3), SAME, (2, 2), (2, 2), activation=3),
    pool((1, 2, 3, 1), SAME, (1, 1), (5, 6)),
    pool((0, 4, 4, 2), SAME, (2, 2), (2, 2)),
    Case("MaxPoolingWithArgmax2D", [fed([[[[NAN], [2], [2], [NAN], [1], [NAN]]]])], [out(), out()],
         custom_options=pool_options(SAME, (1, 2), (1, 2)), is_custom=True, why="numbers beat what is none",
         expected=lambda _: [np.array([[[[2], [2], [1]]]], "f"), np.array([[[[1.1], [0.1], [0.1]]]], "f")]),
    pool((1, 4, 4, 2), SAME, (0, 2), (2, 2), error="stride is 0"),
    pool((1, 4, 4, 2), SAME, (2, -1), (2, 2), error="stride is -1"),
    pool((1, 4, 4, 2), SAME, (2, 2), (0, 2), error="has size 0"),
    pool((1, 4, 4, 2), 0, (2, 2), (2, 2), error="padding 0"),
    pool((1, 4, 4, 2), VALID, (2, 2), (9, 2), error="spans 9"),
    pool((1, 4, 4, 2), SAME, (2, 2), (2, 2), activation=4, error="TANH"),
    pool((4, 4, 2), SAME, (2, 2), (2, 2), error="must have rank 4"),
    pool((1, 4, 4, 2), SAME, (2, 2), (2, 2), custom_options=bytes(19), error="19 bytes"),
    Case("MaxPoolingWithArgmax2D", [x(1, 4, 4, 2)], [out()], is_custom=True, error="has 1 outputs"),
    Case("MaxPoolingWithArgmax2D", [x(1, 4, 4, 2)], [out(), out("int32")], is_custom=True, error="1 that is int32"),
    *(unpool((2, 3, 4, 5), s, w) for s, w in (((2, 2), (2, 2)), ((1, 2), (2, 3)), ((3, 3), (2, 2)), ((4, 1), (2, 3)))),
    unpool((1, 5, 5, 40), (2, 2), (2, 2), VALID),
    unpool((0, 3, 4, 5), (2, 2), (2, 2)),
    *(unpool((1, 1, 1, 2), (2, 2), (2, 2), inputs=[x(1, 1, 1, 2), fed([[[[0.1, index]]]])],
             error="of element 1 is outside a window of 4") for index in (4.0, -1.0, NAN, 1e30)),
    unpool((1, 2, 2, 2), (0, 2), (2, 2), error="stride is 0"),
    unpool((1, 2, 2, 2), (2, 2), (2, -2), error="has size -2"),
    unpool((1, 2, 2, 2), (2, 2), (2**31 - 1, 2), error="output has size 4294967294"),
    unpool((1, 0, 2, 2), (2, 2), (2, 2), error="input has size 0"),
    unpool((2, 2, 2), (2, 2), (2, 2), error="must have rank 4"),
    unpool((1, 2, 2, 2), (2, 2), (2, 2), inputs=[x(1, 2, 2, 2), x(1, 2, 2, 3)], error="indices have shape"),
    unpool((1, 2, 2, 2), (2, 2), (2, 2), inputs=[x(1, 2, 2, 2), x(1, 2, 2, 2, dtype="int8")], error="1 that is int8"),
]  # fmt: skip


def random_pool(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    stride, window = ((int(a), int(b)) for a, b in rng.integers(1, 5, (2, 2)))
    shape = tuple(int(n) for n in (rng.integers(1, 3), *rng.integers(4, 9, 2), rng.integers(1, 9)))
    if seed % 2:
        return unpool(shape, stride, window, seed=seed)
    return pool(shape, int(rng.integers(1, 3)), stride, window, seed=seed)


CASES = [*TRANSPOSED, *REFUSED, *POOLS]
MORE = [*(random_transposed(seed) for seed in range(40)), *(random_pool(seed) for seed in range(60))]
