"""run_async(): inferences at the same time, with the answers, errors and limits of run()."""

import threading
from concurrent.futures import CancelledError
from contextlib import suppress

import numpy as np
import pytest

import graphs as make
import subgraft
from subgraft.backends.fake import Fake
from subgraft.delegates import Failed, Graph, Health, Op, Options, SessionError, Tensor
from subgraft.interpreter.model import Model
from waiting import until

MODEL = Model.of(make.chain("ADD", "TANH", "MUL"))
X = np.linspace(-1, 1, 4, dtype=np.float32)


class Meeting(Fake):
    """Its runs end only when two of them are there at the same time."""

    def __init__(self):
        super().__init__(kinds="TANH")
        self.barrier = threading.Barrier(2, timeout=20)

    def compile(self, segment, device):
        made = super().compile(segment, device)
        run = made.run

        def meet(inputs, outputs):
            try:
                self.barrier.wait()
            except threading.BrokenBarrierError as error:
                raise Failed("nobody came") from error
            run(inputs, outputs)

        made.run = meet
        return made


def expected(x):
    with subgraft.load(MODEL) as session:
        return session.run({"x": x})["t3"]


@pytest.mark.parametrize("delegates", [[], ["fake"]], ids=["cpu", "fake"])
def test_futures_hold_what_run_returns(delegates):
    with subgraft.load(MODEL, delegates) as session:
        futures = [session.run_async({"x": X * i}) for i in range(20)]
        for i, future in enumerate(futures):
            np.testing.assert_array_equal(future.result(10)["t3"], expected(X * i))
        assert not session.report


def test_two_inferences_are_on_the_device_at_the_same_time():
    with subgraft.load(MODEL, [Meeting()], fallback=False) as session:
        futures = [session.run_async({"x": X}) for _ in range(6)]
        for future in futures:
            np.testing.assert_array_equal(future.result(30)["t3"], expected(X))


def test_inputs_are_copied():
    mine = X.copy()
    with subgraft.load(MODEL, in_flight=1) as session:
        future = session.run_async({"x": mine})
        mine[...] = 7
        np.testing.assert_array_equal(future.result(10)["t3"], expected(X))


def test_a_call_beyond_the_limit_waits():
    fake = Fake(kinds="TANH", faults="hang@1", timeout_s=30)
    with subgraft.load(MODEL, [fake], in_flight=1) as session:
        first = session.run_async({"x": X})
        made = []
        third = threading.Thread(target=lambda: made.append(session.run_async({"x": X})))
        third.start()
        until(lambda: fake.runs == 1)
        assert not made and not first.done()
        fake.release()
        third.join(20)
        np.testing.assert_array_equal(made[0].result(20)["t3"], first.result(20)["t3"])


def test_a_failure_arrives_in_the_future_and_the_next_inference_runs():
    with subgraft.load(MODEL, [Fake(kinds="TANH", faults="fail@1")], fallback=False) as session:
        with pytest.raises(Failed, match="told to fail"):
            session.run_async({"x": X}).result(10)
        np.testing.assert_array_equal(session.run_async({"x": X}).result(10)["t3"], expected(X))
    with subgraft.load(MODEL, [Fake(kinds="TANH", faults="fail@1")]) as session:
        np.testing.assert_array_equal(session.run_async({"x": X}).result(10)["t3"], expected(X))
        assert [event.phase for event in session.report] == ["run"]


def test_wrong_inputs_are_refused():
    with subgraft.load(MODEL) as session:
        with pytest.raises(ValueError, match="no input 'y'"):
            session.run_async({"y": X})
        with pytest.raises(ValueError):
            session.run_async({"x": X[:2]}).result(10)
        assert session.run_async({"x": X}).result(10)
    with pytest.raises(ValueError, match="in_flight is 0"):
        subgraft.load(MODEL, in_flight=0)


def test_a_model_with_state_is_refused():
    tensors = (
        Tensor("x", (1,), "float32"),
        Tensor("s", (1,), "float32", is_variable=True),
        Tensor("y", (1,), "float32"),
    )
    add = Op("ADD", (0, 1), (2,), Options({"fused_activation_function": "NONE"}, table="AddOptions"))
    with (
        subgraft.load(Model.of(Graph(tensors, (add,), (0,), (2,)))) as session,
        pytest.raises(ValueError, match="op 0 ADD keeps state between runs"),
    ):
        session.run_async({"x": X[:1]})


def test_cancelled_futures_give_their_place_back():
    with subgraft.load(MODEL, in_flight=2) as session:
        for _ in range(50):
            future = session.run_async({"x": X})
            future.cancel()
            with suppress(CancelledError):
                future.result(10)


def test_close_waits_and_ends_the_threads():
    fake = Fake(kinds="TANH")
    session = subgraft.load(MODEL, [fake])
    future = session.run_async({"x": X})
    session.close()
    np.testing.assert_array_equal(future.result(0)["t3"], expected(X))
    assert not [t for t in threading.enumerate() if t.name.startswith("subgraft-async")]
    with pytest.raises(SessionError, match="closed"):
        session.run_async({"x": X})
    assert fake.health(fake.devices()[0]) is Health.OK
