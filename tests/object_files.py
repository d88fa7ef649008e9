"""What the object files of kernels for instruction sets define."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

VARIANT = re.compile(r"_(avx2|avxvnni|avx512|avx512vnni|amx|neon|dotprod|i8mm)\.cpp\.o$")
# nm's letters for definitions that the linker may replace with another file's: weak, unique and common ones.
REPLACEABLE = re.compile(r"^[0-9a-f]* *[WVuC] (.*)$", re.MULTILINE)


def replaceable_symbols(build: Path, nm: str) -> dict[str, list[str]]:
    """Of each object of a variant in this build folder."""
    found = {}
    for path in build.rglob("micro/*.o"):
        if VARIANT.search(path.name):
            listing = subprocess.run([nm, "-C", str(path)], check=True, capture_output=True, text=True).stdout
            found[path.name] = REPLACEABLE.findall(listing)
    return found
