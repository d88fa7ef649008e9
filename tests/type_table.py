"""litert_types.txt: the combinations of types that TFLite's ops take, as probe_types.py found them.

A line of it is many combinations: `float32 int8q|int8c -> float32` are two, and `T int32 -> T: float32 int8q` too,
where T stands for the same type each time. Behind a type, q says that the tensor has a scale, c that it has one for
each channel, b for each block; `-` is an input that is absent, `float32*3` three such tensors. In front, `ref` or `opt`
says that only these kernels of TFLite take it (BUILTIN_REF, BUILTIN_WITHOUT_DEFAULT_DELEGATES), and `!name` that
TFLite's answer means nothing, for the reason of that name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from pathlib import Path

TABLE = Path(__file__).parent / "litert_types.txt"
KERNELS = ("ref", "opt")
MARKS = "qcb"
ARROW, EQUAL_TYPES, ALTERNATIVE, ABSENT = "->", "T", "|", "-"
HEADER = """# What TFLite's ops take, found and written by probe_types.py; type_table.py says how to read it.
#
"""
MANY = 3  # types that are the same everywhere get a line of their own
Place = tuple[str, int]  # "inputs" or "outputs", and the place in that list


def type_of(text: str) -> str:
    return text.rstrip(MARKS)


def mark_of(text: str) -> str:
    return text[len(type_of(text)) :]


@dataclass(frozen=True, slots=True)
class Combination:
    """The types of an op's tensors, each with its mark."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join((*self.inputs, ARROW, *self.outputs))

    @property
    def texts(self) -> tuple[str, ...]:
        return (*self.inputs, ARROW, *self.outputs)

    @classmethod
    def of(cls, texts: Sequence[str]) -> Combination:
        arrow = texts.index(ARROW)
        return cls(tuple(texts[:arrow]), tuple(texts[arrow + 1 :]))

    def pattern(self) -> tuple[object, ...]:
        """Which inputs there are, and how many outputs."""
        return tuple(text == ABSENT for text in self.inputs), len(self.outputs)

    def common(self, other: Combination) -> tuple[int, int]:
        """How many tensors have the same type and mark in both, and how many the same type."""
        pairs = list(zip(self.texts, other.texts, strict=True))
        return sum(a == b for a, b in pairs), sum(type_of(a) == type_of(b) for a, b in pairs)

    def places(self) -> Iterator[tuple[Place, str]]:
        for i, text in enumerate(self.inputs):
            yield ("inputs", i), text
        for i, text in enumerate(self.outputs):
            yield ("outputs", i), text

    def at(self, place: Place) -> str:
        return str(getattr(self, place[0])[place[1]])

    def changed(self, texts: Mapping[Place, str]) -> Combination:
        def side(name: str, old: Iterable[str]) -> tuple[str, ...]:
            return tuple(texts.get((name, i), text) for i, text in enumerate(old))

        return Combination(side("inputs", self.inputs), side("outputs", self.outputs))


@dataclass(frozen=True, slots=True)
class Row:
    """What is known of a combination. kernels: those of KERNELS that take it. deviation: why ours need not; or ""."""

    kernels: tuple[str, ...]
    deviation: str = ""


Rows = Mapping[Combination, Row]


def text_of(kind: str, rows: Rows) -> str:
    """The op's lines."""
    groups: dict[Row, list[Combination]] = defaultdict(list)
    for combination, row in rows.items():
        groups[row].append(combination)
    lines = [kind]
    for row in sorted(groups, key=lambda row: (bool(row.deviation), row.deviation, row.kernels)):
        words = [*(row.kernels if row.kernels != KERNELS else ()), *([f"!{row.deviation}"] if row.deviation else ())]
        lines += ["  " + " ".join([*words, line]) for line in folded(groups[row])]
    return "\n".join(lines) + "\n"


def folded(combinations: Iterable[Combination]) -> list[str]:
    """Those that are one type everywhere together, then those that differ in one place."""
    shapes: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for combination in combinations:
        first = combination.outputs[0]
        shapes[tuple(EQUAL_TYPES if text == first else text for text in combination.texts)].append(first)
    lines, single = [], []
    for shape, types in shapes.items():
        if len(types) >= MANY and shape.count(EQUAL_TYPES) > 1:
            lines.append(f"{counted(shape)}: {' '.join(sorted(types))}")
        else:
            single += [tuple(text if word == EQUAL_TYPES else word for word in shape) for text in types]
    return sorted(lines) + sorted(map(counted, merged(single)))


def counted(words: Iterable[str]) -> str:
    """Words of which neighbours are equal as one, with their number."""
    runs = [(word, len(list(run))) for word, run in groupby(words)]
    return " ".join(word if count == 1 else f"{word}*{count}" for word, count in runs)


def merged(rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Rows that differ in one place as one with alternatives, from the last place to the first."""
    rows = list(rows)
    for place in reversed(range(max(map(len, rows), default=0))):
        groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
        kept = [row for row in rows if len(row) <= place]
        for row in rows:
            if len(row) > place:
                groups[(*row[:place], "", *row[place + 1 :])].append(row[place])
        rows = kept + [
            (*key[:place], ALTERNATIVE.join(sorted(found)), *key[place + 1 :]) for key, found in groups.items()
        ]
    return rows


def write(table: Mapping[str, Rows], reasons: Mapping[str, str]) -> None:
    used = {row.deviation for rows in table.values() for row in rows.values()}
    lines = [HEADER, *(f"# !{name}: {reason}\n" for name, reason in reasons.items() if name in used), "\n"]
    TABLE.write_text("".join([*lines, *(text_of(kind, table[kind]) for kind in sorted(table))]))


def read() -> dict[str, dict[Combination, Row]]:
    """The whole table, by op."""
    table: dict[str, dict[Combination, Row]] = {}
    for line in TABLE.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if not line.startswith(" "):
            kind = line.strip()
            table[kind] = {}
            continue
        words = line.split()
        kernels = tuple(w for w in words[:2] if w in KERNELS) or KERNELS
        deviation = next((w[1:] for w in words[:3] if w.startswith("!")), "")
        skipped = (len(kernels) if kernels != KERNELS else 0) + bool(deviation)
        for combination in unfolded(words[skipped:]):
            table[kind][combination] = Row(kernels, deviation)
    return table


def unfolded(words: Sequence[str]) -> Iterator[Combination]:
    last = next((i for i, word in enumerate(words) if word.endswith(":")), None)
    if last is None:
        yield from map(Combination.of, product(*(word.split(ALTERNATIVE) for word in spelt_out(words))))
        return
    shape = spelt_out([*words[:last], words[last].removesuffix(":")])
    for text in words[last + 1 :]:
        yield Combination.of([text if word == EQUAL_TYPES else word for word in shape])


def spelt_out(words: Iterable[str]) -> list[str]:
    pairs = (word.partition("*") for word in words)
    return [word for word, _, count in pairs for _ in range(int(count or 1))]
