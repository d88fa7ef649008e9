"""Which ops of a model are behind LiteRT's: each op as a model of its own, on the values that it gets in the whole one.

    python -m benchmarks.ops WORD|FILE... [--threads N] [--top N] [--quick] [--json FILE]

Equal ops (kind, shapes, types, options) are measured once and counted. What a runtime does across ops, such as fusing
two or skipping a reshape, is not seen here; ops whose inputs are all constant, and control flow, are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks import machine
from benchmarks.cpu.models import Candidate, candidates, feeds, rivals_file, shared
from benchmarks.known import MODELS, macs
from benchmarks.progress import Progress
from benchmarks.rounds import Effort, interleave
from benchmarks.runtimes import INSTALL, OURS, REFUSALS, RIVALS, feed, is_litert_there, open_model
from subgraft import Interpreter
from subgraft.cli.table import table
from subgraft.delegates import NUMPY_DTYPES, Array, Graph, Op
from subgraft.interpreter.model import Model

CONTROL = frozenset({"WHILE", "IF", "CALL", "CALL_ONCE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE"})
EFFORT = Effort(block_s=0.004, least=5, most=9, budget_s=0.6)
QUICK = Effort(block_s=0.001, least=3, most=3, budget_s=0.1)
TOP = 15


@dataclass(frozen=True, slots=True)
class Row:
    """An op, how often the model has it, and the time of one. litert_s: None where LiteRT refuses it."""

    op: str
    shapes: str
    count: int
    macs: int
    ours_s: float
    litert_s: float | None

    @property
    def loss_s(self) -> float:
        """What the model loses by these ops; negative where ours are faster."""
        return self.count * (self.ours_s - (self.litert_s or 0.0))


def rows(candidate: Candidate, threads: int, effort: Effort, folder: Path) -> Iterator[Row]:
    """The ops of the main graph."""
    graph = Model.open(rivals_file(candidate, folder)[0]).graphs[0]
    values = intermediates(candidate, graph)
    constant = constants(graph)
    seen: Counter[str] = Counter()
    first: dict[str, Op] = {}
    for op in graph.ops:
        if op.kind in CONTROL or all(t in constant for t in op.outputs):
            continue
        key = f"{op.kind} {signature(op, graph)} {dict(op.options)}"
        seen[key] += 1
        first.setdefault(key, op)
    progress = Progress(len(first))
    for key, op in first.items():
        progress.at(f"{candidate.name} {op.kind}")
        found = measure(alone(graph, op, constant), values, threads, effort)
        progress.step()
        if found:
            yield Row(op.kind, signature(op, graph), seen[key], macs(op, graph), *found)
    progress.close()


def intermediates(candidate: Candidate, graph: Graph) -> Mapping[str, Array]:
    """Every tensor's value after a run of the model, by the tensor's number as text.

    Where a model is cut into several programs the values between are not kept: there floats are random, the others 0.
    """
    interpreter = Interpreter(candidate.path, experimental_preserve_all_tensors=True)
    interpreter.allocate_tensors()
    feed(interpreter, feeds(candidate))
    interpreter.invoke()
    found = {}
    rng = np.random.default_rng(0)
    for t in {*graph.inputs, *(t for op in graph.ops for t in op.outputs if t >= 0)}:
        try:
            found[str(t)] = interpreter.get_tensor(t)
        except ValueError:
            tensor = graph.tensors[t]
            if tensor.dtype in NUMPY_DTYPES:  # no resource
                drawn = rng.standard_normal(tensor.shape) if tensor.dtype == "float32" else np.zeros(tensor.shape)
                found[str(t)] = drawn.astype(tensor.dtype)
    return found


def constants(graph: Graph) -> set[int]:
    """Tensors that are the same in every run: stored ones, and what is computed from nothing else."""
    known = {t for t, tensor in enumerate(graph.tensors) if tensor.is_constant}
    for op in graph.ops:
        if op.inputs and all(t in known or t < 0 for t in op.inputs):
            known.update(op.outputs)
    return known


def alone(graph: Graph, op: Op, constant: set[int]) -> tuple[Graph, list[str]]:
    """The op as a graph of its own with what its constants are made by, and its inputs' numbers in the model."""
    made_by = {t: i for t, i in graph.producers().items() if t in constant}
    numbers = {id(one): i for i, one in enumerate(graph.ops)}
    wanted = [numbers[id(op)]]
    for number in wanted:  # grows
        wanted += [made_by[t] for t in graph.ops[number].inputs if t in made_by]
    ops = [graph.ops[number] for number in sorted(set(wanted))]
    tensors = list(dict.fromkeys(t for one in ops for t in (*one.inputs, *one.outputs) if t >= 0))
    place = {t: i for i, t in enumerate(tensors)} | {-1: -1}
    fed = [t for t in dict.fromkeys(op.inputs) if t >= 0 and t not in constant]
    moved = [_moved(one, place) for one in ops]
    parts = [graph.tensors[t] for t in tensors]
    return Graph(parts, moved, [place[t] for t in fed], [place[t] for t in op.outputs]), [str(t) for t in fed]


