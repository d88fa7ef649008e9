"""One program while it runs: gathers what it was sent, and has what it sends computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from subgraft.backends.edgetpu.emulator.memory import ParameterMemory
from subgraft.backends.edgetpu.emulator.numerics import Damaged
from subgraft.backends.edgetpu.emulator.program import EmulatedProgram, Executable, Stage, tensor
from subgraft.backends.edgetpu.transfers import Receive, Send, input_bytes
from subgraft.delegates import Array

Candidate = tuple[EmulatedProgram, Executable]


class Run:
    """candidates: the programs whose instructions begin like this, the likeliest first; later chunks rule some out.

    violation: told (rule, text). check_bytes: whether parameters are compared with the package's.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        memory: ParameterMemory,
        random: np.random.Generator,
        violation: Callable[[str, str], None],
        *,
        check_bytes: bool,
    ) -> None:
        self._candidates = list(candidates)
        self._memory = memory
        self._random = random
        self._violation = violation
        self._check_bytes = check_bytes
        self._next_chunk = 0
        self._stages: list[Stage] = []
        self._waiting: list[bytes] = []  # what came of the present stage
        self._parameters: list[tuple[int, bytes]] = []
        self._inputs: dict[tuple[int, int], list[tuple[int, bytes]]] = defaultdict(list)
        self._outputs: dict[tuple[int, int], bytes] = {}
        self._scratch = b""

    @property
    def program(self) -> EmulatedProgram:
        return self._candidates[0][0]

    @property
    def executable(self) -> Executable:
        return self._candidates[0][1]

    @property
    def stores_parameters(self) -> bool:
        return self.executable is self.program.caching

    @property
    def stage(self) -> Stage | None:
        """What it is at; None: it waits for its next chunk of instructions, or is done."""
        return self._stages[0] if self._stages else None

    @property
    def done(self) -> bool:
        return not self._stages and self._next_chunk == len(self.executable.chunks)

    @property
    def missing(self) -> int:
        """Bytes that the present stage still waits for."""
        return self._stages[0].size - sum(len(part) for part in self._waiting) if self._stages else 0

    def wants_instructions(self, size: int) -> bool:
        return not self._stages and any(
            self._next_chunk < len(e.chunks) and e.lengths[self._next_chunk] == size for _, e in self._candidates
        )

    def begin_chunk(self, instructions: bytes) -> bool:
        """False: these are nobody's instructions."""
        k = self._next_chunk
        fitting = [c for c in self._candidates if k < len(c[1].chunks) and c[1].matches(k, instructions)]
        if not fitting:
            return False
        self._candidates = fitting
        self._stages = list(self.executable.stages(k, instructions))
        self._next_chunk += 1
        if k == 0 and self.stores_parameters:
            self._memory.begin(self._owners())
        return True

    def take(self, data: bytes) -> bool:
        """Bytes for the present stage, no more than are missing. Whether the stage has all of them now."""
        self._waiting.append(data)
        if self.missing:
            return False
        whole = self._waiting[0] if len(self._waiting) == 1 else b"".join(self._waiting)
        self._waiting.clear()
        at = 0
        for step in self._stages[0].steps:
            assert isinstance(step, Send), "only sends make a stage that waits for data"
            self._sort(step, whole[at : at + step.size] if step.size < len(whole) else whole)
            at += step.size
        return True

    def give(self) -> bytes:
        """What the present stage sends."""
        parts = [self._sent(step) for step in self._stages[0].steps if isinstance(step, Receive)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def next_stage(self) -> None:
        self._stages.pop(0)

    def finish(self) -> None:
        """It is done: parameters are on the chip now, or those of others are not any more."""
        if self.stores_parameters:
            self._memory.store(self._owners(), _joined(self._parameters, self.executable.parameter_bytes))
        else:
            self._memory.ran(frozenset(executable.program.token for _, executable in self._candidates))

    def _owners(self) -> tuple[EmulatedProgram, ...]:
        return tuple(program for program, _ in self._candidates)

    def _sort(self, step: Send, data: bytes) -> None:
        if step.source == "parameters":
            if self._check_bytes:
                self._compare(step, data)
            self._parameters.append((step.offset, data))
            self._outputs.clear()  # those that are yet to leave depend on it
        elif step.source == "scratch":
            if data != self._memory_of_scratch()[step.offset : step.offset + step.size]:
                self._violation("scratch", f"{step.size} bytes of scratch at {step.offset} came back changed")
        else:
            pieces = self._inputs[step.index, step.batch]
            if any(_differ(piece, (step.offset, data)) for piece in pieces):
                self._violation("overlap", f"input {step.index} was sent twice in part, with different bytes")
            pieces.append((step.offset, data))
            self._outputs.clear()

    def _compare(self, step: Send, data: bytes) -> None:
        meant = [e.program.parameters[step.offset : step.offset + step.size] for _, e in self._candidates]
        if data in meant:
            return
        wrong = np.flatnonzero(np.frombuffer(data, np.uint8) != np.frombuffer(meant[0], np.uint8))
        self._violation(
            "parameters",
            f"{len(wrong)} bytes of the parameters of {self.program.name} are not the package's, "
            f"the first of them {step.offset + int(wrong[0])}",
        )

    def _memory_of_scratch(self) -> bytes:
        if not self._scratch:
            self._scratch = self._random.bytes(self.executable.program.scratch_bytes)
        return self._scratch

    def _sent(self, step: Receive) -> bytes:
        if step.source == "scratch":
            return self._memory_of_scratch()[step.offset : step.offset + step.size]
        if (step.index, step.batch) not in self._outputs:
            self._compute(step.batch)
        return self._outputs[step.index, step.batch][step.offset : step.offset + step.size]

    def _compute(self, batch: int) -> None:
        program = self.executable.program
        inputs = [self._input(index, batch) for index in range(len(program.inputs))]
        parameters = self._all_parameters()
        try:
            sent = self.program.outputs(parameters, inputs, self._random)
        except Damaged as error:
            self._violation("damaged", f"{self.program.name} computes nonsense: {error}")
            sent = self.program.patterns(parameters, inputs)
        for index, data in enumerate(sent):
            self._outputs[index, batch] = data

    def _input(self, index: int, batch: int) -> Array:
        layer = self.executable.program.inputs[index]
        steps = [step for chunk in self.executable.chunks for stage in chunk.stages for step in stage.steps]
        size = max(layer.tensor_bytes, input_bytes(steps, index))
        return tensor(layer, _joined(self._inputs[index, batch], size))

    def _all_parameters(self) -> bytes:
        caching = self.program.caching
        own = self._own_parameters()
        if caching is None or self.executable is caching:
            return own
        if not self._memory.holds(self.program):
            self._violation("stale", f"{self.program.name} ran while its parameters were not on the chip")
        cached = self._memory.read(self.program, caching.parameter_bytes, self._random)
        return cached + own if own else cached

    def _own_parameters(self) -> bytes:
        """What came with this inference. Outputs may leave before the rest comes: until then it is the package's."""
        size = self.executable.parameter_bytes
        if sum(len(data) for _, data in self._parameters) >= size:
            return _joined(self._parameters, size)
        return _joined([(0, self.executable.program.parameters), *self._parameters], size)


def _joined(pieces: Sequence[tuple[int, bytes]], size: int) -> bytes:
    """The pieces at their offsets, zeros between them; the copy is saved where one is the whole."""
    if len(pieces) == 1 and pieces[0][0] == 0 and len(pieces[0][1]) >= size:
        return pieces[0][1]
    whole = bytearray(max([size, *(offset + len(data) for offset, data in pieces)]))
    for offset, data in pieces:
        whole[offset : offset + len(data)] = data
    return bytes(whole)


def _differ(a: tuple[int, bytes], b: tuple[int, bytes]) -> bool:
    """Whether two pieces of one buffer disagree where they overlap."""
    start, stop = max(a[0], b[0]), min(a[0] + len(a[1]), b[0] + len(b[1]))
    return start < stop and a[1][start - a[0] : stop - a[0]] != b[1][start - b[0] : stop - b[0]]
