"""Compiled models by content, in the user's cache folder."""

from __future__ import annotations

import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

log = logging.getLogger("subgraft")

SUFFIX = ".compiled"
DIGEST_BYTES = hashlib.sha256().digest_size
LARGEST_BYTES = 512 << 20  # of all files; the least lately used go first


class Cache:
    """Files named by what they were made from. A file starts with the sha256 of the rest, so damage is seen.

    folder: made when the first file is written; a folder that cannot be used is no cache, and no error.
    """

    def __init__(self, folder: Path | None = None, largest_bytes: int = LARGEST_BYTES) -> None:
        self.folder = folder or default_folder()
        self._largest_bytes = largest_bytes

    def get(self, *made_from: bytes) -> bytes | None:
        """What was put for the same parts."""
        path = self._path(made_from)
        try:
            stored = path.read_bytes()
        except OSError:
            return None
        digest, content = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            log.info("dropped %s, which is damaged", path)
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def put(self, content: bytes, *made_from: bytes) -> None:
        """Keeps it, whole or not at all, and makes room."""
        path = self._path(made_from)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(hashlib.sha256(content).digest() + content)
                Path(name).replace(path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
            self._make_room()
        except OSError as error:
            log.info("did not keep a compiled model in %s: %s", self.folder, error)

    def _path(self, made_from: Iterable[bytes]) -> Path:
        key = hashlib.sha256()
        for part in made_from:
            key.update(len(part).to_bytes(8, "little"))
            key.update(part)
        return self.folder / f"{key.hexdigest()}{SUFFIX}"

    def _make_room(self) -> None:
        files = [(path.stat(), path) for path in self.folder.glob(f"*{SUFFIX}")]
        files.sort(key=lambda one: one[0].st_mtime_ns)
        total = sum(stat.st_size for stat, _ in files)
        for stat, path in files[:-1]:  # the latest stays, however large
            if total <= self._largest_bytes:
                return
            path.unlink(missing_ok=True)
            total -= stat.st_size


def default_folder() -> Path:
    """$XDG_CACHE_HOME/subgraft/edgetpu, or ~/.cache/subgraft/edgetpu."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"  # a relative one is ignored, as XDG says
    return root / "subgraft" / "edgetpu"
