"""One inference over the wire: the bytes that go out, and every way in which the answers may come in."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from edgetpu_packages import Package, compiled_files, package_in, small_package, tiled_layer
from edgetpu_player import DATA, EVENT, INTERRUPT, OUT, Case, Play, Player, completion, echo, message
from shared_models import needs_shared
from subgraft._native import EdgeTpuEngine, EdgeTpuScript, Loopback
from subgraft.backends.edgetpu.layer import Layer
from subgraft.backends.edgetpu.relayout import flip_mask, relayout, runs, tile
from subgraft.backends.edgetpu.scripts import native_script
from subgraft.delegates import Rejected
from waiting import until

SUPER, HIGH = 5000, 480


@pytest.fixture(params=[SUPER, HIGH], ids=["usb3", "usb2"])
def device(request: pytest.FixtureRequest) -> Iterator[Loopback]:
    loopback = Loopback(request.param)
    yield loopback
    loopback.close()


@pytest.fixture
def fast() -> Iterator[Loopback]:
    loopback = Loopback(SUPER)
    yield loopback
    loopback.close()


@pytest.fixture
def case() -> Case:
    return Case.small()


def receiving(*sizes: int) -> EdgeTpuScript:
    """Four bytes of instructions, and outputs of these sizes that lie as the tensors do."""
    steps = [("receive", "output", i, 0, size) for i, size in enumerate(sizes)]
    outputs = [(size, size, 0, np.array([[0, 0, 1, size, 0]])) for size in sizes]
    return EdgeTpuScript(
        [("send", 0, "instructions", 0, 0, 4), *steps, ("interrupt", 0)],
        instructions=[b"abcd"],
        parameters=b"",
        inputs=[],
        outputs=outputs,
    )


def answering(*outputs: bytes, most: int = 1 << 30) -> Play:
    """Plays a device for receiving()."""

    def play(player: Player) -> Play:
        while True:
            yield from player.expect(message(0, b"abcd"))
            for output in outputs:
                yield from player.say(output, most)
            yield from player.tell(completion())

    return play


# ---- what goes out


def test_the_bytes_on_the_wire_are_those_of_the_transfers(device: Loopback, case: Case) -> None:
    engine, player = EdgeTpuEngine(device), Player(device, case.play)
    for _ in range(3):
        output = case.empty()
        engine.run(case.script, [case.input], [output], 5)
        assert player.error is None
        np.testing.assert_array_equal(output, case.output)


def test_a_header_goes_out_in_one_transfer_with_its_payload(device: Loopback, case: Case) -> None:
    engine, player = EdgeTpuEngine(device), Player(device, case.play)
    engine.run(case.script, [case.input], [case.empty()], 5)
    assert player.out_sizes == [56, 48, 24, 40, 32, 16]


@pytest.mark.parametrize("most", [1, 7, 8, 20, 56, 1000])
@pytest.mark.parametrize("header_apart", [False, True])
def test_no_transfer_is_longer_than_allowed(device: Loopback, case: Case, most: int, header_apart: bool) -> None:
    engine = EdgeTpuEngine(device, header_apart=header_apart, max_bulk_out_bytes=most)
    player, output = Player(device, case.play), case.empty()
    engine.run(case.script, [case.input], [output], 5)
    np.testing.assert_array_equal(output, case.output)
    assert max(player.out_sizes) <= most
    assert sum(player.out_sizes) == sum(map(len, case.heard)) + 16
    if header_apart and most >= 48:
        assert player.out_sizes[:4] == [8, 48, 8, 40]


@pytest.mark.parametrize("bulk_outs", [1, 3])
def test_no_more_transfers_are_pending_than_allowed(fast: Loopback, case: Case, bulk_outs: int) -> None:
    held: list[int] = []

    def play(player: Player) -> Play:
        player.holds_out = True
        while len(player.heard) < sum(map(len, case.heard)):
            yield
            if len(player.held) < bulk_outs:  # as many as may be; no other comes before one has ended
                continue
            held.append(len(player.held))
            fast.complete(player.held.popleft().id, "COMPLETED")
        player.holds_out = False
        while player.held:
            fast.complete(player.held.popleft().id, "COMPLETED")
        player.heard.clear()
        yield from case.answer(player)

    engine = EdgeTpuEngine(fast, bulk_outs=bulk_outs, max_bulk_out_bytes=16)
    Player(fast, play)
    engine.run(case.script, [case.input], [case.empty()], 5)
    assert set(held) == {bulk_outs}


def test_inputs_stay_untouched_and_need_no_write_access(device: Loopback, case: Case) -> None:
    engine, before = EdgeTpuEngine(device), case.input.copy()
    Player(device, case.play)
    case.input.flags.writeable = False
    engine.run(case.script, [case.input], [case.empty()], 5)
    np.testing.assert_array_equal(case.input, before)


@pytest.mark.parametrize("flip", [0, 1, 2])
@pytest.mark.parametrize("size", [2, 14, 16, 30, 258])
def test_signed_inputs_and_outputs_have_their_top_bits_inverted_on_the_wire(
    fast: Loopback, flip: int, size: int
) -> None:
    """Padded with zeros, whatever the type."""
    given = np.random.default_rng(size).integers(0, 256, size, np.uint8)
    wire = given.copy()
    if flip:
        wire[flip - 1 :: flip] ^= 0x80
    heard = []

    def play(player: Player) -> Play:
        while True:
            heard.append((yield from player.hear(8 + size + 3)))
            yield from player.say(wire.tobytes())
            yield from player.tell(completion())

    script = EdgeTpuScript(
        [("send", 1, "input", 0, 0, size + 3), ("receive", "output", 0, 0, size), ("interrupt", 0)],
        instructions=[],
        parameters=b"",
        inputs=[(size, size, flip)],
        outputs=[(size, size, flip, np.array([[0, 0, 1, size, 0]]))],
    )
    engine, output = EdgeTpuEngine(fast), np.zeros(size, np.uint8)
    Player(fast, play)
    for _ in range(2):
        engine.run(script, [given], [output], 5)
        assert heard.pop() == message(1, wire.tobytes() + bytes(3))
        np.testing.assert_array_equal(output, given)


def test_a_part_of_a_16_bit_input_is_flipped_as_in_the_whole(fast: Loopback) -> None:
    given = np.arange(-4, 4, dtype=np.int16)
    script = EdgeTpuScript(
        [("send", 1, "input", 0, 6, 8), ("send", 1, "input", 0, 0, 5), ("interrupt", 0)],
        instructions=[],
        parameters=b"",
        inputs=[(16, 16, 2)],
        outputs=[],
    )
    wire = (given.view(np.uint16) ^ 0x8000).tobytes()

    def play(player: Player) -> Play:
        yield from player.expect(message(1, wire[6:14]) + message(1, wire[:5]))
        yield from player.tell(completion())

    engine = EdgeTpuEngine(fast)
    Player(fast, play)
    engine.run(script, [given], [], 5)


# ---- reads


def test_reads_are_posted_before_anything_is_sent(device: Loopback, case: Case) -> None:
    engine, player = EdgeTpuEngine(device), Player(device, case.play)
    engine.run(case.script, [case.input], [case.empty()], 5)
    assert Counter(player.order[: player.order.index(OUT)]) == Counter({DATA: 3, EVENT: 1, INTERRUPT: 1})


def test_on_superspeed_each_output_is_one_read(fast: Loopback) -> None:
    engine, player = EdgeTpuEngine(fast), Player(fast, answering(bytes(1008), bytes(2048), bytes(100_000)))
    engine.run(receiving(1008, 2048, 100_000), [], [np.empty(n, np.uint8) for n in (1008, 2048, 100_000)], 5)
    assert player.in_sizes == [1024, 2048, 100_352]


def test_on_usb_2_each_read_takes_one_chunk() -> None:
    device = Loopback(HIGH)
    content = np.random.default_rng(1).bytes(100_000)
    engine, output = EdgeTpuEngine(device), np.empty(100_000, np.uint8)
    player = Player(device, answering(content, most=256))
    engine.run(receiving(100_000), [], [output], 5)
    assert output.tobytes() == content
    assert set(player.in_sizes) == {512}  # a full packet, so that no chunk can be too long
    assert len(player.in_sizes) == -(-100_000 // 256)
    device.close()


def test_on_usb_2_with_large_chunks_each_output_is_one_read() -> None:
    device = Loopback(HIGH)
    engine, player = EdgeTpuEngine(device, read_chunk_bytes=1024), Player(device, answering(bytes(1008), bytes(1536)))
    engine.run(receiving(1008, 1536), [], [np.empty(1008, np.uint8), np.empty(1536, np.uint8)], 5)
    assert player.in_sizes == [1024, 1536]
    device.close()


@pytest.mark.parametrize("size", [5 << 20, (5 << 20) + 100])
def test_outputs_too_large_for_one_read_are_taken_in_pieces(fast: Loopback, size: int) -> None:
    """The kernel lends 16 MB to all pending transfers."""
    content = np.random.default_rng(1).bytes(size)
    engine, output = EdgeTpuEngine(fast), np.empty(size, np.uint8)
    player = Player(fast, answering(content))
    engine.run(receiving(size), [], [output], 5)
    assert output.tobytes() == content
    assert max(player.in_sizes) <= 1 << 16
    assert player.in_sizes[-1] == (1024 if size % 65536 else 65536)


def test_more_outputs_than_reads_may_be_pending(fast: Loopback) -> None:
    contents = [np.random.default_rng(i).bytes(10 + i) for i in range(100)]
    engine, outputs = EdgeTpuEngine(fast), [np.empty(10 + i, np.uint8) for i in range(100)]
    Player(fast, answering(*contents))
    engine.run(receiving(*(10 + i for i in range(100))), [], outputs, 5)
    assert [output.tobytes() for output in outputs] == contents


# ---- all ways in which answers may come


@pytest.mark.parametrize("seed", range(25))
def test_an_output_may_come_in_any_pieces(device: Loopback, seed: int) -> None:
    """Also in pieces that end in the next output, and with empty packets; the event comes at any time."""
    rng = np.random.default_rng(seed)
    sizes = [int(n) for n in rng.integers(1, 5000, rng.integers(1, 6))]
    contents = [rng.bytes(size) for size in sizes]
    stream, cuts = b"".join(contents), np.sort(rng.integers(0, sum(sizes), rng.integers(0, 30)))
    pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    event_at = int(rng.integers(0, len(pieces) + 1))

    def play(player: Player) -> Play:
        while True:
            yield from player.expect(message(0, b"abcd"))
            for i, piece in enumerate([*pieces, b""]):
                if i == event_at:
                    yield from player.tell(completion())
                if i == len(pieces):
                    break
                yield from player.say(piece) if piece else player.say_nothing()

    engine, player, script = EdgeTpuEngine(device), Player(device, play), receiving(*sizes)
    for _ in range(3):
        outputs = [np.empty(size, np.uint8) for size in sizes]
        engine.run(script, [], outputs, 5)
        assert player.error is None
        assert [output.tobytes() for output in outputs] == contents


def test_a_read_that_was_not_needed_is_called_back(fast: Loopback) -> None:
    """The device may send two outputs in one piece. The next run's bytes must not go into a read of the wrong size."""
    contents = [bytes([1]) * 1000, bytes([2]) * 16]

    def play(player: Player) -> Play:
        while True:
            yield from player.expect(message(0, b"abcd"))
            yield from player.say(b"".join(contents))
            yield from player.tell(completion())

    engine, player, script = EdgeTpuEngine(fast), Player(fast, play), receiving(1000, 16)
    for _ in range(3):
        outputs = [np.empty(1000, np.uint8), np.empty(16, np.uint8)]
        engine.run(script, [], outputs, 5)
        assert [output.tobytes() for output in outputs] == contents
        until(lambda: not player.waiting[DATA])


