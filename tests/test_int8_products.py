"""Products of 8-bit activations and weights: every instruction set computes what the reference does, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import op_cases_conv as conv
import op_cases_fully_connected as fully_connected
import op_cases_transpose_conv as transpose_conv
from behind_pad import behind_pad
from op_cases import Array, Case
from subgraft import _native
from subgraft.interpreter.model import Model

SAMPLE, ALL = 150, 5000


@pytest.fixture(autouse=True)
def limits() -> Iterator[None]:
    before = _native.instruction_set()
    yield
    _native.limit_instruction_set(before)


class Draw:
    """Random choices of one case."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.rng = np.random.default_rng(seed)

    def pick(self, *choices: Any) -> Any:
        return choices[int(self.rng.integers(len(choices)))]

    def size(self, most: int) -> int:
        """1 to most, small ones more often."""
        return int(self.rng.integers(1, self.pick(2, 5, most // 3 + 2, most + 1)))

    def types(self, channels: int, scale_limit: float = 1e-1) -> dict[str, Any]:
        """Scales that make multipliers from far under 1 to left shifts, and zero points up to the ends."""
        first = float(10 ** self.rng.uniform(-6, np.log10(scale_limit)))
        found: dict[str, Any] = {"dtype": self.pick("int8", "uint8"), "seed": self.seed}
        low, high = (0, 255) if found["dtype"] == "uint8" else (-128, 127)
        for name in ("zero", "out_zero"):
            found[name] = self.pick(low, high, int(self.rng.integers(low, high, endpoint=True)))
        found["weight_dtype"] = found["dtype"]
        found["scale"] = first
        if found["dtype"] == "uint8":
            found["weight_zero"] = self.pick(0, 255, 128, int(self.rng.integers(0, 255, endpoint=True)))
        else:
            found["weight_dtype"] = self.pick("int8", "int8", "int4")
            found["scale"] = self.pick(first, conv.channel_scales(channels, first / 10))
        found["out_scale"] = first * float(10 ** self.rng.uniform(-2, 4))
        found["activation"] = self.pick("NONE", "RELU", "RELU6", "RELU_N1_TO_1")
        return found


def conv_case(seed: int) -> Case:
    d = Draw(seed)
    groups = d.pick(1, 1, 1, 1, 2, 3)
    depth, channels = d.size(150 // groups), groups * d.size(150)
    window = d.pick((1, 1), (1, 1), (3, 3), (d.size(5), d.size(5)))
    stride, dilation = (d.pick(1, 1, 2, 3), d.pick(1, 2, 4)), (d.pick(1, 1, 1, 2), d.pick(1, 1, 1, 3))
    sizes = [(n - 1) * step + d.size(13) for n, step in zip(window, dilation, strict=True)]
    image, weights = (d.pick(1, 1, 2, 3), *sizes, groups * depth), (channels, *window, depth)
    more = dict(padding=d.pick("SAME", "VALID"), stride=stride, dilation=dilation)
    case = conv.quantized(image, weights, **d.types(channels), **more)
    data, constant, bias = case.inputs
    assert bias is not None
    inputs = [data, constant, d.pick(bias, replace(bias, low=-(2**31), high=2**31 - 1))]
    return replace(case, inputs=inputs[: d.pick(2, 3, 3)])


def fully_connected_case(seed: int) -> Case:
    d = Draw(seed)
    rows, depth, units = d.size(150), d.size(700), d.size(150)
    types = d.types(units)
    if types["dtype"] == "uint8":
        types["out_dtype"] = d.pick("uint8", "int16")
    elif types["weight_dtype"] == "int8" and isinstance(types["scale"], float):
        types["weight_zero"] = d.pick(0, 0, -128, 127, 5)
    if types.get("out_dtype") == "int16":
        types["out_zero"] = 0
    return fully_connected.quantized((rows, depth), units, depth, biased=d.pick(False, True), **types)


def transpose_conv_case(seed: int) -> Case:
    d = Draw(seed)
    depth, channels = d.size(100), d.size(60)
    window = (d.size(5), d.size(5))
    image, weights = (d.pick(1, 2), d.size(9), d.size(9), depth), (channels, *window, depth)
    types = d.types(channels)
    del types["weight_dtype"]
    more = dict(padding=d.pick("SAME", "VALID"), stride=(d.pick(1, 2, 3), d.pick(1, 2, 4)))
    return transpose_conv.quantized(image, weights, **types, **more)


def run(model: bytes, feed: list[Array], instruction_set: str, threads: int) -> list[Array]:
    _native.limit_instruction_set(instruction_set)
    program = _native.Program(Model.open(model).native, pool=_native.ThreadPool(threads))
    return [output.copy() for output in program.call(feed)]


def check(make: Any, seeds: range) -> None:
    sets = _native.instruction_sets()[1:]
    for seed in seeds:
        case = make(seed)
        model, feed = case.model(), case.feed()
        if make is conv_case and seed % 5 == 0:
            model = behind_pad(case, seed)
            shape = Model.open(model).graphs[0].tensors[Model.open(model).graphs[0].inputs[0]].shape
            feed = [feed[0][tuple(slice(n) for n in shape)].copy()]
        expected = run(model, feed, "generic", 1)
        for i, name in enumerate(sets):
            for ours, reference in zip(run(model, feed, name, 1 + (seed + i) % 2), expected, strict=True):
                assert np.array_equal(ours, reference), f"{name}, seed {seed}: {case.name()} {dict(case.options)}"


CASES = [conv_case, fully_connected_case, transpose_conv_case]


@pytest.mark.parametrize("make", CASES)
def test_every_instruction_set_agrees_with_the_reference(make: Any) -> None:
    check(make, range(SAMPLE))


@pytest.mark.exhaustive
@pytest.mark.parametrize("make", CASES)
def test_every_instruction_set_agrees_with_the_reference_thousands_of_times(make: Any) -> None:
    check(make, range(SAMPLE, ALL))
