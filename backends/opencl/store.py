"""What was found out or compiled for a device, in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from subgraft.delegates.cache_folder import CacheFolder, user_cache, write_all

log = logging.getLogger("subgraft")

FORMAT = "1"  # of the files; in every key, so a change of it makes all older files strangers
DIGEST_BYTES = hashlib.sha256().digest_size
LARGEST_BYTES = 256 << 20  # of all files; the least lately used go first
PROGRAM, FACT = ".program", ".fact"


class Store:
    """Files named by the SHA-256 of what they were made from. A file starts with that of the rest, so damage is seen.

    Never raises for what happens to a file: what cannot be read is made anew, what cannot be written is not kept.
    folder: made when the first file is written. None: nothing is kept.
    """

    def __init__(self, folder: Path | None, largest_bytes: int = LARGEST_BYTES) -> None:
        self.folder = folder
        self._largest_bytes = largest_bytes

    def program(self, source: str, options: str, device: Sequence[str]) -> bytes | None:
        """The compiled form of a program. device: Caps.identity."""
        return self._read(self._path(PROGRAM, (source, options, *device)))

    def put_program(self, binary: bytes, source: str, options: str, device: Sequence[str]) -> None:
        self._write(self._path(PROGRAM, (source, options, *device)), binary)

    def drop_program(self, source: str, options: str, device: Sequence[str]) -> None:
        """Of a compiled form that the device does not take."""
        self._drop(self._path(PROGRAM, (source, options, *device)), "the device does not take it")

    def fact(self, name: str, device: Sequence[str]) -> Mapping[str, Any] | None:
        """What put_fact() was given, numbers and text."""
        content = self._read(self._path(FACT, (name, *device)))
        if content is None:
            return None
        try:
            found = json.loads(content)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def put_fact(self, value: Mapping[str, Any], name: str, device: Sequence[str]) -> None:
        self._write(self._path(FACT, (name, *device)), json.dumps(value).encode())

    def _path(self, suffix: str, made_from: Iterable[str]) -> Path | None:
        if self.folder is None:
            return None
        key = hashlib.sha256()
        for part in (FORMAT, suffix, *made_from):
            encoded = part.encode("utf-8", "surrogateescape")
            key.update(len(encoded).to_bytes(8, "little"))
            key.update(encoded)
        return self.folder / f"{key.hexdigest()}{suffix}"

    def _read(self, path: Path | None) -> bytes | None:
        if path is None:
            return None
        try:
            stored = path.read_bytes()
        except OSError:
            return None
        digest, content = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
        if hashlib.sha256(content).digest() != digest:
            self._drop(path, "it is damaged")
            return None
        with suppress(OSError):
            os.utime(path)
        return content

    def _write(self, path: Path | None, content: bytes) -> None:
        """Whole or not at all, and makes room."""
        if path is None:
            return
        folder = CacheFolder(path.parent, (PROGRAM, FACT), self._largest_bytes)
        try:
            folder.write(path, lambda file: write_all(file, hashlib.sha256(content).digest() + content))
        except OSError as error:
            log.info("did not keep %s: %s", path, error)

    def _drop(self, path: Path | None, why: str) -> None:
        if path is not None:
            log.info("dropped %s: %s", path, why)
            with suppress(OSError):
                path.unlink()


def default_folder() -> Path | None:
    """$XDG_CACHE_HOME/subgraft/opencl, or ~/.cache/subgraft/opencl. None for a user without a home."""
    return user_cache("opencl")
