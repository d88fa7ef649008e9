"""load_delegate: a delegate by its name, for Interpreter(experimental_delegates=[...])."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from subgraft.delegates import Unavailable
from subgraft.interpreter import checked
from subgraft.interpreter.discovery import Wanted, find


class Delegate:
    """A delegate and the device it was asked for.

    library: a delegate's name or device string ("fake", "edgetpu:usb:0"); options: what that delegate understands.
    Raises ValueError with the cause, OSError for a library file that is not there.
    """

    def __init__(self, library: str | os.PathLike[str], options: Mapping[str, Any] | None = None) -> None:
        spec = os.fspath(library)
        if os.sep in spec and not Path(spec).exists():
            raise OSError(f"{spec}: cannot open shared object file: No such file or directory")
        try:
            self.wanted: Wanted = find(spec, options)
            # As TFLite does: no device, no delegate. What is found now is chosen again when a model is loaded.
            checked.devices(self.wanted.delegate.name, self.wanted.delegate.devices())
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
