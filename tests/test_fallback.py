"""What a session does about a delegate that fails: the answer stays right, and the report says what happened."""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import graphs as make
import subgraft
from subgraft.backends.fake import Fake, Fault
from subgraft.delegates import Failed, Health, NotDelegated, Op, Overrun, Rejected, Unavailable, Verdict
from subgraft.interpreter.model import Model
from waiting import until

X = np.linspace(-1, 1, 4, dtype=np.float32)
LONG = "ADD", "TANH", "MUL", "TANH", "ADD"


@pytest.fixture(scope="module")
def model():
    return Model.of(make.chain(*LONG))


def answer(session, x=X):
    (value,) = session.run({"x": x}).values()
    return value


@pytest.fixture(scope="module")
def expected(model):
    return answer(subgraft.load(model))


def causes(session):
    return [(event.phase, event.segment) for event in session.report]


def on_tanh(**options):
    """A fake that takes segments 1 and 3 of the chain."""
    return Fake(kinds="TANH", **options)


@pytest.mark.parametrize("options", [{}, {"submits": True}, {"chains": True}], ids=str)
@pytest.mark.parametrize("kinds", ["", "TANH", "ADD,MUL"])
def test_a_delegate_that_works_gives_the_cpus_answer(model, expected, kinds, options):
    with subgraft.load(model, [Fake(kinds=kinds, **options)]) as session:
        assert any(step.owner for step in session.plan.steps)
        for _ in range(3):
            np.testing.assert_array_equal(answer(session), expected)
        assert not session.report.events


def test_another_input_gives_another_answer(model):
    with subgraft.load(model, [on_tanh()]) as session, subgraft.load(model) as cpu:
        for seed in range(3):
            x = np.random.default_rng(seed).standard_normal(4).astype(np.float32)
            np.testing.assert_array_equal(answer(session, x), answer(cpu, x))


@pytest.mark.parametrize(
    "faults, seen",
    [
        ("unavailable", [("open", None)]),
        ("reject", [("compile", 1), ("compile", 3)]),
        ("fail@1", [("run", 1)]),
        ("fail@2", [("run", 3)]),
        ("fail", [("run", 1), ("run", 3)]),
        ("sizes@1", [("output", 1)]),
        ("gone@1", [("run", 1)]),
        ("busy@2", [("run", 3)]),
        ("fail@1, fail@2", [("run", 1), ("run", 3)]),
    ],
)
@pytest.mark.parametrize("submits", [False, True])
def test_the_cpu_takes_over_that_segment_and_the_answer_stays(model, expected, faults, seen, submits):
    with subgraft.load(model, [on_tanh(faults=faults, submits=submits)]) as session:
        np.testing.assert_array_equal(answer(session), expected)
        assert causes(session) == seen
        np.testing.assert_array_equal(answer(session), expected)


@pytest.mark.parametrize("submits", [False, True])
def test_a_run_past_its_deadline_is_given_up_with_its_memory(model, expected, submits):
    fake = on_tanh(faults="hang@1", timeout_s=0.1, submits=submits)
    with subgraft.load(model, [fake], probe_s=0.01) as session:
        np.testing.assert_array_equal(answer(session), expected)
        assert causes(session)[0] == ("deadline", 1)
        before = session.run({"x": X})
        fake.release()  # the call comes back late and writes to memory that nobody reads any more
        until(lambda: ("back", None) in causes(session))
        np.testing.assert_array_equal(answer(session), expected)
        np.testing.assert_array_equal(list(before.values())[0], expected)


def test_a_late_answer_never_reaches_a_later_run(model):
    fake = on_tanh(faults="hang@1", timeout_s=0.05)
    with subgraft.load(model, [fake], probe_s=60) as session, subgraft.load(model) as cpu:
        answer(session)
        x = np.full(4, 0.5, np.float32)
        frame = session._engine
        right = answer(session, x)
        fake.release()
        time.sleep(0.05)
        np.testing.assert_array_equal(frame.get(frame.plan.graph.outputs[0]), right)
        np.testing.assert_array_equal(right, answer(cpu, x))


