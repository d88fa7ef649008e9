"""How a user wants the delegate to work: its options, as text or values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from subgraft.backends.nnapi import codes
from subgraft.delegates.options import NO, YES, flag, seconds

DEFAULT_TIMEOUT_S = 10.0
DEFAULT_COMPILE_TIMEOUT_S = 60.0
LONGEST_S = 86400  # a day


@dataclass(frozen=True, slots=True)
class Settings:
    """One way to use a device.

    library: the file of the NNAPI library; None: SUBGRAFT_NNAPI_LIBRARY, or where Android has it.
    preference: what the driver aims at: "low_power", "fast_single_answer" or "sustained_speed".
    priority: "low", "medium" or "high", beside other programs. Since feature level 4.
    fp16: whether float32 may be computed in float16 (errors of up to 5 * 2^-10).
    bursts: runs follow each other quickly: the driver keeps its resources in between.
    cache: whether drivers keep compiled models. cache_folder: where; None: the user's cache folder.
    probe: whether the first compilation for a device happens in a forked child, which a crash ends alone.
    verify_first_run: whether the first run is compared with the CPU's; a difference keeps the segment there.
    feature_level: the highest level that is used, below what the library offers; 0: what it offers.
    timeout_s: for a run. compile_timeout_s: for a compilation.
    """

    library: str | None = None
    preference: str = "fast_single_answer"
    priority: str = "medium"
    fp16: bool = False
    bursts: bool = False
    cache: bool = True
    cache_folder: Path | None = None
    probe: bool = True
    verify_first_run: bool = False
    feature_level: int = 0
    timeout_s: float = DEFAULT_TIMEOUT_S
    compile_timeout_s: float = DEFAULT_COMPILE_TIMEOUT_S

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Settings:
        """The user's options, which may be text, before the defaults. Raises ValueError."""
        values = {name: read(name, options[name]) for name, read in READERS.items()}
        return cls(**values, **_cache(options["cache"]))


def _one_of(allowed: Mapping[str, int]) -> Callable[[str, object], str]:
    def read(name: str, value: object) -> str:
        text = str(value).strip().lower()
        if text not in allowed:
            raise ValueError(f"option {name!r} is {value!r}: write one of {', '.join(allowed)}")
        return text

    return read


def _time(name: str, value: object) -> float:
    """Above 0, up to a day: what a driver is told in nanoseconds and a thread waits for."""
    number = seconds(name, value)
    if number > LONGEST_S:
        raise ValueError(f"option {name!r} is {value!r}: write at most {LONGEST_S} seconds")
    return number


def _library(name: str, value: object) -> str | None:
    if value is None:
        return None
    text = str(value)
    return str(Path(text).expanduser()) if text.startswith("~") else text  # "./x.so" is no soname


def _level(name: str, value: object) -> int:
    """1 to 8 as Android's documentation counts, or a constant's value (27, 1000006)."""
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if 1 <= number <= len(codes.ANDROID):
        return list(codes.ANDROID)[number - 1]
    if number not in (0, *codes.ANDROID):
        raise ValueError(f"option {name!r} is {value!r}: write a feature level from 1 to {len(codes.ANDROID)}")
    return number


def _cache(value: object) -> dict[str, Any]:
    """Yes, no, or a folder."""
    text = str(value).strip()
    if text.lower() in (*YES, *NO):
        return {"cache": flag("cache", text)}
    try:
        return {"cache": True, "cache_folder": Path(text).expanduser()}
    except RuntimeError:
        raise ValueError(f"option 'cache' is {value!r}, of a user whose home is not known: write a path") from None


READERS: Mapping[str, Callable[[str, object], Any]] = {
    "library": _library,
    "preference": _one_of(codes.PREFERENCES),
    "priority": _one_of(codes.PRIORITIES),
    "fp16": flag,
    "bursts": flag,
    "probe": flag,
    "verify_first_run": flag,
    "feature_level": _level,
    "timeout_s": _time,
    "compile_timeout_s": _time,
}
