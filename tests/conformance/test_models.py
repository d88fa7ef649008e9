"""Whole models give TFLite's answers: bit for bit where they compute with integers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import subgraft
from model_inputs import oracle_model, random_values
from model_table import CASES, ELSEWHERE, ModelCase
from op_cases import Array
from oracle import Oracle, Request
from shared_models import MODELS, SHARED, needs_shared
from subgraft.delegates import Graph, Unsupported
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native

RANDOM_INPUTS = 5
PICTURES = ("grace_hopper.bmp", "cat.bmp", "parrot.jpg")

pytestmark = [pytest.mark.conformance, needs_shared]


def every_case() -> Iterator[object]:
    for case in CASES:
        yield pytest.param(case, id=case.path, marks=() if case.sample else pytest.mark.exhaustive)


@pytest.mark.parametrize("case", list(every_case()))
def test_a_model_equals_tflite(case: ModelCase, oracle: Oracle) -> None:
    interpreter = loaded(case)
    model = Model.open(MODELS / case.path)
    runs = [*random_runs(case, model.graphs[0]), *picture_runs(case, model.graphs[0])]
    answer = oracle.ask(Request(oracle_model(case, MODELS / case.path, model), runs, resolver=case.oracle))
    assert not answer.error, f"the oracle refuses: {answer.error}"
    for i, (inputs, theirs) in enumerate(zip(runs, answer.runs, strict=True)):
        found = differences(run(interpreter, inputs), theirs, case.tolerance)
        if found:
            pytest.fail(f"input {i}: {found}\n{first_difference(case, model, inputs, oracle)}")


def test_the_number_of_threads_changes_nothing() -> None:
    for case in (c for c in CASES if c.sample):
        inputs = random_runs(case, Model.open(MODELS / case.path).graphs[0])[0]
        one, three = (run(loaded(case, threads), inputs) for threads in (1, 3))
        assert [a.tobytes() for a in one] == [b.tobytes() for b in three], case.path


def test_every_shared_model_is_compared_or_its_place_is_known() -> None:
    """A copy of a model that is compared counts as compared."""
    compared = {digest(MODELS / case.path) for case in CASES}
    for path in sorted(MODELS.glob("*/*.tflite")):
        name = path.relative_to(MODELS)
        assert any(name.match(pattern) for pattern in ELSEWHERE) or digest(path) in compared, name


def test_a_model_with_an_unknown_op_is_refused_by_the_ops_name() -> None:
    with pytest.raises(Unsupported, match="op 0 fake-op-double"):
        subgraft.load(MODELS / "invalid/model_invoking_error.tflite")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def loaded(case: ModelCase, threads: int = 2) -> subgraft.Interpreter:
    interpreter = subgraft.Interpreter(MODELS / case.path, num_threads=threads)
    interpreter.allocate_tensors()
    return interpreter


def run(interpreter: subgraft.Interpreter, inputs: Sequence[Array]) -> list[Array]:
    for detail, value in zip(interpreter.get_input_details(), inputs, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def random_runs(case: ModelCase, graph: Graph) -> list[list[Array]]:
    rng = np.random.default_rng(len(case.path))
    return [
        [random_values(case, place, graph.tensors[t], rng) for place, t in enumerate(graph.inputs)]
        for _ in range(RANDOM_INPUTS)
    ]


def picture_runs(case: ModelCase, graph: Graph) -> list[list[Array]]:
    if case.pictures is None:
        return []
    (place,) = graph.inputs
    tensor = graph.tensors[place]
    _, height, width, channels = tensor.shape
    runs = []
    for name in PICTURES:
        with Image.open(SHARED / "images" / name) as picture:
            pixels = np.asarray(picture.convert("L" if channels == 1 else "RGB").resize((width, height)))
        pixels = pixels.reshape(tensor.shape)
        if tensor.dtype == "float32":
            low, high = case.pictures
            runs.append([(pixels / 255 * (high - low) + low).astype("float32")])
        else:
            runs.append([pixels if tensor.dtype == "uint8" else (pixels.astype("int16") - 128).astype("int8")])
    return runs


def differences(ours: list[Array], theirs: list[Array], tolerance: float) -> str:
    """Empty when all are equal, or differ by less than the tolerance times the largest expected value."""
    assert len(ours) == len(theirs)
    return "; ".join(
        f"output {i}: {found}"
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
        if (found := compare(a, b, tolerance))
    )


def compare(ours: Array, theirs: Array, tolerance: float) -> str:
    if (ours.shape, ours.dtype) != (theirs.shape, theirs.dtype):
        return f"{ours.dtype}{list(ours.shape)} instead of {theirs.dtype}{list(theirs.shape)}"
    if ours.dtype.kind != "f" or tolerance == 0:
        count = int(np.sum(ours != theirs))
        return f"{count} of {ours.size} differ" if count else ""
    assert np.isfinite(theirs).all()
    largest, worst = float(np.abs(theirs).max()), float(np.abs(ours - theirs).max())
    return "" if worst <= tolerance * largest else f"differs by {worst:.3g}; the largest value is {largest:.3g}"


def first_difference(case: ModelCase, model: Model, inputs: list[Array], oracle: Oracle) -> str:
    """The first op in the order of execution that makes another tensor than the oracle's, in its first run."""
    if _native.missing_kernels(model.native):
        return "ops of control flow: no tensors in between"
    answer = oracle.ask(
        Request(oracle_model(case, MODELS / case.path, model), [inputs], resolver=case.oracle, every_tensor=True)
    )
    program = _native.Program(model.native, pool=_native.ThreadPool(1), keep_all=True)
    program.call(inputs)
    graph = model.graphs[0]
    for i, op in enumerate(graph.ops):
        for t in op.outputs:
            found = compare(program.get(t), answer.tensors[t], case.tolerance) if t in answer.tensors else ""
            if found:
                return f"the first is op {i} {op.kind}, tensor {t} '{graph.tensors[t].name}': {found}"
    return "no tensor in between differs when this input runs alone"
