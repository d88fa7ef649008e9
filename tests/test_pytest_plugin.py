"""The pytest plugin in somebody else's project, on the one device that is always there."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

USERS_TESTS = """
import numpy as np
import pytest
import subgraft
from subgraft.models import DIGITS_INT8

def test_runs(accelerator):
    with subgraft.load(DIGITS_INT8, [accelerator]) as session:
        session.run({"image": np.zeros((1, 8, 8, 1), np.int8)})

def test_fails_with_faults(make_accelerator):
    with subgraft.load(DIGITS_INT8, [make_accelerator(faults="fail@1")]) as session:
        session.run({"image": np.zeros((1, 8, 8, 1), np.int8)})
        assert session.report.events

@pytest.mark.real
def test_time(accelerator):
    raise AssertionError("this would be measured on an emulated device")

@pytest.mark.emulated
def test_faults(accelerator, emulator):
    raise AssertionError("nothing injects faults into this device")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "test_mine.py").write_text(USERS_TESTS)
    return tmp_path


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", "--strict-markers", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)


def test_a_users_tests_run_on_the_device_and_say_why_others_do_not(project: Path) -> None:
    child = run(project, "-p", "subgraft.pytest_plugin", "--device", "fake:1", "--junit-xml", "results.xml")
    assert child.returncode == 0, child.stdout + child.stderr
    assert "2 passed, 2 skipped" in child.stdout
    assert "device: fake:1: 1 " in child.stdout
    assert "says something about hardware only, and fake:1 is emulated" in child.stdout
    assert "nothing injects faults into fake:1" in child.stdout
    properties = ElementTree.parse(project / "results.xml").iter("property")
    facts = [each.attrib["value"] for each in properties if each.attrib["name"] == "device"]
    assert len(facts) == 1
    assert facts[0].startswith("fake:1: 1 ")
    assert facts[0].endswith(", emulated")


def test_a_missing_device_skips_with_its_reason_or_fails_when_required(project: Path) -> None:
    skipped = run(project, "-p", "subgraft.pytest_plugin", "--device", "fake:9")
    assert "4 skipped" in skipped.stdout
    assert "fake has no device 9" in skipped.stdout
    required = run(project, "-p", "subgraft.pytest_plugin", "--device", "fake:9", "--require")
    assert required.returncode == 1
    assert "fake has no device 9" in required.stdout


def test_a_device_of_no_installed_delegate_is_a_mistake_and_skips_nothing(project: Path) -> None:
    child = run(project, "-p", "subgraft.pytest_plugin", "--device", "edgtpu:usb:0")
    assert child.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--device edgtpu:usb:0: no delegate goes by that name" in child.stderr


def test_nothing_of_it_is_there_where_it_was_not_asked_for(project: Path) -> None:
    child = run(project, "--device", "fake")
    assert child.returncode == 4
    assert "unrecognized arguments: --device" in child.stderr
