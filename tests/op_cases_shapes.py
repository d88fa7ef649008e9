"""BITCAST, RANK and BROADCAST_ARGS."""

import numpy as np

from op_cases import Case, const, fed, out, x
from op_shapes import broadcast_pairs, shapes

BITS = {
    "float32": 32, "float16": 16, "bfloat16": 16, "float64": 64, "int8": 8, "uint8": 8, "int16": 16, "uint16": 16,
    "int32": 32, "uint32": 32, "int64": 64, "uint64": 64, "complex64": 64,
}  # fmt: skip


def bitcasts() -> list[Case]:
    cases = []
    for i, (source, bits) in enumerate(BITS.items()):
        for j, (target, others) in enumerate(BITS.items()):
            shape = shapes(1, 191 + i * j, ranks=(0, 3))[0] + ((others // bits,) if others > bits else ())
            if target in ("float16", "bfloat16", "float32", "float64", "complex64") and source != target:
                continue  # bits of a NaN, which compare as they are below
            cases.append(Case("BITCAST", [x(*shape, dtype=source)], [out(target)], seed=i))
    for target, dtype in (("float32", "int32"), ("float16", "int16"), ("float64", "int64"), ("complex64", "int64")):
        values = np.arange(-40, 40) * 0.37
        cases.append(Case("BITCAST", [fed(values.astype(target).view(dtype)[:40], dtype)], [out(target)]))
    cases.append(Case("BITCAST", [x(3, 4, dtype="float32")], [out("uint8", scale=0.1, zero=3)]))
    return cases


def ranks() -> list[Case]:
    return [
        Case("RANK", [x(*shape, dtype=dtype)], [out("int32")], seed=i)
        for dtype in ("float32", "int8", "bool", "int64")
        for i, shape in enumerate(shapes(10, 201, ranks=(0, 6)))
    ]


def dims() -> list[Case]:
    cases = []
    for i, (a, b) in enumerate(broadcast_pairs(40, 211, most=6)):
        for dtype in ("int32", "int64"):
            make = fed if i % 2 else const
            inputs = [make(np.array(side, dtype), dtype) for side in (a, b)]
            cases.append(Case("BROADCAST_ARGS", inputs, [out(dtype)], seed=i))
    empty = const(np.zeros(0, np.int32))
    return [*cases, Case("BROADCAST_ARGS", [empty, empty], [out("int32")])]


def refused() -> list[Case]:
    two = const([2, 3])
    numbers = [out("int32")]
    return [
        Case("BITCAST", [x(2, 3, dtype="int8")], [out()], error="the last dimension of .2, 3. is not 4"),
        Case("BITCAST", [x(dtype="int8")], [out()], error="the last dimension of .. is not 4"),
        Case("BITCAST", [x(*(1,) * 10)], [out("int8")], error="rank"),
        Case("BITCAST", [x(4)], [out("int4")], error="BITCAST of float32 to int4"),
        Case("RANK", [x(2)], [out("int64")], error="output is int64, not int32"),
        Case("RANK", [x(2), x(2)], numbers, error="has 2 inputs"),
        Case("BROADCAST_ARGS", [two, const([4])], numbers, error="dimensions 3 and 4 cannot be broadcast"),
        Case(
            "BROADCAST_ARGS", [fed([0], "int32"), const([4])], numbers, error="dimensions 0 and 4 cannot be broadcast"
        ),
        Case("BROADCAST_ARGS", [two, const([[4]])], numbers, error="shapes must be vectors"),
        Case("BROADCAST_ARGS", [two, const([4], "int64")], numbers, error="inputs are int32 and int64"),
        Case("BROADCAST_ARGS", [two, two], [out("int64")], error="output is int64"),
        Case("BROADCAST_ARGS", [x(2), x(2)], [out()], error="BROADCAST_ARGS of float32"),
    ]


CASES = [*bitcasts(), *ranks(), *dims(), *refused()]
