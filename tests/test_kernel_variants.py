"""Kernels for instruction sets give what the reference kernels give, and stay in objects of their own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from object_files import replaceable_symbols


def compare(programs: Path, *arguments: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
    command = [str(programs / "compare_kernels"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)


def test_kernels_of_every_instruction_set_equal_the_reference(native_programs: Path) -> None:
    child = compare(native_programs, "--count", "150")
    assert child.returncode == 0, child.stdout + child.stderr


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", [10_000, 20_000])
def test_thousands_of_models_of_each_op_equal_the_reference(native_programs: Path, seed: int) -> None:
    child = compare(native_programs, "--count", "5000", "--seed", str(seed), timeout_s=3600)
    assert child.returncode == 0, child.stdout + child.stderr


def test_a_changed_output_is_noticed(native_programs: Path) -> None:
    """In every op: a comparison that sees nothing would pass all tests."""
    child = compare(native_programs, "--count", "10", "--spoil")
    found = dict(re.findall(r"^(\S+) +\d+ computed, \d+ refused, (\d+) different$", child.stdout, re.MULTILINE))
    assert child.returncode == 1, child.stderr
    assert set(found) == set(compare(native_programs, "--list").stdout.split())
    assert "0" not in found.values(), found


def test_a_difference_comes_with_the_command_that_shows_it_alone(native_programs: Path) -> None:
    child = compare(native_programs, "--op", "CONV_2D=", "--count", "20", "--seed", "40", "--spoil")
    arguments = re.findall(r"^compare_kernels (--op CONV_2D= --seed \d+ --count 1) --set", child.stdout, re.MULTILINE)
    alone = compare(native_programs, *arguments[0].split(), "--spoil")
    assert alone.returncode == 1 and arguments[0] in alone.stdout
    assert compare(native_programs, *arguments[0].split()).returncode == 0


def test_kernels_of_an_instruction_set_define_nothing_that_other_code_may_get(core_objects: Path) -> None:
    """An inline function that the linker takes from there would not run on older processors."""
    nm = shutil.which("nm")
    if nm is None:
        pytest.skip("needs nm; apt install binutils")
    found = replaceable_symbols(core_objects, nm)
    assert found
    assert not {name: symbols for name, symbols in found.items() if symbols}


def test_an_inline_function_in_an_object_is_noticed(tmp_path: Path) -> None:
    compiler, nm = shutil.which("c++"), shutil.which("nm")
    if compiler is None or nm is None:
        pytest.skip("needs a C++ compiler and nm")
    source = tmp_path / "micro" / "sum_avx2.cpp"
    source.parent.mkdir()
    source.write_text("inline int twice(int x) { return 2 * x; }\nint (*function)(int) = twice;\n")
    subprocess.run([compiler, "-c", str(source), "-o", f"{source}.o"], check=True)
    assert replaceable_symbols(tmp_path, nm) == {"sum_avx2.cpp.o": ["twice(int)"]}
