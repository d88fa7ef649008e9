"""What a device computes right: the arithmetic of exact integers, and each inner loop that it claims to have.

Tried once for each device and driver, before it is used the first time; the outcome is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from subgraft import _native
from subgraft.backends.opencl.caps import LOOPS, Caps
from subgraft.backends.opencl.compiler import defines
from subgraft.backends.opencl.discovery import Found
from subgraft.backends.opencl.errors import translate
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.settings import Settings
from subgraft.backends.opencl.store import Store, default_folder
from subgraft.delegates import Array, DelegateError, Unavailable

FACT = "self-test"
TIMEOUT_S = 60.0  # a driver that compiles for the first time may take seconds
GROUP = 32
COUNT = 4096  # elements of each try
LENGTH = 2304  # of a row of bytes: more than two of the parts in which floats are exact
OPTIONS = "-cl-std=CL1.2"
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
        opened.store.put_fact(fact, FACT, opened.caps.identity)
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


def _known(store: Store, caps: Caps) -> Outcome | None:
    fact = store.fact(FACT, caps.identity)
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
        return _tried(_Trial(opened))
    except (_native.ClError, MemoryError, DelegateError) as error:
        reason = error.reason if isinstance(error, DelegateError) else translate(error, DOING, opened.where).reason
        raise Unavailable(f"{reason}; it is not used") from error


def _tried(trial: _Trial) -> Outcome:
    arithmetic = {"rescale": trial.rescales(), "shift": trial.shifts(), "quantize": trial.quantizes()}
    failed = {name: why for name, why in arithmetic.items() if why}
    if failed:
        return Outcome((), failed)
    tried = {loop: trial.multiplies(loop) for loop in trial.loops}
    trial.end()
    failed = {loop: why for loop, why in tried.items() if why}
    return Outcome(tuple(loop for loop in tried if loop not in failed), failed)


PRODUCTS = ("f32", "int")


class _Trial:
    """Runs the kernels of selftest.cl on values chosen to find what is wrong."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self.loops = [loop for loop in opened.caps.candidates() if loop in PRODUCTS]
        self._random = np.random.default_rng(1)
        self._source = "".join([defines(opened.caps), *(_text(name) for name in ("common", "selftest"))])

    def end(self) -> None:
        """Keeps the program, now that all of it has run."""
        self._opened.keep(self._source, OPTIONS)

    def rescales(self) -> str:
        x = self._accumulators()
        multiplier = self._random.integers(1 << 30, 1 << 31, COUNT).astype(np.int32)
        shift = self._random.integers(-31, 8, COUNT).astype(np.int32)
        return self._compare("rescaled", [x, multiplier, shift], rescaled(x, multiplier, shift))

    def shifts(self) -> str:
        x = self._accumulators()
        shift = self._random.integers(0, 32, COUNT).astype(np.int32)
        return self._compare("shifted", [x, shift], rounding_shift(x.astype(np.int64), shift).astype(np.int32))

    def quantizes(self) -> str:
        scale = (2.0 ** self._random.integers(-12, 4, COUNT)).astype(np.float32)
        whole = self._random.integers(-300, 300, COUNT)
        x = ((whole + self._random.choice([0.0, 0.5, 0.25, -0.5], COUNT)) * scale).astype(np.float32)
        scale[COUNT // 2 :] *= np.float32(1.1)
        return self._compare("quantized", [x, scale], np.rint(x / scale).astype(np.int32))

    def multiplies(self, loop: str) -> str:
        """Random bytes, and the largest products of either sign."""
        rows = GROUP * 2
        a, b = (self._random.integers(-128, 128, (rows, LENGTH)).astype(np.int8) for _ in range(2))
        a[:4], b[:4] = -128, np.array([[-127], [127], [-128], [127]], np.int8)
        expected = np.einsum("rk,rk->r", a.astype(np.int64), b.astype(np.int64)).astype(np.int32)
        return self._compare(f"products_{loop}", [a, b], expected, LENGTH)

    def _accumulators(self) -> Array:
        x = self._random.integers(-(1 << 31), 1 << 31, COUNT).astype(np.int32)
        x[: COUNT // 2] >>= self._random.integers(0, 31, COUNT // 2).astype(np.int32)
        x[:4] = [-(1 << 31), (1 << 31) - 1, 0, -1]
        return x

    def _compare(self, kernel: str, given: Sequence[Array], expected: Array, *numbers: int) -> str:
        context = self._opened.context
        program = self._opened.program(self._source, OPTIONS)
        commands = _native.ClCommands(context)
        buffers = [context.buffer(array.nbytes) for array in given]
        result = context.buffer(expected.nbytes)
        for buffer, array in zip(buffers, given, strict=True):
            commands.input(buffer, array.nbytes)
        group = min(GROUP, program.work_group_limit(kernel), self._opened.caps.max_work_group)
        commands.launch(program, kernel, [*buffers, result, *numbers], (expected.size,), (group,))
        commands.output(result, expected.nbytes)
        got = np.empty_like(expected)
        commands.run(list(given), [got])
        wrong = np.flatnonzero(got != expected)
        if not wrong.size:
            return ""
        first = int(wrong[0])
        return f"{wrong.size} of {expected.size} results differ, the first is {got[first]} for {expected[first]}"


def rescaled(x: Array, multiplier: Array, shift: Array) -> Array:
    """TFLite's MultiplyByQuantizedMultiplier in 64 bits: a left shift that wraps, gemmlowp's two roundings."""
    left = np.maximum(shift, 0).astype(np.int64)
    wide = x.astype(np.int64) << left
    wrapped = ((wide + (1 << 31)) % (1 << 32)) - (1 << 31)
    product = (wrapped * multiplier.astype(np.int64) + (1 << 30)) >> 31
    return rounding_shift(product, np.maximum(-shift, 0)).astype(np.int32)


def rounding_shift(x: Array, exponent: Array) -> Array:
    """gemmlowp's RoundingDivideByPOT: halves away from zero."""
    exponent = exponent.astype(np.int64)
    mask = (np.int64(1) << exponent) - 1
    threshold = (mask >> 1) + (x < 0)
    rounded: Array = (x >> exponent) + ((x & mask) > threshold)
    return rounded


def _text(name: str) -> str:
    return files(__package__).joinpath("kernels", f"{name}.cl").read_text(encoding="utf-8")


def _listed(failed: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in failed.items())
