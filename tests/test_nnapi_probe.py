"""What is remembered of compilations: by the sessions of this process, and by the processes after it."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from subgraft.backends.nnapi.probe import Crashed, Sentinel

TOKEN = bytes(range(32))
STRESS_S = 0.5


def test_a_compilation_under_way_is_no_crash_however_often_others_look(tmp_path: Path) -> None:
    """One file appears, is locked and goes at any moment between two looks of the others."""
    end = time.monotonic() + STRESS_S
    crashes: list[Crashed] = []

    def compile_again_and_again() -> None:
        while time.monotonic() < end:
            sentinel = Sentinel(tmp_path, TOKEN)
            try:
                sentinel.raise_if_crashed()
            except Crashed as crashed:
                crashes.append(crashed)
                return
            sentinel.start()
            sentinel.end()

    threads = [threading.Thread(target=compile_again_and_again) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert crashes == []
    assert [file.suffix for file in tmp_path.iterdir()] == [".good"]


ENDS = """
import os, sys
from pathlib import Path
from subgraft.backends.nnapi.probe import Sentinel
first, second = (Sentinel(Path(sys.argv[1]), bytes(range(32))) for _ in range(2))
first.start()
second.start()
first.end()
print("compiling", flush=True)
sys.stdin.read()
os._exit(1)
"""


def test_one_compilation_that_comes_back_says_nothing_of_another_that_does_not(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ENDS, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "compiling\n"
        Sentinel(tmp_path, TOKEN).raise_if_crashed()  # the other process lives
        other.communicate(timeout=60)
    with pytest.raises(Crashed, match=r"ended while the driver compiled it before, .*; delete .*\.\* to try again"):
        Sentinel(tmp_path, TOKEN).raise_if_crashed()
    for file in tmp_path.iterdir():
        file.unlink()
    Sentinel(tmp_path, TOKEN).raise_if_crashed()


def test_a_folder_that_cannot_be_written_remembers_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sentinel = Sentinel(tmp_path / "file" / "below", TOKEN)
    sentinel.raise_if_crashed()
    sentinel.start()
    sentinel.end()
    sentinel.crashed()
    assert not sentinel.is_good()
    sentinel.raise_if_crashed()


DIES = """
import os, threading, time
from subgraft.backends.nnapi.probe import in_a_child
threading.Timer(0.2, os._exit, (0,)).start()
in_a_child(lambda: time.sleep(60), 0.5)
"""


def test_a_child_that_hangs_ends_by_itself_where_its_parent_dies() -> None:
    began = time.monotonic()
    # The child holds the other side of the pipe: its end is the child's.
    subprocess.run([sys.executable, "-c", DIES], stdout=subprocess.PIPE, check=True, timeout=120)
    assert time.monotonic() - began < 30
