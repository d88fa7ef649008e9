"""Where the time of an inference goes, by segment and by op."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from subgraft.delegates import Graph, KernelTime
from subgraft.interpreter.cpu import CpuStep
from subgraft.interpreter.lane import Lane
from subgraft.interpreter.native import _native

if TYPE_CHECKING:
    from subgraft.interpreter.frame import Frame


@dataclass(frozen=True, slots=True)
class OpTime:
    """One op on the CPU: its mean time in a run."""

    index: int
    kind: str
    seconds: float


@dataclass(frozen=True, slots=True)
class SegmentTime:
    """One segment: its mean time in a run, with its ops where they are on the CPU.

    kernels: where the segment is on a device that can tell (Profiles), each with its mean time on the device.
    """

    owner: str | None  # None: the CPU
    indices: tuple[int, ...]
    seconds: float
    ops: tuple[OpTime, ...] = ()
    kernels: tuple[KernelTime, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """Mean times over `runs` inferences, in seconds."""

    runs: int
    segments: tuple[SegmentTime, ...]

    @property
    def seconds(self) -> float:
        """One inference, without the copies in and out."""
        return sum(segment.seconds for segment in self.segments)

    @property
    def ops(self) -> tuple[OpTime, ...]:
        """The ops on the CPU, the slowest first."""
        return tuple(sorted((op for s in self.segments for op in s.ops), key=lambda op: -op.seconds))

    @property
    def kernels(self) -> tuple[KernelTime, ...]:
        """The kernels on devices that tell, the slowest first."""
        return tuple(sorted((k for s in self.segments for k in s.kernels), key=lambda kernel: -kernel.seconds))

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        found = asdict(self)
        for segment, told in zip(self.segments, found["segments"], strict=True):
            for kernel, values in zip(segment.kernels, told["kernels"], strict=True):
                values |= {
                    "gflops": kernel.gflops,
                    "gbytes_per_s": kernel.gbytes_per_s,
                    "share_of_peak": kernel.share_of_peak,
                }
        return found

    def __str__(self) -> str:
        lines = [f"{self.seconds * 1e3:.3f} ms for one inference, mean of {self.runs}"]
        for number, segment in enumerate(self.segments):
            share = segment.seconds / self.seconds if self.seconds else 0.0
            lines.append(
                f"segment {number:3d}  {segment.seconds * 1e3:9.3f} ms {share:6.1%}  {len(segment.indices):4d} ops on "
                f"{segment.owner or 'the CPU'}"
            )
            lines += [f"  {op.index:9d}  {op.seconds * 1e3:9.3f} ms         {op.kind[:60]}" for op in segment.ops]
            lines += [_line(kernel) for kernel in segment.kernels]
        return "\n".join(lines)


def _line(kernel: KernelTime) -> str:
    ops = f"{kernel.ops[0]}+{len(kernel.ops) - 1}" if len(kernel.ops) > 1 else "".join(map(str, kernel.ops))
    share = "" if kernel.share_of_peak is None else f"{kernel.share_of_peak:6.1%} of peak"
    work = f"{kernel.gflops:9.2f} GFLOP/s {kernel.gbytes_per_s:8.2f} GB/s" if kernel.macs or kernel.bytes else ""
    return f"  {ops:>9}  {kernel.seconds * 1e3:9.3f} ms         {kernel.name[:40]:40} {work} {share}".rstrip()


def program(native: _native.Program, graph: Graph, runs: int) -> Profile:
    """Runs a whole graph on the CPU `runs` times."""
    native.profile(True)
    try:
        for _ in range(runs):
            native.run()
        ops = _op_times(native, graph)
    finally:
        native.profile(False)
    indices = tuple(range(len(graph.ops)))
    return Profile(runs, (SegmentTime(None, indices, sum(op.seconds for op in ops), ops),))


def frame(engine: Frame, runs: int) -> Profile:
    """Runs a plan `runs` times with the inputs that it has."""
    programs = {n: step.program for n, step in enumerate(engine.steps) if isinstance(step, CpuStep)}
    for native in programs.values():
        native.profile(True)
    try:
        times = [engine.run_timed() for _ in range(runs)]
        graph = engine.plan.graph
        ops = {n: _op_times(native, graph) for n, native in programs.items()}
    finally:
        for native in programs.values():
            native.profile(False)
    kernels = {n: step.kernels(runs) for n, step in enumerate(engine.steps) if isinstance(step, Lane)}
    means = [sum(column) / runs for column in zip(*times, strict=True)]
    return Profile(
        runs,
        tuple(
            SegmentTime(step.owner, step.segment.ops, mean, ops.get(n, ()), kernels.get(n, ()))
            for n, (step, mean) in enumerate(zip(engine.plan.steps, means, strict=True))
        ),
    )


def _op_times(native: _native.Program, graph: Graph) -> tuple[OpTime, ...]:
    """Ops that were computed while loading have none."""
    runs = native.profiled_runs
    steps = zip(native.steps, native.seconds, strict=True)
    return tuple(OpTime(i, graph.ops[i].kind, seconds / runs) for i, seconds in steps)
