"""A .tflite file as graphs, signatures and metadata; reads and writes it."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, TypeAlias

from subgraft.delegates import Graph
from subgraft.interpreter import conversion
from subgraft.interpreter.native import _native

log = logging.getLogger("subgraft")

VARYING = re.compile(r"'.*'|\d+")  # what differs in warnings of one kind

Source: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes]"


@dataclass(frozen=True, slots=True)
class Signature:
    """A named way to run a graph: names for its inputs and outputs."""

    key: str
    inputs: Mapping[str, int]  # name to tensor index
    outputs: Mapping[str, int]
    graph: int = 0


@dataclass(frozen=True, slots=True)
class ExternalBuffer:
    """Constant data in a file of its own; tensors refer to it by id."""

    id: int
    group: str
    offset: int
    length: int
    packing: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """What a .tflite file holds. graphs[0] is the one that runs; others are bodies of control flow, or signatures.

    metadata: name to bytes, in the order of the file.
    Graphs of an opened file make their tensors and ops when they are asked for.
    """

    graphs: Sequence[Graph]
    signatures: Sequence[Signature] = ()
    metadata: Mapping[str, bytes | memoryview] = field(default_factory=dict)
    description: str = ""
    version: int = 3
    external_buffers: Sequence[ExternalBuffer] = ()
    # The decoded file, or nothing yet; never copied by dataclasses.replace().
    _decoded: list[_native.Model] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def open(cls, source: Source) -> Model:
        """Reads a path, a file object, or the bytes of a file.

        A path is mapped into memory and must not be changed while the model lives. bytes are used in place; other
        buffers are copied.
        Raises ModelError when there is no such file, or what is in it is no .tflite file or damaged.
        """
        decoded = _decode(source)
        model = cls(
            graphs=conversion.graphs(decoded),
            signatures=tuple(Signature(*parts) for parts in decoded.signatures),
            metadata=conversion.metadata(decoded),
            description=decoded.description,
            version=decoded.version,
            external_buffers=tuple(ExternalBuffer(*parts) for parts in decoded.external_buffers),
        )
        model._decoded.append(decoded)
        return model

    @classmethod
    def of(cls, *graphs: Graph) -> Model:
        """A model of graphs made by hand; the first is the one that runs."""
        return cls(graphs)

    @property
    def native(self) -> _native.Model:
        """What native programs are made from."""
        if not self._decoded:
            self._decoded.append(_native.Model.read(self.to_bytes()))
        return self._decoded[0]

    @property
    def warnings(self) -> Sequence[str]:
        """What is wrong in the file, but harmless."""
        return tuple(self.native.warnings)

    def log_warnings(self) -> None:
        """Tells the log of them, one line for each kind."""
        for first, count in warnings_by_kind(self.warnings):
            more = f" (and {count - 1} more of this kind; subgraft inspect shows them)" if count > 1 else ""
            log.warning("%s%s", first, more)

    def to_bytes(self) -> bytes:
        """The file, every buffer aligned to 16 bytes.

        Raises Unsupported when an op of an opened file has options that a newer schema added, and ValueError for an
        op, dtype or option that does not exist.
        """
        if self._decoded:
            return self._decoded[0].write()
        draft = conversion.draft(self.graphs)
        draft.describe(self.version, self.description)
        for name, content in self.metadata.items():
            draft.add_metadata(name, draft.add_buffer(content))
        for signature in self.signatures:
            draft.add_signature(
                signature.key, list(signature.inputs.items()), list(signature.outputs.items()), signature.graph
            )
        for external in self.external_buffers:
            draft.add_external_buffer(external.id, external.group, external.offset, external.length, external.packing)
        return draft.write()


def warnings_by_kind(warnings: Sequence[str]) -> Sequence[tuple[str, int]]:
    """Of those that differ only in numbers and in the names of tensors the first, and how many they are."""
    kinds: dict[str, list[str]] = {}
    for warning in warnings:
        kinds.setdefault(VARYING.sub("#", warning), []).append(warning)
    return [(alike[0], len(alike)) for alike in kinds.values()]


def _decode(source: Source) -> _native.Model:
    if isinstance(source, str | os.PathLike):
        return _native.Model.open(os.fsencode(source))
    if isinstance(source, bytes | bytearray | memoryview):
        return _native.Model.read(source)
    if hasattr(source, "read"):
        return _native.Model.read(source.read())
    raise TypeError(f"a model is a path, a file object or the bytes of a file, not {type(source).__name__}")
