"""One Edge TPU in use: what runs on it, what is cached in it, and how it is won back after a failure."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType

from subgraft import _native
from subgraft.backends.edgetpu import accelerators, diagnosis, firmware, opening
from subgraft.backends.edgetpu.accelerators import called
from subgraft.backends.edgetpu.buses import Bus, Found
from subgraft.backends.edgetpu.deadline import Deadline
from subgraft.backends.edgetpu.errors import Busy, Fatal, OutOfMemory, TimedOut, WrongBytes, translate
from subgraft.backends.edgetpu.locks import DeviceLock
from subgraft.backends.edgetpu.opening import Awake, Opening
from subgraft.backends.edgetpu.package import Package
from subgraft.backends.edgetpu.prepared import Prepared
from subgraft.backends.edgetpu.settings import Settings
from subgraft.backends.edgetpu.turns import Slots, Turn, patience_s
from subgraft.delegates import Array, DelegateError, Failed, Health, Rejected, Unavailable

# Bits 1 to 4 of an interrupt's word (libedgetpu driver/beagle/beagle_top_level_interrupt_manager.cc).
TOP_LEVEL_INTERRUPTS = ("thermal shutdown", "PCIe error", "memory self-test", "thermal warning")

POSTED_BYTES = 4 << 20  # of reads that are pending at once; the kernel has 16 MB for all USB devices
FRUGAL_BYTES = 64 << 10  # of the same, and of one transfer to the device, after it had none left

# What the engine raises; MemoryError: there was none for the buffers of a run.
ENGINE_ERRORS = (_native.UsbError, _native.EdgeTpuError, MemoryError)

LOG = logging.getLogger("subgraft.edgetpu")


class Accelerator:
    """An awake device that one process has to itself.

    Usable from several threads, whose requests overlap where the device can. Not in a forked child. Every call is
    bounded, and raises DelegateErrors when the device is at fault. After a failure nothing runs until recover().
    """

    def __init__(self, bus: Bus, found: Found, settings: Settings, image: Callable[[], bytes]) -> None:
        """Not for callers: see open()."""
        self.bus = bus
        self.found = found  # where the device is now, or was last
        self.settings = settings
        self.recoveries = 0
        self._image = image
        self._process = os.getpid()
        self._locks: dict[str, DeviceLock] = {}
        self._deciding = threading.Lock()  # see Turn
        self._alone = threading.Lock()  # for those who want every slot
        self._slots = Slots(settings.requests_in_flight)
        self._awake: Awake | None = None
        self._engine: _native.EdgeTpuEngine | None = None
        self._broken: DelegateError | None = None
        self._is_frugal = False  # with the kernel's memory for USB transfers
        self._is_closed = False
        self._interrupts = 0  # that were logged
        self._token = 0
        self._cached: set[bytes] = set()

    @classmethod
    def open(cls, bus: Bus, found: Found, settings: Settings, image: Callable[[], bytes] | None = None) -> Accelerator:
        """Wakes the device up, with `image` or else the installed firmware where it has none.

        Raises a DelegateError; then nothing stays open.
        """
        accelerator = cls(bus, found, settings, image or _image_for(found, settings))
        accelerator._lock()
        was_dirty = any(lock.is_dirty for lock in accelerator._locks.values())
        try:
            accelerator._wake(dirty=was_dirty)
        except BaseException as error:
            accelerator._unlock(dirty=was_dirty or isinstance(error, Failed))
            raise
        return accelerator

    def prepare(self, package: Package) -> Prepared:
        """For run(). Raises Rejected, also for a package that is for emulated devices only."""
        if package.is_for_emulator and not self.found.emulated:
            raise Rejected(
                f"the model was compiled for the emulated Edge TPU ({package.compiler_version}), and {self._where} is "
                "a real one; compile it with Google's edgetpu_compiler"
            )
        return Prepared.of(package)

    def run(
        self,
        prepared: Prepared,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        patience: Deadline | None = None,
    ) -> None:
        """One inference within run_bound_s(). Does not change inputs. Raises Failed.

        patience: with other threads, until they let this one begin; None: patience_s() from now.
        """
        self.submit(prepared, inputs, outputs, patience).wait(self.settings.timeout_s)

    def submit(
        self,
        prepared: Prepared,
        inputs: Sequence[Array],
        outputs: Sequence[Array],
        patience: Deadline | None = None,
    ) -> Request:
        """Starts one inference, after waiting for a slot. The arrays belong to it until wait() has returned."""
        self._expect_process()
        patience = patience or self.patience()
        while True:
            slots = self._slots
            if not slots.acquire(patience.left_s()):
                raise TimedOut(f"the Edge TPU {self._where} is kept busy by other threads") from TimeoutError("no slot")
            try:
                with self._turn(patience):
                    if slots is self._slots:  # else of an engine that was recovered from meanwhile
                        engine, ticket = self._begin(prepared, inputs, outputs)
                        return Request(self, engine, ticket, slots, patience)
            except BaseException:
                slots.release()
                raise
            slots.release()

    def patience(self) -> Deadline:
        """With other threads, for one call or a row of calls."""
        return Deadline(patience_s(self.settings))

    def recover(self, patience: Deadline | None = None) -> None:
        """Opens the device anew after a failure, with a reset, firmware where needed, and nothing cached.

        Does nothing where another thread did it meanwhile. Raises Lost when the device is not plugged in any more, or
        what opening raises; then it can be tried again.
        """
        self._expect_process()
        with self._turn(patience or self.patience()):
            if self._broken is None or self._is_closed:
                return
            LOG.warning("recovering the Edge TPU %s: %s", self._where, self._broken.reason)
            self._let_go()
            self.found = opening.seen_again(self.bus, self.found)
            self._wake(dirty=True)
            self.recoveries += 1

    def is_at(self, bus: Bus, found: Found) -> bool:
        """Whether it is open and the one that `found` names. Each emulated bus of this process has its own devices."""
        if self._is_closed:
            return False
        name = accelerators.lock_name(found)
        if name is None:
            return bus is self.bus and found.path == self.found.path
        return name in self._locks

    def health(self) -> Health:
        """OK also where it needed to be recovered and was."""
        try:
            self.recover()
        except Busy:
            return Health.BUSY
        except DelegateError as error:
            LOG.info("the Edge TPU %s is not back: %s", self._where, error.reason)
            return Health.GONE
        return Health.GONE if self._is_closed else Health.OK

    def temperature_c(self) -> float:
        """Of the chip, in degrees Celsius, while nothing runs. Experimental: never compared with a thermometer."""
        self._expect_process()
        patience = self.patience()
        while True:
            with self._every_slot(patience) as slots, self._turn(patience):
                if slots is not self._slots:
                    continue
                self._usable()
                assert self._awake is not None
                return diagnosis.temperature_c(self._awake)

    def close(self) -> None:
        """Leaves the device in order for its next user, or marked as in disorder. May be called twice."""
        if self._process != os.getpid():
            return  # the parent's; its locks and native handles look after themselves
        with self._turn(self.patience()):
            if self._is_closed:
                return
            self._is_closed = True
            in_order = self._put_to_sleep()
            self._let_go()
            self._unlock(dirty=not in_order)

    def __enter__(self) -> Accelerator:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @property
    def _where(self) -> str:
        return called(self.found)

    def _turn(self, patience: Deadline) -> Turn:
        return Turn(self._deciding, patience, self)

    def _lock(self) -> None:
        """Holds the device by its present path. Raises Busy, or Unavailable where no lock can be kept."""
        name = accelerators.lock_name(self.found)
        if name is None or name in self._locks:
            return
        try:
            self._locks[name] = DeviceLock.acquire(name)
        except OSError as error:
            raise Unavailable(f"cannot keep a lock for the Edge TPU {self._where}: {error}") from error

    def _unlock(self, *, dirty: bool) -> None:
        for lock in self._locks.values():
            lock.release(dirty=dirty)
        self._locks = {}

    def _wake(self, *, dirty: bool) -> None:
        """From a device on the bus to an engine with nothing cached. Raises a DelegateError, and then it is broken."""
        awake = Opening(self.bus, self.found, self.settings, self._image).run(dirty=dirty)
        self.found, self._awake = awake.found, awake
        try:
            self._lock()  # under another name, when it came back at another place
            self._engine = _engine(awake, self.settings, frugal=self._is_frugal)
        except BaseException:
            self._let_go()
            raise
        self._slots = Slots(self.settings.requests_in_flight)
        self._token, self._cached, self._broken, self._interrupts = 0, set(), None, 0

    def _put_to_sleep(self) -> bool:
        """Whether the device is in order now."""
        if self._awake is None or self._engine is None:
            return False
        if not self._engine.drain() or self._engine.needs_recovery:
            return False
        try:
            opening.put_to_sleep(self._awake)
        except DelegateError as error:
            LOG.warning("the Edge TPU was not closed in order, and is reset before its next use: %s", error.reason)
            return False
        return True

    def _let_go(self) -> None:
        """Ends everything pending and closes the handle."""
        engine, awake = self._engine, self._awake
        self._engine = self._awake = None
        if engine:
            engine.drain()
        if awake:
            awake.device.close()

    def _begin(
        self, prepared: Prepared, inputs: Sequence[Array], outputs: Sequence[Array]
    ) -> tuple[_native.EdgeTpuEngine, int]:
        """The engine and its ticket. Called with a slot and the turn. Raises Failed."""
        engine = self._usable()
        try:
            self._send_parameters(engine, prepared)
            return engine, engine.submit(prepared.inference, inputs, outputs)
        except ENGINE_ERRORS as error:
            raise self._failure(engine, error) from error

    def _send_parameters(self, engine: _native.EdgeTpuEngine, prepared: Prepared) -> None:
        """Fills the parameter memory unless it holds what is needed already (libedgetpu driver/driver.cc)."""
        if prepared.token == 0 or prepared.token != self._token:
            self._cached.clear()
        if prepared.caching is None or prepared.cached_as in self._cached:
            return
        engine.run(prepared.caching, [], [], self.settings.timeout_s)
        self._token = prepared.token
        self._cached.add(prepared.cached_as)

    def _expect_process(self) -> None:
        if self._process != os.getpid():
            raise Failed(f"the Edge TPU {self._where} was opened before a fork; open it anew in the child process")

    def _usable(self) -> _native.EdgeTpuEngine:
        """The engine, unless something has to happen first."""
        if self._is_closed:
            raise Failed(f"the Edge TPU {self._where} is closed")
        if self._broken is not None or self._engine is None:
            why = self._broken.reason if self._broken else "it could not be opened"
            raise Failed(f"the Edge TPU {self._where} needs to be recovered: {why}")
        return self._engine

    @contextmanager
    def _every_slot(self, patience: Deadline) -> Iterator[Slots]:
        """Nothing is in flight meanwhile, unless these are not the slots any more."""
        slots = self._slots
        with self._alone, ExitStack() as held:
            for _ in range(slots.count):
                if not slots.acquire(patience.left_s()):
                    raise TimedOut(f"the Edge TPU {self._where} is in use all the time") from TimeoutError("no slot")
                held.callback(slots.release)
            yield slots

    def _note_interrupts(self, engine: _native.EdgeTpuEngine) -> None:
        """Logs what the device has to say of itself, each kind once."""
        word = engine.interrupts
        if word == self._interrupts:
            return
        new, self._interrupts = word & ~self._interrupts, word
        said = [name for bit, name in enumerate(TOP_LEVEL_INTERRUPTS, 1) if new >> bit & 1]
        if said:
            LOG.warning("the Edge TPU %s reports: %s; let it cool down", self._where, ", ".join(said))

    def _failure(
        self, engine: _native.EdgeTpuEngine, error: _native.UsbError | _native.EdgeTpuError | MemoryError
    ) -> DelegateError:
        """What to raise, with the device marked as broken where it is. Called with the turn."""
        if isinstance(error, _native.EdgeTpuError):
            failure = _of_engine(error, self._where)
        elif isinstance(error, MemoryError):
            failure = OutOfMemory(f"this machine has no memory for a run on the Edge TPU {self._where}; end programs")
        else:
            failure = translate(error, "running an inference", self._where)
        if engine is not self._engine or not engine.needs_recovery or self._broken is not None:
            return failure
        if isinstance(failure, Fatal) and self._awake and engine.drain():
            failure = Fatal(f"{failure.reason}; {diagnosis.error_registers(self._awake)}")
        self._broken = failure
        if isinstance(error, _native.UsbError) and error.code == "NO_MEM" and not self._is_frugal:
            LOG.warning("%s; it goes on with smaller transfers, which take longer", failure.reason)
            self._is_frugal = True
        return failure


class Request:
    """One inference in flight."""

    def __init__(
        self,
        accelerator: Accelerator,
        engine: _native.EdgeTpuEngine,
        ticket: int,
        slots: Slots,
        patience: Deadline,
    ) -> None:
        self._accelerator = accelerator
        self._engine = engine
        self._ticket = ticket
        self._slots = slots
        self._patience = patience

    def wait(self, timeout_s: float) -> None:
        """Returns when the outputs are written. Once. Raises Failed."""
        accelerator = self._accelerator
        accelerator._expect_process()
        try:
            self._engine.wait(self._ticket, timeout_s)
        except ENGINE_ERRORS as error:
            with accelerator._turn(self._patience):
                raise accelerator._failure(self._engine, error) from error
        finally:
            self._slots.release()
        accelerator._note_interrupts(self._engine)


def _engine(awake: Awake, settings: Settings, *, frugal: bool) -> _native.EdgeTpuEngine:
    max_bulk_out_bytes, max_posted_bytes = settings.max_bulk_out_bytes, POSTED_BYTES
    if frugal:
        max_bulk_out_bytes, max_posted_bytes = min(max_bulk_out_bytes, FRUGAL_BYTES), FRUGAL_BYTES
    try:
        return _native.EdgeTpuEngine(
            awake.device,
            max_bulk_out_bytes=max_bulk_out_bytes,
            bulk_outs=1 if frugal else settings.async_transfers,
            read_chunk_bytes=opening.chunk_bytes(awake.found, settings),
            max_posted_bytes=max_posted_bytes,
        )
    except _native.UsbError as error:
        raise translate(error, "getting ready for inferences", awake.where) from error


def _image_for(found: Found, settings: Settings) -> Callable[[], bytes]:
    if found.emulated:
        return lambda: firmware.for_emulated_device(settings)
    return lambda: firmware.for_device(settings)


def _of_engine(error: _native.EdgeTpuError, where: str) -> DelegateError:
    """The error to raise for one of the engine's. kind: "fatal", "bytes", "event" or "timeout"."""
    reason = f"the Edge TPU {where}: {error}"
    if error.kind == "fatal":
        return Fatal(reason)
    if error.kind == "timeout":
        error.__cause__ = error.__cause__ or TimeoutError(str(error))
        return TimedOut(f"{reason}; it is recovered before its next run, and the option timeout_s allows for more")
    return WrongBytes(reason)
