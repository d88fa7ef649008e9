"""Custom ops written in Python: their shapes, options, place among other ops, and what their mistakes look like."""

import numpy as np
import pytest

import subgraft
from subgraft import CustomOp
from subgraft.backends.fake import Fake
from subgraft.delegates import Graph, InvokeError, Op, Options, Tensor, Unsupported, flexbuffer
from subgraft.interpreter.model import Model
from waiting import until

X = np.linspace(-1, 1, 4, dtype=np.float32)
PLAIN = Options({"fused_activation_function": "NONE"}, table="AddOptions")


def model(options=b"", shape=(4,), more=(), outputs=1):
    """x -> ADD -> MyOp -> TANH; and what else reads MyOp's result."""
    tensors = [Tensor("x", (4,), "float32", shape_signature=(-1,)), Tensor("sum", (4,), "float32")]
    tensors += [Tensor(f"mine{i}", shape, "float32") for i in range(outputs)]
    last = len(tensors)
    tensors.append(Tensor("y", shape, "float32"))
    ops = (
        Op("ADD", (0, 0), (1,), PLAIN),
        Op("MyOp", (1, *more), tuple(range(2, last)), is_custom=True, custom_options=options),
        Op("TANH", (2,), (last,)),
    )
    return Model.of(Graph(tensors, ops, (0,), (last,)))


def square(inputs, options):
    return inputs[0] ** 2


def test_a_function_runs_between_other_ops():
    with subgraft.load(model(), custom_ops={"MyOp": square}) as session:
        np.testing.assert_allclose(session.run({"x": X})["y"], np.tanh((2 * X) ** 2), rtol=1e-6)
        np.testing.assert_allclose(session.run({"x": 2 * X})["y"], np.tanh((4 * X) ** 2), rtol=1e-6)
        assert [step.segment.ops for step in session.plan.steps] == [(0,), (1,), (2,)]


def test_the_drop_in_takes_them_too():
    interpreter = subgraft.Interpreter(model_content=model().to_bytes(), custom_ops={"MyOp": square})
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, X)
    interpreter.invoke()
    (details,) = interpreter.get_output_details()
    np.testing.assert_allclose(interpreter.get_tensor(details["index"]), np.tanh((2 * X) ** 2), rtol=1e-6)


def test_delegates_run_the_ops_around_it():
    with subgraft.load(model(), [Fake(kinds="TANH")], custom_ops={"MyOp": square}) as session:
        assert [step.owner for step in session.plan.steps] == [None, None, "fake"]
        np.testing.assert_allclose(session.run({"x": X})["y"], np.tanh((2 * X) ** 2), rtol=1e-6)


def test_it_is_told_its_options():
    told = []

    def remember(inputs, options):
        told.append(options)
        return inputs[0]

    for options in (flexbuffer.encode({"power": 3, "name": "cube"}), b"no flexbuffer", b""):
        subgraft.load(model(options), custom_ops={"MyOp": CustomOp(remember, lambda shapes, options: shapes[0])}).run(
            {"x": X}
        )
    assert told == [{"power": 3, "name": "cube"}, b"no flexbuffer", b""]


