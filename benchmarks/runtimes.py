"""Who is compared: our interpreter, and LiteRT's with and without its default delegate, which is XNNPACK."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from subgraft.delegates import Array

OURS = "subgraft"
XNNPACK, BUILTIN = "AUTO", "BUILTIN_WITHOUT_DEFAULT_DELEGATES"  # names of LiteRT's OpResolverType
RIVALS = (XNNPACK, BUILTIN)
TITLES = {OURS: "subgraft", XNNPACK: "LiteRT with XNNPACK", BUILTIN: "LiteRT without delegates"}

# What an interpreter raises for a model that it cannot run.
REFUSALS = (ValueError, RuntimeError)

INSTALL = "needs ai-edge-litert to compare with; pip install -r tests/requirements.txt"


def is_litert_there() -> bool:
    return importlib.util.find_spec("ai_edge_litert") is not None


def load_module(runtime: str) -> None:
    """Imports what `open_model` needs, so that this is in nobody's times."""
    importlib.import_module("subgraft" if runtime == OURS else "ai_edge_litert.interpreter")


def open_model(runtime: str, source: Path | bytes, threads: int) -> Any:
    """An interpreter with its tensors allocated. Raises one of REFUSALS."""
    given = {"model_path": str(source)} if isinstance(source, Path) else {"model_content": source}
    if runtime == OURS:
        from subgraft import Interpreter as Ours

        interpreter: Any = Ours(**given, num_threads=threads)
    else:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        resolver = OpResolverType[runtime]
        interpreter = Interpreter(**given, num_threads=threads, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    return interpreter


def feed(interpreter: Any, values: Sequence[Array]) -> None:
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(detail["index"], value)


def reason(error: Exception) -> str:
    """Why a model was refused, in one line: LiteRT repeats itself and adds where to read more."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
