"""A delegate in ten lines. Its accelerator is numpy; run this file to see what it takes and what it leaves."""

from functools import partial
from types import SimpleNamespace

import numpy as np

import subgraft
from subgraft.delegates import Device, Graph, Health, Op, Options, Tensor, Verdict
from subgraft.interpreter import Model

KINDS = {"ABS": np.abs, "NEG": np.negative, "FLOOR": np.floor}


# fmt: off
class Numpy:
    name = "numpy"
    def devices(self): return [Device(self.name, "0")]
    def check(self, op, graph): return Verdict(() if op.kind in KINDS else (f"no {op.kind} here",))
    def cost(self, segment): return None
    def health(self, device): return Health.OK
    def compile(self, segment, device): return SimpleNamespace(run=partial(self.run, segment), close=lambda: None)
    def run(self, segment, inputs, outputs):
        values = dict(zip((*segment.inputs, *segment.outputs), (*inputs, *outputs), strict=True))
        for op in (segment.graph.ops[i] for i in segment.ops): values[op.outputs[0]] = KINDS[op.kind](values[op.inputs[0]], out=values.get(op.outputs[0]))  # noqa: E501, E701
# fmt: on


def small_model() -> Model:
    """y = -floor(|x| + 1)"""
    tensors = (
        Tensor("x", (4,), "float32"),
        Tensor("abs", (4,), "float32"),
        Tensor.constant("one", np.ones(4, np.float32)),
        Tensor("sum", (4,), "float32"),
        Tensor("floor", (4,), "float32"),
        Tensor("y", (4,), "float32"),
    )
    add = Op("ADD", (1, 2), (3,), Options({"fused_activation_function": "NONE"}))
    ops = (Op("ABS", (0,), (1,)), add, Op("FLOOR", (3,), (4,)), Op("NEG", (4,), (5,)))
    return Model.of(Graph(tensors, ops, inputs=(0,), outputs=(5,), name="small"))


if __name__ == "__main__":
    with subgraft.load(small_model(), delegates=[Numpy()]) as session:
        print(session.plan.explain())
        print(session.run({"x": np.array([-1.5, 0, 0.5, 2], np.float32)}))
