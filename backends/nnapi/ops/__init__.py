"""How ops become NNAPI operations, one family a file. Importing this registers them all (lowering.LOWERINGS)."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

for _module in iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
