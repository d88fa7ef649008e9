"""RNN, SVDF and the LSTM family. The state is an input and an output: the session keeps it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from subgraft.backends.nnapi import codes
from subgraft.backends.nnapi.codes import LEVEL_1, LEVEL_3, LEVEL_4
from subgraft.backends.nnapi.draft import Draft, Operand, Refused
from subgraft.backends.nnapi.integer_lstm import basic_bytes, basic_lstm, full_integers, integer_lstm
from subgraft.backends.nnapi.lowering import lowers
from subgraft.delegates import Graph, Op, rule
from subgraft.delegates.constants import is_constant

# What these operations take, by the schema's name or number: FuseCodes, and two more of ActivationFn in Android's own
# kernels. The schema has no name for the last.
TANH, LOGISTIC = 4, 6
ACTIVATIONS: dict[str | int, int] = {"TANH": TANH, LOGISTIC: LOGISTIC, TANH: TANH}
for _name, _number in codes.FUSED.items():
    ACTIVATIONS[_name] = ACTIVATIONS[_number] = _number
LSTM_INPUTS, LSTM_NORMS = 20, 4  # the norms of the gates follow the states
OUTPUT_STATE, CELL_STATE = 18, 19
BIDIRECTIONAL_INPUTS = 48
BIDIRECTIONAL_STATES = (35, 36, 37, 38)


@rule
def float_weights(op: Op, graph: Graph) -> bool:
    """all its tensors must be float32: of integers NNAPI has LSTMs of one step only"""
    return all(graph.tensors[t].dtype == "float32" for t in (*op.inputs, *op.outputs) if t >= 0)


@rule
def knows_its_activation(op: Op, graph: Graph) -> bool:
    """its activation must be none, RELU, RELU_N1_TO_1, RELU6, TANH or LOGISTIC"""
    return op.options.get("fused_activation_function", "NONE") in ACTIVATIONS


RECURRENT = (float_weights, knows_its_activation)


def activation(op: Op, draft: Draft) -> int:
    return draft.integer(ACTIVATIONS[op.options.get("fused_activation_function", "NONE")])


def optional(op: Op, draft: Draft, count: int) -> list[int]:
    """The first inputs; absent ones as operands without a value."""
    given = [op.inputs[i] if i < len(op.inputs) else -1 for i in range(count)]
    return [draft.tensor(t) if t >= 0 else draft.absent(codes.TENSOR_FLOAT32) for t in given]


@lowers("RNN", levels={"float32": LEVEL_1}, rules=RECURRENT, keeps_state=True)
def rnn(op: Op, draft: Draft) -> None:
    inputs = [*(draft.tensor(t) for t in op.inputs), activation(op, draft)]
    draft.write("RNN", inputs, [draft.state(op.inputs[4]), draft.tensor(op.outputs[0])])


@lowers("UNIDIRECTIONAL_SEQUENCE_RNN", levels={"float32": LEVEL_4}, rules=RECURRENT, keeps_state=True)
def sequence_rnn(op: Op, draft: Draft) -> None:
    major = draft.integer(int(op.options.get("time_major", False)))
    inputs = [*(draft.tensor(t) for t in op.inputs), activation(op, draft), major]
    draft.write("UNIDIRECTIONAL_SEQUENCE_RNN", inputs, [draft.tensor(op.outputs[0]), draft.state(op.inputs[4])])


@lowers("BIDIRECTIONAL_SEQUENCE_RNN", levels={"float32": LEVEL_4}, rules=RECURRENT, keeps_state=True)
def bidirectional_rnn(op: Op, draft: Draft) -> None:
    flags = [draft.boolean(op.options.get(name, False)) for name in ("time_major", "merge_outputs")]
    inputs = [*optional(op, draft, 12), activation(op, draft), *flags]
    states = [draft.state(op.inputs[i]) for i in (4, 8)]
    draft.write("BIDIRECTIONAL_SEQUENCE_RNN", inputs, [*(draft.tensor(t) for t in op.outputs), *states])


def clips(op: Op, draft: Draft) -> list[int]:
    return [draft.real(op.options.get(name, 0.0)) for name in ("cell_clip", "proj_clip")]


def norms(op: Op, draft: Draft) -> list[int]:
    """Of the four gates, where the op has any."""
    if not any(t >= 0 for t in op.inputs[LSTM_INPUTS:]):
        return []
    if draft.level < LEVEL_3:
        raise Refused(f"normalized gates need {codes.called(LEVEL_3)}")
    return optional(op, draft, LSTM_INPUTS + LSTM_NORMS)[LSTM_INPUTS:]


@rule
def whole_floats(op: Op, graph: Graph) -> bool:
    """of float32 it must be the full kind with all its tensors float32"""
    is_full = op.options.get("kernel_type", "FULL") == "FULL"
    return dtype_of(op, graph) != "float32" or (is_full and float_weights(op, graph))


def dtype_of(op: Op, graph: Graph) -> str:
    return graph.tensors[op.inputs[0]].dtype


@lowers(
    "LSTM",
    levels={"float32": LEVEL_1, "uint8": LEVEL_3, "int8": LEVEL_4},
    rules=(knows_its_activation, whole_floats, basic_bytes, full_integers),
    keeps_state=True,
)
def lstm(op: Op, draft: Draft) -> None:
    if dtype_of(op, draft.graph) != "float32":
        {"uint8": basic_lstm, "int8": integer_lstm}[dtype_of(op, draft.graph)](op, draft)
        return
    inputs = [*optional(op, draft, LSTM_INPUTS), activation(op, draft), *clips(op, draft), *norms(op, draft)]
    batch, cells = draft.graph.tensors[op.inputs[CELL_STATE]].shape
    gates = 4 if op.inputs[1] >= 0 else 3
    scratch = draft.add(Operand(codes.TENSOR_FLOAT32, (batch, cells * gates)))
    states = [draft.state(op.inputs[i]) for i in (OUTPUT_STATE, CELL_STATE)]
    draft.write("LSTM", inputs, [scratch, *states, draft.tensor(op.outputs[0])])


@lowers("UNIDIRECTIONAL_SEQUENCE_LSTM", levels={"float32": LEVEL_4}, rules=RECURRENT, keeps_state=True)
def sequence_lstm(op: Op, draft: Draft) -> None:
    major = draft.boolean(op.options.get("time_major", False))
    inputs = [*optional(op, draft, LSTM_INPUTS), activation(op, draft), *clips(op, draft), major, *norms(op, draft)]
    states = [draft.state(op.inputs[i]) for i in (OUTPUT_STATE, CELL_STATE)]
    draft.write("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [draft.tensor(op.outputs[0]), *states])


@lowers("BIDIRECTIONAL_SEQUENCE_LSTM", levels={"float32": LEVEL_4}, rules=RECURRENT, keeps_state=True)
def bidirectional_lstm(op: Op, draft: Draft) -> None:
    flags = [draft.boolean(op.options.get(name, False)) for name in ("merge_outputs", "time_major")]
    inputs = [*optional(op, draft, BIDIRECTIONAL_INPUTS), activation(op, draft), *clips(op, draft), *flags]
    states = [draft.state(op.inputs[i]) for i in BIDIRECTIONAL_STATES]
    draft.write("BIDIRECTIONAL_SEQUENCE_LSTM", inputs, [*(draft.tensor(t) for t in op.outputs), *states])


@rule
def remembers_steps(op: Op, graph: Graph) -> bool:
    """it must remember at least two steps, and its weights must be constants"""
    return graph.tensors[op.inputs[2]].shape[1] > 1 and all(is_constant(t, graph) for t in op.inputs[1:4] if t >= 0)


@lowers("SVDF", levels={"float32": LEVEL_3}, rules=(*RECURRENT, remembers_steps), keeps_state=True)
def svdf(op: Op, draft: Draft) -> None:
    """NNAPI leaves the memory moved on by one step; TFLite does that first thing in the next run."""
    batch, size = draft.graph.tensors[op.inputs[4]].shape
    steps = draft.graph.tensors[op.inputs[2]].shape[1]
    rows = (batch, size // steps, steps)
    before = _reshaped(draft, draft.tensor(op.inputs[4]), rows)
    kept = _part(draft, before, (0, 0, 1), (*rows[:2], steps - 1))
    moved = _real(draft, rows)
    draft.write("PAD", [kept, draft.integers(np.array([[0, 0], [0, 0], [0, 1]]))], moved)
    weights = [*optional(op, draft, 4), _reshaped(draft, moved, (batch, size))]
    after, rank = _real(draft, (batch, size)), draft.integer(op.options.rank)
    draft.write("SVDF", [*weights, rank, activation(op, draft)], [after, draft.tensor(op.outputs[0])])
    # What was moved out is in the memory that the run began with.
    oldest = _part(draft, before, (0, 0, 1), (*rows[:2], 1))
    rest = _part(draft, _reshaped(draft, after, rows), (0, 0, 0), (*rows[:2], steps - 1))
    whole = _real(draft, rows)
    draft.write("CONCATENATION", [oldest, rest, draft.integer(2)], whole)
    draft.write("RESHAPE", [whole, draft.integers((batch, size))], draft.state(op.inputs[4]))


def _real(draft: Draft, shape: Sequence[int]) -> int:
    return draft.add(Operand(codes.TENSOR_FLOAT32, tuple(shape)))


def _reshaped(draft: Draft, operand: int, shape: Sequence[int]) -> int:
    made = _real(draft, shape)
    draft.write("RESHAPE", [operand, draft.integers(shape)], made)
    return made


def _part(draft: Draft, operand: int, begin: Sequence[int], size: Sequence[int]) -> int:
    made = _real(draft, size)
    draft.write("SLICE", [operand, draft.integers(begin), draft.integers(size)], made)
    return made
