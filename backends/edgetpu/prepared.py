"""A package turned into native scripts, once, for any device."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from subgraft import _native
from subgraft.backends.edgetpu import transfers
from subgraft.backends.edgetpu.package import Package, Program
from subgraft.backends.edgetpu.relayout import flip_mask, runs
from subgraft.delegates import Rejected

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


def native_script(program: Program) -> _native.EdgeTpuScript:
    """The transfers of one run, with everything constant in place. Raises PackageError, Rejected."""
    steps = transfers.script(program)
    if program.batch_size != 1:
        raise Rejected(
            f"the model was compiled for {program.batch_size} inferences at a time, of which no example is known; "
            "compile it without batches, and run as many inferences"
        )
    return _native.EdgeTpuScript(
        [_fields(step) for step in steps],
        instructions=[bitstream.data for bitstream in program.bitstreams],
        parameters=program.parameters,
        inputs=[
            (layer.tensor_bytes, max(layer.size_bytes, transfers.input_bytes(steps, i)), flip_mask(layer))
            for i, layer in enumerate(program.inputs)
        ],
        outputs=[(layer.tensor_bytes, layer.size_bytes, flip_mask(layer), runs(layer)) for layer in program.outputs],
        scratch_bytes=program.scratch_bytes,
    )


def _fields(step: transfers.Step) -> tuple[str | int, ...]:
    """As native code takes it."""
    match step:
        case transfers.Send():
            return "send", step.tag, step.source, step.index, step.offset, step.size
        case transfers.Receive():
            return "receive", step.source, step.index, step.offset, step.size
        case transfers.Interrupt():
            return "interrupt", step.number
        case transfers.Fence():
            return ("fence",)
