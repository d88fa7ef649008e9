"""pyopencl, and the file of libOpenCL that native code opens."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from subgraft.delegates import Unavailable

PACKAGE = "pyopencl"
INSTALL = "pip install 'subgraft[opencl]'"
VARIABLE = "SUBGRAFT_OPENCL"  # names the file of libOpenCL; then nothing else is tried
MAPS = Path("/proc/self/maps")

# libOpenCL.so.1 is the loader's name, or a driver's that has none; Pixel phones and Mali boards have other names.
NAMES = ("libOpenCL.so.1", "libOpenCL.so", "libOpenCL-pixel.so", "libGLES_mali.so", "libmali.so.1", "libmali.so")
LOADED = re.compile(r"(/\S*/libOpenCL[^/\s]*\.so[^/\s]*)$")


def pyopencl() -> Any:
    """The package. Raises Unavailable with the line that installs it."""
    try:
        return importlib.import_module(PACKAGE)
    except ModuleNotFoundError as error:
        if error.name != PACKAGE:
            raise Unavailable(f"pyopencl needs the Python package {error.name!r}; install it with pip") from error
        raise Unavailable(f"OpenCL needs the Python package 'pyopencl': {INSTALL}") from error
    except ImportError as error:  # a wheel for another C library, a file that is missing
        raise Unavailable(f"the Python package 'pyopencl' cannot be loaded: {error}") from error


def libraries(environment: Mapping[str, str] = os.environ, maps: Path = MAPS) -> list[str]:
    """Files of libOpenCL to try, in this order. A handle made through one works through all: it carries its functions.

    The one that pyopencl has brought into this process comes first, so import that before.
    """
    chosen = environment.get(VARIABLE, "")
    return [chosen] if chosen else list(dict.fromkeys([*_mapped(maps), *NAMES]))


def _mapped(maps: Path) -> Sequence[str]:
    """The libOpenCL files in this process, that of pyopencl's wheel before what others have loaded."""
    try:
        lines = maps.read_text(errors="replace").splitlines()
    except OSError:
        return ()  # no Linux
    found = [match[1] for line in lines if (match := LOADED.search(line))]
    return sorted(found, key=lambda file: f"/{PACKAGE}" not in file)