@pytest.mark.parametrize("first", ["event", "data"])
def test_a_run_ends_when_both_the_event_and_all_bytes_are_here(fast: Loopback, first: str) -> None:
    """Whichever is missing, nobody is told that it is over."""
    second = threading.Event()

    def play(player: Player) -> Play:
        yield from player.expect(message(0, b"abcd"))
        steps = [player.tell(completion()), player.say(b"x" * 100)]
        for i, step in enumerate(steps if first == "event" else reversed(steps)):
            if i == 1:
                assert not over.wait(0.2)
                second.set()
            yield from step

    engine, output, over = EdgeTpuEngine(fast), np.zeros(100, np.uint8), threading.Event()
    player = Player(fast, play)
    engine.run(receiving(100), [], [output], 5)
    over.set()
    assert second.is_set()
    assert player.error is None
    assert output.tobytes() == b"x" * 100


def test_interrupts_are_waited_for_in_their_order(fast: Loopback) -> None:
    script = EdgeTpuScript(
        [("interrupt", 2), ("send", 0, "instructions", 0, 0, 4), ("interrupt", 0)],
        instructions=[b"abcd"],
        parameters=b"",
        inputs=[],
        outputs=[],
    )

    def play(player: Player) -> Play:
        yield from player.expect(message(0, b"abcd"))
        yield from player.tell(completion(6))
        yield from player.tell(completion(4))

    engine = EdgeTpuEngine(fast)
    Player(fast, play)
    engine.run(script, [], [], 5)


