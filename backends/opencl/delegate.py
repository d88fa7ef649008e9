"""OpenCL as a delegate: its devices, what it takes, what that costs, and how a device is."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from subgraft import _native
from subgraft.backends.opencl import discovery, measure, ops, selftest
from subgraft.backends.opencl.compiler import compile_segment, lowered, options
from subgraft.backends.opencl.discovery import NAME, Found
from subgraft.backends.opencl.errors import rejected
from subgraft.backends.opencl.executable import OpenClExecutable
from subgraft.backends.opencl.lowering import check, refine
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.settings import DEFAULT_TIMEOUT_S, DEFAULT_TUNE_S, Settings
from subgraft.backends.opencl.tune import tuned
from subgraft.delegates import (
    NUMPY_DTYPES,
    Chooses,
    Cost,
    Delegate,
    DelegateError,
    Describes,
    Device,
    Executable,
    Facts,
    Graph,
    Health,
    Op,
    Refines,
    Segment,
    Timed,
    Unavailable,
    Verdict,
)

__all__ = ["OpenCl", "ops"]  # importing `ops` registers what the delegate lowers


class OpenCl:
    """Any device with OpenCL 1.2, GPUs first.

    precision, prefer, tune, tune_s, cache, arena, limits, loops, timeout_s: see settings.py.
    Every option may be text, as a user types it.
    """

    def __init__(
        self,
        *,
        precision: object = "fp32",
        prefer: object = "speed",
        tune: object = "off",
        tune_s: object = DEFAULT_TUNE_S,
        cache: object = True,
        arena: object = True,
        limits: object = "device",
        loops: object = (),
        timeout_s: object = DEFAULT_TIMEOUT_S,
    ) -> None:
        self.settings = Settings.of(
            {
                "precision": precision,
                "prefer": prefer,
                "tune": tune,
                "tune_s": tune_s,
                "cache": cache,
                "arena": arena,
                "limits": limits,
                "loops": loops,
                "timeout_s": timeout_s,
            }
        )
        self._lock = threading.Lock()
        self._opened: dict[str, Opened] = {}
        self._asked: set[str] = set()  # ids of devices that have not answered yet
        self._latest = ""

    @property
    def name(self) -> str:
        return NAME

    @property
    def timeout_s(self) -> float:
        return self.settings.timeout_s

    def devices(self) -> Sequence[Device]:
        return [discovery.device_of(found) for found in self._attached()]

    def choose(self, wanted: str) -> Device:
        """The device that a device string means, opened. Raises Unavailable, also where its self-test fails."""
        found = discovery.find(wanted, self._attached())
        self._open(found)
        self._latest = found.id
        return discovery.device_of(found)

    def check(self, op: Op, graph: Graph) -> Verdict:
        return check(op, graph)

    def refine(self, segment: Segment, device: Device) -> Sequence[Verdict]:
        return refine(segment, self._in_use(device).caps)

    def cost(self, segment: Segment) -> Cost | None:
        """For the device that was chosen last. None where speed does not matter."""
        opened = self._opened.get(self._latest)
        if self.settings.prefer == "offload" or opened is None:
            return None
        half = self.settings.precision == "fp16"
        try:
            work = [launch.work for launch in lowered(segment, opened, half, again=True)]
            return measure.cost(segment, work, measure.measured(opened))
        except DelegateError:
            return None  # compile() says why

    def compile(self, segment: Segment, device: Device) -> Executable:
        """Raises DelegateError: Rejected where the segment is at fault."""
        opened = self._in_use(device)
        half = self.settings.precision == "fp16"
        try:
            compiled = compile_segment(
                segment,
                opened,
                half=half,
                one_arena=self.settings.arena,
                choose=lambda launches: tuned(launches, opened),
            )
            executable = OpenClExecutable(segment, compiled, opened)
        except (_native.ClError, MemoryError) as error:
            raise rejected(error, opened.where) from error
        if opened.is_fresh(compiled.source.text, options(opened.caps)):
            _warm_up(executable)
            opened.keep(compiled.source.text, options(opened.caps))
        return executable

    def health(self, device: Device) -> Health:
        """GONE where the device does not compute any more; its context is dropped, and the next look opens another."""
        if device.id in self._asked:
            return Health.GONE  # it still owes the answer to an earlier question
        self._asked.add(device.id)
        try:
            return self._health(device)
        finally:
            self._asked.discard(device.id)

    def facts(self, device: Device) -> Facts:
        found = discovery.find(device.id, self._attached())
        return discovery.facts(found, selftest.told(found, self.settings))

    def _health(self, device: Device) -> Health:
        try:
            opened = self._in_use(device)
        except Unavailable:
            return Health.GONE
        if opened.is_alive():
            return Health.OK
        with self._lock:
            self._opened.pop(device.id, None)
        opened.close()
        return Health.GONE

    def _attached(self) -> list[Found]:
        return discovery.attached(self.settings.limits)

    def _in_use(self, device: Device) -> Opened:
        """Opened before or now. Raises Unavailable."""
        opened = self._opened.get(device.id)
        return opened if opened is not None else self._open(discovery.find(device.id, self._attached()))

    def _open(self, found: Found) -> Opened:
        """Raises Unavailable, also for a device that computes wrongly."""
        with self._lock:
            if found.id not in self._opened:
                opened = Opened(found, self.settings)
                opened.caps = opened.caps.with_loops(selftest.loops(opened))
                self._opened[found.id] = opened
            return self._opened[found.id]


def _warm_up(executable: OpenClExecutable) -> None:
    """The first run, in which some drivers compile. Raises Failed."""
    tensors = executable.segment.graph.tensors
    inputs, outputs = (
        [np.zeros(tensors[t].shape, NUMPY_DTYPES[tensors[t].dtype]) for t in ends]
        for ends in (executable.segment.inputs, executable.segment.outputs)
    )
    executable.run(inputs, outputs)


_delegate: type[Delegate] = OpenCl  # mypy proves the contracts
_chooses: type[Chooses] = OpenCl
_describes: type[Describes] = OpenCl
_refines: type[Refines] = OpenCl
_timed: type[Timed] = OpenCl
