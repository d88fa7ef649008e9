"""Rooms import downwards only, as the table in CONTRIBUTING.md says."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP = {"subgraft": ROOT / "src" / "subgraft", **{r: ROOT / r for r in ("delegates", "partitioner", "interpreter")}}
MAY_IMPORT = {
    "delegates": {"delegates"},
    "partitioner": {"partitioner", "delegates"},
    "interpreter": {"interpreter", "partitioner", "delegates", "_native"},
    "subgraft": {"subgraft", "interpreter", "partitioner", "delegates", "_native"},
}
BACKENDS = sorted(path for path in (ROOT / "backends").iterdir() if (path / "__init__.py").is_file())
PURE = {"numpy", "subgraft", *sys.stdlib_module_names}  # what the contract and the partitioner may need


def imported(source: str) -> Iterator[str]:
    """Full names of everything that the source imports, at any depth: `from a import b` gives "a.b"."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield from (f"{prefix}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and _called(node.func) in ("import_module", "__import__") and node.args:
            argument = node.args[0]
            yield argument.value if isinstance(argument, ast.Constant) else "?"


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def room_of(name: str) -> str | None:
    """The room that an import reaches; None for other packages. The facade's own modules are "subgraft"."""
    package, _, rest = name.partition(".")
    if package != "subgraft":
        return None
    first, _, below = rest.partition(".")
    if first == "backends":
        return f"backends.{below.partition('.')[0]}"
    return first if first in ("delegates", "partitioner", "interpreter", "_native") else "subgraft"


def offences(source: str, allowed: set[str]) -> list[str]:
    found = []
    for name in imported(source):
        if name.startswith("."):
            found.append(f"{name}: relative, write the full name")
        elif name.partition(".")[0] in ("delegates", "partitioner", "interpreter", "backends", "_native"):
            found.append(f"{name}: not installed under this name, write subgraft.{name}")
        elif (room := room_of(name)) is not None and room not in allowed:
            found.append(f"{name}: may import {', '.join(sorted(allowed))} only")
    return found


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_imports_downwards_only(room: str) -> None:
    found = {
        str(path.relative_to(ROOT)): wrong
        for path in TOP[room].rglob("*.py")
        if (wrong := offences(path.read_text(), MAY_IMPORT[room]))
    }
    assert found == {}


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda path: path.name)
def test_a_backend_imports_the_contract_and_native_code_only(backend: Path) -> None:
    allowed = {f"backends.{backend.name}", "delegates", "_native"}
    found = {p.name: wrong for p in backend.rglob("*.py") if (wrong := offences(p.read_text(), allowed))}
    assert found == {}


@pytest.mark.parametrize("room", ["delegates", "partitioner"])
def test_the_contract_and_the_partitioner_need_numpy_and_nothing_else(room: str) -> None:
    foreign = {
        name
        for path in TOP[room].rglob("*.py")
        for name in imported(path.read_text())
        if name.partition(".")[0] not in PURE
    }
    assert foreign == set()


@pytest.mark.parametrize(
    "source",
    [
        "import delegates",
        "from delegates import Op",
        "from . import graph",
        "import subgraft.interpreter",
        "from subgraft import interpreter",
        "def late():\n    from subgraft.backends.fake import Fake",
        "import importlib\nimportlib.import_module('subgraft.interpreter.session')",
        "from subgraft import load",
    ],
)
def test_an_upward_import_is_seen(source: str) -> None:
    assert offences(source, MAY_IMPORT["partitioner"])


def test_importing_the_package_loads_no_backend_and_no_optional_library() -> None:
    script = "import sys, subgraft, subgraft.cli; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in loaded if name.startswith("subgraft.backends") or name == "PIL"] == []
