"""What one inference on an Edge TPU costs the host: against a device that takes no time, beside a plain memcpy.

    python -m benchmarks.edgetpu_host [--json] [MODEL...]

The op alone, parameters cached: inputs are staged, instructions and inputs sent, outputs received in tiles and laid out
as the tensors. The null device answers at once with the same bytes, which it copies as a transport does. The memcpy
moves as many bytes: instructions, inputs and outputs, as they go over the wire. Both take turns, call by call.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import subgraft
from subgraft import _native
from subgraft.backends.edgetpu.package import CUSTOM_OP, Package, Program, package_of
from subgraft.backends.edgetpu.scripts import native_script
from subgraft.backends.edgetpu.transfers import Receive, Send, script

MODELS = (
    "mobilenet_v1_0.25_128_quant_edgetpu",
    "mobilenet_v2_1.0_224_quant_edgetpu",
    "deeplabv3_mnv2_dm05_pascal_quant_edgetpu",
    "movenet_single_pose_lightning_ptq_edgetpu",
    "posenet_mobilenet_v1_075_481_641_16_quant_decoder_edgetpu",
)
CALLS, WARM_UP_CALLS = 2000, 100
TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Row:
    """Microseconds of one inference; p50 is the median."""

    model: str
    moved_bytes: int
    p50_us: float
    p99_us: float
    memcpy_p50_us: float
    memcpy_p99_us: float

    @property
    def ratio(self) -> float:
        return self.p50_us / self.memcpy_p50_us


def program_of(path: Path) -> Program:
    """What the one custom op of a compiled model runs for an inference."""
    graph = subgraft.Model.open(path).graphs[0]
    (op,) = (op for op in graph.ops if op.kind == CUSTOM_OP)
    return Package.parse(package_of(op)).inference


def measure(path: Path, calls: int) -> Row:
    program = program_of(path)
    steps, rng = script(program), np.random.default_rng(0)
    answers = [rng.bytes(step.size) for step in steps if isinstance(step, Receive)]
    sent_inputs = sum(isinstance(step, Send) and step.source == "input" for step in steps)
    engine = _native.EdgeTpuEngine(_native.NullDevice(answers, inputs=sent_inputs))
    native = native_script(program)
    inputs = [rng.integers(0, 256, layer.tensor_bytes, np.uint8) for layer in program.inputs]
    outputs = [np.empty(layer.tensor_bytes, np.uint8) for layer in program.outputs]
    moved = sum(step.size for step in steps if isinstance(step, Send | Receive))
    source = rng.integers(0, 256, moved, np.uint8)
    target = np.empty_like(source)
    ours, memcpy = [], []
    for _ in range(WARM_UP_CALLS + calls):
        start = time.perf_counter_ns()
        engine.run(native, inputs, outputs, TIMEOUT_S)
        middle = time.perf_counter_ns()
        np.copyto(target, source)
        end = time.perf_counter_ns()
        ours.append((middle - start) / 1e3)
        memcpy.append((end - middle) / 1e3)
    quantiles = [np.quantile(times[WARM_UP_CALLS:], (0.5, 0.99)).tolist() for times in (ours, memcpy)]
    return Row(path.stem, moved, *quantiles[0], *quantiles[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shared = os.environ.get("SUBGRAFT_SHARED") or Path(__file__).resolve().parents[2] / "shared"
    default = [Path(shared) / "models/edgetpu" / f"{name}.tflite" for name in MODELS]
    parser.add_argument("models", nargs="*", type=Path, default=default)
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if missing := [path for path in arguments.models if not path.exists()]:
        print(f"no {', '.join(map(str, missing))}", file=sys.stderr)
        return 3
    rows = [measure(path, arguments.calls) for path in arguments.models]
    if arguments.json:
        print(json.dumps([{**asdict(row), "ratio": row.ratio} for row in rows], indent=2))
        return 0
    print(f"{'':59}{'moved':>12}{'p50':>9}{'p99':>9}{'memcpy p50':>13}{'p99':>9}{'ratio':>8}")
    for row in rows:
        times = f"{row.p50_us:9.1f}{row.p99_us:9.1f}{row.memcpy_p50_us:13.1f}{row.memcpy_p99_us:9.1f}"
        print(f"{row.model:59}{row.moved_bytes:10} B{times}{row.ratio:8.2f}")
    print("microseconds; an emulated device without numerics: no claim about a real one")
    return 0


if __name__ == "__main__":
    sys.exit(main())
