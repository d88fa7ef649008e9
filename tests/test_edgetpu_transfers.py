"""Scripts of transfers: as the hints say, inside their buffers, complete."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from edgetpu_packages import (
    EXECUTION_ONLY,
    GRID,
    GRID_BYTES,
    INPUT,
    OUTPUT,
    PARAMETERS,
    SCRATCH,
    Executable,
    bitstream,
    compiled_files,
    data,
    fence,
    instructions,
    interrupt,
    layer,
    package,
    package_in,
    small_package,
)
from shared_models import needs_shared
from subgraft.backends.edgetpu.errors import PackageError
from subgraft.backends.edgetpu.package import Package, Program
from subgraft.backends.edgetpu.transfers import Fence, Interrupt, Receive, Send, input_bytes, script
from subgraft.delegates import Rejected


def program(
    hints: Sequence[Mapping[int, Any]], outputs: Sequence[Mapping[int, Any]] = (), input_size: int = 64
) -> Program:
    made = Executable(
        EXECUTION_ONLY,
        [bitstream(bytes(32)), bitstream(bytes(16))],
        hints,
        bytes(100),
        [layer("in", (1, 1, 60), 2, size=input_size)],
        outputs,
    )
    return Package.parse(package(made)).inference


def test_hints_become_transfers_in_their_order() -> None:
    assert script(Package.parse(small_package()).inference) == (
        Send(0, "instructions", 0, 0, 48),
        Send(1, "input", 0, 0, 40),
        Send(0, "instructions", 1, 0, 16),
        Send(1, "input", 0, 32, 32),
        Send(2, "parameters", 0, 0, 24),
        Receive("scratch", 0, 0, 16),
        Fence(),
        Send(1, "scratch", 0, 8, 8),
        Receive("output", 0, 0, 56),
        Receive("output", 0, 56, 24),
        Interrupt(0),
    )


def test_filling_the_parameter_memory_is_three_transfers() -> None:
    filling = Package.parse(small_package()).parameter_caching
    assert filling
    assert script(filling) == (Send(0, "instructions", 0, 0, 32), Send(2, "parameters", 0, 0, 64), Interrupt(0))


@needs_shared
@pytest.mark.parametrize("path", compiled_files(), ids=lambda path: path.name.removesuffix("_edgetpu.tflite"))
def test_compiled_files_give_a_script_or_the_reason_why_not(path: Path) -> None:
    for made in package_in(path).executables:
        if not made.deterministic:
            with pytest.raises(Rejected, match="does not list all of its transfers, as with LSTMs"):
                script(made)
            continue
        steps = script(made)
        assert len(steps) == len(made.hints)
        assert isinstance(steps[-1], Interrupt)
        sent = sum(s.size for s in steps if isinstance(s, Receive))
        assert sent == sum(output.size_bytes for output in made.outputs)
        for i, given in enumerate(made.inputs):
            assert given.tensor_bytes <= input_bytes(steps, i) <= given.size_bytes


@needs_shared
def test_overlapping_reads_of_one_input_are_kept() -> None:
    (path,) = (path for path in compiled_files() if path.name.startswith("posenet"))
    steps = script(package_in(path).inference)
    assert steps[1:3] == (Send(1, "input", 0, 0, 490368), Send(1, "input", 0, 453824, 471144))
    assert input_bytes(steps, 0) == 924968


def test_an_input_may_be_read_to_the_end_of_its_page_and_not_further() -> None:
    steps = script(program([data(INPUT, 0, 4096, "in"), interrupt(0)]))
    assert input_bytes(steps, 0) == 4096
    assert input_bytes(steps, 1) == 0
    with pytest.raises(PackageError, match="bytes 0 to 4097 of 4096 of input 'in'"):
        script(program([data(INPUT, 0, 4097, "in"), interrupt(0)]))


@pytest.mark.parametrize(
    ("hint", "reason"),
    [
        (instructions(2), "no chunk 2"),
        (instructions(-1), "no chunk -1"),
        (interrupt(4), "interrupt 4"),
        (data(INPUT, 0, 8, "other"), "the input 'other', which it does not have"),
        (data(OUTPUT, 0, 8, "in"), "the output 'in', which it does not have"),
        (data(PARAMETERS, 96, 8), "bytes 96 to 104 of 100 of parameters"),
        (data(PARAMETERS, -4, 8), "bytes -4 to 4"),
        (data(PARAMETERS, 0, 0), "bytes 0 to 0"),
        (data(PARAMETERS, 0, -8), "bytes 0 to -8"),
        (data(SCRATCH, 0, 8), "of 0 of scratch"),
        (data(INPUT, 0, 8, "in", batch=1), "batch 1 of 1"),
        (data(INPUT, 0, 8, "in", batch=-1), "batch -1 of 1"),
    ],
)
def test_a_transfer_outside_its_buffer_is_refused(hint: Mapping[int, Any], reason: str) -> None:
    with pytest.raises(PackageError, match=reason):
        script(program([hint, interrupt(0)]))


@pytest.mark.parametrize("hints", [[], [instructions(0)], [interrupt(0), fence()]])
def test_a_script_that_does_not_end_with_an_interrupt_is_refused(hints: list[dict[int, Any]]) -> None:
    with pytest.raises(PackageError, match="do not end with an interrupt"):
        script(program(hints))


def test_more_than_a_device_can_have_a_use_for_for_one_inference_is_refused() -> None:
    with pytest.raises(PackageError, match="268435456 is the most"):
        script(program([data(INPUT, 0, 1 << 20, "in")] * 256 + [instructions(0), interrupt(0)], (), 1 << 20))


def grid_program(*ranges: tuple[int, int]) -> Program:
    hints = [data(OUTPUT, offset, size, "out", outfeed=True) for offset, size in ranges]
    return program([*hints, interrupt(0)], [layer("out", (4, 5, 3), 1, size=GRID_BYTES, layout=GRID)])


@pytest.mark.parametrize("ranges", [[(0, 80)], [(40, 40), (0, 48)], [(0, 79)]])
def test_an_output_may_come_in_any_order_and_without_its_last_padding(ranges: list[tuple[int, int]]) -> None:
    assert len(script(grid_program(*ranges))) == len(ranges) + 1


@pytest.mark.parametrize(("ranges", "end"), [([(0, 70)], 70), ([(0, 30), (31, 49)], 30), ([], 0)])
def test_an_output_that_is_not_received_completely_is_refused(ranges: list[tuple[int, int]], end: int) -> None:
    with pytest.raises(PackageError, match=f"output 'out' is not received from byte {end} on"):
        script(grid_program(*ranges))
