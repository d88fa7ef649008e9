"""Emulated Corals for programs that this process starts: each finds them on its USB, with the libusb it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from subgraft.backends.edgetpu.emulator.chip import UNKNOWN
from subgraft.backends.edgetpu.emulator.descriptors import Mode, Speed
from subgraft.backends.edgetpu.emulator.device import EmulatedCoral
from subgraft.backends.edgetpu.emulator.faults import Fault
from subgraft.backends.edgetpu.emulator.remote import ControlSocket, Read, Remote, Setting, whole_number
from subgraft.backends.edgetpu.emulator.teaching import teach
from subgraft.backends.edgetpu.emulator.umockdev import Bench
from subgraft.delegates import Models

VARIABLE = "SUBGRAFT_EMULATOR"
MOST_STICKS = 8
REENUMERATE_S = 0.1  # a port reset and the enumeration after it, as on a quiet bus


class Emulation:
    """Sticks that are plugged in until close().

    models, compiled: what the emulated device can compute: uncompiled models, and what was compiled from them.
    faults: rules of the first stick. read: reads more such models by their files' names, when a program asks for it.
    Raises Unavailable where umockdev is missing, ValueError for options that make no sense, WrongTwin for a compiled
    model that belongs to no uncompiled one.
    """

    def __init__(
        self,
        *,
        models: Models = (),
        compiled: Models = (),
        speed: Speed = "super",
        mode: Mode = "dfu",
        sticks: int = 1,
        faults: Sequence[str] = (),
        read: Read | None = None,
    ) -> None:
        if not 1 <= sticks <= MOST_STICKS:
            raise ValueError(f"{sticks} sticks; there may be 1 to {MOST_STICKS}")
        rules = [rule for text in faults for rule in Fault.parse(text)]
        self.corals = tuple(
            EmulatedCoral(mode, speed, seed=seed, reenumerate_s=REENUMERATE_S) for seed in range(sticks)
        )
        self.corals[0].inject(*rules)
        teach(self.corals, models, compiled)
        self._bench = Bench(self.corals)
        self._control = ControlSocket(self._bench.testbed.path / "control", Remote(self.corals, self._settings(), read))
        many = f"{sticks} emulated Corals" if sticks > 1 else "an emulated Coral"
        self.description = (
            f"{many} on USB {'3' if speed == 'super' else '2'}, no hardware: answers are the CPU's, times mean nothing"
        )

    @property
    def environment(self) -> Mapping[str, str]:
        return {**self._bench.environment, VARIABLE: str(self._control.path)}

    def remarks(self) -> Sequence[str]:
        """What a user could do better, as far as the sticks' logs tell."""
        if not any(broken.rule == UNKNOWN for coral in self.corals for broken in coral.violations):
            return ()
        return ("the emulated Coral got a model that it does not know; name it with --model FILE --compiled FILE",)

    def in_flight(self, stick: int = 0) -> tuple[int, ...]:
        """The endpoints that transfers of programs wait at, one for each transfer."""
        return self._bench.sticks[stick].in_flight()

    def close(self) -> None:
        """Pulls the sticks and removes all traces."""
        self._control.close()
        self._bench.close()

    def _settings(self) -> Mapping[str, Setting]:
        limits = self._bench.limits

        def memory(value: object) -> None:
            limits.memory_bytes = whole_number(value)

        def refuse(value: object) -> None:
            limits.refuse_submits = whole_number(value)

        return {"memory_bytes": memory, "refuse_submits": refuse}
