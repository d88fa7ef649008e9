"""A model that LiteRT refuses for one kind of op: each other op gives TFLite's answer to what ours gave before it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from op_cases import Array, compare
from oracle import Oracle, Request
from shared_models import MODELS, needs_shared
from subgraft.delegates import Graph, Op, Tensor
from subgraft.interpreter.cutter import cut
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

VISION_TRANSFORMER = MODELS / "made/vit_tiny_int16x8.tflite"  # int16 in SQUARED_DIFFERENCE
STEPS = 4  # of the output: both inputs are brought to one scale and rounded before they are subtracted and squared
FLOATS = 1e-5


@needs_shared
@pytest.mark.conformance
def test_a_vision_transformer_of_int16_gives_tflites_answer_op_by_op(oracle: Oracle) -> None:
    model = Model.open(VISION_TRANSFORMER)
    graph = model.graphs[0]
    for seed in range(2):
        pixels = np.random.default_rng(seed).uniform(0, 1, graph.tensors[graph.inputs[0]].shape)
        program = _native.Program(model.native, pool=_native.ThreadPool(1), keep_all=True)
        program.call([pixels.astype(np.float32)])
        assert len({program.get(t).tobytes() for op in graph.ops for t in op.outputs}) > len(graph.ops) // 2
        for i, op in enumerate(graph.ops):
            ours = [program.get(t) for t in op.outputs]
            if op.kind == "SQUARED_DIFFERENCE":
                a, b = (dequantized(graph.tensors[t], value(program, graph, t)) for t in op.inputs)
                found = off_by(ours[0], graph.tensors[op.outputs[0]], (a - b) ** 2)
            else:
                segment = graph.segment([i])
                answer = oracle.ask(Request(cut(model, segment), [[program.get(t) for t in segment.inputs]]))
                assert not answer.error, f"op {i} {op.kind}: {answer.error}"
                found = differences(op, ours, answer.outputs)
            assert not found, f"op {i} {op.kind}: {found}"


def value(program: _native.Program, graph: Graph, tensor: int) -> Array:
    constant = graph.tensors[tensor].data
    return program.get(tensor) if constant is None else constant


def dequantized(tensor: Tensor, values: Array) -> Array:
    assert tensor.quantization is not None
    return values.astype(np.float64) * tensor.quantization.scales[0]


def off_by(ours: Array, tensor: Tensor, real: Array) -> str:
    """Empty when the numbers are the real ones, rounded to the tensor's steps."""
    assert tensor.quantization is not None
    limits = np.iinfo(tensor.dtype)
    wanted = np.clip(np.round(real / tensor.quantization.scales[0]), limits.min, limits.max)
    worst = float(np.abs(wanted - ours).max())
    return "" if worst <= STEPS else f"off by {worst} steps"


def differences(op: Op, ours: Sequence[Array], theirs: Sequence[Array]) -> str:
    return "; ".join(found for a, b in zip(ours, theirs, strict=True) if (found := compare(a, b, FLOATS)))
