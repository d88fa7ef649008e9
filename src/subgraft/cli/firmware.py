"""subgraft firmware: gets the image that a Coral USB Accelerator needs before it is one."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from subgraft.cli.exit_codes import CheckFailed, ExitCode, UsageError, why
from subgraft.cli.output import print_json
from subgraft.cli.tools import tool
from subgraft.delegates import Unavailable

BAR_CELLS = 30


class Obtained(Protocol):
    """An image that is kept on this machine."""

    path: Path
    sha256: str
    size_bytes: int
    source: str


class Tool(Protocol):
    """What this verb needs of the backend's module."""

    URL: str
    WrongImage: type[Unavailable]

    def kept(self, sha256: str) -> Obtained | None: ...
    def from_file(self, path: Path, sha256: str) -> bytes: ...
    def from_libraries(self) -> tuple[bytes, Path] | None: ...
    def download(self, url: str, tell: Callable[[int, int], None], sha256: str) -> bytes: ...
    def keep(self, image: bytes, source: str) -> Obtained: ...
    def known_sha256(self) -> str: ...


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "firmware",
        help="get the firmware of the Coral USB Accelerator",
        description="Keeps the image that a Coral USB Accelerator is given when it was just plugged in. Without "
        "options: the one kept already, else the one in an installed libedgetpu, else one from Coral's repository.",
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--file", metavar="FILE", help="take it from this file: an image, or a libedgetpu")
    source.add_argument("--url", metavar="URL", help="download it from here and nowhere else")
    source.add_argument("--offline", action="store_true", help="download nothing")
    parser.add_argument("--sha256", metavar="HEX", help="of an image that subgraft does not know")
    parser.add_argument("--no-progress", action="store_true", help="draw no bar while downloading")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Raises CheckFailed for another image than the wanted, Unavailable where there is none."""
    firmware: Tool = tool("edgetpu.firmware")
    try:
        obtained = _obtain(firmware, args, args.sha256.lower() if args.sha256 else firmware.known_sha256())
    except firmware.WrongImage as error:
        raise CheckFailed(str(error)) from error
    except OSError as error:
        raise UsageError(f"cannot write {error.filename or 'the firmware'}: {why(error)}") from error
    result = {"path": str(obtained.path), "sha256": obtained.sha256, "bytes": obtained.size_bytes}
    if args.json:
        print_json({**result, "source": obtained.source})
    else:
        print(f"{obtained.path}\n  {obtained.size_bytes} bytes, sha256 {obtained.sha256}\n  {obtained.source}")
    return ExitCode.OK


def _obtain(firmware: Tool, args: argparse.Namespace, sha256: str) -> Obtained:
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise UsageError(f"--sha256 {sha256!r} is no sha256: that is 64 hexadecimal digits")
    if args.file:
        return firmware.keep(_from_file(firmware, Path(args.file), sha256), f"from the file {args.file}")
    if args.url:
        return _download(firmware, args, args.url, sha256)
    kept = firmware.kept(sha256)
    if kept:
        return kept
    found = None if args.sha256 else firmware.from_libraries()
    if found:
        return firmware.keep(found[0], f"from the library {found[1]}")
    if args.offline:
        raise Unavailable(
            "there is no firmware here and no libedgetpu that has it; fetch it elsewhere from "
            f"{firmware.URL} and name it with --file"
        )
    return _download(firmware, args, firmware.URL, sha256)


def _from_file(firmware: Tool, path: Path, sha256: str) -> bytes:
    try:
        return firmware.from_file(path, sha256)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {why(error)}") from error


def _download(firmware: Tool, args: argparse.Namespace, url: str, sha256: str) -> Obtained:
    with _Bar(shown=_has_bar(args)) as bar:
        image = firmware.download(url, bar.tell, sha256)
    return firmware.keep(image, f"downloaded from {url}")


def _has_bar(args: argparse.Namespace) -> bool:
    """Only for somebody who watches."""
    quiet = args.no_progress or getattr(args, "quiet", False) or os.environ.get("CI") or os.environ.get("NO_COLOR")
    return sys.stderr.isatty() and not quiet


class _Bar:
    """How far the download is, in one line on stderr that is gone at the end."""

    def __init__(self, *, shown: bool) -> None:
        self._shown = shown

    def __enter__(self) -> _Bar:
        return self

    def tell(self, done: int, of: int) -> None:
        if self._shown:
            share = min(1.0, done / of) if of else 0.0
            bar = "#" * round(BAR_CELLS * share)
            sys.stderr.write(f"\r[{bar:<{BAR_CELLS}}] {done} bytes ")
            sys.stderr.flush()

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
