"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opencl_device import Faults, TestDevice, open_device
from oracle import Oracle
from subgraft.backends.opencl.library import VARIABLE


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    """TFLite in a child process, started with the first question."""
    child = Oracle()
    yield child
    child.close()


@pytest.fixture(scope="session", autouse=True)
def pocl_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What PoCL compiles is kept for this session, and no longer."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("POCL_CACHE_DIR", str(tmp_path_factory.mktemp("pocl")))
        yield


@pytest.fixture(scope="session")
def opencl(tmp_path_factory: pytest.TempPathFactory) -> TestDevice:
    """The OpenCL device to test on; skips without one."""
    return open_device(tmp_path_factory.mktemp("opencl"))


@pytest.fixture(scope="session")
def opencl_faults_library(opencl: TestDevice, tmp_path_factory: pytest.TempPathFactory) -> Faults:
    return Faults(tmp_path_factory.mktemp("faults"))


@pytest.fixture
def opencl_faults(opencl_faults_library: Faults, monkeypatch: pytest.MonkeyPatch) -> Iterator[Faults]:
    """Delegates made in this test use a libOpenCL that can be broken."""
    monkeypatch.setenv(VARIABLE, str(opencl_faults_library.path))
    yield opencl_faults_library
    opencl_faults_library.mend()
