"""Several inferences at once on one device: what overlaps, what must not, and that nothing piles up."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgetpu_player import OUT, Case, Play, Player, completion
from subgraft._native import EdgeTpuEngine, EdgeTpuError, Loopback, NullDevice, UsbError
from waiting import exit_code

SUPER, HIGH = 5000, 480


@pytest.fixture(params=[SUPER, HIGH], ids=["usb3", "usb2"])
def device(request: pytest.FixtureRequest) -> Iterator[Loopback]:
    loopback = Loopback(request.param)
    yield loopback
    loopback.close()


def test_the_next_run_is_sent_as_soon_as_the_outputs_are_here_and_not_before(device: Loopback) -> None:
    """Earlier, bulk-out could keep the outputs from ending. The event may be outstanding."""
    first, second = Case.small(1), Case.small(2)

    def play(player: Player) -> Play:
        yield from player.expect(b"".join(first.heard))
        for _ in range(20):
            assert not player.peek(0.01)
        yield from player.say(first.scratch)
        yield from player.hear(16)
        yield from player.say(first.sent[:56])
        yield from player.say(first.sent[56:-1])
        for _ in range(20):
            assert not player.peek(0.01)
        yield from player.say(first.sent[-1:])
        yield from player.expect(b"".join(second.heard))  # while the first one's event is outstanding
        yield from player.tell(completion())
        yield from second.answer(player)

    engine, player = EdgeTpuEngine(device), Player(device, play)
    outputs = [first.empty(), second.empty()]
    tickets = [
        engine.submit(first.script, [first.input], [outputs[0]]),
        engine.submit(second.script, [second.input], [outputs[1]]),
    ]
    for one, ticket, output in zip((first, second), tickets, outputs, strict=True):
        engine.wait(ticket, 5)
        assert player.error is None
        np.testing.assert_array_equal(output, one.output)


def test_inputs_are_staged_while_the_device_is_busy(device: Loopback) -> None:
    """Once it is submitted, the second request's input is needed no more: it waits in memory of its own."""
    first, second = Case.small(1), Case.small(2)

    def play(player: Player) -> Play:
        yield from first.play_once(player)
        yield from second.play_once(player)

    engine, player = EdgeTpuEngine(device), Player(device, play)
    given, output = second.input.copy(), second.empty()
    tickets = [
        engine.submit(first.script, [first.input], [first.empty()]),
        engine.submit(second.script, [given], [output]),
    ]
    given[:] = 0
    for ticket in tickets:
        engine.wait(ticket, 5)
    assert player.error is None
    np.testing.assert_array_equal(output, second.output)


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4, 5, 6, 7), (7, 6, 5, 4, 3, 2, 1, 0), (3, 0, 7, 1, 6, 2, 5, 4)])
def test_tickets_can_be_waited_for_in_any_order(device: Loopback, order: tuple[int, ...]) -> None:
    cases = [Case.small(i) for i in range(8)]

    def play(player: Player) -> Play:
        for one in cases:
            yield from one.play_once(player)

    engine, player = EdgeTpuEngine(device), Player(device, play)
    outputs = [one.empty() for one in cases]
    tickets = [engine.submit(one.script, [one.input], [out]) for one, out in zip(cases, outputs, strict=True)]
    for i in order:
        engine.wait(tickets[i], 5)
        np.testing.assert_array_equal(outputs[i], cases[i].output)
    assert player.error is None


def test_a_ticket_is_waited_for_once(device: Loopback) -> None:
    case = Case.small()
    engine = EdgeTpuEngine(device)
    Player(device, case.play)
    ticket = engine.submit(case.script, [case.input], [case.empty()])
    with pytest.raises(ValueError, match=f"no ticket {ticket + 1}"):
        engine.wait(ticket + 1, 5)
    engine.wait(ticket, 5)
    with pytest.raises(ValueError, match=f"no ticket {ticket}"):
        engine.wait(ticket, 5)
    engine.run(case.script, [case.input], [case.empty()], 5)


def test_tickets_that_nobody_waits_for_have_a_bound(device: Loopback) -> None:
    case = Case.small()
    engine = EdgeTpuEngine(device)
    Player(device, case.play)
    tickets = [engine.submit(case.script, [case.input], [case.empty()]) for _ in range(8)]
    with pytest.raises(ValueError, match="8 tickets were not waited for"):
        engine.submit(case.script, [case.input], [case.empty()])
    for ticket in tickets:
        engine.wait(ticket, 5)
    engine.run(case.script, [case.input], [case.empty()], 5)


def test_a_failure_ends_all_requests_in_flight_with_the_same_error(device: Loopback) -> None:
    case = Case.small()

    def play(player: Player) -> Play:
        yield from player.expect(b"".join(case.heard))
        device.unplug()

    engine = EdgeTpuEngine(device)
    Player(device, play)
    tickets = [engine.submit(case.script, [case.input], [case.empty()]) for _ in range(3)]
    for ticket in tickets:
        with pytest.raises(UsbError) as caught:
            engine.wait(ticket, 5)
        assert caught.value.code == "NO_DEVICE"
    assert engine.needs_recovery


