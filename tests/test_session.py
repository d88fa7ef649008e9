"""load() and Session: names, shapes, memory, threads, forks and lifetimes."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import weakref
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest

import graphs as make
import subgraft
from subgraft.backends.fake import Fake
from subgraft.delegates import Graph, ModelError, Op, Options, SessionError, Tensor, Unsupported
from subgraft.interpreter.discovery import Wanted
from subgraft.interpreter.model import Model, Signature
from waiting import until

X = np.linspace(-1, 1, 4, dtype=np.float32)
ADD = Options({"fused_activation_function": "NONE"}, table="AddOptions")


@pytest.fixture(scope="module")
def model():
    return Model.of(make.chain("ADD", "TANH", "MUL"))


def both(*inputs):
    """Without a delegate, and with one in the middle."""
    return pytest.mark.parametrize("delegates", [[], [Fake(kinds="TANH")]], ids=["cpu", "fake"])


@both()
def test_names_are_the_tensors_or_the_signatures(model, delegates):
    session = subgraft.load(model, delegates)
    assert (list(session.inputs), list(session.outputs)) == (["x"], ["t3"])
    assert session.inputs["x"].shape == (4,)
    signed = replace(model, signatures=(Signature("serve", {"a": 0}, {"b": 3}),))
    session = subgraft.load(signed, delegates)
    assert list(session.run({"a": X})) == ["b"]
    assert list(session.run({"x": X})) == ["b"]  # inputs go by the tensor's name too
    with pytest.raises(ValueError, match="two values for input a"):
        session.run({"a": X, "x": X})
    with pytest.raises(ValueError, match="no signature 'train'; this model's signatures: serve"):
        subgraft.load(signed, delegates, signature="train")


def test_names_that_two_tensors_share_are_told_apart():
    tensors = (Tensor("x", (2,), "float32"), Tensor("x", (2,), "float32"), Tensor("", (2,), "float32"))
    session = subgraft.load(Model.of(Graph(tensors, (Op("ADD", (0, 1), (2,), ADD),), (0, 1), (2,))))
    two = np.ones(2, np.float32)
    np.testing.assert_array_equal(session.run({"x": two, "x:1": 2 * two})["2"], 3 * two)


@both()
@pytest.mark.parametrize(
    "inputs, message",
    [
        ({}, "no value for input x"),
        ({"x": X, "y": X}, "there is no input 'y'; this model's inputs are x"),
        ({"y": X}, "there is no input 'y'"),
        ({"x": X.astype(np.float64)}, "float64.*expected.*float32"),
        ({"x": X[:3]}, "expected.*4"),
        ({"x": X.reshape(2, 2)}, "expected"),
        ({"x": [1.0, 2.0, 3.0, 4.0]}, "not a numpy array"),
    ],
)
def test_wrong_inputs_are_refused_and_harm_nothing(model, delegates, inputs, message):
    session = subgraft.load(model, delegates)
    with pytest.raises(ValueError, match=message):
        session.run(inputs)
    assert session.run({"x": X})["t3"].shape == (4,)


@both()
@pytest.mark.parametrize("given", [X, [X], None, X[None]], ids=["array", "list", "none", "batch"])
def test_run_says_that_it_takes_a_dict(model, delegates, given):
    session = subgraft.load(model, delegates)
    with pytest.raises(TypeError, match="run takes a dict {name: array}, not .*; the inputs are x"):
        session.run(given)


@both()
@pytest.mark.parametrize(
    "shape, message",
    [
        ((3, 2), r"input 'x' is \[3, 2\], but the model takes \[-1, 4\]: expected 4 for dimension 1, not 2"),
        ((3,), r"input 'x' is \[3\], but the model takes \[-1, 4\]: expected 2 dimensions"),
    ],
)
def test_a_wrong_shape_is_blamed_on_the_dimension_that_is_fixed(delegates, shape, message):
    session = subgraft.load(open_model(), delegates)
    with pytest.raises(ValueError, match=message):
        session.run({"x": np.ones(shape, np.float32)})
    with pytest.raises(ValueError, match="float64"):
        session.run({"x": np.ones(shape)})


def test_reprs_are_short_and_point_at_the_explanation(model):
    with subgraft.load(model) as cpu, subgraft.load(model, [Fake(kinds="TANH", faults="fail")]) as session:
        assert repr(cpu) == "<Session of chain: the CPU runs 3 ops; plan.explain() says why>"
        parts = "chain: the CPU runs 2 of 3 ops in 2 segments; fake runs 1 of 3 ops in 1 segment"
        assert repr(session) == f"<Session of {parts}; plan.explain() says why>"
        assert repr(session.plan) == f"<Plan of {parts}; explain() says why>"
        session.run({"x": X})
        assert repr(session.report) == "<Report of 1 cause; print() shows them>"
    assert repr(session) == "<Session of chain, closed>"


def test_the_package_tells_its_version_and_runs_as_a_module():
    assert subgraft.__version__ == version("subgraft")
    ended = subprocess.run([sys.executable, "-m", "subgraft", "--version"], capture_output=True, text=True, check=True)
    assert ended.stdout == f"subgraft {subgraft.__version__}\n"


@both()
def test_strided_inputs_are_copied_in(model, delegates):
    session = subgraft.load(model, delegates)
    wide = np.repeat(X, 2)
    np.testing.assert_array_equal(session.run({"x": wide[::2]})["t3"], session.run({"x": X})["t3"])


@both()
def test_outputs_are_the_callers_own(model, delegates):
    session = subgraft.load(model, delegates)
    first = session.run({"x": X})["t3"]
    kept = first.copy()
    second = session.run({"x": 2 * X})["t3"]
    np.testing.assert_array_equal(first, kept)
    first[...] = 0
    np.testing.assert_array_equal(session.run({"x": 2 * X})["t3"], second)


@both()
def test_outputs_go_where_the_caller_wants_them(model, delegates):
    session = subgraft.load(model, delegates)
    out = np.zeros(4, np.float32)
    results = session.run({"x": X}, out={"t3": out})
    assert results["t3"] is out
    np.testing.assert_array_equal(out, session.run({"x": X})["t3"])
    with pytest.raises(ValueError, match="no output 'y'"):
        session.run({"x": X}, out={"y": out})
    with pytest.raises(ValueError, match="float64"):
        session.run({"x": X}, out={"t3": np.zeros(4)})
    with pytest.raises(TypeError, match="'t3'.*list, not a numpy array"):
        session.run({"x": X}, out={"t3": [0.0] * 4})


def open_model(signature=(-1, 4)):
    tensors = (
        Tensor("x", (1, 4), "float32", shape_signature=signature),
        Tensor("y", (1, 4), "float32"),
        Tensor("z", (1, 4), "float32"),
    )
    ops = (Op("TANH", (0,), (1,)), Op("ADD", (1, 1), (2,), ADD))
    return Model.of(Graph(tensors, ops, (0,), (2,)))


@both()
def test_shapes_that_the_model_leaves_open_are_planned_for(delegates):
    session = subgraft.load(open_model(), delegates)
    for rows in (1, 3, 1, 2, 5, 6, 7, 3):
        x = np.random.default_rng(rows).standard_normal((rows, 4)).astype(np.float32)
        np.testing.assert_allclose(session.run({"x": x})["z"], 2 * np.tanh(x), rtol=1e-6)
    with pytest.raises(ValueError):
        session.run({"x": np.zeros((1, 5), np.float32)})
    np.testing.assert_array_equal(session.run({"x": np.zeros((1, 4), np.float32)})["z"], np.zeros((1, 4)))


@both()
def test_shapes_that_the_model_fixes_change_only_when_asked_for(delegates):
    session = subgraft.load(open_model(None), delegates)
    x = np.ones((2, 4), np.float32)
    with pytest.raises(ValueError, match="expected"):
        session.run({"x": x})
    session.resize({"x": (2, 4)})
    assert session.run({"x": x})["z"].shape == (2, 4)
    with pytest.raises(ValueError, match="no input 'y'"):
        session.resize({"y": (1,)})
    for rows in (-1, 2**31):
        with pytest.raises(ValueError, match="dimensions are 0 to"):
            session.resize({"x": (rows, 4)})
    assert session.run({"x": x})["z"].shape == (2, 4)


def test_per_shape_executables_are_kept_within_a_bound():
    fake = Fake(kinds="TANH")
    session = subgraft.load(open_model(), [fake])
    for rows in (1, 2, 3, 4, 1, 2, 3, 4):
        session.run({"x": np.zeros((rows, 4), np.float32)})
    assert len(fake.compiled) == 4
    session.run({"x": np.zeros((5, 4), np.float32)})
    assert len(session._engines._attachments[0].lanes) == 4
    session.run({"x": np.zeros((1, 4), np.float32)})  # the oldest had to go
    assert len(fake.compiled) == 6


def test_nothing_is_copied_between_segments(model):
    session = subgraft.load(model, [Fake(kinds="TANH")])
    first, lane, last = session._engine.steps
    assert np.shares_memory(lane._inputs[0], session._engine.store.fixed[1])
    assert np.shares_memory(lane._outputs[0], session._engine.store.fixed[2])
    assert not np.shares_memory(lane._inputs[0], lane._outputs[0])


def test_memory_of_values_that_do_not_live_together_is_shared():
    long = make.chain(*["ADD", "TANH"] * 10, shape=(1024,))
    session = subgraft.load(Model.of(long), [Fake(kinds="TANH")])
    assert session._engine.store.size_bytes == 3 * 4096  # the input, and two that take turns


def test_a_session_without_delegates_makes_no_python_ops(tmp_path, model):
    path = tmp_path / "chain.tflite"
    path.write_bytes(model.to_bytes())
    session = subgraft.load(path)
    session.run({"x": X})
    assert session._graph.ops._made == [None, None, None]
    assert [step.owner for step in session.plan.steps] == [None]


def test_a_second_thread_gets_an_error_at_once(model):
    fake = Fake(kinds="TANH", faults="hang@1")
    with subgraft.load(model, [fake]) as session:
        thread = threading.Thread(target=session.run, args=({"x": X},))
        thread.start()
        until(lambda: fake.runs)
        with pytest.raises(SessionError, match="in use by another thread"):
            session.run({"x": X})
        fake.release()
        thread.join()
        session.run({"x": X})


def test_a_second_thread_waits_if_asked_to(model):
    with subgraft.load(model, [Fake(kinds="TANH")], wait=True) as session:
        expected = session.run({"x": X})["t3"]
        answers = []
        threads = [
            threading.Thread(target=lambda: answers.extend(session.run({"x": X})["t3"] for _ in range(50)))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(answers) == 200
        assert all(np.array_equal(a, expected) for a in answers)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_to_load_its_own(model):
    fake = Fake(kinds="TANH")
    session = subgraft.load(model, [fake])
    session.run({"x": X})
    child = os.fork()
    if child == 0:
        try:
            session.run({"x": X})
        except SessionError as error:
            session.close()  # harms nothing of the parent's
            os._exit(0 if "fork" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    session.run({"x": X})
    session.close()


class Counting(Fake):
    """Counts its open executables."""

    def __init__(self, **options):
        super().__init__(**options)
        self.open = []

    def compile(self, segment, device):
        made = super().compile(segment, device)
        self.open.append(made)
        return made

    @property
    def left(self):
        return sum(not made.closed for made in self.open)


def test_a_drop_in_interpreter_lets_go_of_what_a_resize_replaced():
    fake = Counting(kinds="TANH")
    delegate = subgraft.load_delegate("fake")
    delegate.wanted = Wanted(fake)
    interpreter = subgraft.Interpreter(model_content=open_model().to_bytes(), experimental_delegates=[delegate])
    for rows in (1, 2, 3):
        interpreter.resize_tensor_input(0, (rows, 4))
        interpreter.allocate_tensors()
    assert (len(fake.compiled), fake.left) == (3, 1)


@pytest.mark.parametrize("submits", [False, True])
def test_close_lets_go_of_every_executable(model, submits):
    fake = Counting(submits=submits)
    with subgraft.load(model, [fake]) as session:
        session.run({"x": X})
        assert fake.left == 1
    assert fake.left == 0
    session.close()
    for use in (lambda: session.run({"x": X}), session.reset, session.profile, lambda: session.resize({"x": (2,)})):
        with pytest.raises(SessionError, match="closed"):
            use()


def test_a_session_that_nobody_holds_lets_go_too(model):
    fake = Counting()
    session = subgraft.load(model, [fake])
    session.run({"x": X})
    gone = weakref.ref(session)
    del session
    gc.collect()
    assert gone() is None
    assert fake.left == 0


def test_executables_of_a_plan_that_was_not_taken_are_closed(model):
    fake, other = Counting(kinds="ADD,MUL"), Counting(kinds="TANH", faults="reject")
    with subgraft.load(
        model,
        [
            other,
            fake,
        ],
    ) as session:
        assert fake.left == sum(step.owner == "fake#2" for step in session.plan.steps)
    with pytest.raises(Exception, match="reject"):
        subgraft.load(model, [fake, other], fallback=False)
    assert fake.left == 0


@both()
def test_a_profile_tells_where_the_time_goes(model, delegates):
    session = subgraft.load(model, delegates)
    profile = session.profile(runs=3)
    assert profile.runs == 3
    assert [s.owner for s in profile.segments] == [step.owner for step in session.plan.steps]
    on_cpu = {i for step in session.plan.steps if not step.owner for i in step.segment.ops}
    assert {op.index for op in profile.ops} == on_cpu
    assert profile.seconds > 0
    assert "ms for one inference, mean of 3" in str(profile)
    assert profile.to_dict()["runs"] == 3
    with pytest.raises(ValueError, match="runs is 0"):
        session.profile(runs=0)


@pytest.mark.parametrize(
    "options",
    [
        {"threads": 0},
        {"verify_every": -1},
        {"min_ops": 0},
        {"max_segments": -1},
        {"deny_nodes": [3]},
        {"compiled": {"edgetpu": "x.tflite"}},
        {"compiled": {"fake": "x.tflite"}},
    ],
    ids=str,
)
def test_settings_that_mean_nothing_are_errors(model, options):
    with pytest.raises(ValueError):
        subgraft.load(model, ["fake"], **options)


def test_a_name_instead_of_a_list_is_an_error(model):
    with pytest.raises(TypeError, match=r'write \["fake"\]'):
        subgraft.load(model, "fake")


def test_delegates_come_by_name_with_options_or_as_objects(model):
    session = subgraft.load(model, ["fake:1", ("fake", {"kinds": "TANH", "faults": "fail@1"}), Fake(kinds="MUL")])
    assert [attachment.label for attachment in session._engines._attachments] == ["fake:1", "fake", "fake#2"]


def test_an_op_that_nobody_can_run_is_refused_with_every_reason():
    graph = replace(make.wired([[0]]), ops=(Op("MadeUp", (0,), (1,), is_custom=True),))
    with pytest.raises(Unsupported, match="MadeUp.*no kernel.*no delegate takes it either.*MadeUp is not among"):
        subgraft.load(Model.of(graph), [Fake(kinds="ADD")])


def broken_up(*kinds):
    """A chain of custom ops, or of ops of the schema."""
    graph = make.chain(*["TANH"] * len(kinds))
    ops = (replace(op, kind=kind, is_custom=not kind.isupper()) for op, kind in zip(graph.ops, kinds, strict=True))
    return Model.of(replace(graph, ops=tuple(ops)))


@pytest.mark.parametrize("load", [subgraft.load, lambda m: subgraft.Interpreter(model_content=m.to_bytes())])
def test_every_kind_without_a_kernel_is_named_with_its_count(load):
    model = broken_up("TANH", "Zero", "One", "TANH", "Zero")
    message = (
        r"^op 1 Zero: the CPU interpreter has no kernel for this custom op; missing in all: One \(1\), Zero \(2\); "
        r"a custom op can be written in Python, function\(inputs, options\) -> output: "
        r'load\(..., custom_ops={"One": function}\)$'
    )
    with pytest.raises(Unsupported, match=message):
        made = load(model)
        made.allocate_tensors()
    with pytest.raises(Unsupported, match="^op 1 Zero: the CPU interpreter has no kernel for this custom op; a custom"):
        load(broken_up("TANH", "Zero")).allocate_tensors()


def test_kinds_missing_in_other_segments_are_named_too():
    with pytest.raises(Unsupported, match=r"op 0 One: .*no kernel.*op; missing in all: One \(1\), Zero \(1\)"):
        subgraft.load(broken_up("One", "TANH", "Zero"), [Fake(kinds="TANH")])


def test_kinds_missing_in_bodies_are_counted_once():
    tensors = (Tensor("x", (1,), "float32"), Tensor("y", (1,), "float32"))
    call = Op("CALL", (0,), (1,), Options({"subgraph": 1}, table="CallOptions"))
    unknown = Op("Zero", (0,), (1,), is_custom=True)
    model = Model.of(Graph(tensors, (call,), (0,), (1,)), Graph(tensors, (unknown,), (0,), (1,), index=1))
    with pytest.raises(Unsupported, match="^op 0 Zero: the CPU interpreter has no kernel for this custom op; a custom"):
        subgraft.load(model)


def test_without_delegates_none_is_mentioned():
    with pytest.raises(Unsupported) as caught:
        subgraft.load(broken_up("TANH", "One"), strict=False)
    assert "delegate" not in str(caught.value)


@pytest.mark.parametrize("delegates", [[], [Fake(kinds="TANH")]])
def test_a_model_compiled_for_the_edge_tpu_says_which_model_to_run(delegates):
    with pytest.raises(
        Unsupported,
        match=r'compiled for the Edge TPU, and nothing else runs it; load it with delegates=\["edgetpu"\], or',
    ):
        subgraft.load(broken_up("edgetpu-custom-op", "TANH"), delegates)


def test_executables_of_a_frame_that_could_not_be_made_are_closed():
    graph = make.chain("ADD", "TANH")
    broken = replace(graph, ops=(graph.ops[0], Op("MadeUp", (1,), (2,), is_custom=True)))
    fake = Counting(kinds="ADD")
    with pytest.raises(Unsupported, match="MadeUp"):
        subgraft.load(Model.of(broken), [fake])
    assert (len(fake.compiled), fake.left) == (1, 0)


def test_no_file_is_an_error_that_names_it(tmp_path):
    with pytest.raises(ModelError, match="nothing.tflite"):
        subgraft.load(tmp_path / "nothing.tflite")


def reshaped_by_an_input():
    """y's shape is input s; a segment on a fake lies between y and its second reader."""
    tensors = (
        Tensor("x", (4,), "float32"),
        Tensor("s", (2,), "int32"),
        Tensor("t", (4,), "float32"),
        Tensor("y", (1, 1), "float32", shape_signature=(-1, -1)),
        Tensor("negative", (4,), "float32"),
        Tensor.constant("axis", np.array([0], np.int32)),
        Tensor("sum", (1,), "float32"),
        Tensor("z", (1, 1), "float32", shape_signature=(-1, -1)),
    )
    keep = Options({"keep_dims": True}, table="ReducerOptions")
    ops = (
        Op("TANH", (0,), (2,)),
        Op("RESHAPE", (2, 1), (3,), Options({}, table="ReshapeOptions")),
        Op("NEG", (2,), (4,), Options({}, table="NegOptions")),
        Op("SUM", (4, 5), (6,), keep),
        Op("ADD", (3, 6), (7,), ADD),
    )
    return Model.of(Graph(tensors, ops, (0, 1), (7,)))


