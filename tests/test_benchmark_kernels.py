"""The benchmark of single ops runs and tells what it promises; no speed is tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from benchmarks.kernels.peaks import COMPILERS, Peaks
from benchmarks.kernels.shapes import Kernel, kernels, work

from subgraft import Interpreter, _native
from subgraft.interpreter.model import Model

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.kernels", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, cwd=ROOT)


def by_name(name: str, dtype: str) -> Kernel:
    (found,) = [kernel for kernel in kernels() if (kernel.name, kernel.dtype) == (name, dtype)]
    return found


def test_every_op_can_run() -> None:
    for kernel in kernels():
        interpreter = Interpreter(model_content=kernel.model())
        interpreter.allocate_tensors()
        assert all(0 not in detail["shape"] for detail in interpreter.get_output_details()), kernel.name


def test_work_is_multiply_accumulates_and_each_byte_once() -> None:
    (graph,) = Model.open(by_name("conv 1x1 14x14 512->512", "int8").model()).graphs
    assert work(graph) == (14 * 14 * 512 * 512, 2 * 14 * 14 * 512 + 512 * 512 + 4 * 512)
    (graph,) = Model.open(by_name("add 56x56x64", "float32").model()).graphs
    assert work(graph) == (0, 3 * 56 * 56 * 64 * 4)


def test_one_op_is_measured_for_each_instruction_set(tmp_path: Path) -> None:
    table = tmp_path / "t.json"
    child = run("--quick", "--ops", "dense 1x", "--types", "int8", "--json", table)
    assert child.returncode == 0, child.stderr
    assert "dense 1x1024->1001" in child.stdout
    (row,) = json.loads(table.read_text())["ops"]
    assert list(row["sets"]) == list(_native.instruction_sets())
    assert all(rate["seconds"] > 0 for rate in row["sets"].values()) and row["litert_s"] > 0


def test_an_unknown_op_is_refused_with_those_that_there_are() -> None:
    child = run("--ops", "no such op")
    assert child.returncode == 2
    assert "depthwise 3x3" in child.stderr


def test_the_machines_peaks_are_measured() -> None:
    peaks = Peaks()
    if peaks.problem:
        pytest.skip(peaks.problem)
    assert peaks.macs_per_s("generic", "float32") is None
    assert (peaks.bytes_per_s(1 << 16) or 0) > 0
    for name in _native.instruction_sets()[1:]:
        assert peaks.macs_per_s(name, "float32") is not None, name


def test_without_a_compiler_there_are_no_peaks_but_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    peaks = Peaks()
    assert all(name in peaks.problem for name in COMPILERS)
    assert peaks.macs_per_s("avx2", "float32") is None and peaks.bytes_per_s(1 << 16) is None
