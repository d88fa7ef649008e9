"""Writes models to a folder, as seeds for fuzz_program: of every tests/op_cases_*.py, and some with sparse weights."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests"


def main(folder: Path) -> None:
    sys.path.insert(0, str(TESTS))
    folder.mkdir(parents=True, exist_ok=True)
    for table in sorted(TESTS.glob("op_cases_*.py")):
        for i, case in enumerate(importlib.import_module(table.stem).CASES):
            model = case.model()
            if len(model) < 200_000:
                (folder / f"{table.stem}_{i}.tflite").write_bytes(model)
    from subgraft.interpreter import Model

    for i, graph in enumerate(importlib.import_module("test_sparse_products").graphs()):
        (folder / f"sparse_{i}.tflite").write_bytes(Model.of(graph).to_bytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
