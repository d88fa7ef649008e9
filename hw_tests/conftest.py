"""Options of the tests that run on real devices: pytest hw_tests --device edgetpu:usb:0 --require"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import subgraft
from subgraft.interpreter.discovery import Wanted, choose, find, names
from subgraft.models import DIGITS_FLOAT, DIGITS_INT8


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", action="append", default=[], help="a device string; every installed delegate without")
    parser.addoption("--require", action="store_true", help="a device that is missing fails the test")
    parser.addoption("--model", action="append", default=[], type=Path, help="a .tflite file; the shipped ones without")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "spec" in metafunc.fixturenames:
        metafunc.parametrize("spec", metafunc.config.getoption("device") or names(), scope="session")
    if "model" in metafunc.fixturenames:
        models = metafunc.config.getoption("model") or [Path(DIGITS_INT8), Path(DIGITS_FLOAT)]
        metafunc.parametrize("model", models, ids=lambda path: path.stem, scope="session")


@pytest.fixture(scope="session")
def wanted(spec: str, pytestconfig: pytest.Config, record_testsuite_property: object) -> Iterator[Wanted]:
    """The delegate under test, on a device that is there."""
    try:
        found = find(spec)
        device = choose(found)
    except subgraft.Unavailable as error:
        (pytest.fail if pytestconfig.getoption("require") else pytest.skip)(f"{spec}: {error.reason}")
    emulated = ", emulated" if device.emulated else ""
    record_testsuite_property("device", f"{spec}: {device.id} {device.description}{emulated}")  # type: ignore[operator]
    yield found
