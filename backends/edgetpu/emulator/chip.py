"""The Edge TPU behind the USB bridge: takes instructions, asks for what they ask for, and answers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Protocol

import numpy as np

from subgraft.backends.edgetpu.emulator.log import Log
from subgraft.backends.edgetpu.emulator.memory import ParameterMemory
from subgraft.backends.edgetpu.emulator.program import EmulatedProgram
from subgraft.backends.edgetpu.emulator.registers import UNKNOWN_PROGRAM, UNWANTED_DATA, Registers
from subgraft.backends.edgetpu.emulator.run import Candidate, Run
from subgraft.backends.edgetpu.emulator.stream import (
    INPUT,
    INSTRUCTIONS,
    INTERRUPT,
    OUTPUT,
    PARAMETERS,
    Header,
    Payload,
    Stream,
)

UNKNOWN = "unknown"  # the rule that a program breaks which the device was not taught
EVENT = struct.Struct("<QIB3x")  # address, bytes, tag
INTERRUPT_WORD = struct.Struct("<I")
TAG_NAMES = {INSTRUCTIONS: "instructions", INPUT: "input", PARAMETERS: "parameters", OUTPUT: "output"}


class Bridge(Protocol):
    """The way to the host."""

    @property
    def output_waits(self) -> bool:
        """Whether the host has not taken all of the output yet."""

    def send_output(self, data: memoryview, chunk_bytes: int) -> None: ...

    def send_event(self, data: bytes) -> None: ...

    def send_interrupt(self, data: bytes) -> None: ...


class Chip:
    """Runs what it was taught. check_bytes: whether received parameters are compared with the packages'."""

    def __init__(self, registers: Registers, bridge: Bridge, log: Log, seed: int) -> None:
        self.check_bytes = False
        self.memory = ParameterMemory()
        self._registers = registers
        self._bridge = bridge
        self._log = log
        self._random = np.random.default_rng(seed)
        self._taught: list[EmulatedProgram] = []
        self._stream = Stream()
        self._run: Run | None = None
        self._dead = ""
        self._told = ""

    @property
    def working(self) -> bool:
        return self._run is not None

    @property
    def between_payloads(self) -> bool:
        return self._stream.between_payloads

    def teach(self, program: EmulatedProgram) -> None:
        self._taught.insert(0, program)
        for executable in (program.caching, program.inference):
            if executable and not executable.from_bitstream:
                kind = executable.program.kind
                self._log.note(f"{program.name}, {kind}: the scan of its instructions is ambiguous; its hints are used")
        if not program.computes:
            self._log.note(f"{program.name}: nothing computes it; its outputs are patterns without meaning")

    def forget(self) -> None:
        self._taught.clear()

    def reset(self) -> None:
        """As after a port reset or power-up."""
        self._stream = Stream()
        self.power_off()

    def power_off(self) -> None:
        """The core slept: the program and its parameters are lost, the bridge keeps what is in it."""
        self._run = None
        self._dead = self._told = ""
        self.memory.clear()

    def feed(self, data: memoryview) -> int:
        """Takes bulk-out bytes as long as it can. Returns how many; the rest waits, as on the wire."""
        used, stream = 0, self._stream
        while used < len(data) and self._stream is stream and not self._refusal():
            taken, item = stream.take(data[used:])
            used += taken
            self._told = ""
            if isinstance(item, Header):
                self._announced(item)
            elif isinstance(item, Payload):
                self._received(item)
        if used < len(data) and self._stream is stream:  # else what it set off reset the device
            self._tell()
        return used

    def _refusal(self) -> str:
        """The rule because of which bulk-out data get no answer now; "": they are taken."""
        if self._dead:
            return "dead"
        if not self._registers.awake:
            return "asleep"
        if not self._registers.running:
            return "halted"
        if not self._registers.single_endpoint:
            return "endpoint"
        # New data could hog the path on which the host waits for output (libedgetpu driver/usb/usb_driver.cc).
        return "deadlock" if self._bridge.output_waits and self._stream.between_payloads else ""

    def _tell(self) -> None:
        rule = self._refusal()
        if rule == self._told:
            return
        self._told = rule
        texts = {
            "dead": f"bulk-out data came after a fatal error: {self._dead}",
            "asleep": "bulk-out data came while the device slept",
            "halted": "bulk-out data came before all run controls were on",
            "endpoint": "bulk-out data came to endpoint 1 while several endpoints were asked for",
            "deadlock": "a new payload was sent while output of the last program was still to be read",
        }
        self._log.violation(rule, texts[rule])

    def _announced(self, header: Header) -> None:
        if not header.clean:
            self._log.violation("header", "the header before bulk-out data has bits set that mean nothing")
        name = TAG_NAMES.get(header.tag, f"tag {header.tag}")
        what = f"{header.size} bytes of {name}"
        if header.tag == INSTRUCTIONS:
            if self._run and not self._run.stage and self._run.wants_instructions(header.size):
                return
            if self._run and self._run.stage:
                self._fail(UNWANTED_DATA, "unwanted", f"{what} came while {self.waits_for} were awaited")
            elif self._run or not any(e.lengths[:1] == (header.size,) for _, e in self._executables()):
                self._fail(UNKNOWN_PROGRAM, UNKNOWN, f"{what} are no program that this device was taught")
            return
        stage = self._run.stage if self._run else None
        if not self._run or not stage:
            self._fail(UNWANTED_DATA, "unwanted", f"{what} came, and no program asks for data")
        elif header.tag != stage.tag or not 0 < header.size <= self._run.missing:
            self._fail(UNWANTED_DATA, "unwanted", f"{what} came while {self.waits_for} were awaited")

    @property
    def waits_for(self) -> str:
        """In words, for messages."""
        if not self._run or not self._run.stage:
            return "instructions"
        return f"{self._run.missing} bytes of {TAG_NAMES.get(self._run.stage.tag, 'nothing')}"

    def _received(self, payload: Payload) -> None:
        if payload.tag == INSTRUCTIONS:
            self._begin(payload.data)
            return
        if not self._run:  # it was announced before the device slept
            self._fail(UNWANTED_DATA, "unwanted", f"{len(payload.data)} bytes came, and no program asks for data")
        elif self._run.take(payload.data):
            self._run.next_stage()
            self._go_on(self._run)

    def _begin(self, instructions: bytes) -> None:
        run = self._run or self._new_run(instructions)
        if run is None or not run.begin_chunk(instructions):
            text = f"{len(instructions)} bytes of instructions are no program that this device was taught"
            self._fail(UNKNOWN_PROGRAM, UNKNOWN, text)
            return
        self._run = run
        self._go_on(run)

    def _new_run(self, instructions: bytes) -> Run | None:
        fitting = [c for c in self._executables() if c[1].chunks and c[1].matches(0, instructions)]
        if not fitting:
            return None
        fitting.sort(key=lambda candidate: not self.memory.holds(candidate[0]))  # stable: then the last taught first
        return Run(fitting, self.memory, self._random, self._log.violation, check_bytes=self.check_bytes)

    def _executables(self) -> Iterator[Candidate]:
        for program in self._taught:
            yield program, program.inference
            if program.caching:
                yield program, program.caching

    def _go_on(self, run: Run) -> None:
        """Up to where it waits for the host, or is done."""
        while self._run is run and (stage := run.stage):  # what is sent may set off a reset
            for descriptor in stage.descriptors:
                if self._registers.announces(stage.tag):
                    self._bridge.send_event(EVENT.pack(descriptor.address, descriptor.size, descriptor.tag))
            if stage.tag in (INPUT, PARAMETERS):
                return
            if stage.tag == OUTPUT:
                self._send(run, [descriptor.size for descriptor in stage.descriptors])
            elif not self._registers.announces(stage.tag):
                self._log.violation("silent", f"interrupt {stage.tag - INTERRUPT} was raised, and its event is off")
            run.next_stage()
        if self._run is run and run.done:
            run.finish()
            self._run = None
            self._log.counts["parameters stored" if run.stores_parameters else "inference"] += 1

    def _send(self, run: Run, sizes: list[int]) -> None:
        """Each DMA ends with a short packet, unless its size is a multiple of one."""
        data, at = memoryview(run.give()), 0
        for size in sizes:
            if self._run is run:
                self._bridge.send_output(data[at : at + size], self._registers.chunk_bytes)
            at += size

    def die(self, hib_error: int, why: str) -> None:
        """A fatal error: nothing is taken any more until it is reset or has slept."""
        self._dead = why
        self._run = None
        word = self._registers.fail(hib_error)
        if word:
            self._bridge.send_interrupt(INTERRUPT_WORD.pack(word))

    def _fail(self, hib_error: int, rule: str, text: str) -> None:
        self._log.violation(rule, text)
        self.die(hib_error, text)
