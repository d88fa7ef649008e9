"""The delegate interface: five questions the framework asks, in this order, and the optional capabilities."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, runtime_checkable

from subgraft.delegates.errors import Unavailable
from subgraft.delegates.graph import Array, Graph, Op, Segment


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator that is plugged in.

    id: what a user types after the delegate's name ("usb:0", "pci:1", "usb@2-1.3").
    """

    delegate: str
    id: str
    description: str = ""
    emulated: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Supported when there is no reason against."""

    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.reasons


@dataclass(frozen=True, slots=True)
class Cost:
    """An estimate, in seconds for one run. Only ever compared with another estimate."""

    compute_s: float
    transfer_s: float = 0.0

    @property
    def total_s(self) -> float:
        return self.compute_s + self.transfer_s


class Health(Enum):
    """What a delegate says of a device after a Failed."""

    OK = "ok"  # try again on the next run
    BUSY = "busy"  # try again after a while; the wait doubles each time
    GONE = "gone"  # unplugged or dead: looked for off the hot path until it is back


class Executable(Protocol):
    """One compiled segment on one device. Written in Python or in C++."""

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        """Computes one inference.

        inputs, outputs: C-contiguous arrays in the order of segment.inputs and segment.outputs, of the tensors'
        shapes and dtypes. Writes outputs, never inputs. Raises Failed.
        """

    def close(self) -> None:
        """Lets go of the device's memory. May be called twice."""


class Delegate(Protocol):
    """One kind of accelerator."""

    @property
    def name(self) -> str: ...

    def devices(self) -> Sequence[Device]:
        """What is plugged in now. Raises Unavailable with the cause and the cure when there is nothing to use."""

    def check(self, op: Op, graph: Graph) -> Verdict:
        """Whether this op could run here, and if not every reason why. Opens no device.

        Raises ModelError where files that the user named contradict each other or the model.
        """

    def cost(self, segment: Segment) -> Cost | None:
        """None: no idea, take it."""

    def compile(self, segment: Segment, device: Device) -> Executable:
        """Raises Rejected."""

    def health(self, device: Device) -> Health:
        """Asked after a Failed, before the next attempt."""


class Ticket(Protocol):
    """One request in flight."""

    def wait(self, timeout_s: float) -> None:
        """Returns when the outputs are written. Raises Failed; Overrun when the time is up."""


@runtime_checkable
class Refines(Protocol):
    """A Delegate that knows more once it has seen the device: segments are cut again until it is content."""

    def refine(self, segment: Segment, device: Device) -> Sequence[Verdict]:
        """What this very device says, op by op, in the order of segment.ops."""


@runtime_checkable
class Chooses(Protocol):
    """A Delegate whose devices go by several names, or that has devices which must be asked for."""

    def choose(self, wanted: str) -> Device:
        """The device that a user means.

        wanted: what follows the delegate's name in a device string ("usb:0" of "edgetpu:usb:0"); "" when nothing does.
        Raises Unavailable with what there is instead.
        """


@runtime_checkable
class Indivisible(Protocol):
    """A Delegate that takes some ops only together, such as those that one compiled program stands for."""

    def block(self, op: Op, graph: Graph) -> Hashable | None:
        """What this op belongs to; None: nothing.

        Ops with equal answers are compiled as one segment without any other op, or none of them is.
        """


@runtime_checkable
class Explains(Protocol):
    """A Delegate with more to say of a segment than its cost: where its program comes from, what was checked."""

    def notes(self, segment: Segment) -> Sequence[str]:
        """Sentences for the plan, about a segment that is this delegate's. Opens no device."""


@runtime_checkable
class KeepsState(Protocol):
    """A Delegate that takes ops with state: it reads variable tensors among its inputs and writes them as outputs."""

    def keeps_state(self, op: Op, graph: Graph) -> bool:
        """Whether this op may come here although it keeps state (LSTM, RNN, SVDF) or draws random numbers."""


