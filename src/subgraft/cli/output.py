"""Results on stdout: as JSON, which has no NaN and no infinity."""

from __future__ import annotations

import json
import math
from typing import Any


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