def test_nothing_is_sent_past_a_fence_before_all_that_is_above_it_is_done(fast: Loopback) -> None:
    script = EdgeTpuScript(
        [("send", 0, "instructions", 0, 0, 4), ("interrupt", 1), ("fence",), ("send", 0, "instructions", 0, 0, 4)],
        instructions=[b"abcd"],
        parameters=b"",
        inputs=[],
        outputs=[],
    )

    def play(player: Player) -> Play:
        yield from player.expect(message(0, b"abcd"))
        for _ in range(3):
            assert not player.peek(0.05)
        yield from player.tell(completion(5))
        yield from player.expect(message(0, b"abcd"))

    engine = EdgeTpuEngine(fast)
    player = Player(fast, play)
    engine.run(script, [], [], 5)
    assert player.error is None


def test_nothing_is_sent_while_an_earlier_output_is_incomplete(fast: Loopback) -> None:
    """Bulk-out could keep the output from ending: the device would hang."""
    script = EdgeTpuScript(
        [("receive", "output", 0, 0, 100), ("send", 0, "instructions", 0, 0, 4), ("interrupt", 0)],
        instructions=[b"abcd"],
        parameters=b"",
        inputs=[],
        outputs=[(100, 100, 0, np.array([[0, 0, 1, 100, 0]]))],
    )

    def play(player: Player) -> Play:
        for part in (b"a" * 60, b"b" * 40):
            assert not player.peek(0.1)
            assert not player.out_sizes
            yield from player.say(part)
        yield from player.expect(message(0, b"abcd"))
        yield from player.tell(completion())

    engine, output = EdgeTpuEngine(fast), np.empty(100, np.uint8)
    player = Player(fast, play)
    engine.run(script, [], [output], 5)
    assert player.error is None


