"""SLICE and STRIDED_SLICE."""

from __future__ import annotations

from collections.abc import Sequence

from op_cases import Case, Shape, const, fed, out, x

INT_MIN, INT_MAX = -(2**31), 2**31 - 1


def cut(shape: Shape, begin: Shape, size: Shape, dtype: str = "float32", index: str = "int32", **more: object) -> Case:
    inputs = [x(*shape, dtype=dtype), const(begin, index), const(size, index)]
    return Case("SLICE", inputs, [out(dtype)], label=f"{index}_{list(begin)}_{list(size)}", **more)


def bits(*places: int) -> int:
    return sum(1 << place for place in places)


def strided(
    shape: Shape,
    begin: Shape,
    end: Shape,
    strides: Shape,
    dtype: str = "float32",
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
    offset: bool = False,
    inputs: Sequence[object] | None = None,
    label: str = "",
    **more: object,
) -> Case:
    options = {
        "begin_mask": begin_mask,
        "end_mask": end_mask,
        "ellipsis_mask": ellipsis_mask,
        "new_axis_mask": new_axis_mask,
        "shrink_axis_mask": shrink_axis_mask,
        "offset": offset,
    }
    masks = "_".join(f"{name.split('_')[0]}{value}" for name, value in options.items() if value)
    label = label or f"{list(begin)}:{list(end)}:{list(strides)}_{masks}"
    inputs = inputs or [x(*shape, dtype=dtype), const(begin), const(end), const(strides)]
    return Case("STRIDED_SLICE", inputs, [out(dtype)], options, label=label, **more)


SLICES = [
    cut((3, 4, 5), (0, 1, 2), (2, 3, 1)),
    cut((3, 4, 5), (0, 0, 0), (3, 4, 5)),
    cut((3, 4, 5), (1, 2, 3), (-1, -1, -1)),
    cut((3, 4, 5), (1, 0, 0), (1, 4, 5), "int8"),
    cut((3, 4, 5), (3, 0, 0), (0, 4, 5)),
    cut((3, 4, 5), (3, 0, 0), (-1, 4, 5)),
    cut((9,), (2,), (4,), "uint8"),
    cut((2, 3, 4, 5), (0, 1, 1, 1), (2, 2, -1, 3), "int8", "int64"),
    cut((2, 3, 2, 3, 2), (0, 1, 0, 1, 0), (2, 1, 2, 2, 1), "int16"),
    cut((2, 3, 2, 3, 2, 2), (0, 1, 0, 1, 0, 1), (2, 2, 2, 1, 2, 1), "int32"),
    *(cut((4, 6), (1, 2), (2, 3), dtype) for dtype in ("int32", "int64", "bool", "int16", "uint8")),
    Case("SLICE", [x(4, 5), fed((1, 2), "int32"), fed((2, -1), "int32")], [out()], label="fed"),
    cut((1,), (0,), (1,)),
    cut((3, 4), (0, 2), (3, 3), error="outside dimension 1"),
    cut((3, 4), (-1, 0), (1, 1), error="outside dimension 0"),
    cut((3, 4), (4, 0), (-1, 1), error="outside dimension 0"),
    cut((3, 4), (0, 0), (-2, 1), error="outside dimension 0"),
    cut((3, 4), (INT_MAX, 0), (INT_MAX, 1), error="outside dimension 0"),
    cut((3, 4), (2**62, 0), (2**62, 1), index="int64", error="outside dimension 0"),
    cut((3, 4), (0,), (1,), error="1 and 1 elements"),
    cut((3, 4), (0, 0), (1,), error="2 and 1 elements"),
]

