"""From a segment's ops to an NNAPI model: which op is taken at which feature level, and who writes its operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from subgraft.backends.nnapi import codes
from subgraft.backends.nnapi.draft import Draft, Refused
from subgraft.delegates import (
    Graph,
    ModelError,
    Op,
    Options,
    Rule,
    Segment,
    Tensor,
    Unsupported,
    Verdict,
    rule,
    verdict,
)
from subgraft.delegates.constants import is_constant, makes_constants

Lower = Callable[[Op, Draft], None]

HIGHEST_RANK = 4  # for most operations
MOST_DIMENSIONS = 8  # for all
WITH_WEIGHTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
WEIGHTS = 1  # the input that they are

# Tensors of an op whose bytes are numbers as they stand: no scale means anything there.
PLAIN_BYTES: Mapping[str, Callable[[Op], Sequence[int]]] = {
    "CAST": lambda op: (*op.inputs, *op.outputs),
    "HASHTABLE_LOOKUP": lambda op: op.outputs[1:],  # whether each key was found
    "LSTM": lambda op: op.outputs[2:],  # scratch memory
}

# The schema's, for ops without a table of options.
DEFAULTS: Mapping[str, object] = {
    "axis": 0, "alpha": 0.0, "beta": 0.0, "bias": 0.0, "radius": 0, "rank": 0, "block_size": 0, "mode": "REFLECT",
    "padding": "SAME", "stride_w": 0, "stride_h": 0, "filter_width": 0, "filter_height": 0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Lowering:
    """How one kind of op becomes NNAPI operations.

    levels: the feature level that each type of its data needs. rules: what more it asks for.
    data: the input whose type counts. any_rank: whether more than four dimensions are fine.
    """

    lower: Lower
    levels: Mapping[str, int]
    rules: tuple[Rule, ...] = ()
    data: int = 0
    any_rank: bool = False
    is_custom: bool = False
    keeps_state: bool = False
    scalars: bool = False  # tensors without dimensions may be read as those of one element


LOWERINGS: dict[str, Lowering] = {}


def lowers(
    *kinds: str,
    levels: Mapping[str, int],
    rules: Sequence[Rule] = (),
    data: int = 0,
    any_rank: bool = False,
    is_custom: bool = False,
    keeps_state: bool = False,
    scalars: bool = False,
) -> Callable[[Lower], Lower]:
    """Registers a function that writes the operations of an op."""

    def register(lower: Lower) -> Lower:
        for kind in kinds:
            LOWERINGS[kind] = Lowering(lower, levels, tuple(rules), data, any_rank, is_custom, keeps_state, scalars)
        return lower

    return register


def floats(level: int, quantized: int | None = None) -> dict[str, int]:
    """Levels of float32 and of 8-bit data."""
    eight_bits = level if quantized is None else quantized
    return {"float32": level, "uint8": eight_bits, "int8": eight_bits}


@rule
def has_ends(op: Op, graph: Graph) -> bool:
    """it must have inputs and outputs"""
    return any(t >= 0 for t in op.inputs) and bool(op.outputs) and min(op.outputs) >= 0


@rule
def fixed_sizes(op: Op, graph: Graph) -> bool:
    """its tensors must have at least one element, and sizes that are known when it is compiled"""
    return all(size > 0 for t in _tensors(op, graph) for size in t.shape)


@rule
def has_dimensions(op: Op, graph: Graph) -> bool:
    """its tensors must have a dimension: NNAPI takes one without for a tensor of unknown rank"""
    return all(t.shape for t in _activations(op, graph))


@rule
def few_dimensions(op: Op, graph: Graph) -> bool:
    """its tensors must have at most 4 dimensions"""
    return all(len(t.shape) <= HIGHEST_RANK for t in _activations(op, graph))


@rule
def at_most_eight_dimensions(op: Op, graph: Graph) -> bool:
    """its tensors must have at most 8 dimensions"""
    return all(len(t.shape) <= MOST_DIMENSIONS for t in _activations(op, graph))


@rule
def no_state(op: Op, graph: Graph) -> bool:
    """it must not keep state between runs"""
    return not any(t.is_variable for t in _tensors(op, graph))


@rule
def one_scale(op: Op, graph: Graph) -> bool:
    """its 8-bit and 16-bit tensors must have a scale above 0; several only the weights of products may have"""
    plain = PLAIN_BYTES[op.kind](op) if op.kind in PLAIN_BYTES else ()
    return all(
        _has_scales(graph.tensors[t], op.kind in WITH_WEIGHTS and t == op.inputs[WEIGHTS])
        for t in (*op.inputs, *op.outputs)
        if t >= 0 and t not in plain and graph.tensors[t].dtype in ("int8", "uint8", "int16")
    )


def _has_scales(tensor: Tensor, are_weights: bool) -> bool:
    scales = tensor.quantization.scales if tensor.quantization is not None else ()
    fine = bool(scales) and all(np.isfinite(s) and s > 0 for s in scales)
    if len(scales) <= 1:
        return fine
    zeros = tensor.quantization.zero_points if tensor.quantization is not None else ()
    return fine and are_weights and not any(zeros)


@rule
def known_activation(op: Op, graph: Graph) -> bool:
    """its fused activation must be none, RELU, RELU_N1_TO_1 or RELU6"""
    return op.options.get("fused_activation_function", "NONE") in codes.FUSED


EVERY_OP = (fixed_sizes, one_scale, known_activation)


def check(op: Op, graph: Graph, level: int) -> Verdict:
    """Every published reason against this op at a feature level."""
    if makes_constants(op, graph):
        return _of_a_maker(op, graph, level)
    op = _with_defaults(op)
    lowering = LOWERINGS.get(op.kind)
    if lowering is None or op.is_custom != lowering.is_custom:
        return Verdict(("NNAPI has no operation for this kind of op, or none that is written here",))
    ends = verdict(op, graph, (has_ends,))
    if not ends:
        return ends
    rules = [rule for rule in EVERY_OP if rule is not known_activation or not lowering.keeps_state]
    rules += lowering.rules
    if not lowering.scalars:
        rules.append(has_dimensions)
    rules.append(at_most_eight_dimensions if lowering.any_rank else few_dimensions)
    if not lowering.keeps_state:
        rules.append(no_state)
    reasons = [*_against_type(op, graph, lowering, level), *verdict(op, graph, rules).reasons]
    if not reasons:
        reasons += _taken_by_the_cpu(op, graph)
    if not reasons:
        reasons += _written(op, graph, lowering, level)
    return Verdict(tuple(reasons))


def _with_defaults(op: Op) -> Op:
    return replace(op, options=Options({**DEFAULTS, **op.options}, table=op.options.table))


def _of_a_maker(op: Op, graph: Graph, level: int) -> Verdict:
    """Its outputs become constants of the model, where somebody in the model reads them."""
    pending, seen = list(op.outputs), set[int]()
    while pending:
        for reader in set(graph.consumers().get(pending.pop(), ())) - seen:
            seen.add(reader)
            other = graph.ops[reader]
            if makes_constants(other, graph):
                pending += other.outputs
            elif check(other, graph, level):
                return Verdict()
    return Verdict(
        ("it only makes constants, and no op that NNAPI takes reads them: the CPU makes them when the model is loaded",)
    )


def _against_type(op: Op, graph: Graph, lowering: Lowering, level: int) -> list[str]:
    """Where the type of its data is not taken, or only by later Androids."""
    place = op.inputs[lowering.data] if lowering.data < len(op.inputs) else -1
    if place < 0:
        return [f"its input {lowering.data} must be there"]
    dtype = graph.tensors[place].dtype
    if dtype not in lowering.levels:
        return [f"NNAPI takes it for {', '.join(lowering.levels)}, not for {dtype}"]
    needed = lowering.levels[dtype]
    if level >= needed:
        return []
    return [f"NNAPI takes it for {dtype} since {codes.called(needed)}, and this is {codes.called(level)}"]


def _taken_by_the_cpu(op: Op, graph: Graph) -> list[str]:
    """Its kernel looks at whether the op's tensors and options fit together; what it refuses no rule need know."""
    if graph.services is None:
        return []
    try:
        graph.segment([graph.producers()[op.outputs[0]]]).reference().close()
    except (ModelError, Unsupported) as error:
        return [f"the CPU does not take it either: {error}"]
    return []


