"""For tests that run on emulated devices: injects faults, pulls plugs, and tells what the device saw."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable, Mapping
from typing import Any

from subgraft.delegates import Unavailable

VARIABLE = "SUBGRAFT_EMULATOR"  # the control socket, set by `subgraft emulate`
ANSWER_TIMEOUT_S = 30.0

Ask = Callable[[Mapping[str, Any]], Mapping[str, Any]]


class Emulator:
    """The emulated sticks of one emulator. Each call is done when it returns. Thread-safe.

    Raises ValueError for a request that the emulator does not take, ConnectionError when it is gone.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    @classmethod
    def connect(cls, path: str | None = None) -> Emulator:
        """The emulator that this program runs under. Raises Unavailable when there is none."""
        where = path or os.environ.get(VARIABLE)
        if not where:
            raise Unavailable("no emulator here; start this program with 'subgraft emulate -- COMMAND'")
        return cls(_Line(where))

    def fault(self, rule: str, stick: int = 0) -> None:
        """Adds a fault rule; docs/edgetpu.md has the list."""
        self._do("fault", stick, rule=rule)

    def clear(self, stick: int = 0) -> None:
        """No more faults, an empty log."""
        self._do("clear", stick)

    def unplug(self, stick: int = 0) -> None:
        self._do("unplug", stick)

    def plug(self, mode: str = "dfu", stick: int = 0) -> None:
        """mode: "dfu", as a stick is when it got power, or "app", as one is that runs its firmware."""
        self._do("plug", stick, mode=mode)

    def state(self, stick: int = 0) -> Mapping[str, Any]:
        """mode, speed, connected, and how many sticks there are."""
        return self._do("state", stick)

    def log(self, stick: int = 0) -> Mapping[str, Any]:
        """transfers: the latest, one text each; counts: how many of each kind there were; notes."""
        return self._do("log", stick)

    def violations(self, stick: int = 0) -> list[str]:
        """What the program did that hardware would not forgive."""
        return [f"{each['rule']}: {each['text']}" for each in self._do("violations", stick)["violations"]]

    def set(self, name: str, value: object, stick: int = 0) -> None:
        """Changes what the host or the stick is like, such as "memory_bytes", what USB transfers may hold together."""
        self._do("set", stick, name=name, value=value)

    def _do(self, action: str, stick: int, **arguments: object) -> Mapping[str, Any]:
        answer = self._ask({"do": action, "stick": stick, **arguments})
        if "error" in answer:
            raise ValueError(answer["error"])
        return answer


class _Line:
    """A connection to a control socket, opened when first needed, and by each process for itself."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: tuple[int, socket.socket] | None = None

    def __call__(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            connection = self._connected()
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = bytearray()
            while not answer.endswith(b"\n"):
                part = connection.recv(1 << 16)
                if not part:
                    self._connection = None
                    raise ConnectionError(f"the emulator at {self._path} has ended")
                answer += part
        result = json.loads(answer)
        assert isinstance(result, dict)
        return result

    def _connected(self) -> socket.socket:
        if self._connection is None or self._connection[0] != os.getpid():
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(ANSWER_TIMEOUT_S)
            connection.connect(self._path)
            self._connection = (os.getpid(), connection)
        return self._connection[1]
