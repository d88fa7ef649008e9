"""What one core can do at most, measured now: peak.c is compiled with the machine's C compiler and run."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).with_name("peak.c")
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-O3", "-shared", "-fPIC")
WITHOUT_NEW = ("-DWITHOUT_NEW",)  # for compilers that do not know the newest sets
COMPILE_TIMEOUT_S = 60

# The set whose units a kernel of this set and type multiplies with.
UNITS: Mapping[str, Mapping[str, str]] = {
    "float32": {
        "avx2": "avx2", "avxvnni": "avx2", "avx512": "avx512", "avx512vnni": "avx512", "amx": "avx512",
        "neon": "neon", "dotprod": "neon", "i8mm": "neon",
    },
    "int8": {
        "avx2": "avx2", "avxvnni": "avxvnni", "avx512": "avx512", "avx512vnni": "avx512vnni", "amx": "amx",
        "neon": "neon", "dotprod": "dotprod", "i8mm": "i8mm",
    },
}  # fmt: skip


class Peaks:
    """Each figure is measured when it is asked for and then kept. problem: why there are none of products."""

    def __init__(self) -> None:
        self.problem = ""
        self._library: ctypes.CDLL | None = None
        try:
            self._library = _compiled()
        except OSError as error:
            self.problem = str(error)

    @cache  # noqa: B019  (one object for a run)
    def macs_per_s(self, instruction_set: str, dtype: str) -> float | None:
        """None for plain C++, and where the compiler or the processor cannot."""
        unit = UNITS[dtype].get(instruction_set)
        if unit is None or self._library is None:
            return None
        return float(self._library.subgraft_peak(f"{unit} {dtype}".encode())) or None

    @cache  # noqa: B019
    def bytes_per_s(self, size: int) -> float | None:
        """Read and written by a copy that moves `size` bytes in all."""
        return None if self._library is None else float(self._library.subgraft_copy(max(size // 2, 64)))


def _compiled() -> ctypes.CDLL:
    """Raises OSError where there is no compiler or it fails."""
    compiler = next((found for name in COMPILERS if (found := shutil.which(name))), None)
    if compiler is None:
        raise OSError(f"no peaks: none of {', '.join(COMPILERS)} is installed")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "peak.so"
        for more in ((), WITHOUT_NEW):
            command = [compiler, *FLAGS, *more, str(SOURCE), "-o", str(made)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S)
            if done.returncode == 0:
                break
        else:
            raise OSError(f"no peaks: {compiler} does not compile {SOURCE.name}: {done.stderr.strip()}")
        library = ctypes.CDLL(str(made))
    library.subgraft_peak.argtypes = [ctypes.c_char_p]
    library.subgraft_copy.argtypes = [ctypes.c_size_t]
    library.subgraft_peak.restype = library.subgraft_copy.restype = ctypes.c_double
    return library
