"""CONCATENATION, PACK, UNPACK, SPLIT and SPLIT_V."""

from __future__ import annotations

from collections.abc import Sequence

from op_cases import Case, In, Shape, c, const, fed, out, x

QUANTIZED = {"scale": 0.1, "zero": 3}


def join(axis: int, *inputs: In, dtype: str = "float32", label: str = "", **more: object) -> Case:
    activation = more.pop("activation", "NONE")
    result = out(dtype, scale=more.pop("scale", ()), zero=more.pop("zero", 0))
    options = {"axis": axis, "fused_activation_function": activation}
    return Case("CONCATENATION", inputs, [result], options, label=f"axis{axis}{label}", **more)


def same(axis: int, *shapes: Shape, dtype: str = "float32", **more: object) -> Case:
    return join(axis, *(x(*shape, dtype=dtype) for shape in shapes), dtype=dtype, **more)


def rescaled(seed: int, *scales: tuple[float, int], to: tuple[float, int], axis: int = 1) -> Case:
    inputs = [In(shape=(3, 40 + i, 2), dtype="uint8", scale=s, zero=z) for i, (s, z) in enumerate(scales)]
    label = f"_{scales}_to_{to}".replace(" ", "")
    return join(axis, *inputs, dtype="uint8", scale=to[0], zero=to[1], seed=seed, label=label)


def pack(axis: int, count: int, shape: Shape, dtype: str = "float32", **more: object) -> Case:
    options = {"values_count": more.pop("values_count", count), "axis": axis}
    quantized = {"scale": more.pop("scale", ()), "zero": more.pop("zero", 0)}
    inputs = [x(*shape, dtype=dtype, **quantized) for _ in range(count)]
    return Case("PACK", inputs, [out(dtype, **quantized)], options, label=f"axis{axis}", **more)


def unpack(axis: int, shape: Shape, count: int, dtype: str = "float32", **more: object) -> Case:
    options = {"num": more.pop("num", count), "axis": axis}
    quantized = {"scale": more.pop("scale", ()), "zero": more.pop("zero", 0)}
    outputs = [out(dtype, **quantized) for _ in range(count)]
    return Case("UNPACK", [x(*shape, dtype=dtype, **quantized)], outputs, options, label=f"axis{axis}", **more)


def split(axis: int, shape: Shape, count: int, dtype: str = "float32", **more: object) -> Case:
    options = {"num_splits": more.pop("num_splits", count)}
    make = fed if more.pop("fed", False) else const
    inputs = [make(axis, "int32"), x(*shape, dtype=dtype)]
    return Case("SPLIT", inputs, [out(dtype)] * count, options, label=f"axis{axis}_into{count}", **more)


def split_v(axis: int, shape: Shape, sizes: Sequence[int], dtype: str = "float32", **more: object) -> Case:
    options = {"num_splits": more.pop("num_splits", len(sizes))}
    make = fed if more.pop("fed", False) else const
    inputs = [x(*shape, dtype=dtype), make(sizes, more.pop("index", "int32")), make(axis, "int32")]
    return Case("SPLIT_V", inputs, [out(dtype)] * len(sizes), options, label=f"axis{axis}_{list(sizes)}", **more)


DTYPES = ("uint8", "int16", "int32", "int64", "bool", "uint32")

JOINS = [
    same(0, (3,)),
    same(0, (3,), (2,)),
    same(0, (3, 2), (1, 2), (4, 2)),
    same(1, (3, 2), (3, 5), (3, 1)),
    same(-1, (3, 2), (3, 5), (3, 1)),
    same(-2, (3, 2), (1, 2)),
    *(same(axis, (2, 3, 4), (2, 3, 4), (2, 3, 4)) for axis in (0, 1, 2)),
    same(2, (1, 2, 3, 4, 2), (1, 2, 1, 4, 2)),
    same(1, (3, 0), (3, 2), (3, 0)),
    same(0, (0, 3), (0, 3)),
    same(3, (1, 40, 40, 24), (1, 40, 40, 8), dtype="int8"),
    join(1, x(2, 3), c(2, 2)),
    join(0, const(1.5, "float32"), const(2.5, "float32"), const(-1.0, "float32")),
    join(0, const([1, 2]), const([3]), dtype="int32"),
    *(same(1, (2, 3), (2, 4), dtype=dtype) for dtype in DTYPES),
    join(1, *(x(2, n, dtype="int8", **QUANTIZED) for n in (1, 3, 2)), dtype="int8", **QUANTIZED),
    join(1, *(x(2, n, dtype="uint8", **QUANTIZED) for n in (1, 3, 2)), dtype="uint8", **QUANTIZED),
    join(1, *(x(2, n, dtype="int16", scale=0.1) for n in (1, 3, 2)), dtype="int16", scale=0.1),
    join(1, x(2, 3, dtype="int16", scale=0.1), x(2, 1, dtype="int16", scale=0.3), dtype="int16", scale=0.2),
    rescaled(1, (0.1, 3), (0.1, 3), to=(0.1, 4)),
    rescaled(2, (0.1, 3), (0.2, 3), to=(0.1, 3)),
    rescaled(3, (0.05, 128), (0.3, 0), (0.011, 255), to=(0.07, 100)),
    rescaled(4, (0.5, 0), (0.25, 255), to=(1.0, 0)),
    rescaled(5, (1.0, 0), (0.001, 12), to=(0.5, 255)),
    rescaled(6, (3.7, 77), (1e-3, 12), to=(1e-2, 128), axis=-2),
    join(1, x(2, 3, dtype="int8", **QUANTIZED), x(2, 3, dtype="int8", scale=0.2, zero=3), dtype="int8", **QUANTIZED,
         error="cannot rescale"),
    join(1, x(2, 3, dtype="int16", scale=0.1, zero=1), dtype="int16", scale=0.1, error="int16 with a zero point"),
    join(1, x(2, 3, dtype="uint8", scale=0.1), x(2, 3, dtype="uint8"), dtype="uint8", scale=0.1, error="no scale"),
    same(1, (2, 3), (3, 3), error="differ in more than axis 1"),
    same(1, (2, 3), (2, 3, 1), error="differ in more than axis 1"),
    same(2, (2, 3), (2, 3), error="axis 2 is outside rank 2"),
    same(-3, (2, 3), (2, 3), error="axis -3 is outside rank 2"),
    join(1, x(2, 3), x(2, 3, dtype="int32"), error="input is int32 but output is float32"),
    same(1, (2, 3), (2, 3), activation="RELU", error="fused activation"),
    Case("CONCATENATION", [], [out()], {"axis": 0}, error="no inputs"),
    Case("CONCATENATION", [x(2), None], [out()], {"axis": 0}, error="input 1 is missing"),
]  # fmt: skip