@pytest.mark.parametrize("phase, faults, error", [
    ("open", "unavailable", Unavailable),
    ("compile", "reject", Rejected),
    ("run", "fail", Failed),
    ("deadline", "hang@1", Overrun),
    ("output", "sizes", Failed),
])  # fmt: skip
def test_without_fallback_the_error_is_raised(model, phase, faults, error):
    with pytest.raises(error):
        answer(subgraft.load(model, [on_tanh(faults=faults, timeout_s=0.05)], fallback=False))


def test_without_fallback_a_device_that_is_gone_stays_an_error(model):
    fake = on_tanh(faults="gone@1")
    with subgraft.load(model, [fake], fallback=False, probe_s=60) as session:
        for _ in range(2):
            with pytest.raises(Failed):
                answer(session)


def test_a_device_that_was_all_right_is_tried_again_in_the_next_run(model, expected):
    fake = on_tanh(faults="fail@1")
    with subgraft.load(model, [fake]) as session:
        answer(session)
        assert fake.runs == 2  # segment 1 failed, segment 3 ran
        np.testing.assert_array_equal(answer(session), expected)
        assert fake.runs == 4


def test_a_busy_device_is_left_alone_for_longer_each_time(model, expected):
    fake = Fake(kinds="MUL", faults="busy")
    with subgraft.load(model, [fake]) as session:
        for attempt in range(4):
            start = time.monotonic()
            np.testing.assert_array_equal(answer(session), expected)
            until(session._engines._attachments[0].is_usable)
            assert time.monotonic() - start >= 0.01 * 2**attempt
        assert fake.runs == 4


def test_a_gone_device_is_not_asked_in_a_run(model, expected):
    fake = on_tanh(faults="gone@1")
    with subgraft.load(model, [fake], probe_s=60) as session:
        for _ in range(3):
            np.testing.assert_array_equal(answer(session), expected)
        assert fake.runs == 1
        assert causes(session) == [("run", 1)]


def test_a_device_that_came_back_is_used_again(model, expected):
    fake = on_tanh()
    with subgraft.load(model, [fake], probe_s=0.01) as session:
        answer(session)
        fake.unplug()
        np.testing.assert_array_equal(answer(session), expected)
        compiled = len(fake.compiled)
        fake.plug()
        until(lambda: ("back", None) in causes(session))
        assert len(fake.compiled) == compiled + 2  # anew: a device that was gone remembers nothing
        runs = fake.runs
        np.testing.assert_array_equal(answer(session), expected)
        assert fake.runs == runs + 2


def test_a_device_that_goes_and_comes_many_times(model, expected):
    fake = on_tanh(chains=True)
    with subgraft.load(model, [fake], probe_s=0.001) as session:
        for _ in range(5):
            fake.unplug()
            np.testing.assert_array_equal(answer(session), expected)
            fake.plug()
            until(lambda: session._engines._attachments[0].state is Health.OK)
            np.testing.assert_array_equal(answer(session), expected)
        back = next(event for event in session.report if event.phase == "back")
        assert back.count >= 4


def test_a_segment_that_a_returned_device_rejects_stays_on_the_cpu(model, expected):
    fake = on_tanh()
    with subgraft.load(model, [fake], probe_s=0.01) as session:
        fake.unplug()
        answer(session)
        fake._faults = Fault.parse("reject")
        fake.plug()
        until(lambda: ("compile", 1) in causes(session))
        np.testing.assert_array_equal(answer(session), expected)


def test_what_the_first_delegate_rejects_is_offered_to_the_next(model, expected):
    small, large = Fake(kinds="ADD,MUL,TANH", max_ops=2), Fake(kinds="TANH")
    with subgraft.load(model, [small, large]) as session:
        assert [step.owner for step in session.plan.steps] == [None, "fake#2", None, "fake#2", None]
        assert "fake: 5 ops, and the fake takes at most max_ops=2" in session.plan.placements[1].reasons
        np.testing.assert_array_equal(answer(session), expected)
        assert causes(session) == [("compile", 0)]


def test_what_the_device_refuses_is_planned_around(model, expected):
    with subgraft.load(model, [Fake(refuses="MUL")]) as session:
        assert [len(step.segment.ops) for step in session.plan.steps] == [2, 1, 2]
        np.testing.assert_array_equal(answer(session), expected)


def test_an_absent_delegate_leaves_its_reason_in_the_plan(model):
    session = subgraft.load(model, ["fake:7"])
    assert session.plan.absent == (("fake:7", "fake has no device 7; devices there: 0, 1"),)
    assert causes(session) == [("open", None)]


