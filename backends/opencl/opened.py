"""One device in use: its context, the programs built for it, and what was found out of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from subgraft import _native
from subgraft.backends.opencl import library
from subgraft.backends.opencl.caps import Caps
from subgraft.backends.opencl.discovery import Found
from subgraft.backends.opencl.errors import rejected, unavailable
from subgraft.backends.opencl.launch import Launch
from subgraft.backends.opencl.settings import Settings
from subgraft.backends.opencl.store import Store, default_folder
from subgraft.delegates import DelegateError, Graph, Unavailable

Lowered = tuple[int, tuple[int, ...], bool, bool]  # a graph's id, a segment's ops, and how they are lowered

PROBE = """
__kernel void probe(__global int* x) { x[get_global_id(0)] = (int)get_global_id(0) * 3 + 1; }
"""
PROBED = 32  # elements, also a group's size that every device takes


class Opened:
    """A device that this delegate uses, shared by all its segments. A device that was lost is opened anew.

    caps: with the inner loops that may be used. where: the device as a user knows it, for messages.
    Raises Unavailable.
    """

    def __init__(self, found: Found, settings: Settings) -> None:
        self.caps: Caps = found.caps
        self.settings = settings
        self.where = found.called
        self.lowered: dict[Lowered, tuple[Graph, Sequence[Launch]]] = {}  # what was priced and not compiled yet
        self.store = Store((settings.cache_folder or default_folder()) if settings.cache else None)
        self._fresh: dict[tuple[str, str], _native.ClProgram] = {}  # built here, and not kept yet
        loaded = _load(library.libraries(), found.caps.hidden)
        self.context = _context(loaded, found.handle, self.where)

    def program(self, source: str, options: str = "") -> _native.ClProgram:
        """The kept one, else built. Raises DelegateError with the build log."""
        binary = self.store.program(source, options, self.caps.identity)
        if binary is not None:
            try:
                return self.context.load(binary, options)
            except _native.ClError:  # made by another version of the driver than it says, or for another device
                self.store.drop_program(source, options, self.caps.identity)
        try:
            program = self.context.build(source, options)
        except (_native.ClError, MemoryError) as error:
            raise rejected(error, self.where) from error
        self._fresh[source, options] = program
        return program

    def is_fresh(self, source: str, options: str = "") -> bool:
        """Whether this program was built here and not kept yet."""
        return (source, options) in self._fresh

    def keep(self, source: str, options: str = "") -> None:
        """Stores the compiled form of a program that has run: PoCL and Mali finish compiling at the first launch."""
        program = self._fresh.pop((source, options), None)
        if program is None:
            return
        try:
            binary = program.binary()
        except (_native.ClError, MemoryError):
            return  # a driver that does not hand it out; the next session builds it again
        self.store.put_program(binary, source, options, self.caps.identity)

    def is_alive(self) -> bool:
        """Whether the device still computes in this context."""
        try:
            return self._probe() == [3 * i + 1 for i in range(PROBED)]
        except (_native.ClError, MemoryError, DelegateError):
            return False

    def close(self) -> None:
        """Ends its segments too. May be called twice."""
        self._fresh.clear()
        self.lowered.clear()
        self.context.close()

    def _probe(self) -> list[int]:
        program = self.program(PROBE)
        buffer = self.context.buffer(4 * PROBED)
        commands = _native.ClCommands(self.context)
        commands.launch(program, "probe", [buffer], (PROBED,), (PROBED,))
        commands.output(buffer, 4 * PROBED)
        found = np.zeros(PROBED, np.int32)
        commands.run([], [found])
        self.keep(PROBE)
        return [int(value) for value in found]


def _load(files: Sequence[str], hidden: Sequence[str]) -> _native.ClLibrary:
    """The first of the files that is an OpenCL library. Raises Unavailable with what each one lacks."""
    reasons = []
    for file in files:
        try:
            return _native.ClLibrary(file, hidden)
        except OSError as error:
            reasons.append(str(error))
    raise Unavailable(f"no OpenCL library can be loaded: {'; '.join(reasons)}; set ${library.VARIABLE} to its file")


def _context(loaded: _native.ClLibrary, handle: Any, where: str) -> _native.ClContext:
    """A context of pyopencl's device that native code shares. Raises Unavailable."""
    cl = library.pyopencl()
    try:
        made = cl.Context([handle])
        return _native.ClContext(loaded, made.int_ptr, handle.int_ptr)
    except (cl.Error, _native.ClError, MemoryError) as error:
        raise unavailable(error, where) from error
