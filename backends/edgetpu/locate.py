"""Finds where in a package's parameters the weights of each layer lie.

A package does not say it. Layers follow each other in the order in which the device computes them, which is nearly the
graph's, in one or two streams: what is cached on the device, and what is sent with every inference. So each layer is
looked for behind the one before, then anywhere; then, where parameters differ, by pieces and by what is left over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from subgraft.backends.edgetpu import parameters
from subgraft.backends.edgetpu.package import Package
from subgraft.backends.edgetpu.parameter_layers import layers
from subgraft.backends.edgetpu.parameters import WORD_BYTES, Layout, ParameterLayer, Parameters
from subgraft.delegates import Array, Segment

ALIKE = 0.5  # the share of equal bytes from which on a place is the layer's; of other weights 1 to 20 % are equal
ALMOST = 0.9  # the same of constants of other ops, whose layout is less sure
PIECES = 6  # by which a layer with differences is looked for
PIECE_BYTES = 32
MOST_HITS = 8  # of one piece: more of it is padding or a constant layer


@dataclass(frozen=True, slots=True)
class Difference:
    """What of a layer is not as in the graph.

    part: of weights, multipliers, biases, zero_points. index: of the first that differs: (output, tap, input) of
    weights, else the output.
    """

    part: str
    count: int
    of: int
    index: tuple[int, ...]
    graph: float
    package: float


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """A layer and its place: offset -1 and no layout where there is none, and `why`."""

    layer: ParameterLayer
    layout: Layout | None = None
    offset: int = -1
    differences: tuple[Difference, ...] = ()
    why: str = ""

    @property
    def is_found(self) -> bool:
        return self.layout is not None


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """Where everything lies in the parameters: those that are cached first, then those of every inference."""

    placed: tuple[Placed, ...]
    stream: bytes

    @property
    def compared_bytes(self) -> int:
        """Of weights and biases in the graph."""
        return sum(placed.layer.tensor_bytes for placed in self.placed if placed.is_found)

    @property
    def total_bytes(self) -> int:
        return sum(placed.layer.tensor_bytes for placed in self.placed)

    def covered(self) -> Array:
        """Which bytes of the stream are live parameters of a layer that was found: bool."""
        mask = np.zeros(len(self.stream), bool)
        for placed in self.placed:
            if placed.layout is not None:
                mask[placed.offset : placed.offset + placed.layout.size_bytes] |= parameters.live(placed.layout)
        return mask


def locate(package: Package, segment: Segment) -> Located:
    """The place of the parameters of each layer of the segment in the package's."""
    caching, inference = package.parameter_caching, package.inference
    cached = caching.parameters if caching is not None and caching is not inference else b""
    search = _Search(cached + inference.parameters, (0, len(cached)))
    found: dict[int, Placed] = {}
    listed = layers(segment)
    for step in (search.exactly, search.by_pieces, search.by_remainder):
        for layer in listed:
            if layer.layouts and layer.op not in found:
                placed = step(layer)
                if placed is not None:
                    found[layer.op] = placed
    return Located(tuple(found.get(layer.op) or _missing(layer) for layer in listed), search.stream)


def _missing(layer: ParameterLayer) -> Placed:
    why = layer.unknown or "its parameters are in the package in no order that is known here, or not at all"
    return Placed(layer, why=why)


