"""PosenetDecoderOp beyond its table of cases: values that are no numbers, and Coral's own model on a picture."""

import numpy as np
import pytest

import subgraft
from op_cases_posenet import posenet
from shared_models import SHARED, needs_shared
from subgraft.interpreter.model import Model

POSENET = SHARED / "models/edgetpu/posenet_mobilenet_v1_075_481_641_16_quant_decoder.tflite"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 1, 2, 3])
def test_values_that_are_no_numbers_do_no_harm(bad, where):
    case = posenet(33, 33, masks=True, score_threshold=0.2)
    session = subgraft.load(Model.open(case.model()))
    feed = [array.copy() for array in case.feed(0)]
    feed[where].reshape(-1)[::7] = bad
    outputs = session.run(dict(zip(session.inputs, feed, strict=True)))
    assert not np.isnan(outputs[list(outputs)[0]]).any()  # places stay in the picture


@needs_shared
def test_two_people_are_found_in_a_picture():
    pillow = pytest.importorskip("PIL.Image", reason="pillow is not installed")
    picture = pillow.open(SHARED / "images/kite_and_cold.jpg").convert("RGB").resize((641, 481))
    with subgraft.load(POSENET) as session:
        (name,) = session.inputs
        places, scores, poses, count = session.run({name: np.asarray(picture)[None]}).values()
    found = int(count[0])
    assert found >= 1 and (poses[0, :found] >= 0.2).all() and (np.diff(poses[0, :found]) <= 0).all()
    assert (scores[0, found:] == 0).all() and (places[0, found:] == 0).all()
    nose, ankles = places[0, 0, 0], places[0, 0, 15:17]
    assert (nose[0] < ankles[:, 0]).all(), "the best pose stands on its feet"
