"""The text of a segment's program: what becomes a kernel, and what its names and macros are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from opencl_device import TestDevice
from subgraft import _native
from subgraft.backends.opencl.compiler import OLDEST
from subgraft.backends.opencl.fixed_point import quantize_multiplier, quantize_multipliers
from subgraft.backends.opencl.fusion import index, parameter_bytes
from subgraft.backends.opencl.launch import In, Int, Launch, Real, Step, Table, Value
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.settings import Settings
from subgraft.backends.opencl.source import source
from subgraft.delegates import ModelError

KERNELS = Path(__file__).parents[1] / "backends" / "opencl" / "kernels"
DOUBLE = Step("$w = $v * $by;", "float", (Real("by", 2.0),))


def pointwise(count: int, *steps: Step, stored: str = "float") -> Launch:
    x, y = Value(0, (count,), "float"), Value(1, (count,), stored)
    arguments = (In("x", x), Int("count", count))
    return Launch("pointwise", arguments, (count,), (0,), {"AT": "i"}, y, "float", steps)


def kernels(text: str) -> list[str]:
    return re.findall(r"^#define NAME (\w+)$", text, re.MULTILINE)


def test_launches_that_differ_in_sizes_share_a_kernel() -> None:
    made = source([pointwise(5, DOUBLE), pointwise(7, DOUBLE)])
    assert kernels(made.text) == ["k0_pointwise"]
    assert [recorded.kernel for recorded in made.launches] == ["k0_pointwise"] * 2


def test_launches_that_differ_in_structure_do_not() -> None:
    made = source([pointwise(5), pointwise(5, DOUBLE), pointwise(5, DOUBLE, DOUBLE), pointwise(5, stored="half")])
    assert len(kernels(made.text)) == 4


def test_the_same_launches_have_the_same_text() -> None:
    """A compiled program is found again by its text."""
    launches = [pointwise(5, DOUBLE), pointwise(7)]
    assert source(launches).text == source(list(launches)).text


def test_numbers_are_no_part_of_the_text() -> None:
    other = Step(DOUBLE.code, DOUBLE.gives, (Real("by", 3.5),))
    assert source([pointwise(5, DOUBLE)]).text == source([pointwise(5, other)]).text


def test_arguments_of_several_steps_keep_apart() -> None:
    table = Step("$w = $v + LOAD($t, $i);", "float", (Table("t", np.ones(5, np.float32)),))
    (recorded,) = source([pointwise(5, DOUBLE, table, DOUBLE)]).launches
    assert [argument.name for argument in recorded.arguments] == ["x", "count", "by_0", "t_1", "by_2", "result"]


def test_no_macro_of_a_kernel_is_left_to_the_next() -> None:
    text = source([pointwise(5, DOUBLE), pointwise(7)]).text
    text = text[text.index("#define NAME") :]
    defined = re.findall(r"^\s*#\s*define\s+(\w+)", text, re.MULTILINE)
    ended = re.findall(r"^#undef (\w+)", text, re.MULTILINE)
    assert set(defined) == set(ended)


@pytest.mark.parametrize("file", sorted(KERNELS.glob("*.cl")), ids=lambda file: file.stem)
def test_functions_are_there_for_a_compiler_that_does_not_inline_them(file: Path) -> None:
    """C99, 6.7.4: `inline` alone defines nothing that a call could go to."""
    assert not re.findall(r"^\s*inline\b", file.read_text(), re.MULTILINE)


WHOLE = (4, 3, 5, 2)


@pytest.mark.parametrize(
    "shape",
    [
        (4, 3, 5, 2),
        (3, 5, 2),
        (2,),
        (1,),
        (),
        (1, 1, 1, 1),
        (4, 1, 1, 1),
        (3, 1, 1),
        (4, 1, 5, 1),
        (5, 1),
        (1, 3, 1, 2),
    ],
)
def test_a_broadcast_operand_is_indexed_as_numpy_does(shape: tuple[int, ...]) -> None:
    at, sizes = index(shape, WHOLE, "b")
    names = {size.name: size.value for size in sizes}
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    for i, expected in enumerate(np.broadcast_to(numbers, WHOLE).reshape(-1)):
        text = re.sub(r"\$(\w+)", lambda match, i=i: str({"i": i, **names}[match[1]]), at).replace("/", "//")
        assert eval(text) == expected


def test_neighbouring_dimensions_need_one_division() -> None:
    at, sizes = index((5, 2), WHOLE, "b")
    assert at.count("%") == 1 and at.count("/") == 0
    assert [size.value for size in sizes] == [10]


def test_a_step_counts_what_its_arguments_take() -> None:
    assert parameter_bytes(pointwise(5)) == 16 + 4 + 16
    assert parameter_bytes(pointwise(5), DOUBLE) == 16 + 4 + 16 + 4


INTEGERS = """
__kernel void check(__global const int *a, __global const int *b, __global int *out, int count) {
  const int i = get_global_id(0);
  if (i >= count) return;
  out[5 * i] = doubling_high_product(a[i], b[i]);
  out[5 * i + 1] = rounding_shift(a[i], b[i] & 31);
  out[5 * i + 2] = rescale(a[i], b[i] | (1 << 30), (b[i] & 63) - 31 > 30 ? 30 : (b[i] & 63) - 31);
  out[5 * i + 3] = b[i] == 0 ? 0 : floor_divide(a[i], b[i]);
  out[5 * i + 4] = b[i] == 0 ? 0 : floor_remainder(a[i], b[i]);
}
"""
LOWEST, HIGHEST = -(2**31), 2**31 - 1


@pytest.fixture
def opened(opencl: TestDevice) -> Iterator[Opened]:
    made = Opened(opencl.found, Settings.of(opencl.options()))
    yield made
    made.close()


def wrapped(x: int) -> int:
    return (x + 2**31) % 2**32 - 2**31


def high(a: int, b: int) -> int:
    return min((a * b + (1 << 30)) >> 31, HIGHEST)


def shifted(x: int, by: int) -> int:
    """x / 2^by, halves away from zero."""
    whole, rest = divmod(abs(x), 1 << by)
    return (whole + (2 * rest >= 1 << by if by else 0)) * (1 if x >= 0 else -1)


def test_fixed_point_arithmetic_is_exact_in_32_bits(opened: Opened) -> None:
    rng = np.random.default_rng(0)
    edges = [0, 1, -1, 2, -2, LOWEST, LOWEST + 1, HIGHEST, HIGHEST - 1, 1 << 30, -(1 << 30)]
    pairs = [(a, b) for a in edges for b in edges]
    pairs += [(int(a), int(b)) for a, b in rng.integers(LOWEST, HIGHEST, (3000, 2), endpoint=True)]
    a, b = (np.array(column, np.int32) for column in zip(*pairs, strict=True))
    program = opened.program(source([]).text + INTEGERS, OLDEST)
    given = [opened.context.buffer(4 * len(a)) for _ in range(2)]
    out = opened.context.buffer(20 * len(a))
    for buffer, array in zip(given, (a, b), strict=True):
        buffer.write(array)
    commands = _native.ClCommands(opened.context)
    commands.launch(program, "check", [*given, out, len(a)], (-(-len(a) // 32) * 32,), (32,))
    commands.output(out, 20 * len(a))
    made = np.zeros((len(a), 5), np.int32)
    commands.run([], [made])
    for (x, y), row in zip(pairs, made.tolist(), strict=True):
        shift = min((y & 63) - 31, 30)
        multiplier = wrapped(y | 1 << 30)
        product = high(wrapped(x << max(shift, 0)), multiplier)
        expected = [high(x, y), shifted(x, y & 31), shifted(product, max(-shift, 0))]
        expected += [wrapped(x // y), x % y] if y else [0, 0]
        assert row == expected, (x, y)


def test_multipliers_of_many_channels_are_those_of_each() -> None:
    rng = np.random.default_rng(0)
    reals = np.exp(rng.uniform(-30, 20, 2000))
    reals = np.append(reals, [0.0, 1.0, 0.5, 1 - 1e-16, 1 - 1e-11, 2.0**-32, 2.0**-33, 2.0**29])
    values, shifts = quantize_multipliers(reals)
    assert list(zip(values.tolist(), shifts.tolist(), strict=True)) == [quantize_multiplier(float(x)) for x in reals]


@pytest.mark.parametrize("real", [np.inf, np.nan, 2.0**40])
def test_a_multiplier_that_no_kernel_takes_is_refused(real: float) -> None:
    with pytest.raises(ModelError, match="multiplier"):
        quantize_multipliers(np.array([0.5, real]))
