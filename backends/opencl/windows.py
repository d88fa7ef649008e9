"""Windows that slide over images: where they begin, and how many there are. TFLite's padding rules."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """Along one axis. before: padding before the first element."""

    size: int
    out: int
    filter: int
    stride: int
    dilation: int
    before: int


def window(padding: str, size: int, filter: int, stride: int, dilation: int = 1) -> Window:
    """padding: "SAME" or "VALID"."""
    extent = (filter - 1) * dilation + 1
    out = (size - (extent if padding == "VALID" else 1) + stride) // stride
    return Window(size, out, filter, stride, dilation, max(0, (out - 1) * stride + extent - size) // 2)