def _moved(op: Op, place: Mapping[int, int]) -> Op:
    return Op(
        op.kind,
        tuple(place[t] for t in op.inputs),
        tuple(place[t] for t in op.outputs),
        op.options,
        op.version,
        op.is_custom,
        op.custom_options,
    )


def measure(
    single: tuple[Graph, list[str]], values: Mapping[str, Array], threads: int, effort: Effort
) -> tuple[float, float | None] | None:
    """Ours and the faster of LiteRT's; None where the op cannot run alone."""
    graph, fed = single
    if any(name not in values for name in fed):
        return None
    content = Model.of(graph).to_bytes()
    contestants = {}
    for runtime in (OURS, *RIVALS):
        try:
            interpreter = open_model(runtime, content, threads)
            feed(interpreter, [values[name] for name in fed])
            interpreter.invoke()
            contestants[runtime] = interpreter
        except REFUSALS:
            continue
    if OURS not in contestants:
        return None
    times = interleave([one.invoke for one in contestants.values()], effort)
    seconds = {name: t.median_s for name, t in zip(contestants, times, strict=True)}
    return seconds[OURS], min((seconds[r] for r in RIVALS if r in seconds), default=None)


def signature(op: Op, graph: Graph) -> str:
    given = [graph.tensors[t] for t in (*op.inputs[:2], *op.outputs[:1]) if t >= 0]
    text = " ".join(f"{t.dtype}{'x'.join(map(str, t.shape))}" for t in given)
    for name, short in (("float32", "f"), ("uint8", "u"), ("int8", "i"), ("int16", "s"), ("int32", "l")):
        text = text.replace(name, short)
    options = op.options
    if options.get("stride_h", 1) != 1:
        text += f" /{options['stride_h']}"
    if options.get("dilation_h_factor", 1) != 1:
        text += f" dilated {options['dilation_h_factor']}"
    return text


def report(found: Sequence[Row], top: int) -> str:
    ordered = sorted(found, key=lambda row: -row.loss_s)[:top]
    body = []
    for row in ordered:
        theirs = "-" if row.litert_s is None else f"{row.litert_s * 1e6:.1f}"
        ratio = "-" if row.litert_s is None else f"{row.litert_s / row.ours_s:.2f}"
        rate = f"{row.macs / row.ours_s / 1e9:.0f}" if row.macs else ""
        loss = f"{row.loss_s * 1e6:.1f}"
        body.append([row.op, row.shapes, row.count, f"{row.ours_s * 1e6:.1f}", theirs, ratio, loss, rate])
    headers = ["op", "inputs and output", "times", "ours us", "LiteRT", "ratio", "loss us", "GMAC/s"]
    ours, theirs = sum(row.count * row.ours_s for row in found), sum(row.count * (row.litert_s or 0) for row in found)
    end = f"all: ours {ours * 1e6:.0f} us, LiteRT {theirs * 1e6:.0f} us"
    return table(headers, body, right=range(2, len(headers))) + "\n" + end


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ops", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", metavar="WORD|FILE")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--top", type=int, default=TOP, help=f"show so many, the largest loss first (default {TOP})")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args(argv)
    if not is_litert_there():
        print(INSTALL, file=sys.stderr)
        return 3
    files = [Path(word) for word in arguments.models if Path(word).is_file()]
    words = [word for word in arguments.models if not Path(word).is_file()]
    chosen = candidates(files, (), ()) + (candidates(list(shared(MODELS)), words, ()) if words else [])
    if not chosen:
        print(f"no such model; the shared ones are looked for in {MODELS} (SUBGRAFT_SHARED)", file=sys.stderr)
        return 3
    print(machine.headline())
    document = {}
    with tempfile.TemporaryDirectory() as folder:
        for candidate in chosen:
            effort = QUICK if arguments.quick else EFFORT
            found = list(rows(candidate, arguments.threads, effort, Path(folder)))
            document[candidate.name] = [asdict(row) for row in found]
            print(f"\n{candidate.name}\n{report(found, arguments.top)}", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine.describe(), "models": document}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
