"""The Edge TPU that computes nothing, which benchmarks use."""

from __future__ import annotations

import struct

import pytest

from edgetpu_usb import EVENTS, IN, INTERRUPTS, OUT
from subgraft._native import NullDevice

COMPLETION = bytes([0] * 12 + [4, 0, 0, 0])
INSTRUCTIONS, INPUTS, PARAMETERS = 0, 1, 2


def payload(tag: int, size: int) -> bytes:
    return struct.pack("<IB3x", size, tag) + bytes(size)


def test_the_null_device_answers_a_request_once_its_inputs_are_there() -> None:
    device = NullDevice([b"abc", b"de"], inputs=2)
    reads = [device.submit_in(IN, 8), device.submit_in(IN, 8), device.submit_in(EVENTS, 16)]
    interrupt = device.submit_in(INTERRUPTS, 4, interrupt=True)
    first = device.submit_out(OUT, payload(INSTRUCTIONS, 64) + payload(INPUTS, 100))
    assert device.wait(5)
    assert [transfer.status for transfer in (first, *reads)] == ["COMPLETED", None, None, None]
    second = device.submit_out(OUT, payload(INPUTS, 100))
    assert device.wait(5)
    assert [transfer.data for transfer in reads] == [b"abc", b"de", COMPLETION]
    assert (second.status, interrupt.status) == ("COMPLETED", None)
    device.close()
    assert interrupt.status == "CANCELLED"


@pytest.mark.parametrize("step", [1, 3, 8, 50])
def test_the_null_device_reads_a_stream_however_it_is_cut(step: int) -> None:
    device = NullDevice([b"abcdefgh"])
    stream = payload(INSTRUCTIONS, 20) + payload(INPUTS, 0) + payload(INSTRUCTIONS, 20) + payload(INPUTS, 33)
    for at in range(0, len(stream), step):
        device.submit_out(OUT, stream[at : at + step])
    reads = [device.submit_in(IN, 5) for _ in range(5)]
    events = [device.submit_in(EVENTS, 16) for _ in range(3)]
    assert device.wait(5)
    assert [read.data for read in reads] == [b"abcde", b"fgh", b"abcde", b"fgh", b""]
    assert [event.status for event in events] == ["COMPLETED", "COMPLETED", None]
    assert reads[4].status is None


def test_the_null_device_completes_cached_parameters_but_not_streamed_ones_by_themselves() -> None:
    device = NullDevice([b"out"])
    events = [device.submit_in(EVENTS, 16) for _ in range(3)]
    caching = payload(INSTRUCTIONS, 64) + payload(PARAMETERS, 1000)
    inference = payload(INSTRUCTIONS, 64) + payload(INPUTS, 10) + payload(PARAMETERS, 1000)
    device.submit_out(OUT, caching + inference)
    assert device.wait(5)
    assert [event.status for event in events] == ["COMPLETED", None, None]
    read = device.submit_in(IN, 1024)
    assert device.wait(5)
    assert read.data == b"out"
    assert [event.status for event in events] == ["COMPLETED", "COMPLETED", None]