STRIDED = [
    strided((10,), (2,), (8,), (3,)),
    strided((10,), (8,), (2,), (-3,)),
    strided((10,), (-3,), (-8,), (-2,)),
    strided((10,), (-100,), (100,), (1,)),
    strided((10,), (100,), (-100,), (-1,)),
    strided((10,), (5,), (5,), (1,)),
    strided((10,), (7,), (3,), (1,)),
    strided((10,), (3,), (7,), (-1,)),
    strided((10,), (3,), (7,), (INT_MAX,)),
    strided((10,), (7,), (3,), (-INT_MAX,)),
    strided((10,), (INT_MIN,), (INT_MAX,), (2,)),
    strided((10,), (4,), (0,), (2,), begin_mask=1),
    strided((10,), (4,), (0,), (2,), end_mask=1),
    strided((10,), (4,), (0,), (-2,), begin_mask=1, end_mask=1),
    strided((10,), (0,), (0,), (-1,), begin_mask=1, end_mask=1, dtype="int8"),
    strided((10,), (3,), (4,), (1,), shrink_axis_mask=1),
    strided((10,), (-1,), (0,), (1,), shrink_axis_mask=1),
    strided((10,), (-100,), (0,), (1,), shrink_axis_mask=1),
    strided((10,), (3,), (0,), (5,), shrink_axis_mask=1),
    strided((10,), (3,), (4,), (1,), shrink_axis_mask=1, begin_mask=1),
    strided((4, 6), (1, 2), (3, 5), (1, 2), "int8"),
    strided((4, 6), (1,), (3,), (1,)),
    strided((4, 6), (3, 5), (0, 0), (-2, -2)),
    strided((4, 6), (0, 1), (4, 2), (1, 1), shrink_axis_mask=bits(1)),
    strided((4, 6), (2, 1), (3, 2), (1, 1), shrink_axis_mask=bits(0, 1)),
    strided((3, 4, 5), (0, 0, 1), (3, 0, 4), (1, 1, 2), end_mask=bits(1)),
    strided((3, 4, 5), (1, 0, 0), (2, 4, 5), (1, 1, 1), "int8", shrink_axis_mask=bits(0)),
    strided((3, 4, 5), (0, 1), (0, 3), (1, 1), ellipsis_mask=bits(0)),
    strided((3, 4, 5), (1, 0), (2, 0), (1, 1), ellipsis_mask=bits(1)),
    strided((3, 4, 5), (1, 0, 2), (2, 0, 4), (1, 1, 1), ellipsis_mask=bits(1)),
    strided((2, 3, 4, 5), (1, 0, 2), (2, 0, 4), (1, 1, 2), ellipsis_mask=bits(1), shrink_axis_mask=bits(0)),
    strided((2, 3, 4, 5), (0, 2), (0, 4), (1, 1), ellipsis_mask=bits(0), shrink_axis_mask=bits(1)),
    strided((2, 3, 4, 5), (0,), (0,), (1,), ellipsis_mask=bits(0)),
    strided((3, 4), (0, 0, 0), (0, 3, 4), (1, 1, 1), new_axis_mask=bits(0)),
    strided((3, 4), (0, 0, 0), (3, 0, 4), (1, 1, 1), new_axis_mask=bits(1)),
    strided((3, 4), (1, 1, 0), (3, 3, 0), (1, 1, 1), new_axis_mask=bits(2)),
    strided((3, 4), (0, 0, 0, 1), (0, 0, 3, 3), (1, 1, 1, 1), new_axis_mask=bits(0, 1)),
    strided((3, 4), (0, 0), (0, 0), (1, 1), new_axis_mask=bits(0), end_mask=bits(1)),
    strided((3, 4, 5), (0, 0, 1), (0, 0, 3), (1, 1, 1), ellipsis_mask=bits(0), new_axis_mask=bits(1)),
    strided((3, 4, 5), (1, 0, 0), (2, 0, 0), (1, 1, 1), ellipsis_mask=bits(1), new_axis_mask=bits(2)),
    strided((3, 4, 5), (0, 0, 1), (0, 0, 3), (1, 1, 1), ellipsis_mask=bits(1), new_axis_mask=bits(0)),
    strided((3, 4, 5), (0, 1), (0, 3), (1, 1), ellipsis_mask=bits(0), new_axis_mask=bits(0)),
    strided((3, 4, 5), (1, 0, 2), (0, 0, 3), (1, 1, 1), new_axis_mask=bits(1), shrink_axis_mask=bits(0, 2)),
    strided((3, 4, 5), (0, 0, 1), (0, 0, 3), (1, 1, 1), new_axis_mask=bits(0), shrink_axis_mask=bits(0)),
    strided((2, 3, 2, 4, 3), (0, 1, 0, 3, 0), (2, 3, 1, 0, 3), (1, 1, 1, -2, 2)),
    strided((2, 3, 2, 4, 3, 2), (0, 1, 0, 3, 0, 1), (2, 3, 1, 0, 3, 2), (1, 1, 1, -2, 2, 1), "int8"),
    strided((2, 2, 2, 2, 2, 2, 2, 2), (0, 1) * 4, (2, 2) * 4, (1, 1) * 4),
    strided((6, 5), (1, 2), (3, 2), (1, 1), offset=True),
    strided((6, 5), (-5, 2), (4, 1), (2, 1), offset=True),
    strided((0, 5), (0, 1), (0, 3), (1, 1)),
    *(strided((4, 6), (0, 1), (4, 6), (2, 2), dtype) for dtype in ("uint8", "int16", "int32", "int64", "bool")),
    strided((1, 32, 32, 4), (0, 1, 1, 0), (1, 32, 32, 4), (1, 2, 2, 1), "int8"),
    strided(
        (),
        (),
        (),
        (),
        inputs=[x(5, 6), fed((1, 0), "int32"), fed((4, 6), "int32"), fed((2, -1), "int32")],
        begin_mask=bits(1),
        end_mask=bits(1),
        label="fed",
    ),
]

