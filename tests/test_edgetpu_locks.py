"""One process at a time drives a device, and the next one learns whether the last left it in order."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from subgraft.backends.edgetpu import locks
from subgraft.backends.edgetpu.errors import Busy
from subgraft.backends.edgetpu.locks import DeviceLock
from subgraft.cli.exit_codes import ExitCode, exit_code

HOLDER = """
import sys
from subgraft.backends.edgetpu.locks import DeviceLock
lock = DeviceLock.acquire("usb@1-1")
print("held", flush=True)
sys.stdin.read()
lock.release()
"""


@pytest.fixture
def environment(tmp_path: Path) -> Mapping[str, str]:
    tmp_path.chmod(0o700)
    return {"XDG_RUNTIME_DIR": str(tmp_path)}


def test_a_device_is_locked_once_and_free_again_after_release(environment: Mapping[str, str]) -> None:
    lock = DeviceLock.acquire("usb@1-1", environment)
    with pytest.raises(Busy, match="usb@1-1 is used by this very process"):
        DeviceLock.acquire("usb@1-1", environment)
    DeviceLock.acquire("usb@1-2", environment).release()
    lock.release()
    lock.release()
    DeviceLock.acquire("usb@1-1", environment).release()


def test_the_owner_is_known_while_it_has_the_device(environment: Mapping[str, str]) -> None:
    assert locks.owner("usb@1-1", environment) is None
    lock = DeviceLock.acquire("usb@1-1", environment)
    assert locks.owner("usb@1-1", environment) == os.getpid()
    lock.release()
    assert locks.owner("usb@1-1", environment) is None


def test_another_process_is_named_and_when_killed_leaves_a_dirty_device(environment: Mapping[str, str]) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    with holder:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        with pytest.raises(Busy, match=f"used by process {holder.pid}; end it") as caught:
            DeviceLock.acquire("usb@1-1", environment)
        assert exit_code(caught.value) is ExitCode.BUSY
        holder.kill()
    lock = DeviceLock.acquire("usb@1-1", environment)
    assert lock.is_dirty
    lock.release()
    clean = DeviceLock.acquire("usb@1-1", environment)
    assert not clean.is_dirty
    clean.release()


def test_a_device_released_as_dirty_is_dirty_for_the_next(environment: Mapping[str, str]) -> None:
    DeviceLock.acquire("usb@1-1", environment).release(dirty=True)
    lock = DeviceLock.acquire("usb@1-1", environment)
    assert lock.is_dirty
    lock.release()


def test_a_forked_child_keeps_no_lock_and_takes_none_away(environment: Mapping[str, str]) -> None:
    lock = DeviceLock.acquire("usb@1-1", environment)
    ready_in, ready_out = os.pipe()
    end_in, end_out = os.pipe()
    child = os.fork()
    if child == 0:
        lock.release()  # a child that tidies up
        os.write(ready_out, b".")
        os.read(end_in, 1)
        os._exit(0)
    try:
        assert os.read(ready_in, 1) == b"."
        assert locks.owner("usb@1-1", environment) == os.getpid()
        lock.release()
        DeviceLock.acquire("usb@1-1", environment).release()  # although the child is still there
    finally:
        os.write(end_out, b".")
        os.waitpid(child, 0)
        for file in (ready_in, ready_out, end_in, end_out):
            os.close(file)


def test_a_link_in_the_place_of_the_lock_is_not_followed(environment: Mapping[str, str], tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    DeviceLock.acquire("usb@1-1", environment).release()
    place = next((tmp_path / "subgraft").iterdir())
    place.unlink()
    place.symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        DeviceLock.acquire("usb@1-1", environment)
    assert victim.read_text() == "precious"


def test_a_folder_that_others_may_write_to_is_refused(environment: Mapping[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "subgraft"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="open to all"):
        DeviceLock.acquire("usb@1-1", environment)


def test_without_a_runtime_folder_the_lock_lies_in_a_private_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    lock = DeviceLock.acquire("usb@1-1", {})
    assert lock.path.parent == tmp_path / f"subgraft-{os.getuid()}"
    assert lock.path.parent.stat().st_mode & 0o777 == 0o700
    assert lock.path.stat().st_mode & 0o777 == 0o600
    lock.release()
