"""Which models are compared: the shared ones that a CPU can run, each content once, with what to feed them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.cpu.classes import ModelClass, class_of, is_integer
from benchmarks.known import CASES, TOKEN_DTYPES, ModelCase, Values, oracle_model, random_values
from subgraft.delegates import Array, Graph
from subgraft.interpreter.model import Model

FOLDERS = ("real", "made", "edgetpu")  # a file that lies in two of them counts for the first
EDGETPU_OP = "edgetpu-custom-op"  # facts: what the Edge TPU's compiler makes of a graph
SEED = 1
NAME_COLUMNS = 30


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file and what is known of it before it runs."""

    path: Path
    name: str
    sha256: str
    kind: ModelClass
    integer: bool
    case: ModelCase

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size


def shared(folder: Path) -> Iterator[Path]:
    for part in FOLDERS:
        yield from sorted((folder / part).glob("*.tflite"))


def candidates(paths: Sequence[Path], words: Sequence[str], classes: Sequence[str]) -> list[Candidate]:
    """Those with one of the words in their name and of one of the classes; no word or class means all.

    Raises ModelError for a file that cannot be read.
    """
    found: dict[str, Candidate] = {}
    for path in paths:
        if words and not any(word in path.name for word in words):
            continue
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        graphs = Model.open(path).graphs
        if digest in found or _is_compiled(graphs):
            continue
        kind = class_of(graphs)
        if not classes or kind.key in classes:
            found[digest] = Candidate(path, path.stem, digest, kind, is_integer(graphs), _case(path, graphs[0]))
    return list(found.values())


def feeds(candidate: Candidate) -> list[Array]:
    """The same values for everybody, in the order of the inputs."""
    graph = Model.open(candidate.path).graphs[0]
    rng = np.random.default_rng(SEED)
    return [random_values(candidate.case, place, graph.tensors[t], rng) for place, t in enumerate(graph.inputs)]


def rivals_file(candidate: Candidate, folder: Path) -> tuple[Path, str]:
    """What LiteRT gets: the file, or where it refuses that, one in `folder` that computes the same; and why."""
    case = replace(candidate.case, older={})  # only BUILTIN_REF minds
    if not case.repaired and not case.in_floats:
        return candidate.path, ""
    path = folder / f"{candidate.name}_for_litert.tflite"
    path.write_bytes(oracle_model(case, candidate.path, Model.open(candidate.path)))
    if case.repaired:
        return path, "LiteRT refuses the file's quantized_dimension; it gets the model with 0 there"
    return path, f"LiteRT has no {case.in_floats} of this type; it gets the model with that op in floats"


def _is_compiled(graphs: Sequence[Graph]) -> bool:
    return any(op.kind == EDGETPU_OP for graph in graphs for op in graph.ops)


def _case(path: Path, graph: Graph) -> ModelCase:
    """As the conformance tests feed it; a model that they do not know gets 0 and 1 where indices may be wanted."""
    name = f"{path.parent.name}/{path.name}"
    for case in CASES:
        if case.path == name:
            return case
    indices = {i: Values(low=0, high=1) for i, t in enumerate(graph.inputs) if graph.tensors[t].dtype in TOKEN_DTYPES}
    return ModelCase(path=name, arithmetic="float", values=indices)
