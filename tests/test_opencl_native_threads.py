"""Threads that share one OpenCL context, under the sanitizers: no race, no misuse, nothing left."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
NATIVE = TESTS.parent / "native"
SOURCES = [NATIVE / "tests/share_opencl_context.cpp", *sorted((NATIVE / "src/opencl").glob("*.cpp"))]


@pytest.mark.exhaustive
@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_threads_share_a_context_and_one_closes_it(tmp_path: Path, sanitizer: str) -> None:
    library, program = tmp_path / "libOpenCL_stand_in.so", tmp_path / "share_opencl_context"
    checked = ["-g", "-O1", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
    stand_in = ["cc", *checked, "-shared", "-fPIC", str(TESTS / "stand_in_opencl.c"), "-lpthread", "-o", str(library)]
    includes = [f"-I{NATIVE / 'src'}", f"-I{NATIVE / 'include'}"]
    build = ["c++", "-std=c++20", *checked, *includes, *map(str, SOURCES), "-lpthread", "-ldl", "-o", str(program)]
    for command in (stand_in, build):
        made = subprocess.run(command, capture_output=True, text=True)
        if "cannot find" in made.stderr:
            pytest.skip(f"the compiler has no -fsanitize={sanitizer}")
        assert made.returncode == 0, made.stderr
    # Dead objects stay in the stand-in, so that a use of them is seen.
    done = subprocess.run(
        [str(program), str(library)],
        capture_output=True,
        text=True,
        timeout=300,
        env={"ASAN_OPTIONS": "detect_leaks=0"},
    )
    assert (done.returncode, done.stderr) == (0, "")
