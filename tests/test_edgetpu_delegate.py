"""Models on the emulated Edge TPU, driver included: alone, with a twin, compiled here; and the CPU's bits each time."""

from __future__ import annotations

import logging
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import edgetpu_pairs as pairs
import subgraft
from edgetpu_sessions import assert_same, delegate_of, emulator, random_inputs, real_sticks, wanted
from model_table import CASES
from shared_models import MODELS, needs_shared
from subgraft.backends.edgetpu import EdgeTpu
from subgraft.backends.edgetpu.emulator.numerics import Numerics
from subgraft.backends.edgetpu.emulator.teaching import teach
from subgraft.backends.edgetpu.opening import OPEN_TIMEOUT_S
from subgraft.backends.edgetpu.turns import TURN_TIMEOUT_S
from subgraft.delegates import Failed, ModelError, Rejected, Unavailable, Unsupported
from subgraft.interpreter import Model
from subgraft.interpreter.discovery import choose, find
from subgraft.models import DIGITS_FLOAT, DIGITS_INT8

BY_DEFAULT = ["bright_16x16", "dense_256", "gabor_64x64_p4", "looming_64x64_3x3", "split_concat"]
BY_DEFAULT += ["mobilenet_v1_0.25_128_quant"]
ODD = "keras_lstm_mnist_ptq"


def pair_names():
    names = [name for name in pairs.TRUE_PAIRS if name != ODD] if MODELS.is_dir() else []
    return [name if name in BY_DEFAULT else pytest.param(name, marks=pytest.mark.exhaustive) for name in names]


def twin(name, **options):
    return subgraft.load(
        pairs.source(name), [("edgetpu:emulated", options)], compiled={"edgetpu": pairs.compiled(name)}
    )


def alone(name, **options):
    return subgraft.load(pairs.compiled(name), [("edgetpu:emulated", {"emulates": pairs.source(name), **options})])


def digits(**options):
    return subgraft.load(DIGITS_INT8, ["edgetpu:emulated"], **options)


@pytest.fixture(scope="module")
def expected_digits():
    with subgraft.load(DIGITS_INT8) as cpu:
        return [cpu.run(random_inputs(cpu, seed)) for seed in range(3)]


def assert_right(session, expected):
    for seed, outputs in enumerate(expected):
        assert_same(session.run(random_inputs(session, seed)), outputs)


@needs_shared
@pytest.mark.parametrize("load", [twin, alone])
@pytest.mark.parametrize("name", pair_names())
def test_a_shared_pair_gives_the_cpus_bits(name, load):
    with subgraft.load(pairs.source(name)) as cpu, load(name) as session:
        assert [step.owner for step in session.plan.steps].count("edgetpu:emulated") == 1
        for seed in range(2):
            feed = random_inputs(cpu, seed)
            assert_same(session.run(dict(zip(session.inputs, feed.values(), strict=True))), cpu.run(feed))
        phases = [event.phase for event in session.report]
        assert phases == ([] if load is twin else ["plan"])  # "no fallback"


@needs_shared
@pytest.mark.parametrize("name", pair_names())
def test_the_numbers_come_from_what_was_sent(name, monkeypatch):
    """The graph's own weights and biases are forgotten in the emulator: only the wire has them."""
    blind = partial(Numerics, zero_constants=True)
    monkeypatch.setattr("subgraft.backends.edgetpu.emulator.numerics.Numerics", blind)
    with subgraft.load(pairs.source(name)) as cpu, twin(name) as session:
        feed = random_inputs(cpu)
        assert_same(session.run(feed), cpu.run(feed))
        assert not session.report.events


@needs_shared
def test_alone_nothing_falls_back_and_plan_and_report_say_so():
    with alone("dense_256") as session:
        (event,) = session.report
        assert event.phase == "plan" and "no fallback for this segment" in event.reason
        assert "compiled alone: no fallback" in session.plan.explain()


