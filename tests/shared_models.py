"""Where the shared models and pictures lie, and why a test that needs them is skipped."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("SUBGRAFT_SHARED") or Path(__file__).resolve().parents[2] / "shared")
MODELS = SHARED / "models"

needs_shared = pytest.mark.skipif(
    not MODELS.is_dir(), reason=f"no models in {MODELS}; set SUBGRAFT_SHARED to the folder that holds models/"
)
