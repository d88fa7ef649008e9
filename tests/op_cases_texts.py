"""SKIP_GRAM and HASHTABLE_LOOKUP."""

from __future__ import annotations

from typing import Any

import numpy as np

import strings
from op_cases import Array, Case, In, const, fed, out, x
from op_draws import Draw, drawn

WORDS = (b"the", b"quick", b"brown", b"f\xc3\xb6x", b"jumps", b"o", b"v3r", b"lazy-dog")
SPACES = (b" ", b" ", b" ", b"  ", b"\t", b"\n ")


def skip_gram(text: In, size: int, skips: int, shorter: bool, **more: Any) -> Case:
    options = {"ngram_size": size, "max_skip_size": skips, "include_all_ngrams": shorter}
    label = more.pop("label", f"{size}_{skips}_{shorter}")
    return Case("SKIP_GRAM", [text], [out("string", shape=(1,))], options, label=label, **more)


def text_of(text: bytes, *, constant: bool = False) -> In:
    return (const if constant else fed)(np.array([text], object), "string")


def any_skip_gram(draw: Draw) -> Case:
    words = [draw.pick(WORDS) for _ in range(draw.number(3, 7))]
    text = b"".join(word + draw.pick(SPACES) for word in words).strip()
    if draw.chance(0.3):
        text = b" " * draw.number(0, 2) + text + b" " * draw.number(0, 2)
    return skip_gram(text_of(text), draw.number(1, 3), draw.number(0, 3), draw.chance(0.5))


def skip_grams() -> list[Case]:
    text = text_of(b"one two three")
    return [
        *drawn("SKIP_GRAM", any_skip_gram),
        skip_gram(text, 2, -1, True, label="noskips"),
        skip_gram(text, 3, 2**31 - 1, False),
        skip_gram(text_of(b" ".join(b"%d" % i for i in range(40))), 4, 3, True, label="many"),
        # Only what can be completed is walked through.
        skip_gram(text_of(b" ".join(b"%d" % i for i in range(40))), 39, 40, False, label="long",
                  expected=long_grams, why="TFLite tries every beginning, whose number doubles with each word"),
        skip_gram(fed(np.array([[b"a b"], [b"c d"]], object), "string"), 2, 0, False, label="firstonly"),
        skip_gram(text, 4, 1, True),
        skip_gram(text, 0, 1, True),
        skip_gram(text, -3, 1, False),
        skip_gram(text_of(b""), 1, 1, False),
        skip_gram(In(shape=(0,), dtype="string", value=[]), 2, 0, False, error="input has no string"),
        skip_gram(x(1, dtype="int64"), 2, 0, False, error="is int64; it must be string"),
        Case("SKIP_GRAM", [text], [out("int64")], error="output is int64, not string"),
        Case("SKIP_GRAM", [text, text], [out("string")], error="has 2 inputs"),
    ]  # fmt: skip


def long_grams(arrays: list[Array]) -> list[Array]:
    words = arrays[0][0].split()
    return [strings.array(*(b" ".join(words[:i] + words[i + 1 :]) for i in reversed(range(len(words)))))]


def lookup(wanted: In, keys: In, values: In, **more: Any) -> Case:
    return Case("HASHTABLE_LOOKUP", [wanted, keys, values], [out(values.dtype), out("uint8")], **more)


def any_lookup(draw: Draw) -> Case:
    dtype = draw.pick(("float32", "int8", "uint8", "int16", "int32", "int64", "bool", "float16", "string"))
    count = draw.number(1, 12)
    keys = np.sort(draw.rng.choice(np.arange(-20, 20), count, replace=draw.chance(0.2)))
    found = draw.rng.choice(keys, draw.number(1, 8))
    wanted = np.where(draw.rng.random(len(found)) < 0.3, draw.rng.integers(-25, 25, len(found)), found)
    if dtype == "string":
        values = (const if draw.chance(0.3) else fed)(np.array([b"%d" % i for i in range(count)], object), dtype)
    else:
        values = draw.operand((count, *draw.shape(0, 3, limit=50)), dtype=dtype)
    keep = const if draw.chance(0.5) else fed
    return lookup(fed(wanted, "int32"), keep(keys, "int32"), values)


def lookups() -> list[Case]:
    keys, values = const([1, 3, 5]), x(3, 2)
    rows = np.array([[b"a", b"b"], [b"c", b"d"], [b"e", b"f"]], object)

    def rows_found(arrays: list[Array]) -> list[Array]:
        return [strings.array(b"e", b"f", b"", b"", shape=(2, 2)), np.array([1, 0], np.uint8)]

    return [
        *drawn("HASHTABLE_LOOKUP", any_lookup),
        lookup(fed([5, 1, 2, 9], "int32"), const([5, 1, 9, 2]), x(4), label="unsorted"),
        lookup(fed([5, 2], "int32"), keys, fed(rows, "string"), expected=rows_found,
               why="TFLite takes vectors of strings only"),
        lookup(fed([1, -(2**31)], "int32"), const([]), x(0, 2), label="empty",
               expected=lambda _: [np.zeros((2, 2), np.float32), np.zeros(2, np.uint8)],
               why="TFLite refuses an empty table"),
        lookup(fed([1], "int64"), keys, values, error="keys are int64.1., not a vector of int32"),
        lookup(fed([[1]], "int32"), keys, values, error="keys are int32.1, 1., not a vector of int32"),
        lookup(fed([1], "int32"), const([1, 2]), values, error="2 keys for values of shape .3, 2."),
        lookup(fed([1], "int32"), keys, x(), error="3 keys for values of shape"),
        Case("HASHTABLE_LOOKUP", [keys, keys, values], [out(), out("int32")], error="hits are int32"),
        Case("HASHTABLE_LOOKUP", [keys, keys, values], [out("int8"), out("uint8")], error="output is int8"),
        Case("HASHTABLE_LOOKUP", [keys, keys, values], [out()], error="has 1 outputs"),
    ]  # fmt: skip


CASES = [*skip_grams(), *lookups()]
