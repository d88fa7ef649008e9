"""NNAPI as a delegate: its devices, what they take, and how they are."""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from subgraft import _native
from subgraft.backends.nnapi import codes, compiler, discovery, library, lowering, ops, probe
from subgraft.backends.nnapi.bounded import Overdue, within
from subgraft.backends.nnapi.discovery import NAME, Found
from subgraft.backends.nnapi.draft import Draft, Refused
from subgraft.backends.nnapi.errors import Refusal, rejected
from subgraft.backends.nnapi.executable import NnapiExecutable
from subgraft.backends.nnapi.ops import control
from subgraft.backends.nnapi.settings import DEFAULT_COMPILE_TIMEOUT_S, DEFAULT_TIMEOUT_S, Settings
from subgraft.delegates import (
    Chooses,
    Cost,
    Delegate,
    Device,
    Executable,
    Graph,
    Health,
    KeepsState,
    Op,
    Refines,
    RunsBodies,
    Segment,
    Timed,
    Verdict,
)

__all__ = ["Nnapi", "ops"]  # importing `ops` registers what the delegate writes

T = TypeVar("T")

_hung: set[tuple[str, str]] = set()  # libraries and devices that a call has not come back from, in this process


class Nnapi:
    """Devices with an NNAPI driver; never the runtime's own CPU unless it is named.

    library, preference, priority, fp16, bursts, cache, probe, verify_first_run, feature_level, timeout_s,
    compile_timeout_s: see settings.py. Every option may be text, as a user types it.
    """

    def __init__(
        self,
        *,
        library: object = None,
        preference: object = "fast_single_answer",
        priority: object = "medium",
        fp16: object = False,
        bursts: object = False,
        cache: object = True,
        probe: object = True,
        verify_first_run: object = False,
        feature_level: object = 0,
        timeout_s: object = DEFAULT_TIMEOUT_S,
        compile_timeout_s: object = DEFAULT_COMPILE_TIMEOUT_S,
    ) -> None:
        settings = Settings.of(
            {
                "library": library,
                "preference": preference,
                "priority": priority,
                "fp16": fp16,
                "bursts": bursts,
                "cache": cache,
                "probe": probe,
                "verify_first_run": verify_first_run,
                "feature_level": feature_level,
                "timeout_s": timeout_s,
                "compile_timeout_s": compile_timeout_s,
            }
        )
        self.settings = replace(settings, cache_folder=compiler.cache_folder(settings, os.environ))
        self._lock = threading.Lock()
        self._chosen: dict[str, int] = {}  # feature levels of the devices that sessions asked for
        self._running: dict[str, weakref.WeakSet[NnapiExecutable]] = {}  # by device

    @property
    def name(self) -> str:
        return NAME

    @property
    def timeout_s(self) -> float:
        # The driver's own deadline comes first; a run may be tried three times, with a compilation in between.
        return 3 * self.settings.timeout_s + self.settings.compile_timeout_s

    def devices(self) -> Sequence[Device]:
        return [found.device for found in self._attached()]

    def choose(self, wanted: str) -> Device:
        """The device that a device string means. Raises Unavailable, also where only the runtime's CPU is there."""
        found = discovery.find(wanted, self._attached())
        with self._lock:
            self._chosen[found.id] = found.level
        return found.device

    def check(self, op: Op, graph: Graph) -> Verdict:
        """By the published rules, at the feature level of the chosen device, or the latest level before there is one.

        Where sessions chose several, at the latest of theirs: refine() says what the others lack.
        """
        return lowering.check(op, graph, self._level())

    def refine(self, segment: Segment, device: Device) -> Sequence[Verdict]:
        """What the driver says of each op. A model that cannot be built is compile()'s to explain."""
        found = self._found(device)
        nothing = [Verdict()] * len(segment.ops)
        if found.level < self._level():
            ops = segment.graph.ops
            verdicts = [lowering.check(ops[i], segment.graph, found.level) for i in segment.ops]
            if not all(verdicts):
                return verdicts
        if found.index is None:
            return nothing  # before feature level 3 nobody can be asked
        index = found.index
        try:
            draft = lowering.draft(segment, found.level)
        except Refused:
            return nothing

        def ask() -> list[bool]:
            return compiler.model_of(draft, found.library, self.settings.fp16).supported(index)

        try:
            supported = self._watched(found, self._sentinel(draft, found, "asked"), ask)
        except Refusal as refusal:
            return [Verdict((refusal.reason,))] * len(segment.ops)
        except _native.NnapiError:
            return nothing
        return _by_op(segment, draft, supported, found)

    def keeps_state(self, op: Op, graph: Graph) -> bool:
        """RNN, SVDF and the LSTM family."""
        lowering_of = lowering.LOWERINGS.get(op.kind)
        return lowering_of is not None and lowering_of.keeps_state

    def runs_bodies(self, op: Op, graph: Graph) -> bool:
        """IF and WHILE; their rules look at the bodies."""
        return op.kind in control.BODIES

    def cost(self, segment: Segment) -> Cost | None:
        """No idea: drivers do not tell."""
        return None

    def compile(self, segment: Segment, device: Device) -> Executable:
        """Raises Rejected; DriverDied and the like where it may pass."""
        found = self._found(device)
        try:
            draft = lowering.draft(segment, found.level)
        except Refused as refused:
            raise Refusal(f"{found.called} does not get the segment: {refused}") from refused
        token = self._token(draft, found)

        def compile_once() -> compiler.Compiled:
            return compiler.compiled(segment, draft, found, self.settings, token)

        try:
            compiled = self._watched(found, self._sentinel(draft, found, "compiled"), compile_once)
        except _native.NnapiError as error:
            raise rejected(error, found.called) from error
        made = NnapiExecutable(
            segment, compiled, found.called, verify=self.settings.verify_first_run, fp16=self.settings.fp16
        )
        with self._lock:
            self._running.setdefault(found.id, weakref.WeakSet()).add(made)
        return made

    def health(self, device: Device) -> Health:
        """GONE where the driver died or hangs; a segment that failed for good stays on the CPU by itself."""
        if self._is_hung(device.id):
            return Health.GONE
        with self._lock:
            died = [m for m in self._running.get(device.id, ()) if m.lost_driver]
        for made in died:
            made.lost_driver = False  # told once; what is compiled anew is judged by itself
        return Health.GONE if died else Health.OK

    def _level(self) -> int:
        with self._lock:
            return max(self._chosen.values(), default=self.settings.feature_level or codes.LATEST)

    def _token(self, draft: Draft, found: Found) -> bytes:
        return compiler.token_of(draft, found, self.settings)

    def _sentinel(self, draft: Draft, found: Found, what: str) -> probe.Sentinel:
        folder = self.settings.cache_folder if self.settings.cache else None
        return probe.Sentinel(folder, hashlib.sha256(self._token(draft, found) + what.encode()).digest())

    def _watched(self, found: Found, sentinel: probe.Sentinel, function: Callable[[], T]) -> T:
        """What the function makes of the driver: tried in a child the first time, and with a deadline.

        Raises Refusal where the driver crashes, crashed before or does not come back, and NnapiError.
        """
        if self._is_hung(found.id):
            raise Refusal(f"{found.called} has not come back from an earlier call: it is left alone")

        def noted() -> T:
            sentinel.start()
            try:
                return function()
            finally:
                sentinel.end()
                _hung.discard(self._place(found.id))  # late, but back

        try:
            sentinel.raise_if_crashed()
            if self.settings.probe and not sentinel.is_good() and probe.can_fork():
                try:
                    probe.in_a_child(function, self.settings.compile_timeout_s)
                except probe.Crashed:
                    sentinel.crashed()
                    raise
        except probe.Crashed as crashed:
            raise Refusal(f"{found.called} is not used for this segment: {crashed}") from crashed
        try:
            return within(self.settings.compile_timeout_s, noted)
        except Overdue:
            _hung.add(self._place(found.id))
            raise Refusal(
                f"{found.called} did not come back within {self.settings.compile_timeout_s:g} s; it is left alone "
                f"until it does"
            ) from None

    def _is_hung(self, device: str) -> bool:
        return self._place(device) in _hung

    def _place(self, device: str) -> tuple[str, str]:
        return self.settings.library or "", device

    def _attached(self) -> list[Found]:
        return discovery.attached(library.load(self.settings.library), self.settings.feature_level)

    def _found(self, device: Device) -> Found:
        return discovery.find(device.id, self._attached())


def _by_op(segment: Segment, draft: Draft, supported: Sequence[bool], found: Found) -> list[Verdict]:
    """An op is taken where all its operations are."""
    refused: dict[int, list[str]] = {}
    for operation, taken in zip(draft.operations, supported, strict=True):
        if not taken:
            refused.setdefault(operation.op, []).append(operation.name)
    return [
        Verdict((f"the driver of {found.called} does not take {', '.join(refused[i])}",) if i in refused else ())
        for i in segment.ops
    ]


_delegate: type[Delegate] = Nnapi  # mypy proves the contracts
_chooses: type[Chooses] = Nnapi
_refines: type[Refines] = Nnapi
_bodies: type[RunsBodies] = Nnapi
_state: type[KeepsState] = Nnapi
_timed: type[Timed] = Nnapi
