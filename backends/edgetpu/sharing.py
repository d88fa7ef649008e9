"""One open device a process, whoever asks for it: several sessions use the same."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict

from subgraft.backends.edgetpu.accelerators import called, lock_name
from subgraft.backends.edgetpu.buses import Bus, Found
from subgraft.backends.edgetpu.driver import Accelerator
from subgraft.backends.edgetpu.settings import Settings
from subgraft.delegates import Unavailable


class Lease:
    """One user's part in a device. The device is closed with the last one."""

    def __init__(self, accelerator: Accelerator, give_back: Callable[[Accelerator], None]) -> None:
        self.accelerator = accelerator
        self._give_back = give_back
        self._is_held = True
        self._process = os.getpid()

    def close(self) -> None:
        """May be called twice; in a forked child it changes nothing, as the device is the parent's."""
        if self._is_held and self._process == os.getpid():
            self._is_held = False
            self._give_back(self.accelerator)


class _Registry:
    """The devices of one process that are open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._gates: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)  # one opens or closes at a time
        self._users: dict[Accelerator, int] = {}

    def lease(self, bus: Bus, found: Found, settings: Settings, image: Callable[[], bytes] | None) -> Lease:
        with self._gate(bus, found):
            accelerator = self._joined(bus, found, settings)
            if accelerator is None:
                accelerator = Accelerator.open(bus, found, settings, image)
                with self._lock:
                    self._users[accelerator] = 1
            return Lease(accelerator, self._give_back)

    def _joined(self, bus: Bus, found: Found, settings: Settings) -> Accelerator | None:
        """The device, with one more user, where it is open. Raises Unavailable for other settings."""
        with self._lock:
            for accelerator in self._users:
                if not accelerator.is_at(bus, found):
                    continue
                if accelerator.settings != settings:
                    raise Unavailable(
                        f"the Edge TPU {called(found)} is open in this process with other settings "
                        f"({_differences(accelerator.settings, settings)}); use the same, or close the other session"
                    )
                self._users[accelerator] += 1
                return accelerator
        return None

    def _give_back(self, accelerator: Accelerator) -> None:
        with self._gate(accelerator.bus, accelerator.found):
            with self._lock:
                left = self._users[accelerator] = max(0, self._users.get(accelerator, 0) - 1)
                if left:
                    return
            accelerator.close()  # where that fails it is still open, for the next who asks
            with self._lock:
                self._users.pop(accelerator, None)

    def _gate(self, bus: Bus, found: Found) -> threading.Lock:
        with self._lock:
            return self._gates[lock_name(found) or f"{id(bus)} {found.path}"]


def _differences(ours: Settings, theirs: Settings) -> str:
    there = asdict(theirs)
    return ", ".join(
        f"{name}={value!r} and not {there[name]!r}" for name, value in asdict(ours).items() if value != there[name]
    )


_registry = _Registry()
_inherited: list[_Registry] = []  # kept, so that nothing of the parent's is closed in a child


def shared(bus: Bus, found: Found, settings: Settings, image: Callable[[], bytes] | None = None) -> Lease:
    """A part in the device, which is opened for the first who asks. Raises what Accelerator.open() raises."""
    return _registry.lease(bus, found, settings, image)


def _begin_anew() -> None:
    global _registry
    _inherited.append(_registry)
    _registry = _Registry()


os.register_at_fork(after_in_child=_begin_anew)
