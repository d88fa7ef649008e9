"""The Edge TPU as a delegate: its devices, what it takes, and how it is."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from subgraft.backends.edgetpu import accelerators
from subgraft.backends.edgetpu.breaker import Breaker
from subgraft.backends.edgetpu.buses import Bus, Found, default_bus
from subgraft.backends.edgetpu.cache import Cache
from subgraft.backends.edgetpu.emulation import NAME, Emulation
from subgraft.backends.edgetpu.errors import NotFound
from subgraft.backends.edgetpu.executable import EdgeTpuExecutable
from subgraft.backends.edgetpu.loadable import Origin
from subgraft.backends.edgetpu.made import Made
from subgraft.backends.edgetpu.opening import OPEN_TIMEOUT_S, RETURN_PATIENCE_S
from subgraft.backends.edgetpu.package import CUSTOM_OP
from subgraft.backends.edgetpu.precompiled import Alone, Beside
from subgraft.backends.edgetpu.settings import Settings
from subgraft.backends.edgetpu.sharing import Lease, shared
from subgraft.backends.edgetpu.stick import Status, Stick
from subgraft.backends.edgetpu.turns import ENDING_TIMEOUT_S, patience_s, run_bound_s
from subgraft.delegates import (
    Chooses,
    Cost,
    Delegate,
    Describes,
    Device,
    Executable,
    Explains,
    Facts,
    Graph,
    Health,
    Indivisible,
    Models,
    Op,
    Refines,
    Segment,
    Thermometer,
    Timed,
    Unavailable,
    Verdict,
)
from subgraft.delegates.options import seconds, whole

COMPILE_TIMEOUT_S = 180.0  # as edgetpu_compiler gives itself
MARGIN_S = 1.0
EMULATED_HINT = "; for one that is emulated on the CPU ask for 'edgetpu:emulated'"


class EdgeTpu:
    """A Coral USB Accelerator, or an emulated one ("edgetpu:emulated").

    compiled: what edgetpu_compiler made of the model, one file or several; the model itself is the fallback.
    emulates: what a model that is loaded in compiled form was compiled from; only emulated devices need it.
    compiler: the program that compiles models; "": edgetpu_compiler on PATH, and for an emulated device the stand-in.
    compile_timeout_s: how long it may take. cache: the folder for what it makes; "": the user's cache folder.
    sticks: how many emulated devices there are. faults: what goes wrong with them, see emulator/faults.py.
    performance, reset, timeout_s, firmware, firmware_sha256, verify_firmware, always_dfu, require_superspeed,
    usb2_chunk_bytes, max_bulk_out_bytes, async_transfers, requests_in_flight, library: see settings.py;
    None: libedgetpu's environment variables, and without one the default.
    Every option may be text, as a user types it.
    """

    def __init__(
        self,
        *,
        compiled: Models = (),
        emulates: Models = (),
        compiler: object = "",
        compile_timeout_s: object = COMPILE_TIMEOUT_S,
        cache: object = "",
        sticks: object = 2,
        faults: object = "",
        performance: object = None,
        reset: object = None,
        timeout_s: object = None,
        firmware: object = None,
        firmware_sha256: object = None,
        verify_firmware: object = None,
        always_dfu: object = None,
        require_superspeed: object = None,
        usb2_chunk_bytes: object = None,
        max_bulk_out_bytes: object = None,
        async_transfers: object = None,
        requests_in_flight: object = None,
        library: object = None,
    ) -> None:
        given = {
            "performance": performance,
            "reset": reset,
            "timeout_s": timeout_s,
            "firmware": firmware,
            "firmware_sha256": firmware_sha256,
            "verify_firmware": verify_firmware,
            "always_dfu": always_dfu,
            "require_superspeed": require_superspeed,
            "usb2_chunk_bytes": usb2_chunk_bytes,
            "max_bulk_out_bytes": max_bulk_out_bytes,
            "async_transfers": async_transfers,
            "requests_in_flight": requests_in_flight,
            "library": library,
        }
        settings = {name: value for name, value in given.items() if value is not None}
        self.settings = Settings.of(settings, os.environ)
        self._compiled = _graphs("compiled", compiled)
        self._emulates = _graphs("emulates", emulates)
        self._alone = Alone(self._emulates)
        self._beside = Beside(self._compiled)
        kept = Cache(Path(str(cache)) if cache else None)
        self._made = Made(str(compiler), seconds("compile_timeout_s", compile_timeout_s), kept, self._is_emulated)
        self._emulation = Emulation(whole("sticks", sticks), str(faults))
        self._bus: Bus | None = None
        self._lock = threading.Lock()
        self._sticks: dict[str, Stick] = {}
        self._meant: dict[str, str] = {}  # device id to the device string that led to it
        self._missed: set[str] = set()  # ids of devices that were not where they had been when last asked about
        self._latest: Device | None = None
        self._asked: tuple[Sequence[Op], Origin] = ((), self._made)  # the graph asked about last, op by op

    @property
    def name(self) -> str:
        return NAME

    @property
    def timeout_s(self) -> float:
        """For waiting for other threads, a run that fails, a recovery and a second run."""
        recovery_s = RETURN_PATIENCE_S + OPEN_TIMEOUT_S + ENDING_TIMEOUT_S
        return patience_s(self.settings) + 2 * run_bound_s(self.settings) + recovery_s + MARGIN_S

    def devices(self) -> Sequence[Device]:
        """What is plugged in; emulated ones only when they were asked for."""
        emulated = self._emulation.devices() if self._is_emulated() else []
        try:
            there = [accelerators.device_of(found) for found in accelerators.attached(self._usb())]
        except Unavailable:
            if not emulated:
                raise
            there = []
        return [*there, *emulated] or [self.choose("")]

    def choose(self, wanted: str) -> Device:
        """The device that a device string means; "": the first real one. Raises Unavailable."""
        if self._emulation.is_meant(wanted):
            device = self._emulation.device(wanted)
        else:
            try:
                device = accelerators.device_of(accelerators.find(self._usb(), wanted))
            except NotFound as error:
                raise NotFound(error.reason + EMULATED_HINT) from error
        self._meant[device.id] = wanted
        self._latest = device
        return device

    def check(self, op: Op, graph: Graph) -> Verdict:
        """Every reason against. Raises WrongTwin where the files that the user named are of different models."""
        return self._origin(graph).check(op, graph)

    def block(self, op: Op, graph: Graph) -> Hashable | None:
        return self._origin(graph).block(op, graph)

    def refine(self, segment: Segment, device: Device) -> Sequence[Verdict]:
        return self._origin(segment.graph).refine(segment, self._emulation.has(device))

    def notes(self, segment: Segment) -> Sequence[str]:
        return self._origin(segment.graph).notes(segment)

    def cost(self, segment: Segment) -> Cost | None:
        return None

    def compile(self, segment: Segment, device: Device) -> Executable:
        emulated = self._emulation.has(device)
        loadable = self._origin(segment.graph).load(segment, emulated)
        if emulated:
            self._emulation.teach(loadable)
        return EdgeTpuExecutable(self._stick(device), loadable, segment)

    def health(self, device: Device) -> Health:
        """GONE while it is not where it was, or left alone; back elsewhere counts from the next look on."""
        try:
            self._found(device)
        except Unavailable:
            return self._elsewhere(device)
        self._missed.discard(device.id)
        return self._stick(device).health()

    def _elsewhere(self, device: Device) -> Health:
        """Of a device that is not where it was. What was compiled for it has to be compiled again: GONE comes first."""
        if device.id not in self._missed:
            self._missed.add(device.id)
            return Health.GONE
        try:
            self.choose(self._meant.get(device.id, device.id))
        except Unavailable:
            return Health.GONE
        return Health.OK

    def facts(self, device: Device) -> Facts:
        return accelerators.facts(self._found(device))

    def temperature_c(self, device: Device) -> float:
        with closing(self._lease(device)) as lease:
            return lease.accelerator.temperature_c()

    def status(self) -> Sequence[Status]:
        """What has become of each device that was used."""
        return [stick.status() for stick in list(self._sticks.values())]

    def ask_emulator(self, device: Device) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        """What plugs, unplugs and breaks an emulated device. Raises Unavailable for one that is not of this process."""
        if not self._emulation.has(device):
            raise Unavailable(f"{NAME}:{device.id} is not emulated in this process")
        return self._emulation.ask(device)

    def _origin(self, graph: Graph) -> Origin:
        if self._compiled:
            return self._beside
        ops, origin = self._asked
        if ops is not graph.ops:
            origin = self._alone if any(op.kind == CUSTOM_OP for op in graph.ops) else self._made
            self._asked = graph.ops, origin
        return origin

    def _is_emulated(self) -> bool:
        return self._latest is not None and self._emulation.has(self._latest)

    def _usb(self) -> Bus:
        if self._bus is None:
            self._bus = default_bus(self.settings.library)
        return self._bus

    def _found(self, device: Device) -> Found:
        """The device on its bus now. Raises Unavailable."""
        if self._emulation.has(device):
            return self._emulation.found(device)
        return accelerators.find(self._usb(), device.id)

    def _lease(self, device: Device) -> Lease:
        bus = self._emulation.bus if self._emulation.has(device) else self._usb()
        return shared(bus, self._found(device), self.settings)

    def _stick(self, device: Device) -> Stick:
        with self._lock:
            if device.id not in self._sticks:
                self._sticks[device.id] = Stick(f"{NAME}:{device.id}", lambda: self._lease(device), Breaker())
            return self._sticks[device.id]


def _graphs(option: str, models: Models) -> Models:
    if not isinstance(models, list | tuple) or not all(isinstance(graph, Graph) for graph in models):
        raise TypeError(
            f"option {option!r} takes graphs; write the delegate as a device string, and files are read: "
            f'("edgetpu", {{{option!r}: FILE}})'
        )
    return models


_delegate: type[Delegate] = EdgeTpu  # mypy proves the contracts
_chooses: type[Chooses] = EdgeTpu
_describes: type[Describes] = EdgeTpu
_explains: type[Explains] = EdgeTpu
_indivisible: type[Indivisible] = EdgeTpu
_refines: type[Refines] = EdgeTpu
_thermometer: type[Thermometer] = EdgeTpu
_timed: type[Timed] = EdgeTpu
