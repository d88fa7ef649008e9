"""Variables by name: set once, read, replaced, added to and exchanged, over several runs."""

from __future__ import annotations

import numpy as np

from graph_cases import PLAIN, GraphCase, Sketch, drawn, values
from op_draws import Draw
from subgraft.interpreter.model import Model

RUNS = 4
TYPES = ("float32", "float32", "int8", "uint8", "int16", "int32", "int64", "bool")
SUMS = ("float32", "int32", "int64")  # types of the ones that are added to


def handle(sketch: Sketch, name: str) -> int:
    (made,) = sketch.op("VAR_HANDLE", (), [sketch.tensor((), "resource")], container="", shared_name=name)
    return made


def started(draw: Draw, names: str, shape: tuple[int, ...], dtype: str) -> Sketch:
    """What runs once and assigns a constant to each."""
    init = Sketch(index=1)
    for name in names:
        init.op("ASSIGN_VARIABLE", (handle(init, name), init.constant(values(draw, shape, dtype))))
    return init


def variable(draw: Draw) -> GraphCase:
    way = draw.pick(("replace", "add", "twins", "exchange", "late"))
    dtype = draw.pick(SUMS if way == "add" else TYPES)
    is_open = draw.chance(0.3)  # a file may leave a variable's shape open
    shape = draw.shape(1, 4, empty=0.15, limit=100)
    told = () if is_open else shape
    main, once = Sketch(), way != "late"
    x = main.feed(shape, dtype)
    if once:
        main.op("CALL_ONCE", (), (), init_subgraph_index=1)
    a = handle(main, "a")
    results = [*main.op("READ_VARIABLE", (a,), [main.tensor(told, dtype)])] if once else []
    if way == "add":
        main.op("ADD", (results[0], x), [total := main.tensor(told, dtype)], **PLAIN)
        main.op("ASSIGN_VARIABLE", (a, total))
    elif way == "exchange":
        b = handle(main, "b")
        results += main.op("READ_VARIABLE", (b,), [main.tensor(told, dtype)])
        main.op("ASSIGN_VARIABLE", (a, results[1]))
        main.op("ASSIGN_VARIABLE", (b, x))
    else:
        main.op("ASSIGN_VARIABLE", (handle(main, "a") if way == "twins" else a, x))
    results += main.op("READ_VARIABLE", (a,), [main.tensor(told, dtype)])
    graphs = [main.graph(*results)] + ([started(draw, "ab", shape, dtype).graph()] if once else [])
    kinds = ("VAR_HANDLE", "ASSIGN_VARIABLE", "READ_VARIABLE", *(("CALL_ONCE",) if once else ()))
    runs = [[values(draw, shape, dtype)] for _ in range(RUNS)]
    return GraphCase(kinds=kinds, model=Model.of(*graphs), runs=runs, label=f"{way}{'_open' if is_open else ''}")


def reshaped(draw: Draw) -> GraphCase:
    """A variable takes another number of rows while running: as many times those of the input as it is told."""
    rows = draw.number(1, 4)
    main = Sketch()
    x, count = main.feed((rows, 2), "float32"), main.feed((2,), "int32")
    main.op("TILE", (x, count), [tiled := main.tensor((), "float32")])
    main.op("ASSIGN_VARIABLE", (a := handle(main, "a"), tiled))
    (result,) = main.op("READ_VARIABLE", (a,), [main.tensor((), "float32")])
    runs = [[values(draw, (rows, 2), "float32"), np.array([draw.number(0, 3), 1], np.int32)] for _ in range(RUNS)]
    kinds = ("VAR_HANDLE", "ASSIGN_VARIABLE", "READ_VARIABLE")
    return GraphCase(kinds=kinds, model=Model.of(main.graph(result)), runs=runs, label="reshaped")


CASES = [*drawn("VAR_HANDLE", variable, 60), *drawn("reshaped", reshaped, 8)]
