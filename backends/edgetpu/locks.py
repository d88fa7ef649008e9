"""Which process drives which device: one lock file a device, which also tells whether the last one left it in order.

While a device is in use its file holds the process' id. A process that closes the device in order empties the file; one
that is killed cannot, so that the next finds the id of somebody who is gone, and knows that the device needs a reset.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
import weakref
from collections.abc import Mapping
from pathlib import Path

from subgraft.backends.edgetpu.errors import Busy

PATIENCE_S = 0.1  # somebody may just be looking who has the device, see owner()
PAUSE_S = 0.01
MOST_ID_BYTES = 32

_held: weakref.WeakSet[DeviceLock] = weakref.WeakSet()


class DeviceLock:
    """A device that is this process' until release(). Other processes, and others in this one, get Busy."""

    def __init__(self, file: int, path: Path) -> None:
        self.path = path
        self.is_dirty = bool(os.pread(file, MOST_ID_BYTES, 0).strip())
        self._file: int | None = file
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        _held.add(self)

    @classmethod
    def acquire(cls, device: str, environment: Mapping[str, str] = os.environ) -> DeviceLock:
        """device: its name, such as "usb@2-1.3". Raises Busy, which names the owner; OSError for a useless folder."""
        path = _folder(environment) / f"edgetpu-{device}.lock"
        file = _open(path)
        try:
            _lock(file, device)
            return cls(file, path)
        except BaseException:
            os.close(file)
            raise

    def release(self, *, dirty: bool = False) -> None:
        """Gives the device to others; dirty: they have to reset it. May be called twice."""
        if self._file is None:
            return
        if not dirty:
            os.ftruncate(self._file, 0)
        fcntl.flock(self._file, fcntl.LOCK_UN)
        self.forget()

    def forget(self) -> None:
        """Lets go without telling anybody: in a forked child, whose parent keeps the device."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
        _held.discard(self)


def owner(device: str, environment: Mapping[str, str] = os.environ) -> int | None:
    """The process that has the device now; None when nobody has. 0: somebody who left no id."""
    try:
        file = os.open(_folder(environment) / f"edgetpu-{device}.lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _process(file)
    finally:
        os.close(file)
    return None


def _lock(file: int, device: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                raise Busy(f"the Edge TPU {device} is used by {_described(_process(file))}") from error
        time.sleep(PAUSE_S)


def _described(process: int) -> str:
    if process == os.getpid():
        return "this very process; close what uses it, or choose another device"
    who = f"process {process}" if process else "another process"
    return f"{who}; end it, or choose another device"


def _process(file: int) -> int:
    text = os.pread(file, MOST_ID_BYTES, 0).strip()
    return int(text) if text.isdigit() else 0


def _folder(environment: Mapping[str, str]) -> Path:
    """XDG_RUNTIME_DIR, or a folder of this user alone. Raises PermissionError for one that another user made."""
    runtime = environment.get("XDG_RUNTIME_DIR", "")
    path = Path(runtime) / "subgraft" if _is_ours(runtime) else Path(tempfile.gettempdir()) / f"subgraft-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    if not _is_ours(path):
        raise PermissionError(f"{path} belongs to another user or is open to all; remove it, or set XDG_RUNTIME_DIR")
    return path


def _is_ours(path: str | Path) -> bool:
    """A folder, not a link to one, of this user, that nobody else may write to."""
    try:
        found = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _forget_all() -> None:
    for lock in list(_held):
        lock.forget()


os.register_at_fork(after_in_child=_forget_all)
