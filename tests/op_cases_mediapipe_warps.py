"""MediaPipe's Landmarks2TransformMatrix, TransformTensorBilinear and TransformLandmarks.

LiteRT has no kernels for them: expected are their definitions in google-ai-edge/mediapipe (util/tflite/operations).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from flatbuffers import flexbuffers

from op_cases import Array, Case, In, fed, out, x

WHY = "LiteRT has no kernel"
Expected = Callable[[list[Array]], list[Array]]


def packed(options: dict[str, Any]) -> bytes:
    """Lists of integers are typed vectors, as MediaPipe's converter writes them."""
    builder = flexbuffers.Builder()
    with builder.Map():
        for key, value in options.items():
            if isinstance(value, list):
                builder.TypedVectorFromElements(key, value)
            else:
                builder.Add(key, value)
    return bytes(builder.Finish())


def custom(kind: str, inputs: list[In], options: dict[str, Any], version: int, expected: Expected | None, **more: Any):
    text = "_".join(f"{k}{v}" for k, v in options.items()).replace(" ", "")
    if expected is not None:
        more |= dict(expected=expected, why=WHY)
    given: dict[str, Any] = dict(custom_options=packed(options), version=version, is_custom=True) | more
    return Case(kind, inputs, [out()], label=f"v{version}_{text}"[:80], tolerance=2e-5, **given)


# Landmarks2TransformMatrix

LANDMARKS1 = dict(
    dimensions=3, landmarks_range=192, bbox_size_multiplier=2.5, left_rotation_idx=0, right_rotation_idx=3,
    subset=[0, 1, 2, 3, 4], input_hw=[64, 48], output_hw=[16, 24],
)  # fmt: skip
LANDMARKS2 = dict(
    left_rotation_idx=0, right_rotation_idx=3, subset_idxs=[0, 1, 2, 3], target_rotation_radians=0.25,
    output_height=16, output_width=24, scale_x=1.5, scale_y=2.0,
)  # fmt: skip


def rotation(angle: float) -> Array:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def affine(linear: Array, shift: Any) -> Array:
    return np.vstack([np.column_stack([linear, shift]), [0, 0, 1]])


def box(points: Array, angle: float) -> tuple[Array, Array]:
    """The size of the upright box around the turned points, and its middle, turned back."""
    turned = points @ rotation(angle).T
    low, high = turned.min(axis=0), turned.max(axis=0)
    return high - low, rotation(-angle) @ ((low + high) / 2)


def version1(o: dict[str, Any]) -> Expected:
    def expected(arrays: list[Array]) -> list[Array]:
        points = arrays[0].reshape(-1, 3)[:, :2].astype(np.float64)
        (dx, dy) = points[o["right_rotation_idx"]] - points[o["left_rotation_idx"]]
        angle = -np.arctan(dy / dx)
        size, middle = box(points[o["subset"]], angle)
        image, crop = (np.array(o[key][::-1]) for key in ("input_hw", "output_hw"))
        to_relative = affine(np.diag(2 / (crop - 1)), [-1, -1])
        scale = affine(np.diag(size * o["bbox_size_multiplier"] / o["landmarks_range"]), [0, 0])
        turn = affine(rotation(-angle), middle / o["landmarks_range"] * 2 - 1)
        to_absolute = affine(np.diag((image - 1) / 2), (image - 1) / 2)
        m = to_absolute @ turn @ scale @ to_relative
        rows = [[m[0, 0], m[0, 1], 0, m[0, 2]], [m[1, 0], m[1, 1], 0, m[1, 2]], [0, 0, 1, 0], [0, 0, 0, 1]]
        return [np.array([rows], np.float32)]

    return expected


