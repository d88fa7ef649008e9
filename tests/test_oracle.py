"""The oracle outlives what TFLite does to it."""

from __future__ import annotations

import numpy as np

from op_cases import Case, out, x
from oracle import Oracle, Request

# TFLite's reference ADD aborts the process where the output's scale is much smaller than the inputs'.
ABORTS = Case("ADD", [x(2, dtype="int8", scale=1.0)] * 2, [out("int8", scale=1e-7)])
SOUND = Case("RELU", [x(3)], [out()])


def test_an_abort_is_an_answer_and_the_next_question_gets_its_own(oracle: Oracle) -> None:
    assert oracle.ask(Request(ABORTS.model(), [ABORTS.feed()])).error.startswith("aborted")
    answer = oracle.run(SOUND.model(), *SOUND.feed())
    assert np.array_equal(answer.outputs[0], np.maximum(SOUND.feed()[0], 0))


def test_a_refusal_is_an_answer(oracle: Oracle) -> None:
    assert "not a valid Flatbuffer" in oracle.run(b"no model at all, but more than a few bytes").error


def test_a_slow_answer_is_given_up() -> None:
    impatient = Oracle(timeout_s=0.0)
    try:
        assert "no answer within 0 s" in impatient.run(SOUND.model(), *SOUND.feed()).error
    finally:
        impatient.close()


def test_inputs_are_resized_and_every_tensor_is_returned(oracle: Oracle) -> None:
    value = np.float32([[1, -2], [3, -4]])
    answer = oracle.run(SOUND.model(), value, shapes={0: (2, 2)}, every_tensor=True)
    assert np.array_equal(answer.outputs[0], np.maximum(value, 0))
    assert np.array_equal(answer.tensors[0], value)
