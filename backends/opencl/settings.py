"""How a user wants the delegate to work: its options, as text or values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from subgraft.backends.opencl.caps import LOOPS
from subgraft.delegates.options import NO, YES, flag, seconds, words

DEFAULT_TIMEOUT_S = 10.0
DEFAULT_TUNE_S = 1.0


@dataclass(frozen=True, slots=True)
class Settings:
    """One way to use a device.

    precision: how floats are stored on the device, "fp32", or "fp16" at half the memory traffic; sums are fp32.
    prefer: "speed" leaves to the CPU what it computes sooner, transfers included; "offload" takes all it can.
    tune: the best kernel sizes by rule ("off"), of a few ("fast") or of all candidates ("full"), at first use.
    tune_s: after so many seconds tuning goes on with what it has.
    cache: whether compiled programs, measurements and tuned sizes are kept.
    cache_folder: where; None: the user's cache folder.
    arena: tensors share one buffer; otherwise each has its own, so that a memory checker sees every overrun.
    limits: "device", or "small" for those of the smallest device there is, for tests.
    loops: the inner loops of integer convolutions that may be used; empty: those that pass the self-test.
    timeout_s: for one run.
    """

    precision: str = "fp32"
    prefer: str = "speed"
    tune: str = "off"
    tune_s: float = DEFAULT_TUNE_S
    cache: bool = True
    cache_folder: Path | None = None
    arena: bool = True
    limits: str = "device"
    loops: tuple[str, ...] = ()
    timeout_s: float = DEFAULT_TIMEOUT_S

    @classmethod
    def of(cls, options: Mapping[str, object]) -> Settings:
        """The user's options, which may be text, before the defaults. Raises ValueError."""
        known = {field.name for field in fields(cls)} - {"cache_folder"}
        for name in options:
            if name not in known:
                raise ValueError(f"no setting named {name!r}; there are: {', '.join(sorted(known))}")
        values = {name: READERS[name](name, value) for name, value in options.items() if name != "cache"}
        if "cache" in options:
            values |= _cache(options["cache"])
        return cls(**values)


def _one_of(*allowed: str) -> Callable[[str, object], str]:
    def read(name: str, value: object) -> str:
        text = str(value).strip().lower()
        if text not in allowed:
            raise ValueError(f"option {name!r} is {value!r}: write {', '.join(allowed[:-1])} or {allowed[-1]}")
        return text

    return read


def _loops(name: str, value: object) -> tuple[str, ...]:
    chosen = words(name, value)
    for loop in chosen:
        if loop not in LOOPS:
            raise ValueError(f"option {name!r} names {loop!r}, which is no inner loop; there are: {', '.join(LOOPS)}")
    return chosen


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
    "precision": _one_of("fp32", "fp16"),
    "prefer": _one_of("speed", "offload"),
    "tune": _one_of("off", "fast", "full"),
    "tune_s": seconds,
    "arena": flag,
    "limits": _one_of("device", "small"),
    "loops": _loops,
    "timeout_s": seconds,
}
