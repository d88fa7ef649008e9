"""Ops that no converter writes: each is refused with a reason or lowered, whatever is missing or does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

import op_tables
from op_cases import Case
from opencl_cases import segment_of
from opencl_device import TestDevice
from subgraft.backends.opencl.compiler import compile_segment
from subgraft.backends.opencl.lowering import LOWERINGS, check, lower
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.settings import Settings
from subgraft.delegates import (
    DelegateError,
    Graph,
    InvokeError,
    ModelError,
    Op,
    Options,
    Quantization,
    Rejected,
    Tensor,
    Unsupported,
)
from subgraft.interpreter.custom_ops import CustomOps
from subgraft.interpreter.model import Model
from subgraft.interpreter.services import main_graphs
from subgraft.interpreter.shapes import Inference

REFUSALS = (DelegateError, InvokeError, ModelError, Unsupported, ValueError)  # what compile_segment() translates
Change = Callable[[np.random.Generator, Op, list[Tensor]], Op]


def pick(rng: np.random.Generator, op: Op) -> int:
    """A tensor of the op."""
    return int(rng.choice([t for t in (*op.inputs, *op.outputs) if t >= 0]))


def without_inputs(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    return replace(op, inputs=op.inputs[: int(rng.integers(len(op.inputs) + 1))])


def without_outputs(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    return replace(op, outputs=())


def absent_input(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    n = int(rng.integers(len(op.inputs)))
    return replace(op, inputs=(*op.inputs[:n], -1, *op.inputs[n + 1 :]))


def more_inputs(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    return replace(op, inputs=(*op.inputs, *op.inputs))


def mixed_inputs(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    return replace(op, inputs=tuple(int(t) for t in rng.permutation(op.inputs)))


def no_options(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    return replace(op, options=Options())


def wild_options(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    changed = dict(op.options)
    for name, value in op.options.items():
        if type(value) is int and rng.random() < 0.5:
            changed[name] = rng.choice((-(2**31), -1, 0, 2**31 - 1)).item()
    return replace(op, options=Options(changed))


def other_shape(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    t = pick(rng, op)
    shape = tuple(int(size) for size in rng.choice((0, 1, 2, 3, 7, 2**31 - 1), int(rng.integers(0, 7))))
    tensors[t] = replace(tensors[t], shape=shape)
    return op


def other_type(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    t = pick(rng, op)
    dtype = str(rng.choice(("float32", "int8", "uint8", "int16", "int32", "bool", "int4")))
    tensors[t] = replace(tensors[t], dtype=dtype)
    return op


def no_scales(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    t = pick(rng, op)
    tensors[t] = replace(tensors[t], quantization=None)
    return op


def wild_scales(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    t = pick(rng, op)
    scales = rng.choice((0.0, -1.0, 1e-40, 1e-20, 1.0, 1e30, np.inf, np.nan), int(rng.integers(4))).tolist()
    zeros = rng.choice((-(2**40), -129, 0, 300), int(rng.integers(3))).tolist()
    tensors[t] = replace(tensors[t], quantization=Quantization(tuple(scales), tuple(zeros), int(rng.integers(-2, 5))))
    return op


def wild_constants(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    for t in op.inputs:
        if t >= 0 and tensors[t].dtype == "int32" and tensors[t].buffer is not None:
            count = len(tensors[t].buffer or b"") // 4
            values = rng.choice((-(2**31), -5, -1, 0, 1, 2, 9, 2**31 - 1), count).astype(np.int32)
            tensors[t] = replace(tensors[t], buffer=values.tobytes())
    return op


def short_constants(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    for t in op.inputs:
        if t >= 0 and tensors[t].buffer:
            tensors[t] = replace(tensors[t], buffer=bytes(tensors[t].buffer or b"")[:-1])
    return op


def fed_constants(rng: np.random.Generator, op: Op, tensors: list[Tensor]) -> Op:
    for t in op.inputs:
        if t >= 0:
            tensors[t] = replace(tensors[t], buffer=None)
    return op


CHANGES: tuple[Change, ...] = (
    without_inputs, without_outputs, absent_input, more_inputs, mixed_inputs, no_options, wild_options, other_shape,
    other_shape, other_type, no_scales, wild_scales, wild_constants, short_constants, fed_constants,
)  # fmt: skip


def cases() -> Iterator[Case]:
    """One of each stratum of what OpenCL takes."""
    seen = set()
    for entry in op_tables.entries():
        place = op_tables.stratum(entry.case)
        if entry.case.kind in LOWERINGS and entry.case.error is None and place not in seen:
            seen.add(place)
            yield entry.case


def changed(case: Case, seed: int) -> Graph | None:
    """The case with one or two things about it changed, as a session sees it; None where that is no file."""
    rng = np.random.default_rng(seed)
    graph = case.graph()
    tensors, op = list(graph.tensors), graph.ops[0]
    for change in rng.choice(len(CHANGES), int(rng.integers(1, 3)), replace=False):
        if op.inputs and op.outputs:
            op = CHANGES[int(change)](rng, op, tensors)
    inputs = tuple(t for t in dict.fromkeys(op.inputs) if t >= 0 and tensors[t].buffer is None)
    made = Graph(tensors, (op,), inputs, op.outputs, name="changed")
    try:
        model = Model.of(made)
        (read,) = main_graphs([model])
        shaped = Inference(model.native, [read], CustomOps()).infer(read, {})
    except (ModelError, Unsupported, ValueError):
        return None
    return replace(shaped.graph, services=read.services)


def attempt(opencl: TestDevice, case: Case, seed: int) -> str:
    """What became of it. Anything but these is an exception, and a failed test."""
    graph = changed(case, seed)
    if graph is None:
        return "no file"
    if not check(graph.ops[0], graph):
        return "refused"
    try:
        lower(graph.segment([0]), opencl.found.caps)
    except REFUSALS:
        return "rejected"
    return "lowered"


def crashes(opencl: TestDevice, seeds: range) -> list[str]:
    found = []
    for number, case in enumerate(cases()):
        for seed in seeds:
            try:
                attempt(opencl, case, 1000 * number + seed)
            except Exception as error:  # noqa: BLE001 - every one of them is a finding
                found.append(f"{case.name()} seed {1000 * number + seed}: {type(error).__name__}: {error}")
    return found


def test_a_changed_op_is_refused_or_lowered(opencl: TestDevice) -> None:
    assert not (found := crashes(opencl, range(1))), "\n".join(found)


@pytest.mark.exhaustive
def test_many_changed_ops_are_refused_or_lowered(opencl: TestDevice) -> None:
    assert not (found := crashes(opencl, range(1, 20))), "\n".join(found)


def window(kind: str, tensors: list[Tensor], inputs: tuple[int, ...], **options: int) -> Graph:
    plain = {"padding": "SAME", "fused_activation_function": "NONE", "stride_h": 1, "stride_w": 1, **options}
    ends = (tuple(t for t in inputs if tensors[t].buffer is None), (len(tensors) - 1,))
    return Graph(tensors, (Op(kind, inputs, ends[1], Options(plain)),), *ends, name="window")


def test_a_transposed_convolution_of_endless_strides_stays_on_the_cpu() -> None:
    tensors = [
        Tensor.constant("shape", np.array((1, 1, 1, 2), np.int32)),
        Tensor.constant("weights", np.ones((2, 3, 3, 3), np.float32)),
        Tensor("x", (1, 1, 1, 3), "float32"),
        Tensor("y", (1, 1, 1, 2), "float32"),
    ]
    huge = window("TRANSPOSE_CONV", tensors, (0, 1, 2), stride_h=2**31 - 1, stride_w=2**31 - 1)
    assert "multiply to at most 4,096" in check(huge.ops[0], huge).reasons[0]
    large = window("TRANSPOSE_CONV", tensors, (0, 1, 2), stride_h=64, stride_w=64)
    assert check(large.ops[0], large)


def test_a_padding_beyond_32_bits_is_rejected(opencl: TestDevice) -> None:
    tensors = [
        Tensor("x", (1, 4, 4, 4), "float32"),
        Tensor.constant("weights", np.ones((4, 7, 5, 4), np.float32)),
        Tensor("y", (1, 4, 4, 4), "float32"),
    ]
    dilated = {"dilation_h_factor": 2**30, "dilation_w_factor": 1}
    opened = Opened(opencl.found, Settings.of(opencl.options()))
    with pytest.raises(Rejected, match=r"before_y is 3,221,225,47\d, and kernels count in 32 bits"):
        compile_segment(segment_of(window("CONV_2D", tensors, (0, 1), **dilated)), opened)
    opened.close()
