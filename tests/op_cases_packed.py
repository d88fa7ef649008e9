"""Elements of 4 and 2 bits in the ops that move them, and to and from real numbers."""

import numpy as np

from op_cases import Array, Case, In, c, const, fed, out, x
from op_shapes import shapes

NAN, INF = float("nan"), float("inf")
LIMITS = {"int4": (-8, 7), "uint4": (0, 15), "int2": (-2, 1)}
WHY = "TFLite moves no packed elements here but int4"


def gather(source: In, axis: int, picks: Array, seed: int) -> Case:
    """TFLite halves the numbers of elements, which is right for slices of whole bytes only."""

    def expected(arrays: list[Array]) -> list[Array]:
        return [arrays[0].take(arrays[1], axis)]

    odd = int(np.prod(source.shape[axis + 1 :])) % 2
    more = {"expected": expected, "why": "TFLite halves the length of slices, also of odd ones"} if odd else {}
    options = {"axis": axis, "batch_dims": 0}
    return Case("GATHER", [source, fed(picks, "int32")], [out("int4")], options, seed=seed, **more)


def broadcast(source: In, wide: list[int], seed: int) -> Case:
    """TFLite repeats whole bytes, two elements at a time."""

    def expected(arrays: list[Array]) -> list[Array]:
        return [np.broadcast_to(arrays[0], wide)]

    why = "TFLite repeats elements of int4 two at a time"
    inputs = [source, const(wide)]
    return Case("BROADCAST_TO", inputs, [out("int4")], version=2, expected=expected, why=why, seed=seed)


def moves() -> list[Case]:
    cases = []
    rng = np.random.default_rng(4)
    for i, shape in enumerate(shapes(24, 321, ranks=(1, 5))):
        source = (c if i % 4 == 0 else x)(*shape, dtype="int4")
        order = rng.permutation(len(shape))
        small = len(shape) <= 6 and 0 not in shape
        cases.append(Case("TRANSPOSE", [source, const(order)], [out("int4")], seed=i, label=f"{order.tolist()}"))
        begin = [int(rng.integers(0, d + 1)) for d in shape]
        size = [int(rng.integers(0, d - b + 1)) if i % 3 else -1 for d, b in zip(shape, begin, strict=True)]
        if small and 0 not in size:
            label = f"{begin}_{size}".replace(" ", "")
            cases.append(Case("SLICE", [source, const(begin), const(size)], [out("int4")], seed=i, label=label))
        flat = const([int(np.prod(shape))])
        cases.append(Case("RESHAPE", [source, flat], [out("int4")], seed=i))
        axis = int(rng.integers(0, len(shape)))
        cases.append(Case("EXPAND_DIMS", [source, const(axis)], [out("int4")], seed=i, label=f"{axis}"))
        cases.append(Case("SQUEEZE", [x(1, *shape, dtype="int4")], [out("int4")], {"squeeze_dims": [0]}, seed=i))
        parts = [x(*shape[:axis], int(rng.integers(1, 4)), *shape[axis + 1 :], dtype="int4") for _ in range(1 + i % 3)]
        if small:
            cases.append(Case("CONCATENATION", [source, *parts], [out("int4")], {"axis": axis}, seed=i))
        if small:
            cases.append(gather(source, axis, rng.integers(0, shape[axis], 1 + i % 3), seed=i))
        if small:
            wide = [d if d > 1 else 3 for d in shape]
            cases.append(broadcast(source, wide, seed=i))
        update = tuple(int(rng.integers(1, d + 1)) for d in shape) if small else shape
        starts = fed(rng.integers(-1, 4, len(shape)), "int32")
        if small:
            inputs = [x(*shape, dtype="int4"), x(*update, dtype="int4"), starts]
            cases.append(Case("DYNAMIC_UPDATE_SLICE", inputs, [out("int4")], seed=i))
    return cases


