"""pytest's side of devices: which one is under test, what it is, and why a test is skipped.

Load it with `-p subgraft.pytest_plugin`, or with `pytest_plugins = ["subgraft.pytest_plugin"]` in conftest.py. Nothing
loads it by itself, so it costs nothing where it is not used.

A test that takes the fixture `accelerator` runs once for each --device and hands it to subgraft.load(); `emulator`
controls an emulated device. Marks: `emulated` needs fault injection, `real` says something about hardware only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from subgraft.delegates import Device, Unavailable
from subgraft.interpreter.discovery import Wanted, choose, find, name_of, names
from subgraft.testing import VARIABLE, Emulates, Emulator

MARKERS = (
    "emulated: needs fault injection, so it runs on emulated devices only",
    "real: says something about hardware only, such as time or heat",
)


@dataclass(frozen=True, slots=True)
class UnderTest:
    """A device string and what it names: a delegate and its device, or the reason why there is none."""

    spec: str
    wanted: Wanted | None
    device: Device | None
    reason: str = ""

    @property
    def facts(self) -> str:
        if self.device is None:
            return f"{self.spec}: {self.reason}"
        emulated = ", emulated" if self.device.emulated else ""
        return f"{self.spec}: {self.device.id} {self.device.description}{emulated}"


UNDER_TEST = pytest.StashKey[dict[str, UnderTest]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("subgraft", "accelerators")
    group.addoption(
        "--device",
        action="append",
        default=[],
        metavar="NAME[:DEVICE]",
        help="a device to test, such as edgetpu:usb:0; may be repeated. Without: every delegate that is installed",
    )
    group.addoption("--require", action="store_true", help="a device that is missing fails its tests, not skips them")
    group.addoption(
        "--model", action="append", default=[], type=Path, metavar="FILE", help="a .tflite file to test with"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[UNDER_TEST] = {}
    unknown = [spec for spec in config.getoption("device") if name_of(spec) not in names()]
    if unknown:
        raise pytest.UsageError(
            f"--device {unknown[0]}: no delegate goes by that name; delegates: {', '.join(names())}"
        )
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)


def pytest_report_header(config: pytest.Config) -> list[str]:
    return [f"device: {under_test(config, spec).facts}" for spec in config.getoption("device")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "accelerator_spec" in metafunc.fixturenames:
        specs = metafunc.config.getoption("device") or names()
        metafunc.parametrize("accelerator_spec", specs, scope="session")


def under_test(config: pytest.Config, spec: str) -> UnderTest:
    """What the device string names, looked for once a run."""
    known = config.stash[UNDER_TEST]
    if spec not in known:
        known[spec] = _look_for(spec)
    return known[spec]


@pytest.fixture(scope="session")
def accelerator(
    accelerator_spec: str, pytestconfig: pytest.Config, record_testsuite_property: Callable[[str, object], None]
) -> Wanted:
    """The delegate under test, on a device that is there; for subgraft.load(model, [accelerator])."""
    found = under_test(pytestconfig, accelerator_spec)
    record_testsuite_property("device", found.facts)
    if found.wanted is None or found.device is None:
        _missing(pytestconfig, found.facts)
    return found.wanted


@pytest.fixture(scope="session")
def make_accelerator(accelerator: Wanted, accelerator_spec: str) -> Callable[..., Wanted]:
    """Makes the delegate under test with options of its own, such as compiled="model_edgetpu.tflite"."""

    def make(**options: object) -> Wanted:
        return find(accelerator_spec, options)

    return make


@pytest.fixture(scope="session")
def accelerator_device(accelerator: Wanted, accelerator_spec: str, pytestconfig: pytest.Config) -> Device:
    """What the delegate under test said of its device."""
    device = under_test(pytestconfig, accelerator_spec).device
    assert device is not None, "accelerator has asked for it"
    return device


@pytest.fixture
def emulator(accelerator: Wanted, accelerator_device: Device, accelerator_spec: str) -> Iterator[Emulator]:
    """Controls the emulated device, which has no faults before and after. Skips on hardware."""
    found = emulator_of(accelerator, accelerator_device)
    if found is None:
        pytest.skip(f"no faults can be injected into {accelerator_spec}")
    found.clear()
    yield found
    found.clear()


@pytest.fixture(autouse=True)
def _fits_the_device(request: pytest.FixtureRequest) -> None:
    """Skips what is marked for the other kind of device."""
    marks = {mark for mark in ("emulated", "real") if request.node.get_closest_marker(mark)}
    if not marks or "accelerator_spec" not in request.fixturenames:
        return
    wanted: Wanted = request.getfixturevalue("accelerator")
    device: Device = request.getfixturevalue("accelerator_device")
    spec = request.getfixturevalue("accelerator_spec")
    if "real" in marks and device.emulated:
        pytest.skip(f"says something about hardware only, and {spec} is emulated")
    if "emulated" in marks and emulator_of(wanted, device) is None:
        pytest.skip(f"needs fault injection, and nothing injects faults into {spec}; try 'subgraft emulate -- pytest'")


def emulator_of(wanted: Wanted, device: Device) -> Emulator | None:
    """What controls the device; None for hardware, and for delegates whose faults are options."""
    delegate = wanted.delegate
    if not device.emulated or not isinstance(delegate, Emulates):
        return None
    try:
        return Emulator(delegate.ask_emulator(device))
    except Unavailable:
        return Emulator.connect() if os.environ.get(VARIABLE) else None


def _look_for(spec: str) -> UnderTest:
    try:
        wanted = find(spec)
        return UnderTest(spec, wanted, choose(wanted))
    except Unavailable as error:
        return UnderTest(spec, None, None, error.reason)


def _missing(config: pytest.Config, reason: str) -> NoReturn:
    if config.getoption("require"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
