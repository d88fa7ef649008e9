"""Fixtures that several test files share."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from opencl_device import Faults, TestDevice, open_device
from oracle import Oracle
from subgraft.backends.opencl.library import VARIABLE

NATIVE = Path(__file__).resolve().parents[1] / "native"
BUILD = NATIVE.parent / "build"


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    """TFLite in a child process, started with the first question."""
    child = Oracle()
    yield child
    child.close()


@pytest.fixture(scope="session")
def core_build() -> Path | None:
    """The build folder that installing left, where no source of the core is newer than its library."""
    sources = [*NATIVE.glob("src/**/*"), *NATIVE.glob("*.cmake"), NATIVE / "CMakeLists.txt"]
    changed = max(source.stat().st_mtime for source in sources)
    libraries = [*BUILD.glob("libcore.a"), *BUILD.glob("*/libcore.a")]
    newest = max(libraries, key=lambda library: library.stat().st_mtime, default=None)
    return newest.parent if newest is not None and newest.stat().st_mtime > changed else None


@pytest.fixture(scope="session")
def native_build(tmp_path_factory: pytest.TempPathFactory, core_build: Path | None) -> Path:
    """A build folder of the native test programs; of the core too, where installing left none."""
    cmake, ninja = shutil.which("cmake"), shutil.which("ninja")
    if cmake is None or ninja is None:
        pytest.skip("needs cmake and ninja; pip install cmake ninja")
    build = tmp_path_factory.mktemp("native")
    options = ["-G", "Ninja", "-DSUBGRAFT_NATIVE_TESTS=ON", "-DCMAKE_BUILD_TYPE=None", "-DCMAKE_CXX_FLAGS=-O1"]
    if core_build is not None:
        options.append(f"-DSUBGRAFT_BUILT_CORE={core_build / 'libcore.a'}")
    subprocess.run([cmake, "-S", str(NATIVE), "-B", str(build), *options], check=True, capture_output=True)
    jobs = str(len(os.sched_getaffinity(0)))
    subprocess.run([ninja, "-C", str(build), "-j", jobs], check=True, capture_output=True)
    return build


@pytest.fixture(scope="session")
def core_objects(native_build: Path, core_build: Path | None) -> Path:
    """A folder that holds, at any depth, the object files of the core."""
    return core_build or native_build


@pytest.fixture(scope="session")
def native_programs(native_build: Path) -> Path:
    """The folder of the native test programs."""
    return native_build / "tests"


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
