"""Elementwise ops and reductions: every instruction set computes what the reference does. Integers bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from op_cases import Array, Case, In, compare, const, fed, out, x
from subgraft import _native
from subgraft.interpreter.model import Model

SETS = _native.instruction_sets()
SAMPLE, ALL = 60, 4000
BYTES = {"int8": (-128, 127), "uint8": (0, 255)}


@pytest.fixture(autouse=True)
def limits() -> Iterator[None]:
    before = _native.instruction_set()
    yield
    _native.limit_instruction_set(before)


def run(case: Case, instruction_set: str, threads: int = 1) -> Array:
    _native.limit_instruction_set(instruction_set)
    program = _native.Program(Model.open(case.model()).native, pool=_native.ThreadPool(threads))
    return program.call(case.feed())[0].copy()


def check(case: Case, threads: int = 1) -> None:
    expected = run(case, "generic")
    for name in SETS[1:]:
        difference = compare(run(case, name, threads), expected, case.tolerance)
        assert not difference, f"{name}: {case.name()} {case.inputs} {case.outputs} {dict(case.options)}: {difference}"


def draw_scale(rng: np.random.Generator) -> float:
    return float(rng.choice([0.5, 0.0078125, float(10 ** rng.uniform(-4, 1))]))


def draw_quantized(rng: np.random.Generator, dtype: str) -> dict[str, Any]:
    if dtype == "int16":
        return {"dtype": dtype, "scale": draw_scale(rng) / 256, "zero": 0}
    low, high = BYTES[dtype]
    zero = int(rng.choice([low, high, (low + high + 1) // 2, int(rng.integers(low, high, endpoint=True))]))
    return {"dtype": dtype, "scale": draw_scale(rng), "zero": zero}


def draw_shapes(rng: np.random.Generator) -> tuple[tuple[int, ...], tuple[int, ...]]:
    rank = int(rng.integers(0, 5))
    longest = int(rng.choice([1, 3, 8, 20, 70 if rank < 3 else 9]))
    full = [int(rng.integers(0 if rng.random() < 0.02 else 1, longest, endpoint=True)) for _ in range(rank)]
    if rank and rng.random() < 0.5:
        full[-1] = int(rng.integers(1, 300 if rank < 4 else 40))
    kind = rng.integers(4)
    shapes = []
    for i in range(2):
        keeps = [True] * rank if kind == 0 or (kind < 3 and i == kind - 1) else list(rng.random(rank) < 0.5)
        shape = [n if keep else 1 for n, keep in zip(full, keeps, strict=True)]
        while shape and shape[0] == 1 and rng.random() < 0.4:
            shape = shape[1:]
        shapes.append(tuple(shape))
    return shapes[0], shapes[1]


QUANTIZED_PAIRS = ("ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM", "PRELU", "LESS", "EQUAL", "DIV")


def quantized_pair(kind: str, rng: np.random.Generator, first: Any, second: Any, dtype: str) -> Case:
    """first, second: shapes or values."""
    a, b, output = (draw_quantized(rng, dtype) for _ in range(3))
    if kind in ("MAXIMUM", "MINIMUM"):
        b = output = a
    result = out("bool") if kind in ("LESS", "EQUAL") else out(**output)
    if kind in ("LESS", "EQUAL") or kind in ("MAXIMUM", "MINIMUM", "PRELU", "SQUARED_DIFFERENCE"):
        options: dict[str, Any] = {}
    else:
        options = {"fused_activation_function": int(rng.choice([0, 0, 1, 2, 3]))}
    make = (
        (lambda given, more: fed(given, **more)) if isinstance(first, np.ndarray) else (lambda s, more: x(*s, **more))
    )
    return Case(kind, [make(first, a), make(second, b)], [result], options, seed=int(rng.integers(1 << 30)))


def check_byte_pairs(kind: str, seeds: range) -> None:
    """All 65,536 pairs."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        dtype = str(rng.choice(["int8", "uint8"])) if kind != "SQUARED_DIFFERENCE" else "int8"
        values = np.arange(*BYTES[dtype]).tolist() + [BYTES[dtype][1]]
        a, b = np.meshgrid(values, values)
        case = quantized_pair(kind, rng, a.astype(dtype), b.astype(dtype), dtype)
        if kind == "DIV":
            continue
        check(case)


