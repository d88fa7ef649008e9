"""What the Edge TPU's compiler takes: coral.ai, "Model requirements" and "Supported operations"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from subgraft.delegates import Array, Graph, Op, Rule, Tensor, Verdict, rule, verdict

BYTES = ("int8", "uint8")  # the only activations there are
LARGEST_SOFTMAX = 16_000  # elements; version 16 was seen to take 16,384 all the same
MAPPED_DIMENSIONS = 3  # the innermost: y, x, z
Z_STEP = 4  # a reduction along z takes so many elements at a time
BATCH_AXIS = 0
NO_AXES: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """One line of the table. since: the first Edge TPU runtime version that has the op; limits: what it asks for."""

    since: int
    limits: tuple[Rule, ...] = ()


@rule
def known(op: Op, graph: Graph) -> bool:
    """the Edge TPU's compiler does not take this kind of op"""
    return op.kind in SUPPORTED


@rule
def bytes_only(op: Op, graph: Graph) -> bool:
    """its tensors must be int8 or uint8"""
    return all(t.dtype in BYTES for t in _activations(op, graph))


@rule
def quantized(op: Op, graph: Graph) -> bool:
    """its tensors must be quantized, with one scale each that is finite and above 0"""
    return all(_has_one_scale(tensor) for tensor in _activations(op, graph) if tensor.dtype in BYTES)


@rule
def fixed_sizes(op: Op, graph: Graph) -> bool:
    """its tensors' sizes must be known when it is compiled"""
    return all(dimension > 0 for tensor in _activations(op, graph) for dimension in tensor.shape)


@rule
def three_dimensions(op: Op, graph: Graph) -> bool:
    """only the 3 innermost dimensions of its tensors may be larger than 1"""
    return all(math.prod(tensor.shape[:-MAPPED_DIMENSIONS]) == 1 for tensor in _activations(op, graph))


@rule
def constant_parameters(op: Op, graph: Graph) -> bool:
    """its parameters (weights, bias, shape, axes ...) must be constants"""
    return all(
        _value(graph.tensors[op.inputs[i]]) is not None
        for i in PARAMETERS.get(op.kind, ())
        if i < len(op.inputs) and op.inputs[i] >= 0
    )


@rule
def byte_weights(op: Op, graph: Graph) -> bool:
    """its weights must be int8 or uint8"""
    return len(op.inputs) <= 1 or op.inputs[1] < 0 or graph.tensors[op.inputs[1]].dtype in BYTES


@rule
def no_fused_activation(op: Op, graph: Graph) -> bool:
    """no fused activation function"""
    return bool(op.options.get("fused_activation_function", "NONE") == "NONE")


@rule
def zero_padding_only(op: Op, graph: Graph) -> bool:
    """with a constant input there must be only 2 inputs, and the constant must be all zeros"""
    constants = [graph.tensors[t] for t in op.inputs if t >= 0 and graph.tensors[t].is_constant]
    return not constants or (len(op.inputs) == 2 and all(_is_zero(tensor) for tensor in constants))


@rule
def same_dilation(op: Op, graph: Graph) -> bool:
    """the dilation must be the same in x and y"""
    return bool(op.options.get("dilation_w_factor", 1) == op.options.get("dilation_h_factor", 1))


@rule
def default_weights(op: Op, graph: Graph) -> bool:
    """only the default format of weights"""
    return bool(op.options.get("weights_format", "DEFAULT") == "DEFAULT")


@rule
def one_dimensional_output(op: Op, graph: Graph) -> bool:
    """its output must be one-dimensional"""
    return all(math.prod(graph.tensors[t].shape[:-1]) == 1 for t in op.outputs if t >= 0)


@rule
def no_batch_reduction(op: Op, graph: Graph) -> bool:
    """no reduction in the batch dimension"""
    return BATCH_AXIS not in _axes(op, graph)


