"""Longer jobs that need more than a Python: nox -s qemu"""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.sessions = ["qemu"]

MODEL = "src/subgraft/models/digits_int8.tflite"
COMPILER = "subgraft.backends.edgetpu.emulator.compiler"
# The kernel has its own ways with these; all faults are tested under umockdev.
FAULTS = "stall or halt or timeout or babble or unplug or dfu@in or answers or opened"


@nox.session(reuse_venv=True)
def qemu(session: nox.Session) -> None:
    """The driver on a stock Debian kernel: firmware, inferences, faults. Needs qemu-system-x86_64."""
    session.install("-r", "tests/requirements.txt")
    session.install(".")
    folder = session.create_tmp()
    session.run("python", "-m", COMPILER, "-o", folder, MODEL, silent=True)
    compiled = str(Path(folder) / "digits_int8_edgetpu.tflite")
    pair = ("--model", MODEL, "--compiled", compiled)
    for speed, chosen in (("super", FAULTS), ("high", "answers")):
        tests = ("python", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs", "hw_tests/test_edgetpu.py")
        device = ("--device", "edgetpu:usb:0", "--require", "-k", f"({chosen}) and not storm")
        session.run("python", "hw_tests/qemu/boot.py", "--speed", speed, *pair, "--", *tests, *device, *pair)
