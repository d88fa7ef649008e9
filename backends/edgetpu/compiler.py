"""Google's `edgetpu_compiler`, as a program on this machine: its command line, what it prints, its version."""

from __future__ import annotations

import logging
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from subgraft.delegates import Rejected

log = logging.getLogger("subgraft")

PROGRAM = "edgetpu_compiler"
GIVE = 'compiled={"edgetpu": FILE} or --compiled FILE'
VERSION_TIMEOUT_S = 20.0
FIRST_WITH_TIMEOUT = 16  # before, --timeout_sec is an unknown option
GRACE_S = 10  # between the compiler's own deadline and ours
MOST_OUTPUT_BYTES = 1 << 20  # of what it prints; the rest is not read
MOST_LINES_SHOWN = 3

VERSION = re.compile(r"^Edge TPU Compiler version (\d+)(\.\S+)?", re.MULTILINE)
MAPPED = "Mapped to Edge TPU"
# A line of the operation log: the op, how many of them, and what became of them.
OPERATION = re.compile(r"^([A-Za-z0-9_]+)\s+(\d+)\s+(\S.*?)\s*$", re.MULTILINE)
SUBGRAPHS = re.compile(r"^Number of Edge TPU subgraphs: (\d+)", re.MULTILINE)
# What it says when it fails, the most telling first; the text behind is the reason.
COMPLAINTS = (
    re.compile(r"^Invalid model: [^\n]*\n+(?P<why>[^\n]+)", re.MULTILINE),
    re.compile(r"^(?P<why>ERROR: (?!Restored original execution plan)[^\n]+)", re.MULTILINE),
    re.compile(r"^Compilation failed: (?P<why>[^\n]+)", re.MULTILINE),
    re.compile(r"(?P<why>terminating with uncaught exception[^\n]*)", re.MULTILINE),
    re.compile(r"^(?P<why>Internal compiler error)", re.MULTILINE),
    re.compile(r"^(?P<why>Invalid model)", re.MULTILINE),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of the operation log."""

    kind: str
    count: int
    status: str

    @property
    def is_mapped(self) -> bool:
        return self.status == MAPPED

    def __str__(self) -> str:
        return f"{self.kind} ({self.count}): {self.status}"


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the compiler made of a model.

    tflite: the file with its edgetpu-custom-ops, and whatever it left to the CPU.
    operations: its log, for people: it counts kinds and does not tell which op of a kind it means.
    """

    tflite: bytes
    operations: tuple[Operation, ...] = ()


@dataclass(frozen=True, slots=True)
class Compiler:
    """One program that calls itself the Edge TPU compiler.

    command: what starts it. version: as it says, "16.0.384591198".
    """

    command: tuple[str, ...]
    version: str

    @classmethod
    def find(cls, named: str = "") -> Compiler:
        """The program of this name or path; "": the one on PATH. Raises Rejected with what to do without."""
        path = shutil.which(named or PROGRAM)
        if path is None:
            missing = f"there is no program {named!r}" if named else f"there is no {PROGRAM} on PATH"
            raise Rejected(f"not compiled for the Edge TPU, and {missing}; compile it elsewhere and give {GIVE}")
        return cls.of((path,))

    @classmethod
    def of(cls, command: Sequence[str]) -> Compiler:
        """Asks the program for its version. Raises Rejected for one that is no Edge TPU compiler."""
        with tempfile.TemporaryDirectory(prefix="subgraft-edgetpu-") as folder:
            code, text = _run((*command, "--version"), Path(folder), VERSION_TIMEOUT_S)
        found = VERSION.search(text)
        if found is None:
            said = _shown(text) or (f"exit code {code}" if code is not None else "no answer")
            raise Rejected(f"{command[0]} does not say that it is the Edge TPU compiler; it says: {said}")
        return cls(tuple(command), found[1] + (found[2] or ""))

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    def compile(self, tflites: Sequence[bytes], timeout_s: float) -> list[Compiled]:
        """Compiles models in a folder of their own; several share the memory for parameters, and so live side by side.

        Raises Rejected with the compiler's reason.
        """
        with tempfile.TemporaryDirectory(prefix="subgraft-edgetpu-") as name:
            folder = Path(name)
            models = [folder / f"segment_{number}.tflite" for number in range(len(tflites))]
            for path, tflite in zip(models, tflites, strict=True):
                path.write_bytes(tflite)
            arguments = self._arguments([path.name for path in models], timeout_s)
            code, text = _run((*self.command, *arguments), folder, timeout_s + GRACE_S)
            log.debug("%s %s says:\n%s", self.command[0], self.version, text)
            written = [path.with_name(f"{path.stem}_edgetpu.tflite") for path in models]
            if code != 0 or not all(path.is_file() for path in written):
                raise Rejected(f"{PROGRAM} {self.version} did not compile it: {_complaint(code, text, timeout_s)}")
            made = [Compiled(path.read_bytes(), tuple(_operations(_log(path, text)))) for path in written]
            if any(int(count) == 0 for count in SUBGRAPHS.findall(text)):
                lines = [str(one) for each in made for one in each.operations if not one.is_mapped]
                why = "; ".join(lines[:MOST_LINES_SHOWN]) or "it does not say why"
                raise Rejected(f"{PROGRAM} {self.version} mapped nothing of it to the Edge TPU: {why}")
            return made

    def _arguments(self, models: Sequence[str], timeout_s: float) -> tuple[str, ...]:
        deadline = ("--timeout_sec", str(max(1, round(timeout_s)))) if self.major >= FIRST_WITH_TIMEOUT else ()
        return ("--show_operations", *deadline, "--out_dir", ".", *models)


def _log(written: Path, text: str) -> str:
    """The operation log of one model, which the compiler also prints."""
    path = written.with_suffix(".log")
    if not path.is_file():
        return text
    with path.open("rb") as file:
        return file.read(MOST_OUTPUT_BYTES).decode(errors="replace")


def _run(command: Sequence[str], folder: Path, timeout_s: float) -> tuple[int | None, str]:
    """Its exit code, or None when its time was up, and what it printed. Nothing of it is left running."""
    output = folder / "output.txt"
    with output.open("wb") as stream:
        try:
            process = subprocess.Popen(
                command,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise Rejected(f"{command[0]} cannot be started: {error.strerror or error}") from error
        try:
            code: int | None = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            _end(process)
    with output.open("rb") as written:
        return code, written.read(MOST_OUTPUT_BYTES).decode(errors="replace")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the program with its children: the compiler works in one."""
    with suppress(ProcessLookupError, PermissionError):  # all of them ended by themselves
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _operations(text: str) -> Iterator[Operation]:
    """The lines of the table under the heading "Operator  Count  Status"."""
    _, heading, table = text.partition("Operator")
    if heading:
        for kind, count, status in OPERATION.findall(table):
            yield Operation(kind, int(count), status)


def _complaint(code: int | None, text: str, timeout_s: float) -> str:
    """Why it failed, in its own words where it has any."""
    if code is None:
        return f"it was not done after {timeout_s + GRACE_S:g} s; give it more with the option compile_timeout_s"
    for pattern in COMPLAINTS:
        found = pattern.search(text)
        if found:
            return found["why"].strip().rstrip(".!")
    ended = f"it was ended by signal {-code}" if code < 0 else f"it ended with {code}"
    said = _shown(VERSION.sub("", text))
    return f"{ended}{f' and said: {said}' if said else ' and wrote no model'}"


def _shown(text: str) -> str:
    """Its last lines, in one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-MOST_LINES_SHOWN:])[:500]
