"""RESIZE_BILINEAR and RESIZE_NEAREST_NEIGHBOR."""

from __future__ import annotations

from collections.abc import Iterator

from op_cases import Case, Shape, const, fed, out, x

DTYPES = ("float32", "int8", "uint8", "int16")
MODES = ((False, False), (True, False), (False, True))
SIZES = [
    ((1, 2, 2, 1), (4, 4)),
    ((1, 4, 4, 3), (2, 2)),
    ((2, 5, 7, 3), (8, 3)),
    ((1, 3, 5, 2), (3, 5)),
    ((1, 1, 1, 3), (4, 5)),
    ((1, 6, 4, 1), (1, 1)),
    ((1, 4, 6, 2), (1, 9)),
    ((1, 17, 13, 5), (31, 40)),
    ((2, 8, 8, 4), (16, 16)),
    ((1, 32, 40, 8), (11, 13)),
]


def resize(kind: str, shape: Shape, size: Shape, dtype: str, corners: bool, half: bool, **more: object) -> Case:
    options = {"align_corners": corners, "half_pixel_centers": half}
    label = f"{list(size)}{'_corners' if corners else ''}{'_half' if half else ''}"
    return Case(kind, [x(*shape, dtype=dtype), const(size)], [out(dtype)], options, label=label, **more)


def bilinear(shape: Shape, size: Shape, dtype: str = "float32", **more: object) -> Case:
    corners, half = bool(more.pop("corners", False)), bool(more.pop("half", False))
    return resize("RESIZE_BILINEAR", shape, size, dtype, corners, half, **more)


def nearest(shape: Shape, size: Shape, dtype: str = "float32", **more: object) -> Case:
    corners, half = bool(more.pop("corners", False)), bool(more.pop("half", False))
    return resize("RESIZE_NEAREST_NEIGHBOR", shape, size, dtype, corners, half, **more)


def everything() -> Iterator[Case]:
    for shape, size in SIZES:
        for corners, half in MODES:
            for dtype in DTYPES:
                yield bilinear(shape, size, dtype, corners=corners, half=half)
        for corners, half in (*MODES, (True, True)):
            yield nearest(shape, size, "float32", corners=corners, half=half)
            yield nearest(shape, size, "int8", corners=corners, half=half)


CASES = [
    *everything(),
    *(nearest((1, 5, 3, 2), (7, 7), dtype) for dtype in ("uint8", "int16", "int32")),
    *(bilinear((1, 9, 9, 3), (25, 25), dtype, half=True, seed=s) for dtype in DTYPES for s in range(1, 4)),
    bilinear((1, 2, 3, 1), (300, 700), "int8", half=True),
    bilinear((1, 2, 3, 1), (300, 700), "uint8"),
    bilinear((0, 2, 3, 1), (3, 3)),
    nearest((1, 2, 3, 0), (3, 3)),
    Case("RESIZE_BILINEAR", [x(1, 3, 4, 2), fed((5, 6), "int32")], [out()], {}, label="size_is_fed"),
    Case("RESIZE_NEAREST_NEIGHBOR", [x(1, 3, 4, 2), fed((5, 6), "int32")], [out()], {}, label="size_is_fed"),
    bilinear((1, 3, 4, 2), (5, 6), corners=True, half=True, error="exclude each other"),
    bilinear((1, 3, 4, 2), (5, 6), "int32", error="RESIZE_BILINEAR of int32"),
    bilinear((1, 3, 4, 2), (0, 6), error="two positive numbers"),
    bilinear((1, 3, 4, 2), (5, -6), error="two positive numbers"),
    bilinear((1, 3, 4, 2), (5,), error="two positive numbers"),
    bilinear((1, 0, 4, 2), (5, 6), error="nothing to resize"),
    bilinear((3, 4, 2), (5, 6), error="not an image batch"),
    bilinear((1, 3, 4, 2), (2**31 - 1, 2**31 - 1), error="too many elements|limit"),
    nearest((1, 3, 4, 2), (2**31 - 1, 2**20), error="too many elements|limit"),
    nearest((1, 3, 0, 2), (5, 6), error="nothing to resize"),
    Case("RESIZE_BILINEAR", [x(1, 3, 4, 2), const((5, 6), "int64")], [out()], {}, error="int64"),
    Case("RESIZE_BILINEAR", [x(1, 3, 4, 2), const((5, 6))], [out("int8")], {}, error="output is int8"),
]
