"""Kernels use the best instruction set of the machine, or none better than SUBGRAFT_ISA says."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from subgraft import _native


@pytest.fixture
def limits() -> Iterator[None]:
    before = _native.instruction_set()
    yield
    _native.limit_instruction_set(before)


def test_generic_is_always_there_and_comes_first() -> None:
    assert _native.instruction_sets()[0] == "generic"
    assert _native.instruction_set() in _native.instruction_sets()


@pytest.mark.usefixtures("limits")
def test_a_limit_holds_until_it_is_taken_away() -> None:
    for name in _native.instruction_sets():
        _native.limit_instruction_set(name)
        assert _native.instruction_set() == name
    _native.limit_instruction_set()
    assert _native.instruction_set() == _native.instruction_sets()[-1]


def test_an_unknown_set_is_refused_with_those_that_are_there() -> None:
    with pytest.raises(ValueError, match=r"instruction set 'mmx' is none that this machine can run: generic"):
        _native.limit_instruction_set("mmx")


def child(isa: str) -> subprocess.CompletedProcess[str]:
    code = "from subgraft import _native; print(_native.instruction_set())"
    environment = {**os.environ, "SUBGRAFT_ISA": isa}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)


def test_the_environment_sets_the_limit() -> None:
    assert child("generic").stdout == "generic\n"


def test_the_environment_cannot_name_a_set_that_is_not_there() -> None:
    ended = child("mmx")
    assert ended.returncode == 1
    assert "ValueError: SUBGRAFT_ISA: instruction set 'mmx' is none that this machine can run" in ended.stderr
