"""Conditions, loops, calls and composites of drawn bodies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from graph_cases import PLAIN, GraphCase, Sketch, drawn, values
from op_cases import Array
from op_draws import Draw
from subgraft.delegates import Graph, flexbuffer
from subgraft.interpreter.model import Model

TYPES = ("float32", "int32")
UNARY = {"float32": ("NEG", "ABS", "RELU", "SQUARE"), "int32": ("NEG", "ABS")}
BINARY = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")
FUSED = ("ADD", "SUB", "MUL")
MOST_STEPS = 5

Program = Sequence[tuple[str, int, int]]  # an op, and which of the tensors so far it reads; -1 for no second one


def program(draw: Draw, dtype: str, inputs: int, least: int = 1) -> Program:
    """A few ops, each on any tensors before it."""
    steps = []
    for count in range(inputs, inputs + draw.number(least, 4)):
        if draw.chance(0.4):
            steps.append((draw.pick(UNARY[dtype]), draw.number(0, count - 1), -1))
        else:
            steps.append((draw.pick(BINARY), draw.number(0, count - 1), draw.number(0, count - 1)))
    return steps


def write(sketch: Sketch, steps: Program, given: Sequence[int], shape: Sequence[int], dtype: str) -> int:
    """Appends the ops and returns the last one's tensor."""
    known = list(given)
    for kind, a, b in steps:
        inputs = [known[a]] if b < 0 else [known[a], known[b]]
        known += sketch.op(kind, inputs, [sketch.tensor(shape, dtype)], **(PLAIN if kind in FUSED else {}))
    return known[-1]


def body(index: int, steps: Program, inputs: int, shape: Sequence[int], dtype: str) -> Graph:
    sketch = Sketch(index)
    given = [sketch.feed(shape, dtype) for _ in range(inputs)]
    return sketch.graph(write(sketch, steps, given, shape, dtype))


def drawn_shape(draw: Draw) -> tuple[int, ...]:
    return draw.shape(1, 3, empty=0.1, limit=100)


BRANCHES = {"then_subgraph_index": 1, "else_subgraph_index": 2}


def condition(draw: Draw) -> GraphCase:
    dtype, shape, inputs = draw.pick(TYPES), drawn_shape(draw), draw.number(1, 3)
    main = Sketch()
    chosen = main.feed(draw.pick(((), (1,))), "bool")
    given = [main.feed(shape, dtype) for _ in range(inputs)]
    first = write(main, program(draw, dtype, inputs, least=0), given, shape, dtype)
    (y,) = main.op("IF", (chosen, *given[:-1], first), [main.tensor(shape, dtype)], **BRANCHES)
    last = write(main, program(draw, dtype, 1, least=0), [y], shape, dtype)
    bodies = [body(i, program(draw, dtype, inputs), inputs, shape, dtype) for i in (1, 2)]
    told = main.tensors[chosen].shape
    runs = [[np.full(told, flag), *(values(draw, shape, dtype) for _ in given)] for flag in (True, False)]
    return GraphCase(kinds=("IF",), model=Model.of(main.graph(last), *bodies), runs=runs)


def nested_condition(draw: Draw) -> GraphCase:
    """Both branches choose in their turn, between the same two bodies."""
    dtype, shape, inputs = draw.pick(TYPES), drawn_shape(draw), draw.number(1, 3)
    graphs = []
    for index, flags, inner in ((0, 2, (1, 2)), (1, 1, (3, 4)), (2, 1, (4, 3))):
        sketch = Sketch(index)
        given = [sketch.feed((1,), "bool") for _ in range(flags)]
        given += [sketch.feed(shape, dtype) for _ in range(inputs)]
        told = dict(zip(BRANCHES, inner, strict=True))
        graphs.append(sketch.graph(*sketch.op("IF", given, [sketch.tensor(shape, dtype)], **told)))
    graphs += [body(i, program(draw, dtype, inputs), inputs, shape, dtype) for i in (3, 4)]
    runs = []
    for first, second in ((True, True), (True, False), (False, True), (False, False)):
        flags_fed = [np.array([first]), np.array([second])]
        runs.append([*flags_fed, *(values(draw, shape, dtype) for _ in range(inputs))])
    return GraphCase(kinds=("IF",), model=Model.of(*graphs), runs=runs, label="nested")