@needs_shared
def test_beside_its_twin_the_plan_says_what_was_compared():
    with twin("mobilenet_v1_0.25_128_quant") as session:
        assert "parameters compared in 28 of 28 layers" in session.plan.explain()
        (segment,) = session.plan.to_dict()["segments"]
        assert "compared" in segment["notes"][0]


@needs_shared
def test_an_emulated_device_is_told_what_a_compiled_model_computes():
    with pytest.raises(Unsupported, match="does not run the Edge TPU's instructions; name the model .*emulates"):
        subgraft.load(pairs.compiled("dense_256"), ["edgetpu:emulated"])


@needs_shared
def test_a_program_that_leaves_its_transfers_to_the_device_is_refused_with_the_reason():
    with pytest.raises(Unsupported, match="not fully deterministic"):
        alone(ODD)
    with subgraft.load(pairs.source(ODD)) as cpu, twin(ODD) as session:
        (event,) = session.report
        assert "takes no op of this model" in event.reason and "not fully deterministic" in event.reason
        feed = random_inputs(cpu)
        assert_same(session.run(feed), cpu.run(feed))


@needs_shared
def test_several_compiled_files_stand_for_parts_of_one_model():
    """A pipeline: what the stand-in makes of two halves of a model, next to each other in the graph."""
    whole = pairs.graph(pairs.source("mobilenet_v1_0.25_128_quant"))
    halves = [whole.segment(range(15)), whole.segment(range(15, len(whole.ops)))]
    compiled = [compiled_by_the_stand_in(half.to_tflite()) for half in halves]
    with (
        subgraft.load(pairs.source("mobilenet_v1_0.25_128_quant")) as cpu,
        subgraft.load(
            pairs.source("mobilenet_v1_0.25_128_quant"), ["edgetpu:emulated"], compiled={"edgetpu": compiled}
        ) as session,
    ):
        assert [len(step.segment.ops) for step in session.plan.steps] == [15, len(whole.ops) - 15]
        feed = random_inputs(cpu)
        assert_same(session.run(feed), cpu.run(feed))
        assert not session.report.events


def compiled_by_the_stand_in(tflite):
    from subgraft.backends.edgetpu.emulator.compiler import compile_model

    return compile_model(tflite)


def changed(path, tensor, **changes):
    """The model with one tensor changed."""
    graph = Model.open(path).graphs[0]
    tensors = list(graph.tensors)
    tensors[tensor] = replace(tensors[tensor], **changes)
    return Model.of(replace(graph, tensors=tensors)).to_bytes()


def weights_of(path):
    graph = Model.open(path).graphs[0]
    op = next(op for op in graph.ops if op.kind in ("CONV_2D", "FULLY_CONNECTED"))
    return op.inputs[1], graph.tensors[op.inputs[1]]


