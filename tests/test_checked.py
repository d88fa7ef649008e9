"""Delegates that break their contract, and arguments that mean nothing: a typed error says which and what to do."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

import graphs as make
import subgraft
from subgraft.backends.fake import Fake
from subgraft.delegates import Failed, Unavailable, Verdict
from subgraft.interpreter.model import Model

MODEL = Model.of(make.chain("ADD", "TANH", "MUL"))


def bent(**answers: object) -> Fake:
    """A fake of which these methods return these values."""
    made = Fake()
    for method, value in answers.items():
        setattr(made, method, lambda *arguments, value=value: value)
    return made


@pytest.mark.parametrize(
    "delegate, message",
    [
        (object(), "is no delegate: it has no name"),
        (None, "None is no delegate"),
        (7, "7 is no delegate"),
        (Fake, r"delegate Fake is a class: pass one made from it, Fake\(\)"),
        (SimpleNamespace(name="half", devices=list), "delegate half: .* has no method check, cost, compile, health"),
        (("fake",), r"is \(\"name:device\", {option: value}\), not \('fake',\)"),
        (("fake", "faults=fail@1"), "{option: value}"),
        ((1, {}), "{option: value}"),
        (bent(devices=None), r"delegate fake: devices\(\) returned None; it returns a list of Device"),
        (bent(devices=["usb:0"]), "returns a list of Device"),
        (bent(check=True), r"delegate fake: check\(\) returned True; it returns a Verdict"),
        (bent(check=None), r"delegate fake: check\(\) returned None"),
        (bent(refine=None), r"delegate fake: refine\(\) returned None; it returns 3 Verdicts"),
        (bent(refine=[Verdict()]), "returns 3 Verdicts, one for each op"),
        (bent(cost=0.5), r"delegate fake: cost\(\) returned 0.5; it returns a Cost, or None"),
        (bent(compile=None), r"delegate fake: compile\(\) returned None, which has no run\(\) and no close\(\)"),
        (bent(compile=SimpleNamespace(run=print)), r"has no close\(\); it returns an Executable"),
    ],
)
def test_a_delegate_that_breaks_its_contract_is_named_with_what_it_lacks(delegate, message):
    with pytest.raises(TypeError, match=message):
        subgraft.load(MODEL, [delegate])


def test_a_health_that_is_none_is_a_bug_of_the_delegate():
    fake = bent(health="fine")
    fake._faults = Fake(faults="fail")._faults
    with (
        subgraft.load(MODEL, [fake]) as session,
        pytest.raises(TypeError, match=r"delegate fake: health\(\) returned 'fine'; it returns a Health"),
    ):
        session.run({"x": np.ones(4, np.float32)})


def test_what_load_delegate_returned_may_be_loaded_with():
    with subgraft.load(MODEL, [subgraft.load_delegate("fake:1")]) as session:
        assert [step.owner for step in session.plan.steps] == ["fake:1"]


@pytest.mark.parametrize("delegate", ["fake", Fake(), None])
def test_the_drop_in_says_what_a_delegate_is(delegate):
    with pytest.raises(TypeError, match="takes what load_delegate"):
        subgraft.Interpreter(model_content=MODEL.to_bytes(), experimental_delegates=[delegate])


@pytest.mark.parametrize(
    "options, message",
    [
        ({"deny_ops": ["NOPE"]}, "deny_ops names 'NOPE', which is no op; this model's ops are ADD, MUL, TANH"),
        ({"deny_ops": ["tanh"]}, "deny_ops names 'tanh', which is no op; did you mean TANH?"),
        ({"deny_ops": ["conv_2d"]}, "did you mean CONV_2D?"),
        ({"deny_ops": ["CONV2D"]}, "did you mean CONV_2D?"),
        ({"deny_ops": [3]}, "deny_ops names 3"),
        ({"prefer": {"TAHN": "fake"}}, "prefer names 'TAHN', which is no op; did you mean TANH?"),
    ],
)
def test_a_kind_that_is_no_op_is_refused_with_the_one_meant(options, message):
    with pytest.raises(ValueError, match=message):
        subgraft.load(MODEL, ["fake"], **options)


def test_kinds_that_the_model_lacks_may_be_denied():
    with subgraft.load(MODEL, ["fake"], deny_ops=["CONV_2D", "TANH"]) as session:
        assert [step.owner for step in session.plan.steps] == ["fake", None, "fake"]


@pytest.mark.parametrize("error", [Failed, Unavailable])
def test_an_error_without_a_reason_says_so(error):
    assert str(error("")) == str(error()) == error("").reason == "it gave no reason"
