"""CUMSUM and REVERSE_SEQUENCE."""

import numpy as np

from op_cases import Case, const, fed, out, x
from op_shapes import shapes

NAN, INF = float("nan"), float("inf")
BOTH = [False, True]


def sums() -> list[Case]:
    cases = []
    for dtype in ("float32", "int32", "int64"):
        for i, shape in enumerate(shapes(14, 71, ranks=(1, 5))):
            for exclusive in BOTH:
                for reverse in BOTH:
                    axis = i % (2 * len(shape)) - len(shape)
                    options = {"exclusive": exclusive, "reverse": reverse}
                    label = f"axis{axis}{'_exclusive' * exclusive}{'_reverse' * reverse}"
                    inputs = [x(*shape, dtype=dtype), const(axis)]
                    cases.append(Case("CUMSUM", inputs, [out(dtype)], options, seed=i, label=label))
        for shape, axis in (((3, 9000), 1), ((3, 9000), 0), ((40, 30, 20), 1)):
            cases.append(Case("CUMSUM", [x(*shape, dtype=dtype), const(axis)], [out(dtype)], label=f"threads{axis}"))
    cases.append(Case("CUMSUM", [x(2, 3), fed(1, "int32")], [out()], label="axis_fed"))
    cases.append(Case("CUMSUM", [x(2, 3), const([1])], [out()], label="axis_in_a_vector"))
    cases.append(Case("CUMSUM", [fed([1, INF, 2, -INF, 3, NAN]), const(0)], [out()], label="special"))
    wraps = fed([2**31 - 1, 1, -(2**31), -1], "int32")
    return [*cases, Case("CUMSUM", [wraps, const(0)], [out("int32")], label="wraps")]


def reversals() -> list[Case]:
    cases = []
    rng = np.random.default_rng(5)
    for dtype in ("float32", "uint8", "int16", "int32", "int64"):
        for i, shape in enumerate(shapes(16, 81, ranks=(2, 5))):
            along, batch = (int(d) for d in rng.permutation(len(shape))[:2])
            lengths = rng.integers(0, shape[along] + 1, shape[batch])
            index = "int64" if i % 2 else "int32"
            options = {"seq_dim": along, "batch_dim": batch}
            inputs = [x(*shape, dtype=dtype), (fed if i % 3 else const)(lengths, index)]
            label = f"along{along}_batch{batch}"
            if min(shape) > 0:  # TFLite looks at a length of no sequence at all
                cases.append(Case("REVERSE_SEQUENCE", inputs, [out(dtype)], options, seed=i, label=label))
    options = {"seq_dim": 0, "batch_dim": 1}
    big = [x(300, 4, 50), const([300, 1, 0, 299])]
    cases.append(Case("REVERSE_SEQUENCE", big, [out()], options, label="threads"))
    empty = {"expected": lambda arrays: [arrays[0]], "why": "TFLite looks at a length of no sequence at all"}
    cases.append(Case("REVERSE_SEQUENCE", [x(3, 0, 2), const([], "int32")], [out()], options, **empty))
    negative = [fed([[1, 2], [3, 4]]), const([-5, 2])]
    return [*cases, Case("REVERSE_SEQUENCE", negative, [out()], options, label="negative_length")]


def refused() -> list[Case]:
    def reverse(along: int, batch: int, lengths: object, error: str, index: str = "int32") -> Case:
        options = {"seq_dim": along, "batch_dim": batch}
        return Case("REVERSE_SEQUENCE", [x(2, 3), const(lengths, index)], [out()], options, error=error)

    return [
        Case("CUMSUM", [x(2, 3), const(2)], [out()], error="axis 2 is outside rank 2"),
        Case("CUMSUM", [x(2, 3), const(-3)], [out()], error="axis -3 is outside rank 2"),
        Case("CUMSUM", [x(), const(0)], [out()], error="axis 0 is outside rank 0"),
        Case("CUMSUM", [x(2, 3), const([0, 1])], [out()], error="axis must be one number, not 2"),
        Case("CUMSUM", [x(2, 3), const(0.0, "float32")], [out()], error="float32; it must be int32"),
        Case("CUMSUM", [x(2, 3, dtype="int8"), const(0)], [out("int8")], error="CUMSUM of int8"),
        Case("CUMSUM", [x(2, 3), const(0)], [out("int32")], error="output is int32"),
        Case("CUMSUM", [x(2, 3)], [out()], error="has 1 inputs"),
        reverse(1, 0, [1, 4], "sequence 1 has a length of 4, but there are 3 steps"),
        reverse(1, 0, [2**40, 1], "sequence 0 has a length of 1099511627776", "int64"),
        reverse(1, 1, [1, 1, 1], "sequences along dimension 1 of batch dimension 1"),
        reverse(2, 0, [1, 1], "sequences along dimension 2"),
        reverse(-1, 0, [1, 1], "sequences along dimension -1"),
        reverse(0, 7, [1, 1], "batch dimension 7"),
        reverse(1, 0, [1, 1, 1], "lengths of shape .3. for 2 sequences"),
        reverse(1, 0, [[1, 1]], "lengths of shape .1, 2. for 2 sequences"),
        reverse(1, 0, [1.0, 1.0], "REVERSE_SEQUENCE of float32", "float32"),
    ]


CASES = [*sums(), *reversals(), *refused()]
