"""Longer jobs that need more than a Python. Runs in the environment that nox itself is in: .venv/bin/nox -s qemu"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

nox.options.sessions = ["qemu"]

MODEL = "src/subgraft/models/digits_int8.tflite"
COMPILER = "subgraft.backends.edgetpu.emulator.compiler"
# What a kernel has its own ways with; under umockdev all faults are tested.
FAULTS = "stall or halt or timeout or babble or unplug or dfu or answers or opened"


@nox.session(venv_backend="none")
def oclgrind(session: nox.Session) -> None:
    """OpenCL kernels under a checker: accesses out of bounds, races, reads of what was not written."""
    session.run(sys.executable, "-m", "pip", "install", "-q", "pyopencl[oclgrind]", external=True)
    tests = (sys.executable, "-m", "pytest", "-q", "-m", "oclgrind", "tests/test_opencl_oclgrind.py")
    session.run(*tests, external=True, env={"SUBGRAFT_REQUIRE_OCLGRIND": "1"})


@nox.session(venv_backend="none")
def aarch64(session: nox.Session) -> None:
    """Kernels for 64-bit ARM under qemu. Needs Debian's g++-aarch64-linux-gnu and qemu-user."""
    tests = (sys.executable, "-m", "pytest", "-q", "-rs", "-m", "aarch64", "tests/test_aarch64.py")
    session.run(*tests, external=True)


@nox.session(venv_backend="none")
def qemu(session: nox.Session) -> None:
    """The driver on a stock Debian kernel: firmware, inferences, faults. Needs qemu-system-x86_64."""
    folder = session.create_tmp()
    python = (sys.executable, "-m")
    session.run(*python, COMPILER, "-o", folder, MODEL, silent=True, external=True)
    pair = ("--model", MODEL, "--compiled", str(Path(folder) / "digits_int8_edgetpu.tflite"))
    tests = (*python, "pytest", "-p", "no:cacheprovider", "-q", "-rs", "hw_tests/test_edgetpu.py", *pair)
    device = ("--device", "edgetpu:usb:0", "--require", "-k", f"({FAULTS}) and not storm and not error")
    boot = (sys.executable, "hw_tests/qemu/boot.py", *pair)
    # Other plugins take their time to load there, and none is needed.
    session.run(*boot, "--", *tests, *device, external=True, env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"})
