"""The tests for devices, run on those that are always there: the emulated ones."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


LONG_S = 3600
MISSING_DEPENDENCY = 9  # the exit code of `subgraft emulate` where umockdev is not installed
UNDER_UMOCKDEV = (sys.executable, "-m", "subgraft", "emulate", "--")
IN_PROCESS = ("--device", "edgetpu:emulated")
BEHIND_LIBUSB = ("--device", "edgetpu:usb:0")


def run(
    *arguments: str, before: tuple[str, ...] = (), timeout_s: float = 300, tests: str = "hw_tests"
) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests, *arguments]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s)
    if child.returncode == MISSING_DEPENDENCY and before and not os.environ.get("SUBGRAFT_REQUIRE_UMOCKDEV"):
        pytest.skip(child.stderr.strip())
    return child


def test_the_emulated_device_conforms() -> None:
    child = run("--device", "fake", "--require")
    assert child.returncode == 0, child.stdout + child.stderr
    assert "skipped" not in child.stdout


def test_a_missing_device_is_skipped_unless_required() -> None:
    assert "failed" not in run("--device", "fake:99").stdout
    required = run("--device", "fake:99", "--require")
    assert required.returncode == 1
    assert "fake:99" in required.stdout


def test_the_emulated_coral_behind_libusb_passes_with_every_fault() -> None:
    child = run(*BEHIND_LIBUSB, "--require", "-k", "test_edgetpu and digits and not storm", before=UNDER_UMOCKDEV)
    assert child.returncode == 0, child.stdout + child.stderr
    assert "emulated Coral" in child.stderr
    assert ", emulated" in run(*IN_PROCESS, "--collect-only", "-v").stdout


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("before", "device"), [((), IN_PROCESS), (UNDER_UMOCKDEV, BEHIND_LIBUSB)], ids=["in process", "behind libusb"]
)
def test_every_pair_and_the_long_storm_pass(before: tuple[str, ...], device: tuple[str, ...]) -> None:
    chosen = ("-m", "exhaustive or not exhaustive", "-k", "answers or alone or opened or (storm and digits)")
    child = run(*device, "--require", *chosen, before=before, timeout_s=LONG_S, tests="hw_tests/test_edgetpu.py")
    assert child.returncode == 0, child.stdout + child.stderr