@pytest.mark.parametrize("shapes", [None, lambda shapes, options: (shapes[0][0] // 2, 2)])
def test_its_shapes_are_found_while_planning_and_again_for_other_inputs(shapes):
    pairs = CustomOp(lambda inputs, options: inputs[0].reshape(-1, 2), shapes)
    with subgraft.load(model(shape=(1, 1)), custom_ops={"MyOp": pairs}) as session:
        assert session.run({"x": X})["y"].shape == (2, 2)
        longer = np.arange(6, dtype=np.float32)
        np.testing.assert_allclose(session.run({"x": longer})["y"], np.tanh(2 * longer).reshape(3, 2), rtol=1e-6)


def test_two_outputs_are_a_list():
    both = CustomOp(lambda inputs, options: [inputs[0], -inputs[0]])
    with subgraft.load(model(outputs=2), custom_ops={"MyOp": both}) as session:
        np.testing.assert_allclose(session.run({"x": X})["y"], np.tanh(2 * X), rtol=1e-6)


def test_an_absent_input_is_none():
    def check(inputs, options):
        assert inputs[1] is None
        return inputs[0]

    with subgraft.load(model(more=(-1,)), custom_ops={"MyOp": check}) as session:
        np.testing.assert_allclose(session.run({"x": X})["y"], np.tanh(2 * X), rtol=1e-6)


def test_its_inputs_cannot_be_written():
    def write(inputs, options):
        inputs[0][...] = 0
        return inputs[0]

    session = subgraft.load(model(), custom_ops={"MyOp": CustomOp(write, lambda shapes, options: shapes[0])})
    with pytest.raises(InvokeError, match="op 1 MyOp: ValueError: .*read-only"):
        session.run({"x": X})


@pytest.mark.parametrize(
    "function, message",
    [
        (lambda inputs, options: 1 / 0, "op 1 MyOp: ZeroDivisionError"),
        (lambda inputs, options: [inputs[0], inputs[0]], "returned 2 arrays for 1 outputs"),
        (
            lambda inputs, options: inputs[0].astype("float64"),
            r"returned float64\[4\] for output 'mine0', which is float32\[4\]",
        ),
        (lambda inputs, options: inputs[0][:3], r"returned float32\[3\] for output"),
        (lambda inputs, options: None, "returned object"),
    ],
)
def test_a_mistake_names_the_op(function, message):
    session = subgraft.load(model(), custom_ops={"MyOp": CustomOp(function, lambda shapes, options: shapes[0])})
    with pytest.raises(InvokeError, match=message):
        session.run({"x": X})


@pytest.mark.parametrize("shapes", [lambda s, o: [(4,), (4,)], lambda s, o: "four", lambda s, o: 1 / 0])
def test_wrong_shapes_are_an_error_at_load(shapes):
    with pytest.raises(InvokeError, match="op 1 MyOp: "):
        subgraft.load(model(), custom_ops={"MyOp": CustomOp(square, shapes)})


def test_what_is_no_function_is_refused():
    with pytest.raises(TypeError, match="takes a function, or a CustomOp"):
        subgraft.load(model(), custom_ops={"MyOp": "square"})


def test_an_unknown_custom_op_says_how_to_write_it():
    with pytest.raises(Unsupported, match=r'op 1 MyOp.*load\(..., custom_ops={"MyOp": function}\)'):
        subgraft.load(model())


def test_it_runs_in_the_body_of_a_loop():
    scalar = Tensor("i", (), "int32")
    vector = Tensor("v", (4,), "float32")
    main = Graph(
        (scalar, vector, Tensor("i2", (), "int32"), Tensor("v2", (4,), "float32")),
        (
            Op(
                "WHILE",
                (0, 1),
                (2, 3),
                Options({"cond_subgraph_index": 1, "body_subgraph_index": 2}, table="WhileOptions"),
            ),
        ),
        (0, 1),
        (3,),
    )
    condition = Graph(
        (scalar, vector, Tensor.constant("three", np.int32(3)), Tensor("go", (), "bool")),
        (Op("LESS", (0, 2), (3,)),),
        (0, 1),
        (3,),
        index=1,
    )
    body = Graph(
        (scalar, vector, Tensor.constant("one", np.int32(1)), Tensor("i2", (), "int32"), Tensor("v2", (4,), "float32")),
        (Op("ADD", (0, 2), (3,), PLAIN), Op("MyOp", (1,), (4,), is_custom=True)),
        (0, 1),
        (3, 4),
        index=2,
    )
    double = CustomOp(lambda inputs, options: inputs[0] * 2)
    with subgraft.load(Model.of(main, condition, body), custom_ops={"MyOp": double}) as session:
        np.testing.assert_array_equal(session.run({"i": np.array(0, np.int32), "v": X})["v2"], X * 8)


def test_several_inferences_in_flight_call_it_from_several_threads():
    with subgraft.load(model(), custom_ops={"MyOp": square}) as session:
        futures = [session.run_async({"x": X * i}) for i in range(8)]
        until(lambda: all(future.done() for future in futures))
        for i, future in enumerate(futures):
            np.testing.assert_allclose(future.result()["y"], np.tanh((2 * i * X) ** 2), rtol=1e-6)
