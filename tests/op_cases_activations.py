"""LOGISTIC, TANH, the RELUs, PRELU, LEAKY_RELU, ELU, HARD_SWISH and GELU."""

import numpy as np

from op_cases import Case, c, fed, out, x

SHAPES = [(), (1,), (7,), (2, 3), (1, 5, 3, 4), (2, 1, 3, 2, 2, 3)]
NO_ELU = {"resolver": "BUILTIN_WITHOUT_DEFAULT_DELEGATES", "why": "BUILTIN_REF has no ELU"}
BYTES = {"int8": np.arange(-128, 128), "uint8": np.arange(256)}
EVERY_INT16 = np.arange(-32768, 32768)
SPECIAL = [0.0, -0.0, 1e-30, -1e-30, 88.0, -88.0, 104.0, -104.0, 16.6190, 16.6191, -9.0, -9.001, 3e38, -3e38]
RELUS = ["RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1"]
UNARY = ["LOGISTIC", "TANH", *RELUS, "ELU", "HARD_SWISH", "GELU"]

# Input and output scale and zero point; for int8, and 128 more in the zero points for uint8.
RESCALES = [
    ((0.05, 0), (0.05, 0)),
    ((0.1, -128), (0.07, -128)),
    ((0.02, 127), (0.3, -10)),
    ((0.5, 3), (0.004, 127)),
    ((0.0235, -3), (0.0118, -128)),
    ((1.0, 5), (2.0, 7)),
]


def every_byte(dtype: str, scale: float, zero: int) -> object:
    return fed(BYTES[dtype], dtype, scale=scale, zero=zero + (128 if dtype == "uint8" else 0))


def to(dtype: str, scale: float, zero: int) -> object:
    return out(dtype, scale=scale, zero=zero + (128 if dtype == "uint8" else 0))


def unary(kind: str, *parts: object, **more: object) -> Case:
    return Case(kind, *parts, **more, **(NO_ELU if kind == "ELU" else {}))


def floats() -> list[Case]:
    cases = [unary(kind, [x(*shape)], [out()], seed=i) for kind in UNARY for i, shape in enumerate(SHAPES)]
    cases += [unary(kind, [fed(SPECIAL)], [out()], label="special") for kind in UNARY if kind != "HARD_SWISH"]
    cases += [Case("HARD_SWISH", [fed([v for v in SPECIAL if abs(v) < 1e30])], [out()], label="special")]
    cases += [Case("GELU", [x(3, 5)], [out()], {"approximate": True})]
    cases += [Case("GELU", [fed(SPECIAL[:-2])], [out()], {"approximate": True}, label="special")]
    cases += [Case("LEAKY_RELU", [x(4, 5)], [out()], {"alpha": alpha}) for alpha in (0.0, 0.1, 1.0, 1.5, -0.3)]
    cases += [Case("RELU", [x(3, 20000)], [out()], label="threads")]
    return cases


def bytes_in_bytes_out() -> list[Case]:
    cases = []
    for dtype in ("int8", "uint8"):
        for i, (source, target) in enumerate(RESCALES):
            given = every_byte(dtype, *source)
            cases += [Case(kind, [given], [to(dtype, *target)], label=f"{i}") for kind in RELUS]
            cases += [Case("TANH", [given], [to(dtype, *target)], label=f"{i}")]
            cases += [Case("GELU", [given], [to(dtype, *target)], {"approximate": i % 2 == 1}, label=f"{i}")]
            cases += [Case("LOGISTIC", [given], [to(dtype, 1 / 256, -128)], label=f"{i}")]
            if dtype == "int8":
                cases += [unary("ELU", [given], [to(dtype, *target)], label=f"{i}")]
            for alpha in (0.1, 0.01, 1.7, 0.0):
                cases += [Case("LEAKY_RELU", [given], [to(dtype, *target)], {"alpha": alpha}, label=f"{i}-{alpha}")]
        cases += [Case("TANH", [every_byte(dtype, 0.03, -7)], [to(dtype, 1 / 128, 0)], label="usual")]
    return cases


def hard_swish() -> list[Case]:
    cases = []
    scales = [(0.05, 0.05), (0.1, 0.03), (0.0236, 0.0191), (1.0, 0.9), (10.0, 3.0), (0.001, 0.002), (0.3, 0.0024)]
    for dtype in ("int8", "uint8"):
        for source, target in scales:
            for zero, target_zero in ((0, 0), (-128, -120), (127, 50)):
                label = f"{source}-{target}-{zero}"
                given = every_byte(dtype, source, zero)
                cases.append(Case("HARD_SWISH", [given], [to(dtype, target, target_zero)], label=label))
    return cases


