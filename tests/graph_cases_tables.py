"""Tables of keys and values: filled once, or with every run, and asked for what is there and what is not."""

from __future__ import annotations

import numpy as np

from graph_cases import GraphCase, Sketch, drawn, values
from op_cases import Array
from op_draws import Draw
from subgraft.interpreter.model import Model

KINDS = ("HASHTABLE", "HASHTABLE_IMPORT", "HASHTABLE_FIND", "HASHTABLE_SIZE")
NO_TABLES = "BUILTIN_REF has no tables"


def table(sketch: Sketch, number: int, key: str, value: str) -> int:
    types = {"key_dtype": key.upper(), "value_dtype": value.upper()}
    (made,) = sketch.op("HASHTABLE", (), [sketch.tensor((1,), "resource")], table_id=number, **types)
    return made


def few(draw: Draw, shape: tuple[int, ...], dtype: str) -> Array:
    """Keys or values, of which some are equal."""
    if dtype == "string":
        return values(draw, shape, dtype)
    numbers = np.array([0, 1, -1, 7, 2**40, -(2**63), 2**63 - 1, 12], np.int64)
    return np.asarray(draw.rng.choice(numbers, shape))


def lookup(draw: Draw) -> GraphCase:
    key, value = draw.pick((("int64", "string"), ("string", "int64")))
    main, init = Sketch(), Sketch(index=1)
    x = main.feed(shape := draw.shape(1, 3, empty=0.1, limit=60), key)
    main.op("CALL_ONCE", (), (), init_subgraph_index=1)
    results = []
    for number in range(draw.pick((1, 1, 2))):
        count = draw.number(1, 9)
        filled = (table(init, number, key, value), *(init.constant(few(draw, (count,), d)) for d in (key, value)))
        init.op("HASHTABLE_IMPORT", filled)
        if draw.chance(0.3):  # again: what is there already stays
            init.op("HASHTABLE_IMPORT", (filled[0], filled[1], init.constant(few(draw, (count,), value))))
        held, default = table(main, number, key, value), main.constant(few(draw, (1,), value))
        results += main.op("HASHTABLE_FIND", (held, x, default), [main.tensor(shape, value)])
        results += main.op("HASHTABLE_SIZE", (held,), [main.tensor((1,), "int64")])
    runs = [[few(draw, shape, key)] for _ in range(2)]
    return GraphCase(
        kinds=KINDS,
        model=Model.of(main.graph(*results), init.graph()),
        runs=runs,
        resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES",
        why=NO_TABLES,
        label=f"to_{value}",
    )


CASES = drawn("HASHTABLE", lookup, 48)
