"""PAD, PADV2 and MIRROR_PAD."""

from __future__ import annotations

from op_cases import Case, In, Shape, const, fed, out, x

INT_MAX = 2**31 - 1


def pad(shape: Shape, amounts: object, dtype: str = "float32", **more: object) -> Case:
    index = more.pop("index", "int32")
    source = In(shape=shape, dtype=dtype, scale=more.pop("scale", ()), zero=more.pop("zero", 0))
    result = out(dtype, scale=source.scale, zero=more.pop("out_zero", source.zero))
    paddings = (fed if more.pop("fed", False) else const)(amounts, index)
    label = f"{index}_{amounts}_zero{result.zero}".replace(" ", "")
    return Case("PAD", [source, paddings], [result], {}, label=label, **more)


def padv2(shape: Shape, amounts: object, value: object, dtype: str = "float32", **more: object) -> Case:
    scale, zero = more.pop("scale", ()), more.pop("zero", 0)
    make = fed if more.pop("fed", False) else const
    inputs = [
        In(shape=shape, dtype=dtype, scale=scale, zero=zero),
        const(amounts),
        make(value, dtype, scale=scale, zero=more.pop("value_zero", zero)),
    ]
    label = f"{amounts}_{value}".replace(" ", "")
    return Case("PADV2", inputs, [out(dtype, scale=scale, zero=zero)], {}, label=label, **more)


def mirror(shape: Shape, amounts: object, mode: str, dtype: str = "float32", **more: object) -> Case:
    paddings = (fed if more.pop("fed", False) else const)(amounts, more.pop("index", "int32"))
    label = f"{mode}_{amounts}".replace(" ", "")
    return Case("MIRROR_PAD", [x(*shape, dtype=dtype), paddings], [out(dtype)], {"mode": mode}, label=label, **more)


IMAGE = ((0, 0), (1, 2), (3, 0), (0, 0))

CASES = [
    pad((3,), ((1, 2),)),
    pad((3,), ((0, 0),)),
    pad((2, 3), ((1, 0), (0, 2))),
    pad((2, 3), ((1, 1), (0, 0))),
    pad((2, 3, 4), ((0, 1), (1, 0), (2, 3))),
    pad((2, 3, 4, 5), IMAGE),
    pad((2, 3, 4, 5), ((1, 1), (0, 0), (0, 0), (0, 0))),
    pad((2, 3, 4, 5), ((0, 1), (2, 1), (1, 0), (3, 1))),
    pad((2, 2, 3, 2, 3), ((0, 1), (1, 0), (0, 0), (2, 0), (0, 1))),
    pad((0, 3), ((1, 1), (0, 1))),
    pad((2, 0), ((1, 1), (2, 0))),
    pad((2, 3), ((1, 0), (0, 2)), index="int64"),
    pad((2, 3), ((1, 0), (0, 2)), fed=True),
    pad((1, 40, 40, 16), ((0, 0), (1, 1), (1, 1), (0, 0)), "int8", scale=0.5, zero=7),
    *(pad((2, 3, 4, 5), IMAGE, "int8", scale=0.1, zero=zero) for zero in (-128, -3, 0, 127)),
    *(pad((2, 3), ((1, 0), (0, 2)), "uint8", scale=0.1, zero=zero) for zero in (0, 128, 255)),
    pad((2, 3), ((1, 0), (0, 2)), "int8", scale=0.1, zero=5, out_zero=-9),
    pad((2, 3), ((1, 0), (0, 2)), "int16", scale=0.1),
    *(pad((2, 3), ((1, 0), (0, 2)), dtype) for dtype in ("int8", "uint8", "int16", "int32", "int64", "bool")),
    pad((2, 3), ((-1, 0), (0, 2)), error="padding of -1"),
    pad((2, 3), ((INT_MAX, 0), (0, 2)), error="gets 2147483649 elements"),
    pad((2, 3), ((2**62, 2**62), (0, 2)), index="int64", error="padding of"),
    pad((2, 3), ((2**30, 0), (0, 2**30)), error="elements|limit"),
    pad((2, 3), ((1, 1),), error=r"paddings of shape \[1, 2\]"),
    pad((2, 3), (1, 1), error=r"paddings of shape \[2\]"),
    pad((2, 3), ((1, 1, 1), (1, 1, 1)), error=r"paddings of shape \[2, 3\]"),
    pad((2, 3), ((1.0, 1.0), (1.0, 1.0)), index="float32", error="float32"),
    padv2((2, 3), ((1, 0), (0, 2)), 1.5),
    padv2((2, 3), ((1, 0), (0, 2)), [-2.5]),
    padv2((2, 3, 4, 5), IMAGE, float("inf")),
    padv2((2, 3, 4, 5), IMAGE, -128, "int8", scale=0.1, zero=-5),
    padv2((2, 3), ((1, 0), (0, 2)), 200, "uint8", scale=0.1, zero=100),
    padv2((2, 3), ((1, 0), (0, 2)), -300, "int16", scale=0.1),
    *(padv2((2, 3), ((1, 0), (0, 2)), 1, dtype) for dtype in ("int8", "int16", "int32", "int64", "bool")),
    padv2((2, 3), ((1, 0), (0, 2)), 3.0, fed=True),
    Case("PADV2", [x(2, 3), const(((1, 0), (0, 2))), None], [out()], {}, label="no_value"),
    padv2((2, 3), ((1, 0), (0, 2)), [1.0, 2.0], error=r"pad value of shape \[2\]"),
    padv2((2, 3), ((1, 0), (0, 2)), 3, "int8", scale=0.1, zero=1, value_zero=2, error="differ in scale"),
    Case("PADV2", [x(2, 3), const(((1, 0), (0, 2))), const(1)], [out()], {}, error="int32"),
    *(mirror((3, 4), ((1, 2), (2, 0)), mode) for mode in ("REFLECT", "SYMMETRIC")),
    *(mirror((4,), ((3, 3),), mode, "int8") for mode in ("REFLECT", "SYMMETRIC")),
    mirror((4,), ((4, 4),), "SYMMETRIC"),
    *(mirror((2, 5, 6, 3), ((0, 0), (2, 3), (4, 1), (0, 0)), mode, "int8") for mode in ("REFLECT", "SYMMETRIC")),
    *(mirror((2, 3, 4, 3, 2), ((1, 1), (0, 2), (3, 1), (0, 0), (1, 0)), mode) for mode in ("REFLECT", "SYMMETRIC")),
    *(mirror((3, 4), ((1, 2), (2, 0)), "REFLECT", dtype) for dtype in ("uint8", "int16", "int32", "int64", "bool")),
    mirror((3, 4), ((1, 2), (2, 0)), "REFLECT", index="int64"),
    mirror((3, 4), ((1, 2), (2, 0)), "SYMMETRIC", fed=True),
    mirror((3, 4), ((0, 0), (0, 0)), "REFLECT"),
    mirror((3, 4), ((3, 0), (0, 0)), "REFLECT", error="too much to mirror a dimension of 3"),
    mirror((3, 4), ((0, 0), (0, 5)), "SYMMETRIC", error="too much to mirror a dimension of 4"),
    mirror((0, 4), ((0, 0), (0, 0)), "REFLECT", error="too much to mirror a dimension of 0"),
    mirror((3, 4), ((-1, 0), (0, 0)), "REFLECT", error="padding of -1"),
]
