"""A package turned into native scripts, once, for any device."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from subgraft import _native
from subgraft.backends.edgetpu.package import Package, Program
from subgraft.backends.edgetpu.scripts import native_script

KEY_BYTES = 16


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """What runs one inference, and what fills the parameter memory before the first.

    token: packages that share one may keep their parameters on the device side by side; 0: nothing stays there.
    cached_as: tells apart what fills the parameter memory; equal for equal contents, whoever loaded them.
    """

    token: int
    cached_as: bytes
    caching: _native.EdgeTpuScript | None
    inference: _native.EdgeTpuScript
    for_emulator: bool

    @classmethod
    def of(cls, package: Package) -> Prepared:
        """Raises PackageError and Rejected for transfers that cannot be."""
        caching = package.parameter_caching
        return cls(
            token=package.inference.token,
            cached_as=_key(caching) if caching else b"",
            caching=native_script(caching) if caching else None,
            inference=native_script(package.inference),
            for_emulator=package.is_for_emulator,
        )


def _key(program: Program) -> bytes:
    digest = hashlib.blake2b(digest_size=KEY_BYTES)
    for bitstream in program.bitstreams:
        digest.update(bitstream.data)
    digest.update(program.parameters)
    return digest.digest()
