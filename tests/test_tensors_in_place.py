"""Tensors that lie in each other: reshapes, slices and splits are views, joined tensors are made where they belong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from subgraft.delegates import Graph, Op, Options, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

NONE = {"fused_activation_function": "NONE"}
ADD = Options(NONE, table="AddOptions")
CASES = 150


class Drawn:
    """A graph of ops that move rows of [n, 4] tensors, and some that compute; beside it what numpy makes of it."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self.values: dict[int, np.ndarray] = {}
        self.inputs = [self.tensor(self.rng.integers(-99, 99, (self.rows(), 4)).astype(np.int32)) for _ in range(2)]
        for _ in range(self.rng.integers(2, 14)):
            self.step()
        made = [t for op in self.ops for t in op.outputs]
        self.outputs = sorted(set(self.rng.choice(made, min(len(made), int(self.rng.integers(1, 4))))))

    def rows(self) -> int:
        return int(self.rng.integers(1, 6))

    def tensor(self, value: np.ndarray) -> int:
        self.tensors.append(Tensor(f"t{len(self.tensors)}", value.shape, "int32"))
        self.values[len(self.tensors) - 1] = value
        return len(self.tensors) - 1

    def constant(self, *value: int) -> int:
        self.tensors.append(Tensor.constant(f"t{len(self.tensors)}", np.array(value, np.int32)))
        return len(self.tensors) - 1

    def op(self, kind: str, inputs: list[int], results: list[np.ndarray], **options: object) -> None:
        self.ops.append(Op(kind, inputs, [self.tensor(r) for r in results], Options(options)))

    def step(self) -> None:
        t = int(self.rng.choice(list(self.values)))
        x = self.values[t]
        n = len(x)
        match self.rng.integers(0, 7):
            case 0:
                self.op("NEG", [t], [-x])
            case 1:
                self.op("ADD", [t, t], [x + x], **NONE)
            case 2:
                begin = int(self.rng.integers(0, n))
                size = int(self.rng.integers(1, n - begin + 1))
                inputs = [t, self.constant(begin, 0), self.constant(size, 4)]
                self.op("SLICE", inputs, [x[begin : begin + size]])
            case 3:
                cut = int(self.rng.integers(0, n + 1))
                inputs = [t, self.constant(cut, n - cut), self.constant(0)]
                self.op("SPLIT_V", inputs, [x[:cut], x[cut:]], num_splits=2) if 0 < cut < n else None
            case 4:
                others = [int(i) for i in self.rng.choice(list(self.values), int(self.rng.integers(1, 4)))]
                joined = np.concatenate([self.values[i] for i in others])
                self.op("CONCATENATION", others, [joined], axis=0, **NONE) if len(joined) < 60 else None
            case 5:
                flat = Op("RESHAPE", [t], [self.tensor(x.reshape(-1))], Options({"new_shape": [4 * n]}))
                flat_tensor = flat.outputs[0]
                del self.values[flat_tensor]
                self.ops.append(flat)
                self.op("RESHAPE", [flat_tensor], [x.reshape(n, 4)], new_shape=[n, 4])
            case 6:
                shape = (1, n, 4)
                flat = Op("EXPAND_DIMS", [t, self.constant(0)], [len(self.tensors)])
                self.tensors.append(Tensor(f"t{len(self.tensors)}", shape, "int32"))
                self.ops.append(Op("EXPAND_DIMS", [t, flat.inputs[1]], [len(self.tensors) - 1]))
                self.op("SQUEEZE", [len(self.tensors) - 1], [x], squeeze_dims=[0])

    def program(self, **options: object) -> _native.Program:
        graph = Graph(self.tensors, self.ops, self.inputs, self.outputs, name="main")
        return _native.Program(Model.of(graph).native, pool=_native.ThreadPool(1), **options)

    def feeds(self) -> list[np.ndarray]:
        return [self.values[t] for t in self.inputs]

    def expected(self, t: int) -> np.ndarray:
        return self.values[t] if t in self.values else np.empty(0)


def drawn(seed: int) -> Drawn:
    while True:
        made = Drawn(seed)
        if made.ops and all(t in made.values for t in made.outputs):
            return made
        seed += 1_000_003


@pytest.mark.parametrize("keep_all", [False, True])
def test_drawn_graphs_of_moves_give_what_numpy_gives(keep_all: bool) -> None:
    for seed in range(CASES):
        case = drawn(seed)
        program = case.program(keep_all=keep_all)
        for _ in range(2):
            results = program.call(case.feeds())
            for t, result in zip(case.outputs, results, strict=True):
                np.testing.assert_array_equal(result, case.expected(t), err_msg=f"seed {seed}, tensor {t}")
        if keep_all:
            for op in case.ops:
                for t in op.outputs:
                    if t in case.values:
                        np.testing.assert_array_equal(
                            program.get(t), case.values[t], err_msg=f"seed {seed}, tensor {t}"
                        )


