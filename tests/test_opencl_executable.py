"""A compiled segment on an OpenCL device: its memory, its chains, its profile, its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import op_cases_drawn_elementwise
import subgraft
from graphs import chain
from op_cases import Array
from opencl_cases import on_device, run, segment_of
from opencl_device import TestDevice
from opencl_graphs import Drawing, feed
from subgraft.backends.opencl.compiler import compile_segment, geometry
from subgraft.backends.opencl.executable import OpenClExecutable
from subgraft.backends.opencl.launch import Launch
from subgraft.backends.opencl.memory import ALIGNMENT
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.settings import Settings
from subgraft.delegates import Failed, Graph, Op, Options, Rejected, Segment, Tensor
from subgraft.interpreter import Model
from subgraft.interpreter.services import main_graphs

X = np.linspace(-2, 2, 6, dtype=np.float32)
NONE = Options({"fused_activation_function": "NONE"})
HANDED = 2  # what the first segment makes for the last one
EXPECTED = np.square(np.abs(X)) * -X


@pytest.fixture
def opened(opencl: TestDevice) -> Iterator[Opened]:
    made = Opened(opencl.found, Settings.of(opencl.options()))
    yield made
    made.close()


def skipping() -> Graph:
    """x -> ABS -> SQUARE -> MUL, and NEG of x straight to MUL."""
    tensors = [Tensor(name, X.shape, "float32") for name in ("x", "abs", "neg", "square", "y")]
    ops = [Op("ABS", (0,), (1,)), Op("NEG", (0,), (2,)), Op("SQUARE", (1,), (3,)), Op("MUL", (3, 2), (4,), NONE)]
    return Graph(tensors, ops, (0,), (4,), name="skipping")


def compiled(segment: Segment, opened: Opened, **options: Any) -> OpenClExecutable:
    return OpenClExecutable(segment, compile_segment(segment, opened, **options), opened)


def two_segments(opened: Opened) -> tuple[OpenClExecutable, OpenClExecutable]:
    """ABS and NEG, and MUL."""
    (graph,) = main_graphs([Model.of(skipping())])
    return compiled(graph.segment([0, 1]), opened), compiled(graph.segment([3]), opened)


def run_both(first: OpenClExecutable, last: OpenClExecutable) -> tuple[Array, Array]:
    """The host's copy of what is handed on, which is 77 where nothing writes it, and the last output."""
    absolute, handed, y = (np.full_like(X, 77) for _ in range(3))
    made = {1: absolute, HANDED: handed}
    first.run([X], [made[t] for t in first.segment.outputs])
    given = {3: np.square(absolute), HANDED: handed}
    last.run([given[t] for t in last.segment.inputs], [y])
    return handed, y


def test_a_chained_tensor_never_visits_the_host(opened: Opened) -> None:
    first, last = two_segments(opened)
    handed, y = run_both(first, last)
    assert (handed == -X).all() and (y == EXPECTED).all()
    assert last.accepts(first)
    handed, y = run_both(first, last)
    assert (handed == 77).all() and (y == EXPECTED).all()


def test_unchained_it_visits_the_host_again(opened: Opened) -> None:
    first, last = two_segments(opened)
    last.accepts(first)
    first.unchain()
    last.unchain()
    handed, y = run_both(first, last)
    assert (handed == -X).all() and (y == EXPECTED).all()


def test_segments_on_two_contexts_are_not_chained(opencl: TestDevice, opened: Opened) -> None:
    other = Opened(opencl.found, Settings.of(opencl.options()))
    first, _ = two_segments(opened)
    _, last = two_segments(other)
    assert not last.accepts(first)
    other.close()


def test_a_session_chains_segments_around_the_cpu(opencl: TestDevice) -> None:
    with subgraft.load(Model.of(skipping()), [opencl.delegate()], deny_nodes=[2]) as session:
        assert [step.owner for step in session.plan.steps] == [opencl.id, None, opencl.id]
        host = session._engine.store.fixed[HANDED]
        host[...] = 77
        assert (session.run({"x": X})["y"] == EXPECTED).all()
        assert (host == 77).all()
        assert len(session.report) == 0


def test_a_closed_one_says_so(opened: Opened) -> None:
    executable, _ = two_segments(opened)
    executable.close()
    executable.close()
    with pytest.raises(Failed, match="is closed"):
        run_both(executable, executable)


def test_every_tensor_may_have_a_buffer_of_its_own(opencl: TestDevice) -> None:
    outcome = run(opencl, op_cases_drawn_elementwise.CASES[::150], arena=False)
    assert outcome.taken and not outcome.wrong, outcome.report()


