"""SOFTMAX."""

from __future__ import annotations

from op_cases import Case, In, Out, fed, out, x

SCALES = (0.0039, 0.05, 0.1, 0.37, 1.0, 3.0, 16.0)
SHAPES = ((1, 10), (3, 1001), (2, 3, 5, 7), (7,), (4, 1))
OUTPUTS = {
    "int8": {"dtype": "int8", "scale": 1 / 256, "zero": -128},
    "uint8": {"dtype": "uint8", "scale": 1 / 256, "zero": 0},
    "int16": {"dtype": "int16", "scale": 1 / 32768, "zero": 0},
}


def softmax(given: In, result: Out, beta: float = 1.0, **more: object) -> Case:
    return Case("SOFTMAX", [given], [result], {"beta": beta}, **more)  # type: ignore[arg-type]


CASES = [
    *(softmax(x(*shape), out(), beta) for shape in SHAPES for beta in (1.0, 0.25, 3.0)),
    softmax(fed([[1000.0, -1000.0, 999.0], [0.0, 0.0, 0.0]]), out()),
    softmax(fed([[3.0, 1.0]]), out(), 0.0, label="beta_0"),
    *(
        softmax(
            x(*shape, dtype=dtype, scale=scale, zero=zero), out(**OUTPUTS[result]), beta, label=f"{scale:g}_{beta:g}"
        )
        for dtype, zero, result in (("int8", -5, "int8"), ("uint8", 119, "uint8"))
        for shape in SHAPES[:3]
        for scale in SCALES
        for beta in (1.0, 0.7)
        if scale > 0.01 or shape[-1] < 500  # BUILTIN_REF aborts where a row's sum is over 512
    ),
    *(
        softmax(x(2, 65, dtype=dtype, scale=scale, zero=3), out("int16", scale=1 / 32768), label=f"{scale:g}")
        for dtype in ("int8", "uint8")
        for scale in SCALES
    ),
    *(
        softmax(x(*shape, dtype="int16", scale=scale), out(**OUTPUTS["int16"]), beta, label=f"{scale:g}_{beta:g}")
        for shape in SHAPES
        for scale in (10 / 65535, 1 / 4096, 1 / 32768, 0.002)
        for beta in (1.0, 0.5)
    ),
    # All inputs equal: the sum of the exponentials is as large as the row is long.
    softmax(fed([[7] * 500], "int8", scale=0.1), out(**OUTPUTS["int8"]), label="equal"),
    softmax(fed([[-128] + [127] * 9], "int8", scale=4.0), out(**OUTPUTS["int8"]), label="extremes"),
    Case(
        "SOFTMAX",
        [fed([[7] * 5000], "int8", scale=0.1)],
        [out(**OUTPUTS["int8"])],
        {"beta": 1.0},
        resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES",
        why="BUILTIN_REF aborts where a row's sum is over 512",
    ),
    *(
        softmax(
            x(2, 3, dtype="int8", scale=scale),
            out(**OUTPUTS["int8"]),
            beta,
            resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES",
            why="BUILTIN_REF aborts where a step of the input is under 2^-26",
            label=f"{scale:g}_{beta:g}",
        )
        for scale, beta in ((0.1, 0.0), (7.8e-9, 1.0), (1e-3, 1e-20))
    ),
    softmax(x(dtype="float32"), out(), error="scalar"),
    softmax(x(2, 3), out("int8", scale=1 / 256), error="SOFTMAX"),
    softmax(x(2, 3, dtype="int8", scale=0.1), out("int8", scale=1 / 128, zero=-128), error="scale"),
    softmax(x(2, 3, dtype="int8", scale=0.1), out("int8", scale=1 / 256, zero=0), error="zero point"),
    softmax(x(2, 3, dtype="int8", scale=0.1), out(**OUTPUTS["int8"]), -1.0, error="beta"),
    softmax(x(2, 3, dtype="int8", scale=0.1), out(**OUTPUTS["int8"]), float("nan"), error="beta"),
    softmax(x(2, 3, dtype="int8"), out(**OUTPUTS["int8"]), error="scale|quantiz"),
    softmax(x(2, 3, dtype="int16", scale=0.1, zero=1), out(**OUTPUTS["int16"]), error="zero point"),
    softmax(x(2, 3, dtype="int32"), out("int32"), error="int32"),
]