def test_a_name_that_leads_nowhere_is_an_error_whatever_may_fall_back(model):
    with pytest.raises(Unavailable, match="no delegate goes by 'edgtpu'"):
        subgraft.load(model, ["edgtpu"])


def test_a_delegate_without_its_library_is_like_an_absent_device(model, expected, monkeypatch):
    from subgraft.interpreter import loader as module

    def missing(spec, options):
        raise Unavailable("fake needs the Python package 'pyfake'; install it with pip")

    monkeypatch.setattr(module, "find", missing)
    session = subgraft.load(model, ["fake"])
    assert "pyfake" in session.plan.explain()
    np.testing.assert_array_equal(answer(session), expected)
    with pytest.raises(Unavailable):
        subgraft.load(model, ["fake"], fallback=False)


def test_strict_refuses_a_plan_with_ops_on_the_cpu(model):
    with pytest.raises(NotDelegated, match="strict: 3 ops would run on the CPU: op 0 ADD .*ADD is not among its kinds"):
        subgraft.load(model, [on_tanh()], strict=True)
    with pytest.raises(NotDelegated, match="strict: 5 ops"):
        subgraft.load(model, strict=True)


def test_strict_takes_a_plan_in_which_only_pinned_ops_are_on_the_cpu(model, expected):
    with subgraft.load(model, [Fake()], strict=True, deny_ops=["TANH"]) as session:
        np.testing.assert_array_equal(answer(session), expected)


@pytest.mark.parametrize("faults, error", [("unavailable", Unavailable), ("reject", Rejected), ("fail", Failed)])
def test_strict_falls_back_never(model, faults, error):
    with pytest.raises(error):
        answer(subgraft.load(model, [Fake(faults=faults)], strict=True))


def test_every_second_run_is_verified(model, expected, caplog):
    fake = Fake(kinds="MUL", faults="values")
    with subgraft.load(model, [fake], verify_every=2) as session:
        assert not np.array_equal(answer(session), expected)  # nobody looked
        np.testing.assert_array_equal(answer(session), expected)  # the CPU's answer is taken
        assert causes(session) == [("verify", 1)]
        assert "NaN" in session.report.events[0].reason or "off by" in session.report.events[0].reason


@pytest.mark.parametrize("options", [{"fallback": False}, {"strict": True}], ids=str)
def test_where_nothing_may_fall_back_a_wrong_answer_is_an_error(model, expected, options):
    with subgraft.load(model, [Fake(faults="values@1")], verify_every=1, **options) as session:
        with pytest.raises(
            Failed, match=r"segment 0 on fake:0 is not what the CPU computes: output 't\d': (off by|NaN)"
        ):
            answer(session)
        assert causes(session) == [("verify", 0)]
        np.testing.assert_array_equal(answer(session), expected)


@pytest.mark.parametrize("options", [{}, {"submits": True}, {"chains": True}], ids=str)
def test_a_right_answer_is_verified_without_a_word(model, expected, options):
    with subgraft.load(model, [on_tanh(**options)], verify_every=1) as session:
        for _ in range(3):
            np.testing.assert_array_equal(answer(session), expected)
        assert not session.report.events


def test_a_segment_that_the_cpu_cannot_run_is_not_verified():
    class Inventor(Fake):
        """Runs an op of its own."""

        def compile(self, segment, device):
            return SimpleNamespace(run=lambda inputs, outputs: np.copyto(outputs[0], 7), close=lambda: None)

    model = Model.of(replace(make.wired([[0]]), ops=(Op("Seven", (0,), (1,), is_custom=True),)))
    with subgraft.load(model, [Inventor()], verify_every=1) as session:
        assert session.run({"t0": np.zeros(1, np.float32)})["t1"] == 7
        assert [event.phase for event in session.report] == ["plan", "verify"]
        assert all("no kernel for" in event.reason for event in session.report)


