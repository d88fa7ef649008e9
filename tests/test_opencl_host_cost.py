"""The benchmark of what a kernel costs the host runs and tells what it promises; no speed is tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from opencl_device import TestDevice

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.opencl_host", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=ROOT)


def test_the_benchmark_tells_the_cost_of_a_kernel_beside_pyopencls(opencl: TestDevice) -> None:
    child = run("--kernels", "20", "--runs", "3", "--json")
    assert child.returncode == 0, child.stderr
    told = json.loads(child.stdout)
    assert (told["kernels"], [row["what"] for row in told["rows"]]) == (20, ["subgraft", "pyopencl"])
    for row in told["rows"]:
        assert 0 < row["host_least_us"] <= row["host_us"]
        assert 0 < row["wall_least_us"] <= row["wall_us"]


def test_the_benchmark_says_when_there_is_no_such_platform(opencl: TestDevice) -> None:
    child = run("--platform", "no such platform")
    assert child.returncode == 3
    assert "no such platform" in child.stderr
