"""The examples do what they say."""

import runpy
from pathlib import Path

import numpy as np

import subgraft

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_ten_line_delegate_has_ten_lines_and_runs_its_part(capsys):
    example = runpy.run_path(str(EXAMPLES / "ten_line_delegate.py"), run_name="example")
    source = (EXAMPLES / "ten_line_delegate.py").read_text().splitlines()
    body = source[source.index("class Numpy:") : source.index("# fmt: on")]
    assert len(body) == 10
    x = np.array([-2.5, -0.0, 0.25, 7], np.float32)
    model = example["small_model"]()
    with subgraft.load(model, [example["Numpy"]()]) as session, subgraft.load(model) as cpu:
        assert [step.owner for step in session.plan.steps] == ["numpy", None, "numpy"]
        np.testing.assert_array_equal(session.run({"x": x})["y"], cpu.run({"x": x})["y"])


def test_the_ten_line_delegate_prints_its_plan(capsys):
    runpy.run_path(str(EXAMPLES / "ten_line_delegate.py"), run_name="__main__")
    out = capsys.readouterr().out
    assert "numpy: no ADD here" in out
    assert "[-2., -1., -1., -3.]" in out
