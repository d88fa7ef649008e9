"""TensorFlow's own ops (Flex ops) against their definitions, one element at a time in plain Python."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graph_cases import GraphCase, Sketch, drawn, values
from node_defs import Type
from node_defs import options as node_options
from op_cases import Array
from op_draws import Draw
from subgraft.delegates import Op
from subgraft.interpreter.model import Model

WHY = "LiteRT has no Flex ops without TensorFlow: expected is the definition, element by element"
EACH = 6  # cases of an op
FLOATS, INTEGERS, NUMBERS = ("float32", "float64"), ("int32", "int64"), ("float32", "int32", "int64")
BOOLS = ("bool",)

Scalar = Callable[..., Any]

# Of one number: the definition, its types, and the range of what it takes.
UNARY: dict[str, tuple[Scalar, Sequence[str], tuple[float, float]]] = {
    "Abs": (abs, NUMBERS, (-9, 9)),
    "Acos": (math.acos, FLOATS, (-1, 1)),
    "Acosh": (math.acosh, FLOATS, (1, 9)),
    "Asin": (math.asin, FLOATS, (-1, 1)),
    "Asinh": (math.asinh, FLOATS, (-9, 9)),
    "Atan": (math.atan, FLOATS, (-9, 9)),
    "Atanh": (math.atanh, FLOATS, (-0.99, 0.99)),
    "Ceil": (math.ceil, FLOATS, (-9, 9)),
    "Cos": (math.cos, FLOATS, (-9, 9)),
    "Cosh": (math.cosh, FLOATS, (-9, 9)),
    "Erf": (math.erf, FLOATS, (-7, 7)),
    "Erfc": (math.erfc, FLOATS, (-7, 3)),
    "Exp": (math.exp, FLOATS, (-9, 9)),
    "Expm1": (math.expm1, FLOATS, (-1, 1)),
    "Floor": (math.floor, FLOATS, (-9, 9)),
    "Identity": (lambda x: x, NUMBERS, (-9, 9)),
    "Invert": (operator.invert, INTEGERS, (-99, 99)),
    "IsFinite": (math.isfinite, FLOATS, (-9, 9)),
    "IsInf": (math.isinf, FLOATS, (-9, 9)),
    "IsNan": (math.isnan, FLOATS, (-9, 9)),
    "Log": (math.log, FLOATS, (0.01, 99)),
    "Log1p": (math.log1p, FLOATS, (-0.5, 1)),
    "LogicalNot": (operator.not_, BOOLS, (0, 1)),
    "Neg": (operator.neg, NUMBERS, (-9, 9)),
    "OnesLike": (lambda x: 1, NUMBERS, (-9, 9)),
    "Reciprocal": (lambda x: 1 / x, FLOATS, (0.1, 9)),
    "Rint": (round, FLOATS, (-9, 9)),
    "Round": (round, FLOATS, (-9, 9)),
    "Rsqrt": (lambda x: 1 / math.sqrt(x), FLOATS, (0.1, 99)),
    "Sigmoid": (lambda x: 1 / (1 + math.exp(-x)), FLOATS, (-20, 20)),
    "Sign": (lambda x: (x > 0) - (x < 0), NUMBERS, (-2, 2)),
    "Sin": (math.sin, FLOATS, (-9, 9)),
    "Sinh": (math.sinh, FLOATS, (-9, 9)),
    "Softplus": (lambda x: math.log1p(math.exp(x)), FLOATS, (-20, 20)),
    "Softsign": (lambda x: x / (1 + abs(x)), FLOATS, (-9, 9)),
    "Sqrt": (math.sqrt, FLOATS, (0, 99)),
    "Square": (lambda x: x * x, NUMBERS, (-9, 9)),
    "Tan": (math.tan, FLOATS, (-1.5, 1.5)),
    "Tanh": (math.tanh, FLOATS, (-9, 9)),
    "ZerosLike": (lambda x: 0, NUMBERS, (-9, 9)),
}


def truncated(a: Any, b: Any) -> Any:
    return math.trunc(a / b)


def remainder(a: Any, b: Any) -> Any:
    """With the sign of the dividend, as in C."""
    return math.fmod(a, b)


def divided(a: Any, b: Any) -> Any:
    return truncated(a, b) if isinstance(a, int) else a / b


# Of two numbers: the definition, its types, and the range of the second.
BINARY: dict[str, tuple[Scalar, Sequence[str], tuple[float, float]]] = {
    "Add": (operator.add, NUMBERS, (-9, 9)),
    "AddV2": (operator.add, NUMBERS, (-9, 9)),
    "Atan2": (math.atan2, FLOATS, (-9, 9)),
    "BitwiseAnd": (operator.and_, INTEGERS, (-99, 99)),
    "BitwiseOr": (operator.or_, INTEGERS, (-99, 99)),
    "BitwiseXor": (operator.xor, INTEGERS, (-99, 99)),
    "Div": (divided, NUMBERS, (1, 9)),
    "DivNoNan": (lambda a, b: a / b if b else 0, FLOATS, (0, 0)),
    "Equal": (operator.eq, NUMBERS, (-3, 3)),
    "FloorDiv": (operator.floordiv, INTEGERS, (1, 9)),
    "FloorMod": (operator.mod, INTEGERS, (-9, -1)),
    "Greater": (operator.gt, NUMBERS, (-3, 3)),
    "GreaterEqual": (operator.ge, NUMBERS, (-3, 3)),
    "LeftShift": (operator.lshift, INTEGERS, (0, 20)),
    "Less": (operator.lt, NUMBERS, (-3, 3)),
    "LessEqual": (operator.le, NUMBERS, (-3, 3)),
    "LogicalAnd": (lambda a, b: a and b, BOOLS, (0, 1)),
    "LogicalOr": (lambda a, b: a or b, BOOLS, (0, 1)),
    "Maximum": (max, NUMBERS, (-9, 9)),
    "Minimum": (min, NUMBERS, (-9, 9)),
    "Mod": (remainder, INTEGERS, (-9, -1)),
    "Mul": (operator.mul, NUMBERS, (-9, 9)),
    "NotEqual": (operator.ne, NUMBERS, (-3, 3)),
    "Pow": (operator.pow, INTEGERS, (0, 4)),
    "RealDiv": (operator.truediv, FLOATS, (1, 9)),
    "RightShift": (operator.rshift, INTEGERS, (0, 20)),
    "SquaredDifference": (lambda a, b: (a - b) ** 2, NUMBERS, (-9, 9)),
    "Sub": (operator.sub, NUMBERS, (-9, 9)),
    "TruncateDiv": (truncated, INTEGERS, (-9, -1)),
    "TruncateMod": (remainder, INTEGERS, (1, 9)),
}
TRUTHS = frozenset(("Equal", "Greater", "GreaterEqual", "IsFinite", "IsInf", "IsNan", "Less", "LessEqual", "NotEqual"))


def between(draw: Draw, shape: tuple[int, ...], dtype: str, limits: tuple[float, float]) -> Array:
    if dtype == "bool":
        return values(draw, shape, dtype)
    if np.dtype(dtype).kind == "i":
        return np.asarray(draw.rng.integers(int(limits[0]), int(limits[1]), shape, endpoint=True)).astype(dtype)
    return np.asarray(draw.rng.uniform(*limits, shape)).astype(dtype)


def flex(name: str, inputs: Sequence[Array], result: str, **attributes: Any) -> Model:
    """The op alone, all of whose inputs are fed."""
    sketch = Sketch()
    fed = [sketch.feed(given.shape, str(given.dtype)) for given in inputs]
    y = sketch.tensor((), result)
    told = node_options(name, f"a/{name}", **attributes)
    sketch.ops.append(Op(f"Flex{name}", tuple(fed), (y,), is_custom=True, custom_options=told))
    return Model.of(sketch.graph(y))


def elementwise(name: str) -> Callable[[Draw], GraphCase]:
    function, types, limits = (UNARY | BINARY)[name]

    def recipe(draw: Draw) -> GraphCase:
        dtype = draw.pick(types)
        result = "bool" if name in TRUTHS else dtype
        if name in UNARY:
            given = [between(draw, draw.shape(0, 4, empty=0.1, limit=200), dtype, limits)]
        else:
            first, second = draw.shapes(2, 3, empty=0.1)
            given = [between(draw, first, dtype, (-50, 50)), between(draw, second, dtype, limits)]

        def expected(arrays: Sequence[Array]) -> list[Array]:
            wide = np.broadcast_arrays(*arrays)
            answers = [function(*(number.item() for number in at)) for at in zip(*(w.flat for w in wide), strict=True)]
            return [np.array(answers).astype(result).reshape(wide[0].shape)]

        case = flex(name, given, result, T=Type(dtype))
        return GraphCase(kinds=(f"Flex{name}",), model=case, runs=[given], expected=expected, why=WHY, tolerance=1e-6)

    return recipe


def cumulated(name: str, join: Scalar, neutral: int) -> Callable[[Draw], GraphCase]:
    def recipe(draw: Draw) -> GraphCase:
        shape, dtype = draw.shape(1, 3, empty=0.1, limit=100), draw.pick(NUMBERS)
        axis, told = draw.axis(len(shape)), {"exclusive": draw.chance(0.5), "reverse": draw.chance(0.5)}
        given = [between(draw, shape, dtype, (-3, 3)), np.array(axis, np.int32)]

        def expected(arrays: Sequence[Array]) -> list[Array]:
            result = np.zeros_like(arrays[0])
            rows, sums = np.moveaxis(arrays[0], axis, -1), np.moveaxis(result, axis, -1)
            for place in np.ndindex(*rows.shape[:-1]):
                total = rows.dtype.type(neutral)
                order = range(rows.shape[-1])
                for i in reversed(order) if told["reverse"] else order:
                    before, total = total, rows.dtype.type(join(total, rows[place][i]))
                    sums[place][i] = before if told["exclusive"] else total
            return [result]

        model = flex(name, given, dtype, **told)
        return GraphCase(kinds=(f"Flex{name}",), model=model, runs=[given], expected=expected, why=WHY, tolerance=1e-5)

    return recipe


def sliced(draw: Draw) -> GraphCase:
    """Every element is looked up by its place."""
    shape, dtype = draw.shape(1, 3, limit=200), draw.pick(NUMBERS)
    strides = [draw.pick((1, 1, 2, -1, -2)) for _ in shape]
    begin = [draw.number(0, d - 1) for d in shape]
    counts = [
        draw.number(1, 1 + ((d - 1 - b) if s > 0 else b) // abs(s))
        for d, b, s in zip(shape, begin, strides, strict=True)
    ]
    end = [b + n * s for b, n, s in zip(begin, counts, strides, strict=True)]
    # One before the first element has no number of its own: the mask says it.
    mask = sum(1 << i for i, last in enumerate(end) if last < 0)
    counts = [c if last >= 0 else 1 + b // abs(s) for c, last, b, s in zip(counts, end, begin, strides, strict=True)]
    given = [values(draw, shape, dtype), *(np.array(v, np.int32) for v in (begin, end, strides))]

    def expected(arrays: Sequence[Array]) -> list[Array]:
        result = np.zeros(counts, dtype)
        for place in np.ndindex(*counts):
            result[place] = arrays[0][tuple(b + i * s for b, i, s in zip(begin, place, strides, strict=True))]
        return [result]

    model = flex("StridedSlice", given, dtype, Index=Type("int32"), end_mask=mask)
    return GraphCase(kinds=("FlexStridedSlice",), model=model, runs=[given], expected=expected, why=WHY)


CASES = [
    *(case for name in (*UNARY, *BINARY) for case in drawn(f"Flex{name}", elementwise(name), EACH)),
    *drawn("FlexCumsum", cumulated("Cumsum", operator.add, 0), 40),
    *drawn("FlexCumprod", cumulated("Cumprod", operator.mul, 1), 40),
    *drawn("FlexStridedSlice", sliced, 40),
]
