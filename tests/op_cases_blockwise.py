"""Weights and tables with a scale for each block of neighbours.

What is refused: test_blockwise.py and test_embedding_blocks.py.
"""

from __future__ import annotations

from op_cases import Case, c, fed, out, x

ZERO = "TFLite's reference kernel takes no blockwise scales and answers zero"


def multiply(rows: int, units: int, depth: int, block: int, *, biased: bool = True) -> Case:
    inputs = [x(rows, depth), c(units, depth, dtype="int4", block=block), c(units) if biased else None]
    return Case(
        "FULLY_CONNECTED",
        inputs,
        [out()],
        {"fused_activation_function": "NONE", "asymmetric_quantize_inputs": True, "weights_format": "DEFAULT"},
        version=13,
        resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES",
        why=ZERO,
        label=f"blocks{block}",
    )


def lookup(dtype: str, result: str, depth: int, block: int) -> Case:
    table = c(5, depth, dtype=dtype, block=block)
    return Case("EMBEDDING_LOOKUP", [fed([4, 0, 3], "int32"), table], [out(result)], version=5, label=f"blocks{block}")


CASES = [
    *(multiply(rows, units, depth, 32) for rows in (1, 3, 4) for units, depth in ((4, 32), (8, 96), (24, 64))),
    multiply(2, 8, 128, 64),
    multiply(2, 8, 64, 32, biased=False),
    *(
        lookup(dtype, result, 64, block)
        for dtype in ("int4", "int2")
        for result in ("float32", "float16")
        for block in (16, 32, 64)
    ),
]
