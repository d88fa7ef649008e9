"""What a device computes right: the arithmetic of exact integers, and each inner loop that it claims to have.

Tried once for each device and driver, before it is used the first time; the outcome is kept.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np

from subgraft import _native
from subgraft.backends.opencl.caps import Caps
from subgraft.backends.opencl.compiler import OLDEST, compile_segment, defines, options
from subgraft.backends.opencl.discovery import Found
from subgraft.backends.opencl.errors import translate
from subgraft.backends.opencl.executable import OpenClExecutable
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.ops.loops import LOOPS
from subgraft.backends.opencl.settings import Settings
from subgraft.backends.opencl.source import COMMON
from subgraft.backends.opencl.store import Store, default_folder
from subgraft.backends.opencl.trial import difference, rescaled, rounding_shift, trial
from subgraft.delegates import Array, DelegateError, Rejected, Unavailable

FACT = "self-test"
TIMEOUT_S = 60.0  # a driver that compiles for the first time may take seconds
GROUP = 32
COUNT = 4096  # elements of each try
DOING = "trying what it computes"


@dataclass(frozen=True, slots=True)
class Outcome:
    """passed: inner loops that give the right bits. failed: what is wrong with each other one, or with arithmetic."""

    passed: tuple[str, ...]
    failed: Mapping[str, str]


def loops(opened: Opened) -> tuple[str, ...]:
    """The inner loops that may be used: of those that passed, the ones that the user allows.

    Raises Unavailable for a device that passes none, or does not answer.
    """
    outcome = _known(opened.store, opened.caps)
    if outcome is None:
        outcome = _in_time(opened)
        fact = {"passed": list(outcome.passed), "failed": dict(outcome.failed)}
        opened.store.put_fact(fact, fact_of(opened.caps), opened.caps.identity)
    if not outcome.passed:
        raise Unavailable(f"{opened.where} computes wrongly, so it is not used: {_listed(outcome.failed)}")
    allowed = opened.settings.loops
    chosen = tuple(loop for loop in outcome.passed if not allowed or loop in allowed)
    if not chosen:
        raise Unavailable(
            f"{opened.where} has none of the inner loops {', '.join(allowed)}; it has: {', '.join(outcome.passed)}"
        )
    return chosen


def told(found: Found, settings: Settings) -> str:
    """In a few words, what an earlier self-test found: the inner loops that passed. Opens nothing."""
    store = Store((settings.cache_folder or default_folder()) if settings.cache else None)
    outcome = _known(store, found.caps)
    if outcome is None:
        return "not tried yet"
    if not outcome.passed:
        return f"computes wrongly: {_listed(outcome.failed)}"
    wrong = f"; wrong: {', '.join(outcome.failed)}" if outcome.failed else ""
    return f"ready: {', '.join(outcome.passed)}{wrong}"


def fact_of(caps: Caps) -> str:
    """What the outcome is kept as: that of these kernels and of these loops, so that others are tried anew."""
    return " ".join((FACT, _kernels(), *caps.candidates()))


@cache
def _kernels() -> str:
    """A digest of all kernels' texts."""
    texts = sorted(file.read_bytes() for file in files(__package__).joinpath("kernels").iterdir() if file.is_file())
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def _known(store: Store, caps: Caps) -> Outcome | None:
    fact = store.fact(fact_of(caps), caps.identity)
    if fact is None:
        return None
    passed, failed = fact.get("passed"), fact.get("failed")
    if not isinstance(passed, list) or not isinstance(failed, dict) or not set(passed) <= set(LOOPS):
        return None
    return Outcome(tuple(passed), {str(name): str(why) for name, why in failed.items()})


def _in_time(opened: Opened) -> Outcome:
    """Raises Unavailable for a device that does not answer; what it still does is left to it."""
    outcomes: list[Outcome] = []
    errors: list[BaseException] = []

    def attempt() -> None:
        try:
            outcomes.append(_outcome(opened))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=attempt, name="subgraft-opencl-self-test", daemon=True)
    thread.start()
    thread.join(TIMEOUT_S)
    if errors:
        raise errors[0]
    if not outcomes:
        raise Unavailable(f"{opened.where} did not end its self-test within {TIMEOUT_S:g} s; it is not used")
    return outcomes[0]


