"""IF and WHILE: their bodies become models of their own, which operands of the outer one stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from subgraft.backends.nnapi.codes import LEVEL_4
from subgraft.backends.nnapi.draft import ONE, Draft, Refused
from subgraft.backends.nnapi.lowering import draft_of_body, floats, lowers
from subgraft.delegates import Graph, ModelError, Op, Tensor, rule
from subgraft.delegates.constants import is_constant

# The options that name the bodies, in the order of NNAPI's operands: a WHILE's first one is its condition.
BODIES: Mapping[str, tuple[str, str]] = {
    "IF": ("then_subgraph_index", "else_subgraph_index"),
    "WHILE": ("cond_subgraph_index", "body_subgraph_index"),
}
DEEPEST = 4  # bodies within bodies
SIZED_BY = {"RESHAPE": 1, "RESIZE_BILINEAR": 1, "RESIZE_NEAREST_NEIGHBOR": 1}  # the input that says how large
ANYTHING = {**floats(LEVEL_4), "int32": LEVEL_4, "bool": LEVEL_4}


def bodies_of(op: Op, graph: Graph) -> list[Graph]:
    """Raises ModelError where the model has none."""
    return [graph.body(int(op.options.get(name, -1))) for name in BODIES[op.kind]]


def _all_bodies(op: Op, graph: Graph, depth: int = 0) -> Iterator[Graph]:
    """Those of bodies too. Raises ModelError, also where there is no end to them."""
    if depth == DEEPEST:
        raise ModelError("bodies within bodies")
    for body in bodies_of(op, graph):
        yield body
        for inner in body.ops:
            if inner.kind in BODIES:
                yield from _all_bodies(inner, body, depth + 1)


@rule
def few_bodies_within_bodies(op: Op, graph: Graph) -> bool:
    """its bodies must be there, with at most 4 of them within each other"""
    if graph.services is None:
        return False
    try:
        return bool(list(_all_bodies(op, graph)))
    except ModelError:
        return False


@rule
def fixed_bodies(op: Op, graph: Graph) -> bool:
    """its bodies must keep no state, and the sizes of their tensors must be known when they are compiled"""
    return few_bodies_within_bodies(op, graph) and all(_is_fixed(body) for body in _all_bodies(op, graph))


def _is_fixed(body: Graph) -> bool:
    is_sized = all(
        len(op.inputs) <= SIZED_BY[op.kind] or is_constant(op.inputs[SIZED_BY[op.kind]], body)
        for op in body.ops
        if op.kind in SIZED_BY
    )
    return is_sized and not any(t.is_variable or -1 in (t.shape_signature or ()) for t in body.tensors)


@rule
def one_condition(op: Op, graph: Graph) -> bool:
    """its condition must be one bool"""
    if op.kind == "IF":
        return _is_one_bool(graph.tensors[op.inputs[0]])
    if not few_bodies_within_bodies(op, graph):
        return False
    condition = bodies_of(op, graph)[0]
    return len(condition.outputs) == 1 and _is_one_bool(condition.tensors[condition.outputs[0]])


def _is_one_bool(tensor: Tensor) -> bool:
    return tensor.dtype == "bool" and tensor.shape in ((), ONE)


@rule
def bodies_fit(op: Op, graph: Graph) -> bool:
    """what its bodies take and give must have the types, shapes, scales and zero points that its own tensors have"""
    if not few_bodies_within_bodies(op, graph):
        return False
    taken = _kinds(graph, op.inputs[1:] if op.kind == "IF" else op.inputs)
    given = _kinds(graph, op.outputs)
    for place, body in enumerate(bodies_of(op, graph)):
        is_condition = op.kind == "WHILE" and place == 0
        if _kinds(body, body.inputs) != taken or not (is_condition or _kinds(body, body.outputs) == given):
            return False
    return op.kind == "IF" or taken == given


def _kinds(graph: Graph, tensors: Sequence[int]) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for t in tensors:
        tensor = graph.tensors[t]
        quantization = tensor.quantization
        scales = (quantization.scales, quantization.zero_points) if quantization is not None else ((), ())
        is_quantized = tensor.dtype in ("int8", "uint8", "int16")
        found.append((tensor.dtype, tensor.shape or ONE, scales if is_quantized else ()))
    return found


RULES = (few_bodies_within_bodies, fixed_bodies, one_condition, bodies_fit)


@lowers("IF", levels={"bool": LEVEL_4}, rules=RULES, any_rank=True, scalars=True)
@lowers("WHILE", levels=ANYTHING, rules=RULES, any_rank=True, scalars=True)
def control_flow(op: Op, draft: Draft) -> None:
    try:
        graphs = bodies_of(op, draft.graph)
    except ModelError as error:
        raise Refused(str(error)) from error
    bodies = [draft.model(draft_of_body(graph, draft.level)) for graph in graphs]
    values = [draft.tensor(t) for t in op.inputs]
    first = values[:1] if op.kind == "IF" else []
    draft.write(op.kind, [*first, *bodies, *values[len(first) :]], [draft.tensor(t) for t in op.outputs])
