"""Which subgraphs an op refers to, and all that can be reached from one graph."""

from collections.abc import Iterator, Mapping, Sequence

from subgraft.delegates import Graph, ModelError, Op

# The options that hold a subgraph's index, or a list of them.
BODY_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "CALL": ("subgraph",),
    "CALL_ONCE": ("init_subgraph_index",),
    "IF": ("then_subgraph_index", "else_subgraph_index"),
    "STABLEHLO_CASE": ("branch_subgraph_indices",),
    "STABLEHLO_COMPOSITE": ("decomposition_subgraph_index",),
    "WHILE": ("cond_subgraph_index", "body_subgraph_index"),
}


def bodies_of(op: Op) -> tuple[int, ...]:
    """The subgraphs this op runs, in the order of its options; empty for all but control flow.

    Raises ModelError for control flow that does not say what it runs.
    """
    names = BODY_OPTIONS.get(op.kind, ())
    for name in names:
        if name not in op.options:
            raise ModelError(f"{op.kind} with the outputs {list(op.outputs)} has no option '{name}'")
    indices: list[int] = []
    for name in names:
        value = op.options[name]
        indices += [int(value)] if isinstance(value, int) else [int(index) for index in value]
    return tuple(indices)


def reachable(graph: Graph, graphs: Sequence[Graph]) -> Iterator[Graph]:
    """Every body that running `graph` may run, once each, nested ones included. Indices out of range are left out."""
    seen = {graph.index}
    waiting = [graph]
    while waiting:
        for op in waiting.pop().ops:
            for index in bodies_of(op):
                if index not in seen and 0 <= index < len(graphs):
                    seen.add(index)
                    waiting.append(graphs[index])
                    yield graphs[index]
