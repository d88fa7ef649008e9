"""Ops that compute each element by itself."""

from __future__ import annotations

import numpy as np

from subgraft.backends.nnapi import codes
from subgraft.backends.nnapi.codes import LEVEL_1, LEVEL_2, LEVEL_3, LEVEL_4, LEVEL_7
from subgraft.backends.nnapi.draft import ONE, TYPES, Draft, Operand
from subgraft.backends.nnapi.lowering import floats, lowers
from subgraft.delegates import Graph, Op, rule


@rule
def same_types(op: Op, graph: Graph) -> bool:
    """its inputs and its output must have one type"""
    return len({graph.tensors[t].dtype for t in (*op.inputs, *op.outputs)}) == 1


@rule
def one_type_in(op: Op, graph: Graph) -> bool:
    """its inputs must have one type"""
    return len({graph.tensors[t].dtype for t in op.inputs}) == 1


@rule
def same_quantization(op: Op, graph: Graph) -> bool:
    """its tensors must have one scale and zero point where they are quantized"""
    kinds = {_parameters(graph, t) for t in (*op.inputs, *op.outputs)}
    return len(kinds) == 1


@rule
def plain_integers(op: Op, graph: Graph) -> bool:
    """NNAPI has no fused activation for int32"""
    is_integer = graph.tensors[op.inputs[0]].dtype == "int32"
    return not is_integer or op.options.get("fused_activation_function", "NONE") == "NONE"


@rule
def has_fewer_steps(op: Op, graph: Graph) -> bool:
    """the scale of its output must be above the product of its inputs' scales"""
    scales = [_parameters(graph, t)[0] for t in (*op.inputs, *op.outputs)]
    return graph.tensors[op.inputs[0]].dtype in ("float32", "int32") or scales[2] > scales[0] * scales[1]


def _parameters(graph: Graph, t: int) -> tuple[float, int]:
    quantization = graph.tensors[t].quantization
    if quantization is None or not quantization.scales:
        return 0.0, 0
    return quantization.scales[0], (quantization.zero_points or (0,))[0]


BINARY = {
    "ADD": ("ADD", {**floats(LEVEL_1), "int32": LEVEL_4}, (same_types, plain_integers)),
    "SUB": ("SUB", {**floats(LEVEL_2, LEVEL_3), "int32": LEVEL_4}, (same_types, plain_integers)),
    "MUL": ("MUL", {**floats(LEVEL_1), "int32": LEVEL_4}, (same_types, plain_integers, has_fewer_steps)),
    "DIV": ("DIV", {"float32": LEVEL_2}, (same_types,)),
    "FLOOR_DIV": ("DIV", {"int32": LEVEL_4}, (same_types,)),  # of integers NNAPI's rounds down, as this
    # Of tensors with several scales TFLite compares the bytes, NNAPI what they mean.
    "MAXIMUM": ("MAXIMUM", {**floats(LEVEL_3), "int32": LEVEL_3}, (same_types, same_quantization)),
    "MINIMUM": ("MINIMUM", {**floats(LEVEL_3), "int32": LEVEL_3}, (same_types, same_quantization)),
    "POW": ("POW", {"float32": LEVEL_3}, (same_types,)),
    "PRELU": ("PRELU", floats(LEVEL_3), (same_types,)),
}
COMPARED = {**floats(LEVEL_3), "int32": LEVEL_3, "bool": LEVEL_3}
COMPARISONS = ("EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL")
FUSES = ("ADD", "SUB", "MUL", "DIV", "FLOOR_DIV")


def binary(op: Op, draft: Draft) -> None:
    inputs = [draft.tensor(t) for t in op.inputs]
    if op.kind in FUSES:
        inputs.append(draft.integer(codes.FUSED[op.options.get("fused_activation_function", "NONE")]))
    draft.write(BINARY.get(op.kind, (op.kind,))[0], inputs, draft.tensor(op.outputs[0]))


