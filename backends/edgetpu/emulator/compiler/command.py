"""The command line of Google's edgetpu_compiler: its options, what it prints, the files that it writes."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from subgraft.backends.edgetpu.emulator.compiler.choosing import MAPPED, Settings
from subgraft.backends.edgetpu.emulator.compiler.compilation import Compilation, compile_models, compile_pipeline
from subgraft.backends.edgetpu.emulator.compiler.errors import CompilationFailed, CompilerError, InvalidModel

VERSION = "16.0.subgraft-stand-in-1"  # the first number tells which options there are
WARNING = "This is subgraft's stand-in for it: what it makes runs on subgraft's emulated Edge TPU only."
BANNER = f"Edge TPU Compiler version {VERSION}\n{WARNING}\n"
DESCRIPTION = f"Does what Google's edgetpu_compiler does. {WARNING}"
OLDEST_RUNTIME, NEWEST_RUNTIME = 10, 14
NOT_ALL = """
Model successfully compiled but not all operations are supported by the Edge TPU. A percentage of the model will \
instead run on the CPU, which is slower. If possible, consider updating your model to use only operations supported \
by the Edge TPU. For details, visit g.co/coral/model-reqs.
Number of operations that will run on Edge TPU: {mapped}
Number of operations that will run on CPU: {others}
"""


class _Parser(argparse.ArgumentParser):
    """Ends with 1, as every failure here."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(1, f"{self.prog}: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compiles; 0 when all files are written, else 1."""
    options = _parser().parse_args(arguments)
    _say(BANNER)
    if options.version:
        return 0
    try:
        _compile(options)
    except InvalidModel as error:
        _say(f"Invalid model: {options.models[error.place]}\n{error}\n")
        return 1
    except CompilerError as error:
        _say(f"Compilation failed: {error}\n")
        _say("Compilation child process completed within timeout period.\nCompilation failed! \n")
        return 1
    except OSError as error:
        _say(f"{error}\n")
        return 1
    _say("Compilation child process completed within timeout period.\nCompilation succeeded! \n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="edgetpu_compiler", usage="%(prog)s [options] model...", description=DESCRIPTION)
    add = parser.add_argument
    add("-i", "--intermediate_tensors", metavar="NAMES", default="", help="after which nothing is mapped, with commas")
    add("-m", "--min_runtime_version", metavar="NUM", type=int, help="the oldest runtime that has to run it, 10 to 14")
    add("-n", "--num_segments", metavar="NUM", type=int, default=1, help="one model as so many files, for a pipeline")
    add("-o", "--out_dir", metavar="DIR", type=Path, default=Path(), help="where files are written")
    add("-s", "--show_operations", action="store_true", help="print the operation log")
    add("-d", "--search_delegate", action="store_true", help="leave ops out until it compiles: it always does")
    add("-k", "--delegate_search_step", metavar="NUM", type=int, default=1, help="how many of them at a time")
    add("-t", "--timeout_sec", metavar="NUM", type=int, default=180, help="how long it may take")
    add("-a", "--enable_multiple_subgraphs", action="store_true", help="map every part of the graph, not the first")
    add("-v", "--version", action="store_true", help="print the version and exit")
    add("models", metavar="model", nargs="*", type=Path)
    return parser


def _compile(options: argparse.Namespace) -> None:
    settings = _settings(options)
    started = time.monotonic()
    contents = [_read(path) for path in options.models]
    if options.search_delegate:
        _say(f"Searching for valid delegate with step {options.delegate_search_step}\n")
    _say(f"Started a compilation timeout timer of {options.timeout_sec} seconds.\n")
    if options.num_segments > 1:
        made = compile_pipeline(contents[0], options.num_segments, settings)
        stem = options.models[0].stem
        sources = [Path(f"{stem}_segment_{i}_of_{len(made)}.tflite") for i in range(len(made))]
        contents *= len(made)
    else:
        made = compile_models(contents, settings)
        sources = options.models
    elapsed = time.monotonic() - started
    if elapsed > options.timeout_sec:
        raise CompilationFailed(f"it took {elapsed:.0f} s")
    plural = "s" if len(made) > 1 else ""
    _say(f"\nModel{plural} compiled successfully in {elapsed * 1000:.0f} ms.\n")
    options.out_dir.mkdir(parents=True, exist_ok=True)
    for source, content, compilation in zip(sources, contents, made, strict=True):
        target = options.out_dir / f"{source.stem}_edgetpu.tflite"
        _write(source, len(content), target, compilation, options.show_operations)


def _settings(options: argparse.Namespace) -> Settings:
    version = options.min_runtime_version
    if not options.models:
        raise CompilationFailed("No model given.")
    if version is not None and not OLDEST_RUNTIME <= version <= NEWEST_RUNTIME:
        raise CompilationFailed(f"Runtime version {version} is not within {OLDEST_RUNTIME} and {NEWEST_RUNTIME}.")
    if options.num_segments < 1:
        raise CompilationFailed(f"Cannot cut a model into {options.num_segments} segments.")
    if options.num_segments > 1 and (len(options.models) > 1 or options.intermediate_tensors):
        raise CompilationFailed("Segments are cut of one model, and not with intermediate tensors.")
    names = tuple(name for name in options.intermediate_tensors.split(",") if name)
    return Settings(version, names, options.enable_multiple_subgraphs)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CompilationFailed(f"Error opening file for reading: {path}") from error


def _write(source: Path, size: int, target: Path, made: Compilation, show_operations: bool) -> None:
    target.write_bytes(made.tflite)
    log = target.with_suffix(".log")
    table = _table(made)
    log.write_text(f"Edge TPU Compiler version {VERSION}\nInput: {source}\nOutput: {target}\n{table}")
    mapped = sum(count for _, count, status in made.operations if status == MAPPED)
    total = sum(count for _, count, _ in made.operations)
    _say(
        f"\nInput model: {source}\nInput size: {_size(size)}\n"
        f"Output model: {target}\nOutput size: {_size(len(made.tflite))}\n"
        f"On-chip memory used for caching model parameters: {_size(made.cached_bytes)}\n"
        f"On-chip memory remaining for caching model parameters: {_size(made.remaining_bytes)}\n"
        f"Off-chip memory used for streaming uncached model parameters: {_size(made.streamed_bytes)}\n"
        f"Number of Edge TPU subgraphs: {made.subgraphs}\n"
        f"Total number of operations: {total}\nOperation log: {log}\n"
    )
    if mapped < total:
        _say(NOT_ALL.format(mapped=mapped, others=total - mapped))
    _say(table if show_operations else "See the operation log file for individual operation details.\n")


def _table(made: Compilation) -> str:
    lines = "".join(f"{kind:<30} {count:<10} {status}\n" for kind, count, status in made.operations)
    return f"\n{'Operator':<30} {'Count':<10} Status\n\n{lines}"


def _size(size_bytes: int) -> str:
    size = float(size_bytes)
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.2f}{unit}"
        size /= 1024
    return f"{size:.2f}GiB"


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
