"""The tests for devices, run on the one device that is always there: the emulated one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "hw_tests", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_emulated_device_conforms() -> None:
    child = run("--device", "fake", "--require")
    assert child.returncode == 0, child.stdout + child.stderr
    assert "skipped" not in child.stdout


def test_a_missing_device_is_skipped_unless_required() -> None:
    assert "failed" not in run("--device", "fake:99").stdout
    required = run("--device", "fake:99", "--require")
    assert required.returncode == 1
    assert "fake:99" in required.stdout
