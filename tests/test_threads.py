"""The kernels' threads: every piece of work is done once, whoever does it, and no more threads than there are CPUs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from subgraft.delegates import Graph, Op, Options, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native


def doubling(shape: tuple[int, ...], threads: int) -> _native.Program:
    add = Op("ADD", (0, 0), (1,), Options({"fused_activation_function": "NONE"}, table="AddOptions"))
    graph = Graph([Tensor("x", shape, "int32"), Tensor("y", shape, "int32")], [add], (0,), (1,))
    return _native.Program(Model.of(graph).native, pool=_native.ThreadPool(threads))


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_work_is_done_whether_the_workers_are_awake_or_asleep(threads: int) -> None:
    program = doubling((300, 1000), threads)
    x = np.arange(300_000, dtype=np.int32).reshape(300, 1000)
    for i in range(300):
        (y,) = program.call([x + i])
        np.testing.assert_array_equal(y, 2 * (x + i))
        if i % 100 == 0:
            threading.Event().wait(0.01)  # longer than they look for work


def group(root: Path, lines: str, files: dict[str, str]) -> str:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(lines)
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return str(root)


ALL = len(os.sched_getaffinity(0))
GROUPS = {
    "none": ("", {}, ALL),
    "v2, no limit": ("0::/a\n", {"a/cpu.max": "max 100000\n"}, ALL),
    "v2, one and a half": ("0::/a\n", {"a/cpu.max": "150000 100000\n"}, min(ALL, 2)),
    "v2, less than one": ("0::/a/b\n", {"a/b/cpu.max": "1000 100000\n"}, 1),
    "v2, the parent's": ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "100000 100000"}, 1),
    "v2, as a container sees it": ("0::/\n", {"cpu.max": "50000 100000\n"}, 1),
    "v1": ("4:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "90000", "cpu/a/cpu.cfs_period_us": "100000"}, 1),
    "v1, no limit": ("4:cpu,cpuacct:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"}, ALL),
    "v1, another controller": ("4:cpuset:/a\n", {"cpu/a/cpu.cfs_quota_us": "1", "cpu/a/cpu.cfs_period_us": "9"}, ALL),
    "nonsense": ("what\n0\n0::../..\n0::/a\n", {"a/cpu.max": "-3 0"}, ALL),
}


@pytest.mark.parametrize(("lines", "files", "expected"), GROUPS.values(), ids=GROUPS)
def test_quotas_of_control_groups_count(lines: str, files: dict[str, str], expected: int, tmp_path: Path) -> None:
    assert _native.available_cpus(group(tmp_path, lines, files)) == expected


COUNT_THREADS = """
import os, numpy as np
os.sched_setaffinity(0, {{{cpu}}})
import test_threads
from subgraft.interpreter.native import _native
assert _native.available_cpus() == 1
before = len(os.listdir("/proc/self/task"))
test_threads.doubling((300, 1000), 4).call([np.zeros((300, 1000), np.int32)])
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_a_process_that_may_use_one_cpu_gets_no_workers() -> None:
    script = COUNT_THREADS.format(cpu=min(os.sched_getaffinity(0)))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent), "OPENBLAS_NUM_THREADS": "1"}
    child = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60)
    assert child.stdout.strip() == "0", child.stdout + child.stderr


@pytest.mark.exhaustive
@pytest.mark.parametrize("sanitizer", ["thread", "address,undefined"])
def test_programs_that_share_workers_race_for_nothing(sanitizer: str, tmp_path: Path) -> None:
    native = Path(__file__).parent.parent / "native"
    program = tmp_path / "share_thread_pool"
    sources = [native / "tests/share_thread_pool.cpp", native / "src/runtime/threads.cpp"]
    checked = ["-g", "-O1", f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all"]
    build = ["c++", "-std=c++20", *checked, f"-I{native / 'src'}", *map(str, sources), "-lpthread", "-o", str(program)]
    made = subprocess.run(build, capture_output=True, text=True)
    if "cannot find" in made.stderr:
        pytest.skip(f"the compiler has no -fsanitize={sanitizer}")
    assert made.returncode == 0, made.stderr
    done = subprocess.run([str(program), "2000"], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("divided_us", "undivided_us", "later_us", "shares"),
    [
        (50, 60, 50, "1 1"),
        (60, 50, 60, "0 0"),
        (60, 50, 40, "0 1"),  # the machine was busy
        (50, 60, 70, "1 0"),
        (5000, 60, 5000, "1 1"),  # a long run is not tried on one thread
    ],
)
def test_a_program_that_is_quicker_on_one_thread_runs_on_one(
    divided_us: int, undivided_us: int, later_us: int, shares: str, tmp_path: Path
) -> None:
    native, program = Path(__file__).parent.parent / "native", tmp_path / "divide_runs"
    build = ["c++", "-std=c++20", f"-I{native / 'src'}", str(native / "tests/divide_runs.cpp"), "-o", str(program)]
    subprocess.run(build, check=True, timeout=60)
    times = [str(us) for us in (divided_us, undivided_us, later_us)]
    assert subprocess.check_output([program, *times], text=True, timeout=10).strip() == shares
