"""load(): from a model and delegates to a session."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from subgraft.delegates import Delegate, Graph, Segment, Unavailable
from subgraft.interpreter import checked, flex, op_names
from subgraft.interpreter.custom_ops import CustomOp, CustomOps
from subgraft.interpreter.discovery import NoSuchDelegate, Wanted, find, label, name_of
from subgraft.interpreter.engines import Engines, Setup
from subgraft.interpreter.in_flight import InFlight, check_that_order_is_free
from subgraft.interpreter.lane import Policy
from subgraft.interpreter.model import Model, Signature
from subgraft.interpreter.planning import Wishes
from subgraft.interpreter.report import Event, Report
from subgraft.interpreter.session import Names, Session
from subgraft.interpreter.tflite_api.delegate import Delegate as Loaded
from subgraft.interpreter.weight_cache import WeightCache
from subgraft.partitioner import Limits, Pins

if TYPE_CHECKING:
    from subgraft.interpreter.model import Source

# A device string, one with options, what load_delegate() returned, or a delegate object.
DelegateLike = str | tuple[str, Mapping[str, Any]] | Wanted | Loaded | Delegate


def load(
    source: Source | Model,
    delegates: Sequence[DelegateLike] = (),
    *,
    compiled: Mapping[str, object] | None = None,
    fallback: bool = True,
    strict: bool = False,
    threads: int = 1,
    signature: str | None = None,
    deny_ops: Iterable[str] = (),
    deny_nodes: Iterable[int] = (),
    only_nodes: Iterable[int] | None = None,
    prefer: Mapping[str | int, str] | None = None,
    min_ops: int = 1,
    max_segments: int | None = None,
    cpu_cost: Callable[[Segment], float | None] | None = None,
    verify_every: int = 0,
    verify_tolerance: float = 1e-3,
    probe_s: float = 2.0,
    wait: bool = False,
    in_flight: int = 2,
    custom_ops: Mapping[str, CustomOp | Callable[..., Any]] | None = None,
    max_loop_steps: int | None = None,
    weight_cache: bool | str | os.PathLike[str] | None = None,
) -> Session:
    """Loads a .tflite model and grafts what delegates can run of it onto them; the CPU runs the rest.

    source: a path, the file's bytes, a binary file, or a Model.
    delegates: in priority order, "name", "name:device", ("name:device", {option: value}), what
        load_delegate() returned, or objects.
    compiled: delegate's name to a model compiled for it, which becomes its option "compiled".
    fallback: the CPU takes over a segment whose delegate fails; False raises instead.
    strict: raises NotDelegated when the CPU would run an op that is not pinned there, and implies fallback=False.
    threads: of the CPU's kernels.
    signature: which of the model's signatures; None: its main graph.
    deny_ops, deny_nodes, only_nodes, prefer: see Pins. min_ops, max_segments: see Limits.
    cpu_cost: seconds a segment takes on the CPU (or None: no idea), compared with the delegate's estimate where it has
        one. Without it the ops are timed here, each kind once, for half a second at most.
    verify_every: every so many runs, segments run on the CPU too and are compared; 0: never.
    verify_tolerance: of float outputs then, relative to their range.
    probe_s: between two looks for a device that is gone.
    wait: a second thread waits for its turn instead of getting an error.
    in_flight: how many inferences run_async() runs at the same time.
    custom_ops: what runs custom ops, by name: a function (inputs, options) -> output, or a CustomOp.
    weight_cache: a folder where packed weights are kept for the next process; True: the user's cache; False: nowhere;
        None: as SUBGRAFT_WEIGHT_CACHE says. Only for models opened by path.
    max_loop_steps: after so many a WHILE raises InvokeError; None: no end. Ctrl-C ends a loop between two steps.
    Raises ModelError, Unsupported, NoSuchDelegate and ValueError; TypeError for a delegate that breaks the contract;
    where nothing may fall back Unavailable and Rejected.
    """
    if threads < 1:
        raise ValueError(f"threads is {threads}: it must be at least 1")
    if verify_every < 0:
        raise ValueError(f"verify_every is {verify_every}: it cannot be negative")
    if not verify_tolerance >= 0:
        raise ValueError(f"verify_tolerance is {verify_tolerance}: it cannot be negative")
    if in_flight < 1:
        raise ValueError(f"in_flight is {in_flight}: it must be at least 1")
    if max_loop_steps is not None and max_loop_steps < 0:
        raise ValueError(f"max_loop_steps is {max_loop_steps}: it cannot be negative")
    if not probe_s > 0:
        raise ValueError(f"probe_s is {probe_s}: it must be above 0")
    model = source if isinstance(source, Model) else Model.open(source)
    model.log_warnings()
    graph, names = _entry(model, signature)
    may_fall_back = fallback and not strict
    pins = Pins.of(deny_ops, deny_nodes, only_nodes, prefer)
    op_names.check(sorted(pins.deny_ops, key=str), model, "deny_ops")
    op_names.check([key for key in pins.prefer if not isinstance(key, int)], model, "prefer")
    customs = CustomOps.of(custom_ops).with_own(flex.PREFIX, flex.custom_ops, model.native)
    wishes = Wishes(pins, Limits(min_ops, max_segments), cpu_cost, may_fall_back, strict, customs)
    policy = Policy(may_fall_back, verify_every, verify_tolerance, max_loop_steps)
    setup = Setup(wishes, policy, threads, probe_s, weights=WeightCache.of(weight_cache))
    report = Report()
    wanted, missing = _find(delegates, compiled or {}, report, may_fall_back)

    def session(in_flight: Callable[[], InFlight] | None = None) -> Session:
        engines = Engines(model, wanted, setup, report, missing)
        try:
            return Session(engines, graph, names, report, wait=wait, in_flight=in_flight, entry=entry)
        except BaseException:
            engines.close()
            raise

    def several() -> InFlight:
        check_that_order_is_free(graph, model.graphs)
        return InFlight(session, in_flight)

    def entry(key: str) -> tuple[Graph, Names]:
        return _entry(model, key)

    return session(several)


def _entry(model: Model, key: str | None) -> tuple[Graph, Names]:
    """The graph to run and what its inputs and outputs are called."""
    if not model.graphs:
        raise ValueError("this model has no graph")
    signature: Signature | None
    if key is None:
        signature = next((s for s in model.signatures if s.graph == 0), None)
    else:
        signature = next((s for s in model.signatures if s.key == key), None)
        if signature is None:
            known = ", ".join(s.key for s in model.signatures) or "none"
            raise ValueError(f"there is no signature {key!r}; this model's signatures: {known}")
    graph = model.graphs[signature.graph if signature else 0]
    return graph, Names(graph, signature.inputs if signature else {}, signature.outputs if signature else {})


def _of_object(one: Wanted | Loaded | Delegate) -> Wanted:
    if isinstance(one, Loaded):
        return one.wanted
    if isinstance(one, Wanted):
        checked.delegate(one.delegate)
        return one
    return Wanted(checked.delegate(one))


def _with_options(one: object) -> tuple[str, Mapping[str, Any]]:
    match one:
        case (str(spec), Mapping() as options):
            return spec, options
    raise TypeError(f'a delegate with options is ("name:device", {{option: value}}), not {one!r}')


def _find(
    delegates: Sequence[DelegateLike], compiled: Mapping[str, object], report: Report, fallback: bool
) -> tuple[dict[str, Wanted], dict[str, str]]:
    """Delegates by label, and those whose libraries are missing with the cause."""
    if isinstance(delegates, str):
        raise TypeError(f'delegates is a list: write ["{delegates}"]')
    if not isinstance(compiled, Mapping):
        raise TypeError(f'compiled names a delegate for each model: write {{"NAME": {str(compiled)!r}}}')
    wanted: dict[str, Wanted] = {}
    missing: dict[str, str] = {}
    used: set[str] = set()
    for one in delegates:
        if not isinstance(one, str | tuple):
            found = _of_object(one)
            wanted[label(found.spec, wanted)] = found
            continue
        spec, options = (one, {}) if isinstance(one, str) else _with_options(one)
        name = name_of(spec)
        if name in compiled:
            options = {**options, "compiled": compiled[name]}
            used.add(name)
        try:
            wanted[label(spec, wanted)] = find(spec, options)
        except NoSuchDelegate:
            raise
        except Unavailable as error:
            if not fallback:
                raise
            missing[label(spec, missing)] = error.reason
            report.add(Event("open", spec, error.reason))
    unused = sorted(set(compiled) - used)
    if unused:
        known = ", ".join(sorted({name_of(found.spec) for found in wanted.values()})) or "none"
        raise ValueError(
            f"compiled names {', '.join(unused)}, which is not among the delegates; write the name of one without its "
            f"device: {known}"
        )
    return wanted, missing
