"""SEGMENT_SUM and UNSORTED_SEGMENT_SUM, _PROD, _MAX and _MIN."""

import numpy as np

from op_cases import Array, Case, const, fed, out, x
from op_shapes import shapes

UNSORTED = [f"UNSORTED_SEGMENT_{name}" for name in ("SUM", "PROD", "MAX", "MIN")]
NAN, INF = float("nan"), float("inf")
NO_REF = {"resolver": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "why": "BUILTIN_REF has no SEGMENT_SUM"}


def sorted_sums() -> list[Case]:
    cases = []
    for dtype in ("float32", "int32"):
        for i, shape in enumerate(shapes(26, 241, ranks=(1, 5), largest=9)):
            rng = np.random.default_rng(i)
            steps = rng.integers(0, 2, shape[0])
            steps[:1] = 0
            make = fed if i % 3 == 0 else const
            inputs = [x(*shape, dtype=dtype), make(np.cumsum(steps), "int32")]
            cases.append(Case("SEGMENT_SUM", inputs, [out(dtype)], seed=i, **NO_REF))
    cases.append(Case("SEGMENT_SUM", [x(0, 3), const(np.zeros(0, np.int32))], [out()], **NO_REF))
    wraps = [fed([[2**31 - 1], [2], [-5]], "int32"), const([0, 0, 1])]
    return [*cases, Case("SEGMENT_SUM", wraps, [out("int32")], label="wraps", **NO_REF)]


def unsorted() -> list[Case]:
    cases = []
    for kind in UNSORTED:
        for dtype in ("float32", "int32"):
            for i, shape in enumerate(shapes(24, 251, ranks=(1, 5), largest=6)):
                rng = np.random.default_rng(i)
                rank = int(rng.integers(1, len(shape) + 1))
                count = int(rng.integers(1, 7))
                ids = rng.integers(-1, count, shape[:rank])
                number = const([count]) if i % 2 else const(count)
                inputs = [x(*shape, dtype=dtype), (fed if i % 3 == 0 else const)(ids, "int32"), number]
                if 0 not in shape:
                    cases.append(Case(kind, inputs, [out(dtype)], seed=i, label=f"{count}_segments"))
            counted = [x(4, 2, dtype=dtype), fed([1, 0, 1, 2], "int32"), fed(3, "int32")]
            cases.append(Case(kind, counted, [out(dtype)], label="count_fed"))
        special = [fed([NAN, 1, INF, -INF, -0.0, 0.0, 2, NAN]), const([0, 0, 1, 1, 2, 2, 3, 3]), const(5)]
        cases.append(Case(kind, special, [out()], label="special"))
        wraps = [fed([2**31 - 1, 2**31 - 1, -(2**31), 3], "int32"), const([0, 0, 1, 1]), const(2)]
        cases.append(Case(kind, wraps, [out("int32")], label="wraps"))

    def scalars(arrays: list[Array]) -> list[Array]:
        return [np.array([0, 0, arrays[0]], np.float32)]

    cases.append(Case("UNSORTED_SEGMENT_SUM", [x(), const(2), const(3)], [out()], label="scalar"))
    return cases


def refused() -> list[Case]:
    def segment(ids: object, error: str, index: str = "int32") -> Case:
        return Case("SEGMENT_SUM", [x(3, 2), const(ids, index)], [out()], error=error)

    cases = [
        segment([0, 2, 3], "segment 2 follows on 0"),
        segment([1, 1, 1], "segment 1 follows on -1"),
        segment([0, 1, 0], "segment 0 follows on 1"),
        segment([0, 0, -1], "segment -1 follows on 0"),
        segment([0, 0], "segments of shape .2. for rows of .3, 2."),
        segment([[0, 0, 0]], "segments of shape .1, 3."),
        segment([0, 0, 0], "segments of int64", "int64"),
        Case("SEGMENT_SUM", [x(), const([0])], [out()], error="segments of shape"),
        Case("SEGMENT_SUM", [x(3, dtype="int8"), const([0, 0, 0])], [out("int8")], error="SEGMENT_SUM of int8"),
        Case("SEGMENT_SUM", [x(3), const([0, 0, 0])], [out("int32")], error="output is int32"),
    ]
    for kind in UNSORTED:
        ids = const([0, 1, 0])
        cases += [
            Case(kind, [x(3), fed([0, 3, 1], "int32"), const(3)], [out()], error="row 1 is of segment 3 of 3"),
            Case(kind, [x(3), ids, const(-1)], [out()], error="must be one, of 0 or more"),
            Case(kind, [x(3), ids, const([1, 2])], [out()], error="must be one, of 0 or more"),
            Case(kind, [x(4), ids, const(2)], [out()], error="segments of shape .3. for input of shape .4."),
            Case(kind, [x(3), const([[0, 1, 0]]), const(2)], [out()], error="segments of shape .1, 3."),
            Case(kind, [x(3, dtype="int64"), ids, const(2)], [out("int64")], error=f"{kind} of int64"),
            Case(kind, [x(3), const([0, 1, 0], "int64"), const(2)], [out()], error="segments of int64"),
            Case(kind, [x(3), ids, const(2, "int64")], [out()], error="it must be int32"),
        ]
    return cases


CASES = [*sorted_sums(), *unsorted(), *refused()]
