"""TFLite's perception ops, and aeq.hadamard_rotation."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from op_cases import Array, Case, In, fed, out, x
from op_draws import Draw, drawn

Expected = Callable[[list[Array]], list[Array]]
Pair = tuple[int, int]

SAME, VALID = 1, 2  # TfLitePadding
WHY = "LiteRT's Python interface does not register its perception ops"
NAN, INF = float("nan"), float("inf")


def windows(size: int, window: int, step: int, padding: str) -> list[tuple[int, int]]:
    """Where each window along one dimension begins and ends inside of it."""
    count = -(-size // step) if padding == "SAME" else (size - window) // step + 1
    before = max(0, (count - 1) * step + window - size) // 2
    starts = [i * step - before for i in range(count)]
    return [(max(0, start), min(size, start + window)) for start in starts]


def pooled(filter: Pair, stride: Pair, padding: str, with_batch: bool, dtype: str) -> Expected:
    def expected(arrays: list[Array]) -> list[Array]:
        (image,) = arrays
        places = np.arange(image.size).reshape(image.shape) % max(1, image.size if with_batch else image[:1].size)
        rows, columns = (windows(image.shape[i + 1], filter[i], stride[i], padding) for i in range(2))
        values = np.empty((len(image), len(rows), len(columns), image.shape[3]), np.float32)
        indices = np.empty(values.shape, dtype)
        for y, (top, bottom) in enumerate(rows):
            for i, (left, right) in enumerate(columns):
                part = image[:, top:bottom, left:right]
                part = part.reshape(len(image), part.shape[1] * part.shape[2], image.shape[3])
                best = part.argmax(axis=1)[:, None]
                values[:, y, i] = np.take_along_axis(part, best, 1)[:, 0]
                of_part = places[:, top:bottom, left:right].reshape(part.shape)
                indices[:, y, i] = np.take_along_axis(of_part, best, 1)[:, 0]
        return [values, indices]

    return expected


def pool(image: In, filter: Pair = (2, 2), stride: Pair = (2, 2), padding: str = "SAME", **more: Any) -> Case:
    with_batch, dtype = more.pop("with_batch", False), more.pop("dtype", "int32")
    options = {"padding": padding, "ksize": [1, *filter, 1], "strides": [1, *stride, 1]}
    options |= {"include_batch_in_index": with_batch}
    packed = bytes(flexbuffers.Dumps(options | more.pop("options", {})))
    given: dict[str, Any] = {"custom_options": packed, "is_custom": True}
    if "error" not in more and "expected" not in more:
        given |= {"expected": pooled(filter, stride, padding, with_batch, dtype), "why": WHY}
    label = more.pop("label", f"{filter}{stride}{padding}{with_batch}".replace(" ", ""))
    return Case("MaxPoolWithArgmax", [image], [out(), out(dtype)], label=label, **given, **more)


def any_pool(draw: Draw) -> Case:
    filter, stride = ((draw.number(1, 3), draw.number(1, 3)) for _ in range(2))
    image = (draw.number(1, 2), draw.number(3, 7), draw.number(3, 7), draw.number(1, 4))
    more = {"with_batch": draw.chance(0.3), "dtype": draw.pick(("int32", "int32", "int64"))}
    return pool(x(*image), filter, stride, draw.pick(("SAME", "VALID")), **more)


def unpooled(padding: int, filter: Pair, stride: Pair) -> Expected:
    def expected(arrays: list[Array]) -> list[Array]:
        values, indices = arrays
        steps = zip(values.shape[1:3], filter, stride, strict=True)
        sizes = [n * step if padding == SAME else (n - 1) * step + window for n, window, step in steps]
        result = np.zeros((len(values), *sizes, values.shape[3]), np.float32)
        for image, of_image, at in zip(result, values, indices, strict=True):
            image.reshape(-1)[at.reshape(-1)] = of_image.reshape(-1)
        return [result]

    return expected


def unpool(values: In, indices: In, padding: int, filter: Pair, stride: Pair, **more: Any) -> Case:
    options = struct.pack("<5i", padding, stride[1], stride[0], filter[1], filter[0])
    given: dict[str, Any] = {"custom_options": options, "is_custom": True}
    if "error" not in more:
        given |= {"expected": unpooled(padding, filter, stride), "why": WHY}
    return Case("MaxUnpooling2D", [values, indices], [out()], label=f"flat{padding}{filter}", **given, **more)


def any_unpool(draw: Draw) -> Case:
    filter, stride = ((draw.number(1, 3), draw.number(1, 3)) for _ in range(2))
    padding = draw.pick((SAME, VALID))
    shape = (draw.number(1, 2), draw.number(1, 4), draw.number(1, 4), draw.number(1, 3))
    sizes = zip(shape[1:3], stride, filter, strict=True)
    least = np.prod([n * s if padding == SAME else (n - 1) * s + f for n, s, f in sizes])
    indices = draw.rng.integers(0, least * shape[3], shape)
    return unpool(x(*shape), fed(indices, "int32"), padding, filter, stride)


def warped(arrays: list[Array]) -> list[Array]:
    image, flow = arrays
    _, height, width, _ = image.shape
    points = np.stack(np.meshgrid(np.arange(height), np.arange(width), indexing="ij"), -1).astype(np.float32) - flow
    with np.errstate(invalid="ignore"):
        low = np.clip(np.nan_to_num(np.floor(points)), 0, [height - 2, width - 2]).astype(np.int64)
        part = np.clip(np.nan_to_num(points - low.astype(np.float32)), 0, 1).astype(np.float32)
    result = np.empty_like(image)
    for b, y, i in np.ndindex(image.shape[:3]):
        top, left = low[b, y, i]
        (a, c), (d, e) = image[b, top : top + 2, left : left + 2]
        down, right = part[b, y, i]
        above, below = right * (c - a) + a, right * (e - d) + d
        result[b, y, i] = down * (below - above) + above
    return [result]


def warp(image: In, flow: In, **more: Any) -> Case:
    if "error" not in more:
        more |= {"expected": warped, "why": WHY}
    return Case("DenseImageWarp", [image, flow], [out()], is_custom=True, **more)


def any_warp(draw: Draw) -> Case:
    shape = (draw.number(1, 2), draw.number(2, 6), draw.number(2, 6))
    return warp(x(*shape, draw.number(1, 3)), x(*shape, 2))


def rotate(source: In, size: Any, **more: Any) -> Case:
    signs = [1, -1] * (size // 2) if isinstance(size, int) and size < 100 else [1]
    options = bytes(flexbuffers.Dumps({"hadamard_size": size, "random_binary_vector": signs}))
    produced = out(more.pop("dtype", "float32"), shape=source.shape)  # TFLite takes it from the file
    given = {"custom_options": options, "is_custom": True, "label": f"by{size}"}
    if "error" not in more and "expected" not in more:
        given |= {"resolver": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "why": "BUILTIN_REF does not have this op"}
    return Case("aeq.hadamard_rotation", [source], [produced], **(given | more))


def any_rotation(draw: Draw) -> Case:
    size = 2 ** draw.number(0, 8)
    rows = [draw.number(1, 4) for _ in range(draw.number(1, 2))]
    return rotate(draw.operand((*rows, size * draw.number(1, 3))), size)


def rotated(arrays: list[Array]) -> list[Array]:
    a, b = arrays[0].reshape(-1, 2).T
    return [(np.stack([a + b, a - b], -1) / np.sqrt(2)).astype(np.float32).reshape(arrays[0].shape)]


FLOW = fed([[[[NAN, 1e30], [-1e30, INF]], [[-INF, 0.25], [0.0, -0.0]]]])
IMAGE = x(1, 4, 4, 2)

CASES = [
    *drawn("MaxPoolWithArgmax", any_pool),
    pool(x(0, 4, 4, 2), label="empty", why=WHY,
         expected=lambda _: [np.zeros((0, 2, 2, 2), dtype) for dtype in ("float32", "int32")]),
    pool(x(2, 30, 40, 3), (3, 3), (1, 2), label="threads"),
    pool(fed([[[[NAN], [2.0], [-INF], [-INF]]]]), (1, 2), (1, 2), label="nonumbers", why="numbers beat what is none",
         expected=lambda _: [np.array([[[[2], [np.finfo(np.float32).min]]]], np.float32),
                             np.array([[[[1], [0]]]], np.int32)]),
    pool(x(0, 4, 4, 2), label="empty"),
    pool(x(1, 4, 4, 0), label="nochannels"),
    pool(IMAGE, padding="EXPLICIT", error="padding 'EXPLICIT' does not exist"),
    pool(IMAGE, options={"ksize": [1, 2, 2]}, error="ksize must be .1, height, width, 1."),
    pool(IMAGE, options={"ksize": [2, 2, 2, 1]}, error="ksize must be"),
    pool(IMAGE, options={"strides": "2"}, error="strides must be"),
    pool(IMAGE, options={"strides": [1, "a", 2, 1]}, error="strides must be|stride is -1"),
    pool(IMAGE, (0, 2), error="the filter has size 0"),
    pool(IMAGE, stride=(2, -1), error="stride is -1"),
    pool(x(4, 4, 2), error="it must have rank 4"),
    pool(IMAGE, dtype="int8", error="MaxPoolWithArgmax of int8"),
    pool(x(1, 4, 4, 2, dtype="int8"), error="pooling of int8"),
    Case("MaxPoolWithArgmax", [IMAGE], [out(), out("int32")], is_custom=True, error="flexbuffer|empty|bytes|ksize"),
    Case("MaxPoolWithArgmax", [IMAGE], [out()], is_custom=True, error="has 1 outputs"),
    *drawn("MaxUnpooling2D", any_unpool),
    unpool(x(1, 1, 1, 2), fed([[[[0, 8]]]], "int32"), SAME, (2, 2), (2, 2), error="index 8 of element 1 is outside"),
    unpool(x(1, 1, 1, 2), fed([[[[0, -1]]]], "int32"), SAME, (2, 2), (2, 2), error="index -1 of element 1"),
    unpool(x(1, 1, 1, 2), fed([[[0, 1]]], "int32"), SAME, (2, 2), (2, 2), error="must have one shape of rank 4"),
    unpool(x(1, 1, 1, 2), x(1, 1, 1, 2, dtype="int32"), 3, (2, 2), (2, 2), error="padding 3 does not exist"),
    unpool(x(1, 1, 1, 2), x(1, 1, 1, 2, dtype="int32"), SAME, (2, 2), (0, 2), error="a filter of 2 in steps of 0"),
    unpool(x(1, 3, 1, 2), x(1, 3, 1, 2, dtype="int32"), SAME, (2, 2), (2**31 - 1, 2), error="the output has size"),
    *drawn("DenseImageWarp", any_warp),
    warp(x(0, 3, 4, 2), x(0, 3, 4, 2)),
    warp(x(1, 2, 2, 3), FLOW, label="farout"),
    warp(x(2, 40, 50, 3), x(2, 40, 50, 2), label="threads"),
    warp(x(0, 2, 2, 3), x(0, 2, 2, 2), label="empty"),
    warp(x(1, 2, 2, 0), x(1, 2, 2, 2), label="nochannels"),
    warp(x(1, 1, 2, 3), x(1, 1, 2, 2), error="at least 2 rows and columns"),
    warp(x(2, 2, 3), x(2, 2, 2), error="it must have rank 4"),
    warp(x(1, 2, 2, 3), x(1, 2, 2, 3), error="the flow has shape .1, 2, 2, 3."),
    warp(x(1, 2, 2, 3, dtype="int8"), x(1, 2, 2, 2), error="input 0 that is int8"),
    *drawn("aeq.hadamard_rotation", any_rotation),
    rotate(x(70, 512), 512, label="threads"),
    rotate(x(2, 2, 2, 4), 2, expected=rotated, why="TFLite knows two and three dimensions"),
    rotate(x(4), 2, expected=rotated, why="TFLite knows two and three dimensions"),
    rotate(x(0, 4), 2, label="empty"),
    rotate(x(2, 6), 3, error="hadamard_size is 3; it must be a power of 2"),
    rotate(x(2, 6), 0, error="hadamard_size is 0"),
    rotate(x(2, 6), -4, error="hadamard_size is -4"),
    rotate(x(2, 6), 2**62, error="hadamard_size is 4611686018427387904"),
    rotate(x(2, 6), "x", error="hadamard_size is 0"),
    rotate(x(2, 6), 4, error="parts of 4 do not divide the last dimension of .2, 6."),
    rotate(x(), 1, error="parts of 1 do not divide"),
    rotate(x(2, 4, dtype="int32"), 2, error="a rotation of int32"),
    rotate(x(2, 4), 2, dtype="int32", error="a rotation of int32"),
]  # fmt: skip
