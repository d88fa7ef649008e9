"""RNN, SVDF and the LSTM family. NNAPI's state operands become TFLite's variable tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nnapi_cases import Operand
from nnapi_draft import Draft
from nnapi_mapping import Given, Mapped
from nnapi_operations import OPERATIONS
from subgraft.delegates import Quantization

GATES = ("input", "forget", "cell", "output")
BASIC_GATES = ("input", "cell", "forget", "output")  # their order in the rows of the basic LSTM's weights
TANH = 4
LSTM_INPUTS = 20  # up to the states; the norms of the gates follow


def activation(given: Given) -> int:
    """By number: NNAPI's TANH and SIGMOID, 4 and 6, are TFLite's own."""
    return int(given["activation"].scalar)


def rnn(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    inputs = [draft.put(given[name]) for name in ("x", "weights", "recurrent", "bias")]
    state, written = draft.state(given["state"]), draft.output(outputs[-1])
    draft.op("RNN", [*inputs, state], written, fused_activation_function=activation(given))
    return state, written


def sequence_rnn(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    inputs = [draft.put(given[name]) for name in ("x", "weights", "recurrent", "bias")]
    state, written = draft.state(given["state"]), draft.output(outputs[0])
    options = {"time_major": bool(given["time_major"].scalar), "fused_activation_function": activation(given)}
    draft.op("UNIDIRECTIONAL_SEQUENCE_RNN", [*inputs, state], written, **options)
    return (written, state)[: len(outputs)]


def bidirectional_rnn(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    states = {name: draft.state(given[name]) for name in ("fw_state", "bw_state")}
    names = list(given)[:12]
    inputs = [states[name] if name in states else draft.put(given[name]) for name in names]
    merge = bool(given["merge"].scalar)
    written = [draft.output(o) for o in outputs[: 1 if merge else 2]]
    options = {"time_major": bool(given["time_major"].scalar), "merge_outputs": merge}
    draft.op("BIDIRECTIONAL_SEQUENCE_RNN", inputs, written, fused_activation_function=activation(given), **options)
    return [*written, *states.values()][: len(outputs)]


def svdf(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """NNAPI leaves the memory moved on by one already; TFLite does that first thing in the next step."""
    old = given["state"]
    batch, memory = old.dims[0], given["time_weights"].dims[1]
    rows = (batch, old.dims[1] // memory, memory)
    before = np.pad(old.array.reshape(rows)[:, :, :-1], [(0, 0), (0, 0), (1, 0)])
    state = draft.state(replace(old, values=tuple(before.reshape(-1).tolist())))
    inputs = [draft.put(given[name]) for name in ("x", "feature_weights", "time_weights", "bias")]
    written = draft.output(outputs[1])
    options = {"rank": given["rank"].scalar, "fused_activation_function": activation(given)}
    draft.op("SVDF", [*inputs, state], written, **options)
    latest = [draft.reshaped(state, rows), draft.constant([0, 0, 1]), draft.constant([*rows[:2], memory - 1])]
    moved = draft.op("SLICE", latest, draft.like(state))
    padded = draft.op("PAD", [moved, draft.constant([[0, 0], [0, 0], [0, 1]])], draft.like(state))
    return draft.reshaped(padded, old.dims, draft.output(outputs[0])), written


def lstm_inputs(draft: Draft, given: Given) -> tuple[list[int], list[int]]:
    """TFLite's inputs in its order, which is NNAPI's with the norms behind the states; and the two states."""
    names = OPERATIONS["LSTM"].signatures[0].split()[:LSTM_INPUTS]
    states = [draft.state(given[name]) for name in ("output_state", "cell_state")]
    weights = [draft.put(given[name]) for name in names[: LSTM_INPUTS - 2]]
    norms = [draft.put(given[f"{gate}_norm"]) if f"{gate}_norm" in given else -1 for gate in GATES]
    return [*weights, *states, *(norms if any(n >= 0 for n in norms) else ())], states


def clips(given: Given) -> dict[str, float]:
    return {"cell_clip": given["cell_clip"].scalar, "proj_clip": given["projection_clip"].scalar}


def lstm(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """NNAPI's first output is scratch memory."""
    inputs, states = lstm_inputs(draft, given)
    written = draft.output(outputs[3])
    draft.op("LSTM", inputs, written, fused_activation_function=activation(given), kernel_type="FULL", **clips(given))
    return written, *states, written


