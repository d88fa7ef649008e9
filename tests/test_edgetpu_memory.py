"""What a machine, or its kernel, that is short of memory makes of an inference: an error, and no harm to the next."""

from __future__ import annotations

from pathlib import Path

from edgetpu_usb import in_child

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
