"""Teaches an emulated Coral what compiled models compute, from the uncompiled models that they were made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from subgraft.backends.edgetpu.emulator.device import EmulatedCoral
from subgraft.backends.edgetpu.emulator.numerics import Numerics
from subgraft.backends.edgetpu.emulator.program import EmulatedProgram
from subgraft.backends.edgetpu.errors import WrongTwin
from subgraft.backends.edgetpu.package import CUSTOM_OP, Package, package_of
from subgraft.backends.edgetpu.twin import pair
from subgraft.delegates import Graph, Models


def teach(corals: Sequence[EmulatedCoral], models: Models, compiled: Models) -> None:
    """All of them learn all of it. Without `models` the answers are patterns that mean nothing, and the log says so.

    Weights come from what the device receives, whatever the uncompiled model says of them.
    Raises WrongTwin for a compiled model that was made from none of `models`; PackageError and NeedsNewerRuntime for
    what is no compiled model; ValueError, Unsupported and ModelError for a model that cannot be computed.
    """
    if models and not compiled:
        raise ValueError(
            "uncompiled models alone are not enough; give what was compiled from them as well: --compiled FILE"
        )
    for graph in compiled:
        for program in _programs(graph, models):
            for coral in corals:
                coral.teach(program)


def _programs(compiled: Graph, models: Models) -> Iterator[EmulatedProgram]:
    if not models:
        for op in compiled.ops:
            if op.kind == CUSTOM_OP:
                yield EmulatedProgram(Package.parse(package_of(op)))
        return
    refused: list[WrongTwin] = []
    for graph in models:
        try:
            twin = pair(graph, [compiled])
        except WrongTwin as error:
            refused.append(error)
            continue
        for part in twin.parts:
            yield EmulatedProgram(part.package, Numerics(part.package, part.segment))
        return
    raise (
        refused[0]
        if len(models) == 1
        else WrongTwin(
            f"a compiled model was made from none of the {len(models)} uncompiled ones; of the first: {refused[0]}"
        )
    ) from refused[0]