@rule
def whole_z_steps(op: Op, graph: Graph) -> bool:
    """for a reduction along z, z must be a multiple of 4"""
    shape = _shape(op, graph)
    return not shape or len(shape) - 1 not in _axes(op, graph) or shape[-1] % Z_STEP == 0


@rule
def no_batch_packing(op: Op, graph: Graph) -> bool:
    """no packing in the batch dimension"""
    return all(_axis(op.options.get("axis", 0), len(graph.tensors[t].shape)) != BATCH_AXIS for t in op.outputs[:1])


@rule
def no_batch_padding(op: Op, graph: Graph) -> bool:
    """no padding in the batch dimension"""
    padding = _constant(op, graph, 1)
    return padding is None or padding.ndim != 2 or not padding[BATCH_AXIS].any()


@rule
def no_batch_splitting(op: Op, graph: Graph) -> bool:
    """no splitting in the batch dimension"""
    axis = _constant(op, graph, 0)
    return axis is None or BATCH_AXIS not in _within(axis.reshape(-1), len(_shape(op, graph, 1)))


@rule
def flat_alpha(op: Op, graph: Graph) -> bool:
    """alpha must be one-dimensional: only its innermost dimension may be larger than 1"""
    return math.prod(_shape(op, graph, 1)[:-1]) == 1


@rule
def small_softmax(op: Op, graph: Graph) -> bool:
    """its input must be one-dimensional, of at most 16,000 elements"""
    shape = _shape(op, graph)
    return math.prod(shape[:-1]) == 1 and math.prod(shape) <= LARGEST_SOFTMAX


@rule
def plain_slice(op: Op, graph: Graph) -> bool:
    """all strides must be 1, and there must be no ellipsis and no new axis"""
    strides = _constant(op, graph, 3)
    masks = op.options.get("ellipsis_mask", 0) or op.options.get("new_axis_mask", 0)
    return not masks and (strides is None or bool((strides == 1).all()))


EVERY_OP = (bytes_only, quantized, fixed_sizes, three_dimensions, constant_parameters)
CONVOLUTION = (same_dilation, byte_weights)
FIRST = 10  # the oldest runtime that models are still compiled for: "All" in the published table

