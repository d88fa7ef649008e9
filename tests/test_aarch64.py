"""The core built for 64-bit ARM: under qemu its kernels equal the reference, on old and new processors."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from object_files import replaceable_symbols

NATIVE = Path(__file__).resolve().parents[1] / "native"
PACKAGES = {
    "cmake": "pip install cmake",
    "ninja": "pip install ninja",
    "aarch64-linux-gnu-g++": "apt install g++-aarch64-linux-gnu",
    "qemu-aarch64": "apt install qemu-user",
}
LIBRARIES = "/usr/aarch64-linux-gnu"  # where Debian puts those of the cross compiler

pytestmark = pytest.mark.aarch64


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    missing = [f"{tool} ({how})" for tool, how in PACKAGES.items() if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")
    folder = tmp_path_factory.mktemp("aarch64")
    options = ["-G", "Ninja", f"-DCMAKE_TOOLCHAIN_FILE={NATIVE / 'aarch64.cmake'}", "-DSUBGRAFT_NATIVE_TESTS=ON"]
    # A table of kernels that lacks the newest one is an error, not a crash.
    options += ["-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1 -Werror=missing-field-initializers"]
    subprocess.run(["cmake", "-S", str(NATIVE), "-B", str(folder), *options], check=True, capture_output=True)
    jobs = str(len(os.sched_getaffinity(0)))
    subprocess.run(["ninja", "-C", str(folder), "-j", jobs, "compare_kernels"], check=True, capture_output=True)
    return folder


def compare(build: Path, processor: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = str(build / "tests" / "compare_kernels")
    command = ["qemu-aarch64", "-L", LIBRARIES, "-cpu", processor, program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=1200)


@pytest.mark.parametrize(("processor", "sets"), [("cortex-a53", "neon"), ("max", "neon dotprod i8mm")])
def test_kernels_for_arm_equal_the_reference(build: Path, processor: str, sets: str) -> None:
    """The processor of the Coral Dev Board has NEON only; `max` has all that qemu knows."""
    child = compare(build, processor, "--count", "40")
    assert child.returncode == 0, child.stdout + child.stderr
    assert re.findall(r"^instruction sets: generic (.*)$", child.stdout, re.MULTILINE) == [sets]


def test_objects_for_arm_define_nothing_that_other_code_may_get(build: Path) -> None:
    found = replaceable_symbols(build, "aarch64-linux-gnu-nm")
    assert found
    assert not {name: symbols for name, symbols in found.items() if symbols}
