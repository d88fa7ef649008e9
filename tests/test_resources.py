"""Variables by name: kept between runs, shared by signatures and segments, reset, and refused when misused."""

import numpy as np
import pytest

import subgraft
from oracle import Oracle, Request
from shared_models import MODELS, needs_shared
from subgraft.backends.fake import Fake
from subgraft.delegates import Graph, InvokeError, Op, Options, Tensor
from subgraft.interpreter.model import Model

X = np.arange(4, dtype=np.float32)
PLAIN = Options({"fused_activation_function": "NONE"}, table="AddOptions")


def handle(name):
    return Options({"container": "", "shared_name": name}, table="VarHandleOptions")


def accumulator(start=True, shape=(4,), value_shape=(4,)):
    """total += x; the total is zero at first."""
    tensors = (
        Tensor("x", value_shape, "float32"),
        Tensor("handle", (), "resource"),
        Tensor("before", shape, "float32"),
        Tensor("after", value_shape, "float32"),
        Tensor("after2", value_shape, "float32"),
    )
    ops = [
        Op("VAR_HANDLE", (), (1,), handle("total")),
        Op("READ_VARIABLE", (1,), (2,)),
        Op("ADD", (0, 2), (3,), PLAIN),
        Op("ASSIGN_VARIABLE", (1, 3), ()),
        Op("ADD", (3, 0), (4,), PLAIN),
    ]
    if start:
        ops.insert(0, Op("CALL_ONCE", (), (), Options({"init_subgraph_index": 1}, table="CallOnceOptions")))
    zero = (Tensor("handle", (), "resource"), Tensor.constant("zero", np.zeros(value_shape, np.float32)))
    init = Graph(
        zero,
        (Op("VAR_HANDLE", (), (0,), handle("total")), Op("ASSIGN_VARIABLE", (0, 1), ())),
        (),
        (),
        index=1,
    )
    return Model.of(Graph(tensors, tuple(ops), (0,), (4,)), init)


@pytest.mark.parametrize("delegates", [[], [Fake(kinds="ADD")]], ids=["cpu", "fake"])
@pytest.mark.parametrize("shape", [(4,), ()], ids=["known", "unranked"])
def test_a_variable_is_kept_between_runs_and_reset(delegates, shape):
    with subgraft.load(accumulator(shape=shape), delegates) as session:
        for i in range(1, 4):
            np.testing.assert_array_equal(session.run({"x": X})["after2"], (i + 1) * X)
        session.reset()
        np.testing.assert_array_equal(session.run({"x": X})["after2"], 2 * X)


def test_sessions_have_variables_of_their_own():
    model = accumulator()
    one, two = subgraft.load(model), subgraft.load(model)
    one.run({"x": X})
    np.testing.assert_array_equal(two.run({"x": X})["after2"], 2 * X)


@pytest.mark.parametrize("shape", [(4,), ()], ids=["known", "unranked"])
def test_reading_before_assigning_is_an_error_that_names_the_variable(shape):
    with (
        subgraft.load(accumulator(start=False, shape=shape)) as session,
        pytest.raises(InvokeError, match="READ_VARIABLE: variable 'total' is read before it was assigned"),
    ):
        session.run({"x": X})


def test_a_variable_of_another_shape_than_the_file_says_is_an_error():
    model = accumulator(shape=(1, 4), value_shape=(4,))
    with (
        subgraft.load(model) as session,
        pytest.raises(InvokeError, match=r"variable 'total' is float32\[4\] now, and is read as float32\[1, 4\]"),
    ):
        session.run({"x": X})


def test_a_made_up_handle_is_refused():
    tensors = (Tensor("handle", (), "int32"), Tensor("y", (4,), "float32"))
    session = subgraft.load(Model.of(Graph(tensors, (Op("READ_VARIABLE", (0,), (1,)),), (0,), (1,))))
    for wrong in (-1, 0, 7, 2**31 - 1):
        with pytest.raises(InvokeError, match=f"there is no resource {wrong}"):
            session.run({"handle": np.array(wrong, np.int32)})


def test_inferences_in_flight_are_refused():
    with subgraft.load(accumulator()) as session, pytest.raises(ValueError, match="keeps state between runs"):
        session.run_async({"x": X})


@needs_shared
def test_signatures_of_one_interpreter_share_their_variables(oracle: Oracle):
    path = MODELS / "made/resource_var_2sig_float.tflite"
    interpreter = subgraft.Interpreter(str(path))
    step, reset = interpreter.get_signature_runner("step"), interpreter.get_signature_runner("reset")
    (name, _), *_ = step.get_input_details().items()
    detail = step.get_input_details()[name]
    rng = np.random.default_rng(0)
    values = [rng.standard_normal(detail["shape"]).astype(detail["dtype"]) for _ in range(6)]
    ours = []
    for i, value in enumerate(values):
        if i == 3:
            reset(**{key: np.zeros(d["shape"], d["dtype"]) for key, d in reset.get_input_details().items()})
        ours.append(next(iter(step(**{name: value}).values())))
    assert not np.array_equal(ours[0], ours[1])
    theirs = reference_signatures(path, values)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def reference_signatures(path, values):
    """The same steps in ai_edge_litert."""
    litert = pytest.importorskip("ai_edge_litert.interpreter", reason="LiteRT is not installed")
    interpreter = litert.Interpreter(str(path))
    step, reset = interpreter.get_signature_runner("step"), interpreter.get_signature_runner("reset")
    (name, *_) = step.get_input_details()
    results = []
    for i, value in enumerate(values):
        if i == 3:
            reset(**{key: np.zeros(d["shape"], d["dtype"]) for key, d in reset.get_input_details().items()})
        results.append(next(iter(step(**{name: value}).values())))
    return results


@needs_shared
@pytest.mark.parametrize("name, frames", [("lyragan", 30), ("okay_nabu", 1000), ("soundstream_encoder", 30)])
def test_a_streaming_model_keeps_its_state_as_tflite_does(name, frames, oracle: Oracle):
    path = MODELS / f"real/{name}.tflite"
    rng = np.random.default_rng(1)
    with subgraft.load(path) as session:
        (tensor,) = session.inputs.values()
        feeds = [values(rng, tensor) for _ in range(frames)]
        answer = oracle.ask(Request(path, [[feed] for feed in feeds]))
        assert not answer.error
        distinct = set()
        for feed, expected in zip(feeds, answer.runs, strict=True):
            for ours, theirs in zip(session.run({next(iter(session.inputs)): feed}).values(), expected, strict=True):
                distinct.add(ours.tobytes())
                if theirs.dtype.kind == "f":
                    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * (np.abs(theirs).max() or 1))
                else:
                    np.testing.assert_array_equal(ours, theirs)
    assert len(distinct) > 1


def values(rng, tensor):
    dtype = np.dtype(tensor.dtype)
    if dtype.kind == "f":
        return rng.uniform(-1, 1, tensor.shape).astype(dtype)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max, tensor.shape, dtype, endpoint=True)
