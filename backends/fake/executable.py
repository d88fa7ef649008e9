"""A fake's compiled segment: runs the CPU's reference, unless a fault is due."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from subgraft.delegates import Array, Chains, Executable, Failed, Overrun, Segment, Submits, Ticket

if TYPE_CHECKING:
    from subgraft.backends.fake.delegate import Fake


class FakeExecutable:
    """Runs at once, in the caller's thread."""

    def __init__(self, delegate: Fake, segment: Segment, reference: Executable) -> None:
        self.segment = segment
        self.closed = False
        self._delegate = delegate
        self._reference = reference

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        wrong = self._delegate.next_run()
        if self.closed:
            raise Failed("this fake segment is closed")
        if "gone" in wrong:
            raise Failed("the fake was unplugged")
        if "busy" in wrong:
            raise Failed("the fake is busy with other work")
        if "fail" in wrong:
            raise Failed(f"the fake was told to fail in run {self._delegate.runs}")
        if "hang" in wrong:
            self._delegate.hang()
        self._reference.run(inputs, outputs)
        if "values" in wrong:
            for output in outputs:
                _spoil(output)
        if "sizes" in wrong and isinstance(outputs, list) and outputs:
            outputs[0] = np.zeros(outputs[0].size + 1, outputs[0].dtype)

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._reference.close()


class QueuedExecutable(FakeExecutable):
    """Takes several requests; one thread of its own works through them in order."""

    def __init__(self, delegate: Fake, segment: Segment, reference: Executable) -> None:
        super().__init__(delegate, segment, reference)
        self._requests: queue.SimpleQueue[FakeTicket | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="subgraft-fake", daemon=True).start()

    def submit(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Ticket:
        ticket = FakeTicket(inputs, outputs)
        self._requests.put(ticket)
        return ticket

    def close(self) -> None:
        self._requests.put(None)
        super().close()

    def _work(self) -> None:
        while (ticket := self._requests.get()) is not None:
            try:
                self.run(ticket.inputs, ticket.outputs)
            except Failed as error:
                ticket.error = error
            ticket.done.set()


class FakeTicket:
    """One request in flight."""

    def __init__(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.error: Failed | None = None
        self.done = threading.Event()

    def wait(self, timeout_s: float) -> None:
        if not self.done.wait(timeout_s):
            raise Overrun(f"no answer within {timeout_s:g} s")
        if self.error:
            raise self.error


class ChainedExecutable(FakeExecutable):
    """Keeps tensors that only its successor reads in its own memory: the host's copy stays unwritten."""

    def __init__(self, delegate: Fake, segment: Segment, reference: Executable) -> None:
        super().__init__(delegate, segment, reference)
        self._kept: dict[int, Array] = {}  # of our outputs, by tensor
        self._taken: dict[int, ChainedExecutable] = {}  # of our inputs: who keeps it

    def accepts(self, producer: Executable) -> bool:
        if not isinstance(producer, ChainedExecutable) or producer._delegate is not self._delegate:
            return False
        for t in producer.segment.handed_to(self.segment):
            tensor = self.segment.graph.tensors[t]
            producer._kept[t] = np.zeros(tensor.shape, tensor.dtype)
            self._taken[t] = producer
        return True

    def unchain(self) -> None:
        self._kept.clear()
        self._taken.clear()

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        taken = [
            self._taken[t]._kept[t] if t in self._taken else given
            for t, given in zip(self.segment.inputs, inputs, strict=True)
        ]
        kept = [self._kept.get(t, given) for t, given in zip(self.segment.outputs, outputs, strict=True)]
        super().run(taken, kept)


def _spoil(output: Array) -> None:
    """Turns every bit of the first element: never equal to what it was."""
    output.reshape(-1)[:1].view(np.uint8)[...] ^= 0xFF


_submits: type[Submits] = QueuedExecutable
_chains: type[Chains] = ChainedExecutable
