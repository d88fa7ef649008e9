"""EMBEDDING_LOOKUP, EMBEDDING_LOOKUP_SPARSE and LSH_PROJECTION. Blockwise tables: test_embedding_blocks.py."""

from typing import Any

import numpy as np

from op_cases import Array, Case, In, c, const, fed, out, x
from op_shapes import shapes

COMBINERS = ["SUM", "MEAN", "SQRTN"]


def lookups() -> list[Case]:
    cases = []
    for dtype in ("float32", "int8", "uint8", "int16", "int32", "int64", "bool", "float16", "bfloat16"):
        for i, shape in enumerate(shapes(6, 301, ranks=(1, 4))):
            rows = 1 + i * 3
            ids = np.random.default_rng(i).integers(0, rows, 1 + i)
            table = (c if i % 2 else x)(rows, *shape, dtype=dtype)
            cases.append(Case("EMBEDDING_LOOKUP", [fed(ids, "int32"), table], [out(dtype)], seed=i))
    same = {"scale": 0.1, "zero": 3, "dtype": "int8"}
    cases.append(Case("EMBEDDING_LOOKUP", [const([1, 0, 1]), c(2, 5, **same)], [out(**same)], label="quantized"))
    cases.append(Case("EMBEDDING_LOOKUP", [x(900, dtype="int32", low=0, high=99), c(100, 300)], [out()], label="big"))
    return cases


def hybrid() -> list[Case]:
    """A quantized table, real results: with one scale, or one for each row."""
    cases = []
    for dtype, version in (("int8", 3), ("uint8", 1), ("int4", 4), ("int2", 5)):
        for result in ("float32", "float16"):
            for i, depth in enumerate((8, 4, 16, 3, 5)):
                if depth % 4 and dtype in ("int4", "int2"):
                    continue  # TFLite takes rows to start at whole bytes
                for scale in (0.01, [0.5, 0.02, 3.0]):
                    tail = (depth,) if i % 2 else (2, depth // 2)
                    table = c(3, *tail, dtype=dtype, scale=scale)
                    ids = fed([2, 0, 1, 2], "int32")
                    label = f"to_{result}{'_rows' * isinstance(scale, list)}"
                    cases.append(Case("EMBEDDING_LOOKUP", [ids, table], [out(result)], version=version, label=label))

    def exact(arrays: list[Array]) -> list[Array]:
        return [(arrays[1][[1, 0]] * np.float32(0.25)).astype(np.float32)]

    why = "TFLite takes packed rows to start at whole bytes"
    odd = c(2, 3, dtype="int4", scale=0.25)
    cases.append(Case("EMBEDDING_LOOKUP", [const([1, 0]), odd], [out()], expected=exact, why=why))
    return cases


def sparse_lookup(combiner: str, seed: int, outer: tuple[int, ...], tail: tuple[int, ...], **more: Any) -> Case:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 9))
    shape = (*outer, 9)
    indices = np.stack([rng.integers(0, d, count) for d in shape], axis=-1)
    indices = indices[np.lexsort(indices.T[::-1])] if seed % 3 else indices
    inputs = [
        (fed if seed % 2 else const)(rng.integers(0, 5, count), "int32"),
        const(indices),
        const(shape),
        x(count, low=0.1, high=2),
        c(5, *tail),
    ]
    options = {"combiner": combiner}
    return Case("EMBEDDING_LOOKUP_SPARSE", inputs, [out()], options, seed=seed, label=f"{combiner}_{shape}", **more)


def sparse() -> list[Case]:
    outers: list[tuple[int, ...]] = [(), (3,), (2, 2), (4,), (2, 1, 3)]
    tails: list[tuple[int, ...]] = [(4,), (2, 3), (1,)]
    return [
        sparse_lookup(combiner, 7 * i + j, outer, tail)
        for combiner in COMBINERS
        for i, outer in enumerate(outers)
        for j, tail in enumerate(tails)
    ]


