"""What stays on the CPU whatever a delegate says, and why."""

from subgraft.delegates import NUMPY_DTYPES, Graph, Op, rule
from subgraft.partitioner.bodies import BODY_OPTIONS

SIDE_EFFECTS = frozenset(
    {
        "ASSIGN_VARIABLE",
        "HASHTABLE",
        "HASHTABLE_FIND",
        "HASHTABLE_IMPORT",
        "HASHTABLE_SIZE",
        "READ_VARIABLE",
        "VAR_HANDLE",
    }
)
RANDOM = frozenset({"MULTINOMIAL", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM"})


@rule
def arrays_only(op: Op, graph: Graph) -> bool:
    """its tensors must be arrays of whole bytes: only the CPU holds strings, resources, variants and packed values"""
    tensors = (graph.tensors[t] for t in (*op.inputs, *op.outputs) if t >= 0)
    return all(tensor.dtype in NUMPY_DTYPES or tensor.is_constant for tensor in tensors)


@rule
def no_side_effects(op: Op, graph: Graph) -> bool:
    """it reads or changes variables or tables that only the CPU holds"""
    return op.kind not in SIDE_EFFECTS


@rule
def no_control_flow(op: Op, graph: Graph) -> bool:
    """control flow: the CPU decides which body runs, and its bodies are partitioned on their own"""
    return op.kind not in BODY_OPTIONS


@rule
def no_state(op: Op, graph: Graph) -> bool:
    """it keeps state between runs, which this delegate does not give back"""
    return not any(t >= 0 and graph.tensors[t].is_variable for t in op.inputs)


@rule
def no_chance(op: Op, graph: Graph) -> bool:
    """it draws random numbers, and only the CPU's follow the model's seed"""
    return op.kind not in RANDOM


NEVER_OFFERED = (arrays_only, no_side_effects)
OFFERED_IF_BODIES_ARE_RUN = (no_control_flow,)
OFFERED_IF_STATE_IS_KEPT = (no_state, no_chance)


def keeps_order(op: Op, graph: Graph) -> bool:
    """Whether what this op computes depends on what ran before, so that runs must follow each other."""
    return not (no_side_effects(op, graph) and no_state(op, graph) and no_chance(op, graph))


def has_effects(op: Op, graph: Graph) -> bool:
    """Whether the order of this op and another such op matters although no tensor says so."""
    return keeps_order(op, graph) or not no_control_flow(op, graph)
