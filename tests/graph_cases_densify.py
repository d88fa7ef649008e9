"""DENSIFY of constants in drawn layouts, and of what else is computed with them."""

from __future__ import annotations

from graph_cases import PLAIN, GraphCase, Sketch, drawn, values
from op_draws import Draw
from sparse import Layout, sparse, thinned
from subgraft.delegates import Tensor
from subgraft.interpreter.model import Model

DEPTHS = (1, 2, 3, 4, 8)


def layout(draw: Draw, shape: tuple[int, ...]) -> Layout:
    """Any order of the dimensions, any of them compressed, and blocks where they divide a dimension."""
    blocks = []
    for d, size in enumerate(shape):
        divisors = [n for n in (2, 4) if size % n == 0]
        if divisors and draw.chance(0.3):
            blocks.append((d, draw.pick(divisors)))
    order = [*(int(d) for d in draw.rng.permutation(len(shape))), *range(len(shape), len(shape) + len(blocks))]
    compressed = tuple(d for d in range(len(shape)) if draw.chance(0.5))
    index = draw.pick(("int32", "uint16", "uint8"))
    return Layout(order=order, compressed=compressed, blocks=blocks, index=index)


def densify(draw: Draw) -> GraphCase:
    shape = tuple(draw.pick(DEPTHS) for _ in range(draw.number(1, 4)))
    dtype = draw.pick(("float32", "float32", "float16", "int8"))
    dense = thinned(values(draw, shape, dtype), draw.pick((0.0, 0.3, 0.7, 0.95, 1.0)), draw.number(0, 1000))
    chosen = layout(draw, shape)
    sketch = Sketch()
    is_added = dtype == "float32" and draw.chance(0.6)
    x = sketch.feed(shape, dtype) if is_added else -1
    sketch.tensors.append(sparse(Tensor.constant("sparse", dense), dense, chosen))
    (y,) = sketch.op("DENSIFY", (len(sketch.tensors) - 1,), [sketch.tensor(shape, dtype)])
    if is_added:
        (y,) = sketch.op("ADD", (x, y), [sketch.tensor(shape, dtype)], **PLAIN)
    runs = [[values(draw, shape, dtype)] if is_added else [] for _ in range(2)]
    label = f"{'x'.join(map(str, shape))}_{dtype}_{chosen}"
    return GraphCase(kinds=("DENSIFY",), model=Model.of(sketch.graph(y)), runs=runs, label=label)


CASES = drawn("DENSIFY", densify, 60)