def version2(o: dict[str, Any]) -> Expected:
    def expected(arrays: list[Array]) -> list[Array]:
        points = arrays[0].reshape(-1, 3)[:, :2].astype(np.float64)
        (dx, dy) = points[o["right_rotation_idx"]] - points[o["left_rotation_idx"]]
        angle = o["target_rotation_radians"] - np.arctan2(dy, dx)
        size, middle = box(points[o["subset_idxs"]], angle)
        crop = np.array([o["output_width"], o["output_height"]])
        m = affine(rotation(-angle) * (np.array([o["scale_x"], o["scale_y"]]) * size / crop), middle)
        m = m @ affine(np.eye(2), -crop / 2)
        rows = [[m[0, 0], m[0, 1], 0, m[0, 2]], [m[1, 0], m[1, 1], 0, m[1, 2]], [0, 0, 1, 0], [0, 0, 0, 1]]
        return [np.array([rows], np.float32)]

    return expected


def matrix1(count: int = 6, seed: int = 0, error: str = "", given: In | None = None, **changed: Any) -> Case:
    options = {k: v for k, v in (LANDMARKS1 | changed).items() if v is not None}
    inputs = [given or x(1, 1, 1, 3 * count, low=10, high=180)]
    if error:
        return custom("Landmarks2TransformMatrix", inputs, options, 1, None, error=error)
    return custom("Landmarks2TransformMatrix", inputs, options, 1, version1(options), seed=seed)


def matrix2(count: int = 6, seed: int = 0, error: str = "", given: In | None = None, **changed: Any) -> Case:
    options = {k: v for k, v in (LANDMARKS2 | changed).items() if v is not None}
    inputs = [given or x(1, count, 3, low=10, high=180)]
    if error:
        return custom("Landmarks2TransformMatrix", inputs, options, 2, None, error=error)
    return custom("Landmarks2TransformMatrix", inputs, options, 2, version2(options), seed=seed)


MATRICES = [
    *(matrix1(seed=s) for s in range(6)),
    *(matrix2(seed=s) for s in range(6)),
    matrix1(80, subset=[70, 3, 79], left_rotation_idx=78, right_rotation_idx=2, output_hw=[2, 2]),
    matrix2(80, subset_idxs=[70, 3, 79], left_rotation_idx=78, right_rotation_idx=2, target_rotation_radians=-3.0),
    matrix2(subset_idxs=[2]),
    matrix1(dimensions=2, error="dimensions is 2"),
    matrix1(landmarks_range=0, error="landmarks_range is 0"),
    matrix1(bbox_size_multiplier=0.0, error="bbox_size_multiplier is 0"),
    matrix1(left_rotation_idx=6, error="left_rotation_idx refers to landmark 6 of 6"),
    matrix1(right_rotation_idx=-1, error="right_rotation_idx refers to landmark -1"),
    matrix1(subset=[0, 2**40], error="subset refers to landmark 1099511627776"),
    matrix1(subset=None, error="subset is empty"),
    matrix1(input_hw=[3, 0], error="input_hw is 0"),
    matrix1(output_hw=[3], error="output_hw has 1 numbers"),
    matrix1(given=x(1, 6, 3), error="must be .1, 1, 1, n."),
    matrix2(scale_x=-1.0, error="scale_x is -1"),
    matrix2(scale_y=float("nan"), error="scale_y is nan"),
    matrix2(output_height=0, error="output_height is 0"),
    matrix2(output_width=None, error="output_width is 0"),
    matrix2(subset_idxs=[0, 6], error="subset_idxs refers to landmark 6 of 6"),
    matrix2(given=x(1, 1, 1, 18), error="must be .1, n, 3."),
    custom("Landmarks2TransformMatrix", [x(1, 6, 3)], LANDMARKS2, 3, None, error="version 3"),
    custom("Landmarks2TransformMatrix", [x(1, 6, 3)], LANDMARKS2, 2, None, custom_options=b"\x01\x02", error="flexb"),
    custom("Landmarks2TransformMatrix", [x(1, 6, 3, dtype="int32")], LANDMARKS2, 2, None, error="0 that is int32"),
]  # fmt: skip

# TransformTensorBilinear


