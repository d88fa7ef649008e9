"""Asks TFLite which types each of its ops takes; writes litert_types.txt. Without names of ops, asks for all.

Each op's cases are where the search begins. From every combination that TFLite takes it goes on to those that differ
in the type of one tensor, or in one type wherever it stands, until nothing new is taken. Tensors of which some are
quantized and some are not, where all or none can be, are not asked for. Where a kernel takes any type, it does not look
at it: there, only the types that cases show are kept.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ops_page import PARAMETERS
from oracle import Oracle
from type_cases import INDEX_CANARY, INDEX_TYPES, KEEPS_TYPE, RECURRENT, SCALES, asked, bases, combination, realized
from type_deviations import DEVIATIONS, deviation, difference
from type_table import ABSENT, TABLE, Combination, Place, Row, mark_of, read, type_of, write

TYPES = (
    "float32", "float16", "bfloat16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64",
    "uint64", "bool", "complex64", "complex128", "string", "int4", "uint4", "int2",
)  # fmt: skip
# Types that no kernel computes with there: one that takes them does not look at the type.
CANARIES = (("complex128", "uint64"), ("int16q", "uint4q"))
CONVERSIONS = ("BITCAST", "CAST", "DEQUANTIZE", "QUANTIZE", "RANK", "SHAPE")
FIRST: Place = ("inputs", 0)
UNEXPLAINED = "unexplained"
EVERY = ""  # type of the first input
MOST_OF_AN_OP = 1500  # combinations that are taken: more means that an op does not look at types


@dataclass(frozen=True, slots=True)
class Move:
    """Tensors whose types change together: one alone, or all that have a type. canaries: types that nothing takes."""

    places: tuple[Place, ...]
    texts: tuple[str, ...]
    canaries: tuple[tuple[str, ...], ...] = ()  # of each list all must be taken

    def of(self, start: Combination) -> Iterator[Combination]:
        return (start.changed(dict.fromkeys(self.places, text)) for text in self.texts)

    def ends(self, start: Combination) -> Iterator[list[Combination]]:
        return ([start.changed(dict.fromkeys(self.places, text)) for text in texts] for texts in self.canaries)


def moves(kind: str, start: Combination) -> Iterator[Move]:
    """One tensor of another type; one type replaced wherever it stands."""
    parameters = PARAMETERS.get(kind, ())
    places = [place for place, text in start.places() if text != ABSENT]
    data = [(side, i) for side, i in places if side == "outputs" or i not in parameters]
    is_quantized = any(mark_of(start.at(place)) for place in data)
    for place in places if kind not in RECURRENT else ():
        if place not in data:
            if start.at(place) in INDEX_TYPES:
                yield Move((place,), INDEX_TYPES, ((INDEX_CANARY,),))
        elif kind not in KEEPS_TYPE:
            yield Move((place,), *variants(kind, start.at(place), is_quantized))
    for old in dict.fromkeys(start.at(place) for place in data):
        texts, canaries = variants(kind, old, is_quantized)
        yield Move(tuple(p for p in data if start.at(p) == old), texts, () if kind in KEEPS_TYPE else canaries)


def variants(kind: str, old: str, is_quantized: bool) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    mark = mark_of(old) or ("q" if is_quantized else "")
    canaries = () if kind in CONVERSIONS else CANARIES
    return tuple(new + (mark if new in SCALES else "") for new in TYPES), canaries


def requantized(kind: str, start: Combination) -> Iterator[Combination]:
    """Nothing quantized; all that can be."""
    parameters = PARAMETERS.get(kind, ())
    given = [(place, text) for place, text in start.places() if text != ABSENT]
    texts = {(side, i): text for (side, i), text in given if side == "outputs" or i not in parameters}
    yield start.changed({place: type_of(text) for place, text in texts.items()})
    yield start.changed({p: t + "q" for p, t in texts.items() if t in SCALES})


class Probe:
    """The search through the combinations of one op."""

    def __init__(self, kind: str, oracle: Oracle) -> None:
        self.kind, self.oracle = kind, oracle
        self.start = list(dict.fromkeys(map(combination, bases()[kind])))
        self._answers: dict[Combination, tuple[str, ...]] = {}
        self._blind: set[tuple[tuple[Place, ...], str]] = set()

    def kernels(self, wanted: Combination) -> tuple[str, ...]:
        """Those that take it."""
        if wanted not in self._answers:
            self._answers[wanted] = tuple(asked(self.kind, wanted, self.oracle))
        return self._answers[wanted]

    def found(self) -> dict[Combination, tuple[str, ...]]:
        """Every combination that any kernel takes."""
        waiting = list(filter(self.kernels, [*self.start, *self.conversions()]))
        found = dict.fromkeys(waiting)
        while waiting:
            new = [
                near for near in dict.fromkeys(self.near(waiting.pop(0))) if near not in found and self.kernels(near)
            ]
            found |= dict.fromkeys(new)
            waiting += new
            if len(found) > MOST_OF_AN_OP:
                raise ValueError(f"{self.kind} takes more than {MOST_OF_AN_OP} combinations of types")
        return {wanted: self.kernels(wanted) for wanted in found if self.is_looked_at(wanted)}

    def near(self, start: Combination) -> Iterator[Combination]:
        yield from requantized(self.kind, start)
        for move in moves(self.kind, start):
            context = (move.places, type_of(start.inputs[0]))
            if context in self._blind or any(all(map(self.kernels, ends)) for ends in move.ends(start)):
                self._blind.add(context)
            else:
                yield from move.of(start)

    def conversions(self) -> Iterator[Combination]:
        """Of an op with one input and one output: every pair of types."""
        for start in self.start:
            if len(start.inputs) == len(start.outputs) == 1 and self.kind not in KEEPS_TYPE:
                mark = mark_of(start.inputs[0]) or mark_of(start.outputs[0])
                texts = [new + (mark if new in SCALES else "") for new in TYPES]
                yield from (Combination((a,), (b,)) for a in texts for b in texts)

    def is_looked_at(self, wanted: Combination) -> bool:
        """False where TFLite ignores the type of a tensor, and no case shows that this one means something."""
        first = type_of(wanted.inputs[0])
        shown: dict[tuple[Place, str], set[str]] = defaultdict(set)
        for start in self.start:
            for place, text in start.places():
                shown[place, type_of(start.inputs[0])].add(type_of(text))
                shown[place, EVERY].add(type_of(text))
        parameters = [("inputs", place) for place in PARAMETERS.get(self.kind, ())]
        for places, context in self._blind:
            for place in set(places) & dict(wanted.places()).keys():
                is_general = place == FIRST or place in parameters
                if not is_general and context != first:
                    continue
                if type_of(wanted.at(place)) not in shown[place, EVERY if is_general else context]:
                    return False
        return True


def rows_of(kind: str, oracle: Oracle) -> dict[Combination, Row]:
    """What the table is to say of the op. Where no deviation explains what ours does, its name is UNEXPLAINED."""
    rows = {}
    for wanted, kernels in Probe(kind, oracle).found().items():
        case, answers = realized(kind, wanted), asked(kind, wanted, oracle)
        message = difference(case, answers) if case and answers else ""
        name = deviation(kind, wanted, message) or (UNEXPLAINED if message else "")
        if name == UNEXPLAINED:
            sys.stderr.write(f"{kind} {wanted}: {message}\n")
        rows[wanted] = Row(kernels, name)
    return rows


def main(kinds: Sequence[str]) -> None:
    oracle = Oracle()
    table = read() if TABLE.exists() and kinds else {}
    for kind in kinds or bases():
        table[kind] = rows_of(kind, oracle)
        write(table, {name: known.reason for name, known in DEVIATIONS.items()})
    oracle.close()


if __name__ == "__main__":
    main(sys.argv[1:])
