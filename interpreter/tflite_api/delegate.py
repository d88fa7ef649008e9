"""load_delegate: a delegate by its name, for Interpreter(experimental_delegates=[...])."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from subgraft.delegates import Unavailable
from subgraft.interpreter.discovery import Wanted, choose, find
from subgraft.interpreter.tflite_api import libedgetpu


class Delegate:
    """A delegate and the device it was asked for.

    library: a delegate's name or device string ("fake", "edgetpu:usb:0"), or "libedgetpu.so.1", in whose stead
    subgraft's own driver is taken. options: what that delegate understands.
    Raises ValueError with the cause, OSError for a library file that is not there.
    """

    def __init__(self, library: str | os.PathLike[str], options: Mapping[str, Any] | None = None) -> None:
        spec = os.fspath(library)
        ours = libedgetpu.translate(spec, options)
        if ours is not None:
            spec, options = ours
        elif os.sep in spec and not Path(spec).exists():
            raise OSError(f"{spec}: cannot open shared object file: No such file or directory")
        try:
            self.wanted: Wanted = find(spec, options)
            choose(self.wanted)  # as TFLite does: no device, no delegate. It is chosen again when a model is loaded
        except Unavailable as error:
            raise ValueError(error.reason) from error


def load_delegate(library: str | os.PathLike[str], options: Mapping[str, Any] | None = None) -> Delegate:
    """The delegate of this name or device string, opened with these options.

    Raises ValueError("Failed to load delegate from ...") with the cause and the cure.
    """
    try:
        return Delegate(library, options)
    except ValueError as error:
        raise ValueError(f"Failed to load delegate from {os.fspath(library)}\n{error}") from error
