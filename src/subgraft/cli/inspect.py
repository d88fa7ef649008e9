"""subgraft inspect: what is in a file, and how the CPU would run it. Needs no device."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from subgraft.cli.exit_codes import ExitCode
from subgraft.cli.facts import model_facts
from subgraft.cli.output import print_json
from subgraft.cli.table import table, wrapped
from subgraft.interpreter import Model, warnings_by_kind

SHOWN_ROWS = 40  # of a list, without --all

Facts = Mapping[str, Any]


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("inspect", help="show what is in a model, and its memory plan on the CPU")
    parser.add_argument("model", metavar="MODEL", help="a .tflite file")
    parser.add_argument("--all", action="store_true", help=f"whole lists, not their first {SHOWN_ROWS} lines")
    parser.add_argument("--json", action="store_true", help="print one JSON document; its lists are always whole")


def run(args: argparse.Namespace) -> int:
    path = Path(args.model)
    facts = model_facts(Model.open(path))
    if args.json:
        print_json({"model": args.model, "bytes": path.stat().st_size, **facts})
    else:
        for line in _lines(args.model, path.stat().st_size, facts, None if args.all else SHOWN_ROWS):
            print(line)
    return ExitCode.OK


def _lines(name: str, size: int, facts: Facts, limit: int | None) -> Iterator[str]:
    yield wrapped(f"{name}: {_bytes(size)}, schema version {facts['version']}")
    if facts["description"]:
        yield wrapped(f"description: {facts['description']}")
    for warning, count in warnings_by_kind(facts["warnings"]):
        more = f" (and {count - 1} more of this kind; --json has them)" if count > 1 else ""
        yield wrapped(f"warning: {warning}{more}")
    yield from _section("signatures", _signatures(facts["signatures"]))
    yield from _section("metadata", _metadata(facts["metadata"]))
    for graph in facts["graphs"]:
        yield from _graph(graph, limit)
    yield from _section("memory of the main graph on the CPU", _memory(facts, limit))


def _graph(graph: Facts, limit: int | None) -> Iterator[str]:
    tensors, ops = graph["tensors"], graph["ops"]
    constants = sum(t["constant_bytes"] or 0 for t in tensors)
    title = f"graph {graph['index']} {graph['name']}".rstrip()
    yield ""
    yield wrapped(f"== {title}: {len(ops)} ops, {len(tensors)} tensors, {_bytes(constants)} of constants")
    for side in ("inputs", "outputs"):
        yield from _section(side, _tensor_table([tensors[t] for t in graph[side]], limit))
    yield from _section("ops by kind", _kinds(graph["kinds"]))
    rows = [(op["index"], op["kind"], _list(op["inputs"]), _list(op["outputs"]), _options(op)) for op in ops]
    yield from _section("ops", _table(("op", "kind", "inputs", "outputs", "options"), rows, (0,), limit))
    yield from _section("tensors", _tensor_table(tensors, limit))


def _section(title: str, text: str) -> Iterator[str]:
    if text:
        yield f"\n{title}"
        yield text


def _table(headers: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[int], limit: int | None) -> str:
    if not rows:
        return ""
    shown = rows[:limit]
    cut = [f"... and {len(rows) - len(shown)} more; --all shows them"] if len(shown) < len(rows) else []
    return "\n".join([table(headers, shown, right=right), *cut])


def _signatures(signatures: Sequence[Facts]) -> str:
    rows = [(s["key"], s["graph"], side, alias, t) for s in signatures for side in ("inputs", "outputs")
            for alias, t in s[side].items()]  # fmt: skip
    return _table(("signature", "graph", "", "name", "tensor"), rows, (1, 4), None)


def _metadata(metadata: Sequence[Facts]) -> str:
    rows = [(m["name"], m["bytes"], m["text"] or "") for m in metadata]
    return _table(("name", "bytes", "text"), rows, (1,), None)


def _kinds(kinds: Sequence[Facts]) -> str:
    rows = [(k["count"], k["kind"], k["version"], "yes" if k["kernel"] else "NONE") for k in kinds]
    return _table(("count", "kind", "version", "CPU kernel"), rows, (0, 2), None)


def _tensor_table(tensors: Sequence[Facts], limit: int | None) -> str:
    rows = [(t["index"], t["dtype"], _shape(t), _use(t), _quantization(t["quantization"]), t["name"]) for t in tensors]
    return _table(("tensor", "type", "shape", "use", "quantization", "name"), rows, (0,), limit)


def _memory(facts: Facts, limit: int | None) -> str:
    memory = facts["memory"]
    if "unsupported" in memory:
        return wrapped(f"cannot run: {memory['unsupported']}")
    if "unplanned" in memory:
        return wrapped(memory["unplanned"])
    arena = f"arena {_bytes(memory['arena_bytes'])} (lower bound {_bytes(memory['live_bytes'])})"
    sizes = (("scratch", "scratch_bytes"), ("constants computed at load", "folded_bytes"))
    summary = ", ".join([arena, *(f"{what} {_bytes(memory[key])}" for what, key in sizes)])
    names = [tensor["name"] for tensor in facts["graphs"][0]["tensors"]]
    rows = [
        (p["offset"], p["bytes"], _life(p), p["tensor"], names[p["tensor"]])
        for p in sorted(memory["placements"], key=lambda p: (p["offset"], p["first_op"] or 0))
    ]
    places = _table(("offset", "bytes", "from op", "tensor", "name"), rows, (0, 1, 2, 3), limit)
    return f"{summary}\n{places}".rstrip()


def _shape(tensor: Facts) -> str:
    return "x".join(map(str, tensor["shape_signature"] or tensor["shape"])) or "scalar"


def _use(tensor: Facts) -> str:
    if tensor["constant_bytes"] is not None:
        return "sparse" if tensor["sparse"] else "constant"
    return "variable" if tensor["variable"] else ""


def _quantization(quantization: Facts | None) -> str:
    if quantization is None:
        return ""
    if quantization["block_size"]:
        return f"blocks of {quantization['block_size']}"
    scales, zero_points = quantization["scales"], quantization["zero_points"]
    if len(scales) > 1:
        return f"{len(scales)} scales, axis {quantization['axis']}"
    return f"{scales[0]:g} ({zero_points[0] if zero_points else 0})"


def _options(op: Facts) -> str:
    """Those that say something; --json has them all."""
    if op["custom_options_bytes"]:
        return f"custom, {op['custom_options_bytes']} bytes"
    telling = [(name, value) for name, value in op["options"].items() if not _is_plain(name, value)]
    return ", ".join(value if isinstance(value, str) else f"{name}={value}" for name, value in telling)


def _is_plain(name: str, value: object) -> bool:
    if name.startswith(("dilation", "depth_multiplier")):
        return value == 1
    return value in ("NONE", "DEFAULT", 0) or name in ("quantized_bias_type", "pot_scale_int16")


def _life(place: Facts) -> str:
    first = "start" if place["first_op"] is None else place["first_op"]
    return f"{first} to {'end' if place['last_op'] is None else place['last_op']}"


def _list(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _bytes(size: int) -> str:
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1e3:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"
