"""LSTMs of integers, which NNAPI has as operations of their own, for one step.

Of uint8 (QUANTIZED_16BIT_LSTM): TFLite's basic kind. Of int8 (QUANTIZED_LSTM): the full kind, with the same inputs.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from subgraft.backends.nnapi import codes
from subgraft.backends.nnapi.draft import Draft, Refused
from subgraft.delegates import Array, Graph, Op, Tensor, rule
from subgraft.delegates.constants import is_constant

# The basic kind's inputs, and its outputs: two values, and scratch memory.
WEIGHTS, BIASES, CELLS = 2, 3, 4
SCRATCH = 2
GATES = ("input", "cell", "forget", "output")  # in the rows of the weights
NNAPI_GATES = ("input", "forget", "cell", "output")
ACTIVATION, CELL = (1 / 128, 128), (1 / 2048, 0)  # the scales and zero points that both have

# The full kind's.
PEEPHOLES, GATE_BIASES, PROJECTION_BIAS = range(9, 12), range(12, 16), 17
OUTPUT_STATE, CELL_STATE, NORMS = 18, 19, range(20, 24)
INTERMEDIATES = 5  # one for each gate, and the hidden state
WITHOUT_NORM = 2.0**-12  # what passes between the steps of a gate has this scale where it is not normalized


@rule
def basic_bytes(op: Op, graph: Graph) -> bool:
    """of uint8 it must be the basic kind, with constant weights, no variables, and the scales 1/128 (cells: 1/2048)"""
    if graph.tensors[op.inputs[0]].dtype != "uint8":
        return True
    if op.options.get("kernel_type", "FULL") != "BASIC" or len(op.inputs) != CELLS + 1 or -1 in op.inputs:
        return False
    scratch_is_read = any(t in graph.outputs or graph.consumers().get(t) for t in op.outputs[SCRATCH:])
    is_constant_ = is_constant(op.inputs[WEIGHTS], graph) and is_constant(op.inputs[BIASES], graph)
    return (
        is_constant_
        and not scratch_is_read
        and not any(graph.tensors[t].is_variable for t in op.inputs)
        and all(_parameters(graph.tensors[t]) == ACTIVATION for t in (*op.inputs[:2], op.outputs[0]))
        and all(_parameters(graph.tensors[t]) == CELL for t in (op.inputs[CELLS], op.outputs[1]))
    )


@rule
def full_integers(op: Op, graph: Graph) -> bool:
    """of int8 it must be the full kind with TANH, constant weights of int8, and the scales between its steps"""
    if graph.tensors[op.inputs[0]].dtype != "int8":
        return True
    weights = [t for t in op.inputs[1:OUTPUT_STATE] if t >= 0]
    types = {graph.tensors[t].dtype for t in weights}
    return (
        op.options.get("kernel_type", "FULL") == "FULL"
        and op.options.get("fused_activation_function") in ("TANH", 4)
        and len(op.intermediates) == INTERMEDIATES
        and types <= {"int8", "int16", "int32"}
        and all(is_constant(t, graph) for t in (*weights, *(n for n in op.inputs[CELL_STATE + 1 :] if n >= 0)))
        and graph.tensors[op.inputs[CELL_STATE]].dtype == "int16"
    )


def _parameters(tensor: Tensor) -> tuple[float, int]:
    quantization = tensor.quantization
    if quantization is None or len(quantization.scales) != 1:
        return 0.0, 0
    return quantization.scales[0], (quantization.zero_points or (0,))[0]


def basic_lstm(op: Op, draft: Draft) -> None:
    """NNAPI has a matrix for each gate and side, the state's columns in front of the input's as TFLite's are read."""
    data, state, weights, biases, cells = (draft.known(t) for t in op.inputs)
    units = state.shape[1]
    rows, bias = _read(weights).reshape(len(GATES), units, -1), _read(biases).reshape(len(GATES), units)
    scale, zero = _parameters(weights)
    sums = float(np.float32(_parameters(data)[0]) * np.float32(scale))

    def matrix(gate: str, columns: slice) -> int:
        values = np.ascontiguousarray(rows[GATES.index(gate)][:, columns])
        like = replace(draft.described(replace(weights, buffer=None)), shape=values.shape, zero_point=zero)
        return draft.add(replace(like, value=values.tobytes()))

    of_data = [matrix(gate, slice(units, None)) for gate in NNAPI_GATES]
    of_state = [matrix(gate, slice(units)) for gate in NNAPI_GATES]
    of_sums = [draft.bias(bias[GATES.index(gate)], (sums,)) for gate in NNAPI_GATES]
    ends = [draft.tensor(op.inputs[CELLS]), draft.tensor(op.inputs[1])]
    outputs = [draft.tensor(op.outputs[1]), draft.tensor(op.outputs[0])]
    draft.write("QUANTIZED_16BIT_LSTM", [draft.tensor(op.inputs[0]), *of_data, *of_state, *of_sums, *ends], outputs)


def _read(tensor: Tensor) -> Array:
    data = tensor.data
    if data is None:
        raise Refused("a constant is of a type that cannot be read here")
    return data


def integer_lstm(op: Op, draft: Draft) -> None:
    """Its state goes in and comes out; the scales of what passes between its steps are scalars here."""
    inputs = [_place(op, draft, i) for i in range(OUTPUT_STATE)]
    states = [draft.tensor(op.inputs[i]) for i in (OUTPUT_STATE, CELL_STATE)]
    norms = [_place(op, draft, i) for i in NORMS]
    clips = [draft.real(op.options.get(name, 0.0)) for name in ("cell_clip", "proj_clip")]
    between = [_parameters(draft.graph.tensors[t]) for t in op.intermediates]
    scales = [draft.real(scale or WITHOUT_NORM) for scale, _ in between[:-1]]
    hidden = [draft.integer(between[-1][1]), draft.real(between[-1][0])]
    written = [draft.state(op.inputs[i]) for i in (OUTPUT_STATE, CELL_STATE)]
    outputs = [*written, draft.tensor(op.outputs[0])]
    draft.write("QUANTIZED_LSTM", [*inputs, *states, *norms, *clips, *scales, *hidden], outputs)


def _place(op: Op, draft: Draft, i: int) -> int:
    """An input, of the type that NNAPI has there: weights are symmetric, and an absent one has a type too."""
    t = op.inputs[i] if i < len(op.inputs) else -1
    if t >= 0:
        described = draft.described(draft.known(t))
        if described.type == codes.TENSOR_QUANT8_ASYMM_SIGNED and i > 0:
            return draft.add(replace(described, type=codes.TENSOR_QUANT8_SYMM))
        return draft.tensor(t)
    if i in PEEPHOLES or i in NORMS:
        return draft.absent(codes.TENSOR_QUANT16_SYMM)
    is_bias = i in GATE_BIASES or i == PROJECTION_BIAS
    return draft.absent(codes.TENSOR_INT32 if is_bias else codes.TENSOR_QUANT8_SYMM)