PACKS = [
    pack(0, 1, (2, 3)),
    *(pack(axis, 3, (2, 4)) for axis in (0, 1, 2, -1, -3)),
    pack(0, 2, ()),
    pack(1, 2, (2, 3, 2, 2), "int8", scale=0.1, zero=-7),
    *(pack(1, 2, (3, 2), dtype) for dtype in ("uint8", "int8", "int16", "int32", "int64", "uint32")),
    pack(3, 2, (2, 4), error="axis 3 is outside rank 3"),
    pack(-4, 2, (2, 4), error="axis -4 is outside rank 3"),
    pack(0, 2, (2, 4), values_count=3, error="values_count is 3 but there are 2 inputs"),
    pack(0, 2, (1,) * 10, error="rank 11"),
    Case("PACK", [x(2), x(3)], [out()], {"values_count": 2, "axis": 0}, error="differ"),
    Case("PACK", [x(2), x(2)], [out()], error="values_count is 0"),
    Case(
        "PACK",
        [x(2, dtype="int8", scale=0.1), x(2, dtype="int8", scale=0.2)],
        [out("int8", scale=0.1)],
        {"values_count": 2, "axis": 0},
        error="cannot rescale",
    ),
    *(unpack(axis, (3, 3, 3), 3) for axis in (0, 1, 2, -1, -3)),
    unpack(0, (4,), 4),
    unpack(1, (2, 1, 3), 1),
    unpack(1, (2, 3, 2), 3, "int8", scale=0.1, zero=-7),
    *(unpack(1, (2, 3, 2), 3, dtype) for dtype in ("uint8", "int8", "int16", "int32", "bool")),
    unpack(1, (2, 3), 2, error="dimension 1 is 3 but there are 2 outputs"),
    unpack(1, (2, 3), 3, num=2, error="num is 2"),
    unpack(2, (2, 3), 3, error="axis 2 is outside rank 2"),
    unpack(0, (), 1, error="axis 0 is outside rank 0"),
]

SPLITS = [
    split(0, (4,), 2),
    split(0, (6, 4), 3),
    split(1, (6, 4), 2),
    split(-1, (2, 3, 4), 4),
    split(1, (2, 3, 4), 1),
    split(1, (2, 0, 4), 2),
    split(3, (1, 30, 30, 64), 2, "int8"),
    split(1, (6, 4), 2, fed=True),
    *(split(1, (3, 4), 2, dtype) for dtype in ("uint8", "int8", "int16", "int32", "int64")),
    split(1, (3, 5), 2, error="cannot split 5 into 2 equal parts"),
    split(2, (3, 4), 2, error="axis 2 is outside rank 2"),
    split(1, (3, 4), 2, num_splits=4, error="num_splits is 4 but there are 2 outputs"),
    Case("SPLIT", [const([0, 1]), x(2, 2)], [out()] * 2, {"num_splits": 2}, error="one number"),
    Case("SPLIT", [const(0), x(2, 2)], [out()] * 2, error="num_splits is 0"),
    Case("SPLIT", [const(0), x(2, 2)], [], {"num_splits": 0}, error="num_splits is 0"),
    split_v(0, (6,), (1, 2, 3)),
    split_v(1, (3, 7), (2, 4, 1)),
    split_v(-1, (2, 3, 7), (3, 0, 4)),
    split_v(1, (2, 7, 3), (3, -1, 1)),
    split_v(1, (2, 7, 3), (-1,)),
    split_v(1, (2, 7, 3), (3, -1, 4)),
    split_v(1, (3, 7), (2, 4, 1), index="int64"),
    split_v(1, (3, 7), (2, -1, 1), fed=True),
    *(split_v(1, (3, 7), (2, 5), dtype) for dtype in ("uint8", "int8", "int16", "int32", "int64")),
    split_v(1, (3, 7), (2, 4), error="do not add up to 7"),
    split_v(1, (3, 7), (2, 6), error="do not add up to 7"),
    split_v(1, (3, 7), (8, -1), error="do not add up to 7"),
    split_v(1, (3, 7), (-1, -1), error="more than one size of -1"),
    split_v(1, (3, 7), (-2, 9), error="do not add up to 7"),
    split_v(1, (3, 7), (2**62, 2**62), index="int64", error="do not add up to 7"),
    split_v(1, (3, 7), (3, 4), num_splits=3, error="num_splits is 3"),
    split_v(2, (3, 7), (3, 4), error="axis 2 is outside rank 2"),
]

CASES = [*JOINS, *PACKS, *SPLITS]