def projections() -> list[Case]:
    cases = []
    shown = [(3,), (1, 2), (5, 3), (2, 4, 2), (3, 5, 1), (2, 17), (4, 40), (3, 8)]
    for kind in ("SPARSE", "DENSE"):
        for i, shape in enumerate(shown):
            for dtype in ("float32", "int32", "int8", "int64"):
                hashes = x(1 + i % 3, 1 + i * 2)
                items = x(*shape, dtype=dtype)
                weights = [x(shape[0])] if i % 2 else []
                cases.append(Case("LSH_PROJECTION", [hashes, items, *weights], [out("int32")], {"type": kind}, seed=i))
    return cases


def refused() -> list[Case]:
    ids, table = fed([0, 1], "int32"), c(3, 4)
    rows = c(3, 4, dtype="int8", scale=[1.0, 2.0, 3.0])

    def lookup(first: In, second: In, error: str, result: str = "float32") -> Case:
        return Case("EMBEDDING_LOOKUP", [first, second], [out(result)], error=error)

    good = [const([0]), const([[0, 0]]), const([2, 2]), const([1.0], "float32"), c(3, 4)]

    def change(place: int, other: In, error: str, **options: Any) -> Case:
        inputs = [*good[:place], other, *good[place + 1 :]]
        return Case("EMBEDDING_LOOKUP_SPARSE", inputs, [out()], options, error=error)

    def project(error: str, *inputs: In, kind: str = "SPARSE", result: str = "int32") -> Case:
        return Case("LSH_PROJECTION", inputs, [out(result)], {"type": kind}, error=error)

    return [
        lookup(fed([0, 3], "int32"), table, "row 3 is outside a table of 3"),
        lookup(fed([-1], "int32"), table, "row -1 is outside a table of 3"),
        lookup(const([[0]]), table, "ids of shape .1, 1."),
        lookup(const([0], "int64"), table, "ids of int64"),
        lookup(ids, c(3), "a table of shape .3."),
        lookup(ids, c(3, 4, dtype="int16", scale=1.0), "a table of int16 for output of float32"),
        lookup(ids, c(3, 4, dtype="int8"), "no quantization scale"),
        lookup(ids, c(3, 4, dtype="int8", scale=1.0, zero=3), "the table has the zero point 3"),
        lookup(ids, c(3, 4, dtype="int8", scale=[1.0, 2.0]), "2 scales for dimension 0, which has 3"),
        lookup(ids, c(3, 3, dtype="int8", scale=[1.0, 2.0, 3.0], axis=1), "3 scales along dimension 1"),
        lookup(ids, rows, "EMBEDDING_LOOKUP of int32", "int32"),
        lookup(ids, c(3, 3, dtype="int4"), "rows of 3 int4", "int4"),
        change(0, const([3]), "row 3 is outside a table of 3"),
        change(0, const([0], "int64"), "input 0 of int64"),
        change(0, const([0, 0]), "ids of shape .2."),
        change(1, const([[2, 0]]), "index 2 is outside a dimension of 2"),
        change(1, const([[-1, 0]]), "index -1 is outside a dimension of 2"),
        change(1, const([0]), "indices of shape .1."),
        change(2, const([2]), "a shape of shape .1."),
        change(2, const([-2, 2]), "-2"),
        change(3, const([1]), "input 3 of int32"),
        change(3, const([1.0, 2.0], "float32"), "weights of shape .2."),
        change(4, c(3), "a table of shape .3."),
        change(4, c(3, 4, dtype="int8"), "input 4 of int8"),
        change(4, c(3, 4), "combiner 7", combiner=7),
        project("hash functions are float32.3.", x(3), x(3)),
        project("hash functions are int32", x(3, 2, dtype="int32"), x(3)),
        project("33 bits; 32 are the most", x(1, 33), x(3)),
        project("input of shape ..", x(1, 3), x()),
        project("input of shape .0.", x(1, 3), x(0)),
        project("weights are float32.2. for 3 items", x(1, 3), x(3), x(2)),
        project("projection of type 0", x(1, 3), x(3), kind="UNKNOWN"),
        project("output is float32, not int32", x(1, 3), x(3), result="float32"),
        project("has 1 inputs", x(1, 3)),
    ]


CASES = [*lookups(), *hybrid(), *sparse(), *projections(), *refused()]
