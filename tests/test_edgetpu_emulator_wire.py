"""The emulated Coral's endpoints: packets, sizes, order and cancelling; and what hostile hosts do to it."""

from __future__ import annotations

import random
import struct
import threading
from collections.abc import Sequence

import pytest

from edgetpu_raw_client import Ended, Unanswered
from edgetpu_small_program import CACHED, IN, OUT, coral_with, echo, infer, made
from subgraft.backends.edgetpu.emulator import EmulatedProgram, Urb
from subgraft.backends.edgetpu.emulator.pipes import InPipe
from subgraft.backends.edgetpu.emulator.stream import Header, Payload, Stream


class Reader:
    """An IN endpoint by itself."""

    def __init__(self, packet_bytes: int) -> None:
        self.ended: list[tuple[str, int]] = []
        self.data = b""
        self.pipe = InPipe(packet_bytes, self._take)

    def _take(self, urb: Urb, status: str, data: bytes) -> bool:
        self.ended.append((status, len(data)))
        self.data += data
        return True

    def post(self, *lengths: int) -> None:
        for length in lengths:
            self.pipe.post(Urb(0x81, length))


@pytest.mark.parametrize(
    ("packet", "chunk", "size", "lengths", "ended"),
    [
        # USB 3 with chunks of a packet: only the last packet is short.
        (1024, 1024, 1008, [1024], [1008]),
        (1024, 1024, 3000, [1024, 1024, 1024], [1024, 1024, 952]),
        (1024, 1024, 3000, [32768], [3000]),
        (1024, 1024, 3072, [3072], [3072]),
        (1024, 1024, 3000, [2048, 2048], [2048, 952]),
        # Smaller chunks: each ends a transfer.
        (1024, 256, 1000, [1024] * 4, [256, 256, 256, 232]),
        (512, 256, 1000, [1024] * 4, [256, 256, 256, 232]),
        # USB 2 with chunks of two packets.
        (512, 1024, 3000, [4096], [3000]),
        (512, 1024, 3000, [512] * 6, [512] * 5 + [440]),
        # Transfers of exactly what comes.
        (1024, 1024, 1008, [1008], [1008]),
        (1024, 256, 512, [256, 256], [256, 256]),
    ],
)
def test_a_transfer_ends_when_it_is_full_or_with_a_short_packet(
    packet: int, chunk: int, size: int, lengths: Sequence[int], ended: Sequence[int]
) -> None:
    for first_data in (False, True):
        reader, data = Reader(packet), random.Random(0).randbytes(size)
        if first_data:
            reader.pipe.push(data, chunk)
        reader.post(*lengths)
        if not first_data:
            reader.pipe.push(data, chunk)
        assert reader.ended == [("OK", count) for count in ended]
        assert reader.data == data
        assert not reader.pipe.has_data


def test_a_packet_that_does_not_fit_is_an_overflow_and_lost() -> None:
    reader = Reader(1024)
    reader.post(1000, 1500, 1024)
    reader.pipe.push(bytes(4000), 1024)
    assert reader.ended == [("OVERFLOW", 0), ("OVERFLOW", 1024), ("OK", 928)]


def test_a_transfer_goes_on_with_the_next_data_where_no_short_packet_ended_the_last() -> None:
    reader = Reader(1024)
    reader.post(4096)
    reader.pipe.push(b"a" * 2048, 1024)
    assert reader.ended == []
    reader.pipe.push(b"b" * 100, 1024)
    assert reader.ended == [("OK", 2148)]
    assert reader.data == b"a" * 2048 + b"b" * 100


def test_what_a_cancelled_transfer_had_is_told() -> None:
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    read = client.read_later(0x81, 4096)
    client.store([filling], bytes(CACHED))
    client.coral.log.clear()
    other = client.read_later(0x81, 4096)
    assert coral.cancel(other)
    client.send(0, running)
    client.send(1, bytes(range(IN)))
    assert client.finish(read).actual == OUT  # 80 bytes are a short packet
    assert not coral.cancel(read)
    assert (other.status, other.actual) == ("CANCELLED", 0)


def test_a_cancelled_write_tells_how_much_was_taken() -> None:
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    client.store([filling], bytes(CACHED))
    stream = b"".join(
        struct.pack("<II", len(data), tag) + data for tag, data in ((0, running), (1, bytes(IN)), (0, running))
    )
    write = client.start(Urb(0x01, len(stream), stream))
    assert not write.status  # it waits until the output is read
    assert coral.cancel(write)
    assert write.actual == len(stream) - len(running) - 8


def test_a_transfer_may_be_started_again_and_not_twice() -> None:
    _, client = coral_with()
    read = client.read_later(0x82, 16)
    with pytest.raises(ValueError, match="pending"):
        client.start(read)
    client.coral.cancel(read)
    client.start(read)
    assert client.coral.cancel(read)


