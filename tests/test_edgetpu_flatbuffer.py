"""Flatbuffers written and read."""

from __future__ import annotations

import numpy as np

from subgraft.backends.edgetpu.emulator.compiler.flatbuffer_writer import (
    Structs,
    flatbuffer,
    float32,
    int8,
    int16,
    int32,
)
from subgraft.backends.edgetpu.flatbuffer import INT16, UINT8, Flatbuffer


def test_what_is_written_is_read_again() -> None:
    written = flatbuffer(
        {
            0: int8(7),
            1: {0: int32(-5), 3: int16(9)},
            2: "text",
            4: b"bytes",
            5: [{0: int32(i)} for i in range(3)],
            6: (b"one", b"two"),
            7: np.array([1, -2, 3]),
            8: Structs(np.array([1, 2, 3, 4]), 2),
            9: float32(0.25),
            10: {},
        },
        b"TEST",
    )
    assert written[4:8] == b"TEST"
    table = Flatbuffer(memoryview(written), "a test").root()
    assert table.integer(0, layout=UINT8) == 7
    inner = table.table(1)
    assert inner and (inner.integer(0), inner.integer(1, default=4), inner.integer(3, layout=INT16)) == (-5, 4, 9)
    assert (table.text(2), table.content(4), table.has(3)) == ("text", b"bytes", False)
    assert [element.integer(0) for element in table.tables(5, 3)] == [0, 1, 2]
    assert [bytes(view) for view in table.views(6, 2)] == [b"one", b"two"]
    assert table.integers(7).tolist() == [1, -2, 3]
    assert table.integers(8, per_element=2).tolist() == [1, 2, 3, 4]
    assert table.real(9) == 0.25
    assert table.table(10) is not None
