"""TILE, BROADCAST_TO, REVERSE_V2, SPACE_TO_DEPTH, DEPTH_TO_SPACE, SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND."""

from __future__ import annotations

from typing import Any

from op_cases import Array, Case, In, Shape, const, fed, out, x

DTYPES = ("int8", "uint8", "int16", "int32", "int64", "bool")
MOVED = ("int8", "uint8", "int32", "int64")  # what the reference takes for blocks


def shaped(kind: str, shape: Shape, by: object, dtype: str = "float32", **more: Any) -> Case:
    """An op with one operand of integers: multiples, a shape or axes."""
    make = fed if more.pop("fed", False) else const
    operand = make(by, more.pop("index", "int32"))
    version = 2 if kind == "BROADCAST_TO" else 1
    return Case(
        kind, [x(*shape, dtype=dtype), operand], [out(dtype)], {}, version, label=str(by).replace(" ", ""), **more
    )


def blocks(kind: str, shape: Shape, block: int, dtype: str = "float32", **more: Any) -> Case:
    return Case(kind, [x(*shape, dtype=dtype)], [out(dtype)], {"block_size": block}, label=f"block{block}", **more)


def batches(kind: str, shape: Shape, block: object, margins: object, dtype: str = "float32", **more: Any) -> Case:
    quantized = {"scale": more.pop("scale", ()), "zero": more.pop("zero", 0)}
    make = fed if more.pop("fed", False) else const
    inputs = [In(shape=shape, dtype=dtype, **quantized), make(block, "int32"), make(margins, "int32")]
    label = f"{block}_{margins}_zero{quantized['zero']}".replace(" ", "")
    return Case(kind, inputs, [out(dtype, **quantized)], {}, label=label, **more)


def flipped(arrays: list[Array]) -> list[Array]:
    return [arrays[0][::-1, :, ::-1]]


COPIES = [
    shaped("TILE", (3,), (2,)),
    shaped("TILE", (3, 2), (1, 1)),
    shaped("TILE", (3, 2), (2, 1)),
    shaped("TILE", (3, 2), (1, 3)),
    shaped("TILE", (2, 3, 4), (3, 1, 2)),
    shaped("TILE", (2, 3, 4), (3, 0, 2)),
    shaped("TILE", (1, 3, 1, 2), (2, 2, 5, 2)),
    shaped("TILE", (2, 1, 2, 1, 2, 1), (1, 2, 2, 2, 1, 3)),
    shaped("TILE", (2, 3), (2, 2), index="int64"),
    shaped("TILE", (2, 3), (2, 2), fed=True),
    *(shaped("TILE", (2, 3), (2, 2), dtype) for dtype in DTYPES),
    shaped("TILE", (2, 3), (2,), error="1 multiples for input of rank 2"),
    shaped("TILE", (2, 3), (2, -1), error="-1 times a dimension of 3"),
    shaped("TILE", (2, 3), (2, 2**30), error="1073741824 times a dimension of 3"),
    shaped("TILE", (2, 3), (2, 2**62), index="int64", error="times a dimension of 3"),
    shaped("TILE", (2, 2), (2**30 - 1, 2**30 - 1), error="too many elements|limit"),
    shaped("BROADCAST_TO", (3,), (2, 3)),
    shaped("BROADCAST_TO", (3, 1), (3, 4)),
    shaped("BROADCAST_TO", (1, 3, 1), (2, 5, 3, 4)),
    shaped("BROADCAST_TO", (3, 4), (3, 4)),
    shaped("BROADCAST_TO", (1,), (2, 3, 4)),
    shaped("BROADCAST_TO", (2, 1, 3, 1), (2, 4, 3, 2)),
    shaped("BROADCAST_TO", (3, 1), (3, 4), index="int64"),
    shaped("BROADCAST_TO", (3, 1), (3, 4), fed=True),
    *(shaped("BROADCAST_TO", (3, 1), (2, 3, 4), dtype) for dtype in DTYPES),
    shaped("BROADCAST_TO", (3, 2), (3, 4), error=r"cannot broadcast \[3, 2\] to \[3, 4\]"),
    shaped("BROADCAST_TO", (3, 2), (2,), error="to 1 dimensions"),
    shaped("BROADCAST_TO", (1, 2), (-1, 2), error="new shape has dimension -1"),
    shaped("BROADCAST_TO", (1,), (1,) * 11, error="rank 11"),
    shaped("BROADCAST_TO", (1,), ((1,),), error="cannot broadcast"),
    shaped("REVERSE_V2", (5,), (0,)),
    *(shaped("REVERSE_V2", (3, 4, 5), axes) for axes in ((0,), (1,), (2,), (0, 1), (1, 2), (2, 1), (0, 1, 2), (-1,))),
    *(shaped("REVERSE_V2", (3, 4), (1,), dtype) for dtype in DTYPES),
    shaped("REVERSE_V2", (3, 4, 2), (0, 2), expected=flipped, why="TFLite refuses axes that are no neighbours"),
    shaped("REVERSE_V2", (3, 4), (2,), error="axis 2 is outside rank 2"),
    shaped("REVERSE_V2", (3, 4), (0, -2), error="axis -2 appears twice"),
]

