"""What the tests know of the shared models: what each may be fed, and how much its ops multiply."""

from __future__ import annotations

import os
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
for folder in (TESTS, TESTS / "conformance"):
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # they are no package: pytest finds them by pyproject's pythonpath

import op_cases  # noqa: E402
from macs import macs  # noqa: E402
from model_inputs import oracle_model, random_values  # noqa: E402
from model_table import CASES, TOKEN_DTYPES, ModelCase, Values  # noqa: E402

__all__ = [
    "CASES",
    "MODELS",
    "TOKEN_DTYPES",
    "ModelCase",
    "Values",
    "macs",
    "op_cases",
    "oracle_model",
    "random_values",
]

MODELS = Path(os.environ.get("SUBGRAFT_SHARED") or TESTS.parents[1] / "shared") / "models"
