"""Longer jobs that need more than a Python: nox -s qemu"""

from __future__ import annotations

import nox

nox.options.sessions = ["qemu"]


@nox.session(reuse_venv=True)
@nox.parametrize("speed", ["super", "high"])
def qemu(session: nox.Session, speed: str) -> None:
    """The driver on a stock Debian kernel: firmware, inferences, faults. Needs qemu-system-x86_64."""
    session.install("-r", "tests/requirements.txt")
    session.install(".")
    tests = ("python", "-m", "pytest", "-p", "no:cacheprovider", "-q", "-rs", "hw_tests/qemu", "--require")
    session.run("python", "hw_tests/qemu/boot.py", "--speed", speed, "--", *tests, "--device", "edgetpu:usb:0")
