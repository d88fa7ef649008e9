"""What a kernel costs the host: a recorded list of tiny kernels beside a loop over pyopencl.

    python -m benchmarks.opencl_host [--json] [--kernels N] [--runs N] [--platform NAME]

Host time is the processor time of the thread that calls, from the first launch until all are done; wall time has the
kernels in it, which PoCL computes on the same processor. Both take turns, run by run.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from subgraft import _native

SOURCE = "__kernel void put(__global int* a, __global int* b, int n, int v) { a[get_global_id(0) & n] = b[0] + v; }"
GLOBAL_SIZE, LOCAL_SIZE = (4,), (4,)
KERNELS, RUNS, WARM_UP_RUNS = 1000, 200, 5


@dataclass(frozen=True)
class Row:
    """Microseconds per kernel: the least of all runs and their median."""

    what: str
    host_least_us: float
    host_us: float
    wall_least_us: float
    wall_us: float


def library_in_use() -> str:
    """The file of the libOpenCL that pyopencl brought into this process."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next(line.split(maxsplit=5)[5] for line in lines if "libOpenCL" in line)


def recorded(cl_context: Any, device: Any, kernels: int) -> Callable[[], None]:
    """One run of a list of ours."""
    library = _native.ClLibrary(library_in_use())
    context = _native.ClContext(library, cl_context.int_ptr, device.int_ptr)
    program = context.build(SOURCE, "")
    a, b = context.buffer(64), context.buffer(64)
    commands = _native.ClCommands(context)
    for _ in range(kernels):
        commands.launch(program, "put", [a, b, 3, 1], GLOBAL_SIZE, LOCAL_SIZE)
    return lambda: commands.run([], [])


def looped(cl: Any, cl_context: Any, kernels: int) -> Callable[[], None]:
    """The same through pyopencl, with the arguments set once."""
    import numpy as np

    queue = cl.CommandQueue(cl_context)
    program = cl.Program(cl_context, SOURCE).build()
    buffers = [cl.Buffer(cl_context, cl.mem_flags.READ_WRITE, 64) for _ in range(2)]
    made = [cl.Kernel(program, "put") for _ in range(kernels)]
    for kernel in made:
        kernel.set_args(*buffers, np.int32(3), np.int32(1))

    def run(kept: object = buffers) -> None:  # kernels do not keep their buffers
        for kernel in made:
            cl.enqueue_nd_range_kernel(queue, kernel, GLOBAL_SIZE, LOCAL_SIZE)
        queue.finish()

    return run


def measure(contestants: dict[str, Callable[[], None]], kernels: int, runs: int) -> list[Row]:
    host: dict[str, list[float]] = {what: [] for what in contestants}
    wall: dict[str, list[float]] = {what: [] for what in contestants}
    for i in range(WARM_UP_RUNS + runs):
        for what, run in contestants.items():
            wall_start, host_start = time.perf_counter_ns(), time.thread_time_ns()
            run()
            host_end, wall_end = time.thread_time_ns(), time.perf_counter_ns()
            if i < WARM_UP_RUNS:
                continue
            host[what].append((host_end - host_start) / 1e3 / kernels)
            wall[what].append((wall_end - wall_start) / 1e3 / kernels)
    figures = {what: (host[what], wall[what]) for what in contestants}
    return [Row(what, min(h), statistics.median(h), min(w), statistics.median(w)) for what, (h, w) in figures.items()]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kernels", type=int, default=KERNELS)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--platform", default="", help="part of its name; the first one without")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    try:
        import pyopencl as cl
    except ImportError:
        print("needs pyopencl; pip install 'subgraft[opencl,pocl]'", file=sys.stderr)
        return 3
    devices = [d for p in cl.get_platforms() if arguments.platform.lower() in p.name.lower() for d in p.get_devices()]
    if not devices:
        print(f"no OpenCL device of a platform with {arguments.platform!r} in its name", file=sys.stderr)
        return 3
    context = cl.Context(devices[:1])
    kernels = arguments.kernels
    contestants = {"subgraft": recorded(context, devices[0], kernels), "pyopencl": looped(cl, context, kernels)}
    rows = measure(contestants, kernels, arguments.runs)
    if arguments.json:
        print(json.dumps({"device": devices[0].name, "kernels": kernels, "rows": [asdict(r) for r in rows]}))
        return 0
    print(f"{devices[0].name}, {kernels} kernels a run, us per kernel")
    print(f"{'':12}{'host: least':>14}{'median':>10}{'wall: least':>14}{'median':>10}")
    for row in rows:
        print(f"{row.what:12}{row.host_least_us:14.2f}{row.host_us:10.2f}{row.wall_least_us:14.2f}{row.wall_us:10.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