for _kind, (_, _levels, _rules) in BINARY.items():
    lowers(_kind, levels=_levels, rules=_rules, scalars=True)(binary)
lowers(*COMPARISONS, levels=COMPARED, rules=(one_type_in,), scalars=True)(binary)
lowers("LOGICAL_AND", "LOGICAL_OR", levels={"bool": LEVEL_3})(binary)


UNARY = {
    "ABS": ("ABS", {"float32": LEVEL_3, "int32": LEVEL_4}),
    "NEG": ("NEG", {"float32": LEVEL_3, "int32": LEVEL_3}),
    "EXP": ("EXP", {"float32": LEVEL_3}),
    "LOG": ("LOG", {"float32": LEVEL_3}),
    "SQRT": ("SQRT", {"float32": LEVEL_3}),
    "RSQRT": ("RSQRT", floats(LEVEL_3, LEVEL_7)),
    "SIN": ("SIN", {"float32": LEVEL_3}),
    "FLOOR": ("FLOOR", {"float32": LEVEL_1}),
    "RELU": ("RELU", floats(LEVEL_1)),
    "RELU_N1_TO_1": ("RELU1", floats(LEVEL_1)),
    "RELU6": ("RELU6", floats(LEVEL_1)),
    "LOGISTIC": ("LOGISTIC", floats(LEVEL_1)),
    "TANH": ("TANH", floats(LEVEL_1, LEVEL_3)),
    "HARD_SWISH": ("HARD_SWISH", floats(LEVEL_4)),
    "LOGICAL_NOT": ("LOGICAL_NOT", {"bool": LEVEL_3}),
}
OF_FOUR = ("FLOOR", "RELU", "RELU_N1_TO_1", "RELU6", "LOGISTIC", "TANH")  # at most so many dimensions
KEEPS_QUANTIZATION = ("RELU", "RELU_N1_TO_1", "RELU6")

# The output's scale and zero point as int8 has it; uint8 is 128 higher.
FIXED = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}


@rule
def fixed_quantization(op: Op, graph: Graph) -> bool:
    """NNAPI gives its quantized output one fixed scale and zero point, and this one has others"""
    tensor = graph.tensors[op.outputs[0]]
    if tensor.dtype not in ("int8", "uint8"):
        return True
    scale, zero = FIXED[op.kind]
    return _parameters(graph, op.outputs[0]) == (scale, zero + (128 if tensor.dtype == "uint8" else 0))


def unary(op: Op, draft: Draft) -> None:
    draft.write(UNARY[op.kind][0], [draft.tensor(op.inputs[0])], draft.tensor(op.outputs[0]))


for _kind, (_, _levels) in UNARY.items():
    _rules = (same_types, same_quantization) if _kind in KEEPS_QUANTIZATION else (same_types,)
    if _kind in FIXED:
        _rules = (same_types, fixed_quantization)
    lowers(_kind, levels=_levels, rules=_rules, scalars=True, any_rank=_kind not in OF_FOUR)(unary)


@lowers("SQUARE", levels={"float32": LEVEL_1}, rules=(same_types,))
def square(op: Op, draft: Draft) -> None:
    x = draft.tensor(op.inputs[0])
    draft.write("MUL", [x, x, draft.integer(0)], draft.tensor(op.outputs[0]))


@lowers("SQUARED_DIFFERENCE", levels={"float32": LEVEL_2}, rules=(same_types,), scalars=True)
def squared_difference(op: Op, draft: Draft) -> None:
    a, b = (draft.tensor(t) for t in op.inputs)
    difference = draft.like(op.outputs[0])
    none = draft.integer(0)
    draft.write("SUB", [a, b, none], difference)
    draft.write("MUL", [difference, difference, none], draft.tensor(op.outputs[0]))


@lowers("ELU", levels={"float32": LEVEL_4}, any_rank=True, scalars=True)
def elu(op: Op, draft: Draft) -> None:
    draft.write("ELU", [draft.tensor(op.inputs[0]), draft.real(1.0)], draft.tensor(op.outputs[0]))


