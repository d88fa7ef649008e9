"""What the OpenCL delegate keeps on disk: whole or not at all, and never trusted."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import time
from pathlib import Path

import pytest

from subgraft.backends.opencl.store import Store, default_folder

DEVICE = ("NVIDIA CUDA", "OpenCL 3.0", "H100", "580.1")


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_a_program_is_found_again_for_the_same_source_options_and_device(tmp_path: Path) -> None:
    Store(tmp_path).put_program(b"code", "kernel", "-O", DEVICE)
    store = Store(tmp_path)
    assert store.program("kernel", "-O", DEVICE) == b"code"
    assert store.program("kernel ", "-O", DEVICE) is None
    assert store.program("kernel", "-O2", DEVICE) is None
    assert store.program("kernel-", "O", DEVICE) is None
    assert store.program("kernel", "-O", (*DEVICE[:3], "580.2")) is None


def test_facts_are_found_again_and_are_no_programs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put_fact({"launch_s": 1e-5, "loops": ["f32"]}, "measured", DEVICE)
    assert store.fact("measured", DEVICE) == {"launch_s": 1e-5, "loops": ["f32"]}
    assert store.fact("tested", DEVICE) is None
    assert store.program("measured", "", DEVICE) is None


@pytest.mark.parametrize("damage", [b"", b"x", b"x" * 40])
def test_a_damaged_file_counts_as_none_and_goes(tmp_path: Path, damage: bytes) -> None:
    store = Store(tmp_path)
    store.put_program(b"code", "kernel", "", DEVICE)
    (file,) = files(tmp_path)
    file.write_bytes(damage)
    assert store.program("kernel", "", DEVICE) is None
    assert files(tmp_path) == []


@pytest.mark.parametrize("byte", [0, 31, 32, 35])
def test_one_flipped_bit_is_seen(tmp_path: Path, byte: int) -> None:
    store = Store(tmp_path)
    store.put_program(b"code", "kernel", "", DEVICE)
    (file,) = files(tmp_path)
    content = bytearray(file.read_bytes())
    content[byte] ^= 1
    file.write_bytes(content)
    assert store.program("kernel", "", DEVICE) is None


def test_a_fact_that_is_no_object_counts_as_none(tmp_path: Path) -> None:
    import hashlib

    store = Store(tmp_path)
    store.put_fact({}, "measured", DEVICE)
    (file,) = files(tmp_path)
    for text in (b"[1]", b"{", b"\xff"):
        file.write_bytes(hashlib.sha256(text).digest() + text)
        assert store.fact("measured", DEVICE) is None


def test_the_least_lately_used_files_go_first_and_the_latest_stays(tmp_path: Path) -> None:
    store = Store(tmp_path, largest_bytes=300)
    for number, name in enumerate("abc"):
        store.put_program(bytes(100), name, "", DEVICE)
        past = time.time() - 100 + number
        os.utime(store._path(".program", (name, "", *DEVICE)) or "", (past, past))
        if name == "b":
            assert store.program("a", "", DEVICE)  # used just now
    assert [store.program(name, "", DEVICE) is not None for name in "abc"] == [True, False, True]
    store.put_program(bytes(1000), "d", "", DEVICE)
    assert [store.program(name, "", DEVICE) is not None for name in "abcd"] == [False, False, False, True]


def test_a_folder_that_cannot_be_written_to_is_no_cache_and_no_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    store = Store(file / "folder")
    store.put_program(b"code", "kernel", "", DEVICE)
    store.put_fact({"a": 1}, "measured", DEVICE)
    assert store.program("kernel", "", DEVICE) is None
    assert store.fact("measured", DEVICE) is None


def test_without_a_folder_nothing_is_kept() -> None:
    store = Store(None)
    store.put_program(b"code", "kernel", "", DEVICE)
    store.drop_program("kernel", "", DEVICE)
    assert store.program("kernel", "", DEVICE) is None


def test_what_is_in_a_read_only_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path).put_program(b"code", "kernel", "", DEVICE)

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError("read-only file system")

    monkeypatch.setattr(os, "utime", refuse)
    assert Store(tmp_path).program("kernel", "", DEVICE) == b"code"


def test_a_process_killed_while_writing_leaves_the_old_file_or_none(tmp_path: Path) -> None:
    script = f"""
import os, pathlib
from subgraft.backends.opencl import store
def die(self, target): os.kill(os.getpid(), 9)
pathlib.Path.replace = die
store.Store(pathlib.Path({str(tmp_path)!r})).put_program(b"new", "kernel", "", {DEVICE!r})
"""
    Store(tmp_path).put_program(b"old", "kernel", "", DEVICE)
    assert subprocess.run([sys.executable, "-c", script], timeout=60).returncode == -9
    assert Store(tmp_path).program("kernel", "", DEVICE) == b"old"


def test_the_folder_is_where_the_user_keeps_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/caches")
    assert default_folder() == Path("/var/caches/subgraft/opencl")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_folder() == Path.home() / ".cache/subgraft/opencl"


def test_a_user_without_a_home_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert default_folder() is None