def test_drawn_graphs_over_the_callers_memory_give_the_same_and_leave_the_inputs_alone() -> None:
    for seed in range(CASES):
        case = drawn(seed)
        program = case.program(external=True)
        results = {t: np.zeros_like(case.expected(t)) for t in case.outputs}
        feeds = [x.copy() for x in case.feeds()]
        for t, array in (*zip(case.inputs, feeds, strict=True), *results.items()):
            program.bind(t, array)
        for _ in range(2):
            program.run()
            for t, result in results.items():
                np.testing.assert_array_equal(result, case.expected(t), err_msg=f"seed {seed}, tensor {t}")
        for x, given in zip(feeds, case.feeds(), strict=True):
            np.testing.assert_array_equal(x, given)


def moves() -> _native.Program:
    """x in two halves, each with 1 added, joined the other way round, as [4, 4]."""
    tensors = [
        Tensor("x", (2, 8), "int32"), Tensor("a", (1, 8), "int32"), Tensor("b", (1, 8), "int32"),
        Tensor.constant("axis", np.array(0, np.int32)), Tensor.constant("one", np.array(1, np.int32)),
        Tensor("c", (1, 8), "int32"), Tensor("d", (1, 8), "int32"), Tensor("e", (2, 8), "int32"),
        Tensor("y", (4, 4), "int32"),
    ]  # fmt: skip
    ops = [
        Op("SPLIT", (3, 0), (1, 2), Options({"num_splits": 2}, table="SplitOptions")),
        Op("ADD", (1, 4), (5,), ADD),
        Op("ADD", (2, 4), (6,), ADD),
        Op("CONCATENATION", (6, 5), (7,), Options({"axis": 0, **NONE}, table="ConcatenationOptions")),
        Op("RESHAPE", (7,), (8,), Options({"new_shape": [4, 4]}, table="ReshapeOptions")),
    ]
    return _native.Program(Model.of(Graph(tensors, ops, (0,), (8,))).native, pool=_native.ThreadPool(1))


def test_what_only_moves_takes_no_memory_of_its_own() -> None:
    program = moves()
    x = np.arange(16, dtype=np.int32).reshape(2, 8)
    (y,) = program.call([x])
    np.testing.assert_array_equal(y, (x[::-1] + 1).reshape(4, 4))
    assert program.arena_bytes == 2 * x.nbytes  # the input and the output


def test_an_output_that_is_its_input_in_another_shape_stays_when_the_next_input_is_set() -> None:
    graph = Graph(
        [Tensor("x", (4,), "int32"), Tensor("y", (2, 2), "int32")],
        [Op("RESHAPE", (0,), (1,), Options({"new_shape": [2, 2]}, table="ReshapeOptions"))],
        (0,),
        (1,),
    )
    program = _native.Program(Model.of(graph).native, pool=_native.ThreadPool(1))
    x = np.arange(4, dtype=np.int32)
    program.call([x])
    program.set(0, x + 7)
    np.testing.assert_array_equal(program.get(1), x.reshape(2, 2))


def test_an_op_that_nobody_reads_takes_no_time() -> None:
    tensors = [Tensor(name, (4,), "float32") for name in "xyz"]
    graph = Graph(tensors, [Op("NEG", (0,), (1,)), Op("ABS", (0,), (2,))], (0,), (2,))
    program = _native.Program(Model.of(graph).native, pool=_native.ThreadPool(1))
    assert program.steps == [1]
    kept = _native.Program(Model.of(graph).native, pool=_native.ThreadPool(1), keep_all=True)
    kept.call([np.ones(4, np.float32)])
    assert kept.steps == [0, 1] and kept.get(1).tolist() == [-1] * 4


def test_weights_of_a_file_stay_readable_after_they_were_packed(tmp_path: Path) -> None:
    """The process let go of their pages; they come back from the file."""
    weights = np.random.default_rng(0).standard_normal((256, 64)).astype(np.float32)
    tensors = [Tensor("x", (8, 64), "float32"), Tensor.constant("w", weights), Tensor("y", (8, 256), "float32")]
    options = Options({"fused_activation_function": "NONE", "weights_format": "DEFAULT"}, table="FullyConnectedOptions")
    graph = Graph(tensors, [Op("FULLY_CONNECTED", (0, 1, -1), (2,), options)], (0,), (2,))
    path = tmp_path / "model.tflite"
    path.write_bytes(Model.of(graph).to_bytes())
    model = _native.Model.open(str(path))
    x = np.random.default_rng(1).standard_normal((8, 64)).astype(np.float32)
    for _ in range(2):  # the second one packs nothing
        program = _native.Program(model, pool=_native.ThreadPool(1))
        (y,) = program.call([x])
        np.testing.assert_allclose(y, x @ weights.T, rtol=1e-5, atol=1e-5)
        np.testing.assert_array_equal(program.get(1), weights)
