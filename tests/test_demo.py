"""subgraft demo: what it prints, and when it fails."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from subgraft.backends.fake import executable
from subgraft.cli import demo, main
from subgraft.models import samples


def test_it_reads_the_digits_and_ends_well(capsys):
    assert main(["demo"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 100
    assert "\x1b" not in text
    assert "30 of 30 answers equal the CPU's alone, bit for bit." in text
    assert len(re.findall(r"\d (?:right|not \d)", text)) == 31  # and "n of 30 right" below them
    assert text.count("right*") + len(re.findall(r"not \d\*", text)) == 1


def test_the_plan_has_several_segments_and_one_fails_once(capsys):
    assert main(["demo", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    owners = [segment["owner"] for segment in result["plan"]["segments"]]
    assert owners == ["fake", None, "fake", None]
    (event,) = result["report"]
    assert (event["phase"], event["segment"], event["count"]) == ("run", 2, 1)
    assert result["delegate"] == {"name": "fake", "emulated": True}
    fell_back = [picture for picture in result["pictures"] if picture["fell_back"]]
    assert len(fell_back) == 1 and fell_back[0]["equals_cpu"]
    assert result["right"] == sum(picture["digit"] == picture["label"] for picture in result["pictures"]) >= 27


def test_the_picture_tells_that_the_accelerator_is_emulated_and_why_the_cpu_took_over(capsys):
    main(["demo"])
    text = " ".join(re.sub("[║│]", " ", capsys.readouterr().out).split())
    assert '"fake", an emulated accelerator: it computes on this CPU' in text
    assert (
        "segment 2 on fake (emulated) 29 of 30 runs on fake, 1 on the CPU: the fake was told to fail in run 20" in text
    )


def test_svg_is_written(tmp_path, capsys):
    assert main(["demo", "--svg", str(tmp_path / "plan.svg")]) == 0
    assert ElementTree.parse(tmp_path / "plan.svg").getroot().tag.endswith("svg")


def test_an_svg_that_cannot_be_written_is_the_users_error(tmp_path, capsys):
    assert main(["demo", "--svg", str(tmp_path / "missing" / "plan.svg")]) == 2
    assert "cannot write" in capsys.readouterr().err


def test_answers_that_differ_from_the_cpus_fail_the_demo(monkeypatch, capsys):
    """A device whose driver returns wrong numbers without a word."""
    run = executable.FakeExecutable.run

    def wrong(self, inputs, outputs):
        run(self, inputs, outputs)
        for output in outputs:
            np.bitwise_xor(output, 1, out=output)

    monkeypatch.setattr(executable.FakeExecutable, "run", wrong)
    assert main(["demo"]) == 1
    assert "differ from the CPU's" in capsys.readouterr().err


def test_wrong_readings_fail_the_demo(monkeypatch, capsys):
    monkeypatch.setattr(demo, "samples", lambda: [replace(s, label=(s.label + 1) % 10) for s in samples()])
    assert main(["demo"]) == 1
    assert "digits were read right" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_without_unicode_gets_plain_characters(encoding):
    command = [sys.executable, "-c", "from subgraft.cli import main; raise SystemExit(main(['demo']))"]
    done = subprocess.run(command, env={"PYTHONIOENCODING": encoding}, capture_output=True, timeout=60, check=True)
    done.stdout.decode("ascii")