def test_one_cause_is_one_entry_and_one_log_line(model, caplog, capsys):
    with (
        caplog.at_level(logging.WARNING, logger="subgraft"),
        subgraft.load(model, [Fake(kinds="MUL", faults="sizes")]) as session,
    ):
        for _ in range(5):
            answer(session)
        (event,) = session.report
        assert event.count == 5
        assert [record.getMessage() for record in caplog.records] == [
            "output segment 1 on fake:0: output 't3' came back as float32[5] instead of in the array for float32[4]; "
            "subgraft ran it on the CPU"
        ]
        assert str(event).endswith("(5 times)")
    assert capsys.readouterr() == ("", "")


def test_the_log_tells_what_was_opened_planned_and_compiled(model, caplog):
    with caplog.at_level(logging.INFO, logger="subgraft"), subgraft.load(model, [on_tanh()]):
        opened, *compiled, planned = [record.getMessage() for record in caplog.records]
    assert opened == "opened fake:0"
    assert [line.partition(" in ")[0] for line in compiled] == [
        "compiled segment 1 of 1 ops for fake:0",
        "compiled segment 3 of 1 ops for fake:0",
    ]
    assert planned.startswith("planned chain: the CPU runs 3 of 5 ops in 3 segments; fake runs 2 of 5 ops")


def test_the_debug_log_tells_every_reason_and_every_event(model, caplog):
    with caplog.at_level(logging.DEBUG, logger="subgraft"), subgraft.load(model, [on_tanh(faults="fail")]) as session:
        answer(session)
        answer(session)
    told = [record.getMessage() for record in caplog.records]
    assert "op 0 ADD on the CPU (fake: ADD is not among its kinds)" in told
    assert "op 1 TANH on fake" in told
    assert sum("run segment 1" in line for line in told) == 2


def test_a_model_for_the_cpu_alone_is_planned_once_in_the_log(model, caplog):
    with caplog.at_level(logging.INFO, logger="subgraft"), subgraft.load(model) as session:
        assert session.plan
    assert [record.getMessage() for record in caplog.records] == ["planned chain: the CPU runs it as one program"]


class Buggy(Fake):
    def compile(self, segment, device):
        made = super().compile(segment, device)
        made.run = lambda inputs, outputs: {}["a bug"]
        return made


def test_a_bug_in_a_delegate_is_not_taken_for_a_failure(model):
    with subgraft.load(model, [Buggy()]) as session, pytest.raises(KeyError, match="a bug"):
        answer(session)


class Scribbler(Fake):
    def compile(self, segment, device):
        made = super().compile(segment, device)

        def run(inputs, outputs):
            inputs[0][...] = 0

        made.run = run
        return made


def test_a_delegate_cannot_write_its_inputs(model):
    with subgraft.load(model, [Scribbler()]) as session, pytest.raises(ValueError, match="read-only"):
        answer(session)


class Bent(Fake):
    def __init__(self, attribute, value):
        super().__init__(kinds="MUL")
        self.bend = lambda array: setattr(array, attribute, value)

    def compile(self, segment, device):
        made = super().compile(segment, device)
        made.run = lambda inputs, outputs: self.bend(outputs[0])
        return made


@pytest.mark.parametrize("attribute, value", [("shape", (2, 2)), ("dtype", np.int32)])
def test_an_output_that_was_bent_is_no_answer(model, expected, attribute, value):
    with subgraft.load(model, [Bent(attribute, value)]) as session:
        for _ in range(2):
            np.testing.assert_array_equal(answer(session), expected)
        assert causes(session) == [("output", 1)]


class Deaf(Fake):
    """Does not answer when asked how it is."""

    def health(self, device):
        self.hang()
        return Health.OK


def test_a_device_that_does_not_say_how_it_is_is_gone(model, expected):
    fake = Deaf(kinds="MUL", faults="fail@1", timeout_s=0.05)
    with subgraft.load(model, [fake], probe_s=60) as session:
        np.testing.assert_array_equal(answer(session), expected)
        assert session._engines._attachments[0].state is Health.GONE
        fake.release()


class Late(Fake):
    """Says itself that a request is still in flight."""

    def compile(self, segment, device):
        made = super().compile(segment, device)
        run, self.first = made.run, True

        def overrun(inputs, outputs):
            if self.first:
                self.first, self.outputs = False, outputs
                raise Overrun("no interrupt came")
            run(inputs, outputs)

        made.run = overrun
        return made


