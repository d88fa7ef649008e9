"""Whether a user's name of an op kind means anything."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native


def check(names: Iterable[object], model: Model, argument: str) -> None:
    """Raises ValueError for a name that is no op of the schema and not in the model, with the one probably meant."""
    unknown = [name for name in names if not is_in_schema(name)]
    if not unknown:
        return
    own = {op.kind for graph in model.graphs for op in graph.ops}
    for name in unknown:
        if name not in own:
            raise ValueError(f"{argument} names {name!r}, which is no op{_meant(str(name), own)}")


def is_in_schema(name: object) -> bool:
    try:
        _native.Draft().add_opcode(str(name), False, 1)
    except ValueError:
        return False
    return isinstance(name, str)


def _meant(name: str, own: Collection[str]) -> str:
    same = [kind for kind in own if kind.lower() == name.lower()]
    if not same and is_in_schema(name.upper()):
        same = [name.upper()]
    close = same or difflib.get_close_matches(name.upper(), [*own, *_native.kernel_names()], 1)
    return f"; did you mean {close[0]}?" if close else f"; this model's ops are {', '.join(sorted(own)) or 'none'}"
