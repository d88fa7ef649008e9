"""Files that decode but mean nothing sound: each ends in a typed error, and none overruns, overflows or hangs.

Most were found by native/fuzz/fuzz_program.cpp.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import subgraft
from op_cases import Array, Case, c, const, out, x
from subgraft.delegates import Graph, InvokeError, ModelError, Op, Options, SubgraftError, Tensor, Unsupported
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

INT_MAX = 2**31 - 1
SECONDS = 2.0  # far above what any of these takes, below what was quadratic


def program(model: bytes) -> Any:
    return _native.Program(Model.open(model).native, pool=_native.ThreadPool(1))


def edited(model: bytes, edit: Callable[[Any], None]) -> bytes:
    """The model after a change that our writer would not write."""
    changed = schema.ModelT.InitFromPackedBuf(model, 0)
    edit(changed)
    builder = flatbuffers.Builder(1024)
    builder.Finish(changed.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def sparse_constant(model: Any) -> None:
    """As many elements as the buffer's 16 bytes can never hold, if read as a dense one."""
    tensor = model.subgraphs[0].tensors[1]
    tensor.shape = [2**20]
    tensor.sparsity = schema.SparsityParametersT()
    tensor.sparsity.traversalOrder = [0]
    dense = schema.DimensionMetadataT()
    dense.denseSize = 2**20
    tensor.sparsity.dimMetadata = [dense]


SPARSE = {
    "axes": Case("SUM", [x(2, 3, 4, 5), const([0, 1, 2, 3])], [out()], {"keep_dims": False}),
    "operand": Case("ADD", [x(1), c(4)], [out()], {"fused_activation_function": "NONE"}),
}


@pytest.mark.parametrize("case", SPARSE.values(), ids=SPARSE)
def test_a_sparse_constant_is_not_read_as_a_dense_one(case: Case) -> None:
    with pytest.raises(ModelError, match="sparse constant tensor 1 'input1': it holds 4 values, but its layout needs"):
        program(edited(case.model(), sparse_constant))


REFUSED: dict[str, tuple[Case, type[SubgraftError], str]] = {
    "sizes beside a zero overflow": (
        Case("SUM", [x(0, INT_MAX, INT_MAX, INT_MAX), const([1])], [out()], {"keep_dims": False}),
        ModelError,
        "too many elements",
    ),
}


@pytest.mark.parametrize(("case", "error", "message"), REFUSED.values(), ids=REFUSED)
def test_an_op_is_refused(case: Case, error: type[SubgraftError], message: str) -> None:
    with pytest.raises(error, match=message):
        program(case.model()).call(case.feed())


POOL = {"stride_w": 1, "stride_h": 1, "filter_width": 1, "filter_height": 1, "fused_activation_function": "NONE"}
EMPTY_BUT_LONG = {
    "known while preparing": Case("AVERAGE_POOL_2D", [x(2, 2**30, 8, 0)], [out()], {**POOL, "padding": "SAME"}),
    "of a variable": Case("MAX_POOL_2D", [x(2**30, 3, 3, 0, variable=True)], [out()], {**POOL, "padding": "SAME"}),
}


@pytest.mark.parametrize("case", EMPTY_BUT_LONG.values(), ids=EMPTY_BUT_LONG)
def test_nothing_counts_through_the_dimensions_of_an_empty_output(case: Case) -> None:
    ready = program(case.model())
    start = time.process_time()
    ready.call(case.feed())
    assert time.process_time() - start < SECONDS


def test_an_empty_value_that_is_known_only_while_running_is_a_value() -> None:
    tensors = (
        Tensor("x", (1,), "float32"),
        Tensor("all", (3,), "int32"),
        Tensor("begin", (1,), "int32"),
        Tensor("size", (1,), "int32", buffer=np.zeros(1, np.int32).tobytes()),
        Tensor("shape", (0,), "int32"),
        Tensor("y", (), "float32"),
    )
    ops = (Op("SLICE", (1, 2, 3), (4,)), Op("RESHAPE", (0, 4), (5,)))
    model = Model.of(Graph(tensors, ops, (0, 1, 2), (5,), name="main")).to_bytes()
    inputs: list[Array] = [np.ones(1, np.float32), np.zeros(3, np.int32), np.zeros(1, np.int32)]
    (y,) = program(model).call(inputs)
    assert y.shape == () and y == 1


