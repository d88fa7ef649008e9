"""The background thread that makes lost segments ready again never meets the session's own thread in a device."""

from __future__ import annotations

import threading
from contextlib import contextmanager

import numpy as np
import pytest

import graphs as make
import subgraft
from subgraft.backends.fake import Fake, Fault
from subgraft.delegates import Graph, Health, Op, Options, Overrun, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.tflite_api import Interpreter, load_delegate
from waiting import until

X = {"x": np.linspace(-1, 1, 4, dtype=np.float32)}


@pytest.fixture(scope="module")
def model():
    return Model.of(make.chain("ADD", "TANH", "MUL", "TANH", "ADD"))


class Watched(Fake):
    """Counts the threads inside of it; in the background its health() waits for `go`."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inside = self.most_inside = 0
        self.made = []
        self.asked, self.go = threading.Event(), threading.Event()

    @contextmanager
    def entered(self):
        with self._lock:
            self.inside += 1
            self.most_inside = max(self.most_inside, self.inside)
        try:
            yield
        finally:
            with self._lock:
                self.inside -= 1

    def compile(self, segment, device):
        with self.entered():
            made = super().compile(segment, device)
        close = made.close

        def counted():
            with self.entered():
                close()

        made.close = counted
        self.made.append(made)
        return made

    def health(self, device):
        with self.entered():
            if self._away is Health.OK:
                self.asked.set()
                self.go.wait(10)
            return super().health(device)


def test_a_session_closed_while_its_device_is_looked_for_closes_all_it_made(model):
    fake = Watched(kinds="TANH")
    session = subgraft.load(model, [fake], probe_s=0.001)
    fake.unplug()
    session.run(X)
    fake.plug()
    assert fake.asked.wait(10)
    threading.Timer(0.05, fake.go.set).start()
    session.close()
    until(lambda: session._engines.watch._thread is None or not session._engines.watch._thread.is_alive())
    assert fake.most_inside == 1
    assert all(executable.closed for executable in fake.made)


def test_a_new_shape_is_compiled_after_the_background_thread_left_the_device():
    tensors = [Tensor(name, (1, 4), "float32", shape_signature=(-1, 4)) for name in ("x", "y")]
    fake = Watched()
    model = Model.of(Graph(tensors, [Op("TANH", (0,), (1,))], (0,), (1,)))
    with subgraft.load(model, [fake], probe_s=0.001) as session:
        fake.unplug()
        session.run({"x": np.zeros((1, 4), np.float32)})
        fake.plug()
        assert fake.asked.wait(10)
        threading.Timer(0.05, fake.go.set).start()
        session.run({"x": np.zeros((2, 4), np.float32)})
    assert fake.most_inside == 1


def test_a_segment_rejected_once_and_taken_again_is_not_given_up(model):
    fake = Fake(kinds="TANH", timeout_s=0.05)
    with subgraft.load(model, [fake], probe_s=0.001) as session:
        lanes = session._engine.lanes

        def away_and_back(faults):
            fake.unplug()
            session.run(X)
            fake._faults = Fault.parse(faults)
            fake.plug()
            until(lambda: lanes[0].attachment.state is Health.OK)

        away_and_back("reject")
        assert [lane.executable for lane in lanes] == [None, None]
        lanes[0].attachment.state = Health.GONE
        session._engines.watch.wake()
        fake._faults = ()
        until(lambda: all(lane.executable for lane in lanes))
        fake._faults = Fault.parse(f"hang@{fake.runs + 1}")
        session.run(X)
        session.run(X)
        until(lambda: session._engine.lanes[0].executable)
        fake.release()


class Remembers(Fake):
    """Takes ops with state; says of its first run that it still goes on."""

    def compile(self, segment, device):
        made = super().compile(segment, device)
        run = made.run

        def overrun(inputs, outputs):
            if not self.runs:
                self.runs, self.late = 1, list(outputs)
                raise Overrun("no interrupt came")
            run(inputs, outputs)

        made.run = overrun
        return made


def test_the_state_that_a_late_call_still_writes_is_left_to_it():
    tensors = [Tensor(name, (4,), "float32", is_variable=name == "state") for name in ("x", "state", "y")]
    add = Op("ADD", (0, 1), (2,), Options({"fused_activation_function": "NONE"}, table="AddOptions"))
    fake = Remembers(keeps_state=True)
    with subgraft.load(Model.of(Graph(tensors, [add], (0,), (2,))), [fake], probe_s=60) as session:
        session.run(X)
        (lane,) = session._engine.lanes
        assert len(fake.late) == 2
        assert not any(np.shares_memory(late, now) for late in fake.late for now in lane._outputs)


class Broken(Fake):
    """Its health() has a bug, which shows only in the background."""

    def health(self, device):
        if self.runs and self._away is Health.OK:
            raise ZeroDivisionError("a bug in health()")
        return super().health(device)


def test_the_drop_in_raises_a_bug_met_in_the_background(model):
    delegate = load_delegate("fake", {"kinds": "MUL"})
    fake = Broken(kinds="MUL")
    delegate.wanted = type(delegate.wanted)(fake)
    interpreter = Interpreter(model_content=model.to_bytes(), experimental_delegates=[delegate])
    interpreter._engines.watch._probe_s = 0.001
    interpreter.allocate_tensors()
    fake.unplug()
    interpreter.invoke()
    fake.plug()
    until(lambda: interpreter._engines.watch.bug)
    with pytest.raises(ZeroDivisionError, match="a bug in health"):
        interpreter.invoke()


@pytest.mark.parametrize("options", [{"probe_s": 0}, {"probe_s": float("nan")}, {"verify_tolerance": -1.0}], ids=str)
def test_a_time_or_tolerance_that_makes_no_sense_is_refused(model, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        subgraft.load(model, **options)
