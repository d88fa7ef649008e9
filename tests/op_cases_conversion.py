"""QUANTIZE, DEQUANTIZE and CAST."""

from collections.abc import Callable

import numpy as np

from op_cases import Array, Case, bfloat16_bits, c, fed, out, x

SHAPES = [(), (7,), (2, 3), (1, 5, 3, 4)]
NAN, INF = float("nan"), float("inf")
LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767), "int32": (-(2**31), 2**31 - 1)}
REQUANTIZED = [
    *[(a, b) for a in ("int8", "uint8") for b in ("int8", "uint8", "int16")],
    *[("int16", b) for b in ("int8", "int16", "int32")],
    *[("int32", b) for b in ("int8", "int16")],
]
CAST = [
    "float32",
    "float16",
    "float64",
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "bool",
    "complex64",
]


def quantize() -> list[Case]:
    cases = []
    for dtype in ("int8", "uint8", "int16"):
        low, high = LIMITS[dtype]
        zeros = (0,) if dtype == "int16" else (low, low + 100, high)
        for scale in (0.05, 0.1, 1.0, 0.0123):
            for zero in zeros:
                result = [out(dtype, scale=scale, zero=zero)]
                cases.append(Case("QUANTIZE", [x(30, 40)], result, label=f"{scale}-{zero}"))
                halves = fed((np.arange(-700, 700) / 2 * scale).astype(np.float32))
                cases.append(Case("QUANTIZE", [halves], result, label=f"halves-{scale}-{zero}"))
        extreme = fed([0.0, -0.0, 1e9, -1e9, 0.49999997, 0.5, -0.5, 1.5, 2.5, 1e-40])
        cases.append(Case("QUANTIZE", [extreme], [out(dtype, scale=1.0)], label="extreme"))
        infinite = [out(dtype, scale=0.5, zero=3)]
        numbers = np.array([low, high, 3])

        def saturated(_: object, numbers: np.ndarray = numbers, dtype: str = dtype) -> list[np.ndarray]:
            return [numbers[[0, 1]].astype(dtype)]

        why = "TFLite converts what fits no int32 as the processor happens to"
        cases.append(Case("QUANTIZE", [fed([-INF, INF])], infinite, expected=saturated, why=why, label="infinite"))
        for axis, shape in ((0, (3, 4)), (1, (2, 3, 4)), (2, (5, 2, 3)), (3, (1, 7, 7, 3))):
            zero = 0 if dtype == "int16" else [low + 1, low + 100, high]
            result = [out(dtype, scale=[0.1, 0.02, 1.3], zero=zero, axis=axis)]
            cases.append(Case("QUANTIZE", [x(*shape)], result, label=f"axis{axis}"))
    cases.append(Case("QUANTIZE", [x(3, 20000)], [out("int8", scale=0.1, zero=5)], label="threads"))
    return cases


def requantize() -> list[Case]:
    cases = []
    for source, target in REQUANTIZED:
        for a, b in ((0.1, 0.1), (0.05, 0.1), (0.1, 0.05), (0.0123, 0.9), (0.9, 0.0123)):
            for first in (True, False):
                zero = (LIMITS[source][0] + 128 + (3 if first else 0)) if source in ("int8", "uint8") else 0
                target_zero = (LIMITS[target][0] + (128 if first else 77)) if target in ("int8", "uint8") else 0
                low, high = LIMITS[source] if source != "int32" else (-70000, 70000)
                given = x(20, 30, dtype=source, scale=a, zero=zero, low=low, high=high)
                label = f"{a}-{b}-{first}-{target}"
                cases.append(Case("QUANTIZE", [given], [out(target, scale=b, zero=target_zero)], label=label))
    return cases


def dequantize() -> list[Case]:
    cases = []
    for dtype in ("int8", "uint8", "int16"):
        for shape in SHAPES:
            zero = 0 if dtype == "int16" else LIMITS[dtype][0] + 45
            cases.append(Case("DEQUANTIZE", [x(*shape, dtype=dtype, scale=0.037, zero=zero)], [out()]))
            cases.append(Case("DEQUANTIZE", [c(*shape, dtype=dtype, scale=0.037, zero=zero)], [out()]))
    every_half = fed(np.arange(65536, dtype=np.uint16).view(np.float16), "float16")
    cases.append(Case("DEQUANTIZE", [every_half], [out()], tolerance=0))
    cases.append(Case("DEQUANTIZE", [c(4, 5, dtype="float16")], [out()], tolerance=0))
    for dtype in ("int4", "uint4", "int2"):
        for shape in ((8,), (3, 5), (1,)):
            cases.append(Case("DEQUANTIZE", [c(*shape, dtype=dtype, scale=0.25)], [out()]))
        cases.append(Case("DEQUANTIZE", [c(3, 5, dtype=dtype, scale=[0.1, 0.2, 3.0])], [out()], label="axis0"))
        cases.append(Case("DEQUANTIZE", [c(5, 3, dtype=dtype, scale=[0.1, 0.2, 3.0], axis=1)], [out()], label="axis1"))
    for dtype in ("int8", "uint8"):
        for axis, shape in ((0, (3, 4)), (1, (2, 3, 4)), (2, (5, 2, 3)), (3, (1, 70, 70, 3))):
            spec = {"dtype": dtype, "scale": [0.1, 0.02, 1.3], "axis": axis}
            cases.append(Case("DEQUANTIZE", [c(*shape, **spec)], [out()], label=f"axis{axis}"))
            cases.append(Case("DEQUANTIZE", [x(*shape, zero=[1, 2, 3], **spec)], [out()], label=f"zeros-axis{axis}"))
    return cases


