"""Programs compiled beforehand: what they stand for, alone and beside the model, and which files are refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

import edgetpu_pairs as pairs
from shared_models import needs_shared
from subgraft.backends.edgetpu.errors import WrongTwin
from subgraft.backends.edgetpu.package import CUSTOM_OP
from subgraft.backends.edgetpu.precompiled import Alone, Beside
from subgraft.delegates import Graph, Op, Rejected, Tensor

pytestmark = needs_shared

WHOLE, PARTLY, SEVERAL = "dense_256", "deeplabv3_mnv2_dm05_pascal_quant", "split_concat"
ODD = "keras_lstm_mnist_ptq"


def both(name):
    return pairs.graph(pairs.source(name)), pairs.graph(pairs.compiled(name))


def custom(graph):
    return next(i for i, op in enumerate(graph.ops) if op.kind == CUSTOM_OP)


def named(segment, tensors):
    return [segment.graph.tensors[t].name for t in tensors]


def test_alone_only_the_custom_op_is_taken_and_is_a_block_of_its_own():
    graph = both(PARTLY)[1]
    alone = Alone(())
    taken = [i for i, op in enumerate(graph.ops) if alone.check(op, graph)]
    assert taken == [custom(graph)]
    others = {reason for op in graph.ops for reason in alone.check(op, graph).reasons}
    assert others == {"the model is compiled already, and its compiler left this op to the CPU"}
    assert [alone.block(op, graph) is not None for op in graph.ops].count(True) == 1


def test_alone_on_a_real_device_needs_nothing_else():
    graph = both(WHOLE)[1]
    loadable = Alone(()).load(graph.segment([0]), emulated=False)
    assert (loadable.inputs, loadable.outputs, loadable.uncompiled) == ((0,), (0,), None)


def test_alone_on_an_emulated_device_needs_the_model_it_was_made_from():
    source, graph = both(WHOLE)
    segment = graph.segment([0])
    with pytest.raises(Rejected, match="does not run the Edge TPU's instructions; name the model .* option emulates"):
        Alone(()).load(segment, emulated=True)
    loadable = Alone([source]).load(segment, emulated=True)
    assert loadable.uncompiled.ops == (0, 1, 2)
    assert named(loadable.uncompiled, loadable.uncompiled.inputs) == named(segment, segment.inputs)


def test_the_wrong_model_to_emulate_is_refused():
    graph = both(WHOLE)[1]
    with pytest.raises(WrongTwin, match="option emulates: .*does not have"):
        Alone([both("gabor_64x64_p4")[0]]).load(graph.segment([0]), emulated=True)


def test_alone_says_that_there_is_no_fallback():
    graph = both(WHOLE)[1]
    assert "no fallback" in Alone(()).notes(graph.segment([0]))[0]


@pytest.mark.parametrize("options", [b"", b"\x00" * 40, b"no flexbuffer"])
def test_a_damaged_custom_op_is_a_reason(options):
    graph = both(WHOLE)[1]
    broken = replace(graph, ops=(replace(graph.ops[0], custom_options=options),))
    assert not Alone(()).check(broken.ops[0], broken)


def test_a_program_that_leaves_its_transfers_to_the_device_is_refused_either_way():
    source, graph = both(ODD)
    (reason,) = Alone(()).check(graph.ops[0], graph).reasons
    assert "not fully deterministic" in reason
    beside = Beside([graph])
    assert {beside.check(op, source).reasons for op in source.ops} == {(reason,)}


def test_beside_the_ops_that_a_program_stands_for_are_one_block():
    source, graph = both(PARTLY)
    beside = Beside([graph])
    taken = [i for i, op in enumerate(source.ops) if beside.check(op, source)]
    assert len(taken) == len(source.ops) - len(graph.ops) + 1
    assert {beside.block(source.ops[i], source) for i in taken} == {tuple(taken)}
    left = next(op for i, op in enumerate(source.ops) if i not in taken)
    assert beside.check(left, source).reasons == ("the compiled model leaves this op to the CPU",)
    assert beside.block(left, source) is None


@pytest.mark.parametrize("name", [PARTLY, SEVERAL, WHOLE])
def test_beside_the_tensors_are_given_in_the_order_of_the_programs_layers(name):
    source, graph = both(name)
    beside = Beside([graph])
    segment = source.segment(i for i, op in enumerate(source.ops) if beside.check(op, source))
    loadable = beside.load(segment, emulated=False)
    op = graph.ops[custom(graph)]
    assert named(segment, [segment.inputs[i] for i in loadable.inputs]) == [graph.tensors[t].name for t in op.inputs]
    assert named(segment, [segment.outputs[i] for i in loadable.outputs]) == [graph.tensors[t].name for t in op.outputs]


def test_beside_a_part_of_a_program_cannot_be_had():
    source, graph = both(WHOLE)
    with pytest.raises(Rejected, match="not what one edgetpu-custom-op"):
        Beside([graph]).load(source.segment([0, 1]), emulated=False)


def test_beside_the_notes_tell_how_much_was_compared():
    source, graph = both(PARTLY)
    beside = Beside([graph])
    segment = source.segment(i for i, op in enumerate(source.ops) if beside.check(op, source))
    assert beside.notes(segment) == [
        "compiled beforehand: parameters compared in 53 of 53 layers, 576,832 of 576,832 bytes"
    ]
    plain, compiled = both(SEVERAL)
    assert "no parameters to compare" in Beside([compiled]).notes(plain.segment(range(3)))[0]


def test_what_belongs_to_another_model_is_refused():
    with pytest.raises(WrongTwin, match="does not have"):
        Beside([both(WHOLE)[1]]).check(*first(both("gabor_64x64_p4")[0]))
    with pytest.raises(WrongTwin, match="swapped"):
        Beside([both(WHOLE)[0]]).check(*first(both(WHOLE)[1]))
    with pytest.raises(WrongTwin, match="was not compiled"):
        Beside([both(WHOLE)[0]]).check(*first(both(WHOLE)[0]))


def first(graph):
    return graph.ops[0], graph


def test_a_compiled_file_that_cannot_be_read_is_a_wrong_file():
    source, graph = both(WHOLE)
    broken = replace(graph, ops=(replace(graph.ops[0], custom_options=b"damaged"),))
    with pytest.raises(WrongTwin, match="the compiled model cannot be read: .*damaged"):
        Beside([broken]).check(*first(source))


def test_other_input_shapes_are_a_reason_once_the_model_was_matched():
    source, graph = both(WHOLE)
    tensors = [
        replace(t, shape=(4, *t.shape[1:])) if len(t.shape) == 2 and not t.is_constant else t for t in source.tensors
    ]
    reshaped = replace(source, tensors=tensors)
    beside = Beside([graph])
    assert beside.check(*first(source))
    assert beside.check(*first(reshaped)).reasons == ("the model was compiled for other input shapes than these",)
    with pytest.raises(WrongTwin):
        Beside([graph]).check(*first(reshaped))


def test_bodies_of_control_flow_are_not_compiled():
    x = Tensor("x", (1,), "int8")
    body = Graph((x, x), (Op("RELU", (0,), (1,)),), (0,), (1,), index=2)
    (reason,) = Beside([both(WHOLE)[1]]).check(body.ops[0], body).reasons
    assert "only the main graph" in reason
