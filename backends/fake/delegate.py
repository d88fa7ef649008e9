"""The fake accelerator: what is plugged in, what it takes, and how it is."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence

from subgraft import _native
from subgraft.backends.fake.executable import ChainedExecutable, FakeExecutable, QueuedExecutable
from subgraft.backends.fake.faults import Fault, due
from subgraft.delegates import (
    Cost,
    Delegate,
    Device,
    Executable,
    Graph,
    Health,
    KeepsState,
    Op,
    Refines,
    Rejected,
    Segment,
    Timed,
    Unavailable,
    Verdict,
)
from subgraft.delegates.options import flag, seconds, whole, words

BUILTIN_NAME = re.compile(r"[A-Z0-9]+(_[A-Z0-9]+)+")  # custom ops go by other styles


class Fake:
    """An accelerator that does not exist.

    kinds: the ops it takes; none named: all.
    refuses: ops that its check() takes and its device does not.
    max_ops: a longer segment is rejected; 0: no limit.
    faults: what goes wrong, see faults.py. After "gone" the device is back after `absences` looks at it, or when
    plug() is called; after "busy" it is free again after `absences` looks.
    run_s: what cost() tells; None: no idea.
    submits, chains, keeps_state: which optional capabilities it shows.
    Every option may be text, as a user types it.
    """

    def __init__(
        self,
        *,
        kinds: object = "",
        refuses: object = "",
        max_ops: object = 0,
        faults: object = "",
        absences: object = 0,
        devices: object = 2,
        run_s: object = None,
        timeout_s: object = 10.0,
        submits: object = False,
        chains: object = False,
        keeps_state: object = False,
    ) -> None:
        self.timeout_s = seconds("timeout_s", timeout_s)
        self.runs = 0
        self.compiled: list[Segment] = []
        self._kinds = _op_kinds("kinds", kinds)
        self._refuses = _op_kinds("refuses", refuses)
        self._max_ops = whole("max_ops", max_ops)
        self._faults = faults if isinstance(faults, tuple) else Fault.parse(faults)
        self._absences = whole("absences", absences)
        self._devices = whole("devices", devices)
        self._run_s = None if run_s is None else seconds("run_s", run_s)
        self._keeps_state = flag("keeps_state", keeps_state)
        self._kind = FakeExecutable
        self.chains = flag("chains", chains)
        if self.chains:
            self._kind = ChainedExecutable
        elif flag("submits", submits):
            self._kind = QueuedExecutable
        self._lock = threading.Lock()
        self._away: Health = Health.OK
        self._looks_left: int | None = None
        self._released = threading.Event()

    @property
    def name(self) -> str:
        return "fake"

    def devices(self) -> Sequence[Device]:
        if due(self._faults, 0) & {"unavailable"}:
            raise Unavailable("the fake was told to be unavailable; take 'unavailable' out of its option 'faults'")
        if self._away is Health.GONE:
            raise Unavailable("the fake is unplugged; call its plug()")
        return [Device("fake", str(i), "computes on the CPU", emulated=True) for i in range(self._devices)]

    def check(self, op: Op, graph: Graph) -> Verdict:
        if self._kinds and op.kind not in self._kinds:
            return Verdict((f"{op.kind} is not among its kinds",))
        return Verdict()

    def keeps_state(self, op: Op, graph: Graph) -> bool:
        return self._keeps_state

    def refine(self, segment: Segment, device: Device) -> Sequence[Verdict]:
        kinds = (segment.graph.ops[i].kind for i in segment.ops)
        return [Verdict((f"device {device.id} refuses {k}",) if k in self._refuses else ()) for k in kinds]

    def cost(self, segment: Segment) -> Cost | None:
        return None if self._run_s is None else Cost(self._run_s)

    def compile(self, segment: Segment, device: Device) -> Executable:
        if due(self._faults, 0) & {"reject"}:
            raise Rejected("the fake was told to reject every segment")
        if 0 < self._max_ops < len(segment.ops):
            raise Rejected(f"{len(segment.ops)} ops, and the fake takes at most max_ops={self._max_ops}")
        self.compiled.append(segment)
        return self._kind(self, segment, segment.reference())

    def health(self, device: Device) -> Health:
        with self._lock:
            if self._looks_left is not None:
                if self._looks_left == 0:
                    self._away, self._looks_left = Health.OK, None
                else:
                    self._looks_left -= 1
            return self._away

    def plug(self) -> None:
        """The device is back, whatever took it away."""
        with self._lock:
            self._away, self._looks_left = Health.OK, None

    def unplug(self) -> None:
        """Every run fails from now on, until plug()."""
        with self._lock:
            self._away, self._looks_left = Health.GONE, None

    def release(self) -> None:
        """Ends every hang, for good."""
        self._released.set()

    def next_run(self) -> frozenset[str]:
        """Counts one more run and tells what goes wrong in it."""
        with self._lock:
            self.runs += 1
            wrong = due(self._faults, self.runs)
            for kind, state in (("gone", Health.GONE), ("busy", Health.BUSY)):
                if kind in wrong:
                    self._away, self._looks_left = state, self._absences or None
            return wrong if self._away is Health.OK else wrong | {self._away.value}

    def hang(self) -> None:
        """Waits until release(), for at most ten times the deadline."""
        self._released.wait(10 * self.timeout_s)


def _op_kinds(option: str, value: object) -> frozenset[str]:
    """Raises ValueError for what looks like the schema's name of an op and is none; other names may be custom ops."""
    kinds = frozenset(words(option, value))
    for kind in sorted(kinds):
        if not _is_builtin(kind) and (_is_builtin(kind.upper()) or BUILTIN_NAME.fullmatch(kind)):
            meant = f"; did you mean {kind.upper()}?" if _is_builtin(kind.upper()) else ""
            raise ValueError(f"option {option!r} names {kind!r}, which is no op{meant}")
    return kinds


def _is_builtin(kind: str) -> bool:
    try:
        _native.Draft().add_opcode(kind, False, 1)
    except ValueError:
        return False
    return True


_delegate: type[Delegate] = Fake  # mypy proves the contracts
_refines: type[Refines] = Fake
_state: type[KeepsState] = Fake
_timed: type[Timed] = Fake
