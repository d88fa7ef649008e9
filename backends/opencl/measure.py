"""What a device can do at most, measured once, and what a segment costs by that."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.resources import files

import numpy as np

from subgraft import _native
from subgraft.backends.opencl.caps import Caps
from subgraft.backends.opencl.compiler import defines
from subgraft.backends.opencl.errors import unavailable
from subgraft.backends.opencl.launch import Work
from subgraft.backends.opencl.opened import Opened
from subgraft.delegates import NUMPY_DTYPES, Array, Cost, Segment

FACT = "measured"
REPEATS = 5  # the best of them counts: what disturbs only ever slows down
GROUP = 32
LAUNCHES = 64  # in one list, as a small network has
COPIED_BYTES = 4 << 20
ROUNDS = 256  # of CHAINS x 4 multiply-adds an item, see measure.cl
MACS_A_ROUND = 8 * 4
ITEMS_A_UNIT = {"gpu": 2048, "accelerator": 2048}  # enough work-items to fill a unit; on a CPU a few do
ITEMS_A_UNIT_OF_CPU = 64

# What generated kernels reach of the peaks: layers of networks are small, and their shapes fit no tile exactly.
# Whole models reach 0.08 to 0.27 on PoCL; on a GPU it is not known.
SHARE_OF_PEAK = 0.12
HAND_OVER_S = 2e-5  # a run goes to the thread that keeps its deadline, and back


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one device, in seconds, bytes a second and multiply-adds a second.

    launch_s: what one more kernel in a list costs. run_s: a list of one kernel, from call to return.
    write, read: between the host's arrays and the device. copy: memory read plus memory written by a kernel.
    float_macs, int_macs: of float and of 32-bit integers.
    """

    launch_s: float
    run_s: float
    write_bytes_per_s: float
    read_bytes_per_s: float
    copy_bytes_per_s: float
    float_macs_per_s: float
    int_macs_per_s: float


def measured(opened: Opened) -> Measured:
    """As it was found earlier, else measured now, which takes a fraction of a second. Raises DelegateError."""
    known = opened.store.fact(FACT, opened.caps.identity)
    found = _read(known) if known is not None else None
    if found is None:
        try:
            found = _measure(opened)
        except (_native.ClError, MemoryError) as error:
            raise unavailable(error, opened.where, "measuring how fast it is") from error
        opened.store.put_fact(asdict(found), FACT, opened.caps.identity)
    return found


def cost(segment: Segment, work: Sequence[Work], device: Measured) -> Cost:
    """work: of each launch. A kernel takes the longest of its arithmetic, its memory traffic and its launch."""
    compute_s = sum(
        max(
            one.macs / (SHARE_OF_PEAK * device.float_macs_per_s),
            one.bytes / device.copy_bytes_per_s,
            device.launch_s,
        )
        for one in work
    )
    into = sum(_bytes(segment, t) for t in segment.inputs)
    out = sum(_bytes(segment, t) for t in segment.outputs)
    transfer_s = HAND_OVER_S + device.run_s + into / device.write_bytes_per_s + out / device.read_bytes_per_s
    return Cost(compute_s, transfer_s)


def _read(known: object) -> Measured | None:
    """From what is stored; None for what is not all numbers above zero."""
    names = [field.name for field in fields(Measured)]
    if not isinstance(known, dict) or set(known) != set(names):
        return None
    values = {name: known[name] for name in names}
    good = all(isinstance(value, float) and math.isfinite(value) and value > 0 for value in values.values())
    return Measured(**values) if good else None


def _measure(opened: Opened) -> Measured:
    source = _source(opened.caps)
    program = opened.program(source)
    bench = _Bench(opened, program)
    launches = bench.launches()
    found = Measured(
        launch_s=launches / LAUNCHES,
        run_s=bench.run(),
        write_bytes_per_s=COPIED_BYTES / bench.write(),
        read_bytes_per_s=COPIED_BYTES / bench.read(),
        copy_bytes_per_s=2 * COPIED_BYTES / bench.copy(),
        float_macs_per_s=bench.macs("float_macs", 0.5),
        int_macs_per_s=bench.macs("int_macs", 3),
    )
    opened.keep(source)
    return found


class _Bench:
    """Times small lists of commands."""

    def __init__(self, opened: Opened, program: _native.ClProgram) -> None:
        self._opened = opened
        self._program = program
        self._from, self._to = (opened.context.buffer(COPIED_BYTES, opened.caps.unified_memory) for _ in range(2))
        self._array = np.zeros(COPIED_BYTES, np.uint8)

    def run(self) -> float:
        commands = self._list()
        self._launch(commands, "nothing", [self._to], GROUP)
        return _best(lambda: commands.run([], []))

    def launches(self) -> float:
        commands = self._list()
        for _ in range(LAUNCHES):
            self._launch(commands, "nothing", [self._to], GROUP)
        return _best(lambda: commands.run([], []))

    def write(self) -> float:
        commands = self._list()
        commands.input(self._from, COPIED_BYTES)
        self._launch(commands, "nothing", [self._to], GROUP)
        return _best(lambda: commands.run([self._array], []))

    def read(self) -> float:
        commands = self._list()
        self._launch(commands, "nothing", [self._to], GROUP)
        commands.output(self._to, COPIED_BYTES)
        return _best(lambda: commands.run([], [self._array]))

    def copy(self) -> float:
        commands = self._list()
        self._launch(commands, "copy", [self._from, self._to], COPIED_BYTES // 16)
        return _profiled(commands)

    def macs(self, kernel: str, seed: float) -> float:
        """Multiply-adds a second."""
        caps = self._opened.caps
        items = caps.compute_units * ITEMS_A_UNIT.get(caps.kind, ITEMS_A_UNIT_OF_CPU)
        items = min(items, COPIED_BYTES // 16)
        commands = self._list()
        self._launch(commands, kernel, [self._to, ROUNDS, seed], items)
        return items * ROUNDS * MACS_A_ROUND / _profiled(commands)

    def _list(self) -> _native.ClCommands:
        return _native.ClCommands(self._opened.context)

    def _launch(
        self,
        commands: _native.ClCommands,
        kernel: str,
        arguments: Sequence[_native.ClBuffer | int | float],
        items: int,
    ) -> None:
        group = min(GROUP, self._program.work_group_limit(kernel), self._opened.caps.max_work_group)
        commands.launch(self._program, kernel, arguments, (-(-items // group) * group,), (group,))


def _source(caps: Caps) -> str:
    text = files(__package__).joinpath("kernels", "measure.cl").read_text(encoding="utf-8")
    return defines(caps) + text


def _best(call: Callable[[], object]) -> float:
    """Seconds; the first call is not counted."""
    call()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return max(min(times), 1e-9)


def _profiled(commands: _native.ClCommands) -> float:
    """Seconds of the one kernel in the list, by the device's clock."""
    arrays: list[Array] = []
    commands.run(arrays, arrays)
    return max(min(commands.profile(arrays, arrays, 1)[0] for _ in range(REPEATS)), 1e-9)


def _bytes(segment: Segment, t: int) -> int:
    tensor = segment.graph.tensors[t]
    return math.prod(tensor.shape) * NUMPY_DTYPES[tensor.dtype].itemsize