BLOCKS = [
    *(blocks("SPACE_TO_DEPTH", shape, b) for shape, b in [((1, 2, 2, 1), 2), ((2, 6, 4, 3), 2), ((1, 6, 9, 2), 3)]),
    *(blocks("DEPTH_TO_SPACE", shape, b) for shape, b in [((1, 1, 1, 4), 2), ((2, 3, 2, 12), 2), ((1, 2, 3, 18), 3)]),
    *(blocks(kind, (2, 3, 2, 5), 1) for kind in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")),
    *(blocks(kind, (1, 4, 6, 8), 2, dtype) for kind in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE") for dtype in MOVED),
    blocks("SPACE_TO_DEPTH", (1, 3, 4, 1), 2, error="into blocks of 2"),
    blocks("DEPTH_TO_SPACE", (1, 3, 4, 6), 2, error="cannot spread depth 6"),
    blocks("DEPTH_TO_SPACE", (1, 2**20, 0, 2**30), 2**15 - 1, error="too many elements"),
    blocks("DEPTH_TO_SPACE", (1, 3, 4, 6), 2**31 - 1, error="cannot spread depth 6"),
    blocks("SPACE_TO_DEPTH", (1, 0, 0, 6), 2**31 - 1, error="depth 6 times"),
    *(blocks(kind, (1, 2, 2, 4), block, error=f"block size {block}")
      for kind in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE") for block in (0, -2)),
    *(blocks(kind, (2, 2, 4), 2, error="not an image batch") for kind in ("SPACE_TO_DEPTH", "DEPTH_TO_SPACE")),
]  # fmt: skip

TO_BATCH, TO_SPACE = "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND"
NONE = ((0, 0), (0, 0))

BATCHES = [
    batches(TO_BATCH, (1, 4, 4, 1), (2, 2), NONE),
    batches(TO_BATCH, (2, 4, 6, 3), (2, 3), NONE),
    batches(TO_BATCH, (2, 3, 5, 3), (2, 3), ((1, 2), (0, 1))),
    batches(TO_BATCH, (1, 5, 7, 2), (4, 4), ((2, 1), (4, 5))),
    batches(TO_BATCH, (2, 3, 5, 3), (1, 1), NONE),
    batches(TO_BATCH, (2, 6, 3), (2,), ((1, 1),)),
    batches(TO_BATCH, (2, 3, 5, 3), (2, 3), ((1, 2), (0, 1)), fed=True),
    *(
        batches(TO_BATCH, (1, 3, 5, 2), (2, 2), ((1, 0), (0, 1)), dtype, scale=0.1, zero=zero)
        for dtype, zero in [("int8", -128), ("int8", 5), ("uint8", 0), ("uint8", 200), ("int16", 0)]
    ),
    *(batches(TO_BATCH, (1, 3, 5, 2), (2, 2), ((1, 0), (0, 1)), dtype) for dtype in ("int8", "int32", "int64")),
    batches(TO_SPACE, (4, 2, 2, 1), (2, 2), NONE),
    batches(TO_SPACE, (12, 2, 2, 3), (2, 3), NONE),
    batches(TO_SPACE, (12, 2, 2, 3), (2, 3), ((1, 0), (2, 1))),
    batches(TO_SPACE, (3, 2, 2, 3), (1, 1), NONE),
    batches(TO_SPACE, (4, 3, 2), (2,), ((1, 2),)),
    batches(TO_SPACE, (12, 2, 2, 3), (2, 3), ((1, 0), (2, 1)), fed=True),
    *(batches(TO_SPACE, (4, 3, 2, 3), (2, 2), ((1, 0), (0, 1)), dtype) for dtype in (*MOVED, "int16")),
    batches(TO_BATCH, (1, 3, 4, 1), (2, 2), NONE, error="cannot cut 3 into blocks of 2"),
    batches(TO_BATCH, (1, 4, 4, 1), (0, 2), NONE, error="block of 0"),
    batches(TO_BATCH, (1, 4, 4, 1), (-2, 2), NONE, error="block of -2"),
    batches(TO_BATCH, (1, 4, 4, 1), (2, 2), ((-2, 0), (0, 0)), error="margin of -2"),
    batches(TO_BATCH, (1, 4, 4, 1), (2,), NONE, error="block shape of shape"),
    batches(TO_BATCH, (1, 4, 4, 1), (2, 2), ((0, 0),), error="margins of shape"),
    batches(TO_BATCH, (4, 4), (), (), error="rank 2"),
    batches(TO_BATCH, (1, 4, 4, 1), (2**31 - 1, 2**31 - 1), ((2**31 - 5, 0), (2**31 - 5, 0)), error="batch gets"),
    batches(TO_BATCH, (1, 4, 4, 1), (2, 2), NONE, "int16", scale=0.1, zero=3, error="int16 with a zero point"),
    batches(TO_SPACE, (3, 2, 2, 1), (2, 2), NONE, error="cannot cut a batch of 3"),
    batches(TO_SPACE, (4, 2, 2, 1), (2, 2), ((3, 2), (0, 0)), error="dimension 1 gets -1 elements"),
    batches(TO_SPACE, (4, 2, 2, 1), (2, 2), ((0, -1), (0, 0)), error="margin of -1"),
    batches(TO_SPACE, (4, 2, 2, 1), (0, 2), NONE, error="block of 0"),
]

CASES = [*COPIES, *BLOCKS, *BATCHES]
