"""The benchmark of a model's ops, each alone, finds them all and runs; no speed is tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from benchmarks.ops import Row, alone, constants, report

from subgraft.delegates import Graph, Op, Tensor
from subgraft.interpreter.model import Model
from subgraft.models import DIGITS_INT8

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.ops", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=ROOT)


def test_an_op_takes_with_it_what_its_constants_are_made_by() -> None:
    tensors = [
        Tensor("x", (2,), "float32"),
        Tensor.constant("half", np.ones(2, np.float16)),
        Tensor("wide", (2,), "float32"),
        Tensor("sum", (2,), "float32"),
        Tensor("end", (2,), "float32"),
    ]
    ops = [Op("DEQUANTIZE", (1,), (2,)), Op("ADD", (0, 2), (3,)), Op("ADD", (3, 3), (4,))]
    graph = Graph(tuple(tensors), tuple(ops), (0,), (4,))
    constant = constants(graph)
    assert constant == {1, 2}
    single, fed = alone(graph, ops[1], constant)
    assert [op.kind for op in single.ops] == ["DEQUANTIZE", "ADD"] and fed == ["0"]
    single, fed = alone(graph, ops[2], constant)
    assert ([op.kind for op in single.ops], fed, len(single.tensors)) == (["ADD"], ["3"], 2)


def test_every_op_of_a_model_is_measured(tmp_path: Path) -> None:
    table = tmp_path / "t.json"
    child = run(DIGITS_INT8, "--quick", "--json", table)
    assert child.returncode == 0, child.stderr
    (rows,) = json.loads(table.read_text())["models"].values()
    assert sum(row["count"] for row in rows) == len(Model.open(DIGITS_INT8).graphs[0].ops)
    assert all(row["ours_s"] > 0 and row["litert_s"] > 0 for row in rows)


def test_the_largest_loss_comes_first_and_what_only_we_run_is_shown() -> None:
    rows = [Row("A", "i4", 1, 0, 2e-6, 1e-6), Row("B", "i4", 9, 0, 2e-6, 1e-6), Row("C", "i4", 1, 0, 1e-6, None)]
    lines = report(rows, top=2).splitlines()
    assert [line[0] for line in lines[1:3]] == ["B", "A"]
    assert "-" in report(rows, top=3).splitlines()[3]


def test_a_model_that_is_not_there_is_an_error() -> None:
    child = run("no such model")
    assert child.returncode == 3
    assert "no such model" in child.stderr
