"""From launches to the text of one OpenCL program.

A template is plain OpenCL C over macros. What it may use:
  NAME, PARAMETERS   the kernel's name and its parameter list: `__kernel void NAME(PARAMETERS)`
  LOAD(x, i), LOAD4(x, i)          element i (or 4 from there on) of the array argument x, as int or float
  STORE(x, i, v), STORE4(x, i, v)  the same for writing; the value must be in the element type's range
  POINTER(x)                       a pointer to its first element
  EPILOGUE(i, v)     applies the fused steps to v, the value of output element i, and stores it
and the launch's own macros. kernels/common.cl stands before all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template as Text

from subgraft.backends.opencl.launch import Argument, In, Int, Launch, Out, Real, Step, Table

RESULT = "result"
OWN_MACRO = re.compile(r"^\s*#\s*define\s+(\w+)", re.MULTILINE)  # of a template; they end with the kernel
COMMON = ("common", "arithmetic", "requantize")  # before all kernels


@dataclass(frozen=True, slots=True)
class Recorded:
    """One launch with the name of its kernel and the arguments in the order of the kernel's parameters.

    An array stands for two parameters: the memory that it lies in, and the number of elements before it.
    """

    kernel: str
    launch: Launch
    arguments: tuple[Argument, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """text: the program. launches: in the order in which they run; several may share a kernel."""

    text: str
    launches: tuple[Recorded, ...]


def source(launches: Sequence[Launch], defines: str = "") -> Source:
    """One kernel for each distinct text; launches that differ only in numbers and in memory share theirs.

    defines: what the device decides (MAC, inner loops), before everything else.
    """
    names: dict[str, str] = {}
    recorded = []
    for launch in launches:
        arguments = tuple(_arguments(launch))
        text = _kernel(launch, arguments)
        name = names.setdefault(text, f"k{len(names)}_{launch.template.split()[-1]}")
        recorded.append(Recorded(name, launch, arguments))
    kernels = [f"#define NAME {name}\n{text}#undef NAME\n" for text, name in names.items()]
    return Source("".join([defines, *map(_read, COMMON), *kernels]), tuple(recorded))


def _arguments(launch: Launch) -> Iterator[Argument]:
    """All parameters with names of their own: those of step n end in _n."""
    yield from launch.arguments
    for n, step in enumerate(launch.steps):
        for argument in step.arguments:
            yield _renamed(argument, f"{argument.name}_{n}")
    if launch.result is not None:
        yield Out(RESULT, launch.result)


def _renamed(argument: Argument, name: str) -> Argument:
    match argument:
        case In(_, value):
            return In(name, value)
        case Out(_, value):
            return Out(name, value)
        case Table(_, data):
            return Table(name, data)
        case Int(_, whole):
            return Int(name, whole)
        case Real(_, real):
            return Real(name, real)


def _kernel(launch: Launch, arguments: Sequence[Argument]) -> str:
    """The kernel's text between the macros that it is written in."""
    macros = {name: str(value) for name, value in launch.macros.items()}
    macros["PARAMETERS"] = ", ".join(_parameter(argument) for argument in arguments)
    for argument in arguments:
        if not isinstance(argument, Int | Real):
            macros[f"TYPE_{argument.name}"] = _ctype(argument)
    if launch.result is not None:
        macros["EPILOGUE(i, v)"] = _epilogue(launch)
    template = "".join(map(_read, launch.template.split()))
    defined = "".join(f"#define {name} {value}\n" for name, value in macros.items())
    names = [*(name.partition("(")[0] for name in macros), *OWN_MACRO.findall(template)]
    return defined + template + "".join(f"#undef {name}\n" for name in dict.fromkeys(names))


def _parameter(argument: Argument) -> str:
    match argument:
        case Int(name):
            return f"int {name}"
        case Real(name):
            return f"float {name}"
        case Out(name):
            return f"__global {_ctype(argument)} *{name}_memory, int {name}_at"
        case _:
            return f"__global const {_ctype(argument)} *{argument.name}_memory, int {argument.name}_at"


def _ctype(argument: In | Out | Table) -> str:
    return argument.ctype if isinstance(argument, Table) else argument.value.ctype


def _epilogue(launch: Launch) -> str:
    """A block that turns the value of element i into what is stored there."""
    lines = [f"const int element_ = (i); {launch.given} value0_ = (v);"]
    for n, step in enumerate(launch.steps):
        lines.append(f"{step.gives} value{n + 1}_; {{ {_code(step, n)} }}")
    lines.append(f"STORE({RESULT}, element_, value{len(launch.steps)}_);")
    return "do { " + " ".join(" ".join(lines).split()) + " } while (0)"


def _code(step: Step, n: int) -> str:
    names = {argument.name: f"{argument.name}_{n}" for argument in step.arguments}
    return Text(step.code).substitute(names, v=f"value{n}_", w=f"value{n + 1}_", i="element_")


@cache
def _read(name: str) -> str:
    return files(__package__).joinpath("kernels", f"{name}.cl").read_text(encoding="utf-8")