class _Search:
    """Over one stream; remembers which words are taken."""

    def __init__(self, stream: bytes, starts: Sequence[int]) -> None:
        self.stream = stream
        self._next = list(starts)  # where the next layer begins, in each stream
        self._starts = tuple(starts)
        self._taken = np.zeros(len(stream) // WORD_BYTES + 1, bool)
        self._owners: dict[int, int] = {}  # offset to the weights tensor that lies there

    def exactly(self, layer: ParameterLayer) -> Placed | None:
        """All its parameters, behind the layer before or anywhere."""
        for layout in layer.layouts:
            encoded = parameters.encode(layer, layout)
            for offset in self._places(encoded, layout):
                if self._is_free(offset, layout) or self._owners.get(offset) == layer.weights:
                    differences = () if self.stream.startswith(encoded, offset) else self._differ(layer, layout, offset)
                    if not differences:
                        return self._take(layer, layout, offset)
        return None

    def by_pieces(self, layer: ParameterLayer) -> Placed | None:
        """The place where most of it is equal, if that is anywhere: first of all in what is left."""
        for where in (lambda encoded, layout: self._gaps(), self._pieces):
            best: tuple[float, Layout, int] = (0.0, layer.layouts[0], 0)
            for layout in layer.layouts:
                encoded = parameters.encode(layer, layout)
                for offset in where(encoded, layout):
                    alike = self._alike(encoded, layout, offset) if self._is_free(offset, layout) else 0.0
                    best = max(best, (alike, layout, offset), key=lambda found: found[0])
            if best[0] >= (ALIKE if layer.is_convolution else ALMOST):
                return self._take(layer, best[1], best[2])
        return None

    def by_remainder(self, layer: ParameterLayer) -> Placed | None:
        """The first unexplained stretch that is long enough, unless it holds the same bytes in another order."""
        content = layer.parameters
        assert content is not None
        if not layer.is_convolution:
            return None
        counts = np.bincount(content.weights.reshape(-1), minlength=256)
        for layout in layer.layouts:
            for offset in self._gaps():
                if self._is_free(offset, layout):
                    there = np.frombuffer(self.stream, np.uint8, layout.size_bytes, offset)
                    if (np.bincount(there, minlength=256) >= counts).all():
                        return None
                    return self._take(layer, layout, offset)
        return None

    def _alike(self, encoded: bytes, layout: Layout, offset: int) -> float:
        """The share of its live bytes that are so in the stream."""
        expected = np.frombuffer(encoded, np.uint8, layout.size_bytes)
        there = np.frombuffer(self.stream, np.uint8, layout.size_bytes, offset)
        return float(np.mean((there == expected)[parameters.live(layout)]))

    def _take(self, layer: ParameterLayer, layout: Layout, offset: int) -> Placed:
        self._taken[offset // WORD_BYTES : -(-(offset + layout.size_bytes) // WORD_BYTES)] = True
        self._owners[offset] = layer.weights
        end = offset + layout.padded_bytes
        which = max(i for i, start in enumerate(self._starts) if start <= offset)
        self._next[which] = end
        return Placed(layer, layout, offset, self._differ(layer, layout, offset))

    def _is_free(self, offset: int, layout: Layout) -> bool:
        end = offset + layout.size_bytes
        if offset < 0 or end > len(self.stream) or any(offset < start < end for start in self._starts):
            return False
        return not self._taken[offset // WORD_BYTES : -(-end // WORD_BYTES)].any()

    def _places(self, encoded: bytes, layout: Layout) -> Iterator[int]:
        yield from self._next
        start = layout.header_bytes  # the first rows, which say more than a header of small numbers
        yield from self._hits(encoded, start, min(layout.size_bytes, start + PIECE_BYTES))

    def _pieces(self, encoded: bytes, layout: Layout) -> Iterator[int]:
        for i in range(PIECES):
            start = i * layout.size_bytes // PIECES
            yield from self._hits(encoded, start, min(layout.size_bytes, start + PIECE_BYTES))

    def _hits(self, encoded: bytes, start: int, stop: int) -> Iterator[int]:
        piece, at = encoded[start:stop], -1
        if piece.count(piece[:1]) == len(piece):
            return
        for _ in range(MOST_HITS):
            at = self.stream.find(piece, at + 1)
            if at < 0:
                return
            if (at - start) % WORD_BYTES == 0:
                yield at - start

    def _gaps(self) -> list[int]:
        """Where stretches begin that no layer took."""
        before = np.concatenate(([True], self._taken[:-1]))
        firsts = np.flatnonzero(before & ~self._taken) * WORD_BYTES
        return sorted({*firsts.tolist(), *(start for start in self._starts)})

    def _differ(self, layer: ParameterLayer, layout: Layout, offset: int) -> tuple[Difference, ...]:
        assert layer.parameters is not None
        return tuple(differences(layer.parameters, parameters.decode(layout, self.stream, offset)))


def differences(graph: Parameters, package: Parameters) -> Iterator[Difference]:
    """What of a layer's stored parameters differs, bit for bit."""
    for part in (parameters.WEIGHTS, parameters.BIASES, parameters.MULTIPLIERS, parameters.ZERO_POINTS):
        here, there = getattr(graph, part), getattr(package, part)
        if there is None:
            continue
        unequal = here != there if part == parameters.WEIGHTS else here.view(np.uint32) != there.view(np.uint32)
        count = int(np.count_nonzero(unequal))
        if count:
            index = tuple(int(i[0]) for i in np.nonzero(unequal))
            yield Difference(part, count, int(here.size), index, here[index].item(), there[index].item())
