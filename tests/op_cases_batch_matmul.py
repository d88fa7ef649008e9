"""BATCH_MATMUL."""

from __future__ import annotations

from typing import Any

from op_cases import Case, In, Shape, c, out, x
from op_cases_conv import channel_scales


def turned(shape: Shape, turn: bool) -> tuple[int, ...]:
    """The shape with its last two dimensions exchanged."""
    return (*shape[:-2], shape[-1], shape[-2]) if turn else tuple(shape)


def matmul(
    left: Shape,
    right: Shape,
    *,
    adjoint: tuple[bool, bool] = (False, False),
    dtype: str = "float32",
    right_dtype: str = "",
    out_dtype: str = "",
    left_more: dict[str, Any] | None = None,
    right_more: dict[str, Any] | None = None,
    out_more: dict[str, Any] | None = None,
    constant: bool = False,
    asymmetric: bool = False,
    label: str = "",
    seed: int = 0,
    **more: Any,
) -> Case:
    """left and right are as without adjoint."""
    options = {"adj_x": adjoint[0], "adj_y": adjoint[1], "asymmetric_quantize_inputs": asymmetric}
    make = c if constant else x
    inputs: list[In] = [
        x(*turned(left, adjoint[0]), dtype=dtype, **(left_more or {})),
        make(*turned(right, adjoint[1]), dtype=right_dtype or dtype, **(right_more or {})),
    ]
    result = out(out_dtype or dtype, **(out_more or {}))
    label = label or str(more.get("error", "")).replace(" ", "_")
    text = f"{'x' * adjoint[0]}{'y' * adjoint[1]}_{'asymmetric' * asymmetric}_{label}_{seed}"
    return Case("BATCH_MATMUL", inputs, [result], options, label=text, seed=seed, **more)


def quantized(left: Shape, right: Shape, zeros: tuple[int, int, int] = (3, -7, 10), **more: Any) -> Case:
    out_scale = more.pop("out_scale", 0.05)
    return matmul(
        left,
        right,
        left_more={"scale": 0.02, "zero": zeros[0]},
        right_more={"scale": 0.03, "zero": zeros[1]},
        out_more={"scale": out_scale, "zero": zeros[2]},
        label=f"zeros{'_'.join(map(str, zeros))}_to{out_scale:g}",
        **({"dtype": "int8"} | more),
    )


ADJOINTS = [(False, False), (True, False), (False, True), (True, True)]
SHAPES: list[tuple[Shape, Shape]] = [
    ((3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 3, 4), (1, 4, 5)),
    ((1, 3, 4), (2, 4, 5)),
    ((2, 3, 5, 4), (2, 3, 4, 6)),
    ((2, 1, 5, 4), (1, 3, 4, 6)),
    ((2, 2, 3, 5, 4), (3, 4, 6)),
    ((1, 70), (70, 1)),
    ((9, 1), (1, 9)),
]

REAL = [
    *(matmul(left, right, adjoint=a) for left, right in SHAPES for a in ADJOINTS),
    *(matmul((2, 3, 4), (4, 5), adjoint=a, constant=True) for a in ADJOINTS),
    matmul((6, 33, 20), (6, 20, 40)),
]

QUANTIZED = [
    *(quantized(left, right, adjoint=a) for left, right in SHAPES for a in ADJOINTS),
    *(quantized((2, 3, 9), (9, 5), adjoint=a, constant=True) for a in ADJOINTS),
    *(quantized((2, 3, 9), (2, 9, 5), z) for z in [(-128, 127, 0), (127, -128, 127), (0, 0, -128)]),
    quantized((2, 3, 30), (2, 30, 5), out_scale=1e-5),
    *(quantized((2, 13, 30), (2, 30, 11), out_scale=0.3, seed=s) for s in range(1, 6)),
    *(quantized(left, right, (0, 0, 0), dtype="int16") for left, right in SHAPES),
    *(quantized(left, right, (0, 0, 0), dtype="int16", right_dtype="int8") for left, right in SHAPES),
    *(quantized((3, 30), (30, 5), (0, 0, 0), dtype="int16", out_scale=s) for s in (5.0, 0.001)),
    *(matmul((2, 3, 9), (2, 9, 5), adjoint=a, dtype="int8", out_dtype="int32", left_more={"scale": 0.1, "zero": 4},
             right_more={"scale": 0.2, "zero": 5}) for a in ADJOINTS),
]  # fmt: skip

HYBRID_SHAPES: list[tuple[Shape, Shape]] = [
    ((3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (1, 4, 5)),
    ((3, 9, 70), (70, 6)),
]
HYBRID = [
    *(
        matmul(left, right, adjoint=(False, a), right_dtype="int8", right_more={"scale": 0.02}, constant=True,
               asymmetric=asymmetric)
        for left, right in HYBRID_SHAPES
        for a in (False, True)
        for asymmetric in (False, True)
    ),
    *(
        matmul((3, 9), (9, 5), adjoint=(False, a), right_dtype="int8", constant=True, asymmetric=asymmetric,
               right_more={"scale": channel_scales(5), "axis": 0 if a else 1}, label="channels")
        for a in (False, True)
        for asymmetric in (False, True)
    ),
]  # fmt: skip

REFUSED = [
    matmul((3, 4), (5, 6), error="cannot multiply"),
    matmul((2, 3, 4), (3, 4, 5), error="cannot broadcast"),
    matmul((2, 3, 4), (0, 4, 5), error="cannot broadcast"),
    Case("BATCH_MATMUL", [x(4), x(4, 5)], [out()], error="no matrices"),
    Case("BATCH_MATMUL", [x(), x(4, 5)], [out()], error="no matrices"),
    matmul((3, 4), (4, 5), dtype="int32", error="int32 by int32"),
    matmul((3, 4), (4, 5), out_dtype="int8", error="to int8"),
    matmul((3, 4), (4, 5), dtype="int8", error="no quantization scale"),
    matmul((3, 4), (4, 5), right_dtype="int8", error="no quantization scale"),
    quantized((3, 4), (4, 5), (1, 0, 0), dtype="int16", error="zero point 0"),
    quantized((3, 4), (4, 5), out_scale=1e-30, error="too large"),
    matmul((3, 4), (4, 5), right_dtype="int8", right_more={"scale": [0.1] * 4}, error="quantized along|4 scales"),
    matmul((3, 4), (4, 5), dtype="int8", left_more={"scale": 0.1}, out_more={"scale": 0.1},
           right_more={"scale": [0.1] * 5, "axis": 1}, error="scale for each channel"),
]  # fmt: skip

BIG = 2**31 - 1
EMPTY = [
    quantized((0, 0), (0, BIG), (0, 0, 0), constant=True),  # no multipliers for units that nothing is multiplied with
    matmul((0, 3, 4), (0, 4, 5)),
    matmul((2, 0, 4), (2, 4, 5)),
    matmul((2, 3, 0), (2, 0, 5)),
]

CASES = [*REAL, *QUANTIZED, *HYBRID, *REFUSED, *EMPTY]
