"""The drop-in interpreter beside ai_edge_litert's: one script on both, then what ours does better."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import subgraft
from shared_models import MODELS, needs_shared
from subgraft.delegates import Graph, Op, Tensor

SCRIPT = Path(__file__).with_name("tflite_script.py")
HELLO = MODELS / "real/hello_world_int8.tflite"
KWS = MODELS / "real/kws_ref_model.tflite"
X = np.array([[7]], np.int8)

# Where ours differs on purpose: theirs, ours and why.
DIFFERENT = {
    "a_library_that_is_no_delegate": (
        "AttributeError",
        "ValueError",
        "vendors' libraries come in a later release, and the error says so instead of naming a symbol",
    ),
}


def outcomes(module: str) -> dict[str, Any]:
    child = subprocess.run(
        [sys.executable, str(SCRIPT), module, str(MODELS)], capture_output=True, text=True, timeout=300, check=True
    )
    return dict(json.loads(child.stdout))


@pytest.fixture(scope="module")
def both() -> tuple[dict[str, Any], dict[str, Any]]:
    pytest.importorskip("ai_edge_litert")
    return outcomes("ai_edge_litert.interpreter"), outcomes("subgraft")


def same(theirs: dict[str, Any], ours: dict[str, Any]) -> bool:
    """Equal results; or an exception that code written for theirs would catch."""
    if "error" in theirs:
        return "error" in ours and theirs["error"][0] in ours["error"]
    return theirs == ours


@needs_shared
def test_a_script_for_litert_does_the_same_here(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    theirs, ours = both
    assert theirs.keys() == ours.keys()
    assert len(theirs) > 90
    different = {name for name in theirs if not same(theirs[name], ours[name])}
    assert different == DIFFERENT.keys(), {n: (theirs[n], ours[n]) for n in different ^ DIFFERENT.keys()}


@needs_shared
@pytest.mark.parametrize("name", DIFFERENT)
def test_differences_are_as_documented(name: str, both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    theirs, ours, _ = DIFFERENT[name]
    assert both[0][name]["error"][0] == theirs
    assert both[1][name]["error"][0] == ours


@needs_shared
def test_messages_keep_the_words_that_people_search_for(both: tuple[dict[str, Any], dict[str, Any]]) -> None:
    words = {
        "invoke_before_allocate": "Invoke called on model that is not ready",
        "get_before_allocate": "Run allocate_tensors() first",
        "set_before_allocate": "Tensor is unallocated",
        "wrong_dtype": "Cannot set tensor: Got value of type",
        "wrong_dimension": "Dimension mismatch. Got 2 but expected 1 for dimension 0",
        "invoke_under_a_view": "There is at least 1 reference to internal data",
        "strict_resize_of_a_fixed_dimension": "ResizeInputTensorStrict only allows mutating unknown dimensions",
        "signature_unknown": 'Invalid signature_key provided: "nope".',
    }
    for name, text in words.items():
        for side in both:
            assert text in side[name]["text"], (name, side[name])


def ready(path: Path = HELLO, **more: Any) -> subgraft.Interpreter:
    interpreter = subgraft.Interpreter(str(path), **more)
    interpreter.allocate_tensors()
    return interpreter


@needs_shared
def test_a_constant_cannot_be_overwritten() -> None:
    with pytest.raises(ValueError, match="is a constant"):
        ready().set_tensor(1, np.zeros(1, np.int32))


@needs_shared
def test_a_view_of_a_constant_is_read_only() -> None:
    view = ready().tensor(1)()
    with pytest.raises(ValueError, match="read-only"):
        view[...] = 0


@needs_shared
def test_an_intermediate_that_is_gone_is_an_error_and_not_garbage() -> None:
    interpreter = ready(KWS)
    interpreter.invoke()
    (first, *_) = interpreter._get_ops_details()
    with pytest.raises(ValueError, match="experimental_preserve_all_tensors"):
        interpreter.get_tensor(int(first["outputs"][0]))


@needs_shared
def test_messages_do_not_pile_up() -> None:
    interpreter = subgraft.Interpreter(str(HELLO))
    texts = []
    for _ in range(3):
        with pytest.raises(RuntimeError) as caught:
            interpreter.invoke()
        texts.append(str(caught.value))
    assert len(set(texts)) == 1


@needs_shared
@pytest.mark.parametrize("kind", [bytearray, memoryview, open])
def test_content_may_be_any_buffer_or_file(kind: Any) -> None:
    if kind is open:
        with HELLO.open("rb") as file:
            interpreter = subgraft.Interpreter(model_content=file)
    else:
        interpreter = subgraft.Interpreter(model_content=kind(HELLO.read_bytes()))
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, X)
    interpreter.invoke()
    assert interpreter.get_tensor(9).shape == (1, 1)


@needs_shared
def test_a_changed_bytearray_changes_nothing() -> None:
    content = bytearray(HELLO.read_bytes())
    interpreter = subgraft.Interpreter(model_content=content)
    content[:] = bytes(len(content))
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, X)
    interpreter.invoke()
    expected = ready()
    expected.set_tensor(0, X)
    expected.invoke()
    np.testing.assert_array_equal(interpreter.get_tensor(9), expected.get_tensor(9))


@needs_shared
def test_a_view_keeps_its_memory_alive() -> None:
    interpreter = ready()
    interpreter.set_tensor(0, X)
    view = interpreter.tensor(0)()
    del interpreter
    assert view.tolist() == X.tolist()


@needs_shared
def test_a_model_opened_twice_shares_its_weights() -> None:
    a, b = (subgraft.Model.open(str(KWS)) for _ in range(2))
    assert a.native is b.native


def with_fake(path: Path, options: dict[str, Any], **more: Any) -> subgraft.Interpreter:
    delegate = subgraft.load_delegate("fake", options)
    return ready(path, experimental_delegates=[delegate], **more)


@needs_shared
def test_a_delegate_gives_the_same_answers() -> None:
    x = np.random.default_rng(0).integers(-128, 128, (1, 49, 10, 1), np.int8)
    answers = []
    for interpreter in (ready(KWS), with_fake(KWS, {"kinds": "CONV_2D,DEPTHWISE_CONV_2D"})):
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        answers.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    np.testing.assert_array_equal(*answers)
    assert interpreter.plan is not None
    assert {step.owner for step in interpreter.plan.steps} == {None, "fake"}
    assert not interpreter.report.events


@needs_shared
def test_views_are_counted_with_a_delegate_too() -> None:
    interpreter = with_fake(KWS, {"kinds": "CONV_2D"})
    view = interpreter.tensor(interpreter.get_input_details()[0]["index"])()
    with pytest.raises(RuntimeError, match="reference to internal data"):
        interpreter.invoke()
    del view
    interpreter.invoke()


def test_an_unknown_delegate_says_what_there_is() -> None:
    with pytest.raises(ValueError, match=r"(?s)Failed to load delegate from nonesuch.*fake"):
        subgraft.load_delegate("nonesuch")


def test_a_delegate_without_a_device_says_why() -> None:
    with pytest.raises(ValueError, match=r"(?s)Failed to load delegate from fake.*"):
        subgraft.load_delegate("fake", {"unavailable": "it was told to be away"})


def test_an_input_resized_to_a_scalar_has_no_dimensions() -> None:
    tensors = [Tensor(name, (1,), "float32") for name in ("x", "y")]
    model = subgraft.Model.of(Graph(tensors, [Op("TANH", (0,), (1,))], (0,), (1,)))
    interpreter = subgraft.Interpreter(model_content=model.to_bytes())
    interpreter.resize_tensor_input(0, [])
    assert interpreter.get_input_details()[0]["shape"].tolist() == []


@needs_shared
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_is_told_to_load_its_own() -> None:
    interpreter = with_fake(KWS, {"kinds": "CONV_2D"})
    interpreter.invoke()
    child = os.fork()
    if child == 0:
        try:
            interpreter.invoke()
        except RuntimeError as error:
            os._exit(0 if "fork" in str(error) else 2)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    interpreter.invoke()