def warped(height: int, width: int, centred: bool) -> Expected:
    def expected(arrays: list[Array]) -> list[Array]:
        data, matrix = arrays[0][0].astype(np.float64), arrays[1].reshape(4, 4).astype(np.float64)
        ys, xs = np.mgrid[:height, :width].astype(np.float64)
        half = 0.5 if centred else 0.0
        places = matrix[:2, :2] @ np.stack([(xs + half).ravel(), (ys + half).ravel()]) + matrix[:2, 3:] - half
        result = np.zeros((height * width, data.shape[2]))
        padded = np.pad(data, ((0, 1), (0, 1), (0, 0)))
        for i, (u, v) in enumerate(places.T.astype(np.float32).astype(np.float64)):
            if 0 <= u <= data.shape[1] - 1 and 0 <= v <= data.shape[0] - 1:
                left, top = int(u), int(v)
                p, q = u - left, v - top
                above = (1 - p) * padded[top, left] + p * padded[top, left + 1]
                below = (1 - p) * padded[top + 1, left] + p * padded[top + 1, left + 1]
                result[i] = (1 - q) * above + q * below
        return [result.reshape(1, height, width, -1).astype(np.float32)]

    return expected


def matrix_of(angle: float, scale: float, shift: tuple[float, float]) -> In:
    full = np.eye(4)
    full[:2, :2], full[:2, 3] = rotation(angle) * scale, shift
    return fed(full[None].astype(np.float32))


MATRICES_TO_WARP = [
    matrix_of(0, 1, (0, 0)),
    matrix_of(0, 0.5, (0.25, 1.5)),
    matrix_of(0.4, 0.7, (2.2, -0.7)),
    matrix_of(-2.5, 1.3, (7.1, 9.3)),
    matrix_of(0, 1, (100, 0)),  # nothing of the image is seen
]


def warp(matrix: In, shape: tuple[int, ...] = (1, 9, 8, 3), size: tuple[int, int] = (6, 7), version: int = 2) -> Case:
    options: dict[str, Any] = {"output_height": size[0], "output_width": size[1]}
    if version == 1:
        options = {"mode": "bilinear", "output_size": list(size)}
    return custom("TransformTensorBilinear", [x(*shape), matrix], options, version, warped(*size, version == 2))


def refused_warp(error: str, inputs: list[In] | None = None, version: int = 2, **options: Any) -> Case:
    chosen = {"output_height": 2, "output_width": 3} if version == 2 else {"mode": "bilinear", "output_size": [2, 3]}
    given = inputs or [x(1, 4, 4, 2), MATRICES_TO_WARP[0]]
    return custom("TransformTensorBilinear", given, chosen | options, version, None, error=error)


WARPS = [
    *(warp(matrix, version=version) for matrix in MATRICES_TO_WARP for version in (1, 2)),
    warp(MATRICES_TO_WARP[1], (1, 1, 1, 5)),
    warp(MATRICES_TO_WARP[2], (1, 40, 50, 17), (70, 3)),
    warp(MATRICES_TO_WARP[2], (1, 4, 4, 0)),
    custom("TransformTensor", [x(1, 5, 5, 2), MATRICES_TO_WARP[1]], {"output_size": [3, 3]}, 1, warped(3, 3, False)),
    custom("TransformTensorBilinear", [x(1, 3, 3, 1), fed(np.full((1, 4, 4), np.nan))],
           {"output_height": 2, "output_width": 2}, 2, lambda _: [np.zeros((1, 2, 2, 1), np.float32)]),
    custom("TransformTensorBilinear", [x(1, 3, 3, 1), fed(np.full((1, 4, 4), 1e38))],
           {"output_height": 2, "output_width": 2}, 2, lambda _: [np.zeros((1, 2, 2, 1), np.float32)]),
    refused_warp("size 0 x 3", output_height=0),
    refused_warp("size 2 x -1", output_width=-1),
    refused_warp("memory limit|too many", output_height=2**31 - 1, output_width=2**31 - 1),
    refused_warp("size 2 x 1099511627776", output_width=2**40),
    refused_warp("output_size is no list", version=1, output_size=7),
    refused_warp("output_size is no list", version=1, output_size=[1, 2, 3]),
    refused_warp("mode 'nearest'", version=1, mode="nearest"),
    refused_warp("matrix has shape", [x(1, 4, 4, 2), x(1, 3, 4)]),
    refused_warp("must be .1, height", [x(2, 4, 4, 2), MATRICES_TO_WARP[0]]),
    refused_warp("must be .1, height", [x(4, 4, 2), MATRICES_TO_WARP[0]]),
    refused_warp("input 0 that is int8", [x(1, 4, 4, 2, dtype="int8"), MATRICES_TO_WARP[0]]),
    refused_warp("has 1 inputs", [x(1, 4, 4, 2)]),
]  # fmt: skip

