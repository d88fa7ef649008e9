"""An uncompiled model and what was compiled from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pair:
    """compiled: None: the stand-in compiler makes it, for emulated devices only."""

    model: Path
    compiled: Path | None = None

    @property
    def name(self) -> str:
        return self.model.stem
