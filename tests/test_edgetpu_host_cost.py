"""The benchmark of what an Edge TPU inference costs the host runs and tells what it promises; no speed is tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from shared_models import needs_shared

ROOT = Path(__file__).resolve().parents[1]


@needs_shared
def test_the_benchmark_tells_the_cost_of_each_model_beside_its_memcpy() -> None:
    command = [sys.executable, "-m", "benchmarks.edgetpu_host", "--calls", "20", "--json"]
    child = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=ROOT)
    assert child.returncode == 0, child.stderr
    rows = json.loads(child.stdout)
    assert [row["moved_bytes"] for row in rows] == [220_192, 281_168, 1_229_336, 513_632, 1_349_784]
    for row in rows:
        assert 0 < row["p50_us"] <= row["p99_us"]
        assert row["ratio"] == row["p50_us"] / row["memcpy_p50_us"]


def test_the_benchmark_says_which_model_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.edgetpu_host", str(tmp_path / "none.tflite")]
    child = subprocess.run(command, capture_output=True, text=True, timeout=100, cwd=ROOT)
    assert child.returncode == 3
    assert "none.tflite" in child.stderr