def test_endpoints_that_do_not_exist_are_not_found() -> None:
    _, client = coral_with()
    for endpoint in (0x04, 0x84, 0x00):
        with pytest.raises(Ended, match="NOT_FOUND"):
            client.finish(client.start(Urb(endpoint, 8, bytes(8) if endpoint < 0x80 else b"")))


def test_the_endpoints_of_other_firmware_are_there_and_take_nothing() -> None:
    coral, client = coral_with()
    for endpoint in (0x02, 0x03):
        with pytest.raises(Unanswered):
            client.out(bytes(8), endpoint)
    assert [violation.rule for violation in coral.violations] == ["endpoint"] * 2


def test_who_waits_is_told_in_order_and_may_go_on_from_there() -> None:
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    client.store([filling], bytes(CACHED))
    ended: list[int] = []
    steps = [struct.pack("<II", len(running), 0), running, struct.pack("<II", IN, 1), bytes(IN)]

    def go_on(urb: Urb) -> None:
        ended.append(urb.endpoint)
        if steps and urb.endpoint == 0x01:
            data = steps.pop(0)
            coral.submit(Urb(0x01, len(data), data), go_on)

    coral.submit(Urb(0x81, 1024), go_on)
    coral.submit(Urb(0x82, 16), go_on)
    go_on(Urb(0x01, 0, b""))
    assert ended == [0x01, 0x01, 0x01, 0x01, 0x81, 0x82, 0x01]


def test_several_threads_may_use_it_at_once() -> None:
    coral, client = coral_with()
    failed: list[BaseException] = []

    def read_registers() -> None:
        try:
            for _ in range(200):
                assert client.read(0x1A318, 4) >> 8 & 3 == 0
        except BaseException as error:  # told to the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=read_registers) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert failed == []
    assert coral.counts()["control"] == 800


def test_the_stream_is_cut_by_its_headers_alone() -> None:
    payloads = [Payload(tag, random.Random(tag).randbytes(size)) for tag, size in ((0, 5), (1, 0), (2, 100), (3, 1))]
    data = b"".join(struct.pack("<IBBBB", len(p.data), p.tag, 0, 0, 0) + p.data for p in payloads)
    expected = [x for p in payloads for x in (Header(p.tag, len(p.data), True), *([p] if p.data else []))]
    for seed in range(50):
        chance, stream, at = random.Random(seed), Stream(), 0
        found: list[Header | Payload] = []
        while at < len(data):
            used, item = stream.take(memoryview(data)[at : at + chance.randint(1, 40)])
            assert used > 0
            at += used
            found += [item] if item else []
        assert found == expected
        assert stream.between_payloads


@pytest.mark.parametrize("seed", range(30))
def test_random_bytes_neither_break_nor_hang_it(seed: int) -> None:
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    chance = random.Random(seed)
    pieces = [filling, running, bytes(CACHED), bytes(IN), struct.pack("<II", len(filling), 0)]
    urbs: list[Urb] = []
    for _ in range(200):
        choice = chance.randrange(8)
        if choice < 3:
            data = chance.choice([chance.randbytes(chance.randrange(64)), chance.choice(pieces)])
            if chance.random() < 0.7:
                data = struct.pack("<IBBBB", len(data), chance.randrange(5), 0, 0, 0) + data
            urbs.append(client.start(Urb(chance.choice([1, 1, 1, 2, 3, 7]), len(data), data)))
        elif choice < 5:
            urbs.append(client.start(Urb(chance.choice([0x81, 0x82, 0x83, 0x84]), chance.choice([0, 1, 4, 16, 1024]))))
        elif choice == 5:
            setup = chance.randbytes(6) + struct.pack("<H", chance.randrange(20))
            length = struct.unpack_from("<H", setup, 6)[0]
            urbs.append(client.start(Urb(0, length, b"" if setup[0] & 0x80 else bytes(length), setup)))
        elif choice == 6 and urbs:
            coral.cancel(chance.choice(urbs))
        elif chance.random() < 0.1:
            chance.choice([coral.bus_reset, coral.unplug, coral.plug, client.sleep_quietly])()
    coral.unplug()
    assert all(urb.status for urb in urbs)
    coral.plug("app")
    client.open()
    coral.clear_log()
    client.store([filling], bytes(CACHED))
    assert infer(client, running)[:40] == bytes(range(40))
    assert coral.violations == ()


def test_a_header_that_announces_gigabytes_costs_nothing() -> None:
    coral, client = coral_with(EmulatedProgram(made()[0], echo()))
    for tag in range(16):
        with pytest.raises(Unanswered):
            client.out(struct.pack("<IBBBB", 0xFFFFFFFF, tag, 0, 0, 0) + bytes(64))
        coral.bus_reset()
        client.open()


def test_what_it_remembers_is_bounded() -> None:
    coral, client = coral_with()
    for _ in range(6000):
        client.read(0x1A318, 4)
    assert len(coral.trace) < 6000
    assert coral.counts()["control"] == 6000
    for _ in range(2000):
        with pytest.raises(Ended):
            client.read(0x1, 4)
    assert len(coral.violations) < 2000
    assert coral.counts()["violation register"] == 2000
