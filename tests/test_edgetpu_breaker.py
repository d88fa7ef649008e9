"""When a device that fails is left alone, and when it is tried again."""

from __future__ import annotations

from subgraft.backends.edgetpu.breaker import CLOSED, HALF_OPEN, LONGEST_WAIT_S, OPEN, Breaker


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def breaker(**options):
    clock = Clock()
    return Breaker(clock=clock, **options), clock


def open_it(it):
    for _ in range(3):
        it.failed()
    assert it.state == OPEN


def test_a_few_failures_far_apart_do_not_open_it():
    it, clock = breaker(failures=3, window_s=60)
    for _ in range(20):
        it.failed()
        assert it.state == CLOSED
        clock.now += 31


def test_too_many_within_the_window_open_it():
    it, clock = breaker(failures=3, window_s=60)
    for seconds in (0, 30, 30):
        assert it.state == CLOSED
        clock.now += seconds
        it.failed()
    assert it.state == OPEN


def test_after_the_wait_one_success_closes_it():
    it, clock = breaker()
    open_it(it)
    clock.now += 1
    assert it.state == HALF_OPEN
    it.succeeded()
    assert it.state == CLOSED
    it.failed()
    assert it.state == CLOSED  # the old failures are forgotten


def test_every_trial_that_fails_doubles_the_wait_up_to_a_bound():
    it, clock = breaker()
    open_it(it)
    waits = []
    for _ in range(9):
        start = clock.now
        while it.state == OPEN:
            clock.now += 0.5
        waits.append(clock.now - start)
        it.failed()
    assert waits == [1, 2, 4, 8, 16, 32, LONGEST_WAIT_S, LONGEST_WAIT_S, LONGEST_WAIT_S]


def test_a_success_that_was_under_way_when_it_opened_does_not_close_it():
    it, _ = breaker()
    open_it(it)
    it.succeeded()
    assert it.state == OPEN
