"""What a machine, or its kernel, that is short of memory makes of an inference: an error, and no harm to the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import edgetpu_models
from edgetpu_models import Rig
from edgetpu_usb import in_child
from subgraft.backends.edgetpu import sharing
from subgraft.backends.edgetpu.accelerators import find
from subgraft.backends.edgetpu.breaker import Breaker
from subgraft.backends.edgetpu.emulator.device import EmulatedCoral
from subgraft.backends.edgetpu.emulator.urb import Urb
from subgraft.backends.edgetpu.errors import OutOfMemory
from subgraft.backends.edgetpu.stick import Stick

TESTS = str(Path(__file__).parent)
SHORT_OF_MEMORY = """
    import resource
    from dataclasses import replace

    import numpy as np

    from edgetpu_models import SIZE, Rig, infer, model
    from edgetpu_packages import EXECUTION_ONLY, PARAMETERS, Executable, bitstream, data, interrupt, package
    from subgraft import _native
    from subgraft.backends.edgetpu.errors import OutOfMemory, PackageError
    from subgraft.backends.edgetpu.package import Package
    from subgraft.backends.edgetpu.scripts import native_script

    LEFT, BIG = 64 << 20, 1 << 27

    def run_short() -> None:
        pages = int(open("/proc/self/statm").read().split()[0])
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + LEFT, hard))
"""


def test_a_run_that_there_is_no_memory_for_is_told_of_and_the_next_one_is_right() -> None:
    said = in_child(
        SHORT_OF_MEMORY
        + """
    one = model(1, 77)
    with Rig(one).open() as accelerator:
        prepared = accelerator.prepare(one.package)
        infer(accelerator, prepared)
        steps = [("send", 1, "input", 0, 0, BIG), ("interrupt", 0)]
        big = _native.EdgeTpuScript(steps, instructions=[], parameters=b"", inputs=[(BIG, BIG, 0)], outputs=[])
        x = np.zeros(BIG, np.uint8)
        run_short()
        try:
            accelerator.run(replace(prepared, inference=big), [x], [])
        except OutOfMemory as error:
            print(type(error.__cause__).__name__, "emulated:0" in error.reason, "memory" in error.reason)
        accelerator.recover()
        x, y = infer(accelerator, prepared)
        print(np.array_equal(y, one.right(x)))
    """,
        PYTHONPATH=TESTS,
    )
    assert said.split() == ["MemoryError", "True", "True", "True"]


def test_a_package_that_there_is_no_memory_for_is_refused() -> None:
    said = in_child(
        SHORT_OF_MEMORY
        + """
    hints = [data(PARAMETERS, 0, 1 << 20)] * 128 + [interrupt(0)]
    made = Executable(EXECUTION_ONLY, [bitstream(bytes(16))], hints, bytes(1 << 20), [], [])
    program = Package.parse(package(made)).inference
    run_short()
    try:
        native_script(program)
    except PackageError as error:
        print(error.reason)
    """,
        PYTHONPATH=TESTS,
    )
    assert "more memory than this machine has" in said


class ShortKernel:
    """Between the host and the device: it has only so many bytes for the transfers that are pending at once."""

    def __init__(self, coral: EmulatedCoral, most: int) -> None:
        self.coral, self.most = coral, most
        self.refused = 0
        self._pending: dict[int, int] = {}
        self._submit = coral.submit

    def submit(self, urb: Urb, done: Callable[[Urb], None]) -> None:
        if sum(self._pending.values()) + urb.length > self.most:
            self.refused += 1
            urb.status = "NO_MEM"
            done(urb)
            return
        self._pending[id(urb)] = urb.length

        def ended(urb: Urb) -> None:
            self._pending.pop(id(urb), None)
            done(urb)

        self._submit(urb, ended)


@pytest.mark.parametrize("speed", ["super", "high"])
def test_where_the_kernel_has_little_memory_smaller_transfers_do(
    speed: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(edgetpu_models, "SIZE", 400_000)
    one = edgetpu_models.model(1, 77)
    rig = Rig(one, speed=speed)
    kernel = ShortKernel(rig.coral, 200_000)
    monkeypatch.setattr(rig.coral, "submit", kernel.submit)
    stick = Stick("edgetpu:0", lambda: sharing.shared(rig.bus, find(rig.bus, "usb"), rig.settings), Breaker())
    prepared = stick.prepare(one.package)
    for seed in range(3):
        x = np.random.default_rng(seed).integers(0, 256, edgetpu_models.SIZE, np.uint8)
        y = np.zeros_like(x)
        stick.run(prepared, [x], [y])
        assert np.array_equal(y, one.right(x))
    assert (kernel.refused > 0, stick.status().retries) == (True, 1)
    assert "smaller transfers" in caplog.text
    stick.release()


def test_where_it_has_none_at_all_that_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    one = edgetpu_models.model(1, 77)
    rig = Rig(one)
    with rig.open() as accelerator:
        prepared = accelerator.prepare(one.package)
        monkeypatch.setattr(rig.coral, "submit", ShortKernel(rig.coral, 1000).submit)
        for _ in range(2):
            with pytest.raises(OutOfMemory, match="usbfs_memory_mb"):
                edgetpu_models.infer(accelerator, prepared)
            accelerator.recover()
