"""Programs on the emulated Coral: found by their instructions, driven by the DMAs that are in them."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
import pytest

from edgetpu_instructions import emit, half_address_bits, move, program, word
from edgetpu_packages import (
    FOLDER,
    compiled_files,
    package_in,
)
from edgetpu_raw_client import Unanswered, event
from edgetpu_small_program import CACHED, IN, OUT, coral_with, echo, infer, made, rules
from shared_models import needs_shared
from subgraft.backends.edgetpu.emulator import EmulatedCoral, EmulatedProgram
from subgraft.backends.edgetpu.emulator.bitstream import Descriptor, scan

# What the instructions say.


def test_descriptors_are_read_from_the_words_that_emit_them() -> None:
    code = program((1, 150528), (2, 0xFFFFFFFF), seed=3) + emit(3, 1008, 0x1234567890ABCDEF) + emit(4, 0)
    assert scan(code) == (
        Descriptor(1, 150528, 0),
        Descriptor(2, 0xFFFFFFFF, 0),
        Descriptor(3, 1008, 0x1234567890ABCDEF),
        Descriptor(4, 0, 0),
    )


def test_a_register_is_read_before_the_same_word_sets_it() -> None:
    code = move(6, 11) + word(vector=0x0A, offset=2, source=6, scalar=0x2F, target=6, immediate=22)
    assert scan(code + word(vector=0x0C)) == (Descriptor(0, 11, 0),)


def test_what_is_no_program_has_no_descriptors_or_harmless_ones() -> None:
    assert scan(b"") == () == scan(bytes(15)) == scan(bytes(4096))
    random = np.random.default_rng(0)
    for size in (16, 160, 4096, 65536):
        words = np.frombuffer(random.bytes(size), "<u2").copy().reshape(-1, 8)
        words[:, 0] = 0x0800
        scan(words.tobytes())


@needs_shared
def test_the_dmas_in_the_instructions_agree_with_the_hints_of_nearly_all_compiled_models() -> None:
    agree, differ = [], []
    for path in compiled_files():
        taught = EmulatedProgram(package_in(path))
        for executable in (taught.caching, taught.inference):
            if executable:
                (agree if executable.from_bitstream else differ).append(f"{path.stem} {executable.program.kind}")
    assert differ == [
        "keras_lstm_mnist_ptq_edgetpu execution_only",  # a loop, and hints that are not complete
        "ssd_mobilenet_v2_coco_quant_postprocess_segment_1_of_2_edgetpu execution_only",  # words that look alike
    ]
    assert len(agree) == 34


@needs_shared
def test_a_program_whose_instructions_are_ambiguous_is_run_by_its_hints_and_said_to_be() -> None:
    coral = EmulatedCoral("app")
    path = FOLDER / "ssd_mobilenet_v2_coco_quant_postprocess_segment_1_of_2_edgetpu.tflite"
    coral.teach(EmulatedProgram(package_in(path), name="ssd"))
    assert coral.notes == (
        "ssd, execution_only: the scan of its instructions is ambiguous; its hints are used",
        "ssd: nothing computes it; its outputs are patterns without meaning",
    )


# Which program it is.


@pytest.mark.parametrize("addresses", [0, 0xFFFFFFFF, 0x12345678])
def test_a_program_is_found_whatever_addresses_are_in_it(addresses: int) -> None:
    compiled, filling, running = made()
    _, client = coral_with(EmulatedProgram(compiled, echo()))
    patched = bytearray(running)
    for bit in half_address_bits(running):
        at, shift = divmod(bit, 8)
        value = int.from_bytes(patched[at : at + 5], "little") & ~(0xFFFFFFFF << shift) | addresses << shift
        patched[at : at + 5] = value.to_bytes(5, "little")
    client.store([filling], bytes(range(CACHED)))
    assert infer(client, bytes(patched)) == np.resize(np.arange(40, dtype=np.uint8), OUT).tobytes()


@pytest.mark.parametrize("place", [0, 70 // 8 + 16, -1])
def test_one_wrong_bit_of_the_instructions_is_another_program(place: int) -> None:
    compiled, _, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    wrong = bytearray(running)
    wrong[place] ^= 0x10
    interrupt_read = client.read_later(0x83, 4)
    client.send(0, bytes(wrong))
    assert rules(coral) == ["unknown"]
    assert client.finish(interrupt_read).reply == struct.pack("<I", 1)
    assert client.read(0x486F0, 8) == client.read(0x48700, 8) != 0
    assert client.read(0x4C068, 8) == 1
    with pytest.raises(Unanswered):
        client.out(bytes(8))
    assert rules(coral) == ["unknown", "dead"]


def test_instructions_of_a_length_that_nobody_taught_are_refused_before_they_come() -> None:
    coral, client = coral_with()
    with pytest.raises(Unanswered):
        client.out(struct.pack("<II", 0xFFFFFFFF, 0) + bytes(100))
    assert rules(coral)[:1] == ["unknown"]


def test_a_forgotten_program_is_unknown() -> None:
    compiled, _, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    coral.forget()
    with pytest.raises(Unanswered):
        client.send(0, running)
    assert rules(coral)[:1] == ["unknown"]


# What it asks for.


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        ([(2, CACHED)], "64 bytes of parameters came while 48 bytes of input were awaited"),
        ([(1, IN + 1)], "49 bytes of input came while 48 bytes of input were awaited"),
        ([(1, 20), (1, IN - 19)], "29 bytes of input came while 28 bytes of input were awaited"),
        ([(3, IN)], "48 bytes of output came while 48 bytes of input were awaited"),
        ([(4, 0)], "0 bytes of tag 4 came while 48 bytes of input were awaited"),
        ([(1, 0)], "0 bytes of input came while 48 bytes of input were awaited"),
        ([(0, 16)], "16 bytes of instructions came while 48 bytes of input were awaited"),
    ],
)
def test_data_that_the_program_did_not_ask_for_are_fatal(sent: Sequence[tuple[int, int]], why: str) -> None:
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    client.store([filling], bytes(range(CACHED)))
    interrupt_read = client.read_later(0x83, 4)
    client.send(0, running)
    for tag, size in sent:
        try:
            client.send(tag, bytes(size))
        except Unanswered:
            break
    assert coral.violations[0].rule == "unwanted"
    assert coral.violations[0].text == why
    assert client.finish(interrupt_read).reply == struct.pack("<I", 1)


def test_data_without_a_program_are_fatal() -> None:
    coral, client = coral_with()
    with pytest.raises(Unanswered):
        client.send(1, bytes(8))
    assert coral.violations[0].text == "8 bytes of input came, and no program asks for data"


def test_without_its_interrupt_switched_on_a_fatal_error_is_silent() -> None:
    coral, client = coral_with()
    client.write(0x4C060, 8, 0)
    interrupt_read = client.read_later(0x83, 4)
    with pytest.raises(Unanswered):
        client.send(1, bytes(8))
    with pytest.raises(Unanswered):
        client.finish(interrupt_read)


def test_one_demand_may_be_met_by_several_payloads() -> None:
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    client.store([filling], bytes(range(CACHED)))
    client.send(0, running)
    client.send(1, bytes(range(17)))
    client.send(1, bytes(range(17, IN)))
    assert client.take(0x81, 1024)[:40] == bytes(range(40))
    assert coral.violations == ()


def test_after_a_fatal_error_a_port_reset_helps() -> None:
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    with pytest.raises(Unanswered):
        client.send(1, bytes(8))
    coral.bus_reset()
    client.open()
    client.store([filling], bytes(range(CACHED)))
    assert infer(client, running)[:40] == bytes(range(40))


def test_sleep_ends_a_program_but_not_the_payload_that_came_in_part() -> None:
    compiled, _, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    client.send(0, running)
    client.out(struct.pack("<II", IN, 1) + bytes(IN - 1))
    client.sleep()
    client.open()
    client.out(bytes(1))
    assert coral.violations[-1].text == "48 bytes came, and no program asks for data"
    coral.bus_reset()
    client.open()
    client.send(0, running)
    assert rules(coral) == ["unwanted"]


def test_a_new_payload_waits_until_the_output_is_read() -> None:
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    client.store([filling], bytes(range(CACHED)))
    client.send(0, running)
    client.send(1, bytes(range(IN)))
    with pytest.raises(Unanswered):
        client.send(0, running)
    assert rules(coral) == ["deadlock"]
    client.take(0x81, 1024)
    client.send(0, running)  # before the event of the last one is read
    assert rules(coral) == ["deadlock"]


def test_stale_output_stays_until_a_port_reset() -> None:
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    client.store([filling], bytes(range(CACHED)))
    client.send(0, running)
    client.send(1, bytes(range(IN)))
    client.sleep()
    client.open()
    assert len(client.take(0x81, 1024)) == OUT
    assert client.take(0x82, 16) == event(4)
    client.store([filling], bytes(range(CACHED)))
    client.send(0, running)
    client.send(1, bytes(range(IN)))
    coral.bus_reset()
    with pytest.raises(Unanswered):
        client.take(0x81, 1024)


def test_a_driver_that_leaves_its_event_off_is_told() -> None:
    compiled, filling, _ = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    client.write(0x4C148, 8, 0)
    with pytest.raises(Unanswered):
        client.store([filling], bytes(range(CACHED)))
    assert rules(coral) == ["silent"]


def test_asked_to_it_announces_every_dma_with_the_addresses_that_it_was_sent() -> None:
    compiled, filling, running = made()
    _, client = coral_with(EmulatedProgram(compiled, echo()))
    client.write(0x4C148, 8, 0xFF)
    client.send(0, filling)
    assert client.take(0x82, 16) == event(2, CACHED)
    client.send(2, bytes(CACHED))
    assert client.take(0x82, 16) == event(4)
    patched = bytearray(running)
    bit = half_address_bits(running)[0]
    patched[bit // 8 : bit // 8 + 5] = (
        int.from_bytes(patched[bit // 8 : bit // 8 + 5], "little") | 0xABCD << bit % 8
    ).to_bytes(5, "little")
    client.send(0, bytes(patched))
    assert client.take(0x82, 16) == event(1, IN, 0xABCD)
    client.send(1, bytes(IN))
    assert client.take(0x82, 16) == event(3, OUT)
    assert client.take(0x82, 16) == event(4)


def test_bits_of_a_header_that_mean_nothing_are_noticed() -> None:
    compiled, _, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    client.out(struct.pack("<IBBBB", len(running), 0x10, 0, 0, 0))
    client.out(running)
    client.out(struct.pack("<IBBBB", IN, 1, 0, 7, 0))
    assert rules(coral) == ["header", "header"]


@pytest.mark.parametrize("split", [1, 3, 8, 9, 50, 1000])
def test_transfers_may_cut_the_stream_anywhere(split: int) -> None:
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    stream = b"".join(
        struct.pack("<II", len(payload), tag) + payload
        for tag, payload in ((0, filling), (2, bytes(CACHED)), (0, running), (1, bytes(range(IN))))
    )
    for at in range(0, len(stream), split):
        client.out(stream[at : at + split])
    assert client.take(0x81, 1024)[:40] == bytes(range(40))
    assert [client.take(0x82, 16), client.take(0x82, 16)] == [event(4)] * 2
    assert coral.violations == ()
