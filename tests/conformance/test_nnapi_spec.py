"""Android's NNAPI specification tests, one operation each, on our kernels through the mapping of nnapi_tflite."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

import nnapi_deviations as deviations
import op_cases
from nnapi_cases import FILE, Array, Operand, SpecCase, cases, difference
from nnapi_deviations import DEVIATIONS, Deviation, Kind
from nnapi_draft import Converted, Inexpressible
from nnapi_operations import OPERATIONS, bound
from nnapi_tflite import MAPPING, convert
from oracle import Oracle, Request
from subgraft.delegates import SubgraftError
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

RESOLVERS = ("BUILTIN_REF", "BUILTIN_WITHOUT_DEFAULT_DELEGATES")
NHWC_TO_NCHW = (0, 3, 1, 2)
IMAGES = ("x", "shape")  # the operands that hold an image, or its shape

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not FILE.is_file(), reason=f"no {FILE}; set SUBGRAFT_SHARED to the folder that holds opcases/"),
]


def each(chosen: Sequence[SpecCase]) -> Iterator[object]:
    for case in chosen:
        yield pytest.param(case, id=f"{case.operation}-{case.name}")


ALL = cases() if FILE.is_file() else ()
EXPECTED = [case for case in ALL if deviations.of(case) is None]
DEVIATING = [case for case in ALL if deviations.of(case) is not None]
IN_NCHW = [case for case in EXPECTED if "nchw" in bound(case.operation, case.inputs)]


@pytest.mark.parametrize("case", list(each(EXPECTED)))
def test_an_operation_gives_what_android_specifies(case: SpecCase) -> None:
    assert not found(case, computed(converted(case)))


@pytest.mark.parametrize("case", list(each(IN_NCHW)))
def test_an_operation_gives_the_same_in_nchw(case: SpecCase) -> None:
    assert not found(in_nchw(case), computed(converted(in_nchw(case))))


@pytest.mark.parametrize("case", list(each(DEVIATING)))
def test_a_deviation_is_tflites_own(case: SpecCase, oracle: Oracle) -> None:
    deviation = deviations.of(case)
    assert deviation is not None
    graph = converted(case)
    try:
        ours = computed(graph)
    except SubgraftError:
        assert deviation.kind is Kind.REFUSED and tflites(graph, oracle) is None
        return
    assert deviation.kind is Kind.DIFFERENT and found(case, ours)
    theirs = tflites(graph, oracle)
    assert theirs is not None
    for a, b in zip(ours, theirs, strict=True):
        assert not op_cases.compare(a, b, 1e-5)


def test_every_operation_of_the_cases_is_mapped() -> None:
    assert {case.operation for case in ALL} <= MAPPING.keys() <= OPERATIONS.keys()


@pytest.mark.parametrize("deviation", [d for d in DEVIATIONS if d.cases], ids=lambda d: d.operation)
def test_a_deviation_has_cases(deviation: Deviation) -> None:
    assert any(deviations.of(case) is deviation for case in DEVIATING)


def test_operations_that_are_not_one_op_of_their_name_are_listed_as_bridged() -> None:
    bridged = set()
    for case in (*ALL, *(in_nchw(c) for c in IN_NCHW)):
        try:
            kinds = [op.kind for op in convert(case).graph.ops]
        except Inexpressible:
            continue
        if kinds != [MAPPING[case.operation].op]:
            bridged.add(case.operation)
    listed = {name for d in DEVIATIONS if d.kind is Kind.BRIDGED for name in d.operation.split("|")}
    assert bridged == listed


def converted(case: SpecCase) -> Converted:
    """Skips the test for an operation that TFLite cannot express."""
    try:
        return convert(case)
    except Inexpressible as inexpressible:
        pytest.skip(f"cannot be expressed: {inexpressible}")


def computed(graph: Converted) -> Sequence[Array]:
    """What our kernels give. Skips the test where one is missing."""
    model = Model.of(graph.graph)
    if missing := [name for name, _, _ in _native.missing_kernels(model.native)]:
        pytest.skip(f"no kernel for {', '.join(missing)}")
    program = _native.Program(model.native, pool=_native.ThreadPool(1))
    for tensor, values in graph.states.items():
        program.set(tensor, values)
    program.call(graph.feeds)
    return [program.get(t) for t in graph.results]


def tflites(graph: Converted, oracle: Oracle) -> Sequence[Array] | None:
    """What TFLite gives; None where it refuses."""
    assert not any(values.any() for values in graph.states.values()), "TFLite's variables start as zeros"
    model = Model.of(graph.graph).to_bytes()
    for resolver in RESOLVERS:
        answer = oracle.ask(Request(model, [graph.feeds], resolver=resolver, every_tensor=True))
        if not answer.error:
            return [answer.tensors[t] for t in graph.results]
    return None


def found(case: SpecCase, results: Sequence[Array]) -> str:
    """Empty when the results are what the specification says, else what differs."""
    pairs = enumerate(zip(results, case.outputs, strict=True))
    differences = [(i, difference(ours, expected)) for i, (ours, expected) in pairs if not expected.ignored]
    return "; ".join(f"output {i}: {text}" for i, text in differences if text)


def in_nchw(case: SpecCase) -> SpecCase:
    """The same operation with its images in NCHW."""
    names = bound(case.operation, case.inputs)
    turned = {
        name: replace(o, values=(1,)) if name == "nchw" else as_nchw(o) if name in IMAGES else o
        for name, o in names.items()
    }
    return replace(case, inputs=tuple(turned.values()), outputs=tuple(as_nchw(o) for o in case.outputs))


def as_nchw(operand: Operand) -> Operand:
    order = list(NHWC_TO_NCHW)
    if len(operand.dims) == 1:  # the shape of an image
        return replace(operand, values=tuple(np.array(operand.values)[order].tolist()))
    dims = tuple(operand.dims[i] for i in order)
    return replace(operand, dims=dims, values=tuple(operand.array.transpose(order).reshape(-1).tolist()))
