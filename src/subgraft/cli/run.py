"""subgraft run: one model, its inputs, and what its outputs say."""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subgraft.cli import answers, images, inputs, session_options
from subgraft.cli.exit_codes import ExitCode, UsageError, checked_by_the_library, why
from subgraft.cli.metadata import packed_labels, parse_labels
from subgraft.cli.output import print_json
from subgraft.cli.table import wrapped
from subgraft.interpreter import Model

if TYPE_CHECKING:
    from subgraft import Session
    from subgraft.delegates import Array
    from subgraft.interpreter.profile import Profile


PROFILED_RUNS = 10  # at least, so that the mean says something


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("run", help="run a model once and print what its outputs say")
    parser.add_argument("model", metavar="MODEL", help="a .tflite file")
    inputs.add_arguments(parser)
    group = parser.add_argument_group("answer")
    group.add_argument("--as", dest="kind", choices=answers.KINDS, help="what the outputs are, when it is misread")
    group.add_argument("--labels", metavar="FILE", help="one label a line. Default: those packed with the model")
    group.add_argument("--top", type=int, metavar="K", help="the K best classes (default 5) or boxes (default all)")
    group.add_argument("--threshold", type=float, metavar="S", help="no classes or boxes with a lower score")
    group.add_argument("--output", metavar="DIR", help="write the outputs as .npy, a class map as .png too")
    group.add_argument("--repeat", type=int, default=1, metavar="N", help="run N times and report the times")
    group.add_argument("--profile", action="store_true", help="say where the time goes: segments, ops, kernels")
    group.add_argument("--json", action="store_true", help="print one JSON document")
    session_options.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    if args.repeat < 1 or (args.top is not None and args.top < 1):
        raise UsageError("--repeat and --top count from 1")
    labels = _labels(args)
    model = Model.open(Path(args.model))
    with session_options.open_session(args, model, strict=session_options.is_strict(args)) as session:
        given = inputs.read_inputs(args, session.inputs, model.metadata)
        outputs, times_s = _repeat(session, given.arrays, args.repeat)
        named = list(outputs.items())
        answer = answers.answer(
            model.graphs[0],
            named,
            kind=args.kind,
            labels=labels,
            top=args.top,
            threshold=args.threshold,
            size=given.size,
        )
        files = _write(Path(args.output), named, answer) if args.output else []
        profile = session.profile(given.arrays, runs=max(args.repeat, PROFILED_RUNS)) if args.profile else None
        _print(args, answer, session, times_s, files, profile)
    return ExitCode.OK


def _repeat(session: Session, arrays: Mapping[str, Array], times: int) -> tuple[Mapping[str, Array], Sequence[float]]:
    times_s = []
    with checked_by_the_library():
        for _ in range(times):
            start = time.perf_counter()
            outputs = session.run(arrays)
            times_s.append(time.perf_counter() - start)
    return outputs, times_s


def _labels(args: argparse.Namespace) -> Sequence[str]:
    if args.labels is None:
        return packed_labels(Path(args.model)) or ()
    try:
        return parse_labels(Path(args.labels).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = why(error) if isinstance(error, OSError) else "they are not UTF-8 text"
        raise UsageError(f"cannot read the labels {args.labels}: {reason}") from error


def _write(folder: Path, outputs: Sequence[tuple[str, Array]], answer: answers.Answer) -> list[str]:
    """Files are named by the output's place and name. Raises UsageError when they cannot be written."""
    files = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place, (name, array) in enumerate(outputs):
            path = folder / f"{place}_{re.sub(r'[^A-Za-z0-9._-]+', '_', name)[:100]}.npy"
            np.save(path, array)
            files.append(str(path))
        if isinstance(answer, answers.Segmentation) and answer.classes.max() < 256:
            path = folder / "classes.png"
            images.write_class_map(path, answer.classes, images.palette(256))
            files.append(str(path))
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {why(error)}") from error
    return files


def _print(
    args: argparse.Namespace,
    answer: answers.Answer,
    session: Session,
    times_s: Sequence[float],
    files: Sequence[str],
    profile: Profile | None,
) -> None:
    median_s, least_s = statistics.median(times_s), min(times_s)
    if args.json:
        times = {"runs": len(times_s), "first_s": times_s[0], "median_s": median_s, "least_s": least_s}
        result = {"model": args.model, "answer": answer.to_dict(), "times": times, "files": list(files)}
        if profile is not None:
            result["profile"] = profile.to_dict()
        print_json({**result, "plan": session.plan.to_dict(), "report": session.report.to_dict()})
        return
    print(answer.text())
    summary = session.plan.summary()
    print(f"\n{wrapped(summary if session.plan.graph.name else summary.partition(': ')[2])}")
    for event in session.report.events:
        print(wrapped(event))
    if len(times_s) > 1:
        print(f"{len(times_s)} runs: median {1e3 * median_s:.2f} ms, least {1e3 * least_s:.2f} ms")
    if profile is not None:
        print(profile)
    for path in files:
        print(f"wrote {path}")