def test_the_memory_limit_is_for_all_constants_made_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBGRAFT_MAX_BYTES", str(2**20))
    dims = np.array([2**17], np.int32).tobytes()  # half of the limit
    tensors = [Tensor("dims", (1,), "int32", buffer=dims), Tensor("value", (), "float32", buffer=bytes(4))]
    tensors += [Tensor(f"filled{i}", (2**17,), "float32") for i in range(8)]
    ops = [Op("FILL", (0, 1), (2 + i,)) for i in range(8)]
    model = Model.of(Graph(tuple(tensors), tuple(ops), (), (9,), name="main")).to_bytes()
    with pytest.raises(Unsupported, match="op 2 FILL.*memory limit"):
        program(model)


def test_the_memory_limit_is_for_all_variables_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBGRAFT_MAX_BYTES", str(2**20))
    tensors = [Tensor(f"state{i}", (2**17,), "float32", is_variable=True) for i in range(4)]
    tensors += [Tensor(f"axes{i}", (1,), "int32", buffer=bytes(4)) for i in range(4)]
    tensors += [Tensor(f"sum{i}", (), "float32") for i in range(4)]
    ops = [Op("SUM", (i, 4 + i), (8 + i,), Options({"keep_dims": False}, table="ReducerOptions")) for i in range(4)]
    model = Model.of(Graph(tuple(tensors), tuple(ops), (), (8, 9, 10, 11), name="main")).to_bytes()
    with pytest.raises(Unsupported, match="memory limit"):
        program(model)


def test_very_many_outputs_do_not_take_quadratic_time() -> None:
    count = 60_000
    case = Case("SPLIT", [const(0), x(count)], [out() for _ in range(count)], {"num_splits": count})
    model = case.model()
    start = time.process_time()
    program(model)
    assert time.process_time() - start < SECONDS


def neg(shape: tuple[int, ...] = (1,), dtype: str = "float32") -> Graph:
    return Graph((Tensor("x", shape, dtype), Tensor("y", shape, dtype)), (Op("NEG", (0,), (1,)),), (0,), (1,), name="b")


def seven() -> Graph:
    tensors = (Tensor("x", (7,), "float32"), Tensor("y", (7,), "float32"))
    return Graph(tensors, (Op("RESHAPE", (0,), (1,), Options({"new_shape": [7]})),), (0,), (1,), name="b")


def outer(op: Op) -> Graph:
    tensors = (Tensor("x", (1,), "float32"), Tensor("y", (1,), "float32"), Tensor("if", (2,), "bool"))
    return Graph(tensors, (op,), (0, 2), (1,), name="main")


def call(body: int, inputs: tuple[int, ...] = (0,)) -> Op:
    return Op("CALL", inputs, (1,), Options({"subgraph": body}, table="CallOptions"))


IF = Options({"then_subgraph_index": 1, "else_subgraph_index": 1}, table="IfOptions")
CONTROL: dict[str, tuple[Sequence[Graph], type[SubgraftError], str]] = {
    "no options": ([outer(Op("CALL", (0,), (1,))), neg()], ModelError, "CALL.*no option 'subgraph'"),
    "options of another op": ([outer(Op("CALL", (0,), (1,), IF)), neg()], ModelError, "CALL.*no option 'subgraph'"),
    "an absent input": ([outer(call(1, (-1,))), neg()], ModelError, "op 0 CALL lacks"),
    "an absent condition": ([outer(Op("IF", (-1, 0), (1,), IF)), neg()], ModelError, "op 0 IF lacks"),
    "two conditions": ([outer(Op("IF", (2, 0), (1,), IF)), neg()], InvokeError, "op 0 IF: a condition is bool.2."),
    "another shape": ([outer(call(1)), seven()], InvokeError, "op 0 CALL gives graph 1 inputs of .1.: op 0 RESHAPE"),
    "another dtype": ([outer(call(1)), neg(dtype="int32")], InvokeError, "op 0 CALL gives float32.1. to input 'x'"),
    "itself": ([outer(call(0))], ModelError, "runs graph 0"),
}


@pytest.mark.parametrize(("graphs", "error", "message"), CONTROL.values(), ids=CONTROL)
def test_control_flow_is_refused(graphs: Sequence[Graph], error: type[SubgraftError], message: str) -> None:
    model = Model(graphs=tuple(graphs)).to_bytes()
    with pytest.raises(error, match=message), subgraft.load(model) as session:
        session.run({"x": np.ones(1, np.float32), "if": np.ones(2, np.bool_)})


def test_very_many_bodies_do_not_take_quadratic_time() -> None:
    count = 2000
    model = Model(graphs=(*(outer(call(i + 1)) for i in range(count)), neg())).to_bytes()
    start = time.process_time()
    with pytest.raises(ModelError):
        subgraft.load(model)
    assert time.process_time() - start < SECONDS