HOSTILE = [
    strided((4, 6), (0, 0), (4, 6), (0, 1), error="stride of 0"),
    strided((4, 6), (0, 0), (4, 6), (1, 0), shrink_axis_mask=2, error="stride of 0"),
    strided((4, 6), (4, 0), (5, 6), (1, 1), shrink_axis_mask=1, error="index 4 is outside"),
    strided((4, 6), (3, 0), (2, 6), (-1, 1), shrink_axis_mask=1, error="stride -1"),
    strided((0, 6), (0, 0), (1, 6), (1, 1), shrink_axis_mask=1, error="outside a dimension of 0"),
    strided((4, 6), (0, 0, 0), (4, 6, 1), (1, 1, 1), error="3 dimensions for input of rank 2"),
    strided((4, 6), (0, 0), (4, 6), (1,), error="2, 2 and 1"),
    strided((4, 6), (0, 0, 0), (4, 6, 1), (1, 1, 1), ellipsis_mask=1, error="stands for no dimension"),
    strided((4, 6), (0, 0, 0), (4, 6, 1), (1, 1, 1), ellipsis_mask=3, error="more than one ellipsis"),
    strided((4,), (0,) * 32, (1,) * 32, (1,) * 32, new_axis_mask=-2, error="32 indices"),
    strided((4,), (0,) * 12, (1,) * 12, (1,) * 12, new_axis_mask=-2, error="rank 12"),
    strided((4, 6), (1, 2), (4, 2), (1, 1), offset=True, error="outside a dimension of 4"),
    strided((4, 6), (1, 2), (INT_MAX, 2), (1, 1), offset=True, error="outside a dimension of 4"),
    strided((4, 6), (0, 0), (4, 6), (INT_MIN, INT_MIN), offset=True, error="outside a dimension of 4"),
    strided((), (), (), (), inputs=[x(5), const([0], "int64"), const([1]), const([1])], label="int64", error="int64"),
]

CASES = [*SLICES, *STRIDED, *HOSTILE]
