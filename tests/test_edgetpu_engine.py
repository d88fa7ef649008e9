"""One inference over the wire: the bytes that go out, whatever way the answers come in, and how each failure ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from edgetpu_packages import Package, small_package
from edgetpu_player import Play, Player, completion, message
from subgraft._native import EdgeTpuEngine, EdgeTpuScript, Loopback
from subgraft.backends.edgetpu.relayout import tile
from subgraft.backends.edgetpu.scripts import native_script
from subgraft.delegates import Array

SUPER, HIGH = 5000, 480


@dataclass(frozen=True)
class Case:
    """small_package()'s inference, with its tensors and every byte on the wire."""

    script: EdgeTpuScript
    input: Array
    output: Array  # what it shall become
    heard: Sequence[bytes]  # bulk-out before the scratch comes in
    scratch: bytes
    sent: bytes  # the output, in its two parts

    def play(self, player: Player) -> Play:
        while True:
            yield from self.play_once(player)

    def play_once(self, player: Player) -> Play:
        yield from player.expect(b"".join(self.heard))
        yield from player.say(self.scratch)
        yield from player.expect(message(1, self.scratch[8:16]))
        yield from player.say(self.sent[:56])
        yield from player.say(self.sent[56:])
        yield from player.tell(completion())

    def empty(self) -> Array:
        return np.full_like(self.output, 77)


def case(seed: int = 0) -> Case:
    program = Package.parse(small_package()).inference
    (layer,) = program.outputs
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (4, 5, 3), np.uint8)
    y = rng.integers(-128, 128, (4, 5, 3)).astype(np.int8)
    padded = x.tobytes() + bytes(4)
    heard = [
        message(0, bytes(48)),
        message(1, padded[:40]),
        message(0, bytes(16)),
        message(1, padded[32:]),
        message(2, bytes(24)),
    ]
    return Case(native_script(program), x, y, heard, rng.bytes(16), tile(layer, y, rng))


@pytest.fixture(params=[SUPER, HIGH], ids=["usb3", "usb2"])
def device(request: pytest.FixtureRequest) -> Iterator[Loopback]:
    loopback = Loopback(request.param)
    yield loopback
    loopback.close()


def engine_on(device: Loopback, play: Callable[[Player], Play], **options: object) -> tuple[EdgeTpuEngine, Player]:
    return EdgeTpuEngine(device, **options), Player(device, play)  # type: ignore[arg-type]


def test_the_bytes_on_the_wire_are_those_of_the_transfers(device: Loopback) -> None:
    one = case()
    engine, player = engine_on(device, one.play)
    for _ in range(3):
        output = one.empty()
        engine.run(one.script, [one.input], [output], 5)
        assert player.error is None
        np.testing.assert_array_equal(output, one.output)


def test_a_header_goes_out_in_one_transfer_with_its_payload(device: Loopback) -> None:
    one = case()
    engine, player = engine_on(device, one.play)
    engine.run(one.script, [one.input], [one.empty()], 5)
    assert player.out_sizes == [56, 48, 24, 40, 32, 16]


def test_a_host_that_needs_headers_apart_gets_them(device: Loopback) -> None:
    one = case()
    engine, player = engine_on(device, one.play, header_apart=True, max_bulk_out_bytes=20)
    output = one.empty()
    engine.run(one.script, [one.input], [output], 5)
    assert player.out_sizes[:4] == [8, 20, 20, 8]  # header, 48 bytes
    np.testing.assert_array_equal(output, one.output)
