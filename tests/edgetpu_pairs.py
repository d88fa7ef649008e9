"""The compiled models that are shared, and what each was made from."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from shared_models import MODELS
from subgraft.backends.edgetpu.package import CUSTOM_OP, Package, package_of
from subgraft.delegates import Graph
from subgraft.interpreter.services import main_graphs

FOLDER = MODELS / "edgetpu"

# Compiled for 0.5_160 as another release of it has it: 275 of its weights differ by one from those of the release here.
OTHER_RELEASE = "mobilenet_v1_0.5_160_quant_cocompiled_with_mobilenet_v1_0.25_128_quant"


def source(name: str) -> Path:
    return FOLDER / f"{name.partition('_cocompiled_with')[0]}.tflite"


def compiled(name: str) -> Path:
    return FOLDER / f"{name}_edgetpu.tflite"


def names() -> list[str]:
    """Of pairs that belong together, and OTHER_RELEASE."""
    stems = sorted(path.name.removesuffix("_edgetpu.tflite") for path in FOLDER.glob("*_edgetpu.tflite"))
    return [stem for stem in stems if source(stem).is_file()]


TRUE_PAIRS = [name for name in names() if name != OTHER_RELEASE]


@cache
def graph(path: Path) -> Graph:
    return main_graphs(path)[0]


def package(name: str) -> Package:
    return Package.parse(package_of(next(op for op in graph(compiled(name)).ops if op.kind == CUSTOM_OP)))
