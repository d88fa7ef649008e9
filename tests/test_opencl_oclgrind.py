"""Kernels under Oclgrind: no access out of bounds, no race, nothing read before it was written. nox -s oclgrind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from subgraft.backends.opencl import ops  # noqa: F401 - registers how ops are lowered
from subgraft.backends.opencl.lowering import LOWERINGS

NEEDED = "SUBGRAFT_REQUIRE_OCLGRIND"
GROUP = 8  # ops that share a process
SCRIPT = Path(__file__).with_name("opencl_checked.py")
CHECKS = {
    "OCLGRIND_UNINITIALIZED": "1",
    "OCLGRIND_DATA_RACES": "1",
    "OCLGRIND_CHECK_API": "1",
    # Its interpreter does not know the funnel shifts that an optimizer makes.
    "OCLGRIND_BUILD_OPTIONS": "-cl-opt-disable",
}
KINDS = sorted(LOWERINGS)
NOT_IN_TABLES = ("FLOOR_MOD",)  # as the device takes it: by a constant

pytestmark = pytest.mark.oclgrind


@pytest.fixture(scope="module", autouse=True)
def oclgrind() -> None:
    """Skips where there is none, unless $SUBGRAFT_REQUIRE_OCLGRIND is set."""
    script = "import pyopencl; print([p.name for p in pyopencl.get_platforms()])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    if "Oclgrind" not in found.stdout:
        reason = "Oclgrind is not there: pip install 'pyopencl[oclgrind]'"
        if os.environ.get(NEEDED):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.mark.parametrize("kinds", [KINDS[i : i + GROUP] for i in range(0, len(KINDS), GROUP)], ids=" ".join)
def test_kernels_are_clean(kinds: list[str], tmp_path: Path) -> None:
    printed, log = under_oclgrind(tmp_path, *kinds)
    found = json.loads(printed.splitlines()[-1])
    assert log == ""
    assert {kind: outcome["wrong"] for kind, outcome in found.items() if outcome["wrong"]} == {}
    assert [kind for kind, outcome in found.items() if outcome["taken"] == 0 and kind not in NOT_IN_TABLES] == []


@pytest.mark.parametrize(
    ("fault", "words"), [("bounds", "Invalid write"), ("uninitialized", "Uninitialized"), ("race", "data race")]
)
def test_a_faulty_kernel_is_found(fault: str, words: str, tmp_path: Path) -> None:
    _, log = under_oclgrind(tmp_path, "--faulty", fault)
    assert words in log


def under_oclgrind(folder: Path, *arguments: str) -> tuple[str, str]:
    """What the script printed, and what Oclgrind found."""
    log = folder / "found.txt"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={**os.environ, **CHECKS, "OCLGRIND_LOG": str(log)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, log.read_text() if log.exists() else ""