def check_pairs(seeds: range) -> None:
    """Any shapes and types."""
    for seed in seeds:
        rng = np.random.default_rng(seed)
        kind = str(rng.choice(["ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "MAXIMUM", "MINIMUM", "DIV", "PRELU"]))
        first, second = draw_shapes(rng)
        if kind == "PRELU":
            first = np.broadcast_shapes(first, second)
        choices = ["float32", "float32", "int8", "int32"] + ([] if kind in ("SQUARED_DIFFERENCE",) else ["uint8"])
        dtype = str(rng.choice(choices if kind != "DIV" else ["float32"]))
        if kind == "PRELU" and dtype == "int32":
            dtype = "float32"
        if dtype in BYTES:
            check(quantized_pair(kind, rng, first, second, dtype), 1 + seed % 2)
            continue
        many = dtype == "int32" and rng.random() < 0.3
        more = {"low": -(2**31), "high": 2**31 - 1} if many else {}
        inputs = [x(*s, dtype=dtype, **more) for s in (first, second)]
        fused = {"ADD", "SUB", "MUL", "DIV"}
        options = {"fused_activation_function": int(rng.choice([0, 0, 1, 2, 3]))} if kind in fused else {}
        check(Case(kind, inputs, [out(dtype)], options, seed=seed), 1 + seed % 2)


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "MAXIMUM"])
def test_all_pairs_of_bytes(kind: str) -> None:
    check_byte_pairs(kind, range(10))


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "MAXIMUM"])
def test_all_pairs_of_bytes_with_many_scales(kind: str) -> None:
    check_byte_pairs(kind, range(10, 1000))


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL", "SQUARED_DIFFERENCE", "MAXIMUM"])
def test_pairs_of_int16(kind: str) -> None:
    for seed in range(10):
        rng = np.random.default_rng(seed)
        ends = np.array([-32768, -32767, -1, 0, 1, 32766, 32767], np.int16)
        a = np.concatenate([np.repeat(ends, 7), rng.integers(-32768, 32768, 999)]).astype(np.int16)
        b = np.concatenate([np.tile(ends, 7), rng.integers(-32768, 32768, 999)]).astype(np.int16)
        check(quantized_pair(kind, rng, a, b, "int16"))


def test_pairs_of_any_shapes() -> None:
    check_pairs(range(3 * SAMPLE))


@pytest.mark.exhaustive
def test_pairs_of_any_shapes_thousands_of_times() -> None:
    check_pairs(range(3 * SAMPLE, ALL))


@pytest.mark.parametrize("kind", ["ADD", "MUL", "SUB"])
@pytest.mark.parametrize(
    "shapes", [((700, 700), (700, 700)), ((900, 333), (1, 333)), ((90000, 7), (7,)), ((5, 90000), (5, 1))]
)
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_tensors_for_several_threads(kind: str, shapes: tuple[tuple[int, ...], tuple[int, ...]], dtype: str) -> None:
    rng = np.random.default_rng(1)
    if dtype == "float32":
        case = Case(kind, [x(*shapes[0]), x(*shapes[1])], [out()], {"fused_activation_function": 1})
    else:
        case = quantized_pair(kind, rng, *shapes, dtype)
    for threads in (1, 2, 3):
        check(case, threads)


def floats_everywhere() -> Array:
    """One float in 4,099, so all exponents, both signs, denormals, NaN and infinities."""
    bits = np.arange(0, 1 << 32, 4099, dtype=np.uint64).astype(np.uint32)
    ends = np.array([0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-45, 3.4e38, -3.4e38], np.float32)
    return np.concatenate([ends, bits.view(np.float32), np.linspace(-20, 20, 200001, dtype=np.float32)])


FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "EXP": np.exp,
    "LOG": np.log,
    "LOGISTIC": lambda x: np.where(x < 0, np.exp(np.minimum(x, 0)), 1) / (1 + np.exp(-np.abs(x))),
    "TANH": np.tanh,
    "ELU": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "GELU": lambda x: 0.5 * x * np.vectorize(math.erfc)(-x / math.sqrt(2)),
    "HARD_SWISH": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "SQRT": np.sqrt,
    "RSQRT": lambda x: 1 / np.sqrt(x),
    "SQUARE": lambda x: x * x,
    "ABS": np.abs,
    "NEG": np.negative,
    "FLOOR": np.floor,
    "CEIL": np.ceil,
    "ROUND": np.rint,
    "RELU": lambda x: np.where(x < 0, 0, x),
    "RELU6": lambda x: np.where(np.isnan(x), x, np.clip(x, 0, 6)),
}
SMALLEST_NORMAL = 1.2e-38


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_functions_of_floats_are_right_in_every_number(kind: str) -> None:
    values = floats_everywhere()
    with np.errstate(all="ignore"):
        exact = FUNCTIONS[kind](values.astype(np.float64))
        expected = exact.astype(np.float32)
    for name in SETS[1:]:
        case = Case(kind, [fed(values)], [out()], {"approximate": False} if kind == "GELU" else {})
        ours = run(case, name)
        with np.errstate(all="ignore"):
            relative = 5e-6 if kind == "GELU" else 1e-6
            wrong = np.abs(ours - exact) > relative * np.abs(exact) + SMALLEST_NORMAL
            same = (ours == expected) | (np.isnan(ours) & np.isnan(expected))
            # What overflows on the way only is as the reference has it.
            reference = run(case, "generic")
            same |= (ours == reference) | (np.isnan(ours) & np.isnan(reference))
        bad = np.flatnonzero(np.where(np.isfinite(expected) & np.isfinite(ours), wrong, True) & ~same)
        assert not len(bad), f"{name}: {kind}({values[bad[0]]!r}) = {ours[bad[0]]!r}, not {expected[bad[0]]!r}"


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 15, 17, 31, 33, 63, 65, 100, 127, 300, 200001])
def test_a_result_does_not_depend_on_its_place(count: int) -> None:
    values = np.linspace(-9, 9, 301).astype(np.float32)
    many = np.resize(values, count)
    for kind in ("GELU", "TANH", "LOGISTIC", "EXP", "HARD_SWISH"):
        for name in SETS:
            alone = run(Case(kind, [fed(values)], [out()]), name)
            for threads in (1, 2):
                assert np.array_equal(run(Case(kind, [fed(many)], [out()]), name, threads), np.resize(alone, count))


BYTE_FUNCTIONS = [
    "LOGISTIC",
    "TANH",
    "ELU",
    "GELU",
    "RELU",
    "RELU6",
    "HARD_SWISH",
    "LEAKY_RELU",
    "ABS",
    "EXP",
    "QUANTIZE",
]


def whole_range(dtype: str) -> Array:
    limits = np.iinfo(dtype)
    return np.arange(limits.min, int(limits.max) + 1).astype(dtype)


def unary_case(kind: str, rng: np.random.Generator, dtype: str, values: Array) -> Case:
    given, output = draw_quantized(rng, dtype), draw_quantized(rng, dtype)
    if kind == "LOGISTIC":
        output |= {"scale": 1 / 256 if dtype != "int16" else 1 / 32768, "zero": -128 if dtype == "int8" else 0}
    if kind == "TANH":
        output |= {"scale": 1 / 128 if dtype != "int16" else 1 / 32768, "zero": 128 if dtype == "uint8" else 0}
    if kind == "HARD_SWISH":
        output["scale"] = max(output["scale"], given["scale"])
    options = {"alpha": float(rng.uniform(-1, 1))} if kind == "LEAKY_RELU" else {}
    return Case(kind, [fed(values, **given)], [out(**output)], options)


@pytest.mark.parametrize("kind", BYTE_FUNCTIONS)
def test_functions_of_all_bytes(kind: str) -> None:
    signed_only = {"ELU", "ABS", "EXP"}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        dtype = "int8" if kind in signed_only or seed % 2 else "uint8"
        values = whole_range(dtype)
        check(unary_case(kind, rng, dtype, np.concatenate([values, values[: int(rng.integers(256))]])))


@pytest.mark.parametrize("kind", ["LOGISTIC", "TANH", "GELU", "EXP", "RELU", "LEAKY_RELU", "QUANTIZE", "ABS"])
def test_functions_of_all_int16(kind: str) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        case = unary_case(kind, rng, "int16", whole_range("int16"))
        if kind in ("LOGISTIC", "TANH"):
            case = Case(kind, [fed(whole_range("int16"), dtype="int16", scale=2.0**-12 * (1 + seed))], case.outputs)
        check(case)