def test_scratch_that_never_came_goes_out_as_zeros(fast: Loopback) -> None:
    """Not as what the run before left."""
    script = EdgeTpuScript(
        [("send", 1, "scratch", 0, 0, 8), ("receive", "scratch", 0, 4, 4), ("send", 1, "scratch", 0, 0, 8)],
        instructions=[],
        parameters=b"",
        inputs=[],
        outputs=[],
        scratch_bytes=8,
    )

    def play(player: Player) -> Play:
        while True:
            yield from player.expect(message(1, bytes(8)))
            yield from player.say(b"abcd")
            yield from player.expect(message(1, bytes(4) + b"abcd"))

    engine, player = EdgeTpuEngine(fast), Player(fast, play)
    for _ in range(3):
        engine.run(script, [], [], 5)
    assert player.error is None


# ---- batches and layouts


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_tensors_of_several_times_the_layers_size_take_as_many_runs(device: Loopback, count: int) -> None:
    cases = [Case.small(i) for i in range(count)]

    def play(player: Player) -> Play:
        for one in cases:
            yield from one.play_once(player)

    engine, output = EdgeTpuEngine(device), np.empty((count, 4, 5, 3), np.int8)
    Player(device, play)
    engine.run(cases[0].script, [np.stack([one.input for one in cases])], [output], 5)
    np.testing.assert_array_equal(output, np.stack([one.output for one in cases]))


