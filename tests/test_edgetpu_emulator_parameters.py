"""Parameters, inputs, outputs and scratch on the emulated Coral: as received, kept and lost as on a chip."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgetpu_instructions import program
from edgetpu_packages import (
    INPUT,
    OUTPUT,
    PARAMETERS,
    SCRATCH,
    STAND_ALONE,
    Executable,
    Scalar,
    bitstream,
    compiled_files,
    data,
    fence,
    instructions,
    interrupt,
    layer,
    package,
    package_in,
)
from edgetpu_small_program import CACHED, IN, OUT, Bytes, coral_with, echo, infer, made, rules
from shared_models import needs_shared
from subgraft.backends.edgetpu.emulator import EmulatedProgram
from subgraft.backends.edgetpu.emulator.numerics import Damaged
from subgraft.backends.edgetpu.package import Package

# Parameters on the chip.


def test_streamed_parameters_follow_the_cached_ones() -> None:
    seen: list[bytes] = []
    compiled, filling, running = made(streamed=b"streamed")
    coral, client = coral_with(EmulatedProgram(compiled, echo(seen)), check_bytes=True)
    client.store([filling], bytes(range(CACHED)))
    for _ in range(2):
        infer(client, running, streamed=b"streamed")
    assert seen == [bytes(range(CACHED)) + b"streamed"] * 2
    assert coral.violations == ()


def test_the_computation_gets_what_was_received_and_not_what_the_package_has() -> None:
    seen: list[bytes] = []
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo(seen)))
    client.store([filling], b"\xff" * CACHED)
    infer(client, running)
    assert seen == [b"\xff" * CACHED]
    assert coral.violations == ()


def test_the_check_of_bytes_names_the_first_wrong_one() -> None:
    compiled, filling, _ = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo(), name="it"), check_bytes=True)
    wrong = bytearray(range(CACHED))
    wrong[7] ^= 1
    wrong[50] ^= 1
    client.store([filling], bytes(wrong))
    (violation,) = coral.violations
    assert violation.text == "2 bytes of the parameters of it are not the package's, the first of them 7"


def test_a_program_without_its_parameters_computes_with_what_is_there() -> None:
    seen: list[bytes] = []
    compiled, _, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo(seen)))
    infer(client, running)
    assert rules(coral) == ["stale"]
    assert len(seen[0]) == CACHED and seen[0] != bytes(range(CACHED))


@pytest.mark.parametrize("lose", ["sleep", "reset", "unplug"])
def test_parameters_are_lost_with_the_power(lose: str) -> None:
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    client.store([filling], bytes(range(CACHED)))
    if lose == "sleep":
        client.sleep()
    elif lose == "reset":
        coral.bus_reset()
    else:
        coral.unplug()
        coral.plug("app")
    client.open()
    infer(client, running)
    assert rules(coral) == ["stale"]


def test_parameters_of_another_token_overwrite_and_those_of_the_same_stay() -> None:
    seen: list[bytes] = []
    ours, beside, other = (made(token, seed, bytes([seed]) * CACHED) for token, seed in ((1, 1), (1, 2), (2, 3)))
    coral, client = coral_with(*(EmulatedProgram(m[0], echo(seen)) for m in (ours, beside, other)))
    client.store([ours[1]], b"\1" * CACHED)
    client.store([beside[1]], b"\2" * CACHED)
    for m in (ours, beside, ours):
        infer(client, m[2])
    assert seen == [b"\1" * CACHED, b"\2" * CACHED, b"\1" * CACHED]
    assert coral.violations == ()
    client.store([other[1]], b"\3" * CACHED)
    infer(client, ours[2])
    assert rules(coral) == ["stale"]
    assert seen[-1] == b"\3" * CACHED  # what lies there now
    infer(client, other[2])  # which the program before it overwrote
    assert rules(coral) == ["stale", "stale"]


def test_a_program_without_a_token_leaves_nothing_on_the_chip() -> None:
    kept, none = made(1, 1), made(0, 2)
    coral, client = coral_with(EmulatedProgram(kept[0], echo()), EmulatedProgram(none[0], echo()))
    client.store([none[1]], bytes(range(CACHED)))
    infer(client, none[2])
    assert coral.violations == ()
    infer(client, none[2])
    assert rules(coral) == ["stale"]
    client.store([kept[1]], bytes(range(CACHED)))
    infer(client, none[2])
    infer(client, kept[2])
    assert rules(coral) == ["stale"] * 3


def test_parameters_that_came_in_part_are_none() -> None:
    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, echo()))
    client.store([filling], bytes(range(CACHED)))
    client.send(0, filling)  # begins to overwrite them
    client.out(struct.pack("<II", CACHED, 2) + bytes(10))
    client.sleep()
    coral.bus_reset()
    client.open()
    infer(client, running)
    assert rules(coral) == ["stale"]


def test_programs_that_look_alike_use_the_parameters_of_whoever_was_last() -> None:
    seen: list[bytes] = []
    first, second = made(1, 0, b"\1" * CACHED), made(2, 0, b"\2" * CACHED)
    assert first[1:] == second[1:]
    _, client = coral_with(*(EmulatedProgram(m[0], echo(seen)) for m in (first, second)), check_bytes=True)
    client.store([first[1]], b"\1" * CACHED)
    infer(client, first[2])
    client.store([first[1]], b"\2" * CACHED)
    infer(client, first[2])
    assert seen == [b"\1" * CACHED, b"\2" * CACHED]


# Inputs and outputs of any form.


def stand_alone(hints: Sequence[dict[int, object]], *dmas: tuple[int, int]) -> tuple[Package, bytes]:
    code = program(*dmas)
    content = package(
        Executable(
            STAND_ALONE,
            [bitstream(code)],
            [instructions(0), *hints, interrupt(0)],
            inputs=[layer("a", (2, 5, 4), 2, size=40, dtype=8), layer("b", (1, 1, 4), 2, size=8, dtype=9)],
            outputs=[layer("out", (1, 1, OUT), 1)],
            slots={4: Scalar("Int32", 96)},
        )
    )
    return Package.parse(content), code


def test_signed_inputs_are_turned_back_and_padding_is_cut_off() -> None:
    seen: list[list[Bytes]] = []
    hints = [data(INPUT, 0, 48, "a"), data(INPUT, 0, 8, "b"), data(OUTPUT, 0, OUT, "out", outfeed=True)]
    compiled, code = stand_alone(hints, (1, 56), (3, OUT), (4, 0))

    def compute(parameters: bytes, inputs: list[Bytes]) -> list[Bytes]:
        seen.append(inputs)
        return [np.zeros(OUT, np.uint8)]

    _, client = coral_with(EmulatedProgram(compiled, compute))
    signed, wide = np.arange(-20, 20, dtype=np.int8), np.array([-300, 0, 1, 300], np.int16)
    client.send(0, code)
    client.send(1, (signed.view(np.uint8) ^ 0x80).tobytes() + b"padding!")
    client.send(1, (wide.view(np.uint16) ^ 0x8000).tobytes())
    assert len(client.take(0x81, 1024)) == OUT
    ((a, b),) = seen
    assert a.dtype == np.int8 and a.shape == (2, 5, 4) and a.reshape(-1).tolist() == signed.tolist()
    assert b.dtype == np.int16 and b.reshape(-1).tolist() == wide.tolist()


def test_overlapping_inputs_are_joined_and_must_agree() -> None:
    hints = [data(INPUT, 0, 30, "a"), data(INPUT, 20, 20, "a"), data(INPUT, 0, 8, "b")]
    compiled, code = stand_alone(
        [*hints, data(OUTPUT, 0, OUT, "out", outfeed=True)], (1, 30), (1, 20), (1, 8), (3, OUT), (4, 0)
    )
    seen: list[Bytes] = []

    def compute(parameters: bytes, inputs: list[Bytes]) -> list[Bytes]:
        seen.append(inputs[0])
        return [np.zeros(OUT, np.uint8)]

    coral, client = coral_with(EmulatedProgram(compiled, compute))
    whole = bytes(range(0x80, 0x80 + 40))
    for wrong in (0, 1):
        client.send(0, code)
        client.send(1, whole[:30])
        client.send(1, bytes([whole[20] ^ wrong]) + whole[21:])
        client.send(1, bytes(8))
        client.take(0x81, 1024)
    assert rules(coral) == ["overlap"]
    assert seen[0].reshape(-1).tolist() == list(range(40))


def test_scratch_goes_out_and_must_come_back_as_it_was() -> None:
    hints = [
        data(INPUT, 0, 40, "a"),
        data(INPUT, 0, 8, "b"),
        data(SCRATCH, 0, 64, outfeed=True),
        fence(),
        data(SCRATCH, 16, 32),
        fence(),
        data(OUTPUT, 0, OUT, "out", outfeed=True),
    ]
    compiled, code = stand_alone(hints, (1, 48), (3, 64), (1, 32), (3, OUT), (4, 0))
    taught = EmulatedProgram(compiled, lambda parameters, inputs: [np.zeros(OUT, np.uint8)])
    assert taught.inference.from_bitstream
    coral, client = coral_with(taught)
    for wrong in (False, True):
        client.send(0, code)
        client.send(1, bytes(48))
        scratch = client.take(0x81, 1024)
        assert len(scratch) == 64 and scratch != bytes(64)
        client.send(1, bytes(32) if wrong else scratch[16:48])
        client.take(0x81, 1024)
    assert rules(coral) == ["scratch"]


def test_padding_of_outputs_is_random_and_the_tensor_is_not() -> None:
    compiled, filling, running = made()
    inference = compiled.inference
    padded = replace(inference.outputs[0], z=50, y=1, x=1)
    changed = replace(
        compiled, executables=(compiled.executables[0], replace(compiled.executables[1], outputs=(padded,)))
    )
    _, client = coral_with(EmulatedProgram(changed, lambda p, i: [np.arange(50, dtype=np.uint8)]))
    client.store([filling], bytes(CACHED))
    first, second = infer(client, running), infer(client, running)
    assert first[:50] == second[:50] == bytes(range(50))
    assert first[50:] != second[50:]


def test_patterns_depend_on_parameters_and_inputs_alone() -> None:
    compiled, filling, running = made()
    _, client = coral_with(EmulatedProgram(compiled))
    client.store([filling], bytes(CACHED))
    first, again, other = infer(client, running), infer(client, running), infer(client, running, b"x" * IN)
    assert first == again != other
    client.store([filling], b"\1" * CACHED)
    assert infer(client, running) != first


@needs_shared
@pytest.mark.parametrize("path", compiled_files()[:1], ids=lambda path: path.stem)
def test_the_same_program_may_be_taught_to_several_devices(path: Path) -> None:
    taught = EmulatedProgram(package_in(path))
    corals = [coral_with(taught) for _ in range(2)]
    caching = taught.package.parameter_caching
    assert caching
    for _, client in corals:
        client.store([caching.bitstreams[0].data], caching.parameters)
    assert all(coral.counts()["parameters stored"] == 1 for coral, _ in corals)


def test_parameters_with_which_nothing_can_be_computed_give_nonsense_and_are_noticed() -> None:
    def compute(parameters: bytes, inputs: list[Bytes]) -> list[Bytes]:
        raise Damaged("no such zero point")

    compiled, filling, running = made()
    coral, client = coral_with(EmulatedProgram(compiled, compute, name="it"))
    client.store([filling], bytes(CACHED))
    assert len(infer(client, running)) == OUT
    (violation,) = coral.violations
    assert (violation.rule, violation.text) == ("damaged", "it computes nonsense: no such zero point")


def test_outputs_between_streamed_parameters_depend_on_those_that_came() -> None:
    seen: list[bytes] = []
    code = program((1, IN), (2, 16), (3, 40), (2, 48), (3, 40), (4, 0))
    hints = [instructions(0), data(INPUT, 0, IN, "in"), data(PARAMETERS, 0, 16)]
    hints += [data(OUTPUT, 0, 40, "out", outfeed=True), data(PARAMETERS, 16, 48)]
    compiled = Package.parse(
        package(
            Executable(
                STAND_ALONE,
                [bitstream(code)],
                [*hints, data(OUTPUT, 40, 40, "out", outfeed=True), interrupt(0)],
                parameters=bytes(range(CACHED)),
                inputs=[layer("in", (1, 1, 40), 2, size=IN)],
                outputs=[layer("out", (1, 1, OUT), 1)],
            )
        )
    )
    _, client = coral_with(EmulatedProgram(compiled, echo(seen)))
    client.send(0, code)
    client.send(1, bytes(range(IN)))
    client.send(2, b"\xff" * 16)
    assert client.take(0x81, 1024) == bytes(range(40))
    client.send(2, b"\xee" * 48)
    assert client.take(0x81, 1024) == bytes(range(40))
    assert seen == [b"\xff" * 16 + bytes(range(16, CACHED)), b"\xff" * 16 + b"\xee" * 48]