@lowers("LEAKY_RELU", levels={"float32": LEVEL_3}, rules=(same_types,))
def leaky_relu(op: Op, draft: Draft) -> None:
    alpha = Operand(TYPES["float32"], ONE, value=np.float32(op.options.alpha).tobytes())
    draft.write("PRELU", [draft.tensor(op.inputs[0]), draft.add(alpha)], draft.tensor(op.outputs[0]))


@rule
def to_float(op: Op, graph: Graph) -> bool:
    """NNAPI dequantizes to float32 only"""
    return graph.tensors[op.outputs[0]].dtype == "float32"


@lowers("DEQUANTIZE", levels={"uint8": LEVEL_1, "int8": LEVEL_1}, rules=(to_float,))
def dequantize(op: Op, draft: Draft) -> None:
    draft.write("DEQUANTIZE", [draft.tensor(op.inputs[0])], draft.tensor(op.outputs[0]))


@rule
def to_eight_bits(op: Op, graph: Graph) -> bool:
    """NNAPI quantizes to 8 bits only"""
    return graph.tensors[op.outputs[0]].dtype in ("int8", "uint8")


@lowers("QUANTIZE", levels=floats(LEVEL_3), rules=(to_eight_bits,))
def quantize(op: Op, draft: Draft) -> None:
    x = draft.tensor(op.inputs[0])
    tensor = draft.graph.tensors[op.inputs[0]]
    if tensor.dtype != "float32":  # from one quantization to another, which NNAPI does in two steps
        real = draft.add(Operand(TYPES["float32"], tensor.shape))
        draft.write("DEQUANTIZE", [x], real)
        x = real
    draft.write("QUANTIZE", [x], draft.tensor(op.outputs[0]))


CASTABLE = ("float32", "float16", "int32")


@rule
def castable(op: Op, graph: Graph) -> bool:
    """NNAPI casts between float32, float16, int32 and uint8, and other types to themselves"""
    types = {graph.tensors[t].dtype for t in (*op.inputs, *op.outputs)}
    return len(types) == 1 or types <= {*CASTABLE, "uint8"}


@rule
def keeps_its_bits(op: Op, graph: Graph) -> bool:
    """of what is cast to uint8 TFLite keeps the lowest bits, and NNAPI takes the nearest value that fits"""
    return graph.tensors[op.outputs[0]].dtype != "uint8" or graph.tensors[op.inputs[0]].dtype == "uint8"


@lowers(
    "CAST",
    levels={**dict.fromkeys((*CASTABLE, "uint8"), LEVEL_3), **dict.fromkeys(("bool", "int8", "int16"), LEVEL_4)},
    rules=(castable, keeps_its_bits),
    any_rank=True,
)
def cast(op: Op, draft: Draft) -> None:
    draft.write("CAST", [draft.tensor(op.inputs[0])], draft.tensor(op.outputs[0]))


@rule
def same_shapes(op: Op, graph: Graph) -> bool:
    """its inputs must have one shape: NNAPI does not broadcast here"""
    return len({graph.tensors[t].shape for t in op.inputs}) == 1


@rule
def choices_of_one_type(op: Op, graph: Graph) -> bool:
    """what it chooses from must have one type, and one scale and zero point where it is quantized"""
    ends = (*op.inputs[1:], *op.outputs)
    return len({(graph.tensors[t].dtype, _parameters(graph, t)) for t in ends}) == 1


@lowers(
    "SELECT",
    "SELECT_V2",
    levels={**floats(LEVEL_3), "int32": LEVEL_3},
    rules=(same_shapes, choices_of_one_type),
    data=1,
    any_rank=True,
)
def select(op: Op, draft: Draft) -> None:
    draft.write("SELECT", [draft.tensor(t) for t in op.inputs], draft.tensor(op.outputs[0]))
