"""From models to models with custom ops for the emulated device."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from subgraft import _native
from subgraft.backends.edgetpu import rules
from subgraft.backends.edgetpu.emulator.compiler import package_writer
from subgraft.backends.edgetpu.emulator.compiler.choosing import MAPPED, Choice, Part, Settings, choose, counted
from subgraft.backends.edgetpu.emulator.compiler.errors import CompilationFailed, InvalidModel
from subgraft.backends.edgetpu.emulator.compiler.parameter_stream import ON_CHIP_BYTES, streams
from subgraft.backends.edgetpu.emulator.compiler.reading import read
from subgraft.backends.edgetpu.emulator.compiler.rewriting import Compiled, rewrite
from subgraft.delegates import Graph, Segment

DEFAULT_RUNTIME = 13  # of packages whose ops need nothing later
TOKEN_BYTES = 8


@dataclass(frozen=True, slots=True)
class Compilation:
    """One model, compiled. operations: kind, how many, and what became of them."""

    tflite: bytes
    operations: tuple[tuple[str, int, str], ...]
    subgraphs: int
    cached_bytes: int
    remaining_bytes: int
    streamed_bytes: int


@dataclass(frozen=True, slots=True)
class _Source:
    """One model, read and cut. digest: of the file and what is asked for."""

    model: _native.Model
    graph: Graph
    choice: Choice
    digest: bytes


def compile_model(tflite: bytes) -> bytes:
    """The first part of a quantized model that the Edge TPU could run, as a custom op for the emulated one.

    Raises CompilerError.
    """
    return compile_models([tflite], Settings())[0].tflite


def compile_models(tflites: Sequence[bytes], settings: Settings) -> list[Compilation]:
    """Models that share the device's memory: the parameters of the first are cached first. Raises CompilerError."""
    sources = [_source(tflite, settings, place) for place, tflite in enumerate(tflites)]
    writer = _Writer(_token(sources), settings)
    return [writer.written(source) for source in sources]


def compile_pipeline(tflite: bytes, count: int, settings: Settings) -> list[Compilation]:
    """One model as `count` files that feed each other, each with a part of the parameters. Raises CompilerError."""
    source = _source(tflite, settings)
    graph = source.graph
    mapped = [part for part in source.choice.parts if part.on_device]
    pieces = _pieces(graph, mapped[0].ops, count) if mapped else []
    if len(pieces) != count:
        raise CompilationFailed(f"Cannot cut the model into {count} segments.")
    before = source.choice.parts[: source.choice.parts.index(mapped[0])]
    after = source.choice.parts[len(before) + 1 :]
    files = [[Part(piece, on_device=True)] for piece in pieces]
    files[0][:0] = before
    files[-1] += after
    return [_Writer(_token([source]), settings).segment(source, parts, files) for parts in files]


class _Writer:
    """Writes files that share one token; remembers how much of the device's memory is taken."""

    def __init__(self, token: int, settings: Settings) -> None:
        self._token = token
        self._settings = settings
        self._room = ON_CHIP_BYTES

    def written(self, source: _Source) -> Compilation:
        nodes, cached, streamed = self._nodes(source, source.choice.parts)
        tflite = rewrite(source.model, nodes, source.graph.inputs, source.graph.outputs)
        return self._compilation(source, source.choice.parts, tflite, cached, streamed)

    def segment(self, source: _Source, parts: Sequence[Part], files: Sequence[Sequence[Part]]) -> Compilation:
        """One file of a pipeline: its inputs come from the files before, or from the user."""
        graph = source.graph
        nodes, cached, streamed = self._nodes(source, parts)
        inside = graph.segment(i for part in parts for i in part.ops)
        elsewhere = {i for other in files if other is not parts for part in other for i in part.ops}
        leaving = [
            t for t in inside.outputs if t in graph.outputs or any(i in elsewhere for i in graph.consumers().get(t, ()))
        ]
        outputs = [t for t in graph.outputs if t in leaving] + [t for t in leaving if t not in graph.outputs]
        tflite = rewrite(source.model, nodes, inside.inputs, outputs)
        return self._compilation(source, parts, tflite, cached, streamed)

    def _compilation(
        self, source: _Source, parts: Sequence[Part], tflite: bytes, cached: int, streamed: int
    ) -> Compilation:
        ops = [i for part in parts for i in part.ops]
        return Compilation(
            tflite=tflite,
            operations=counted(source.graph, source.choice, ops),
            subgraphs=sum(part.on_device for part in parts),
            cached_bytes=cached,
            remaining_bytes=self._room,
            streamed_bytes=streamed,
        )

    def _nodes(self, source: _Source, parts: Sequence[Part]) -> tuple[list[int | Compiled], int, int]:
        """What the new graph runs, and the bytes of parameters that are cached and streamed for it."""
        nodes: list[int | Compiled] = []
        cached = streamed = 0
        for part in parts:
            if not part.on_device:
                nodes += part.ops
                continue
            segment = source.graph.segment(part.ops)
            digest = hashlib.sha256(source.digest + repr(part.ops).encode()).digest()
            stream = streams(segment, digest, self._room)
            self._room -= len(stream.cached)
            cached += len(stream.cached)
            streamed += len(stream.streamed)
            package = package_writer.package(segment, stream, digest, self._token, self._runtime(segment))
            nodes.append(Compiled(package, segment.inputs, segment.outputs))
        return nodes, cached, streamed

    def _runtime(self, segment: Segment) -> int:
        if self._settings.runtime is not None:
            return self._settings.runtime
        needed = (rules.SUPPORTED[segment.graph.ops[i].kind].since for i in segment.ops)
        return max(DEFAULT_RUNTIME, *needed)


def _source(tflite: bytes, settings: Settings, place: int = 0) -> _Source:
    try:
        model, graph = read(tflite)
        choice = choose(graph, settings)
    except InvalidModel as error:
        raise InvalidModel(str(error), place) from error
    return _Source(model, graph, choice, hashlib.sha256(tflite + repr(settings).encode()).digest())


def _token(sources: Sequence[_Source]) -> int:
    """Never 0, which stands for nothing to keep."""
    digest = hashlib.sha256(b"".join(source.digest for source in sources)).digest()
    return int.from_bytes(digest[:TOKEN_BYTES], "little") or 1


def _pieces(graph: Graph, ops: Sequence[int], count: int) -> list[tuple[int, ...]]:
    """Runs of ops with about the same bytes of constants in each; fewer than `count` where there are too few ops."""
    sizes = [1 + sum(len(graph.tensors[t].buffer or b"") for t in graph.ops[i].inputs if t >= 0) for i in ops]
    pieces: list[list[int]] = [[]]
    behind, total = 0, sum(sizes)
    for place, (i, size) in enumerate(zip(ops, sizes, strict=True)):
        is_due = behind + size / 2 >= total * len(pieces) / count or len(ops) - place == count - len(pieces)
        if pieces[-1] and is_due and len(pieces) < count:
            pieces.append([])
        pieces[-1].append(i)
        behind += size
    return [tuple(piece) for piece in pieces]


__all__ = ["MAPPED", "Compilation", "compile_model", "compile_models", "compile_pipeline"]
