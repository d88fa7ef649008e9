"""What can go wrong on the wire and in the emulated device: "unplug@out:3, delay@in=0.2"."""

from __future__ import annotations

import random
import re
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from subgraft.backends.edgetpu.emulator.log import kind_of
from subgraft.backends.edgetpu.emulator.urb import Urb

ACTIONS = {
    "stall": "the transfer is stalled",
    "halt": "the endpoint is halted until the host clears it",
    "error": "the transfer ends with an input/output error",
    "timeout": "the transfer never ends, until the host takes it back",
    "delay": "the transfer takes `value` seconds (0.05) longer",
    "short": "`value` bytes (half of them) get through, the rest is lost",
    "zero": "an empty packet comes before the data",
    "babble": "the device sends more than was asked for",
    "corrupt": "`value` bits (1) of what the device sends are wrong",
    "flip": "`value` bits (1) of what the device gets are wrong",
    "truncate": "the last `value` bytes (1) do not reach the device, and nobody is told",
    "reorder": "the halves of what the device gets are swapped",
    "unplug": "the device is gone; with a `value` it is back after so many seconds",
    "dfu": "the device is back in its boot ROM, without firmware",
    "dfu_error": "the boot ROM is in its error state",
    "reset_register": "the register at the hexadecimal `value` loses its value; without: all do",
    "fatal": "the device reports a fatal error",
    "thermal_warning": "the device warns that it is hot",
    "thermal_shutdown": "the device says that it is too hot, and is gone",
}
SECONDS, NUMBER = (r"\d{1,4}(\.\d{1,9})?", "seconds"), (r"\d{1,9}", "a number")
TAKE_ARG = {
    "delay": SECONDS,
    "unplug": SECONDS,
    "short": NUMBER,
    "corrupt": NUMBER,
    "flip": NUMBER,
    "truncate": NUMBER,
    "reset_register": ("[0-9a-fA-F]{1,8}", "its offset, hexadecimal"),
}
TO_HOST = frozenset({"zero", "corrupt"})  # only where the device sends
TO_DEVICE = frozenset({"flip", "truncate", "reorder"})
PLACES = ("any", "control", "out", "in", "event", "interrupt")
FOREVER = 1 << 62
FORM = re.compile(
    r"(?P<action>\w+)(@(?P<place>0x[0-9a-fA-F]{1,2}|[a-z]+)(:(?P<nth>\d{1,9}))?)?"
    r"(\*(?P<count>\d{1,9}|all))?(=(?P<arg>[-\w.]+))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong: from the transfer after `after` that fit on, `count` times.

    kind: of PLACES, "" and "any" for all. endpoint: one endpoint only; None: any. An IN transfer counts when the
    device has something for it. arg: the `value` of ACTIONS.
    """

    action: str
    endpoint: int | None = None
    kind: str = ""
    after: int = 0
    count: int = 1
    arg: str = ""

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ValueError(f"no fault named {self.action!r}; there are: {', '.join(ACTIONS)}")
        if self.kind and self.kind not in PLACES:
            raise ValueError(f"a fault strikes at one of {', '.join(PLACES)}, not at {self.kind!r}")
        if (self.action in TO_HOST and self.kind == "out") or (
            self.action in TO_DEVICE and self.kind in ("in", "event", "interrupt")
        ):
            raise ValueError(f"{self.action}@{self.kind}: {ACTIONS[self.action]}; that is the other direction")
        if self.after < 0 or self.count < 1:
            raise ValueError(f"{self.action}: after {self.after} transfers, {self.count} times, is never")
        self._check_arg()

    @classmethod
    def parse(cls, text: str) -> tuple[Fault, ...]:
        """Reads "action[@place[:nth]][*count|*all][=arg]", separated by commas.

        place: of PLACES, or an endpoint such as 0x81; nth: 1 for the first transfer there. Raises ValueError.
        """
        return tuple(cls._one(word.strip()) for word in text.split(",") if word.strip())

    @classmethod
    def _one(cls, word: str) -> Fault:
        match = FORM.fullmatch(word)
        if not match:
            raise ValueError(f"{word!r} is no fault; write it as in 'unplug@out:3', 'delay@in:1*5=0.2' or 'stall@0x82'")
        place, nth, count = match["place"] or "", int(match["nth"] or 1), match["count"] or "1"
        if nth < 1:
            raise ValueError(f"{word!r}: the first transfer is number 1")
        endpoint = None
        if place.startswith("0x"):
            endpoint, place = int(place, 16), ""
        times = FOREVER if count == "all" else int(count)
        return cls(match["action"], endpoint, place, nth - 1, times, match["arg"] or "")

    def __str__(self) -> str:
        place = f"0x{self.endpoint:02x}" if self.endpoint is not None else self.kind or "any"
        times = "" if self.count == 1 else "*all" if self.count == FOREVER else f"*{self.count}"
        return f"{self.action}@{place}:{self.after + 1}{times}{'=' + self.arg if self.arg else ''}"

    def number(self, default: float) -> float:
        return float(self.arg) if self.arg else default

    def _check_arg(self) -> None:
        if not self.arg:
            return
        if self.action not in TAKE_ARG:
            raise ValueError(f"{self.action} takes no '={self.arg}'")
        pattern, meant = TAKE_ARG[self.action]
        if not re.fullmatch(pattern, self.arg, re.ASCII):
            raise ValueError(f"{self.action}={self.arg}: write {meant} behind '='")


STORM_KINDS = (  # those that a driver can see: wrong bits in data that arrive would be wrong answers
    "stall@out", "stall@in", "stall@event", "halt@out", "halt@in", "error@out", "error@in", "error@event", "short@in",
    "short@event", "zero@in", "babble@in", "corrupt@event", "delay@out=0.01", "delay@in=0.01", "unplug@out=0.01",
    "unplug@in=0.01", "dfu@out", "dfu@in", "fatal@out", "thermal_warning@out", "truncate@out",
)  # fmt: skip
STORM_TRANSFERS = {"out": 2, "in": 1, "event": 1}  # at least so many for each inference


def storm(seed: int, faults: int, inferences: int, kinds: Sequence[str] = STORM_KINDS) -> tuple[Fault, ...]:
    """So many faults, spread over so many inferences; the same for the same seed.

    kinds: what to choose from, in the form of Fault.parse without a number. One transfer is struck once.
    """
    chosen = random.Random(seed)
    models = [fault for kind in kinds for fault in Fault.parse(kind)]
    found: list[Fault] = []
    taken: set[tuple[str, int]] = set()
    if faults > sum(inferences * STORM_TRANSFERS[kind] for kind in {m.kind for m in models}) // 2:
        raise ValueError(f"{faults} faults are too many for {inferences} inferences")
    while len(found) < faults:
        model = chosen.choice(models)
        after = chosen.randrange(inferences * STORM_TRANSFERS[model.kind])
        if (model.kind, after) not in taken:
            taken.add((model.kind, after))
            found.append(Fault(model.action, None, model.kind, after, 1, model.arg))
    return tuple(found)


class FaultRules:
    """The rules in force: tells which one strikes a transfer. The first that was added wins; costs the same for 1 rule
    as for 10,000."""

    FIRED_KEPT = 4096

    def __init__(self) -> None:
        self.fired: deque[tuple[Fault, int]] = deque(maxlen=self.FIRED_KEPT)  # and the how-manieth transfer of its kind
        self.fired_count = 0
        self._seen: Counter[str | int] = Counter()
        self._due: dict[str | int, list[tuple[int, int, int, Fault]]] = {}  # heaps: first, order, last
        self._active: dict[str | int, list[tuple[int, int, Fault]]] = {}  # order, last
        self._added = 0

    def add(self, *faults: Fault) -> None:
        """They count transfers from now on."""
        for fault in faults:
            place = fault.endpoint if fault.endpoint is not None else fault.kind or "any"
            first = self._seen[place] + fault.after + 1
            heappush(self._due.setdefault(place, []), (first, self._added, first + fault.count - 1, fault))
            self._added += 1

    def clear(self) -> None:
        self._due.clear()
        self._active.clear()

    @property
    def waiting(self) -> int:
        """How many rules have not done all that they were made for."""
        return sum(map(len, self._due.values())) + sum(map(len, self._active.values()))

    def strike(self, urb: Urb) -> Fault | None:
        """Counts this transfer. The rule that strikes it, if one does."""
        best: tuple[int, Fault] | None = None
        kind = kind_of(urb)
        for place in ("any", kind, urb.endpoint):
            self._seen[place] += 1
            candidate = self._at(place, self._seen[place])
            if candidate and (best is None or candidate[0] < best[0]):
                best = candidate
        if best is None or not _possible(best[1], urb):
            return None
        self.fired.append((best[1], self._seen[kind]))
        self.fired_count += 1
        return best[1]

    def _at(self, place: str | int, number: int) -> tuple[int, Fault] | None:
        due = self._due.get(place)
        while due and due[0][0] <= number:
            _, order, last, fault = heappop(due)
            self._active.setdefault(place, []).append((order, last, fault))
        active = self._active.get(place)
        if not active:
            return None
        first = min(active, key=lambda rule: rule[0])
        self._active[place] = [rule for rule in active if rule[1] > number]
        return first[0], first[2]


def _possible(fault: Fault, urb: Urb) -> bool:
    """Whether the fault can befall a transfer in this direction."""
    return fault.action not in (TO_DEVICE if urb.is_in else TO_HOST)