def test_a_request_that_has_not_begun_is_withdrawn_when_its_time_is_up(device: Loopback) -> None:
    """The one before it is not disturbed, and the one after it runs."""
    first, never, last = Case.small(1), Case.small(2), Case.small(3)
    gone = threading.Event()

    def play(player: Player) -> Play:
        yield from player.expect(b"".join(first.heard))
        assert gone.wait(5)
        yield from first.answer(player)
        yield from last.play_once(player)

    engine, player = EdgeTpuEngine(device), Player(device, play)
    outputs = [one.empty() for one in (first, never, last)]
    tickets = [
        engine.submit(one.script, [one.input], [out]) for one, out in zip((first, never, last), outputs, strict=True)
    ]
    with pytest.raises(EdgeTpuError, match="nothing was sent") as caught:
        engine.wait(tickets[1], 0.05)
    assert caught.value.kind == "timeout"
    assert not engine.needs_recovery
    gone.set()
    engine.wait(tickets[0], 5)
    engine.wait(tickets[2], 5)
    assert player.error is None
    np.testing.assert_array_equal(outputs[0], first.output)
    np.testing.assert_array_equal(outputs[1], never.empty())
    np.testing.assert_array_equal(outputs[2], last.output)


def test_many_threads_run_on_one_engine_at_once(device: Loopback) -> None:
    """Each gets its own answer; the device sees one run after the other."""
    cases = {bytes(one.input.tobytes()): one for one in map(Case.small, range(20))}
    wrong: list[str] = []

    def play(player: Player) -> Play:
        while True:
            heard = yield from player.hear(sum(map(len, next(iter(cases.values())).heard)))
            one = cases[heard[64:104] + heard[144:164]]  # the two parts of the input overlap by 8 bytes
            yield from one.answer(player)

    def work(one: Case) -> None:
        for _ in range(10):
            output = one.empty()
            engine.run(one.script, [one.input], [output], 20)
            if not np.array_equal(output, one.output):
                wrong.append("another one's answer")

    engine, player = EdgeTpuEngine(device), Player(device, play)
    threads = [threading.Thread(target=work, args=(one,)) for one in cases.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert player.error is None
    assert not wrong


def test_a_failure_wakes_every_thread(device: Loopback) -> None:
    case = Case.small()
    codes: list[str] = []

    def play(player: Player) -> Play:
        yield from player.expect(b"".join(case.heard))
        yield from player.end("STALLED", 0x81)

    def work() -> None:
        try:
            engine.run(case.script, [case.input], [case.empty()], 20)
        except UsbError as error:
            codes.append(error.code)

    engine = EdgeTpuEngine(device)
    threads = [threading.Thread(target=work) for _ in range(5)]
    for thread in threads:
        thread.start()
    Player(device, play)
    start = time.monotonic()
    for thread in threads:
        thread.join(30)
    assert codes == ["STALLED"] * 5
    assert time.monotonic() - start < 5


def test_a_forked_child_is_refused(device: Loopback) -> None:
    case = Case.small()
    engine = EdgeTpuEngine(device)
    child = os.fork()
    if child == 0:
        try:
            engine.run(case.script, [case.input], [case.empty()], 1)
        except ValueError as error:
            os._exit(0 if "before the process forked" in str(error) else 2)
        os._exit(1)
    assert exit_code(child) == 0


def test_two_requests_overlap_where_one_alone_would_wait(device: Loopback) -> None:
    """With the event late, the bytes of the second are out before the first is over."""
    case = Case.small()
    order: list[str] = []

    def play(player: Player) -> Play:
        for i in range(4):
            yield from player.expect(b"".join(case.heard)) if i == 0 else nothing()
            yield from player.say(case.scratch)
            yield from player.hear(16)
            yield from player.say(case.sent[:56])
            yield from player.say(case.sent[56:])
            if i < 3:
                yield from player.expect(b"".join(case.heard))
                order.append("sent")
            order.append("told")
            yield from player.tell(completion())

    engine, player = EdgeTpuEngine(device), Player(device, play)
    tickets = [engine.submit(case.script, [case.input], [case.empty()]) for _ in range(4)]
    for ticket in tickets:
        engine.wait(ticket, 5)
    assert player.error is None
    assert order == ["sent", "told"] * 3 + ["told"]
    assert OUT in player.order


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads /proc")
def test_nothing_grows_over_10_000_runs() -> None:
    """Neither with one run after the other nor with several in flight, nor with a new script each time."""
    case = Case.small()
    device = NullDevice([case.scratch, case.sent[:56], case.sent[56:]], inputs=2)
    engine, output = EdgeTpuEngine(device), case.empty()

    def work(times: int) -> None:
        for _ in range(times):
            tickets = [engine.submit(case.script, [case.input], [output]) for _ in range(4)]
            for ticket in tickets:
                engine.wait(ticket, 5)
            engine.run(case.script, [case.input], [output], 5)
            np.testing.assert_array_equal(output, case.output)
        for _ in range(times // 10):
            engine.run(Case.small().script, [case.input], [output], 5)

    def holdings() -> tuple[int, int]:
        return len([*Path("/proc/self/fd").iterdir()]), len([*Path("/proc/self/task").iterdir()])

    work(200)
    before, held = resident_bytes(), holdings()
    work(2000)
    assert resident_bytes() - before < 1 << 20
    assert holdings() == held


def nothing() -> Play:
    yield from ()