def others() -> list[Case]:
    """uint4 and int2, which TFLite does not move."""
    cases = []
    for dtype in ("uint4", "int2"):
        source = x(3, 5, 2, dtype=dtype)
        for case in [
            Case("TRANSPOSE", [source, const([2, 0, 1])], [out(dtype)], expected=transposed, why=WHY),
            Case("SLICE", [source, const([1, 1, 0]), const([2, 3, 1])], [out(dtype)], expected=sliced, why=WHY),
            Case("RESHAPE", [source, const([6, 5])], [out(dtype)], expected=reshaped, why=WHY),
            Case("GATHER", [source, fed([2, 0], "int32")], [out(dtype)], {"axis": 0}, expected=picked, why=WHY),
            Case("CONCATENATION", [source, source], [out(dtype)], {"axis": 1}, expected=joined, why=WHY),
        ]:
            cases.append(case)
    return cases


def transposed(arrays: list[Array]) -> list[Array]:
    return [arrays[0].transpose(2, 0, 1)]


def sliced(arrays: list[Array]) -> list[Array]:
    return [arrays[0][1:3, 1:4, :1]]


def reshaped(arrays: list[Array]) -> list[Array]:
    return [arrays[0].reshape(6, 5)]


def picked(arrays: list[Array]) -> list[Array]:
    return [arrays[0][[2, 0]]]


def joined(arrays: list[Array]) -> list[Array]:
    return [np.concatenate(arrays, axis=1)]


def conversions() -> list[Case]:
    cases = []
    for dtype, (low, high) in LIMITS.items():
        make = c if dtype == "int2" else x  # which LiteRT's Python interface does not feed
        for i, shape in enumerate(shapes(8, 331, ranks=(0, 4))):
            cases.append(Case("CAST", [x(*shape, low=low * 1.3 - 1, high=high * 1.3)], [out(dtype)], seed=i))
            cases.append(Case("CAST", [make(*shape, dtype=dtype)], [out()], seed=i))
            cases.append(Case("CAST", [c(*shape, dtype=dtype)], [out()], seed=i))
            for scale, zero in ((0.3, 0), (1.7, low), (0.01, high)):
                stored = {"dtype": dtype, "scale": scale, "zero": zero}
                if i < 4:
                    cases.append(Case("DEQUANTIZE", [make(*shape, **stored)], [out()], seed=i, label=f"{scale}"))
                if dtype != "int2":
                    cases.append(Case("QUANTIZE", [x(*shape)], [out(**stored)], seed=i, label=f"{scale}"))
        special = fed([0.5, -0.5, 1.5, 2.5, -1.5, INF, -INF, 1e30])
        cases.append(Case("CAST", [special], [out(dtype)], label="special"))
        cases.append(Case("CAST", [fed([NAN, 1.0])], [out(dtype)], label="nan"))
    halves = fed(np.arange(-9, 9, 0.25))
    cases.append(Case("QUANTIZE", [halves], [out("int4", scale=0.5)], label="halves"))

    def ends(_: list[Array]) -> list[Array]:
        return [np.array([7, -8, -8, 7], np.int8)]

    why = "TFLite casts what is beyond int32 before it clamps, which is undefined"
    extremes = fed([INF, -INF, NAN, 3e38])
    return [*cases, Case("QUANTIZE", [extremes], [out("int4", scale=0.5, zero=1)], expected=ends, why=why)]


def refused() -> list[Case]:
    four = x(3, dtype="int4")

    def unknown(kind: str, *inputs: In, **options: object) -> Case:
        return Case(kind, inputs, [out("int4")], options, error=f"{kind} of int4")

    return [
        unknown("TILE", four, const([2])),
        unknown("REVERSE_V2", four, const([0])),
        unknown("GATHER_ND", four, const([[0]])),
        unknown("PAD", four, const([[1, 1]])),
        unknown("NEG", four),
        unknown("ADD", four, four),
        Case("CAST", [x(3, dtype="int32")], [out("int4")], error="CAST of int32 to int4"),
        Case("QUANTIZE", [x(3)], [out("int4")], error="output has no quantization"),
        Case("QUANTIZE", [x(3, dtype="int8", scale=1.0)], [out("int4", scale=1.0)], error="QUANTIZE of int8 to int4"),
        Case("TRANSPOSE", [four, const([0])], [out("int8")], error="output 0 is int8, another operand int4"),
        Case("CONCATENATION", [four, x(3, dtype="int8")], [out("int4")], {"axis": 0}, error="input 1 is int8"),
    ]


CASES = [*moves(), *others(), *conversions(), *refused()]