# TransformLandmarks


def moved(dimensions: int, scale: float = 1.0) -> Expected:
    def expected(arrays: list[Array]) -> list[Array]:
        points, matrix = (
            arrays[0].reshape(-1, dimensions).astype(np.float64),
            arrays[1].reshape(4, 4).astype(np.float64),
        )
        result = points.copy()
        result[:, :2] = points[:, :2] @ matrix[:2, :2].T + matrix[:2, 3] * scale
        return [result.reshape(arrays[0].shape).astype(np.float32)]

    return expected


def move1(shape: tuple[int, ...], matrix: In, error: str = "", **options: Any) -> Case:
    chosen = {"dimensions": 3, "scale": 1.0} | options
    expected = None if error else moved(chosen["dimensions"], chosen["scale"])
    more = {"error": error} if error else {}
    return custom("TransformLandmarks", [x(*shape), matrix], chosen, 1, expected, **more)


def move2(shape: tuple[int, ...], matrix: In, error: str = "", version: int = 2) -> Case:
    expected = None if error else moved(shape[-1])
    more = {"error": error} if error else {}
    return custom("TransformLandmarks", [x(*shape), matrix], {}, version, expected, **more)


MOVES = [
    *(move1((1, 1, 1, 30), matrix) for matrix in MATRICES_TO_WARP),
    *(move1((1, 2, 3, 6), matrix, dimensions=d, scale=0.5) for matrix in MATRICES_TO_WARP[:2] for d in (2, 3)),
    *(move2((1, 10, d), matrix) for matrix in MATRICES_TO_WARP for d in (2, 3)),
    move2((1, 0, 3), MATRICES_TO_WARP[2]),
    move1((1, 1, 1, 30), MATRICES_TO_WARP[0], dimensions=4, error="landmarks have 4 dimensions"),
    move1((1, 1, 1, 30), MATRICES_TO_WARP[0], scale=0.0, error="scale is 0"),
    move1((1, 1, 1, 31), MATRICES_TO_WARP[0], error="do not divide 31"),
    move1((1, 10, 3), MATRICES_TO_WARP[0], error="must have rank 4"),
    move2((1, 1, 10, 3), MATRICES_TO_WARP[0], error="must have rank 3"),
    move2((1, 3, 4), MATRICES_TO_WARP[0], error="landmarks have 4 dimensions"),
    move2((1, 10, 3), x(1, 2, 4), error="the matrix has shape"),
    move2((1, 10, 3), MATRICES_TO_WARP[0], version=3, error="version 3"),
]

CASES = [*MATRICES[::2], *WARPS[::2], *MOVES[::2]]
MORE = [
    *MATRICES[1::2],
    *WARPS[1::2],
    *MOVES[1::2],
    *(matrix1(12, seed) for seed in range(10, 30)),
    *(matrix2(12, seed) for seed in range(10, 30)),
    *(warp(matrix_of(0.3 * s, 0.4 + 0.05 * s, (s, 5 - s)), version=1 + s % 2) for s in range(20)),
    *(move1((1, 1, 1, 30), matrix_of(0.3 * s, 0.4 + 0.05 * s, (s, 5 - s)), scale=1 + s) for s in range(20)),
]
