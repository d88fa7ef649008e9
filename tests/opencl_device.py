"""The OpenCL device that tests run on, and drivers that a test brings along."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from subgraft.backends.opencl.discovery import Found, attached, find
from subgraft.backends.opencl.library import libraries
from subgraft.delegates import Unavailable

NEEDED = "SUBGRAFT_REQUIRE_OPENCL"  # set where these tests must not be skipped
CHOSEN = "SUBGRAFT_OPENCL_DEVICE"  # what to run them on, as behind "opencl:"; the first device without
DRIVER = Path(__file__).with_name("opencl_driver.c")


@dataclass(frozen=True)
class TestDevice:
    """A device and a cache folder that the tests of one session share."""

    __test__ = False
    found: Found
    cache: Path

    @property
    def id(self) -> str:
        """As a device string begins with: "opencl:0"."""
        return f"opencl:{self.found.id}"

    def options(self, **options: object) -> dict[str, object]:
        """For a delegate that takes all it can, whatever it costs; further options, or others in their place."""
        return {"prefer": "offload", "cache": str(self.cache), **options}

    def delegate(self, **options: object) -> tuple[str, dict[str, object]]:
        """For load(delegates=[...])."""
        return self.id, self.options(**options)


def open_device(cache: Path) -> TestDevice:
    """Skips the test where there is none, unless $SUBGRAFT_REQUIRE_OPENCL is set."""
    try:
        return TestDevice(find(os.environ.get(CHOSEN, ""), attached()), cache)
    except Unavailable as error:
        if os.environ.get(NEEDED):
            pytest.fail(error.reason)
        pytest.skip(error.reason.splitlines()[0])


def build_driver(to: Path) -> Path:
    """opencl_driver.c as a shared library."""
    to.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cc", "-shared", "-fPIC", str(DRIVER), "-o", str(to)], check=True)
    return to


def in_child(script: str, environment: Mapping[str, str]) -> Any:
    """Runs a script of its own, since a process looks for drivers once; what it prints, read as JSON."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OCL_", "OPENCL_"))}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


class Faults:
    """libOpenCL with faults, opencl_faults.c, in this process."""

    def __init__(self, folder: Path) -> None:
        (real,) = [name for name in libraries() if name.startswith("/")][:1]
        self.path = folder / "libOpenCL_faults.so"
        source = str(Path(__file__).with_name("opencl_faults.c"))
        linked = ["-o", str(self.path), "-Wl,--no-as-needed", real, f"-Wl,-rpath,{Path(real).parent}"]
        subprocess.run(["cc", "-shared", "-fPIC", f'-DREAL="{real}"', source, *linked], check=True)
        self._library = ctypes.CDLL(str(self.path))

    def fail(self, call: str, code: int, after: int = 0) -> None:
        """This function ends with the code, after so many calls that go well, until mend()."""
        self._library.opencl_fail(call.encode(), after, code)

    def mend(self) -> None:
        """Everything works again."""
        for call in ("clFinish", "clBuildProgram", "clEnqueueNDRangeKernel", "clCreateBuffer"):
            self._library.opencl_fail(call.encode(), -1, 0)
        self._library.opencl_hold(0)
        self._library.opencl_replace(b"", b"")

    def hold(self, seconds: float) -> None:
        """Waiting for the device takes that much longer."""
        self._library.opencl_hold(int(seconds * 1e6))

    def replace(self, written: str, read: str) -> None:
        """The device's compiler reads something else than what is written in a program's source."""
        assert len(written) == len(read)
        self._library.opencl_replace(written.encode(), read.encode())
