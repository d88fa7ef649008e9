"""Which tile and group of a kernel is the fastest on a device: measured once, and remembered."""

from __future__ import annotations

import hashlib
import logging
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TextIO

from subgraft import _native
from subgraft.backends.opencl.caps import Caps
from subgraft.backends.opencl.compiler import defines, geometry, options
from subgraft.backends.opencl.errors import translate
from subgraft.backends.opencl.launch import Argument, In, Int, Launch, Out, Real, Table
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.source import Recorded, source
from subgraft.delegates import Rejected

log = logging.getLogger("subgraft")

FACT = "tuned"
MOST = {"off": 0, "fast": 4, "full": 12}  # candidates of a kernel
RUNS = 3  # of each
GROUPS = (32, 64, 128, 256)  # of kernels that have nothing else to choose
WIDTH = 30  # characters of the progress bar


def tuned(launches: Sequence[Launch], opened: Opened) -> list[Launch]:
    """The launches with what was found the fastest for each; they compute the same.

    What takes longest is tuned first, and what is left when the time is up stays as the rules chose it. Equal kernels
    are tuned once, and what is remembered costs no time. Raises DelegateError for a device that is lost.
    """
    settings = opened.settings
    most = MOST[settings.tune]
    if not most:
        return list(launches)
    chosen = list(launches)
    order = sorted(range(len(launches)), key=lambda n: -launches[n].work.macs - launches[n].work.bytes)
    end = time.monotonic() + settings.tune_s
    with _Progress(opened.where, len(order)) as progress:
        for done, n in enumerate(order):
            candidates = list(islice(_distinct(launches[n], opened.caps), most))
            known = _remembered(launches[n], candidates, opened)
            if known is None and len(candidates) > 1 and time.monotonic() < end:
                known = _fastest(launches[n], candidates, opened)
            chosen[n] = known or launches[n]
            progress.show(done + 1)
    return chosen


def _distinct(launch: Launch, caps: Caps) -> Iterator[Launch]:
    """The launch as it is and its alternatives, each once."""
    seen = set()
    for candidate in (launch, *_alternatives(launch, caps)):
        name = _name(candidate)
        if name not in seen:
            seen.add(name)
            yield candidate


def _alternatives(launch: Launch, caps: Caps) -> Iterable[Launch]:
    """What the op offers, with what was fused into the launch since; else other groups, where a device has any."""
    if launch.variants is not None:
        arrays = {argument.name: argument for argument in launch.arguments if isinstance(argument, In | Out)}
        for variant in launch.variants():
            arguments = tuple(arrays.get(argument.name, argument) for argument in variant.arguments)
            yield replace(
                variant,
                arguments=arguments,
                steps=launch.steps,
                result=launch.result,
                ops=launch.ops,
                work=launch.work,
            )
    elif launch.local is None and not caps.is_cpu and len(launch.items) == 1:  # with one, its text counts on it
        for size in GROUPS:
            if size <= caps.max_work_group:
                yield replace(launch, local=(size,))


def _remembered(launch: Launch, candidates: Sequence[Launch], opened: Opened) -> Launch | None:
    """What an earlier tuning of as many candidates chose."""
    fact = opened.store.fact(f"{FACT} {_key(launch)}", opened.caps.identity)
    tried = fact.get("tried") if fact else None
    if fact is None or not isinstance(tried, int) or tried < len(candidates):
        return None
    return next((candidate for candidate in candidates if _name(candidate) == fact.get("chosen")), None)


def _fastest(launch: Launch, candidates: Sequence[Launch], opened: Opened) -> Launch | None:
    """None where the device takes none of them."""
    times: dict[int, float] = {}
    try:
        made = source(candidates, defines(opened.caps))
        program = opened.context.build(made.text, options(opened.caps))
        buffers = _buffers(candidates, opened)
        for n, recorded in enumerate(made.launches):
            try:
                times[n] = _seconds(recorded, program, buffers, opened)
            except _native.ClError as error:
                log.debug("%s does not run %s: %s", opened.where, _name(candidates[n]), error)
    except (_native.ClError, MemoryError) as error:
        found = translate(error, "tuning its kernels", opened.where)
        if not isinstance(found, Rejected):
            raise found from error
        log.info("%s", found.reason)
    if not times:
        return None
    best = min(times, key=lambda n: times[n])
    fact = {"chosen": _name(candidates[best]), "seconds": times[best], "tried": len(candidates)}
    opened.store.put_fact(fact, f"{FACT} {_key(launch)}", opened.caps.identity)
    log.debug("tuned %s: %.1f us, by rule %.1f us", _name(candidates[best]), times[best] * 1e6, times.get(0, 0) * 1e6)
    return candidates[best]


def _buffers(candidates: Sequence[Launch], opened: Opened) -> dict[int, _native.ClBuffer]:
    """Memory for every array of the candidates, by its key."""
    values = {value.key: value for candidate in candidates for value in (*candidate.reads, *candidate.writes)}
    return {key: opened.context.buffer(max(1, value.bytes)) for key, value in values.items()}


def _seconds(
    recorded: Recorded, program: _native.ClProgram, buffers: Mapping[int, _native.ClBuffer], opened: Opened
) -> float:
    """The best of a few runs by the device's clock. Raises ClError."""
    commands = _native.ClCommands(opened.context)
    given = [value for argument in recorded.arguments for value in _given(argument, buffers, opened)]
    size = geometry(recorded.launch, opened.caps, program.work_group_limit(recorded.kernel))
    commands.launch(program, recorded.kernel, given, *size)
    commands.run([], [])
    return min(commands.profile([], [], 1)[0] for _ in range(RUNS))


def _given(
    argument: Argument, buffers: Mapping[int, _native.ClBuffer], opened: Opened
) -> list[_native.ClBuffer | int | float]:
    match argument:
        case Int(_, whole):
            return [whole]
        case Real(_, real):
            return [float(real)]
        case Table(_, data):
            buffer = opened.context.buffer(max(1, data.nbytes))
            buffer.write(data)
            return [buffer, 0]
        case In(_, value) | Out(_, value):
            return [buffers[value.key], 0]


def _name(launch: Launch) -> str:
    """What tells candidates of one launch apart."""
    return repr((launch.template, sorted(launch.macros.items()), launch.local))


def _key(launch: Launch) -> str:
    """The same for launches that the same choice suits."""
    arguments = [_described(argument) for argument in launch.everything]
    code = [step.code for step in launch.steps]
    text = repr((_name(launch), launch.items, arguments, code))
    return hashlib.sha256(text.encode()).hexdigest()


def _described(argument: Argument) -> object:
    match argument:
        case Int(name, whole):
            return name, whole
        case Real(name, _):
            return name
        case Table(name, data):
            return name, data.dtype.name, data.shape
        case In(name, value) | Out(name, value):
            return name, value.ctype, value.shape


class _Progress:
    """A bar on the terminal that stderr is, and nothing where it is none."""

    def __init__(self, where: str, total: int, stream: TextIO | None = None) -> None:
        self._where = where
        self._total = total
        self._stream = stream or sys.stderr
        self._shows = self._stream.isatty()

    def __enter__(self) -> _Progress:
        return self

    def show(self, done: int) -> None:
        if self._shows:
            bar = "#" * (WIDTH * done // max(1, self._total))
            self._stream.write(f"\rtuning {self._where} [{bar:<{WIDTH}}] {done} of {self._total} kernels")
            self._stream.flush()

    def __exit__(self, *error: object) -> None:
        if self._shows:
            self._stream.write("\n")
