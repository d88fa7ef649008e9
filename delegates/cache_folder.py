"""A folder of files that can be made anew: each written whole or not at all, the least lately used removed first."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PART = ".part"  # being written, or left by a process that was killed


@dataclass(frozen=True, slots=True)
class CacheFolder:
    """suffixes: of the files that count, and may be removed. largest_bytes: of all of them."""

    path: Path
    suffixes: Sequence[str]
    largest_bytes: int

    def write(self, file: Path, fill: Callable[[int], None]) -> None:
        """fill gets the descriptor of a file of another name, which then becomes `file`; and room is made.

        Makes the folder, for this user alone. Raises OSError, and what fill raises; `file` is then as it was.
        """
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, name = tempfile.mkstemp(dir=self.path, suffix=PART)
        try:
            try:
                fill(handle)
            finally:
                os.close(handle)
            Path(name).replace(file)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self.make_room(file)

    def make_room(self, latest: Path) -> None:
        """Removes the least lately used files; the latest stays, however large. Raises OSError."""
        files = []
        for suffix in (*self.suffixes, PART):
            for file in self.path.glob(f"*{suffix}"):
                with suppress(FileNotFoundError):  # another process makes room too
                    files.append((file.stat(), file))
        files.sort(key=lambda one: one[0].st_mtime_ns)
        total = sum(stat.st_size for stat, _ in files)
        for stat, file in files:
            if total <= self.largest_bytes:
                return
            if file != latest:
                file.unlink(missing_ok=True)
                total -= stat.st_size


def write_all(file: int, content: bytes) -> None:
    """Raises OSError."""
    with open(file, "wb", closefd=False) as stream:
        stream.write(content)


def user_cache(name: str) -> Path | None:
    """$XDG_CACHE_HOME/subgraft/NAME, or ~/.cache/subgraft/NAME. None for a user without a home."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        root = Path(base) if base.startswith("/") else Path.home() / ".cache"  # a relative one is ignored, as XDG says
    except RuntimeError:
        return None
    return root / "subgraft" / name