def sequence_lstm(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    inputs, states = lstm_inputs(draft, given)
    written = draft.output(outputs[0])
    options = {"time_major": bool(given["time_major"].scalar), **clips(given)}
    draft.op("UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, written, fused_activation_function=activation(given), **options)
    return (written, *states)[: len(outputs)]


def bidirectional_lstm(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    names = list(given)[:48]
    states = {name: draft.state(given[name]) for name in names if name.endswith("_state")}
    inputs = [states[name] if name in states else draft.put(given[name]) for name in names]
    merge = bool(given["merge"].scalar)
    written = [draft.output(o) for o in outputs[: 1 if merge else 2]]
    options = {"time_major": bool(given["time_major"].scalar), "merge_outputs": merge, **clips(given)}
    draft.op("BIDIRECTIONAL_SEQUENCE_LSTM", inputs, written, fused_activation_function=activation(given), **options)
    return [*written, *states.values()][: len(outputs)]


def quantized_lstm(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """LSTM with int8 data; the scales between its steps are those of intermediate tensors.

    TFLite's sums up the weights before it runs, so they are constants.
    """
    fixed = {name: replace(operand, life="CONSTANT_COPY") for name, operand in given.items() if name != "x"}
    inputs, states = lstm_inputs(draft, {**given, **fixed})
    written = draft.output(outputs[2])
    scales = [given[f"{gate}_scale"].scalar for gate in GATES]
    between = [draft.temporary("int16", Quantization(scales=(s,), zero_points=(0,))) for s in scales]
    hidden = Quantization(scales=(given["hidden_scale"].scalar,), zero_points=(given["hidden_zero"].scalar,))
    between.append(draft.temporary("int8", hidden))
    draft.op(
        "LSTM",
        inputs,
        written,
        intermediates=between,
        fused_activation_function=TANH,
        kernel_type="FULL",
        **clips(given),
    )
    return states[0], states[1], written


def basic_lstm(draft: Draft, given: Given, outputs: Sequence[Operand]) -> Sequence[int]:
    """TFLite's basic LSTM has all weights in one matrix: a row of blocks per gate.

    NNAPI has the recurrent columns before those of the input, though the data come the other way round.
    """
    weights, biases = [], []
    for gate in BASIC_GATES:
        parts = [draft.put(given[f"{side}_to_{gate}"]) for side in ("recurrent", "input")]
        weights.append(concatenated(draft, parts, 1))
        biases.append(draft.put(given[f"{gate}_bias"]))
    inputs = [
        draft.put(given["x"]),
        draft.put(given["output_state"]),
        concatenated(draft, weights, 0),
        concatenated(draft, biases, 0),
        draft.put(given["cell_state"]),
    ]
    cell, output = (draft.output(o) for o in outputs)
    scratch = [draft.like(output), draft.like(cell)]
    draft.op("LSTM", inputs, (output, cell, *scratch), fused_activation_function=TANH, kernel_type="BASIC")
    return cell, output


def concatenated(draft: Draft, tensors: Sequence[int], axis: int) -> int:
    output = draft.like(tensors[0])
    return draft.op("CONCATENATION", tensors, output, axis=axis, fused_activation_function="NONE")


MAPPING: dict[str, Mapped] = {
    "BIDIRECTIONAL_SEQUENCE_LSTM": Mapped("BIDIRECTIONAL_SEQUENCE_LSTM", bidirectional_lstm),
    "BIDIRECTIONAL_SEQUENCE_RNN": Mapped("BIDIRECTIONAL_SEQUENCE_RNN", bidirectional_rnn),
    "LSTM": Mapped("LSTM", lstm),
    "QUANTIZED_16BIT_LSTM": Mapped("LSTM", basic_lstm),
    "QUANTIZED_LSTM": Mapped("LSTM", quantized_lstm),
    "RNN": Mapped("RNN", rnn),
    "SVDF": Mapped("SVDF", svdf),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Mapped("UNIDIRECTIONAL_SEQUENCE_LSTM", sequence_lstm),
    "UNIDIRECTIONAL_SEQUENCE_RNN": Mapped("UNIDIRECTIONAL_SEQUENCE_RNN", sequence_rnn),
}
