"""Flexbuffers against Google's own implementation, and damaged ones."""

from __future__ import annotations

import random
import struct
from typing import Any

import pytest
from flatbuffers import flexbuffers
from hypothesis import given
from hypothesis import strategies as st

from subgraft.delegates import ModelError
from subgraft.delegates.flexbuffer import encode
from subgraft.interpreter.native import _native

decode = _native.decode_flexbuffer

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
    | st.binary(max_size=20)
)
keys = st.text(
    st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=8
)  # as the Python package reads them
values = st.recursive(scalars, lambda v: st.lists(v, max_size=4) | st.dictionaries(keys, v, max_size=4), max_leaves=12)


@given(values)
def test_what_is_encoded_decodes_to_itself(value: Any) -> None:
    assert decode(encode(value)) == value


@given(values)
def test_google_reads_what_we_write(value: Any) -> None:
    assert flexbuffers.Loads(encode(value)) == (bytearray(value) if isinstance(value, bytes) else value)


def test_we_read_what_google_writes() -> None:
    value = {
        "h_scale": 5.0,
        "max_detections": 20,
        "negative": -300,
        "large": 2**40,
        "use_regular_nms": False,
        "name": "detections",
        "nested": {"list": [1, "two", 3.0, None]},
    }
    assert decode(bytes(flexbuffers.Dumps(value))) == value


def builder_with(fill: Any) -> bytes:
    builder = flexbuffers.Builder()
    fill(builder)
    return bytes(builder.Finish())


@pytest.mark.parametrize(
    ("fill", "value"),
    [
        (lambda b: b.TypedVectorFromElements([1, 2, 300, -4, 5]), [1, 2, 300, -4, 5]),
        (lambda b: b.TypedVectorFromElements([1.5, 2.5]), [1.5, 2.5]),
        (lambda b: b.TypedVectorFromElements([True, False]), [True, False]),
        (lambda b: b.FixedTypedVectorFromElements([1, 2]), [1, 2]),
        (lambda b: b.FixedTypedVectorFromElements([1.0, 2.0, 4.0]), [1.0, 2.0, 4.0]),
        (lambda b: b.IndirectInt(-70000), -70000),
        (lambda b: b.IndirectUInt(70000), 70000),
        (lambda b: b.IndirectFloat(0.25), 0.25),
        (lambda b: b.UInt(7), 7),
        (lambda b: b.Key("key"), "key"),
        (lambda b: b.Blob(b"\x00\xff"), b"\x00\xff"),
    ],
)
def test_every_type_of_the_format_is_read(fill: Any, value: Any) -> None:
    decoded = decode(builder_with(fill))
    assert decoded == value
    assert type(decoded) is type(value)


def test_binary_data_in_a_string_arrives_as_bytes() -> None:
    encoded = encode("text").replace(b"text", b"t\xff\xfet")
    assert decode(encoded) == b"t\xff\xfet"


def test_an_int_over_64_bits_is_refused() -> None:
    with pytest.raises(OverflowError, match=f"{2**64} does not fit 64 bits"):
        encode(2**64)


def test_a_value_without_a_type_is_refused() -> None:
    with pytest.raises(TypeError, match="flexbuffers have no set"):
        encode({"a": {1}})


@pytest.mark.parametrize("length", range(60))
def test_a_truncated_buffer_is_refused_or_read(length: int) -> None:
    whole = encode({"a": [1, 2.5, "text"], "b": {"c": b"blob"}})
    try:
        decode(whole[:length])
    except ModelError:
        return


def test_no_damage_does_worse_than_an_error() -> None:
    rng = random.Random(1)
    whole = bytes(flexbuffers.Dumps({"a": [1, 2.5, "text", [True]], "b": {"c": 300, "d": None}}))
    refused = 0
    for _ in range(20_000):
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        try:
            decode(bytes(damaged))
        except ModelError:
            refused += 1
    assert refused > 5000


def vector(out: bytearray, slots: list[int], packed: int) -> int:
    """Appends a vector of 8-byte slots; returns where its first element is."""
    out += struct.pack("<Q", len(slots))
    start = len(out)
    out += struct.pack(f"<{len(slots)}Q", *slots) + bytes([packed] * len(slots))
    return start


def finished(out: bytearray, target: int) -> bytes:
    return bytes(out) + struct.pack("<Q", len(out) - target) + bytes([VECTOR, 8])


INT, VECTOR = 1 << 2 | 3, 10 << 2 | 3


def test_a_vector_that_holds_itself_is_refused() -> None:
    out = bytearray()
    start = vector(out, [0], VECTOR)
    with pytest.raises(ModelError, match="nested over 64 deep"):
        decode(finished(out, start))


def test_deep_nesting_is_refused() -> None:
    value: Any = 1
    for _ in range(70):
        value = [value]
    with pytest.raises(ModelError, match="nested over 64 deep"):
        decode(encode(value))


def test_vectors_that_share_vectors_do_not_unfold_without_end() -> None:
    out = bytearray()
    target = vector(out, [1] * 100, INT)
    for _ in range(9):  # 100^10 values in 9 KB
        start = len(out) + 8
        target = vector(out, [start + 8 * i - target for i in range(100)], VECTOR)
    with pytest.raises(ModelError, match="refers to the same data over and over"):
        decode(finished(out, target))
