"""TensorFlow's own ops that models kept ("Flex" ops), as far as numpy can do them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from subgraft.delegates import NUMPY_DTYPES, Array
from subgraft.interpreter.custom_ops import CustomOp, Shape
from subgraft.interpreter.flex_ragged import ragged_range, ragged_tensor_to_tensor
from subgraft.interpreter.node_def import attributes

PREFIX = "Flex"
MOST_INPUTS = 64  # more than any op here has

Function = Callable[..., Any]

ERF_STEP, ERF_END = 1 / 32, 6.0  # beyond the end erf is 1 in float64
ERF_X = np.arange(-ERF_END, ERF_END + ERF_STEP, ERF_STEP)
ERF_Y = np.array([math.erf(x) for x in ERF_X])
ERF_SLOPE = 2 / math.sqrt(math.pi) * np.exp(-(ERF_X**2))


def erf(x: Array) -> Array:
    """By the Taylor series around the next point of a table: within 3e-14 of the true value."""
    wide = np.clip(np.asarray(x, np.float64), -ERF_END, ERF_END)
    place = np.rint(np.where(np.isnan(wide), 0, wide + ERF_END) / ERF_STEP).astype(np.intp)
    at, slope = ERF_X[place], ERF_SLOPE[place]
    h = wide - at
    # Hermite polynomials: the derivatives of exp(-x^2) in terms of itself.
    h1, h2 = -2 * at, 4 * at**2 - 2
    h3 = -2 * at * h2 - 4 * h1
    h4 = -2 * at * h3 - 6 * h2
    h5 = -2 * at * h4 - 8 * h3
    h6 = -2 * at * h5 - 10 * h4
    series = 1 + h * (h1 / 2 + h * (h2 / 6 + h * (h3 / 24 + h * (h4 / 120 + h * (h5 / 720 + h * h6 / 5040)))))
    return np.asarray(ERF_Y[place] + slope * h * series)


def _integer_division(function: Function) -> Function:
    def divide(a: Array, b: Array) -> Any:
        if b.dtype.kind in "iu" and not b.all():
            raise ValueError("an integer is divided by zero")
        return function(a, b)

    return divide


def _truncate_divide(a: Array, b: Array) -> Array:
    if a.dtype.kind not in "iu":
        return np.asarray(np.trunc(a / b))
    quotient = a // b
    return np.asarray(quotient + ((quotient < 0) & (quotient * b != a)))


def _div_no_nan(a: Array, b: Array) -> Array:
    return np.asarray(np.where(b == 0, np.zeros((), b.dtype), a / np.where(b == 0, np.ones((), b.dtype), b)))


def _softplus(x: Array) -> Array:
    return np.asarray(np.logaddexp(x, np.zeros((), x.dtype)))


UNARY: Mapping[str, Function] = {
    "Abs": np.abs,
    "Acos": np.arccos,
    "Acosh": np.arccosh,
    "Asin": np.arcsin,
    "Asinh": np.arcsinh,
    "Atan": np.arctan,
    "Atanh": np.arctanh,
    "Ceil": np.ceil,
    "Cos": np.cos,
    "Cosh": np.cosh,
    "Erf": erf,
    "Erfc": lambda x: 1 - erf(x),
    "Exp": np.exp,
    "Expm1": np.expm1,
    "Floor": np.floor,
    "Identity": np.array,
    "Invert": np.invert,
    "IsFinite": np.isfinite,
    "IsInf": np.isinf,
    "IsNan": np.isnan,
    "Log": np.log,
    "Log1p": np.log1p,
    "LogicalNot": np.logical_not,
    "Neg": np.negative,
    "OnesLike": np.ones_like,
    "Reciprocal": np.reciprocal,
    "Rint": np.rint,
    "Round": np.rint,
    "Rsqrt": lambda x: 1 / np.sqrt(x),
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Sign": np.sign,
    "Sin": np.sin,
    "Sinh": np.sinh,
    "Softplus": _softplus,
    "Softsign": lambda x: x / (1 + np.abs(x)),
    "Sqrt": np.sqrt,
    "Square": np.square,
    "Tan": np.tan,
    "Tanh": np.tanh,
    "ZerosLike": np.zeros_like,
}

BINARY: Mapping[str, Function] = {
    "Add": np.add,
    "AddV2": np.add,
    "Atan2": np.arctan2,
    "BitwiseAnd": np.bitwise_and,
    "BitwiseOr": np.bitwise_or,
    "BitwiseXor": np.bitwise_xor,
    "Div": _integer_division(lambda a, b: _truncate_divide(a, b) if a.dtype.kind in "iu" else a / b),
    "DivNoNan": _div_no_nan,
    "Equal": np.equal,
    "FloorDiv": _integer_division(np.floor_divide),
    "FloorMod": _integer_division(np.mod),
    "Greater": np.greater,
    "GreaterEqual": np.greater_equal,
    "LeftShift": np.left_shift,
    "Less": np.less,
    "LessEqual": np.less_equal,
    "LogicalAnd": np.logical_and,
    "LogicalOr": np.logical_or,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Mod": _integer_division(np.fmod),
    "Mul": np.multiply,
    "NotEqual": np.not_equal,
    "Pow": np.power,
    "RealDiv": np.true_divide,
    "RightShift": np.right_shift,
    "SquaredDifference": lambda a, b: np.square(a - b),
    "Sub": np.subtract,
    "TruncateDiv": _integer_division(_truncate_divide),
    "TruncateMod": _integer_division(np.fmod),
}
TRUTHS = {"Equal", "Greater", "GreaterEqual", "IsFinite", "IsInf", "IsNan", "Less", "LessEqual", "NotEqual"}


def _elementwise(name: str, function: Function) -> CustomOp:
    def compute(inputs: list[Array | None], options: Any) -> Array:
        given = [np.asarray(x) for x in inputs]
        with np.errstate(all="ignore"):
            result = np.asarray(function(*given))
        is_truth = name in TRUTHS or name.startswith("Logical")
        return result if is_truth else result.astype(given[0].dtype, copy=False)

    def shapes(given: list[Shape | None], options: Any) -> Shape:
        return np.broadcast_shapes(*(shape for shape in given if shape is not None))

    return CustomOp(compute, shapes)


def strided_slice(inputs: list[Array], attribute: Mapping[str, Any]) -> Array:
    x, begin, end, strides = inputs
    masks = {
        name: int(attribute.get(f"{name}_mask", 0)) for name in ("begin", "end", "ellipsis", "new_axis", "shrink_axis")
    }
    index: list[Any] = []
    for i in range(begin.size):
        bit = {name: mask >> i & 1 for name, mask in masks.items()}
        if strides[i] == 0:
            raise ValueError(f"stride {i} is 0")
        if bit["ellipsis"]:
            index.append(Ellipsis)
        elif bit["new_axis"]:
            index.append(None)
        elif bit["shrink_axis"]:
            index.append(0 if bit["begin"] else int(begin[i]))
        else:
            first = None if bit["begin"] else int(begin[i])
            last = None if bit["end"] else int(end[i])
            index.append(slice(first, last, int(strides[i])))
    return np.asarray(x[tuple(index)])


def cumulate(function: Function, neutral: int) -> Function:
    """Cumsum and Cumprod: inputs are the values and the axis."""

    def compute(inputs: list[Array], attribute: Mapping[str, Any]) -> Array:
        x, axis = inputs[0], int(inputs[1].reshape(-1)[0])
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"axis is {axis}, and the input has {x.ndim} dimensions")
        along = np.flip(x, axis) if attribute.get("reverse") else x
        if attribute.get("exclusive"):
            edge = list(x.shape)
            edge[axis] = min(1, x.shape[axis])
            kept = np.delete(along, -1, axis) if x.shape[axis] else along
            along = np.concatenate([np.full(edge, neutral, x.dtype), kept], axis)
        result = function(along, axis=axis, dtype=x.dtype)
        return np.asarray(np.flip(result, axis) if attribute.get("reverse") else result)

    return compute


class Multinomial:
    """Draws with numpy's generator: distributed as TensorFlow's draws, but not the same ones.

    A node with a seed draws the same sequence in every session.
    """

    def __init__(self) -> None:
        self._generators: dict[str, np.random.Generator] = {}

    def __call__(self, inputs: list[Array], attribute: Mapping[str, Any]) -> Array:
        logits, count = inputs[0].astype(np.float64), int(inputs[1].reshape(-1)[0])
        if logits.ndim != 2 or count < 0:
            raise ValueError(f"logits are {list(logits.shape)} and num_samples is {count}")
        seeds = [int(attribute.get(name, 0)) % 2**64 for name in ("seed", "seed2")]
        node = str(attribute.get("name", ""))
        if node not in self._generators:
            self._generators[node] = np.random.default_rng(seeds if any(seeds) else None)
        if count and not logits.shape[1]:
            raise ValueError("there are no classes to draw from")
        dtype = NUMPY_DTYPES[attribute.get("output_dtype") or "int64"]
        weights = np.exp(logits - logits.max(1, keepdims=True, initial=-np.inf))
        edges = np.cumsum(weights, 1)
        draws = self._generators[node].random((logits.shape[0], count)) * edges[:, -1:]
        rows = [np.searchsorted(edge, draw, "right") for edge, draw in zip(edges, draws, strict=True)]
        return np.array(rows, dtype).reshape(logits.shape[0], count)


def _with_attributes(function: Function) -> Function:
    return lambda inputs, options: function(inputs, attributes(options))


def custom_ops() -> dict[str, CustomOp]:
    """By the name that the model calls them ("FlexErf"); those with state begin anew in each session."""
    everything = range(MOST_INPUTS)
    ops = {name: _elementwise(name, function) for name, function in {**UNARY, **BINARY}.items()}
    for name, function, shaped_by in (
        ("Cumprod", cumulate(np.cumprod, 1), ()),
        ("Cumsum", cumulate(np.cumsum, 0), ()),
        ("Multinomial", Multinomial(), (1,)),
        ("RaggedRange", ragged_range, everything),
        ("RaggedTensorToTensor", ragged_tensor_to_tensor, everything),
        ("StridedSlice", strided_slice, (1, 2, 3)),
    ):
        shapes = (lambda given, options: given[0]) if name.startswith("Cum") else None
        ops[name] = CustomOp(_with_attributes(function), shapes, shaped_by=shaped_by)
    return {PREFIX + name: op for name, op in ops.items()}