def _written(op: Op, graph: Graph, lowering: Lowering, level: int) -> list[str]:
    """What stands against it is known only while its operations are written."""
    try:
        lowering.lower(op, Draft(graph, level))
    except Refused as refused:
        return [str(refused)]
    return []


def draft(segment: Segment, level: int) -> Draft:
    """The segment's model. Raises Refused, which check() has said before."""
    made = Draft(segment.graph, level)
    graph = segment.graph
    made.fed = tuple(t for t in segment.inputs if not is_constant(t, graph))
    made.given = tuple(t for t in segment.outputs if not is_constant(t, graph))
    inputs = [made.tensor(t) for t in made.fed]
    for i in segment.ops:
        op = graph.ops[i]
        made.op = i
        if not makes_constants(op, graph):
            LOWERINGS[op.kind].lower(_with_defaults(op), made)
    made.inputs = tuple(inputs)
    made.outputs = tuple(made.states[t] if t in made.states else made.tensor(t) for t in made.given)
    if not made.operations:
        raise Refused("it only makes constants")
    return made


def draft_of_body(graph: Graph, level: int) -> Draft:
    """A whole graph as a model that an operand refers to. Raises Refused with what stands against it."""
    made = Draft(graph, level)
    inputs = [made.tensor(t) for t in graph.inputs]
    for i, op in enumerate(graph.ops):
        if makes_constants(op, graph):
            continue
        answer = check(op, graph, level)
        if not answer:
            raise Refused(f"op {i} {op.kind} of its body {graph.name or graph.index}: {answer.reasons[0]}")
        made.op = i
        LOWERINGS[op.kind].lower(_with_defaults(op), made)
    outputs: list[int] = []
    for t in graph.outputs:
        operand = made.tensor(t)
        is_free = operand not in (*inputs, *outputs) and made.operands[operand].value is None
        outputs.append(operand if is_free else made.copy(t))
    made.inputs, made.outputs = tuple(inputs), tuple(outputs)
    return made


def _tensors(op: Op, graph: Graph) -> list[Tensor]:
    return [graph.tensors[t] for t in (*op.inputs, *op.outputs) if t >= 0]


def _activations(op: Op, graph: Graph) -> list[Tensor]:
    """Inputs that are computed, and outputs."""
    return [graph.tensors[t] for t in (*op.inputs, *op.outputs) if t >= 0 and not is_constant(t, graph)]