def test_conversions() -> None:
    for seed in range(SAMPLE):
        rng = np.random.default_rng(seed)
        dtype = str(rng.choice(["int8", "uint8", "int16"]))
        affine = draw_quantized(rng, dtype)
        count = int(rng.choice([1, 7, 15, 16, 33, 500, 150000 if seed < 5 else 64]))
        steps = rng.integers(-70000, 70000, count) / 2 * affine["scale"]  # many ties
        floats = np.where(rng.random(count) < 0.5, steps, rng.standard_normal(count) * 100 * affine["scale"])
        floats[: min(count, 4)] = [np.nan, np.inf, -np.inf, 0][: min(count, 4)]
        check(Case("QUANTIZE", [fed(floats.astype(np.float32))], [out(**affine)]), 1 + seed % 2)
        check(Case("DEQUANTIZE", [x(count, **affine)], [out()], tolerance=0))
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    check(Case("DEQUANTIZE", [fed(halves, dtype="float16")], [out()], tolerance=0))


def draw_reduction(seed: int) -> Case:
    rng = np.random.default_rng(seed)
    kind = str(rng.choice(["MEAN", "MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"]))
    rank = int(rng.integers(1, 5))
    longest = int(rng.choice([3, 9, 20, 40 if rank < 4 else 12]))
    shape = [int(rng.integers(1, longest, endpoint=True)) for _ in range(rank)]
    if rng.random() < 0.5:
        shape[int(rng.integers(rank))] = int(rng.integers(1, 400 if rank < 3 else 70))
    if rng.random() < 0.7:
        first = int(rng.integers(rank))
        axes = list(range(first, int(rng.integers(first, rank)) + 1))
    else:
        axes = np.flatnonzero(rng.random(rank) < 0.5).tolist()
    dtype = str(rng.choice(["float32", "float32", "int8", "uint8", "int16", "int32"]))
    axes = np.array(axes, np.int32)
    if dtype in ("float32", "int32"):
        more = {"low": -(2**31), "high": 2**31 - 1} if dtype == "int32" else {}
        given, output = x(*shape, dtype=dtype, **more), out(dtype)
    else:
        affine, to = draw_quantized(rng, dtype), draw_quantized(rng, dtype)
        if kind.startswith("REDUCE"):
            to = affine
        given, output = x(*shape, **affine), out(**to)
    return Case(kind, [given, const(axes)], [output], {"keep_dims": bool(rng.random() < 0.5)}, seed=seed)


def sums_cancel(case: Case, expected: Array) -> float:
    """What errors are relative to: the size of what is added."""
    return float(np.max(np.abs(case.arrays()[0]), initial=0)) / max(float(np.max(np.abs(expected), initial=0)), 1e-30)


def check_reductions(seeds: range) -> None:
    for seed in seeds:
        case = draw_reduction(seed)
        expected = run(case, "generic")
        tolerance = case.tolerance * max(1, sums_cancel(case, expected)) if case.outputs[0].dtype == "float32" else 0
        for name in SETS[1:]:
            found = [run(case, name, threads) for threads in (1, 2)]
            assert np.array_equal(found[0], found[1], equal_nan=found[0].dtype.kind == "f")
            assert not compare(found[0], expected, tolerance), f"{name}, seed {seed}: {case.name()} {case.inputs}"


def test_reductions() -> None:
    check_reductions(range(4 * SAMPLE))


@pytest.mark.exhaustive
def test_reductions_thousands_of_times() -> None:
    check_reductions(range(4 * SAMPLE, ALL))


@pytest.mark.parametrize("shape", [(1, 112, 112, 16), (1, 7, 7, 1152), (3, 80, 80, 24), (400, 700)])
@pytest.mark.parametrize("axes", [(1, 2), (-1,), (0,)])
def test_large_reductions(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    if len(shape) == 2 and len(axes) == 2:
        axes = (0, 1)
    for dtype, more in (("float32", {}), ("int8", {"scale": 0.02, "zero": 3})):
        case = Case("MEAN", [x(*shape, dtype=dtype, **more), const(np.array(axes, np.int32))], [out(dtype, **more)])
        expected = run(case, "generic")
        for name in SETS[1:]:
            one, two = (run(case, name, threads) for threads in (1, 2))
            assert np.array_equal(one, two)
            if dtype == "int8":
                assert np.array_equal(one, expected)
            else:
                assert np.max(np.abs(one - expected)) < 1e-5 * 3


@pytest.mark.parametrize("depth", [1, 2, 15, 16, 17, 33, 100])
def test_l2_normalization(depth: int) -> None:
    check(Case("L2_NORMALIZATION", [x(3, 5, depth)], [out()], {"fused_activation_function": 0}))
    check(Case("L2_NORMALIZATION", [In(shape=(2, depth), value=np.full((2, depth), 1e-9))], [out()]))