@pytest.mark.parametrize("kinds", ["TANH", "NEG", "TANH,NEG", ""])
def test_shapes_known_only_while_running_stay_on_the_cpu_and_cross_segments(kinds):
    with subgraft.load(reshaped_by_an_input(), [Fake(kinds=kinds)]) as session:
        assert {i for i, p in enumerate(session.plan.placements) if p.kept} == {1, 4}  # they make or read y
        for shape in [(2, 2), (4, 1), (1, 4), (2, 2)]:
            z = session.run({"x": X, "s": np.array(shape, np.int32)})["z"]
            np.testing.assert_allclose(z, (np.tanh(X) - np.tanh(X).sum()).reshape(shape), atol=1e-6)


def test_views_are_counted_as_long_as_any_part_of_them_lives(model):
    frame = subgraft.load(model, [Fake(kinds="TANH")])._engine
    view = frame.view(0)
    view[...] = X
    part = view[1:3]
    assert frame.live_views == 1
    del view
    assert frame.live_views == 1
    del part
    assert frame.live_views == 0
    frame.run()
    np.testing.assert_allclose(frame.get(3), np.tanh(2 * X) ** 2, rtol=1e-6)


def test_what_exists_only_inside_of_a_segment_cannot_be_read():
    frame = subgraft.load(Model.of(make.chain("ADD", "ADD", "TANH")), [Fake(kinds="TANH")])._engine
    with pytest.raises(ValueError, match="tensor 1 't1' has no memory of its own"):
        frame.view(1)
    with pytest.raises(ValueError, match="tensor 1 't1' has no value outside of a segment"):
        frame.get(1)
    with pytest.raises(ValueError, match="tensor 2 is no input"):
        frame.set(2, X)


def test_an_interrupt_just_after_a_turn_was_taken_leaves_a_session_that_runs_and_closes(model):
    def interrupt(frame, event, argument):
        if event == "return":
            raise KeyboardInterrupt
        return interrupt

    session = subgraft.load(model)
    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: interrupt if frame.f_code.co_name == "_enter" else None)
    try:
        with pytest.raises(KeyboardInterrupt):
            session.run({"x": X})
    finally:
        sys.settrace(before)
    session.run({"x": X})
    session.close()
