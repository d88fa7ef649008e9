"""What a test may do to emulated Corals while a program uses them: requests and answers as JSON objects."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from subgraft.backends.edgetpu.emulator.descriptors import SPEED_MBPS
from subgraft.backends.edgetpu.emulator.device import EmulatedCoral
from subgraft.backends.edgetpu.emulator.faults import STORM_KINDS, Fault, storm
from subgraft.backends.edgetpu.emulator.teaching import teach
from subgraft.delegates import Models, SubgraftError

LONGEST_REQUEST = 1 << 20
Answer = dict[str, Any]
Setting = Callable[[Any], None]
Read = Callable[[Sequence[str]], Models]


class Remote:
    """The requests.

    settings: what "set" may change. read: gives the graphs of models by their files' names, for "teach"; without it
    there is no teaching, as where the delegate itself teaches its devices.
    """

    def __init__(
        self,
        corals: Sequence[EmulatedCoral],
        settings: Mapping[str, Setting] | None = None,
        read: Read | None = None,
    ) -> None:
        self._corals = corals
        self._settings = settings or {}
        self._read = read
        self._actions: dict[str, Callable[[EmulatedCoral, Mapping[str, Any]], Answer]] = {
            "fault": self._fault,
            "storm": self._storm,
            "clear": self._clear,
            "plug": self._plug,
            "unplug": self._unplug,
            "state": self._state,
            "log": self._log,
            "violations": self._violations,
            "set": self._set,
            "teach": self._teach,
        }

    def ask(self, request: Mapping[str, Any]) -> Answer:
        """request: {"do": name of an action, "stick": 0, and what the action needs}. {"error": why} when it cannot."""
        action = self._actions.get(str(request.get("do")))
        if action is None:
            return {"error": f"nothing goes by {request.get('do')!r}; there is {', '.join(self._actions)}"}
        stick = request.get("stick", 0)
        if not isinstance(stick, int) or not 0 <= stick < len(self._corals):
            return {"error": f"there is no stick {stick!r}; there are {len(self._corals)}, counted from 0"}
        try:
            return action(self._corals[stick], request)
        except KeyError as error:
            return {"error": f"{request.get('do')} needs {error}"}
        except (TypeError, ValueError, OSError, SubgraftError) as error:
            return {"error": f"{request.get('do')}: {error}"}

    def _fault(self, coral: EmulatedCoral, request: Mapping[str, Any]) -> Answer:
        coral.inject(*Fault.parse(str(request["rule"])))
        return {}

    def _storm(self, coral: EmulatedCoral, request: Mapping[str, Any]) -> Answer:
        """Seeded faults, spread over so many inferences to come."""
        seed, faults, inferences = (whole_number(request[name]) for name in ("seed", "faults", "inferences"))
        kinds = [kind for kind in str(request.get("kinds", "")).split(",") if kind] or STORM_KINDS
        rules = storm(seed, faults, inferences, kinds)
        coral.inject(*rules)
        return {"rules": [str(rule) for rule in rules]}

    def _clear(self, coral: EmulatedCoral, request: Mapping[str, Any]) -> Answer:
        """No faults any more, and an empty log."""
        coral.clear_faults()
        coral.clear_log()
        return {}

    def _plug(self, coral: EmulatedCoral, request: Mapping[str, Any]) -> Answer:
        """Into a port of another speed where the request names one; does nothing where it is plugged in."""
        mode, speed = request.get("mode", "dfu"), request.get("speed") or coral.speed
        if mode not in ("dfu", "app"):
            raise ValueError(f"mode is {mode!r}; it may be dfu or app")
        if speed not in SPEED_MBPS:
            raise ValueError(f"speed is {speed!r}; it may be {' or '.join(SPEED_MBPS)}")
        if not coral.connected:
            coral.speed = speed
            coral.plug(mode)
        return {}

    def _unplug(self, coral: EmulatedCoral, request: Mapping[str, Any]) -> Answer:
        coral.unplug()
        return {}

    def _state(self, coral: EmulatedCoral, request: Mapping[str, Any]) -> Answer:
        return {
            "mode": coral.mode,
            "speed": coral.speed,
            "connected": coral.connected,
            "sticks": len(self._corals),
            "inferences": coral.counts().get("inference", 0),
            "faults_fired": coral.faults.fired_count,
            "faults_waiting": coral.faults.waiting,
            "pid": os.getpid(),
        }

    def _log(self, coral: EmulatedCoral, request: Mapping[str, Any]) -> Answer:
        return {"transfers": [str(each) for each in coral.trace], "counts": coral.counts(), "notes": list(coral.notes)}

    def _violations(self, coral: EmulatedCoral, request: Mapping[str, Any]) -> Answer:
        return {"violations": [{"rule": each.rule, "text": each.text} for each in coral.violations]}

    def _set(self, coral: EmulatedCoral, request: Mapping[str, Any]) -> Answer:
        name = str(request["name"])
        setting = self._settings.get(name)
        if setting is None:
            raise ValueError(f"there is no {name!r} to set; there is {', '.join(self._settings) or 'nothing'}")
        setting(request["value"])
        return {}

    def _teach(self, coral: EmulatedCoral, request: Mapping[str, Any]) -> Answer:
        """Every stick learns it. {"taught": false}: here the delegate does that."""
        if self._read is None:
            return {"taught": False}
        models, compiled = (self._read([str(name) for name in request[which]]) for which in ("models", "compiled"))
        teach(self._corals, models, compiled)
        return {"taught": True}


def whole_number(value: object) -> int:
    """Raises ValueError for anything but a number from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{value!r} is no number of 0 or more")
    return value


class _Conversation(socketserver.StreamRequestHandler):
    """One client: a JSON object a line, answered by one."""

    server: ControlSocket

    def handle(self) -> None:
        while line := self.rfile.readline(LONGEST_REQUEST):
            self.wfile.write(json.dumps(self._answer(line)).encode() + b"\n")

    def _answer(self, line: bytes) -> Answer:
        try:
            request = json.loads(line)
        except ValueError as error:
            return {"error": f"that is no JSON: {error}"}
        if not isinstance(request, dict):
            return {"error": "a request is a JSON object"}
        return self.server.remote.ask(request)


class ControlSocket(socketserver.ThreadingUnixStreamServer):
    """Serves the requests on a Unix socket of this user alone, until close()."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, remote: Remote) -> None:
        self.remote = remote
        self.path = path
        before = os.umask(0o177)
        try:
            super().__init__(str(path), _Conversation)
        finally:
            os.umask(before)
        self._thread = threading.Thread(target=self.serve_forever, name="emulator control", daemon=True)
        self._thread.start()

    def handle_error(self, request: socket.socket | tuple[bytes, socket.socket], client_address: Any) -> None:
        """A client that went away in the middle is no news."""

    def close(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()
