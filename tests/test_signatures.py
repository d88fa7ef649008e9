"""Several signatures of one model on one session: they share variables, take turns, and end with the first."""

import threading

import numpy as np
import pytest

import subgraft
from subgraft.backends.fake import Fake
from subgraft.delegates import Graph, Op, Options, SessionError, Tensor
from subgraft.interpreter.model import Model, Signature

ADD = Options({"fused_activation_function": "NONE"}, table="AddOptions")
HANDLE = Options({"container": "", "shared_name": "total"}, table="VarHandleOptions")
INIT = Options({"init_subgraph_index": 2}, table="CallOnceOptions")
X = np.arange(4, dtype=np.float32)


def vector(name):
    return Tensor(name, (4,), "float32")


def handle():
    return Tensor("handle", (), "resource")


def model():
    """add: total += x. read: total. The total is zero at first."""
    once = Op("CALL_ONCE", (), (), INIT)
    add = Graph(
        (vector("x"), handle(), vector("before"), vector("after")),
        (once, Op("VAR_HANDLE", (), (1,), HANDLE), Op("READ_VARIABLE", (1,), (2,)), Op("ADD", (0, 2), (3,), ADD),
         Op("ASSIGN_VARIABLE", (1, 3), ())), (0,), (3,),
    )  # fmt: skip
    read = Graph(
        (handle(), vector("total")),
        (once, Op("VAR_HANDLE", (), (0,), HANDLE), Op("READ_VARIABLE", (0,), (1,))), (), (1,), index=1,
    )  # fmt: skip
    zero = Tensor.constant("zero", np.zeros(4, np.float32))
    ops = (Op("VAR_HANDLE", (), (0,), HANDLE), Op("ASSIGN_VARIABLE", (0, 1), ()))
    init = Graph((handle(), zero), ops, (), (), index=2)
    signatures = (Signature("add", {"x": 0}, {"sum": 3}, 0), Signature("read", {}, {"total": 1}, 1))
    return Model(graphs=(add, read, init), signatures=signatures)


@pytest.mark.parametrize("delegates", [[], [Fake(kinds="ADD")]], ids=["cpu", "fake"])
def test_signatures_share_variables_and_initialize_once(delegates):
    with subgraft.load(model(), delegates) as add:
        read = add.signature("read")
        assert read.run({})["total"].tolist() == [0] * 4
        assert np.array_equal(add.run({"x": X})["sum"], X)
        assert np.array_equal(read.run({})["total"], X)
        another = read.signature("add")
        another.run({"x": X})
        assert np.array_equal(read.run({})["total"], 2 * X)
        read.reset()
        assert np.array_equal(add.run({"x": X})["sum"], X)
        assert read.report is add.report and read.outputs.keys() == {"total"}


def test_they_end_with_the_first_and_the_first_goes_on_without_them():
    first = subgraft.load(model(), [Fake(kinds="ADD")], signature="read")
    with first.signature("add") as add:
        add.run({"x": X})
    with pytest.raises(SessionError, match="closed"):
        add.run({"x": X})
    assert np.array_equal(first.run({})["total"], X)
    add = first.signature("add")
    first.close()
    with pytest.raises(SessionError, match="closed"):
        add.run({"x": X})
    add.close()


def test_another_name_is_refused_with_those_there_are():
    with subgraft.load(model()) as session, pytest.raises(ValueError, match="no signature 'sub'.*add, read"):
        session.signature("sub")


def test_they_take_turns():
    first = subgraft.load(model(), wait=True)
    add = first.signature("add")
    count = 200

    def work(session, inputs):
        for _ in range(count):
            session.run(inputs)

    threads = [threading.Thread(target=work, args=pair) for pair in [(add, {"x": X}), (first, {"x": X})]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.array_equal(first.signature("read").run({})["total"], 2 * count * X)


def test_run_async_belongs_to_the_first():
    with subgraft.load(model()) as first, pytest.raises(SessionError, match="only for the session that load"):
        first.signature("read").run_async({})
