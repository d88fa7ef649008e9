"""What this process holds in memory, from /proc."""

from __future__ import annotations

from pathlib import Path

PROC = Path("/proc/self")
RESET_PEAK = "5"  # facts: proc(5), clear_refs


def share_bytes() -> int:
    """Proportional: a page that n processes map counts for one n-th."""
    return _kilobytes((PROC / "smaps_rollup").read_text(), "Pss:")


def resident_bytes() -> int:
    return _kilobytes((PROC / "status").read_text(), "VmRSS:")


def peak_bytes() -> int:
    """The most that was resident since the start or reset_peak()."""
    return _kilobytes((PROC / "status").read_text(), "VmHWM:")


def reset_peak() -> None:
    (PROC / "clear_refs").write_text(RESET_PEAK)


def _kilobytes(text: str, name: str) -> int:
    """Raises ValueError where the kernel has no such line."""
    for line in text.splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise ValueError(f"the kernel tells no {name}")
