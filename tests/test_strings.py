"""String tensors: in and out, as constants, through the ops that move and compare them, in tables, and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import strings
import subgraft
from oracle import Oracle, Request
from strings import array
from subgraft.backends.fake import Fake
from subgraft.delegates import Graph, InvokeError, ModelError, Op, Options, Tensor
from subgraft.interpreter.model import Model

WORDS = array(b"one", b"", b"two words", "drei ü".encode(), b"\x00\xff", b"one", shape=(2, 3))
ONCE = Options({"init_subgraph_index": 1}, table="CallOnceOptions")


def text(name, *shape):
    return Tensor(name, shape, "string")


def ints(name, values):
    return Tensor.constant(name, np.array(values, np.int32))


def one_op(kind, shape, constants=(), options=None, dtype="string", out=()):
    """The op alone: a string input and constants."""
    tensors = [text("x", *shape), *constants, Tensor("y", out, dtype)]
    op = Op(kind, tuple(range(len(tensors) - 1)), (len(tensors) - 1,), Options(options or {}))
    return Model.of(Graph(tensors, [op], (0,), (len(tensors) - 1,)))


MOVES = {
    "RESHAPE": ([ints("shape", [3, 2])], {"new_shape": [3, 2]}),
    "SQUEEZE": ([], {"squeeze_dims": []}),
    "EXPAND_DIMS": ([ints("axis", 1)], {}),
    "GATHER_ND": ([ints("indices", [[1, 0], [0, 2]])], {}),
    "SLICE": ([ints("begin", [0, 1]), ints("size", [2, 2])], {}),
    "STRIDED_SLICE": ([ints("begin", [1, 0]), ints("end", [2, 3]), ints("strides", [1, 2])], {"shrink_axis_mask": 1}),
    "TILE": ([ints("multiples", [2, 1])], {}),
}


@pytest.mark.parametrize("kind", MOVES)
def test_ops_that_move_elements_move_strings_as_tflite_does(kind, oracle: Oracle):
    constants, options = MOVES[kind]
    model = one_op(kind, (2, 3), constants, options)
    answer = oracle.run(model.to_bytes(), WORDS)
    with subgraft.load(model) as session:
        ours = session.run({"x": WORDS})["y"]
    assert ours.dtype == object and all(isinstance(element, bytes) for element in ours.flat)
    theirs = np.array(answer.outputs[0], object)
    assert ours.tolist() == theirs.tolist() and ours.shape == theirs.shape


def test_rows_of_strings_are_gathered():
    """TFLite gathers from vectors of strings only."""
    with subgraft.load(one_op("GATHER", (2, 3), [ints("indices", [1, 0, 1])], {"axis": 0})) as session:
        assert session.run({"x": WORDS})["y"].tolist() == WORDS[[1, 0, 1]].tolist()


def test_fill_repeats_a_string():
    tensors = [ints("dims", [2, 2]), text("x"), text("y")]
    model = Model.of(Graph(tensors, [Op("FILL", (0, 1), (2,))], (1,), (2,)))
    with subgraft.load(model) as session:
        ours = session.run({"x": array(b"again", shape=())})["y"]
    assert ours.tolist() == [[b"again"] * 2] * 2


@pytest.mark.parametrize("kind", ["EQUAL", "NOT_EQUAL"])
def test_strings_are_compared_by_their_text(kind, oracle: Oracle):
    words = [b"one", b"two words", b"drei \xc3\xbc"]
    model = one_op(kind, (2, 3), [strings.constant("k", words)], dtype="bool")
    (theirs,) = oracle.run(model.to_bytes(), WORDS).outputs
    with subgraft.load(model) as session:
        assert np.array_equal(session.run({"x": WORDS})["y"], theirs)


def passing(shape=(2, 3)):
    return one_op("RESHAPE", shape, [ints("shape", [-1])], {"new_shape": [-1]})


@pytest.mark.parametrize(
    "given",
    [np.array(["ab", "c"]), np.array([b"ab", b"c"]), array("ab", b"c"), array(np.str_("ab"), np.bytes_(b"c"))],
    ids=["str", "bytes", "objects", "scalars"],
)
def test_strings_may_be_given_as_any_array_of_them(given):
    with subgraft.load(passing((2,))) as session:
        assert session.run({"x": given})["y"].tolist() == [b"ab", b"c"]


@pytest.mark.parametrize("delegates", [[], [Fake()]], ids=["program", "plan"])
@pytest.mark.parametrize("given", [np.arange(2), array(b"a", 3), array(b"a", None), ["a", "b"]])
def test_what_is_no_string_is_refused(given, delegates):
    with subgraft.load(passing((2,)), delegates) as session, pytest.raises((ValueError, TypeError)):
        session.run({"x": given})


def test_the_drop_in_takes_and_gives_them_as_tflite_does():
    interpreter = subgraft.Interpreter(model_content=passing().to_bytes())
    interpreter.allocate_tensors()
    assert interpreter.get_input_details()[0]["dtype"] == np.bytes_
    interpreter.set_tensor(0, WORDS)
    interpreter.invoke()
    out = interpreter.get_output_details()[0]["index"]
    interpreter.set_tensor(0, array(*[b"new"] * 6, shape=(2, 3)))
    assert interpreter.get_tensor(out).tolist() == WORDS.reshape(-1).tolist()  # that of the last run still
    assert interpreter.get_tensor(0).tolist() == [[b"new"] * 3] * 2
    with pytest.raises(ValueError, match="holds strings"):
        interpreter.tensor(0)()
    interpreter.invoke()
    assert interpreter.get_tensor(out).tolist() == [b"new"] * 6


def test_nothing_of_earlier_runs_is_kept():
    with subgraft.load(passing((1,))) as session:
        for _ in range(3):
            session.run({"x": array(b"x" * 1000000)})
        before = _resident_bytes()
        for i in range(200):
            session.run({"x": array(b"%d" % i * 500000)})
        assert _resident_bytes() - before < 50e6


def _resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def table_model(key="int64", value="string", find_value=None, keys=3, twice=False):
    """A table that is filled once; y = what x finds, and how many there are."""
    table = Options({"table_id": 7, "key_dtype": key.upper(), "value_dtype": value.upper()}, table="HashtableOptions")
    words = [b"one", b"two", b"three", b"two"][:keys]
    numbers = Tensor.constant("numbers", np.array([5, -1, 2**40, 9][:keys], np.int64))
    held = {"int64": numbers, "string": strings.constant("words", words)}
    other = {"int64": Tensor.constant("none", np.array([-7], np.int64)), "string": strings.constant("none", [b"?"])}
    handle = Tensor("handle", (1,), "resource")
    make = Op("HASHTABLE", (), (0,), table)
    fill = Op("HASHTABLE_IMPORT", (0, 1, 2), ())
    init = Graph((handle, held[key], held[value]), (make, fill, *([fill] if twice else [])), (), (), index=1)
    tensors = (
        Tensor("x", (2, 2), key), replace_name(handle), other[value], Tensor("y", (2, 2), find_value or value),
        Tensor("size", (1,), "int64"),
    )  # fmt: skip
    ops = (
        Op("CALL_ONCE", (), (), ONCE),
        Op("HASHTABLE", (), (1,), table),
        Op("HASHTABLE_FIND", (1, 0, 2), (3,)),
        Op("HASHTABLE_SIZE", (1,), (4,)),
    )
    return Model.of(Graph(tensors, ops, (0,), (3, 4)), init)


def replace_name(tensor):
    return Tensor("table", tensor.shape, tensor.dtype)


LOOKUPS = {
    "int64": np.array([[5, 2**40], [0, -1]], np.int64),
    "string": array(b"two", b"four", b"", b"one", shape=(2, 2)),
}


@pytest.mark.parametrize("key, value", [("int64", "string"), ("string", "int64")])
@pytest.mark.parametrize("keys, twice", [(3, False), (4, True)])
def test_tables_find_what_tflite_finds(key, value, keys, twice, oracle: Oracle):
    model = table_model(key, value, keys=keys, twice=twice)
    request = Request(model.to_bytes(), [[LOOKUPS[key]]] * 2, resolver="BUILTIN_WITHOUT_DEFAULT_DELEGATES")
    answer = oracle.ask(request)  # BUILTIN_REF has no tables
    y, size = answer.outputs
    with subgraft.load(model) as session:
        for _ in range(2):
            result = session.run({"x": LOOKUPS[key]})
            assert result["y"].tolist() == y.tolist() and np.array_equal(result["size"], size)
        session.reset()
        assert session.run({"x": LOOKUPS[key]})["y"].tolist() == y.tolist()


def test_each_session_has_tables_of_its_own():
    one, two = subgraft.load(table_model(keys=3)), subgraft.load(table_model(keys=2))
    assert one.run({"x": LOOKUPS["int64"]})["size"] == 3
    assert two.run({"x": LOOKUPS["int64"]})["size"] == 2
    one.close()
    assert two.run({"x": LOOKUPS["int64"]})["y"].tolist() == [[b"one", b"?"], [b"?", b"two"]]


def test_a_table_of_other_types_or_no_table_is_an_error():
    with pytest.raises((ModelError, subgraft.Unsupported), match="HASHTABLE"):
        subgraft.load(table_model("int64", "int64"))
    model = table_model()
    main = model.graphs[0]
    lost = Graph(main.tensors, (main.ops[1], main.ops[2]), (0,), (3,))
    with subgraft.load(Model.of(lost)) as session:  # never filled: it finds nothing
        assert session.run({"x": LOOKUPS["int64"]})["y"].tolist() == [[b"?"] * 2] * 2
    tensors = (*main.tensors[:1], Tensor("table", (1,), "resource"), *main.tensors[2:])
    none = Model.of(Graph(tensors, (main.ops[2],), (0, 1), (3,)))
    with subgraft.load(none) as session, pytest.raises(InvokeError, match="HASHTABLE_FIND: there is no table 99"):
        session.run({"x": LOOKUPS["int64"], "table": np.array([99], np.int32)})


def test_strings_pass_between_kernels_control_flow_and_python():
    choice = Options({"then_subgraph_index": 1, "else_subgraph_index": 2}, table="IfOptions")
    tensors = [Tensor("c", (), "bool"), text("x", 2), text("loud", 2), text("y", 2), text("z", 2, 1)]
    tensors += [strings.constant("k", [b"p", b"q"]), ints("axis", 1)]
    upper_op = Op("Upper", (1, 5), (2,), is_custom=True)
    ops = (upper_op, Op("IF", (0, 2, 5), (3,), choice), Op("EXPAND_DIMS", (3, 6), (4,)))
    main = Graph(tensors, ops, (0, 1), (4, 2))
    same = Op("RESHAPE", (0,), (2,), Options({"new_shape": [2]}))
    then = Graph((text("a", 2), text("b", 2), text("out", 2)), (same,), (0, 1), (2,), index=1)
    other = Graph((text("a", 2), text("b", 2)), (), (0, 1), (1,), index=2)

    def upper(inputs, options):
        assert inputs[1].tolist() in ([b"p", b"q"], [b"", b""])
        return array(*(element.upper() for element in inputs[0]))

    with subgraft.load(Model.of(main, then, other), custom_ops={"Upper": upper}) as session:
        for x in (array(b"ab", b"c"), array(b"", b"x")):
            result = session.run({"c": np.array(True), "x": x})
            assert result["z"].tolist() == [[element.upper()] for element in x]
            assert result["loud"].tolist() == [element.upper() for element in x]
            assert session.run({"c": np.array(False), "x": x})["z"].tolist() == [[b"p"], [b"q"]]


def grams(*constants, inputs=(0,)):
    """Pairs of neighbouring words."""
    tensors = (*(constants or (text("x", 1),)), text("y", 1))
    options = Options({"ngram_size": 2, "max_skip_size": 0, "include_all_ngrams": False})
    return Model.of(Graph(tensors, (Op("SKIP_GRAM", (0,), (1,), options),), inputs, (1,)))


@pytest.mark.parametrize("delegates", [[], [Fake()]], ids=["program", "plan"])
def test_each_run_makes_the_word_sequences_of_its_text(delegates):
    with subgraft.load(grams(), delegates) as session:
        first = session.run({"x": array(b"a b c")})["y"]
        assert session.run({"x": array(b"d e")})["y"].tolist() == [b"d e"]
        assert session.run({"x": array(b"d")})["y"].shape == (0,)
        assert first.tolist() == [b"a b", b"b c"]


def test_word_sequences_of_a_constant_are_each_sessions_own():
    model = grams(strings.constant("x", [b"a b c"]), inputs=())
    one, two = subgraft.load(model), subgraft.load(model)
    assert one.run({})["y"].tolist() == [b"a b", b"b c"]
    one.close()
    for _ in range(2):
        assert two.run({})["y"].tolist() == [b"a b", b"b c"]


def test_more_word_sequences_than_memory_are_an_error(monkeypatch):
    monkeypatch.setenv("SUBGRAFT_MAX_BYTES", "2000000")
    options = Options({"ngram_size": 9, "max_skip_size": 60, "include_all_ngrams": True})
    tensors = (text("x", 1), text("y", 1))
    model = Model.of(Graph(tensors, (Op("SKIP_GRAM", (0,), (1,), options),), (0,), (1,)))
    with subgraft.load(model) as session, pytest.raises(InvokeError, match="SKIP_GRAM: the grams of 60 words"):
        session.run({"x": array(b"w " * 60)})


@pytest.mark.parametrize(
    "buffer, message",
    [
        (b"\x01", "its strings take 1 bytes"),
        (strings.pack([b"a"]), "it has 1 strings"),
        (strings.pack([b"a", b"b"])[:-1], "string 1 lies at bytes"),
        (b"\xff" * 40, "it says that it holds -1 strings"),
        (b"\x02\0\0\0" + b"\xff\xff\xff\x7f" * 3, "string 0 lies at bytes"),
        (b"\x02\0\0\0" + b"\x10\0\0\0\x00\0\0\0\x10\0\0\0", "string 0 lies at bytes 16 to 0"),
        (b"\xff\xff\xff\x7f" * 4, "it says that it holds 2147483647 strings"),
    ],
)
def test_damaged_constants_are_errors_of_the_model(buffer, message):
    damaged = Tensor("k", (2,), "string", buffer=buffer)
    model = one_op("EQUAL", (2,), [damaged], dtype="bool")
    with pytest.raises(ModelError, match=message):
        subgraft.load(model)


def test_numbers_do_not_pass_for_strings():
    tensors = [Tensor("x", (2,), "int64"), text("y", 2)]
    for kind in ("RESHAPE", "CAST", "BITCAST", "SQUEEZE"):
        with pytest.raises((ModelError, subgraft.Unsupported)):
            subgraft.load(Model.of(Graph(tensors, [Op(kind, (0,), (1,))], (0,), (1,))))
    for kind in ("ADD", "CAST", "MAXIMUM", "SUM"):
        with pytest.raises((ModelError, subgraft.Unsupported)):
            subgraft.load(one_op(kind, (2,), [strings.constant("k", [b"a", b"b"])]))
