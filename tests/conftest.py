"""Fixtures that several test files share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from opencl_device import TestDevice, open_device
from oracle import Oracle


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
