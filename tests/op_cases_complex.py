"""RFFT2D, REAL, IMAG, COMPLEX_ABS, and the other ops that take complex numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from op_cases import Array, Case, In, Out, Shape, c, const, fed, out, x

C64 = {"dtype": "complex64"}
C128 = {"dtype": "complex128"}
NAN, INF = float("nan"), float("inf")


def frequencies(arrays: list[Array]) -> list[Array]:
    return [np.fft.rfft2(arrays[0].astype(np.float64), s=tuple(arrays[1])).astype(np.complex64)]


def rfft(shape: Shape, lengths: Sequence[int], *, make: Any = const, **more: Any) -> Case:
    if lengths[1] == 1 and "error" not in more:
        more |= {"expected": frequencies, "why": "BUILTIN_REF doubles a transform of width 1 and negates half of it"}
    label = "x".join(map(str, lengths)) + more.pop("label", "")
    given = more.pop("input", None) or x(*shape)
    return Case(
        "RFFT2D", [given, make(list(lengths), "int32")], [out("complex64")], tolerance=1e-6, label=label, **more
    )


def part(kind: str, *shape: int, wide: bool = False, **more: Any) -> Case:
    given = more.pop("input", None) or x(*shape, **(C128 if wide else C64))
    return Case(kind, [given], [out("float64" if wide else "float32")], tolerance=1e-6, **more)


EXTREME = np.array([0, -0.0, INF, -INF, 1e-30j, 3e30 + 4e30j, 1e38 + 1e38j, complex(0, INF), complex(NAN, 1)])


def moved(kind: str, inputs: Sequence[In], outputs: Sequence[Out] | None = None, **more: Any) -> Case:
    """An op that only moves numbers about."""
    return Case(kind, inputs, outputs or [out("complex64")], **more)


MOVES = [
    moved("RESHAPE", [x(2, 3, **C64), const([3, -1])]),
    moved("SQUEEZE", [x(1, 3, **C64)]),
    moved("EXPAND_DIMS", [x(2, 3, **C64), const(-1)]),
    moved("TRANSPOSE", [x(2, 3, 4, **C64), const([2, 0, 1])]),
    moved("SLICE", [x(4, 5, **C64), const([1, 0]), const([-1, 3])]),
    moved("STRIDED_SLICE", [x(4, 5, **C64), const([3, 0]), const([0, 5]), const([-2, 2])]),
    moved("TILE", [x(2, 3, **C64), const([2, 2])]),
    moved("BROADCAST_TO", [x(1, 3, **C64), const([4, 3])], version=3),
    moved("FILL", [const([2, 3]), x(**C64)]),
    moved("CAST", [x(2, 3, **C64)], [out()]),
    moved("CAST", [x(2, 3)]),
]

CASES = [
    *(rfft((2, 4, 8), lengths) for lengths in ((4, 8), (1, 8), (4, 2), (8, 16), (2, 4), (1, 2), (16, 2))),
    *(rfft((3, 6), lengths) for lengths in ((4, 8), (2, 4), (4, 1), (1, 1))),
    *(rfft(shape, (2, 4)) for shape in ((0, 3, 8), (2, 0, 8), (2, 3, 0), (1, 1, 1, 1, 2, 5))),
    rfft((5, 1, 400), (1, 512)),
    rfft((2, 3, 8), (2, 8), make=fed),
    rfft((), (4, 8), input=c(4, 8), label="folded"),
    rfft((), (2, 4), input=x(2, 4, low=-1e30, high=1e30), label="large"),
    rfft((3, 8), (3, 4), error="3.*power of two"),
    rfft((3, 8), (4, 0), error="length 0"),
    rfft((3, 8), (-4, 4), error="length -4"),
    rfft((3, 8), (4, 1 << 30), error="power of two"),
    rfft((0, 3, 8), (1 << 22, 1 << 22), error="elements|limit"),
    rfft((8,), (1, 4), error="matrix"),
    rfft((), (1, 4), input=x(4, 4, dtype="int32"), error="int32"),
    Case("RFFT2D", [x(2, 4), const([2, 4])], [out()], error="float32"),
    Case("RFFT2D", [x(2, 4), const([2, 4], "int64")], [out("complex64")], error="int32"),
    Case("RFFT2D", [x(2, 4), const([4])], [out("complex64")], error="shape"),
    *(
        part(kind, *shape)
        for kind in ("REAL", "IMAG", "COMPLEX_ABS")
        for shape in ((), (2, 3), (0, 3), (1, 2, 3, 4, 2))
    ),
    *(part(kind, 2, 3, wide=True) for kind in ("REAL", "IMAG", "COMPLEX_ABS")),
    *(part(kind, input=fed(EXTREME, "complex64"), label="extreme") for kind in ("REAL", "IMAG", "COMPLEX_ABS")),
    Case("COMPLEX_ABS", [x(2, 3)], [out()], error="float32"),
    Case("REAL", [x(2, 3, **C64)], [out("float64")], error="float64"),
    Case("IMAG", [x(2, 3, **C64)], [out("complex64")], error="complex64"),
    Case("IMAG", [x(2, **C64), x(2, **C64)], [out()], error="inputs"),
    *MOVES,
    *(
        Case("MUL", [x(*a, **C64), x(*b, **C64)], [out("complex64")], version=5, tolerance=1e-6)
        for a, b in (((2, 3), (2, 3)), ((2, 3), (3,)), ((2, 1, 4), (3, 1)), ((), (2, 2)), ((0, 3), (1, 3)))
    ),
    Case("MUL", [x(2, **C64), x(2, **C64)], [out("complex64")], {"fused_activation_function": 1}, error="activation"),
]

MORE = [
    *(rfft((2, 9, 17), (h, w)) for h in (1, 2, 4, 8, 16, 32) for w in (1, 2, 4, 8, 16, 32)),
    *(rfft((1, n), (1, n), seed=n) for n in (64, 256, 1024, 4096)),
    *(rfft((n, 4), (n, 4), seed=n) for n in (64, 256, 1024)),
]
