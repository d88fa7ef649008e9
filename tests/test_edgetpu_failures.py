"""How an inference over the wire ends when the device does not play along: an error of its kind, in bounded time."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from edgetpu_player import DATA, EVENT, INTERRUPT, OUT, Case, Play, Player, completion
from subgraft._native import EdgeTpuEngine, EdgeTpuError, EdgeTpuScript, Loopback, UsbError
from waiting import until

SUPER, HIGH = 5000, 480
PROMPT_S = 3.0  # a failure that needs no waiting, on a busy machine


@pytest.fixture
def device() -> Iterator[Loopback]:
    loopback = Loopback(SUPER)
    yield loopback
    loopback.close()


@pytest.fixture
def case() -> Case:
    return Case.small()


def failing(engine: EdgeTpuEngine, case: Case, timeout_s: float = 5.0) -> EdgeTpuError | UsbError:
    """The error of one run, after which the engine has to be made anew."""
    with pytest.raises((EdgeTpuError, UsbError)) as caught:
        engine.run(case.script, [case.input], [case.empty()], timeout_s)
    assert engine.needs_recovery
    error = caught.value
    assert isinstance(error, EdgeTpuError | UsbError)
    return error


# ---- transfers that end badly

STATUSES = {
    "STALLED": "STALLED",
    "IO": "IO",
    "OVERFLOW": "OVERFLOW",
    "TIMEOUT": "TIMEOUT",
    "NO_MEM": "NO_MEM",
    "unplug": "NO_DEVICE",
    "hang": None,  # the deadline
}
TRANSFERS = 11  # of one run: 6 out, 3 outputs, event, interrupt


@pytest.mark.parametrize("fault", STATUSES)
@pytest.mark.parametrize("speed", [SUPER, HIGH], ids=["usb3", "usb2"])
def test_a_fault_at_any_transfer_ends_the_run_with_its_code(case: Case, fault: str, speed: int) -> None:
    for index in range(TRANSFERS):
        device = Loopback(speed)
        engine = EdgeTpuEngine(device)
        player = Player(device, case.play, lambda i, urb, index=index: fault if i == index else None)  # type: ignore[misc]
        before, start = case.input.copy(), time.monotonic()
        if fault == "hang" and player_idles(engine, case, player, index):
            device.close()
            continue  # nobody waits for the interrupt that hangs
        error = failing(engine, case, 0.05 if fault == "hang" else 5.0)
        assert time.monotonic() - start < PROMPT_S
        if fault == "hang":
            assert isinstance(error, EdgeTpuError) and error.kind == "timeout"
        else:
            assert isinstance(error, UsbError) and error.code == STATUSES[fault]
        np.testing.assert_array_equal(case.input, before)
        assert player.error is None
        device.close()


def player_idles(engine: EdgeTpuEngine, case: Case, player: Player, index: int) -> bool:
    if index != 1:  # the interrupt
        return False
    engine.run(case.script, [case.input], [case.empty()], 5)
    return player.order[1] == INTERRUPT


@pytest.mark.parametrize(
    ("endpoint", "wanted"),
    [
        (OUT, r"endpoint 0x01: STALLED, in step 1 of 11 \(send instructions 0\): endpoint 0x01 took 0 of 56 bytes"),
        (DATA, r"endpoint 0x81: STALLED, in step 6 of 11 \(receive scratch 0\): endpoint 0x81 gave 0 of 16 bytes"),
        (EVENT, "endpoint 0x82: STALLED, waiting for an event"),
        (INTERRUPT, "endpoint 0x83: STALLED, waiting for an interrupt"),
    ],
)
def test_an_error_says_where_and_how_far(device: Loopback, case: Case, endpoint: int, wanted: str) -> None:
    def play(player: Player) -> Play:
        yield from player.expect(b"".join(case.heard))
        yield from player.end("STALLED", endpoint)

    def fault(i: int, urb: object) -> str | None:
        return "STALLED" if endpoint == OUT and getattr(urb, "endpoint", None) == OUT else None

    engine = EdgeTpuEngine(device)
    Player(device, play, fault)
    with pytest.raises(UsbError, match=wanted):
        engine.run(case.script, [case.input], [case.empty()], 5)


def test_after_a_failure_every_call_raises_it_again(device: Loopback, case: Case) -> None:
    engine = EdgeTpuEngine(device)
    Player(device, lambda player: player.end("STALLED", EVENT))
    first = failing(engine, case)
    for _ in range(3):
        start = time.monotonic()
        again = failing(engine, case)
        assert (type(again), str(again)) == (type(first), str(first))
        assert time.monotonic() - start < PROMPT_S


def test_a_device_that_takes_part_of_a_transfer_is_not_believed(device: Loopback, case: Case) -> None:
    def play(player: Player) -> Play:
        player.holds_out = True
        while not player.held:
            yield
        device.complete(player.held.popleft().id, "COMPLETED", actual=20)

    engine = EdgeTpuEngine(device)
    Player(device, play)
    error = failing(engine, case)
    assert isinstance(error, EdgeTpuError) and error.kind == "bytes"
    assert "took 20 of 56 bytes" in str(error)


# ---- wrong answers


def kind_of(device: Loopback, case: Case, play: Callable[[Player], Play], timeout_s: float = 5.0) -> str:
    engine = EdgeTpuEngine(device)
    Player(device, play)
    error = failing(engine, case, timeout_s)
    assert isinstance(error, EdgeTpuError)
    return f"{error.kind}: {error}"


def complete_but_for(case: Case, *last: Callable[[Player], Play]) -> Callable[[Player], Play]:
    def play(player: Player) -> Play:
        yield from player.expect(b"".join(case.heard))
        yield from player.say(case.scratch)
        yield from player.hear(16)
        for step in last:
            yield from step(player)

    return play


def test_an_output_that_is_too_short_ends_at_the_deadline(device: Loopback, case: Case) -> None:
    play = complete_but_for(case, lambda p: p.say(case.sent[:56]), lambda p: p.say(case.sent[56:70]), told)
    text = kind_of(device, case, play, 0.1)
    assert "timeout: the time is up in step 10 of 11 (receive output 0): endpoint 0x81 gave 14 of 24 bytes" in text


def test_an_output_that_is_too_long_is_not_taken(device: Loopback, case: Case) -> None:
    play = complete_but_for(case, lambda p: p.say(case.sent[:56]), lambda p: p.say(case.sent[56:] + b"x"))
    assert kind_of(device, case, play).startswith("bytes: endpoint 0x81: 1 bytes more than all outputs have")


def test_a_device_that_sends_more_than_was_asked_for_overflows(device: Loopback, case: Case) -> None:
    def babble(player: Player) -> Play:
        while not player.waiting[DATA]:
            yield
        device.complete(player.waiting[DATA].popleft().id, "COMPLETED", bytes(5000))

    engine = EdgeTpuEngine(device)
    Player(device, complete_but_for(case, babble))
    error = failing(engine, case)
    assert isinstance(error, UsbError) and error.code == "OVERFLOW"


def told(player: Player) -> Play:
    yield from player.tell(completion())


def test_a_completion_that_never_comes_ends_at_the_deadline(device: Loopback, case: Case) -> None:
    play = complete_but_for(case, lambda p: p.say(case.sent[:56]), lambda p: p.say(case.sent[56:]))
    text = kind_of(device, case, play, 0.1)
    assert "timeout: the time is up in step 11 of 11 (interrupt 0): all outputs are here, but no event" in text


@pytest.mark.parametrize("tag", [0, 1, 3, 5, 7, 15])
def test_an_event_of_another_tag_is_an_error(device: Loopback, case: Case, tag: int) -> None:
    text = kind_of(device, case, complete_but_for(case, lambda p: p.tell(completion(tag))))
    assert text.startswith(f"event: endpoint 0x82: an event of tag {tag} where tag 4 is due")


@pytest.mark.parametrize("size", [0, 7, 15])
def test_an_event_that_is_no_event_is_an_error(device: Loopback, case: Case, size: int) -> None:
    text = kind_of(device, case, complete_but_for(case, lambda p: p.tell(completion()[:size])))
    assert text.startswith(f"event: endpoint 0x82: an event of {size} bytes")


def test_a_second_completion_is_an_error(device: Loopback, case: Case) -> None:
    text = kind_of(device, case, complete_but_for(case, told, told))
    assert text.startswith("event: endpoint 0x82: an event of tag 4 that no run waits for, in step 9 of 11")


@pytest.mark.parametrize("word", [1, 3, 0x1F, 0xFFFFFFFF])
def test_a_fatal_interrupt_ends_the_run(device: Loopback, case: Case, word: int) -> None:
    text = kind_of(device, case, complete_but_for(case, lambda p: p.tell(word.to_bytes(4, "little"), INTERRUPT)))
    assert text.startswith("fatal: endpoint 0x83: the device reports a fatal error, in step")


def test_an_interrupt_that_is_not_fatal_is_remembered(device: Loopback, case: Case) -> None:
    def play(player: Player) -> Play:
        yield from player.tell((1 << 4).to_bytes(4, "little"), INTERRUPT)
        yield from case.play_once(player)

    engine, output = EdgeTpuEngine(device), case.empty()
    Player(device, play)
    engine.run(case.script, [case.input], [output], 5)
    np.testing.assert_array_equal(output, case.output)
    assert engine.interrupts == 1 << 4
    assert not engine.needs_recovery


@pytest.mark.parametrize(
    ("endpoint", "said", "kind"),
    [(EVENT, completion(), "event"), (INTERRUPT, (1).to_bytes(4, "little"), "fatal")],
)
def test_what_comes_between_two_runs_is_seen(
    device: Loopback, case: Case, endpoint: int, said: bytes, kind: str
) -> None:
    """An event that is left over from whatever went wrong must not end the next run."""
    over, stale = threading.Event(), threading.Event()

    def play(player: Player) -> Play:
        yield from case.play_once(player)
        assert over.wait(5)
        yield from player.tell(said, endpoint)
        stale.set()

    engine = EdgeTpuEngine(device)
    Player(device, play)
    engine.run(case.script, [case.input], [case.empty()], 5)
    over.set()
    assert stale.wait(5)
    error = failing(engine, case)
    assert isinstance(error, EdgeTpuError) and error.kind == kind
    assert "while no run was in flight" in str(error)


def test_a_device_that_floods_with_empty_packets_does_not_outlast_the_deadline(device: Loopback, case: Case) -> None:
    def play(player: Player) -> Play:
        while True:
            yield from player.say_nothing()

    assert kind_of(device, case, play, 0.2).startswith("timeout")


# ---- the end


def test_a_failed_run_leaves_nothing_pending(device: Loopback, case: Case) -> None:
    engine = EdgeTpuEngine(device)
    player = Player(device, complete_but_for(case))
    failing(engine, case, 0.1)
    until(lambda: not any(player.waiting.values()))
    device.close()


def test_a_transport_that_never_ends_a_transfer_is_not_waited_for(device: Loopback, case: Case) -> None:
    """Not even when it was cancelled; the memory that it may still write to stays."""
    silent = threading.Event()

    def serve() -> None:
        for _ in range(8):
            device.take(5)
        silent.wait(20)

    threading.Thread(target=serve, daemon=True).start()
    engine = EdgeTpuEngine(device, drain_timeout_s=0.1)
    start = time.monotonic()
    failing(engine, case, 0.1)
    assert not engine.drain()
    del engine
    gc.collect()
    assert time.monotonic() - start < PROMPT_S
    silent.set()


def test_a_drained_engine_goes_on(device: Loopback, case: Case) -> None:
    engine = EdgeTpuEngine(device)
    Player(device, case.play)
    for _ in range(3):
        output = case.empty()
        engine.run(case.script, [case.input], [output], 5)
        np.testing.assert_array_equal(output, case.output)
        assert engine.drain()
        assert not engine.needs_recovery


def test_draining_ends_the_runs_in_flight(device: Loopback, case: Case) -> None:
    engine = EdgeTpuEngine(device)
    Player(device, complete_but_for(case))
    ticket = engine.submit(case.script, [case.input], [case.empty()])
    assert engine.drain()
    assert engine.needs_recovery
    with pytest.raises(UsbError) as caught:
        engine.wait(ticket, 5)
    assert caught.value.code == "CANCELLED"


def test_an_engine_with_runs_in_flight_can_be_let_go(device: Loopback, case: Case) -> None:
    engine = EdgeTpuEngine(device)
    player = Player(device, complete_but_for(case))
    engine.submit(case.script, [case.input], [case.empty()])
    del engine
    gc.collect()
    until(lambda: not any(player.waiting.values()))


def test_a_device_that_is_closed_meanwhile_ends_the_run(device: Loopback, case: Case) -> None:
    engine = EdgeTpuEngine(device)
    Player(device, complete_but_for(case))
    threading.Timer(0.1, device.close).start()
    start = time.monotonic()
    failing(engine, case, 10)
    assert time.monotonic() - start < PROMPT_S


# ---- what is refused before anything is sent

RUN = [[0, 0, 1, 8, 0]]


@pytest.mark.parametrize(
    ("steps", "inputs", "outputs", "wanted"),
    [
        ([("send", 0, "instructions", 1, 0, 4)], [], [], "send instructions 1: there are 1"),
        ([("send", 0, "instructions", 0, 0, 5)], [], [], "bytes 0 to 5 of 4"),
        ([("send", 0, "instructions", 0, 1, 2**63)], [], [], "would move more than"),
        ([("send", 2, "parameters", 0, 2**64 - 1, 2)], [], [], "of 3"),
        ([("send", 2, "parameters", 0, 0, 0)], [], [], "no bytes"),
        ([("send", 1, "input", 0, 0, 8)], [], [], "there are 0"),
        ([("send", 1, "input", 0, 1, 8)], [(8, 8, 2)], [], "in the middle of an element"),
        ([("send", 1, "input", 0, 2**60, 8)], [(8, 8, 0)], [], "bytes"),
        ([("send", 1, "input", 0, 0, 2**28)] * 2, [(8, 8, 0)], [], "would move more than"),
        ([("send", 1, "scratch", 0, 0, 17)], [], [], "bytes 0 to 17 of 16"),
        ([("send", 1, "output", 0, 0, 8)], [], [], "outputs are received"),
        ([("send", 3, "input", 0, 0, 8)], [(8, 8, 0)], [], "tag 3"),
        ([("send", 1, "weights", 0, 0, 8)], [], [], '"weights"'),
        ([("receive", "scratch", 0, 8, 9)], [], [], "bytes 8 to 17 of 16"),
        ([("receive", "input", 0, 0, 8)], [(8, 8, 0)], [], "only outputs and scratch"),
        ([("receive", "output", 0, 0, 9)], [], [(8, 8, 0, RUN)], "bytes 0 to 9 of 8"),
        ([("receive", "output", 0, 0, 0)], [], [(8, 8, 0, RUN)], "no bytes"),
        ([("receive", "output", 0, 0, 7)], [], [(8, 8, 0, RUN)], "nothing is received from byte 7 on"),
        ([], [], [(8, 8, 0, RUN)], "nothing is received from byte 0 on"),
        ([("interrupt", 4)], [], [], "there are 4"),
        ([("jump", 1)], [], [], "jump"),
        ([()], [], [], "0 fields"),
        ([], [(0, 8, 0)], [], "has no bytes"),
        ([], [(9, 8, 0)], [], "is larger than with its padding"),
        ([], [(3, 4, 2)], [], "half an element"),
        ([], [(8, 8, 3)], [], "3 bytes cannot be flipped"),
        ([], [(8, 2**40, 0)], [], "larger than the device's memory"),
        ([], [], [(8, 2**27, 0, RUN)] * 3, "outputs 0 to 2 are larger than the device's memory"),
        ([], [], [(8, 8, 0, [[1, 0, 1, 8, 0]])], "leaves the 8 bytes received"),
        ([], [], [(8, 8, 0, [[0, 0, 3, 4, 0]])], "leaves the 8 bytes received"),
        ([], [], [(8, 8, 0, [[0, 0, 2, 4, 5]])], "leaves the 8 bytes received"),
        ([], [], [(8, 8, 0, [[0, 0, 2**31, 2**31, 2**31]])], "leaves the 8 bytes received"),
        ([], [], [(8, 8, 0, [[0, 0, -1, 4, 4]])], "leaves the 8 bytes received"),
        ([], [], [(8, 8, 0, [[-1, 0, 1, 8, 0]])], "leaves the 8 bytes received"),
        ([], [], [(8, 8, 0, [[0, 0, 1, 4, 0]])], "do not fill the 8 bytes"),
        ([], [], [(8, 8, 0, [[0, 0, 1, 4, 0], [0, 3, 1, 4, 0]])], "do not fill the 8 bytes"),
        ([], [], [(8, 8, 0, [*RUN, [0, 0, 1, 8, 0]])], "do not fill the 8 bytes"),
        ([], [], [(8, 8, 2, [[0, 0, 1, 5, 0], [0, 5, 1, 3, 0]])], "no whole 16-bit elements"),
    ],
)
def test_a_script_whose_sizes_do_not_fit_is_refused(
    steps: list[tuple[str | int, ...]],
    inputs: list[tuple[int, int, int]],
    outputs: list[tuple[int, int, int, list[list[int]]]],
    wanted: str,
) -> None:
    with pytest.raises(ValueError, match=wanted):
        EdgeTpuScript(
            steps,
            instructions=[b"abcd"],
            parameters=b"123",
            inputs=inputs,
            outputs=[(size, padded, flip, np.array(runs, np.int64)) for size, padded, flip, runs in outputs],
            scratch_bytes=16,
        )


@pytest.mark.parametrize(
    ("inputs", "outputs", "wanted"),
    [
        ([], [np.empty(60, np.int8)], "expected 1 inputs and 1 outputs, got 0 and 1"),
        ([np.empty(59, np.uint8)], [np.empty(60, np.int8)], "input 0 has 59 bytes; one run moves 60"),
        ([np.empty(120, np.uint8)], [np.empty(60, np.int8)], "as many runs"),
        ([np.empty(0, np.uint8)], [np.empty(0, np.int8)], "input 0 has 0 bytes"),
        ([np.empty(120, np.uint8)[::2]], [np.empty(60, np.int8)], "input 0 must be C-contiguous"),
        ([b"x" * 60], [np.empty(60, np.int8)], "input 0 is not a numpy array"),
        ([np.empty(60, np.uint8)], [np.frombuffer(bytes(60), np.int8)], "output 0 must be writeable"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_and_nothing_is_sent(
    device: Loopback, case: Case, inputs: list[object], outputs: list[object], wanted: str
) -> None:
    engine = EdgeTpuEngine(device)
    with pytest.raises(ValueError, match=wanted):
        engine.run(case.script, inputs, outputs, 5)  # type: ignore[arg-type]
    assert device.take(0) is None
    assert not engine.needs_recovery


def test_a_transfer_whose_end_is_told_before_that_of_earlier_ones_leaves_the_message_in_bounds(
    device: Loopback,
) -> None:
    def play(player: Player) -> Play:
        player.holds_out = True
        while len(player.held) < 3:
            yield
        device.complete(player.held.pop().id, "COMPLETED")

    script = EdgeTpuScript(
        [("send", 0, "instructions", 0, 0, 4), ("interrupt", 0)],
        instructions=[b"abcd"],
        parameters=b"",
        inputs=[],
        outputs=[],
    )
    engine = EdgeTpuEngine(device, max_bulk_out_bytes=4)
    Player(device, play)
    with pytest.raises(EdgeTpuError, match=r"step 1 of 2 \(send instructions 0\): endpoint 0x01 took its end"):
        engine.run(script, [], [], 0.2)


@pytest.mark.parametrize(
    "options",
    [
        {"max_bulk_out_bytes": 0},
        {"max_posted_bytes": 0},
        {"bulk_outs": 0},
        {"bulk_outs": 1000},
        {"drain_timeout_s": -1},
    ],
)
def test_options_that_make_no_sense_are_refused(device: Loopback, options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must be"):
        EdgeTpuEngine(device, **options)  # type: ignore[arg-type]
