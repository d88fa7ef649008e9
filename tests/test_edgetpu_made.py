"""Models that are compiled while they load: by a program that stands for Google's, which is not to be had here."""

from __future__ import annotations

import stat
import sys

import pytest

import subgraft
from edgetpu_sessions import assert_same, emulator, random_inputs, wanted
from subgraft.interpreter import Model
from subgraft.models import DIGITS_INT8

# Calls the stand-in with the arguments it got, as it was told to change them, and takes note of them.
SCRIPT = """#!{python}
import sys
arguments = sys.argv[1:]
if "--version" in arguments:
    print("Edge TPU Compiler version 16.0.384591198")
    sys.exit(0)
with open({notes!r}, "a") as notes:
    notes.write(" ".join(a for a in arguments if a.endswith(".tflite")) + chr(10))
{body}
from subgraft.backends.edgetpu.emulator.compiler.command import main
sys.exit(main(arguments))
"""


class Program:
    """An edgetpu_compiler of this test."""

    def __init__(self, folder):
        self.path = folder / "edgetpu_compiler"
        self.notes = folder / "notes.txt"
        self.cache = folder / "cache"
        self.does()

    def does(self, body=""):
        self.path.write_text(SCRIPT.format(python=sys.executable, notes=str(self.notes), body=body))
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)

    @property
    def calls(self):
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def wanted(self, **options):
        return wanted(compiler=self.path, cache=self.cache, **options)


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)


@pytest.fixture(scope="module")
def expected():
    with subgraft.load(DIGITS_INT8) as cpu:
        return cpu.run(random_inputs(cpu))


def owners(session):
    return [step.owner and step.owner.partition(":")[0] for step in session.plan.steps]


def assert_right(session, expected):
    assert_same(session.run(random_inputs(session)), expected)


def test_a_program_that_is_named_compiles_for_emulated_devices_too(program, expected):
    with subgraft.load(DIGITS_INT8, [program.wanted()]) as session:
        assert owners(session) == ["edgetpu"]
        assert "compiled by edgetpu_compiler 16.0.384591198" in session.plan.explain()
        assert_right(session, expected)
        assert not session.report.events
    assert program.calls == ["segment_0.tflite"]


def test_what_was_compiled_once_is_kept(program, expected):
    for _ in range(2):
        with subgraft.load(DIGITS_INT8, [program.wanted()]) as session:
            assert_right(session, expected)
    assert len(program.calls) == 1
    with subgraft.load(DIGITS_INT8, [program.wanted()], deny_nodes=[8]) as session:  # another segment
        assert_right(session, expected)
    assert len(program.calls) == 2


def test_segments_of_one_model_are_compiled_together_in_the_end(program, expected):
    one = program.wanted()
    with subgraft.load(DIGITS_INT8, [one], deny_ops=["ADD"]) as session:
        assert owners(session) == ["edgetpu", None, "edgetpu"]
        assert_right(session, expected)
        emulator(one).clear()
        assert_right(session, expected)
        sent = [line for line in emulator(one).log()["transfers"] if line.startswith("OUT 01")]
        assert len(sent) == 4  # of each segment instructions and input, no parameters
    assert program.calls == ["segment_0.tflite", "segment_0.tflite", "segment_0.tflite segment_1.tflite"]


def test_segments_that_do_not_compile_together_are_used_alone(program, expected):
    program.does("if sum(a.endswith('.tflite') for a in arguments) > 1: sys.exit(1)")
    with subgraft.load(DIGITS_INT8, [program.wanted()], deny_ops=["ADD"]) as session:
        assert owners(session) == ["edgetpu", None, "edgetpu"]
        assert_right(session, expected)
        assert not session.report.events


def test_what_the_compiler_leaves_to_the_cpu_is_cut_out_and_the_rest_compiled_again(program, expected):
    graph = Model.open(DIGITS_INT8).graphs[0]
    last = graph.tensors[graph.ops[4].outputs[0]].name
    program.does(f"if {last!r}.encode() in open(arguments[-1], 'rb').read(): arguments[:0] = ['-i', {last!r}]")
    with subgraft.load(DIGITS_INT8, [program.wanted()]) as session:
        assert session.plan.placements[4].owner and not session.plan.placements[5].owner
        (reason,) = session.plan.placements[5].reasons
        assert "edgetpu_compiler 16.0.384591198 left it to the CPU: Operation is otherwise supported" in reason
        assert_right(session, expected)
        assert not session.report.events


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("print('Internal compiler error. Aborting!'); sys.exit(1)", "did not compile it: Internal compiler error"),
        ("open('segment_0_edgetpu.tflite', 'w').write('no model'); sys.exit(0)", "wrote what is no model"),
        ("import shutil; shutil.copy('segment_0.tflite', 'segment_0_edgetpu.tflite'); sys.exit(0)", "did not make one"),
    ],
)
def test_a_compiler_that_fails_is_asked_once_and_the_cpu_takes_over(body, why, program, expected):
    program.does(body)
    with subgraft.load(DIGITS_INT8, [program.wanted()]) as session:
        (event,) = session.report
        assert (event.phase, event.segment) == ("compile", 0) and why in event.reason
        assert owners(session) == [None]
        assert_right(session, expected)
    assert len(program.calls) == 1


def test_without_fallback_a_compiler_that_fails_is_an_error(program):
    program.does("sys.exit(1)")
    with pytest.raises(subgraft.Rejected, match="did not compile it"):
        subgraft.load(DIGITS_INT8, [program.wanted()], fallback=False)


def test_a_compiler_that_is_not_there_is_a_reason_for_every_op(tmp_path, expected):
    with subgraft.load(DIGITS_INT8, [wanted(compiler=tmp_path / "nothing")]) as session:
        (event,) = session.report
        assert event.phase == "plan" and "there is no program" in event.reason
        assert_right(session, expected)
