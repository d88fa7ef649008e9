"""The benchmark beside LiteRT runs and tells what it promises; no speed is tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import graphs as make
from subgraft.delegates import Graph, Op, Tensor
from subgraft.interpreter import Model
from subgraft.models import DIGITS_INT8

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.cpu", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=ROOT)


def unknown_op() -> Graph:
    tensors = (Tensor("x", (4,), "float32"), Tensor("y", (4,), "float32"))
    return Graph(tensors, (Op("NoSuchOp", (0,), (1,), is_custom=True),), (0,), (1,))


def test_two_small_models_are_compared(tmp_path: Path) -> None:
    chain = tmp_path / "chain.tflite"
    chain.write_bytes(Model.of(make.chain("ADD", "TANH", "MUL")).to_bytes())
    table, drawing = tmp_path / "t.json", tmp_path / "t.svg"
    child = run("--quick", "--threads", 1, "--models", chain, DIGITS_INT8, "--json", table, "--svg", drawing)
    assert child.returncode == 0, child.stderr
    assert "chain" in child.stdout and "digits_int8" in child.stdout
    told = json.loads(table.read_text())
    assert [model["name"] for model in told["models"]] == ["chain", "digits_int8"]
    for model in told["models"]:
        (speed,) = model["speeds"]
        assert speed["ratio"] > 0 and set(speed["times"]) == {"subgraft", "AUTO", "BUILTIN_WITHOUT_DEFAULT_DELEGATES"}
        for load in model["loads"].values():
            assert load["fresh_s"] > 0 and load["warm_s"] > 0 and load["peak_bytes"] > 0
    assert told["machine"]["instruction_set"] in told["machine"]["instruction_sets"]
    assert drawing.read_text().startswith("<svg")


def test_a_model_that_both_refuse_has_the_reasons(tmp_path: Path) -> None:
    unknown = tmp_path / "unknown.tflite"
    unknown.write_bytes(Model.of(unknown_op()).to_bytes())
    child = run("--quick", "--threads", 1, "--models", unknown)
    assert child.returncode == 0, child.stderr
    told = " ".join(child.stdout.split())
    assert "unknown: subgraft: " in told and "unknown: LiteRT: " in told and "op: NoSuchOp" in told


def test_a_copy_of_a_model_counts_once(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.tflite").write_bytes(Path(DIGITS_INT8).read_bytes())
    table = tmp_path / "t.json"
    child = run("--quick", "--no-load", "--threads", 1, "--json", table, "--models", *sorted(tmp_path.glob("*.tflite")))
    assert child.returncode == 0, child.stderr
    assert [model["name"] for model in json.loads(table.read_text())["models"]] == ["a"]


def test_a_model_that_is_not_there_is_an_error() -> None:
    child = run("--models", "no such model")
    assert child.returncode == 3
    assert "no such model" in child.stderr


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.tflite").write_text("no model at all")
    child = run("--models", tmp_path / "text.tflite")
    assert child.returncode == 2
    assert "text.tflite" in child.stderr