@needs_shared
@pytest.mark.parametrize("name", ["dense_256", "mobilenet_v1_0.25_128_quant"])
def test_one_changed_weight_makes_a_wrong_twin(name):
    index, tensor = weights_of(pairs.source(name))
    values = np.array(tensor.data)
    values.reshape(-1)[values.size // 2] ^= 1
    other = changed(pairs.source(name), index, buffer=values.tobytes())
    with pytest.raises(ModelError, match="is another one in the compiled model.*1 of .* differ"):
        subgraft.load(other, ["edgetpu:emulated"], compiled={"edgetpu": pairs.compiled(name)})


@needs_shared
def test_another_quantization_of_the_same_net_makes_a_wrong_twin():
    path = pairs.source("mobilenet_v1_0.25_128_quant")
    graph = Model.open(path).graphs[0]
    inner = graph.ops[10].outputs[0]
    quantization = graph.tensors[inner].quantization
    other = changed(path, inner, quantization=replace(quantization, scales=(quantization.scales[0] * 1.01,)))
    with pytest.raises(ModelError, match="scale"):
        subgraft.load(other, ["edgetpu:emulated"], compiled={"edgetpu": pairs.compiled("mobilenet_v1_0.25_128_quant")})


@needs_shared
@pytest.mark.parametrize(
    ("model", "compiled", "why"),
    [
        (pairs.source("dense_256"), pairs.compiled("gabor_64x64_p4"), "does not have"),
        (pairs.compiled("dense_256"), pairs.source("dense_256"), "swapped"),
        (pairs.source("dense_256"), pairs.source("dense_256"), "was not compiled for the Edge TPU"),
        (pairs.compiled("dense_256"), pairs.compiled("dense_256"), "the model itself is compiled"),
    ],
)
def test_files_that_do_not_belong_together_are_refused_whatever_may_fall_back(model, compiled, why):
    with pytest.raises(ModelError, match=why):
        subgraft.load(model, ["edgetpu:emulated"], compiled={"edgetpu": compiled})


@needs_shared
def test_a_pin_inside_a_program_leaves_all_of_it_to_the_cpu():
    name = "mobilenet_v1_0.25_128_quant"
    with (
        subgraft.load(pairs.source(name)) as cpu,
        subgraft.load(
            pairs.source(name),
            ["edgetpu:emulated"],
            compiled={"edgetpu": pairs.compiled(name)},
            deny_ops=["SOFTMAX"],
        ) as session,
    ):
        assert [step.owner for step in session.plan.steps] == [None]
        assert "it comes only with op 30 SOFTMAX, which is on the CPU" in " ".join(session.plan.explain().split())
        feed = random_inputs(cpu)
        assert_same(session.run(feed), cpu.run(feed))


def test_a_model_with_an_odd_op_in_the_middle_gets_two_segments(expected_digits):
    with digits(deny_ops=["ADD"]) as session:
        assert [step.owner for step in session.plan.steps] == ["edgetpu:emulated", None, "edgetpu:emulated"]
        assert "compiled by the subgraft stand-in compiler" in session.plan.explain()
        assert_right(session, expected_digits)
        assert not session.report.events


QUICK_MODELS = ["made/vit_tiny_int8", "real/kws_ref_model", "real/person_detect_model", "real/vww_96_int8"]


def integer_models():
    names = [case.path.removesuffix(".tflite") for case in CASES if case.arithmetic == "integer"]
    return [name if name in QUICK_MODELS else pytest.param(name, marks=pytest.mark.exhaustive) for name in names]


@needs_shared
@pytest.mark.parametrize("name", integer_models())
def test_an_integer_model_cut_into_what_the_edge_tpu_takes_gives_the_cpus_bits(name):
    path = MODELS / f"{name}.tflite"
    with subgraft.load(path) as cpu, subgraft.load(path, ["edgetpu:emulated"]) as session:
        for seed in range(2):
            feed = {
                key: np.abs(value) % 2 if value.dtype.kind == "i" and value.itemsize > 1 else value
                for key, value in random_inputs(cpu, seed).items()
            }
            assert_same(session.run(feed), cpu.run(feed))
        on_it = [step for step in session.plan.steps if step.owner]
        phases = {event.phase for event in session.report}
    assert phases <= ({"compile"} if on_it else {"compile", "plan"})


def test_two_segments_of_one_model_keep_their_parameters_side_by_side(expected_digits):
    one = wanted()
    with subgraft.load(DIGITS_INT8, [one], deny_ops=["ADD"]) as session:
        assert_right(session, expected_digits)
        emulator(one).clear()
        assert_right(session, expected_digits)
        log = emulator(one).log()
        sent = [line for line in log["transfers"] if line.startswith("OUT")]
    assert "parameters stored" not in log["counts"]
    assert len(sent) <= 2 * 2 * len(expected_digits)  # instructions and an input, for each segment


def test_without_a_compiler_one_warning_says_so_and_the_cpu_runs_it(expected_digits, monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    real_sticks(monkeypatch)
    with subgraft.load(DIGITS_INT8, ["edgetpu"]) as session:
        (event,) = session.report
        assert event.phase == "plan" and "not compiled for the Edge TPU" in event.reason
        assert "no edgetpu_compiler on PATH" in event.reason
        assert [step.owner for step in session.plan.steps] == [None]
        assert_right(session, expected_digits)
    assert [record.levelno for record in caplog.records].count(logging.WARNING) == 1


def test_without_a_compiler_the_plan_still_tells_what_breaks_a_rule(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    real_sticks(monkeypatch)
    with subgraft.load(DIGITS_FLOAT, ["edgetpu"]) as session:
        (event,) = session.report
        assert "int8 or uint8" in event.reason and "edgetpu_compiler" not in event.reason


def test_a_float_model_is_refused_op_by_op():
    with subgraft.load(DIGITS_FLOAT, ["edgetpu:emulated"]) as session:
        (event,) = session.report
        assert "its tensors must be int8 or uint8" in event.reason
        assert [step.owner for step in session.plan.steps] == [None]


def test_what_the_stand_in_made_is_refused_by_real_devices(monkeypatch, tmp_path):
    compiled = tmp_path / "digits_edgetpu.tflite"
    compiled.write_bytes(compiled_by_the_stand_in(Path(DIGITS_INT8).read_bytes()))
    real_sticks(monkeypatch)
    with subgraft.load(DIGITS_INT8, ["edgetpu"], compiled={"edgetpu": compiled}) as session:
        (event,) = session.report
        assert event.phase == "compile" and "compiled for the emulated Edge TPU" in event.reason
    with pytest.raises(Rejected, match="edgetpu_compiler"):
        subgraft.load(DIGITS_INT8, ["edgetpu"], compiled={"edgetpu": compiled}, fallback=False)


def test_the_default_is_a_real_stick_and_never_an_emulated_one(monkeypatch):
    real_sticks(monkeypatch)
    assert choose(find("edgetpu")).id == "usb@2-1"
    real_sticks(monkeypatch, count=0)
    with pytest.raises(Unavailable, match="no Coral USB Accelerator is plugged in.*ask for 'edgetpu:emulated'"):
        choose(find("edgetpu"))


@pytest.mark.parametrize(
    ("spec", "device"),
    [
        ("edgetpu", "usb@2-1"),
        ("edgetpu:usb", "usb@2-1"),
        ("edgetpu:usb:0", "usb@2-1"),
        ("edgetpu:usb:1", "usb@2-2"),
        ("edgetpu::1", "usb@2-2"),
        ("edgetpu:usb@2-2", "usb@2-2"),
        ("edgetpu:emulated", "emulated:0"),
        ("edgetpu:emulated:1", "emulated:1"),
    ],
)
def test_device_strings_are_pycorals_and_paths(spec, device, monkeypatch):
    real_sticks(monkeypatch)
    found = choose(find(spec))
    assert (found.id, found.emulated) == (device, device.startswith("emulated"))


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ("edgetpu:usb:2", "there: usb@2-1, usb@2-2"),
        ("edgetpu:usb@3-1", "there: usb@2-1, usb@2-2"),
        ("edgetpu:pci:0", "drives the USB Accelerator only"),
        ("edgetpu:tpu", "no Edge TPU goes by 'tpu'"),
        ("edgetpu:emulated:2", "the option 'sticks' says 2"),
    ],
)
def test_a_device_that_is_not_there_is_refused_with_the_reason(spec, why, monkeypatch):
    real_sticks(monkeypatch)
    with pytest.raises(Unavailable, match=why):
        choose(find(spec))


def test_two_sticks_work_side_by_side(expected_digits):
    one, two = wanted("emulated:0"), wanted("emulated:1")
    with subgraft.load(DIGITS_INT8, [one]) as first, subgraft.load(DIGITS_INT8, [two]) as second:
        assert (first.plan.steps[0].owner, second.plan.steps[0].owner) == ("edgetpu:emulated:0", "edgetpu:emulated:1")
        assert_right(first, expected_digits)
        assert_right(second, expected_digits)
        assert [status.device for status in delegate_of(two).status()] == ["edgetpu:emulated:1"]


def test_sessions_of_one_delegate_share_its_device(expected_digits):
    one = wanted()
    with subgraft.load(DIGITS_INT8, [one]) as first, subgraft.load(DIGITS_INT8, [one]) as second:
        assert_right(first, expected_digits)
        assert_right(second, expected_digits)
    (status,) = delegate_of(one).status()
    assert (status.runs, status.failures, status.breaker) == (6, 0, "closed")


@needs_shared
def test_co_compiled_models_keep_their_parameters_over_200_interleaved_inferences(monkeypatch):
    names = [f"mobilenet_v1_0.25_128_quant{with_}" for with_ in ("", "_cocompiled_with_3quant")]
    names += ["mobilenet_v1_0.25_128_quant_cocompiled_with_mobilenet_v1_0.5_160_quant", "dense_256"]
    sticks = real_sticks(monkeypatch)
    for name in names:
        teach(sticks, [pairs.graph(pairs.source(name))], [pairs.graph(pairs.compiled(name))])
    random = np.random.default_rng(0)
    with ExitStack() as stack:
        sessions = [
            (
                stack.enter_context(
                    subgraft.load(pairs.source(name), ["edgetpu"], compiled={"edgetpu": pairs.compiled(name)})
                ),
                stack.enter_context(subgraft.load(pairs.source(name))),
            )
            for name in names
        ]
        for seed in range(200):
            session, cpu = sessions[random.integers(len(sessions))]
            feed = random_inputs(cpu, seed)
            assert_same(session.run(feed), cpu.run(feed))
        assert all(not session.report.events for session, _ in sessions)
    assert not sticks[0].violations


def test_options_may_be_text():
    found = EdgeTpu(timeout_s="0.5", sticks="3", performance="High", compile_timeout_s="10")
    assert (found.settings.timeout_s, found.settings.performance) == (0.5, "high")
    assert found.timeout_s > 0.5 + TURN_TIMEOUT_S + OPEN_TIMEOUT_S + 4 * 0.5  # others, a recovery, two runs with theirs
    assert found.choose("emulated:2").emulated


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"sticks": 0}, "1 to 16 emulated devices"),
        ({"sticks": "many"}, "whole number"),
        ({"faults": "explode"}, "no fault named 'explode'"),
        ({"performance": "fast"}, "performance"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"compile_timeout_s": "soon"}, "compile_timeout_s"),
        ({"speed": 3}, "edgetpu has no option 'speed'"),
    ],
)
def test_an_option_that_means_nothing_is_refused(options, why):
    with pytest.raises(ValueError, match=why):
        find("edgetpu", options)


def test_files_are_named_where_they_are_read():
    with pytest.raises(TypeError, match="option 'compiled' takes graphs; write the delegate as a device string"):
        EdgeTpu(compiled="model_edgetpu.tflite")


def test_a_closed_session_lets_go_of_the_device(expected_digits):
    one = wanted()
    session = subgraft.load(DIGITS_INT8, [one])
    assert_right(session, expected_digits)
    session.close()
    with subgraft.load(DIGITS_INT8, [one]) as again:
        assert_right(again, expected_digits)
        segment = again.plan.steps[0].segment
    executable = delegate_of(one).compile(segment, choose(one))
    executable.close()
    executable.close()
    with pytest.raises(Failed, match="closed"):
        executable.run([], [])


def test_a_session_that_verifies_finds_nothing_to_say(expected_digits):
    with digits(verify_every=1) as session:
        assert_right(session, expected_digits)
        assert not session.report.events


def test_two_inferences_at_a_time_give_the_same_answers(expected_digits):
    with digits() as session:
        futures = [session.run_async(random_inputs(session, seed % 3)) for seed in range(12)]
        for seed, future in enumerate(futures):
            assert_same(future.result(), expected_digits[seed % 3])
        assert not session.report.events
