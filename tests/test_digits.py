"""The models that come with the package: how well they read, and whether they compute what TFLite does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import subgraft
from oracle import Oracle, Request
from subgraft.cli.metadata import normalizations, packed_labels
from subgraft.interpreter.model import Model
from subgraft.models import DIGITS_FLOAT, DIGITS_INT8, samples

EXAMPLE = Path(__file__).parents[1] / "examples" / "digits"
TEST_EVERY = 4  # examples/digits/dataset.py


@pytest.fixture(scope="module")
def held_out():
    """The test pictures and their labels."""
    with np.load(EXAMPLE / "held_out.npz") as arrays:
        return arrays["grey"], arrays["labels"]


def inputs(path, grey):
    """One batch of one picture for each run."""
    if path is DIGITS_FLOAT:
        return (grey.astype(np.float32) / np.float32(255))[:, None]
    return (grey.astype(np.int16) - 128).astype(np.int8)[:, None]


@pytest.fixture(scope="module")
def answers(held_out):
    """Each model's probabilities for every test picture, as the model gives them."""
    found = {}
    for path in (DIGITS_FLOAT, DIGITS_INT8):
        with subgraft.load(path) as session:
            found[path] = np.concatenate(
                [session.run({"image": x})["probabilities"] for x in inputs(path, held_out[0])]
            )
    return found


@pytest.mark.parametrize("path", [DIGITS_FLOAT, DIGITS_INT8], ids=lambda path: path.stem)
def test_at_least_98_of_100_digits_are_read_right(path, held_out, answers):
    assert len(held_out[1]) == 450
    assert (answers[path].argmax(axis=1) == held_out[1]).mean() >= 0.98


def test_int8_says_what_float_says(answers):
    dequantized = (answers[DIGITS_INT8].astype(np.float32) + 128) / 256
    assert (answers[DIGITS_INT8].argmax(axis=1) == answers[DIGITS_FLOAT].argmax(axis=1)).mean() >= 0.99
    assert np.abs(dequantized - answers[DIGITS_FLOAT]).max() < 0.1


@pytest.mark.parametrize(("path", "tolerance"), [(DIGITS_FLOAT, 1e-5), (DIGITS_INT8, 0)], ids=["float", "int8"])
def test_answers_are_those_of_tflites_reference_kernels(path, tolerance, held_out, answers, oracle: Oracle):
    pytest.importorskip("ai_edge_litert", reason="ai-edge-litert, the oracle, is not installed")
    theirs = oracle.ask(Request(path.read_bytes(), [[x] for x in inputs(path, held_out[0])]))
    assert not theirs.error
    expected = np.concatenate([outputs[0] for outputs in theirs.runs])
    assert np.abs(answers[path].astype(np.float64) - expected).max() <= tolerance


@pytest.mark.parametrize("path", [DIGITS_FLOAT, DIGITS_INT8], ids=lambda path: path.stem)
def test_the_files_tell_how_they_are_used(path):
    model = Model.open(path)
    (signature,) = model.signatures
    assert (signature.key, list(signature.inputs), list(signature.outputs)) == (
        "serving_default",
        ["image"],
        ["probabilities"],
    )
    assert str(normalizations(model.metadata)[0]) == "(pixel - 0) / 255"
    assert packed_labels(path) == tuple("0123456789")
    assert not model.warnings


def test_int8_has_a_scale_for_each_filter_of_a_convolution():
    graph = Model.open(DIGITS_INT8).graphs[0]
    convolutions = [op for op in graph.ops if op.kind.endswith("CONV_2D")]
    assert len(convolutions) == 4
    for op in convolutions:
        weights = graph.tensors[op.inputs[1]]
        assert len(weights.quantization.scales) == graph.tensors[op.outputs[0]].shape[-1]
        assert weights.data.min() >= -127


def test_the_held_out_pictures_are_scikit_learns(held_out):
    reason = "scikit-learn, whose digits the models were trained on, is not installed"
    digits = pytest.importorskip("sklearn.datasets", reason=reason).load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    np.testing.assert_array_equal(held_out[0], grey[::TEST_EVERY, :, :, None])
    np.testing.assert_array_equal(held_out[1], digits.target[::TEST_EVERY])


def test_the_samples_are_test_pictures(held_out):
    grey, labels = held_out
    chosen = samples()
    assert sorted(sample.label for sample in chosen) == [digit for digit in range(10) for _ in range(3)]
    for sample in chosen:
        place = int(sample.path.stem.partition("_")[0])
        assert place % TEST_EVERY == 0
        assert sample.label == labels[place // TEST_EVERY]
        np.testing.assert_array_equal(sample.pixels, grey[place // TEST_EVERY, :, :, 0])


def test_other_programs_see_the_samples_as_we_do():
    pil = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for sample in samples():
        with pil.open(sample.path) as picture:
            np.testing.assert_array_equal(np.asarray(picture), sample.pixels)
