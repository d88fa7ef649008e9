"""What a call costs beside LiteRT: on a tiny model set/invoke/get and session.run, on a huge one load to first invoke.

    python -m benchmarks.overhead [--json] [--models FOLDER]

Both runtimes take turns in one process on one thread; the table gives medians over the rounds and their ratio. The
rival is ai_edge_litert with the faster of its default path and its path without delegates.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import subgraft

TINY = "real/hello_world_int8.tflite"
HUGE = "real/lattice_tcditugenmeetpackhref_ls2_nl60_lr12_bs2048_learn.005_ep2400_train1_7_raw.tflite"
RESOLVERS = ("AUTO", "BUILTIN_WITHOUT_DEFAULT_DELEGATES")


@dataclass(frozen=True)
class Row:
    """Medians in microseconds."""

    what: str
    ours_us: float
    litert_us: float

    @property
    def ratio(self) -> float:
        return self.ours_us / self.litert_us


def medians(contestants: Sequence[Callable[[], object]], rounds: int, calls: int) -> list[float]:
    """Microseconds per call of each; they take turns, so that a busy machine slows all of them."""
    times: list[list[float]] = [[] for _ in contestants]
    for _ in range(rounds):
        for i, contestant in enumerate(contestants):
            start = time.perf_counter()
            for _ in range(calls):
                contestant()
            times[i].append((time.perf_counter() - start) / calls * 1e6)
    return [statistics.median(t) for t in times]


def cycle(interpreter: object) -> Callable[[], object]:
    """set_tensor, invoke, get_tensor on an interpreter of either kind."""
    inner = interpreter  # type: ignore[assignment]
    inner.allocate_tensors()  # type: ignore[attr-defined]
    index_in = inner.get_input_details()[0]["index"]  # type: ignore[attr-defined]
    index_out = inner.get_output_details()[0]["index"]  # type: ignore[attr-defined]
    x = np.array([[7]], np.int8)

    def once() -> object:
        inner.set_tensor(index_in, x)  # type: ignore[attr-defined]
        inner.invoke()  # type: ignore[attr-defined]
        return inner.get_tensor(index_out)  # type: ignore[attr-defined]

    return once


def first_invoke(kind: Callable[[], object]) -> Callable[[], object]:
    """From path to the end of the first invoke."""

    def once() -> object:
        interpreter = kind()
        interpreter.allocate_tensors()  # type: ignore[attr-defined]
        interpreter.invoke()  # type: ignore[attr-defined]
        return interpreter

    return once


def measure(models: Path) -> list[Row]:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    def rivals(path: Path) -> list[Callable[[], object]]:
        return [lambda r=r: Interpreter(str(path), experimental_op_resolver_type=OpResolverType[r]) for r in RESOLVERS]

    tiny, huge = models / TINY, models / HUGE
    session = subgraft.load(tiny)
    (name,) = session.inputs
    feed = {name: np.array([[7]], np.int8)}
    ours, run, *theirs = medians(
        [cycle(subgraft.Interpreter(str(tiny))), lambda: session.run(feed), *(cycle(r()) for r in rivals(tiny))],
        rounds=41,
        calls=2000,
    )
    load, *their_load = medians(
        [first_invoke(lambda: subgraft.Interpreter(str(huge))), *(first_invoke(r) for r in rivals(huge))],
        rounds=11,
        calls=1,
    )
    return [
        Row("hello_world_int8: set, invoke, get", ours, min(theirs)),
        Row("hello_world_int8: session.run", run, min(theirs)),
        Row("lattice, 6,092 nodes: path to first invoke", load, min(their_load)),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = os.environ.get("SUBGRAFT_SHARED") or Path(__file__).resolve().parents[2] / "shared"
    parser.add_argument("--models", type=Path, default=Path(default) / "models")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not (arguments.models / TINY).exists():
        print(f"no {TINY} in {arguments.models}", file=sys.stderr)
        return 3
    rows = measure(arguments.models)
    if arguments.json:
        print(json.dumps([{**asdict(row), "ratio": row.ratio} for row in rows], indent=2))
        return 0
    print(f"{'':45}{'ours':>12}{'LiteRT':>12}{'ratio':>8}")
    for row in rows:
        print(f"{row.what:45}{row.ours_us:9.2f} us{row.litert_us:9.2f} us{row.ratio:8.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
