"""One segment on its delegate, with the CPU behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from subgraft.delegates import (
    Array,
    Chains,
    DelegateError,
    Device,
    Executable,
    Failed,
    Health,
    KernelTime,
    Native,
    Overrun,
    Profiles,
    Rejected,
    Segment,
    Submits,
    Unsupported,
)
from subgraft.interpreter import checked
from subgraft.interpreter.attachment import Attachment
from subgraft.interpreter.compare import difference
from subgraft.interpreter.cpu import Cpu, CpuStep, LooseCpuStep
from subgraft.interpreter.native import _native
from subgraft.interpreter.report import Event, Report
from subgraft.interpreter.store import Store, read_only


class WrongOutput(Failed):
    """An output is not what the segment says."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a session does about a delegate that fails or errs.

    fallback: the CPU takes over; else the error is raised.
    verify_every: every so many runs segments run on the CPU too; 0: never. tolerance: of float values then.
    max_loop_steps: after which a WHILE is stopped; None: it may take as many as it likes.
    """

    fallback: bool = True
    verify_every: int = 0
    tolerance: float = 1e-3
    max_loop_steps: int | None = None


class Lane:
    """Runs the segment on the device while that works, and on the CPU from the same inputs when it does not.

    on_device: whether the device computed the segment in this invoke. on_host: whether all outputs are in the store.
    sources: lanes whose tensors stay on the device for this one. verify_next: compare the next run with the CPU.
    """

    def __init__(
        self,
        number: int,
        segment: Segment,
        attachment: Attachment,
        executable: Executable,
        cpu: Cpu,
        store: Store,
        report: Report,
        policy: Policy,
    ) -> None:
        self.segment = segment
        self.attachment = attachment
        self.executable: Executable | None = executable
        self.on_device = self.on_host = False
        self.sources: list[Lane] = []
        self.keeps: tuple[int, ...] = ()  # outputs that stay on the device
        self.verify_next = False
        self.is_renewed = False  # by the background thread; the frame has not seen it yet
        self.is_dead = False  # the device is back and does not take the segment any more
        self.lost: Callable[[], None] = lambda: None  # tells the background thread
        self.move: Callable[[], None] = self.place  # the whole frame, once there is one
        self._number = number
        self._cpu = cpu
        self._store = store
        self._report = report
        self._policy = policy
        self._closed = False
        self._discarded: list[Executable] = []
        self._fallback: CpuStep | LooseCpuStep | None = None
        self._submit = executable.submit if isinstance(executable, Submits) else None  # asked once: it is slow
        self._state = {t: store.state[t].copy() for t in segment.outputs if t in store.state}
        self.place()
        attachment.lanes[self] = None

    def place(self) -> None:
        """Follows the store's memory to where it is now."""
        self._inputs = tuple(read_only(self._store[t]) for t in self.segment.inputs)
        # Views of their own: what a delegate does to an array's shape stays here.
        self._outputs = [self._state.get(t, self._store[t]).view() for t in self.segment.outputs]
        self._native = self._native_call()
        if self._fallback is not None:
            self._fallback.place()

    def unlink(self) -> None:
        """Passes all tensors through the host again."""
        self.sources, self.keeps, self.is_renewed = [], (), False
        executable = self.executable
        if not isinstance(executable, Chains):
            return
        try:
            executable.unchain()
        except Failed as error:
            self._note("run", error.reason, "subgraft runs it on the CPU")
            self._leave(executable)

    def take_capsule(self) -> None:
        """Follows what chaining made of the executable."""
        self._native = self._native_call()

    def kernels(self, runs: int) -> tuple[KernelTime, ...]:
        """Each kernel's mean time, on the inputs that are there; none where the delegate cannot tell. Raises Failed."""
        executable = self.executable
        if not isinstance(executable, Profiles) or not self.on_device:
            return ()
        if not self.attachment.busy_with_it.acquire(blocking=False):
            return ()  # it is being made ready again
        found: list[KernelTime] = []
        try:
            self.attachment.call(
                lambda given, made: found.extend(executable.profile(given, made, runs)),
                self._inputs,
                [np.empty_like(array) for array in self._outputs],
                afterwards=executable.close,
            )
        except Failed as error:
            self._absorb(error, executable)
        finally:
            self.attachment.busy_with_it.release()
        return tuple(found)

    def run(self) -> None:
        """Computes the segment's outputs. Raises Failed when there is no fallback."""
        verify, self.verify_next = self.verify_next, False
        self.on_device = self._try_device()
        self.on_host = self.on_device and not self.keeps
        if not self.on_device:
            self._on_cpu()
        elif verify:
            self._verify()
        else:
            self._accept_state()

    def reset(self) -> None:
        """The state lies in the store."""

    def fallback(self) -> CpuStep | LooseCpuStep:
        """The same segment on the CPU. Raises Unsupported where it has no kernel."""
        if self._fallback is None:
            try:
                if self._state:
                    self._fallback = LooseCpuStep(self._cpu, self.segment, self._store, ())
                else:
                    self._fallback = CpuStep(self._cpu, self.segment, self._store)
            except Unsupported as error:
                raise Unsupported(f"segment {self._number} has no fallback: {error}") from error
        return self._fallback

    def may_fall_back(self) -> bool:
        """Whether the CPU is allowed to take over, and can."""
        if not self._policy.fallback:
            return False
        try:
            self.fallback()
        except Unsupported:
            return False
        return True

    def renew(self, device: Device) -> bool:
        """Compiles the segment anew for a device that is back; whether it can be used."""
        self.is_dead = False
        self._let_go()
        if self._closed:
            return False
        try:
            made = self.attachment.delegate.compile(self.segment, device)
            executable = checked.executable(self.attachment.delegate.name, made)
        except DelegateError as error:
            self.is_dead = isinstance(error, Rejected)
            self._note("compile", error.reason, "subgraft runs it on the CPU")
            return False
        self.executable = executable
        self._submit = executable.submit if isinstance(executable, Submits) else None
        self._native = self._native_call()
        self.is_renewed = True
        if self._closed:
            self._let_go()
        return True

    def close(self) -> None:
        """Lets go of the device. What the background thread compiles at this moment, that thread closes."""
        self._closed = True
        self.attachment.lanes.pop(self, None)
        if self.executable is None and not self._discarded:
            return
        with self.attachment.alone():
            self._let_go()

    def _let_go(self) -> None:
        executables = [*self._discarded, *filter(None, [self.executable])]
        self._discarded, self.executable, self._native = [], None, None
        for executable in executables:
            try:
                self.attachment.settle("close", executable.close)
            except RuntimeError:  # no new thread can start while Python ends
                executable.close()

    def _try_device(self) -> bool:
        attachment = self.attachment
        if not attachment.busy_with_it.acquire(blocking=False):
            return self._go_without("it is being made ready again")
        try:
            executable = self.executable
            if executable is None or not attachment.is_usable():
                return self._go_without(f"it is {attachment.state.value} since it failed")
            if self.is_renewed:
                return self._go_without("it has just come back")
            if not all(source.on_device for source in self.sources):
                return False
            return self._on_device(executable)
        finally:
            attachment.busy_with_it.release()

    def _go_without(self, reason: str) -> bool:
        if not self.may_fall_back():
            raise Failed(f"{self.attachment.label} cannot run segment {self._number}: {reason}")
        return False

    def _on_device(self, executable: Executable) -> bool:
        outputs = list(self._outputs)
        try:
            self._compute(executable, outputs)
            self._check(outputs)
        except Failed as error:
            self._absorb(error, executable)
            return False
        except BaseException:
            if self.attachment.left or self._submit is not None:  # the request may be in flight
                self._leave(executable)
            raise
        self.attachment.succeeded()
        return True

    def _native_call(self) -> _native.NativeCall | None:
        """The executable with its arrays for native code, where it offers that."""
        executable = self.executable
        if not isinstance(executable, Native):
            return None
        return _native.NativeCall(executable.capsule(), self._inputs, self._outputs, executable.close)

    def _compute(self, executable: Executable, outputs: list[Array]) -> None:
        attachment = self.attachment
        if self._native is not None:
            came_back, reason = self._native.run(attachment.timeout_s)
            if not came_back:
                attachment.left = True
                raise Overrun(f"no answer within {attachment.timeout_s:g} s")
            if reason is not None:
                raise Failed(reason)
            return
        if self._submit is None:
            attachment.call(executable.run, self._inputs, outputs, afterwards=executable.close)
            return
        start = time.monotonic()
        try:
            self._submit(self._inputs, outputs).wait(attachment.timeout_s)
        except Failed as error:
            if isinstance(error, Overrun) or time.monotonic() - start < attachment.timeout_s:
                raise
            raise Overrun(error.reason) from error

    def _check(self, outputs: list[Array]) -> None:
        for t, given, got in zip(self.segment.outputs, self._outputs, outputs, strict=True):
            expected = self._store[t]
            if got is given and given.shape == expected.shape and given.dtype == expected.dtype:
                continue
            tensor = self.segment.graph.tensors[t]
            self.place()
            raise WrongOutput(
                f"output '{tensor.name}' came back as {getattr(got, 'dtype', type(got).__name__)}"
                f"{list(getattr(got, 'shape', ()))} instead of in the array for {tensor.dtype}{list(tensor.shape)}"
            )

    def _absorb(self, error: Failed, executable: Executable) -> None:
        overran = isinstance(error, Overrun)
        phase = "deadline" if overran else "output" if isinstance(error, WrongOutput) else "run"
        takes_over = self.may_fall_back()
        self._note(phase, error.reason, "subgraft ran it on the CPU" if takes_over else "")
        if overran:
            self._leave(executable)
        self.attachment.failed()
        if self.attachment.state is Health.GONE:
            self.lost()
        if not takes_over:
            raise error

    def _leave(self, executable: Executable) -> None:
        """Leaves the memory to whoever still works on it, and never runs the executable again."""
        if not self.attachment.left:  # else its call closes it when it comes back
            self._discarded.append(executable)
        self.attachment.left = False
        self.executable = self._native = None
        self._state = {t: after.copy() for t, after in self._state.items()}
        self.move()
        self.lost()

    def _on_cpu(self) -> None:
        for source in self.sources:
            source.bring_to_host()
        self.fallback().run()
        self.on_host = True

    def bring_to_host(self) -> None:
        """Computes again, on the CPU, what stayed on the device."""
        if not self.on_host:
            self._on_cpu()

    def _accept_state(self) -> None:
        for t, after in self._state.items():
            self._store.state[t][...] = after

    def _verify(self) -> None:
        """Runs the segment on the CPU too. Where they differ its answer is taken; Failed, if it may not take over."""
        try:
            self.fallback()
        except Unsupported as error:
            self._note("verify", str(error))
            self._accept_state()
            return
        visible = [t for t in self.segment.outputs if t not in self.keeps]
        theirs = {t: self._state[t] if t in self._state else self._store.fixed[t].copy() for t in visible}
        self._on_cpu()
        self.on_host = not self.keeps
        wrong = []
        for t, value in theirs.items():
            ours = self._store[t]
            why = difference(value, ours, self._policy.tolerance)
            if why:
                wrong.append(f"output '{self.segment.graph.tensors[t].name}': {why}")
                self._note("verify", wrong[-1], "subgraft took the CPU's answer")
            else:
                ours[...] = value
        if wrong and not self._policy.fallback:
            device = self.attachment.name
            raise Failed(f"segment {self._number} on {device} is not what the CPU computes: {'; '.join(wrong)}")

    def _note(self, phase: str, reason: str, outcome: str = "") -> None:
        """outcome: what happens where the CPU may take over."""
        event = Event(phase, self.attachment.name, reason, self._number, self.segment.graph.index)
        self._report.add(event, outcome if self._policy.fallback else "")
