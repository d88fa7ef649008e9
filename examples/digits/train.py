"""Trains a reader of handwritten digits, writes it as a float and as an int8 model, and measures both.

    pip install subgraft scikit-learn flatbuffers
    python examples/digits/train.py

Overwrites src/subgraft/models/, and RESULTS.md and held_out.npz beside this file. One core, half a minute.
"""

from __future__ import annotations

import argparse
import struct
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import metadata
import numpy as np
import numpy.typing as npt
from dataset import TEST_EVERY, Pictures, load, split
from export import build
from fit import BATCH, EPOCHS, SEED, fit
from network import CLASSES, Parameters, forward
from quantize import Float32, Int8, calibrate
from threadpoolctl import threadpool_limits

import subgraft
from subgraft.delegates import Graph
from subgraft.interpreter.model import Model, Signature

HERE = Path(__file__).parent
SAMPLES_OF_EACH = 3
DESCRIPTION = "Reads one handwritten digit of 8 by 8 pixels. Trained on scikit-learn's digits by subgraft's example."


@dataclass(frozen=True, slots=True)
class Measured:
    """A model's answers to all training and all test pictures."""

    file: Path
    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=HERE.parents[1] / "src/subgraft/models", metavar="DIR")
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md", metavar="FILE")
    args = parser.parse_args()
    train, test = split(load())

    start = time.process_time()
    with threadpool_limits(1):
        parameters = fit(train)
        seconds = time.process_time() - start
        ranges = calibrate(forward(parameters, train.unit))
    measured = []
    for name, numbers in (("digits_float", Float32()), ("digits_int8", Int8(ranges))):
        file = args.output / f"{name}.tflite"
        file.write_bytes(encode(build(parameters, numbers), name))
        measured.append(Measured(file, answers(file, train), answers(file, test)))
    write_samples(args.output / "digits", test)
    np.savez_compressed(HERE / "held_out.npz", grey=test.grey, labels=test.labels.astype(np.uint8), places=test.indices)
    text = report(measured, train, test, parameters, seconds)
    args.results.write_text(text)
    print(text)


def encode(graph: Graph, name: str) -> bytes:
    """The .tflite file: the graph, one signature, and what TFLite's tools want to know."""
    inputs, outputs = ({graph.tensors[t].name: t for t in tensors} for tensors in (graph.inputs, graph.outputs))
    model = Model(
        [graph],
        signatures=(Signature("serving_default", inputs, outputs),),
        metadata={"TFLITE_METADATA": metadata.encode(name, DESCRIPTION)},
        description=DESCRIPTION,
    )
    return metadata.with_labels(model.to_bytes(), [str(digit) for digit in range(CLASSES)])


def answers(file: Path, pictures: Pictures) -> npt.NDArray[np.int64]:
    """The digit that the model sees in each picture, on subgraft's CPU interpreter."""
    with subgraft.load(file) as session:
        images = pictures.unit if "float" in file.stem else (pictures.grey.astype(np.int16) - 128).astype(np.int8)
        results = [session.run({"image": image[None]})["probabilities"] for image in images]
    return np.concatenate(results).argmax(axis=1)


def write_samples(folder: Path, test: Pictures) -> None:
    """The first test pictures of each digit, chosen before anything was known of how the models do on them."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in folder.glob("*.png"):
        file.unlink()
    for digit in range(CLASSES):
        for i in np.flatnonzero(test.labels == digit)[:SAMPLES_OF_EACH]:
            (folder / f"{test.indices[i]:04d}_is_{digit}.png").write_bytes(png(test.grey[i, :, :, 0]))


def png(grey: npt.NDArray[np.uint8]) -> bytes:
    """8 bits of grey, no filters."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    height, width = grey.shape
    header = struct.pack(">II5B", width, height, 8, 0, 0, 0, 0)
    rows = np.pad(grey, ((0, 0), (1, 0))).tobytes()  # each row starts with its filter: none
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def report(
    measured: Sequence[Measured], train: Pictures, test: Pictures, parameters: Parameters, seconds: float
) -> str:
    """RESULTS.md."""
    count = sum(values.size for values in parameters.values())
    rows = [
        f"| `{m.file.name}` | {m.file.stat().st_size:,} | {_share(m.train, train)} | {_share(m.test, test)} |"
        for m in measured
    ]
    missed = [f"| `{m.file.name}` | {_missed(m.test, test)} |" for m in measured]
    same = int((measured[0].test == measured[1].test).sum())
    lines = [
        "# How the digits models do",
        "",
        "Written by `train.py`; do not edit. The models ran on subgraft's CPU interpreter.",
        "",
        "| model | bytes | right on training pictures | right on test pictures |",
        "| --- | ---: | ---: | ---: |",
        *rows,
        "",
        f"The two models give the same answer to {same} of {len(test.labels)} test pictures. {count:,} parameters, "
        f"{EPOCHS} epochs of batches of {BATCH}, seed {SEED}; training took {seconds:.0f} s of one core.",
        "",
        f"Test pictures are those whose place in `sklearn.datasets.load_digits()` is a multiple of {TEST_EVERY}; the "
        "others were trained on. The 13 writers are in both parts, so a stranger's hand may be read less well.",
        "",
        "| model | test pictures it gets wrong (place: what it is, what was read) |",
        "| --- | --- |",
        *missed,
    ]
    return "\n".join(lines) + "\n"


def _share(answers: npt.NDArray[np.int64], pictures: Pictures) -> str:
    right = int((answers == pictures.labels).sum())
    return f"{100 * right / len(answers):.2f} % ({right:,} of {len(answers):,})"


def _missed(answers: npt.NDArray[np.int64], test: Pictures) -> str:
    wrong = np.flatnonzero(answers != test.labels)
    return ", ".join(f"{test.indices[i]}: {test.labels[i]}, {answers[i]}" for i in wrong) or "none"


if __name__ == "__main__":
    main()