def dequantize_to_short_floats() -> list[Case]:
    """The file's type of the output counts here."""

    def rounded(real: Callable[[Array], Array], target: str) -> Callable[[list[Array]], list[Array]]:
        round_to = bfloat16_bits if target == "bfloat16" else np.float16
        return lambda arrays: [round_to(real(arrays[0].astype(np.float32)))]

    cases = []
    for target in ("float16", "bfloat16"):
        more = {"why": "LiteRT makes every output float32, whatever the file says", "tolerance": 0}
        for dtype, zero in (("int8", -3), ("uint8", 130), ("int16", 0), ("int4", 0), ("uint4", 5), ("int2", 0)):
            for make in (x, c) if dtype in LIMITS else (c,):
                given = make(5, 9, dtype=dtype, scale=0.037, zero=zero)
                real = rounded(lambda a, zero=zero: np.float32(0.037) * (a - np.float32(zero)), target)
                cases.append(Case("DEQUANTIZE", [given], [out(target)], expected=real, label=target, **more))
        same = rounded(lambda a: a, target)
        cases.append(Case("DEQUANTIZE", [x(40, dtype="float16")], [out(target)], expected=same, label=target, **more))
    return cases


def cast() -> list[Case]:
    cases = []
    for source in CAST:
        for target in CAST:
            cases.append(Case("CAST", [x(30, dtype=source)], [out(target)], label=target, tolerance=0))
    wide = fed([-(2**63), -(2**31) - 1, -32769, -129, -1, 0, 1, 128, 256, 65536, 2**31, 2**53 + 1, 2**63 - 1], "int64")
    cases += [Case("CAST", [wide], [out(target)], label=f"wide-{target}", tolerance=0) for target in CAST]
    big = [1e10, -1e10, 3e38, -3e38, 0.9, -0.9, 255.9, -128.9, 2147483648.0, 65504, 65520, 1e-7, 6e-8, 2.9e-8, 0.0]
    for target in CAST:
        for source in ("float32", "float64"):
            cases.append(Case("CAST", [fed(big, source)], [out(target)], label=f"big-{target}", tolerance=0))
    for target in ("float16", "float32", "bool", "int32", "int8"):
        cases.append(Case("CAST", [fed([INF, -INF, NAN])], [out(target)], label=f"special-{target}", tolerance=0))
    steps = np.linspace(0, 2**16, 65537, dtype=np.float32) * np.float32(1.0001)
    cases.append(Case("CAST", [fed(steps)], [out("float16")], label="halves", tolerance=0))
    cases.append(Case("CAST", [fed(steps * np.float32(2**-30))], [out("float16")], label="tiny", tolerance=0))
    cases.append(Case("CAST", [c(4, dtype="int64")], [out("int32")]))
    return cases


def refused() -> list[Case]:
    scales = [0.1, 0.2]
    return [
        Case("QUANTIZE", [x(3)], [out("int8")], error="no quantization"),
        Case("QUANTIZE", [x(3)], [out("int32", scale=1)], error="QUANTIZE of int32"),
        Case("QUANTIZE", [x(3)], [out("int8", scale=0.0)], error="scale"),
        Case("QUANTIZE", [x(3)], [out("int8", scale=1, zero=128)], error="zero point"),
        Case("QUANTIZE", [x(2)], [out("int8", scale=[0.1, 0.0])], error="scale"),
        Case("QUANTIZE", [x(2)], [out("int8", scale=scales, zero=[0, 200])], error="zero point 200"),
        Case("QUANTIZE", [x(3)], [out("int8", scale=scales)], error="2 scales for dimension 0"),
        Case("QUANTIZE", [x(2)], [out("int8", scale=scales, axis=1)], error="quantized dimension 1"),
        Case("QUANTIZE", [x(2)], [out("int8", scale=scales, axis=-1)], error="quantized dimension -1"),
        Case("QUANTIZE", [x(2, dtype="int64")], [out("int8", scale=1)], error="QUANTIZE of int64"),
        Case("QUANTIZE", [x(2, dtype="int8")], [out("int8", scale=1)], error="quantiz|scale"),
        Case("QUANTIZE", [x(2, dtype="int8", scale=1e30)], [out("int8", scale=1e-30)], error="multiplier"),
        Case("DEQUANTIZE", [x(3, dtype="int8", scale=1)], [out("int8")], error="output must be float32, float16 or"),
        Case("DEQUANTIZE", [x(3, dtype="int8")], [out()], error="quantiz|scale"),
        Case("DEQUANTIZE", [x(3, dtype="int64", scale=1)], [out()], error="DEQUANTIZE of int64"),
        Case("DEQUANTIZE", [x(3, dtype="int8", scale=scales)], [out()], error="2 scales for dimension 0"),
        Case("DEQUANTIZE", [x(2, dtype="int8", scale=[0.1, NAN])], [out()], error="scale nan"),
        Case("CAST", [x(2, dtype="complex128")], [out()], error="CAST of complex128"),
        Case("CAST", [x(2)], [out("complex128")], error="CAST of complex128"),
        Case("CAST", [x(2), x(2)], [out()], error="CAST"),
    ]


CASES = quantize() + requantize() + dequantize() + dequantize_to_short_floats() + cast() + refused()