def _outcome(opened: Opened) -> Outcome:
    """Raises Unavailable where something breaks, which says nothing of what the device computes."""
    try:
        return _tried(_Attempts(opened))
    except (_native.ClError, MemoryError, DelegateError) as error:
        reason = error.reason if isinstance(error, DelegateError) else translate(error, DOING, opened.where).reason
        raise Unavailable(f"{reason}; it is not used") from error


def _tried(attempts: _Attempts) -> Outcome:
    failed = attempts.arithmetic()
    if failed:
        return Outcome((), failed)
    tried = {loop: attempts.multiplies(loop) for loop in attempts.loops}
    failed = {loop: why for loop, why in tried.items() if why}
    return Outcome(tuple(loop for loop in tried if loop not in failed), failed)


class _Attempts:
    """Runs kernels on values chosen to find what is wrong."""

    def __init__(self, opened: Opened) -> None:
        self.loops = [loop for loop in opened.caps.candidates() if loop in LOOPS]
        self._opened = opened
        self._random = np.random.default_rng(1)
        self._source = defines(opened.caps) + "".join(map(_text, (*COMMON, "selftest")))
        self._trial = trial()

    def arithmetic(self) -> dict[str, str]:
        """By the kernel of selftest.cl, what it got wrong."""
        x, shift = self._accumulators(), self._random.integers(-31, 8, COUNT).astype(np.int32)
        multiplier = self._random.integers(1 << 30, 1 << 31, COUNT).astype(np.int32)
        right = self._random.integers(0, 32, COUNT).astype(np.int32)
        least = np.append((np.arange(-128, 128) - 0.5) / 16, np.inf).astype(np.float32)
        least[0] = -np.inf
        floats = (self._random.integers(-2100, 2100, COUNT) / 256).astype(np.float32)
        table = self._random.permutation(256).astype(np.uint8).view(np.int8)
        keys = np.arange(COUNT, dtype=np.int64).astype(np.int8)
        answers = {
            "rescale": self._differs([x, multiplier, shift], "try_rescale", rescaled(x, multiplier, shift)),
            "shift": self._differs([x, right], "try_shift", rounding_shift(x.astype(np.int64), right)),
            "quantize": self._differs([floats, least], "try_quantize", np.searchsorted(least, floats, "right") - 129),
            "lookup": self._differs([keys, table], "try_lookup", table[keys.view(np.uint8)]),
        }
        self._opened.keep(self._source, OLDEST)
        return {name: why for name, why in answers.items() if why}

    def multiplies(self, loop: str) -> str:
        """What the real kernels get wrong with this inner loop, or why the device does not take them; "": nothing."""
        opened = copy(self._opened)
        opened.caps = opened.caps.with_loops((loop,))
        segment, expected = self._trial.segment, self._trial.expected
        got = [np.zeros_like(one) for one in expected]
        try:
            compiled = compile_segment(segment, opened)
            OpenClExecutable(segment, compiled, opened).run(self._trial.inputs, got)
        except Rejected as error:
            return error.reason
        opened.keep(compiled.source.text, options(opened.caps))
        return next(filter(None, map(difference, got, expected)), "")

    def _accumulators(self) -> Array:
        x = self._random.integers(-(1 << 31), 1 << 31, COUNT).astype(np.int32)
        x[: COUNT // 2] >>= self._random.integers(0, 31, COUNT // 2).astype(np.int32)
        x[:4] = [-(1 << 31), (1 << 31) - 1, 0, -1]
        return x

    def _differs(self, given: Sequence[Array], kernel: str, answer: Array) -> str:
        expected = answer.astype(np.int32)
        context = self._opened.context
        program = self._opened.program(self._source, OLDEST)
        commands = _native.ClCommands(context)
        buffers = [context.buffer(array.nbytes) for array in given]
        result = context.buffer(expected.nbytes)
        for buffer, array in zip(buffers, given, strict=True):
            commands.input(buffer, array.nbytes)
        group = min(GROUP, program.work_group_limit(kernel), self._opened.caps.max_work_group)
        commands.launch(program, kernel, [*buffers, result], (expected.size,), (group,))
        commands.output(result, expected.nbytes)
        got = np.empty_like(expected)
        commands.run(list(given), [got])
        return difference(got, expected)


def _text(name: str) -> str:
    return files(__package__).joinpath("kernels", f"{name}.cl").read_text(encoding="utf-8")


def _listed(failed: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in failed.items())