def test_memory_that_a_delegate_says_is_in_use_is_left_to_it(model, expected):
    fake = Late(kinds="MUL")
    with subgraft.load(model, [fake], probe_s=60) as session:
        np.testing.assert_array_equal(answer(session), expected)
        fake.outputs[0][...] = 77  # the device answers at last
        assert causes(session) == [("deadline", 1)]
        assert not any(np.shares_memory(fake.outputs[0], view) for view in session._engine.store.fixed.values())
        np.testing.assert_array_equal(session._engine.get(session._engine.plan.graph.outputs[0]), expected)


class Broken(Fake):
    """Its health() has a bug, which shows only in the background."""

    def health(self, device):
        if self.runs and self._away is Health.OK:
            raise ZeroDivisionError("a bug in health()")
        return super().health(device)


def test_a_bug_met_in_the_background_is_raised_in_the_next_run(model):
    fake = Broken(kinds="MUL")
    with subgraft.load(model, [fake], probe_s=0.01) as session:
        fake.unplug()
        answer(session)
        fake.plug()
        until(lambda: session._engines.watch.bug is not None)
        with pytest.raises(ZeroDivisionError, match="a bug in health"):
            answer(session)


class Unplugged(Fake):
    """Says by an exception of the contract, not by a Health, that it is gone."""

    def health(self, device):
        raise Unavailable("the stick was pulled out")


def test_a_health_that_raises_unavailable_means_gone(model, expected):
    with subgraft.load(model, [Unplugged(kinds="TANH", faults="fail@1")]) as session:
        np.testing.assert_array_equal(answer(session), expected)
        np.testing.assert_array_equal(answer(session), expected)
        assert ("health", "the stick was pulled out") in [(e.phase, e.reason) for e in session.report]


def without_a_kernel(*kinds):
    """A chain whose ops of the kind "MadeUp" no CPU runs."""
    graph = make.chain(*["TANH"] * len(kinds))
    ops = (replace(op, kind=kind, is_custom=not kind.isupper()) for op, kind in zip(graph.ops, kinds, strict=True))
    return Model.of(replace(graph, ops=tuple(ops)))


class Blind(Fake):
    """Computes nothing, and so needs no kernels."""

    def compile(self, segment, device):
        fails = self.next_run

        def run(inputs, outputs):
            if fails() & {"fail", "gone"}:
                raise Failed("the cable is loose")

        return SimpleNamespace(run=run, close=lambda: None)


@pytest.mark.parametrize("faults", ["fail@1", "gone@1"])
def test_what_only_the_device_can_run_fails_with_the_devices_own_reason(faults, caplog):
    with subgraft.load(without_a_kernel("MadeUp", "TANH"), [Blind(kinds="MadeUp", faults=faults)]) as session:
        (planned,) = session.report
        assert planned.phase == "plan" and "no fallback for this segment" in planned.reason
        caplog.clear()
        with pytest.raises(Failed, match="the cable is loose"):
            answer(session)
        assert "CPU" not in caplog.text
        if faults.startswith("fail"):
            answer(session)
        else:
            with pytest.raises(Failed, match="cannot run segment 0: it is gone since it failed"):
                answer(session)


def test_a_delegate_that_takes_nothing_says_so_once(model, caplog):
    with subgraft.load(model, [Fake(kinds="CONV_2D")]) as session:
        (event,) = session.report
    assert str(event) == (
        "plan on fake:0: it takes no op of this model: ADD is not among its kinds (2 of 5 ops); "
        "TANH is not among its kinds (2 of 5 ops); MUL is not among its kinds (1 of 5 ops)"
    )
    assert caplog.text.count("takes no op") == 1


def test_a_reason_against_every_op_is_said_alone(model):
    picky = Fake()
    picky.check = lambda op, graph: Verdict(("it sleeps", *(["no TANH"] if op.kind == "TANH" else [])))
    with subgraft.load(model, [picky]) as session:
        assert [event.reason for event in session.report] == ["it takes no op of this model: it sleeps"]


@pytest.mark.parametrize(
    ("delegates", "options"),
    [
        ([Fake(), Fake()], {}),  # the second would take all, and comes second
        ([Fake(kinds="CONV_2D")], {"deny_nodes": range(5)}),
    ],
)
def test_a_delegate_that_goes_without_for_another_reason_is_not_reported(model, delegates, options):
    with subgraft.load(model, delegates, **options) as session:
        assert not session.report.events
