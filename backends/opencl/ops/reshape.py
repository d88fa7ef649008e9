"""Ops that give the same elements another shape: they share memory where they can."""

from __future__ import annotations

import math

from subgraft.backends.opencl.fusion import elementwise
from subgraft.backends.opencl.lowering import Build, lowers
from subgraft.delegates import Graph, Op, rule
from subgraft.delegates.constants import is_constant


@rule
def keeps_its_elements(op: Op, graph: Graph) -> bool:
    """its output must have the elements and the type of its input, which is computed by the device or fed"""
    given, made = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    return (
        math.prod(given.shape) == math.prod(made.shape)
        and given.dtype == made.dtype
        and not is_constant(op.inputs[0], graph)
    )


@lowers("RESHAPE", "SQUEEZE", "EXPAND_DIMS", rules=(keeps_its_elements,))
def reshape(op: Op, build: Build) -> None:
    move(op, build)


def move(op: Op, build: Build) -> None:
    """Output 0 has the elements of input 0: their memory is shared, or they are copied."""
    given, made = op.inputs[0], op.outputs[0]
    if not build.alias(made, given):
        gives = "float" if build.tensor(made).dtype == "float32" else "int"
        elementwise(build, made, {"a": given}, "$w = a;", gives, shapes={"a": build.tensor(made).shape})