@runtime_checkable
class RunsBodies(Protocol):
    """A Delegate that takes control flow together with its bodies, which nobody else plans or runs then."""

    def runs_bodies(self, op: Op, graph: Graph) -> bool:
        """Whether this kind of op (IF, WHILE) may come here; check() looks at its bodies, which graph.body() gives."""


@runtime_checkable
class Timed(Protocol):
    """A Delegate with a deadline of its own for one run; 10 s without."""

    @property
    def timeout_s(self) -> float: ...


@runtime_checkable
class Submits(Protocol):
    """An Executable that takes several requests in flight."""

    def submit(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> Ticket:
        """Starts one inference; both lists stay untouched by the caller until wait() returned."""


@runtime_checkable
class Native(Protocol):
    """An Executable that native code drives without a Python frame."""

    def capsule(self) -> object:
        """A PyCapsule named "subgraft.executable" that holds a `subgraft_executable` (native/include/subgraft.h).

        Asked again after segments were chained, which may change what it runs.
        """


@runtime_checkable
class Chains(Protocol):
    """An Executable that can take inputs straight from its predecessor on the same device."""

    def accepts(self, producer: Executable) -> bool:
        """Whether the tensors that `producer` hands to this segment alone (Segment.handed_to) stay on the device.

        Once this said yes, a run gets arrays for them whose contents mean nothing, and need not write them. Asked again
        whenever one of the two was compiled anew. A run of this executable always follows one of the producer's.
        """

    def unchain(self) -> None:
        """Takes back every yes, its own and those that it was the producer of: arrays mean what they say again.

        Raises Failed.
        """


@dataclass(frozen=True, slots=True)
class KernelTime:
    """What one kernel of a segment took, in the mean of several runs.

    ops: indices into graph.ops of what it computes. macs: multiply-accumulates. bytes: read and written.
    peak_macs_per_s, peak_bytes_per_s: what the device does at most, as measured; 0 where that is not known.
    """

    name: str
    ops: tuple[int, ...]
    seconds: float
    macs: int = 0
    bytes: int = 0
    peak_macs_per_s: float = 0.0
    peak_bytes_per_s: float = 0.0

    @property
    def gflops(self) -> float:
        """10^9 floating point (or integer) operations a second: a multiply-accumulate is two."""
        return 2e-9 * self.macs / self.seconds if self.seconds else 0.0

    @property
    def gbytes_per_s(self) -> float:
        return 1e-9 * self.bytes / self.seconds if self.seconds else 0.0

    @property
    def share_of_peak(self) -> float | None:
        """The time that arithmetic or memory traffic takes at the least, whichever is longer, in parts of this time."""
        if not (self.seconds and self.peak_macs_per_s and self.peak_bytes_per_s):
            return None
        return max(self.macs / self.peak_macs_per_s, self.bytes / self.peak_bytes_per_s) / self.seconds


@runtime_checkable
class Profiles(Protocol):
    """An Executable that knows which of its kernels the time goes to."""

    def profile(self, inputs: Sequence[Array], outputs: Sequence[Array], runs: int) -> Sequence[KernelTime]:
        """Runs `runs` times as run() does. Each kernel's mean time, in the order in which they run. Raises Failed."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be said of a device without opening it.

    link: how it is attached, "USB 3, 5000 Mbit/s". state: "ready", "no firmware" (which it gets when it is opened).
    problem: why it could not be opened now, with the cause and the cure; None: nothing speaks against it.
    """

    link: str = ""
    state: str = ""
    problem: Unavailable | None = None


@runtime_checkable
class Describes(Protocol):
    """A Delegate that knows more of a device than its description."""

    def facts(self, device: Device) -> Facts:
        """Opens nothing."""


@runtime_checkable
class Thermometer(Protocol):
    """A Delegate whose devices tell how warm they are."""

    def temperature_c(self, device: Device) -> float:
        """In degrees Celsius. May open the device. Raises DelegateError."""
