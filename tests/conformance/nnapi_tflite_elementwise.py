"""Operations that work element by element."""

from __future__ import annotations

from collections.abc import Sequence

from nnapi_cases import Operand
from nnapi_draft import Draft, flip
from nnapi_mapping import Build, Given, Mapped, one_op
from nnapi_operations import ACTIVATIONS

# NNAPI's name to TFLite's, where the operands are the same tensors in the same order.
SAME = {
    "ABS": "ABS",
    "EXP": "EXP",
    "FLOOR": "FLOOR",
    "HARD_SWISH": "HARD_SWISH",
    "LOG": "LOG",
    "LOGICAL_AND": "LOGICAL_AND",
    "LOGICAL_NOT": "LOGICAL_NOT",
    "LOGICAL_OR": "LOGICAL_OR",
    "LOGISTIC": "LOGISTIC",
    "NEG": "NEG",
    "POW": "POW",
    "PRELU": "PRELU",
    "QUANTIZE": "QUANTIZE",
    "DEQUANTIZE": "DEQUANTIZE",
    "RELU": "RELU",
    "RELU1": "RELU_N1_TO_1",
    "RELU6": "RELU6",
    "SIN": "SIN",
    "SQRT": "SQRT",
    "TANH": "TANH",
}


def arithmetic(op: str) -> Mapped:
    """ADD, SUB, MUL and DIV with their fused activation."""

    def build(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
        inputs = (draft.put(given["a"]), draft.put(given["b"]))
        activation = ACTIVATIONS[given["activation"].scalar]
        return [draft.op(op, inputs, draft.output(outputs[0]), fused_activation_function=activation)]

    return Mapped(op, build)


def divide(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """NNAPI's integer division rounds down; TFLite's DIV rounds towards zero, its FLOOR_DIV down."""
    if given["a"].dtype != "int32":
        return arithmetic("DIV").build(draft, given, outputs)
    return [draft.op("FLOOR_DIV", (draft.put(given["a"]), draft.put(given["b"])), draft.output(outputs[0]))]


def compare(op: str) -> Mapped:
    """Booleans are compared as integers, where TFLite's op has no booleans."""

    def build(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
        inputs = [draft.put(given["a"]), draft.put(given["b"])]
        if given["a"].dtype == "bool" and op not in ("EQUAL", "NOT_EQUAL"):
            inputs = [draft.op("CAST", (t,), draft.temporary("int32")) for t in inputs]
        return [draft.op(op, inputs, draft.output(outputs[0]))]

    return Mapped(op, build)


def extreme(op: str) -> Mapped:
    """MAXIMUM and MINIMUM. Quantized operands are brought into the output's quantization, as TFLite compares bytes."""

    def build(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
        output = draft.output(outputs[0])
        wanted = draft.tensors[output].quantization
        inputs = [draft.requantized(draft.put(given[name]), wanted) for name in ("a", "b")]
        return [draft.op(op, inputs, output)]

    return Mapped(op, build)


def select(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    output = draft.output(outputs[0])
    wanted = draft.tensors[output].quantization
    inputs = [draft.requantized(draft.put(given[name]), wanted) for name in ("a", "b")]
    return [draft.op("SELECT", (draft.put(given["condition"]), *inputs), output)]


def cast(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    x, output = draft.put(given["x"]), draft.output(outputs[0])
    types = {"in_data_type": given["x"].dtype.upper(), "out_data_type": outputs[0].dtype.upper()}
    return [draft.op("CAST", (x,), output, **types)]


def elu(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """TFLite's ELU has an alpha of 1; PRELU behind it scales what is below zero."""
    output = draft.output(outputs[0])
    alpha = given["alpha"].scalar
    if alpha == 1:
        return [draft.op("ELU", (draft.put(given["x"]),), output)]
    x = draft.put(given["x"])
    slopes = draft.constant([alpha] * given["x"].dims[-1], "float32")
    return [draft.op("PRELU", (draft.op("ELU", (x,), draft.like(x)), slopes), output)]


def reciprocal_root(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """TFLite's RSQRT knows int8, not uint8."""
    x, output = draft.put(given["x"]), draft.output(outputs[0])
    if given["x"].dtype != "uint8":
        return [draft.op("RSQRT", (x,), output)]
    inner = draft.temporary("int8", flip(draft.quantization(output), "uint8"))
    draft.op("RSQRT", (draft.flipped(x),), inner)
    return [draft.requantized(inner, None, into=output)]


_BUILT: dict[str, tuple[str, Build]] = {
    "CAST": ("CAST", cast),
    "DIV": ("DIV", divide),
    "ELU": ("ELU", elu),
    "RSQRT": ("RSQRT", reciprocal_root),
    "SELECT": ("SELECT", select),
}

MAPPING: dict[str, Mapped] = {
    **{name: one_op(op) for name, op in SAME.items()},
    **{op: arithmetic(op) for op in ("ADD", "MUL", "SUB")},
    **{op: compare(op) for op in ("EQUAL", "NOT_EQUAL", "LESS", "LESS_EQUAL", "GREATER", "GREATER_EQUAL")},
    **{op: extreme(op) for op in ("MAXIMUM", "MINIMUM")},
    **{name: Mapped(op, build) for name, (op, build) in _BUILT.items()},
}