def int16() -> list[Case]:
    def case(kind: str, scale: float, target: float, **options: float) -> Case:
        given = fed(EVERY_INT16, "int16", scale=scale)
        return Case(kind, [given], [out("int16", scale=target)], options, label=f"{scale:.3g}-{target:.3g}")

    cases = [case("LOGISTIC", s, 2**-15) for s in (2**-12, 2**-11, 2**-13, 1 / 3000, 0.001, 1e-5, 0.002, 0.003)]
    cases += [case("TANH", s, 2**-15) for s in (2**-12, 2**-11, 2**-13, 1 / 3000, 0.001, 1e-5, 0.002, 0.003)]
    for source, target in ((0.001, 0.001), (0.002, 0.0007), (0.0005, 0.01)):
        cases += [case("RELU", source, target), case("RELU6", source, target)]
        cases += [case("LEAKY_RELU", source, target, alpha=alpha) for alpha in (0.1, 1.3)]
        cases += [case("GELU", source, target, approximate=False), case("GELU", source, target, approximate=True)]
    return cases


def prelu() -> list[Case]:
    shapes = [((2, 3), (2, 3)), ((2, 3), (3,)), ((1, 4, 5, 3), (1, 1, 3)), ((1, 4, 5, 3), (4, 1, 3)), ((6,), (1,))]
    shapes += [((2, 3, 4), (1, 3, 1)), ((2, 3, 4), (2, 1, 4)), ((5, 4), ())]
    cases = []
    for i, (shape, alpha) in enumerate(shapes):
        cases.append(Case("PRELU", [x(*shape), c(*alpha)], [out()], seed=i))
        for dtype, more in (("int8", 0), ("uint8", 128)):
            given = x(*shape, dtype=dtype, scale=0.07, zero=more - 9)
            slope = c(*alpha, dtype=dtype, scale=0.02, zero=more + 5)
            for target in ((0.07, more), (0.031, more - 100), (0.9, more + 127)):
                result = out(dtype, scale=target[0], zero=target[1])
                cases.append(Case("PRELU", [given, slope], [result], seed=i, label=f"{target}"))
        given = x(*shape, dtype="int16", scale=0.001)
        slope = c(*alpha, dtype="int8", scale=0.02, zero=3)
        cases.append(Case("PRELU", [given, slope], [out("int16", scale=0.0007)], seed=i))
    return cases


def refused() -> list[Case]:
    number = x(4)
    byte = x(4, dtype="int8", scale=0.1)
    return [
        Case("RELU", [x(4, dtype="int32")], [out("int32")], error="RELU of int32"),
        Case("RELU", [number, number], [out()], error="RELU"),
        Case("RELU", [number], [out("int8", scale=1)], error="input is float32 but output is int8"),
        Case("RELU", [x(4, dtype="int8")], [out("int8", scale=1)], error="quantiz|scale"),
        Case("RELU", [byte], [out("int8")], error="quantiz|scale"),
        Case("RELU", [x(4, dtype="int8", scale=0.0)], [out("int8", scale=1)], error="scale"),
        Case("RELU", [x(4, dtype="int8", scale=float("nan"))], [out("int8", scale=1)], error="scale"),
        Case("RELU", [x(4, dtype="int8", scale=float("inf"))], [out("int8", scale=1)], error="scale"),
        Case("RELU", [x(4, dtype="int8", scale=-0.5)], [out("int8", scale=1)], error="scale"),
        Case("RELU", [x(4, dtype="int8", scale=1e30)], [out("int8", scale=1e-30)], error="multiplier|scale"),
        Case("RELU", [x(4, dtype="int8", scale=1, zero=300)], [out("int8", scale=1)], error="zero point"),
        Case("RELU", [x(4, dtype="int16", scale=1, zero=3)], [out("int16", scale=1)], error="zero points of 0"),
        Case("LOGISTIC", [byte], [out("int8", scale=0.1, zero=-128)], error="1/256"),
        Case("LOGISTIC", [x(4, dtype="int16", scale=1e6)], [out("int16", scale=2**-15)], error="int16 with the scale"),
        Case("LOGISTIC", [x(4, dtype="int16", scale=1e-30)], [out("int16", scale=2**-15)], error="with the scale"),
        Case("TANH", [x(4, dtype="int16", scale=0.1)], [out("int16", scale=0.1)], error="2\\^-15"),
        Case("HARD_SWISH", [x(4, dtype="int8", scale=1)], [out("int8", scale=1e-4)], error="HARD_SWISH with"),
        Case("PRELU", [x(3), c(2, 3)], [out()], error="alpha of shape"),
        Case("PRELU", [x(3), c(2)], [out()], error="broadcast"),
        Case("PRELU", [x(3), c(3, dtype="int8", scale=1)], [out()], error="alpha is int8"),
        Case("LEAKY_RELU", [byte], [out("int8", scale=0.1)], {"alpha": float("inf")}, error="multiplier"),
    ]


CASES = floats() + bytes_in_bytes_out() + hard_swish() + int16() + prelu() + refused()
