"""The models of the tests that run on devices: pytest hw_tests --device edgetpu:usb:0 --require"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pairs import Pair
from subgraft.delegates import Device
from subgraft.interpreter.discovery import name_of
from subgraft.models import DIGITS_FLOAT, DIGITS_INT8

pytest_plugins = ["subgraft.pytest_plugin"]

SHARED = Path(os.environ.get("SUBGRAFT_SHARED") or Path(__file__).resolve().parents[2] / "shared")
SUFFIX = "_edgetpu.tflite"
COMPILE_TIMEOUT_S = 120
DELEGATE_OF_TESTS = {"test_edgetpu": "edgetpu"}
QUICK = ("mobilenet_v1_0.25_128_quant",)  # of the shared pairs, what is tested without -m exhaustive


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--compiled",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="what edgetpu_compiler made of a --model; as many as models, in the same order",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    config = metafunc.config
    if "model" in metafunc.fixturenames:
        models = config.getoption("model") or [Path(DIGITS_INT8), Path(DIGITS_FLOAT)]
        metafunc.parametrize("model", models, ids=lambda path: path.stem, scope="session")
    if "pair" in metafunc.fixturenames:
        parameters = [pytest.param(pair, id=pair.name, marks=marks) for pair, marks in _pairs(config)]
        metafunc.parametrize("pair", parameters, scope="session")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The tests of one accelerator are none for another one."""
    other = [_is_for_another(item) for item in items]
    config.hook.pytest_deselected(items=[item for item, is_other in zip(items, other, strict=True) if is_other])
    items[:] = [item for item, is_other in zip(items, other, strict=True) if not is_other]


def _is_for_another(item: pytest.Item) -> bool:
    device = getattr(item, "callspec", None) and item.callspec.params.get("accelerator_spec")  # type: ignore[attr-defined]
    return item.path.stem in DELEGATE_OF_TESTS and name_of(str(device)) != DELEGATE_OF_TESTS[item.path.stem]


def _pairs(config: pytest.Config) -> list[tuple[Pair, list[pytest.MarkDecorator]]]:
    models, compiled = config.getoption("model"), config.getoption("compiled")
    if compiled:
        if len(compiled) != len(models):
            raise pytest.UsageError(
                f"{len(models)} times --model and {len(compiled)} times --compiled: they go in pairs"
            )
        return [(Pair(*both), []) for both in zip(models, compiled, strict=True)]
    found: list[tuple[Pair, list[pytest.MarkDecorator]]] = [(Pair(Path(DIGITS_INT8)), [])]
    for path in sorted((SHARED / "models" / "edgetpu").glob(f"*{SUFFIX}")):
        model = path.with_name(path.name.removesuffix(SUFFIX) + ".tflite")
        if model.is_file():
            found.append((Pair(model, path), [] if model.stem in QUICK else [pytest.mark.exhaustive]))
    return found


@pytest.fixture(scope="session")
def compiled(pair: Pair, accelerator_device: Device, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled model of the pair."""
    if pair.compiled is not None:
        return pair.compiled
    if not accelerator_device.emulated:
        pytest.skip("hardware refuses what the stand-in compiler makes; give --model and --compiled")
    folder = tmp_path_factory.mktemp("compiled")
    command = [sys.executable, "-m", "subgraft.backends.edgetpu.emulator.compiler", "-o", str(folder), str(pair.model)]
    subprocess.run(command, check=True, timeout=COMPILE_TIMEOUT_S, capture_output=True)
    return folder / f"{pair.model.stem}{SUFFIX}"
