"""What a measurement was taken on, for its report."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from subgraft import _native

CPU_INFO = Path("/proc/cpuinfo")


def describe() -> dict[str, Any]:
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "subgraft": _version("subgraft"),
        "ai-edge-litert": _version("ai-edge-litert"),
        "instruction_set": _native.instruction_set(),
        "instruction_sets": list(_native.instruction_sets()),
        "load": os.getloadavg()[0],
    }


def headline() -> str:
    found = describe()
    return (
        f"{found['processor']}, {found['cores']} cores, kernels for {found['instruction_set']}; "
        f"subgraft {found['subgraft']}, ai-edge-litert {found['ai-edge-litert']}"
    )


def processor() -> str:
    """Its name as the kernel tells it; the architecture where it tells none."""
    for line in CPU_INFO.read_text().splitlines() if CPU_INFO.exists() else ():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