def check_relayout(layer: Layer, rng: np.random.Generator) -> None:
    device, sent = Loopback(SUPER), rng.bytes(layer.size_bytes)
    script = EdgeTpuScript(
        [("send", 0, "instructions", 0, 0, 4), ("receive", "output", 0, 0, layer.size_bytes), ("interrupt", 0)],
        instructions=[b"abcd"],
        parameters=b"",
        inputs=[],
        outputs=[(layer.tensor_bytes, layer.size_bytes, flip_mask(layer), runs(layer))],
    )
    engine, output = EdgeTpuEngine(device), np.full(layer.tensor_bytes + 64, 77, np.uint8)
    Player(device, answering(sent))
    engine.run(script, [], [output[: layer.tensor_bytes]], 5)
    assert output[: layer.tensor_bytes].tobytes() == relayout(layer, sent).tobytes()
    assert set(output[layer.tensor_bytes :].tolist()) == {77}
    device.close()


@needs_shared
@pytest.mark.parametrize("path", compiled_files(), ids=lambda path: path.stem)
def test_outputs_of_compiled_models_are_laid_out_as_the_reference_does(path: object) -> None:
    rng = np.random.default_rng(0)
    for layer in package_in(path).inference.outputs:  # type: ignore[arg-type]
        for dtype in ("uint8", "int8"):
            check_relayout(replace(layer, dtype=dtype) if layer.element_bytes == 1 else layer, rng)


@pytest.mark.parametrize("z", [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 34, 48, 63, 64, 65, 91, 100])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16"])
def test_pixels_of_every_size_are_laid_out_as_the_reference_does(z: int, dtype: str) -> None:
    rng = np.random.default_rng(z)
    for padded in {z, -(-z // 4) * 4, z + 5}:
        check_relayout(tiled_layer([3, 1], [4, 1, 2], z, padded, gap=3, dtype=dtype), rng)


def test_an_output_may_come_in_parts_of_its_buffer_in_any_order(fast: Loopback) -> None:
    parts = ((200, 96), (0, 100), (90, 110))
    layer = tiled_layer([3, 2], [4, 3], 5, 8, gap=4)
    rng = np.random.default_rng(3)
    tensor = rng.integers(0, 256, (5, 7, 5), np.uint8)
    sent = tile(layer, tensor, rng)
    script = EdgeTpuScript(
        [("send", 0, "instructions", 0, 0, 4), *(("receive", "output", 0, at, n) for at, n in parts), ("interrupt", 0)],
        instructions=[b"abcd"],
        parameters=b"",
        inputs=[],
        outputs=[(layer.tensor_bytes, layer.size_bytes, 0, runs(layer))],
    )
    engine, output = EdgeTpuEngine(fast), np.empty_like(tensor)
    Player(fast, answering(*(sent[at : at + n] for at, n in parts)))
    engine.run(script, [], [output], 5)
    np.testing.assert_array_equal(output, tensor)


def test_a_script_runs_on_any_number_of_devices(case: Case) -> None:
    for speed in (SUPER, HIGH, SUPER):
        device = Loopback(speed)
        engine, output = EdgeTpuEngine(device), case.empty()
        Player(device, case.play)
        engine.run(case.script, [case.input], [output], 5)
        np.testing.assert_array_equal(output, case.output)
        device.close()


def test_scripts_take_turns_on_one_device(device: Loopback) -> None:
    def play(player: Player) -> Play:
        for i in range(20):
            yield from cases[i % 3].play_once(player) if i % 4 else echo(player, 4, bytes([i] * 10))

    cases = [Case.small(i) for i in range(3)]
    engine, player = EdgeTpuEngine(device), Player(device, play)
    for i in range(20):
        if i % 4:
            output = cases[0].empty()
            engine.run(cases[i % 3].script, [cases[i % 3].input], [output], 5)
            np.testing.assert_array_equal(output, cases[i % 3].output)
        else:
            output = np.empty(10, np.uint8)
            engine.run(receiving(10), [], [output], 5)  # a script that lives for one run
            assert set(output.tolist()) == {i}
    assert player.error is None


def test_a_program_that_computes_batches_at_once_is_refused() -> None:
    program = replace(Package.parse(small_package()).inference, batch_size=4)
    with pytest.raises(Rejected, match="batches of 4 at once"):
        native_script(program)