def loop(draw: Draw) -> GraphCase:
    """A counter against a limit that is fed, one or two tensors that change with each step, and one that may grow."""
    dtype, carried, grows = draw.pick(TYPES), draw.number(1, 2), draw.chance(0.3)
    shape = drawn_shape(draw)
    shapes: list[tuple[int, ...]] = [shape] * carried + ([()] if grows else [])
    start = (draw.number(1, 3), 2)
    main = Sketch()
    feeds = [main.feed((1,), "int32"), main.feed((1,), "int32"), *(main.feed(shape, dtype) for _ in range(carried))]
    if grows:
        feeds.append(main.feed(start, dtype, shape_signature=(-1, 2)))
    outputs = [main.tensor((1,), "int32"), main.tensor((1,), "int32"), *(main.tensor(s, dtype) for s in shapes)]
    main.op("WHILE", feeds, outputs, cond_subgraph_index=1, body_subgraph_index=2)
    test, step = Sketch(1), Sketch(2)
    for sketch in (test, step):
        for t in feeds:
            sketch.feed(main.tensors[t].shape, main.tensors[t].dtype, shape_signature=main.tensors[t].shape_signature)
    (less,) = test.op("LESS", (0, 1), [test.tensor((1,), "bool")])
    one = step.constant(np.array([1], np.int32))
    (following,) = step.op("ADD", (0, one), [step.tensor((1,), "int32")], **PLAIN)
    changed = []
    for _ in range(carried):
        # Kept small: what is squared with every step has no bound.
        y = write(step, program(draw, dtype, carried), range(2, 2 + carried), shape, dtype)
        low, high = (step.constant(np.array(limit, dtype)) for limit in (-50, 50))
        (y,) = step.op("MINIMUM", (y, high), [step.tensor(shape, dtype)])
        changed += step.op("MAXIMUM", (y, low), [step.tensor(shape, dtype)])
    if grows:
        changed += step.op("CONCATENATION", [2 + carried] * 2, [step.tensor((), dtype)], axis=0, **PLAIN)
    graphs = (main.graph(*outputs[:1], *outputs[2:]), test.graph(less), step.graph(following, 1, *changed))
    runs = []
    for limit in (0, draw.number(1, MOST_STEPS), draw.number(1, MOST_STEPS)):
        tensors = [values(draw, main.tensors[t].shape, dtype) for t in feeds[2:]]
        runs.append([np.array([0], np.int32), np.array([limit], np.int32), *tensors])
    return GraphCase(kinds=("WHILE",), model=Model.of(*graphs), runs=runs, label="grows" if grows else "")


def case(draw: Draw) -> GraphCase:
    dtype, shape, inputs, branches = draw.pick(TYPES), drawn_shape(draw), draw.number(1, 3), draw.number(1, 5)
    main = Sketch()
    which = main.feed(draw.pick(((), (1,))), "int32")
    given = [main.feed(shape, dtype) for _ in range(inputs)]
    told = list(range(1, branches + 1))
    (y,) = main.op("STABLEHLO_CASE", (which, *given), [main.tensor(shape, dtype)], branch_subgraph_indices=told)
    bodies = [body(i, program(draw, dtype, inputs), inputs, shape, dtype) for i in told]
    runs = [
        [np.full(main.tensors[which].shape, b, np.int32), *(values(draw, shape, dtype) for _ in given)]
        for b in range(branches)
    ]
    return GraphCase(
        kinds=("STABLEHLO_CASE",),
        model=Model.of(main.graph(y), *bodies),
        runs=runs,
        resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES",
        why="BUILTIN_REF has no STABLEHLO_CASE",
    )


def around(draw: Draw, kind: str, **options: object) -> tuple[Model, Model, list[list[Array]]]:
    """An op that runs a body between other ops, the same with the body in its place, and what to feed."""
    dtype, shape, inputs = draw.pick(TYPES), drawn_shape(draw), draw.number(1, 3)
    before, within, behind = (program(draw, dtype, n, least=n > 1) for n in (inputs, inputs, 1))
    graphs = []
    for is_inlined in (False, True):
        main = Sketch()
        given = [main.feed(shape, dtype) for _ in range(inputs)]
        first = write(main, before, given, shape, dtype)
        passed = [*given[:-1], first]
        if is_inlined:
            y = write(main, within, passed, shape, dtype)
        else:
            (y,) = main.op(kind, passed, [main.tensor(shape, dtype)], **options)
        graphs.append(main.graph(write(main, behind, [y], shape, dtype)))
    runs = [[values(draw, shape, dtype) for _ in range(inputs)] for _ in range(2)]
    return Model.of(graphs[0], body(1, within, inputs, shape, dtype)), Model.of(graphs[1]), runs


def call(draw: Draw) -> GraphCase:
    model, inlined, runs = around(draw, "CALL", subgraph=1)
    why = "LiteRT has no CALL: it gets the ops of the body in its place"
    return GraphCase(kinds=("CALL",), model=model, runs=runs, reference=inlined, why=why)


def composite(draw: Draw) -> GraphCase:
    told = {"name": "odml.drawn", "decomposition_subgraph_index": 1, "composite_attributes": flexbuffer.encode({})}
    model, _, runs = around(draw, "STABLEHLO_COMPOSITE", **told)
    return GraphCase(kinds=("STABLEHLO_COMPOSITE",), model=model, runs=runs)


CASES = [
    *drawn("IF", condition, 30),
    *drawn("nested IF", nested_condition, 12),
    *drawn("WHILE", loop),
    *drawn("STABLEHLO_CASE", case),
    *drawn("CALL", call),
    *drawn("STABLEHLO_COMPOSITE", composite),
]