# "Supported operations", by TFLite's names. ReLU, Pack and so on have these in the schema.
SUPPORTED: Mapping[str, Published] = {
    "ADD": Published(FIRST),
    "AVERAGE_POOL_2D": Published(FIRST, (no_fused_activation,)),
    "CONCATENATION": Published(FIRST, (no_fused_activation, zero_padding_only)),
    "CONV_2D": Published(FIRST, CONVOLUTION),
    "DEPTHWISE_CONV_2D": Published(FIRST, CONVOLUTION),
    "EXPAND_DIMS": Published(13),
    "FULLY_CONNECTED": Published(FIRST, (default_weights, one_dimensional_output, byte_weights)),
    "L2_NORMALIZATION": Published(FIRST),
    "LOGISTIC": Published(FIRST),
    "MAXIMUM": Published(FIRST),
    "MAX_POOL_2D": Published(FIRST, (no_fused_activation,)),
    "MEAN": Published(FIRST, (no_batch_reduction, whole_z_steps)),
    "MINIMUM": Published(FIRST),
    "MUL": Published(FIRST),
    "PACK": Published(13, (no_batch_packing,)),
    "PAD": Published(FIRST, (no_batch_padding,)),
    "PRELU": Published(13, (flat_alpha, byte_weights)),
    "QUANTIZE": Published(13),
    "REDUCE_MAX": Published(14, (no_batch_reduction,)),
    "REDUCE_MIN": Published(14, (no_batch_reduction,)),
    "RELU": Published(FIRST),
    "RELU6": Published(FIRST),
    "RELU_N1_TO_1": Published(FIRST),
    "RESHAPE": Published(FIRST),
    "RESIZE_BILINEAR": Published(FIRST),
    "RESIZE_NEAREST_NEIGHBOR": Published(FIRST),
    "RSQRT": Published(14),
    "SLICE": Published(FIRST),
    "SOFTMAX": Published(FIRST, (small_softmax,)),
    "SPACE_TO_DEPTH": Published(FIRST),
    "SPLIT": Published(FIRST, (no_batch_splitting,)),
    "SQUARED_DIFFERENCE": Published(14),
    "SQUEEZE": Published(FIRST),
    "STRIDED_SLICE": Published(FIRST, (plain_slice,)),
    "SUB": Published(FIRST),
    "SUM": Published(13, (no_batch_reduction,)),
    "TANH": Published(FIRST),
    "TRANSPOSE": Published(14),
    "TRANSPOSE_CONV": Published(13, (byte_weights,)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Published(14),
}

# Inputs that are parameters, by kind: what is no activation, and must be constant.
PARAMETERS: Mapping[str, tuple[int, ...]] = {
    "CONV_2D": (1, 2),
    "DEPTHWISE_CONV_2D": (1, 2),
    "EXPAND_DIMS": (1,),
    "FULLY_CONNECTED": (1, 2),
    "MEAN": (1,),
    "PAD": (1,),
    "PRELU": (1,),
    "REDUCE_MAX": (1,),
    "REDUCE_MIN": (1,),
    "RESHAPE": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
    "SLICE": (1, 2),
    "SPLIT": (0,),
    "STRIDED_SLICE": (1, 2, 3),
    "SUM": (1,),
    "TRANSPOSE": (1,),
    "TRANSPOSE_CONV": (0, 1, 3),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": tuple(range(1, 18)),
}


def check(op: Op, graph: Graph) -> Verdict:
    """Every reason of the compiler's documentation against this op. It may leave an op on the CPU for others too."""
    published = SUPPORTED.get(op.kind)
    return verdict(op, graph, (known, *EVERY_OP, *(published.limits if published else ())))


def _activations(op: Op, graph: Graph) -> Iterable[Tensor]:
    """What flows through: neither parameters nor the state that an op keeps."""
    parameters = PARAMETERS.get(op.kind, ())
    inputs = [t for i, t in enumerate(op.inputs) if i not in parameters]
    return (graph.tensors[t] for t in (*inputs, *op.outputs) if t >= 0 and not graph.tensors[t].is_variable)


def _has_one_scale(tensor: Tensor) -> bool:
    scales = tensor.quantization.scales if tensor.quantization else ()
    return len(scales) == 1 and math.isfinite(scales[0]) and scales[0] > 0


def _is_zero(tensor: Tensor) -> bool:
    """Whether every element stands for the number 0."""
    zero_points = tensor.quantization.zero_points if tensor.quantization else ()
    value = _value(tensor)
    return value is not None and bool((value == (zero_points[0] if zero_points else 0)).all())


def _shape(op: Op, graph: Graph, place: int = 0) -> tuple[int, ...]:
    """An input's shape; () where it is absent, which the CPU's kernel is left to complain of."""
    return graph.tensors[op.inputs[place]].shape if place < len(op.inputs) and op.inputs[place] >= 0 else ()


def _axes(op: Op, graph: Graph) -> tuple[int, ...]:
    axes = _constant(op, graph, 1)
    return NO_AXES if axes is None else _within(axes.reshape(-1), len(_shape(op, graph)))


def _within(axes: Array, rank: int) -> tuple[int, ...]:
    return tuple(_axis(int(axis), rank) for axis in axes)


def _axis(axis: int, rank: int) -> int:
    return axis + rank if axis < 0 else axis


def _constant(op: Op, graph: Graph, place: int) -> Array | None:
    """A parameter's value; None where it is absent or no constant, which is another rule's business."""
    if place >= len(op.inputs) or op.inputs[place] < 0:
        return None
    return _value(graph.tensors[op.inputs[place]])


def _value(tensor: Tensor) -> Array | None:
    """None also for a constant that is damaged, or sparse."""
    try:
        return tensor.data
    except ValueError:
        return None
