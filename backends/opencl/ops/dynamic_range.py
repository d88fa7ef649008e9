"""Floats quantized while running, for ops whose weights are integers: every row by its own range."""

from __future__ import annotations

from dataclasses import dataclass

from subgraft.backends.opencl.launch import In, Int, Launch, Out, Value, Work
from subgraft.backends.opencl.lowering import Build

LANES = 64  # items that share a row on a GPU; a CPU has one for it
CENTERED = "centered"  # the type of the result: whole numbers of at most 255 steps from a zero point that is gone


@dataclass(frozen=True, slots=True)
class Quantized:
    """steps: the numbers less their zero point. scale: of each row."""

    steps: Value
    scale: Value


def quantize(build: Build, data: Value, rows: int, *, asymmetric: bool) -> Quantized:
    """data: as many rows of the same size."""
    count = data.count // rows
    scale, inverse = (build.scratch((rows,), "float") for _ in range(2))
    zero = build.scratch((rows,), "int")
    steps = build.scratch(data.shape, "short")
    lanes = 1 if build.caps.is_cpu else LANES
    macros: dict[str, str | int] = {"LANES": lanes}
    if asymmetric:
        macros["ASYMMETRIC"] = ""
    ends = (Out("scale", scale), Out("inverse", inverse), Out("zero", zero))
    sizes = (Int("rows", rows), Int("count", count))
    build.add(
        Launch(
            "range", (In("x", data), *ends, *sizes), (rows * lanes,), (), macros, local=(lanes,), work=Work(data.count)
        )
    )
    build.add(
        Launch(
            "quantize_rows",
            (In("x", data), In("inverse", inverse), In("zero", zero), Int("count", data.count), Int("width", count)),
            (data.count,),
            (),
            {"LEAST": -128 if asymmetric else -127},
            result=steps,
            given="int",
            work=Work(data.count),
        )
    )
    return Quantized(steps, scale)
