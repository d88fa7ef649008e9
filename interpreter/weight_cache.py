"""Packed weights on disk: made once for a model, an instruction set and a build, and mapped by every process."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import stat
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeAlias

from subgraft.delegates.cache_folder import CacheFolder, user_cache, write_all
from subgraft.interpreter.native import _native

log = logging.getLogger("subgraft")

VARIABLE = "SUBGRAFT_WEIGHT_CACHE"
FORMAT = "1"  # in every key
WEIGHTS, DIGEST = ".weights", ".digest"
DIGEST_BYTES = hashlib.sha256().digest_size
LARGEST_BYTES = 1 << 30  # of all files; the least lately used go first
# Clocks of file systems tick at most so slowly: a file that changed less long ago may change again at the same time.
SETTLED_NS = 2_000_000_000

Asked: TypeAlias = "bool | str | os.PathLike[str] | None"
Fill: TypeAlias = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class WeightCache:
    """Files in a folder of the user's, each of the packed weights of one model for one kind of machine.

    A file is named by the SHA-256 of all that packed weights depend on, and says so itself. It is checked before it is
    used: what is damaged, or others could have written, is made anew and the log told. Never raises for what happens
    to a file.
    """

    folder: Path
    largest_bytes: int = LARGEST_BYTES

    @classmethod
    def of(cls, asked: Asked, environment: Mapping[str, str] = os.environ) -> WeightCache | None:
        """asked: a folder, True (the user's cache), False (none) or None (what SUBGRAFT_WEIGHT_CACHE says: the same as
        text, "1" or "0"; unset: none). Raises ValueError for a folder that is no absolute path.
        """
        if asked is None:
            text = environment.get(VARIABLE, "").strip()
            asked = {"": False, "0": False, "1": True}.get(text, text)
        if asked is False:
            return None
        if asked is True:
            folder = user_cache("weights")
            if folder is None:
                log.info("this user has no home for a cache of packed weights")
            return None if folder is None else cls(folder)
        path = Path(asked)
        if not path.is_absolute():
            raise ValueError(f"the folder for packed weights is {str(path)!r}; give an absolute path, or 1, or 0")
        return cls(path)

    def attach(self, model: _native.Model) -> None:
        """Programs made from now on take their packed weights from the cache. Only those of a file of this model."""
        identity = model.file_identity
        if identity is None:
            log.info("packed weights of a model that is no file are not kept")
            return
        if model.weight_file is not None:
            return
        key = _key(self._digest(model, identity))
        path = self.folder / f"{key.hex()}{WEIGHTS}"
        found = model.keep_weights(os.fsencode(path), key)
        if found.problem:
            log.warning("%s is not used: %s; its packed weights are made anew", path, found.problem)
            if found.is_damaged:
                with suppress(OSError):
                    path.unlink()
            return
        with suppress(OSError):
            os.utime(path)

    def keep(self, model: _native.Model) -> None:
        """Writes what attach()ed programs had to make themselves."""
        file = model.weight_file
        identity = model.file_identity
        if file is None or identity is None or not file.has_new:
            return
        path = self.folder / f"{_key(self._digest(model, identity)).hex()}{WEIGHTS}"
        if file.problem and file.is_damaged:
            log.warning("%s is written anew: %s", path, file.problem)
        self._write(path, partial(_fill, file))

    def _digest(self, model: _native.Model, identity: tuple[int, ...]) -> bytes:
        """The SHA-256 of the model's content; of an unchanged file from an earlier process' note."""
        name = hashlib.sha256(repr(identity).encode()).hexdigest()
        note = self.folder / f"{name}{DIGEST}"
        stored = _own(note)
        digest, proof = stored[:DIGEST_BYTES], stored[DIGEST_BYTES:]
        if len(digest) == DIGEST_BYTES and proof == _proof(name, digest):
            return digest
        digest = hashlib.sha256(model.content).digest()
        if time.time_ns() - max(identity[-2:]) > SETTLED_NS:
            self._write(note, lambda file: write_all(file, digest + _proof(name, digest)))
        return digest

    def _write(self, path: Path, fill: Fill) -> None:
        try:
            CacheFolder(self.folder, (WEIGHTS, DIGEST), self.largest_bytes).write(path, fill)
        except OSError as error:
            log.info("did not keep %s: %s", path, error)


def _fill(file: _native.WeightFile, descriptor: int) -> None:
    error = file.write(descriptor)
    if error:
        raise OSError(error, os.strerror(error))


def _key(digest: bytes) -> bytes:
    """Of all that packed weights depend on."""
    build = Path(_native.__file__).stat()
    parts = (
        FORMAT, _native.version, str(build.st_size), str(build.st_mtime_ns), platform.machine(), sys.byteorder,
        _native.instruction_set(), digest.hex(),
    )  # fmt: skip
    return hashlib.sha256("\n".join(parts).encode()).digest()


def _proof(name: str, digest: bytes) -> bytes:
    return hashlib.sha256(name.encode() + digest).digest()


def _own(path: Path) -> bytes:
    """What a small file of this user holds, which nobody else can have written; nothing where there is none."""
    try:
        # Opening a FIFO that nobody writes to would wait for ever otherwise.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022:
                return b""
            return file.read(2 * DIGEST_BYTES + 1)
    except OSError:
        return b""
