"""Whole models on an OpenCL device and the CPU behind it: the CPU's answers, bit for bit where they are integers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import subgraft
from macs import share
from model_inputs import random_values
from model_table import CASES, ModelCase, integer
from op_cases import Array
from opencl_device import TestDevice
from shared_models import MODELS, needs_shared
from subgraft.interpreter.model import Model

TOLERANCE = 1e-4  # of the output's range, where floats are computed; more only where model_table.py says why
IMAGE_SHARE = 0.8  # of the multiply-accumulates of a model that takes an image
RUNS = 2
SAMPLE = (
    "edgetpu/mobilenet_v1_0.25_128_quant.tflite", "made/small_unet_int16x8.tflite", "made/vit_tiny_int8.tflite",
    "real/hand_landmark_full.tflite", "real/kws_ref_model.tflite",
)  # fmt: skip
# An integer model of each kind: every cut is a program of its own, which takes PoCL seconds.
CUT = ("edgetpu/mobilenet_v1_0.25_128_quant.tflite", "made/small_unet_int16x8.tflite", "real/kws_ref_model.tflite")
# Compared with TFLite elsewhere, see model_table.ELSEWHERE.
MORE = (
    integer("edgetpu/posenet_mobilenet_v1_075_481_641_16_quant_decoder.tflite"),
    integer("real/qwen_fc_blockwise_quantized.tflite", pictures=False),
)
EVERY = {case.path: case for case in (*CASES, *MORE)}

pytestmark = needs_shared


@pytest.mark.parametrize("path", SAMPLE)
def test_a_model_has_the_cpus_answers(path: str, opencl: TestDevice) -> None:
    compare(EVERY[path], opencl)


@pytest.mark.exhaustive
@pytest.mark.parametrize("limits", ["device", "small"])
@pytest.mark.parametrize("path", EVERY)
def test_every_model_has_the_cpus_answers(path: str, limits: str, opencl: TestDevice) -> None:
    compare(EVERY[path], opencl, limits=limits)


@pytest.mark.exhaustive
@pytest.mark.parametrize("path", CUT)
def test_every_boundary_of_a_segment_may_be_anywhere(path: str, opencl: TestDevice) -> None:
    """The first n ops on the device and the rest on the CPU, for every n, and the other way round."""
    case = EVERY[path]
    count = len(Model.open(MODELS / path).graphs[0].ops)
    for cut in range(1, count):
        for ops in (range(cut), range(cut, count)):
            compare(case, opencl, runs=1, only_nodes=list(ops))


def test_a_device_with_small_limits_has_the_cpus_answers(opencl: TestDevice) -> None:
    compare(EVERY[SAMPLE[0]], opencl, limits="small")


def test_one_buffer_for_each_tensor_makes_no_difference(opencl: TestDevice) -> None:
    compare(EVERY[SAMPLE[0]], opencl, arena=False)


def compare(
    case: ModelCase, device: TestDevice, runs: int = RUNS, only_nodes: list[int] | None = None, **options: object
) -> None:
    path = MODELS / case.path
    cpu = subgraft.load(path)
    wanted = {} if only_nodes is None else {"only_nodes": only_nodes}
    with subgraft.load(path, delegates=[device.delegate(**options)], fallback=False, **wanted) as session:
        if only_nodes is None and takes_image(path):
            part = share_of(session)
            assert part >= IMAGE_SHARE, f"{part:.1%} of the multiply-accumulates\n{session.plan.explain()}"
        for number in range(runs):
            inputs = feed(case, path, number)
            found = differences(session.run(inputs), cpu.run(inputs), case)
            assert not found, f"{case.path}, run {number}: {found}\n{session.plan.explain()}"


def takes_image(path: Path) -> bool:
    graph = Model.open(path).graphs[0]
    return any(len(graph.tensors[t].shape) == len("NHWC") for t in graph.inputs)


def share_of(session: subgraft.Session) -> float:
    """Of the multiply-accumulates in the main graph, on the delegate."""
    plan = session.plan
    return share(plan.graph, {i for i, placement in enumerate(plan.placements) if placement.owner})


def feed(case: ModelCase, path: Path, number: int) -> dict[str, Array]:
    graph = Model.open(path).graphs[0]
    rng = np.random.default_rng((len(case.path), number))
    return {
        graph.tensors[t].name: random_values(case, place, graph.tensors[t], rng) for place, t in enumerate(graph.inputs)
    }


def differences(ours: Mapping[str, Array], theirs: Mapping[str, Array], case: ModelCase) -> str:
    return "; ".join(f"{name}: {found}" for name in theirs if (found := difference(ours[name], theirs[name], case)))


def difference(ours: Array, theirs: Array, case: ModelCase) -> str:
    if ours.dtype.kind != "f" or case.arithmetic == "integer":
        count = int(np.sum(ours != theirs))
        return f"{count} of {ours.size} differ" if count else ""
    extent = float(theirs.max() - theirs.min()) or float(np.abs(theirs).max())
    worst = float(np.abs(ours - theirs).max())
    return (
        "" if worst <= max(TOLERANCE, case.allowed) * extent else f"differs by {worst:.3g} of a range of {extent:.3g}"
    )
