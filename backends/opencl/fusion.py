"""Elementwise ops: each becomes a step of the launch that makes its input, or starts a launch of its own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from string import Template as Text

from subgraft.backends.opencl.launch import Argument, In, Int, Launch, Out, Real, Step, Table, Value
from subgraft.backends.opencl.lowering import Build

MOST_PARAMETER_BYTES = 1024  # CL_DEVICE_MAX_PARAMETER_SIZE of a full profile is at least this
NO_SHAPES: Mapping[str, tuple[int, ...]] = {}


def elementwise(
    build: Build,
    made: int,
    operands: Mapping[str, int],
    code: str,
    gives: str,
    arguments: Sequence[Argument] = (),
    *,
    shapes: Mapping[str, tuple[int, ...]] = NO_SHAPES,
) -> None:
    """Computes tensor `made` from elements of the operands, which broadcast to its shape.

    operands: C names of one element each, and their tensors. code: statements that set $w, of type `gives` ("int" or
    "float"), from those names and from $name for each of the arguments. shapes: of operands that broadcast otherwise
    than their tensors' shapes say.
    """
    whole = build.value(made)
    running, grown = _running(build, operands, whole.count)
    first = running or next(name for name, t in operands.items() if not build.is_constant(t))
    root = build.root(operands[first])
    lines, read = [], list(arguments)
    for name, t in operands.items():
        if name == first or (running and build.root(t) == root and build.value(t).count == whole.count):
            lines.append(f"const {_c_type(build.value(t))} {name} = $v;")
        else:
            declaration, needed = _loaded(build, name, t, shapes.get(name, build.tensor(t).shape), whole)
            lines.append(declaration)
            read += needed
    step = Step(" ".join([*lines, code]), gives, tuple(read))
    if grown is not None and parameter_bytes(build.launches[grown], step) <= MOST_PARAMETER_BYTES:
        build.append(grown, step, made)
        return
    given = build.value(operands[first])
    at, sizes = index(shapes.get(first, build.tensor(operands[first]).shape), whole.shape, "x")
    build.add(
        Launch(
            "pointwise",
            (In("x", given), *sizes, Int("count", whole.count)),
            (whole.count,),
            (),
            {"AT": Text(at).substitute({size.name: size.name for size in sizes}, i="i")},
            whole,
            _c_type(given),
            (step,),
        )
    )


def index(shape: Sequence[int], whole: Sequence[int], name: str) -> tuple[str, tuple[Int, ...]]:
    """Where the element of an array of `shape` lies that belongs to element $i of the larger shape `whole`.

    As text, and the sizes that it mentions: names that start with `name` and a "_".
    """
    padded = [1] * (len(whole) - len(shape)) + list(shape)[max(0, len(shape) - len(whole)) :]
    groups: list[list[int]] = []  # from the innermost: size, and 1 where the array has it too
    for size, own in zip(reversed(whole), reversed(padded), strict=True):
        if size == 1:
            continue
        varies = int(own != 1)
        if groups and groups[-1][1] == varies:
            groups[-1][0] *= size
        else:
            groups.append([size, varies])
    terms, sizes = [], []
    inside, stride = 1, 1
    for n, (size, varies) in enumerate(groups):
        if varies:
            term = "$i"
            if inside > 1:
                term = f"{term} / ${name}_inside{n}"
                sizes.append(Int(f"{name}_inside{n}", inside))
            if n < len(groups) - 1:
                term = f"({term}) % ${name}_size{n}"
                sizes.append(Int(f"{name}_size{n}", size))
            if stride > 1:
                term = f"({term}) * ${name}_stride{n}"
                sizes.append(Int(f"{name}_stride{n}", stride))
            terms.append(f"({term})")
            stride *= size
        inside *= size
    return " + ".join(terms) or "0", tuple(sizes)


def parameter_bytes(launch: Launch, step: Step | None = None) -> int:
    """What a kernel's arguments take with one more step: a pointer and an offset for an array."""
    arguments = (*launch.everything, *(step.arguments if step else ()))
    numbers = sum(isinstance(argument, Int | Real) for argument in arguments)
    result = 1 if launch.result is not None else 0
    return 4 * numbers + 16 * (len(arguments) - numbers + result)


def _running(build: Build, operands: Mapping[str, int], count: int) -> tuple[str, int | None]:
    """Which operand is the running value, and the launch that it comes from; "": none is as large as the output."""
    whole = [name for name, t in operands.items() if not build.is_constant(t) and build.value(t).count == count]
    open_ones = {name: n for name in whole if (n := build.grows(operands[name])) is not None}
    if open_ones:
        latest = max(open_ones, key=lambda name: open_ones[name])
        return latest, open_ones[latest]
    return (whole[0] if whole else ""), None


def _loaded(build: Build, name: str, t: int, shape: tuple[int, ...], whole: Value) -> tuple[str, tuple[Argument, ...]]:
    """The declaration of one operand's element, and what it needs. A constant of one element is an argument."""
    tensor = build.tensor(t)
    if build.is_constant(t) and math.prod(tensor.shape) == 1:
        number = build.constant(t).reshape(-1)[0]
        if tensor.dtype == "float32":
            return f"const float {name} = ${name};", (Real(name, float(number)),)
        return f"const int {name} = ${name};", (Int(name, int(number)),)
    at, sizes = index(shape, whole.shape, name)
    operand: In | Out | Table = build.operand(name, t)
    ctype = "float" if tensor.dtype == "float32" else "int"
    return f"const {ctype} {name} = LOAD(${name}, {at});", (operand, *sizes)


def _c_type(value: Value) -> str:
    return "float" if value.ctype in ("float", "half") else "int"
