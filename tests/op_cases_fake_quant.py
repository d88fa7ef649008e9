"""FAKE_QUANT."""

from op_cases import Case, fed, out, x
from op_shapes import shapes

NAN, INF = float("nan"), float("inf")
RANGES = [(-1.0, 1.0), (0.0, 6.0), (-3.7, 0.0), (-0.1, 9.9), (-1e-3, 2e-3), (-1e6, 3.0), (-5.0, 1e-6)]


def options(low: float, high: float, bits: int = 8, narrow: bool = False) -> dict[str, object]:
    return {"min": low, "max": high, "num_bits": bits, "narrow_range": narrow}


def rounded() -> list[Case]:
    cases = []
    for i, (low, high) in enumerate(RANGES):
        for bits in (2, 4, 8, 12, 16):
            for shape in shapes(2, 311 + i + bits, ranks=(0, 4)):
                given = x(*shape, low=low * 1.2 - high * 0.1, high=high * 1.2 + 1e-3)
                cases.append(
                    Case("FAKE_QUANT", [given], [out()], options(low, high, bits), label=f"{low}_{high}_{bits}")
                )
    special = fed([0.0, -0.0, INF, -INF, 1e-40, 0.5, -0.5])
    cases.append(Case("FAKE_QUANT", [special], [out()], options(-1.0, 1.0), label="special"))
    return [*cases, Case("FAKE_QUANT", [x(5, 9000)], [out()], options(-2.0, 4.0), label="threads")]


def refused() -> list[Case]:
    return [
        Case("FAKE_QUANT", [x(3)], [out()], options(*limits), error=error)
        for limits, error in [
            ((1.0, 2.0), "the range is 1 to 2"),
            ((-2.0, -1.0), "the range is -2 to -1"),
            ((0.0, 0.0), "the range is 0 to 0"),
            ((1.0, -1.0), "the range is 1 to -1"),
            ((NAN, 1.0), "the range is nan to 1"),
            ((-INF, 1.0), "the range is -inf to 1"),
            ((-3e38, 3e38), "the range is -3e.38 to 3e.38"),
            ((-1.0, 1.0, 0), "0 bits"),
            ((-1.0, 1.0, 17), "17 bits"),
            ((-1.0, 1.0, -5), "-5 bits"),
            ((-1.0, 1.0, 8, True), "a narrow range"),
        ]
    ] + [Case("FAKE_QUANT", [x(3, dtype="int8")], [out("int8")], options(-1.0, 1.0), error="FAKE_QUANT of int8")]


CASES = [*rounded(), *refused()]
