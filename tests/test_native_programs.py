"""_native.Program and _native.ThreadPool on their own: what they refuse, and memory that outlives a run or a fork."""

from __future__ import annotations

import os
import threading
import time

import numpy as np
import pytest

from subgraft.delegates import Graph, Op, Options, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native
from waiting import exit_code

X = np.linspace(-1, 1, 4, dtype=np.float32)
NEG = Options({}, table="NegOptions")
FILL = Options({}, table="FillOptions")
RESHAPE = Options({}, table="ReshapeOptions")


def program(tensors: tuple[Tensor, ...], ops: tuple[Op, ...], inputs: tuple[int, ...], **options):
    graph = Graph(tensors, ops, inputs, (len(tensors) - 1,))
    pool = options.pop("pool", None) or _native.ThreadPool(1)
    return _native.Program(Model.of(graph).native, pool=pool, **options)


def negation(shape: tuple[int, ...] = (4,), **options):
    tensors = (Tensor("x", shape, "float32"), Tensor("y", shape, "float32"))
    return program(tensors, (Op("NEG", (0,), (1,), NEG),), (0,), **options)


def filling():
    """z: ones (that are negated twice) of the shape s."""
    tensors = (Tensor("s", (2,), "int32"), Tensor("one", (), "float32"), *(Tensor(n, (1, 1), "float32") for n in "yz"))
    return program(tensors, (Op("FILL", (0, 1), (2,), FILL), Op("NEG", (2,), (3,), NEG)), (0, 1))


def shape_of(*dims: int):
    return np.array(dims, np.int32)


def test_neither_model_nor_pool_may_be_none():
    model = Model.of(Graph((Tensor("x", (4,), "float32"),), (), (0,), (0,))).native
    for arguments in ((None, _native.ThreadPool(1)), (model, None)):
        with pytest.raises(TypeError):
            _native.Program(arguments[0], pool=arguments[1])
    with pytest.raises(TypeError):
        _native.missing_kernels(None)


def test_an_array_in_the_other_byte_order_is_refused():
    with pytest.raises(ValueError, match="expected type float32"):
        negation().call([X.astype(X.dtype.newbyteorder())])


@pytest.mark.parametrize("other", ["q", "l"])
def test_integers_of_equal_size_are_one_type_whatever_their_number_in_numpy(other):
    tensors = (Tensor("x", (2,), "int64"), Tensor("y", (1, 2), "int64"))
    reshape = Op("RESHAPE", (0,), (1,), Options({"new_shape": (1, 2)}, table="ReshapeOptions"))
    (y,) = program(tensors, (reshape,), (0,)).call([np.array([1, 2], other)])
    assert y.tolist() == [[1, 2]]


def test_an_output_is_not_bound_to_a_read_only_array():
    external = negation(external=True)
    array = np.zeros(4, np.float32)
    array.flags.writeable = False
    external.bind(0, array)  # inputs are only read
    with pytest.raises(ValueError, match="tensor 1 must be writeable"):
        external.bind(1, array)


def test_an_unaligned_array_is_not_bound():
    unaligned = np.zeros(17, np.uint8)[1:].view(np.float32)
    with pytest.raises(ValueError, match="aligned"):
        negation(external=True).bind(0, unaligned)


def test_a_view_of_memory_sized_while_running_outlives_the_next_run():
    fill = filling()
    fill.call([shape_of(30, 40), np.array(3, np.float32)])
    view = fill.view(3)
    fill.call([shape_of(300, 40), np.array(4, np.float32)])
    np.testing.assert_array_equal(view, np.full((30, 40), -3))
    np.testing.assert_array_equal(fill.get(3), np.full((300, 40), -4))


def test_a_tensor_that_came_out_empty_can_be_read():
    fill = filling()
    fill.call([shape_of(0, 3), np.array(3, np.float32)])
    assert fill.get(3).shape == fill.view(3).shape == (0, 3)


def test_an_empty_vector_computed_while_running_is_the_shape_of_a_scalar():
    tensors = (
        Tensor("x", (1,), "float32"),
        Tensor("length", (1,), "int32"),
        Tensor("value", (), "int32"),
        Tensor("shape", (0,), "int32"),
        Tensor("y", (), "float32"),
    )
    ops = (Op("FILL", (1, 2), (3,), FILL), Op("RESHAPE", (0, 3), (4,), RESHAPE))
    (y,) = program(tensors, ops, (0, 1, 2)).call([X[:1], shape_of(0), np.array(1, np.int32)])
    assert (y.shape, y) == ((), -1)


def test_two_programs_may_run_at_once_on_one_pool():
    pool = _native.ThreadPool(2)
    shape = (256, 256)
    wrong = []

    def run(value: float) -> None:
        negate, x = negation(shape, pool=pool), np.full(shape, value, np.float32)
        wrong.extend(value for _ in range(100) if not np.array_equal(negate.call([x])[0], -x))

    threads = [threading.Thread(target=run, args=(value,)) for value in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_runs_and_drops_a_program_whose_threads_stayed_behind():
    shape = (512, 512)
    negate, x = negation(shape, pool=_native.ThreadPool(3)), np.ones(shape, np.float32)
    negate.call([x])
    time.sleep(0.1)  # until the threads sleep
    child = os.fork()
    if child == 0:
        right = np.array_equal(negate.call([x])[0], -x)
        del negate
        os._exit(0 if right else 1)
    assert exit_code(child) == 0
