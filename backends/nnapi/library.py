"""Where an NNAPI library may be, and loading it."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import threading
from collections.abc import Mapping

from subgraft import _native
from subgraft.delegates import Unavailable

VARIABLE = "SUBGRAFT_NNAPI_LIBRARY"  # names the file; then nothing else is tried

SONAME = "libneuralnetworks.so"
BITS = "lib64" if struct.calcsize("P") == 8 else "lib"
# By its name inside an app; by its path for what is started outside of one (Termux): in Android's module for it since
# Android 11, with the system before.
PATHS = (SONAME, f"/apex/com.android.neuralnetworks/{BITS}/{SONAME}", f"/system/{BITS}/{SONAME}")

# Of the user ids that Android gives to each of its users, those of processes that may use next to nothing
# (android:isolatedProcess), and the last version whose NNAPI they may not use: 13.
USER_IDS, ISOLATED = 100_000, range(90_000, 100_000)
LAST_WITHOUT_ISOLATED = 33

_lock = threading.Lock()
_loaded: dict[str, _native.NnapiLibrary] = {}


def candidates(chosen: str | None, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Files to try, in this order."""
    wanted = chosen or environment.get(VARIABLE, "")
    return (wanted,) if wanted else PATHS


def load(chosen: str | None) -> _native.NnapiLibrary:
    """The library, loaded once in this process. Raises Unavailable with why each file cannot be loaded."""
    if hasattr(sys, "getandroidapilevel"):
        _require_access(os.getuid(), _android_api())
    tried = candidates(chosen)
    problems = []
    with _lock:
        for path in tried:
            if path in _loaded:
                return _loaded[path]
            try:
                _loaded[path] = _native.NnapiLibrary(path)
                return _loaded[path]
            except OSError as error:
                problems.append(str(error))
    raise Unavailable(f"no NNAPI library: {'; '.join(problems)}. {_cure(chosen)}")


def _require_access(user: int, api: int) -> None:
    """api: of the running Android; 0: not known. Raises Unavailable."""
    if user % USER_IDS in ISOLATED and api <= LAST_WITHOUT_ISOLATED:
        raise Unavailable(
            f"NNAPI is closed to isolated processes up to Android 13, and this is one (user id {user}); load the model "
            f"in another process of the app"
        )


def _android_api() -> int:
    """Of the running Android; 0 where it does not say. (sys.getandroidapilevel() is what Python was built for.)"""
    value = ctypes.create_string_buffer(92)  # PROP_VALUE_MAX
    try:
        ctypes.CDLL(None).__system_property_get(b"ro.build.version.sdk", value)
    except AttributeError:
        return 0
    return int(value.value) if value.value.isdigit() else 0


def _cure(chosen: str | None) -> str:
    if chosen or os.environ.get(VARIABLE):
        return f"Correct the option 'library' or {VARIABLE}"
    if hasattr(sys, "getandroidapilevel"):
        return "NNAPI is part of Android 8.1 and later; Python outside of an app may not be allowed to load it"
    return f"NNAPI is a part of Android; elsewhere name a library with the option 'library' or {VARIABLE}"
