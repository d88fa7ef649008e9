"""Results on stdout: as JSON, which has no NaN and no infinity, and what to do when nothing can be written there."""

from __future__ import annotations

import json
import math
from typing import Any, TextIO

from subgraft.cli.exit_codes import UsageError, why


def print_json(result: Any) -> None:
    """One indented document; numbers that JSON cannot hold become the strings "nan", "inf" and "-inf"."""
    print(json.dumps(_plain(result), indent=2, ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


class Results:
    """stdout, whose failures say what failed; that its reader left (BrokenPipeError) stays what it is."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError as error:
            raise _named(error) from error

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            raise _named(error) from error


def _named(error: OSError) -> Exception:
    return error if isinstance(error, BrokenPipeError) else UnwritableResults(f"cannot write to stdout: {why(error)}")


class UnwritableResults(UsageError):
    """The results have nowhere to go; neither has an error in JSON."""
