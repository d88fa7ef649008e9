"""NNAPI's own specification tests and whole models through the delegate and the stand-in library, level by level.

The stand-in computes with our reference kernels, through the mapping that test_nnapi_spec.py holds against Android's
expected values; the delegate writes the operations with a mapping of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import subgraft
from model_inputs import random_values
from model_table import CASES, ModelCase
from nnapi_cases import FILE, FLOAT_ABSOLUTE, FLOAT_RELATIVE, Array, SpecCase, cases
from nnapi_draft import Converted, Inexpressible
from nnapi_stand_in import LEVELS, StandIn
from nnapi_tflite import convert
from shared_models import MODELS
from subgraft.backends.nnapi import Nnapi
from subgraft.backends.nnapi.codes import LATEST, OPERATIONS
from subgraft.delegates import SubgraftError
from subgraft.interpreter.model import Model

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not FILE.is_file(), reason=f"no {FILE}; set SUBGRAFT_SHARED to the folder that holds opcases/"),
]

# Operations of which not every case is on the device whose level has it, and what the delegate says of those.
NOT_ALL = {
    "CAST": ("NNAPI casts between", "of what is cast to uint8 TFLite keeps the lowest bits"),
    "CONV_2D": ("its bias must be a constant where it is quantized", "where they have a scale for each channel"),
    "DEPTHWISE_CONV_2D": ("its bias must be a constant where it is quantized",),
    "DEQUANTIZE": ("must have a scale above 0",),
    "FULLY_CONNECTED": ("its bias must be a constant where it is quantized",),
    "GROUPED_CONV_2D": ("its bias must be a constant where it is quantized",),
    "MIRROR_PAD": ("at most 8 dimensions",),
    "TRANSPOSE_CONV_2D": ("its bias must be a constant where it is quantized",),
}
# The feature level that Android's tests of an interface's version need.
SINCE = {"V1_0": 27, "V1_1": 28, "V1_2": 29, "V1_3": 30, "AIDL_V2": 1000006, "AIDL_V3": 1000007}
# Operations that give their state back, which TFLite's ops keep, since this level only.
LATER = {
    name: 30
    for name in (
        "BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "UNIDIRECTIONAL_SEQUENCE_LSTM",
        "UNIDIRECTIONAL_SEQUENCE_RNN",
    )
}  # fmt: skip
# Kinds whose output's shape follows from a value that a case feeds: they stay on the CPU wherever they are.
SIZED_WHILE_RUNNING = ("FILL", "RESHAPE", "SLICE", "TILE")
# Kinds that the delegate writes with older operations where the level lacks their own.
REPLACED = ("EXPAND_DIMS", "PACK", "SQUEEZE")
STATEFUL_RUNS = 3  # each goes on from the state that the one before left
QUANTIZED_STEPS = 1
IMAGE_STEPS = 3  # of whole models, as Android's tests allow


def marks(is_sample: bool) -> tuple[pytest.MarkDecorator, ...]:
    """The rest is for the exhaustive run, and for `-m conformance`."""
    return () if is_sample else (pytest.mark.exhaustive,)


@pytest.fixture(scope="module", params=[pytest.param(level, marks=marks(level == LATEST)) for level in LEVELS])
def stand_in(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    yield StandIn(tmp_path_factory.mktemp("nnapi"), request.param)


def delegate(stand_in: StandIn) -> Nnapi:
    return Nnapi(library=str(stand_in.path), cache=False, probe=False, timeout_s=100)


def expressible(operation: str) -> Iterator[tuple[SpecCase, Converted]]:
    for case in cases():
        if case.operation != operation:
            continue
        try:
            converted = convert(case)
        except Inexpressible:
            continue
        yield case, converted


@pytest.mark.parametrize("operation", sorted({case.operation for case in cases()}) if FILE.is_file() else [])
def test_cases_of_an_operation_give_the_cpus_answers(operation: str, stand_in: StandIn) -> None:
    """And where they stay on the CPU there is a reason: the level, or one that is listed."""
    stand_in.reset()
    for case, converted in expressible(operation):
        model = Model.of(converted.graph)
        names = [converted.graph.tensors[t].name for t in converted.graph.inputs]
        feeds = dict(zip(names, converted.feeds, strict=True))
        runs = STATEFUL_RUNS if converted.states else 1
        try:
            with subgraft.load(model) as cpu:
                expected = [{k: np.array(v) for k, v in cpu.run(feeds).items()} for _ in range(runs)]
        except SubgraftError:
            continue  # listed in nnapi_deviations.py
        with subgraft.load(model, delegates=[delegate(stand_in)]) as session:
            results = [{k: np.array(v) for k, v in session.run(feeds).items()} for _ in range(runs)]
            refusals = " ".join(event.reason for event in session.report)
            is_on_device = any(step.owner for step in session.plan.steps)
        assert is_on_device or refusals or operation in SIZED_WHILE_RUNNING, case.name
        if is_on_device:
            assert not refusals, (case.name, refusals, stand_in.problems)
            is_alone = len(converted.graph.ops) == 1
            assert not is_alone or operation in REPLACED or OPERATIONS[operation][1] <= stand_in.level, case.name
        elif stand_in.level >= SINCE[case.name.partition("/")[0]] and operation not in SIZED_WHILE_RUNNING:
            # The level suffices for the operation: Android's own tests ask for no more.
            is_later = stand_in.level < LATER.get(operation, 0)
            listed = ("since feature level",) if is_later else NOT_ALL.get(operation, ())
            assert any(why in refusals for why in listed), (case.name, refusals)
        elif operation not in SIZED_WHILE_RUNNING:
            listed = ("feature level", *NOT_ALL.get(operation, ()))
            assert any(why in refusals for why in listed), (case.name, refusals)
        for ours, cpus in zip(results, expected, strict=True):
            for name, value in cpus.items():
                assert not difference(ours[name], value, QUANTIZED_STEPS), (case.name, name)


def test_every_operation_of_the_table_has_androids_code() -> None:
    from nnapi_operations import OPERATIONS as SPECIFIED

    assert {name: o.code for name, o in SPECIFIED.items()}.items() <= {n: c for n, (c, _) in OPERATIONS.items()}.items()


def takes_image(path: Path) -> bool:
    graph = Model.open(path).graphs[0]
    return any(len(graph.tensors[t].shape) == 4 and graph.tensors[t].shape[3] in (1, 3) for t in graph.inputs)


SAMPLE = ("edgetpu/mobilenet_v1_0.25_128_quant.tflite", "made/small_unet_int8.tflite", "real/kws_ref_model.tflite")
IMAGE_MODELS = [
    pytest.param(case, id=case.path, marks=marks(case.path in SAMPLE))
    for case in CASES
    if (MODELS / case.path).is_file() and takes_image(MODELS / case.path)
]


@pytest.mark.parametrize("case", IMAGE_MODELS)
def test_an_image_model_gives_the_cpus_answers(case: ModelCase, stand_in: StandIn) -> None:
    stand_in.reset()
    path = MODELS / case.path
    with subgraft.load(path) as cpu, subgraft.load(path, delegates=[delegate(stand_in)]) as session:
        graph, rng = Model.open(path).graphs[0], np.random.default_rng(len(case.path))
        tensors = [graph.tensors[t] for t in graph.inputs]
        feeds = {tensor.name: random_values(case, i, tensor, rng) for i, tensor in enumerate(tensors)}
        results, expected = session.run(feeds), cpu.run(feeds)
        assert not [event for event in session.report if event.phase == "run"], stand_in.problems
        if stand_in.level == LATEST and case.arithmetic != "dynamic":
            assert any(step.owner for step in session.plan.steps) or "int16" in case.path
    if "TFLite_Detection_PostProcess" in {op.kind for op in graph.ops}:
        return  # one step of a score changes which boxes come out, and their order
    for name, value in expected.items():
        assert not difference(np.asarray(results[name]), np.asarray(value), IMAGE_STEPS), name


def difference(ours: Array, theirs: Array, steps: int) -> str:
    """Empty when they are equal within the specification's tolerance."""
    if ours.shape != theirs.shape or ours.dtype != theirs.dtype:
        return f"{ours.dtype}{list(ours.shape)} instead of {theirs.dtype}{list(theirs.shape)}"
    if ours.dtype.kind == "f":
        scale = max(1.0, float(np.max(np.abs(theirs), initial=0)))
        good = (ours == theirs) | np.isclose(ours, theirs, FLOAT_RELATIVE, FLOAT_ABSOLUTE * scale, equal_nan=True)
    elif ours.dtype.kind == "b":
        good = ours == theirs
    else:
        good = np.abs(ours.astype(np.int64) - theirs.astype(np.int64)) <= steps
    return "" if good.all() else f"{int((~good).sum())} of {good.size} elements"
