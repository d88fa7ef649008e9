"""For tests that run on emulated devices: injects faults, pulls plugs, and tells what the device saw."""

from __future__ import annotations

import json
import os
import select
import socket
import stat
import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from subgraft.delegates import Device, Unavailable

VARIABLE = "SUBGRAFT_EMULATOR"  # the control socket, set by `subgraft emulate`
ANSWER_TIMEOUT_S = 30.0

Ask = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@runtime_checkable
class Emulates(Protocol):
    """A delegate that emulates devices in this process, and takes the requests of an Emulator for them."""

    def ask_emulator(self, device: Device) -> Ask:
        """Raises Unavailable for a device that is not emulated here."""


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
        return cls(_line(where))

    def fault(self, rule: str, stick: int = 0) -> None:
        """Adds a fault rule; docs/edgetpu.md has the list."""
        self._do("fault", stick, rule=rule)

    def storm(self, seed: int, faults: int, inferences: int, kinds: str = "", stick: int = 0) -> list[str]:
        """Adds so many faults, spread over so many inferences, always the same for a seed. Their rules.

        kinds: what to choose from, as rules without numbers, separated by commas.
        """
        answer = self._do("storm", stick, seed=seed, faults=faults, inferences=inferences, kinds=kinds)
        return list(answer["rules"])

    def teach(self, model: str | os.PathLike[str], compiled: str | os.PathLike[str]) -> None:
        """What the compiled model computes, from the one that it was made from.

        For programs under `subgraft emulate`; a device that is emulated in the same process learns it by itself.
        """
        paths = {"models": [str(Path(model).absolute())], "compiled": [str(Path(compiled).absolute())]}
        self._do("teach", 0, **paths)

    def clear(self, stick: int = 0) -> None:
        """No more faults, an empty log."""
        self._do("clear", stick)

    def unplug(self, stick: int = 0) -> None:
        self._do("unplug", stick)

    def plug(self, mode: str = "dfu", speed: str = "", stick: int = 0) -> None:
        """mode: "dfu", as a stick is when it got power, or "app", as one is that runs its firmware.

        speed: of the port, "super" or "high"; "": as before. Does nothing with a stick that is plugged in.
        """
        self._do("plug", stick, mode=mode, speed=speed)

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
    """A connection to a control socket, opened when first needed, and by each process for itself.

    In a virtual machine it is a character device.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: tuple[int, int] | None = None  # process, file descriptor

    def __call__(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        with self._lock:
            connection = self._connected()
            try:
                answer = self._exchange(connection, json.dumps(request).encode() + b"\n")
            except OSError as error:
                os.close(connection)
                self._connection = None
                why = "does not answer" if isinstance(error, TimeoutError) else "has ended"
                raise ConnectionError(f"the emulator at {self._path} {why}") from error
        result = json.loads(answer)
        assert isinstance(result, dict)
        return result

    def _exchange(self, connection: int, request: bytes) -> bytes:
        """The answer, up to its newline. Raises TimeoutError, and other OSErrors when nobody is there any more."""
        deadline = time.monotonic() + ANSWER_TIMEOUT_S
        while request:
            _, ready, _ = select.select([], [connection], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            request = request[os.write(connection, request) :]
        answer = bytearray()
        while not answer.endswith(b"\n"):
            readable, _, _ = select.select([connection], [], [], max(0.0, deadline - time.monotonic()))
            if not readable:
                raise TimeoutError
            part = os.read(connection, 1 << 16)
            if not part:
                raise ConnectionResetError
            answer += part
        return bytes(answer)

    def _connected(self) -> int:
        if self._connection is None or self._connection[0] != os.getpid():
            self._connection = (os.getpid(), _open(self._path))
        return self._connection[1]


@cache
def _line(path: str) -> _Line:
    """One for the whole process: a virtual machine's port can be opened once."""
    return _Line(path)


def _open(path: str) -> int:
    if not stat.S_ISSOCK(Path(path).stat().st_mode):
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(ANSWER_TIMEOUT_S)
        connection.connect(path)
        connection.setblocking(True)
    except OSError:
        connection.close()
        raise
    return connection.detach()