def test_an_arena_that_no_buffer_holds_is_several(opencl: TestDevice, opened: Opened) -> None:
    drawing = Drawing(9)
    x = drawing.fed("float32")
    total, *rest = [drawing.unary(kind, x) for kind in ("ABS", "NEG", "SQUARE", "TANH", "LOGISTIC", "FLOOR", "RELU")]
    for term in rest:
        total = drawing.binary("ADD", total, term)
    graph = drawing.graph()
    segment, arrays = segment_of(graph), feed(graph, 9)
    together = on_device(opened, segment, arrays, fuses=False)
    opened.caps = replace(opened.caps, max_alloc_bytes=512)
    apart = on_device(opened, segment, arrays, fuses=False)
    assert all(together[t].tobytes() == apart[t].tobytes() for t in segment.outputs)
    assert max(compile_segment(segment, opened, fuses=False).layout.sizes) <= 512


def test_a_tensor_that_no_buffer_holds_is_refused(opened: Opened) -> None:
    opened.caps = replace(opened.caps, max_alloc_bytes=8)
    with pytest.raises(Rejected, match="a tensor takes 16 bytes, and the largest buffer .* 8"):
        compile_segment(segment_of(chain("ABS")), opened)


def test_tensors_that_do_not_live_together_share_memory(opencl: TestDevice, opened: Opened) -> None:
    segment = segment_of(chain(*["ABS"] * 9, shape=(1000,)))
    layout = compile_segment(segment, opened, fuses=False).layout
    assert sum(layout.sizes) < 5 * 4096
    apart = compile_segment(segment, opened, fuses=False, one_arena=False).layout
    assert len(apart.sizes) == 10


def test_equal_constants_are_stored_once(opened: Opened) -> None:
    drawing = Drawing(0)
    x = drawing.fed("float32")
    row = drawing.constant("float32", (5,))
    for kind in ("ADD", "MUL", "SUB"):
        x = drawing.binary(kind, x, row)
    layout = compile_segment(segment_of(drawing.graph()), opened).layout
    assert [len(content) for content in layout.contents.values()] == [ALIGNMENT]


@pytest.mark.parametrize(("limit", "wanted"), [(4096, (64,)), (32, (32,)), (1, (1,))])
def test_a_group_is_as_large_as_the_kernel_takes(opencl: TestDevice, limit: int, wanted: tuple[int, ...]) -> None:
    rounded, local = geometry(Launch("pointwise", (), (100,), ()), opencl.found.caps, limit)
    assert local == wanted
    assert rounded[0] >= 100 and rounded[0] % local[0] == 0


def test_halves_are_stored_between_the_ends(opencl: TestDevice, opened: Opened) -> None:
    segment = segment_of(chain("TANH", "EXP", "SQUARE"))
    exact = on_device(opened, segment, {0: X[:4]}, fuses=False)[3]
    program = compile_segment(segment, opened, half=True, fuses=False)
    assert [r.launch.result.ctype for r in program.source.launches if r.launch.result] == ["half", "half", "float"]
    halves = np.empty_like(exact)
    OpenClExecutable(segment, program, opened).run([X[:4]], [halves])
    assert 0 < np.abs(halves - exact).max() < 2e-2


def test_what_no_half_holds_becomes_the_largest(opened: Opened) -> None:
    segment = segment_of(chain("SQUARE", "RELU", shape=(3,)))
    program = compile_segment(segment, opened, half=True, fuses=False)
    made = np.empty(3, np.float32)
    OpenClExecutable(segment, program, opened).run([np.array([1e3, 2, np.nan], np.float32)], [made])
    np.testing.assert_array_equal(made, np.array([65504, 4, np.nan], np.float32))


def test_elementwise_ops_with_halves_are_near(opencl: TestDevice) -> None:
    outcome = run(opencl, op_cases_drawn_elementwise.CASES[::170], precision="fp16")
    assert outcome.taken and not outcome.wrong, outcome.report()


def test_the_profile_shows_each_kernel(opencl: TestDevice) -> None:
    graph = chain("ABS", "SQUARE", "SQRT", shape=(100_000,))
    x = np.ones(100_000, np.float32)
    with subgraft.load(Model.of(graph), [opencl.delegate()]) as session:
        profile = session.profile({next(iter(session.inputs)): x}, runs=3)
    (kernel,) = profile.kernels
    assert kernel.ops == (0, 1, 2) and kernel.bytes == 800_000
    assert 0 < kernel.seconds < 1
    assert kernel.share_of_peak is not None and 0 < kernel.share_of_peak < 5
    assert "0+2" in str(profile) and "GB/s" in str(profile) and "% of peak" in str(profile)
    (told,) = json.loads(json.dumps(profile.to_dict()))["segments"][0]["kernels"]
    assert told["share_of_peak"] == kernel.share_of_peak and told["gbytes_per_s"] > 0
