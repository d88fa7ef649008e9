"""The models of the tests that run on devices: pytest hw_tests --device edgetpu:usb:0 --require"""

from __future__ import annotations

from pathlib import Path

import pytest

from subgraft.models import DIGITS_FLOAT, DIGITS_INT8

pytest_plugins = ["subgraft.pytest_plugin"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "model" in metafunc.fixturenames:
        models = metafunc.config.getoption("model") or [Path(DIGITS_INT8), Path(DIGITS_FLOAT)]
        metafunc.parametrize("model", models, ids=lambda path: path.stem, scope="session")
