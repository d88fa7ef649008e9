"""DILATE and REDUCE_WINDOW."""

from typing import Any

import numpy as np

from op_cases import Array, Case, In, const, fed, out, x
from op_shapes import shapes

FUNCTIONS = ["ADD", "MUL", "MINIMUM", "MAXIMUM", "ALL", "ANY"]
NUMBERS = ["float32", "float64", "int8", "uint8", "int16", "int32", "int64"]
NAN, INF = float("nan"), float("inf")


def dilations() -> list[Case]:
    cases = []
    for dtype in ("float32", "int8", "uint8", "int16", "int32", "int64", "bool", "float16"):
        for i, shape in enumerate(shapes(8, 281, ranks=(1, 5), largest=5)):
            rng = np.random.default_rng(i)
            factors = rng.integers(1, 4, len(shape))
            inputs = [x(*shape, dtype=dtype), (fed if i % 3 == 0 else const)(factors, "int32"), x(dtype=dtype)]
            if 0 not in shape:
                label = f"by{factors.tolist()}".replace(" ", "")
                cases.append(Case("DILATE", inputs, [out(dtype)], seed=i, label=label))
    empty = {"expected": lambda _: [np.zeros((0, 7), np.float32)], "why": "TFLite gives it a negative dimension"}
    cases.append(Case("DILATE", [x(0, 3), const([2, 3]), const(0.0, "float32")], [out()], **empty))
    return [*cases, Case("DILATE", [x(60, 50, 4), const([2, 3, 1]), const(0.0, "float32")], [out()], label="threads")]


def window(
    function: str,
    source: In,
    sizes: Any,
    strides: Any = None,
    dilations: Any = None,
    initial: In | None = None,
    index: str = "int64",
    **more: Any,
) -> Case:
    ones = np.ones(len(source.shape), np.int64)
    shape = [const(ones if value is None else value, index) for value in (sizes, strides, dilations)]
    start = initial if initial is not None else const(source.dtype == "bool" and function == "ALL", source.dtype)
    options = {"reduce_function": function}
    return Case("REDUCE_WINDOW", [source, start, *shape], [out(source.dtype)], options, **more)


def windows() -> list[Case]:
    cases = []
    for function in FUNCTIONS:
        for dtype in NUMBERS + (["bool"] if function in ("ALL", "ANY") else []):
            for i, shape in enumerate(shapes(5, 291, ranks=(1, 4), largest=7)):
                rng = np.random.default_rng(i)
                sizes = [int(rng.integers(1, max(2, d))) for d in shape]
                strides, holes = rng.integers(1, 3, len(shape)), rng.integers(1, 3, len(shape))
                source = x(*shape, dtype=dtype) if dtype == "bool" else x(*shape, dtype=dtype, low=0, high=3)
                initial = const(1, dtype) if function in ("MUL", "ALL") else const(0, dtype)
                label = f"{function}_{sizes}_{strides.tolist()}_{holes.tolist()}".replace(" ", "")
                sized = all((s - 1) * h < d for s, h, d in zip(sizes, holes, shape, strict=True))
                if sized:
                    cases.append(window(function, source, sizes, strides, holes, initial, seed=i, label=label))
    for function in ("ADD", "MUL"):
        wraps = x(40, dtype="int8", low=-128, high=127)
        cases.append(window(function, wraps, [4], initial=fed(3, "int8"), label=f"{function}_wraps"))
    special = fed([NAN, 1, INF, -INF, 0.0, -0.0])
    cases += [window(f, special, [2], initial=const(1.0, "float32"), label=f"{f}_special") for f in FUNCTIONS]
    cases.append(window("ADD", x(1, 40, 50, 3), [1, 5, 4, 1], [1, 2, 1, 1], label="threads"))

    def truths(function: Any) -> Any:
        def expected(arrays: list[Array]) -> list[Array]:
            return [function(np.lib.stride_tricks.sliding_window_view(arrays[0], 2), axis=-1)]

        return expected

    why = "TFLite counts bools as numbers and hands out sums of them"
    for function, meant in (("ADD", np.any), ("MAXIMUM", np.any), ("MUL", np.all), ("MINIMUM", np.all)):
        initial = const(meant is np.all, "bool")
        known = {"expected": truths(meant), "why": why, "label": function}
        cases.append(window(function, fed([True, True, False, False, True], "bool"), [2], initial=initial, **known))
    return [*cases, window("ADD", x(3, 2), [4, 1], label="empty")]


def refused() -> list[Case]:
    zero = const(0.0, "float32")
    ones = const([1], "int64")
    return [
        Case("DILATE", [x(3), const([0]), zero], [out()], error="dilation 0 is less than 1"),
        Case("DILATE", [x(3), const([1, 1]), zero], [out()], error="dilations of shape .2."),
        Case("DILATE", [x(), const(np.zeros(0, np.int32)), zero], [out()], error="input of shape .."),
        Case("DILATE", [x(3), const([1], "int64"), zero], [out()], error="it must be int32"),
        Case("DILATE", [x(3), const([1]), const(0)], [out()], error="the padding is int32"),
        Case("DILATE", [x(3), const([1]), x(2)], [out()], error="the padding is float32.2."),
        Case("DILATE", [x(3), const([2**31 - 1]), zero], [out()], error="dimension 0 gets 4294967295 elements"),
        Case("DILATE", [x(2, 2, 2), const([2**30] * 3), zero], [out()], error="too many elements"),
        Case("DILATE", [x(3), const([1])], [out()], error="has 2 inputs"),
        window("ADD", x(3), [0], error="a window of 0"),
        window("ADD", x(3), [1], [0], error="in steps of 0"),
        window("ADD", x(3), [1], [1], [-1], error="with a dilation of -1"),
        window("ADD", x(3), [2**62], [2**62], [2**62], error="a window of 4611686018427387904"),
        window("ADD", x(3), [1, 1], error="input 2 has shape .2. for rank 1"),
        window("ADD", x(3), [1], initial=const(0), error="the initial value is int32"),
        window("ADD", x(3), [1], initial=x(2), error="the initial value is float32.2."),
        window("UNSUPPORTED", x(3), [1], error="reduce function 0"),
        window("ADD", x(3, dtype="float16"), [1], error="REDUCE_WINDOW of float16"),
        Case("REDUCE_WINDOW", [x(3), zero, ones, ones, ones], [out()], {"reduce_function": 9}, error="function 9"),
        Case("REDUCE_WINDOW", [x(3), zero, ones, ones], [out()], {"reduce_function": "ADD"}, error="has 4 inputs"),
        Case("REDUCE_WINDOW", [x(3), zero, ones, ones, ones], [out("int32")], {"reduce_function": 1}, error="is int32"),
    ]


CASES = [*dilations(), *windows(), *refused()]
