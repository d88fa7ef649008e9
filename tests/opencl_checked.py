"""Runs in a process of its own, under Oclgrind: op cases on its device, what came of them printed as JSON.

OCLGRIND_LOG=found.txt python tests/opencl_checked.py MAX_POOL_2D SOFTMAX
OCLGRIND_LOG=found.txt python tests/opencl_checked.py --faulty uninitialized
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from op_cases import Case
from op_tables import entries
from opencl_cases import run
from opencl_device import TestDevice
from subgraft import _native
from subgraft.backends.opencl.discovery import attached, find
from subgraft.backends.opencl.opened import Opened
from subgraft.backends.opencl.settings import Settings

CASES = 12  # of each op at a time
ENOUGH = 6  # that the device took; it leaves others to the CPU
MOST_ELEMENTS = 600  # in an array of a case: the checker takes its time
SEED = 5
FAULTS = {
    "bounds": "y[x] = 1;",
    "uninitialized": "int unset[2]; y[x] = unset[x & 1];",
    "race": "y[0] = x;",
}


def main(arguments: Sequence[str]) -> None:
    with TemporaryDirectory() as folder:
        device = TestDevice(find("Oclgrind", attached()), Path(folder))
        if arguments[0] == "--faulty":
            faulty(device, FAULTS[arguments[1]])
            return
        print(json.dumps({kind: checked(device, small_cases(kind)) for kind in arguments}))  # noqa: T201


def small_cases(kind: str) -> list[Case]:
    """All of its small cases in a random order, the same one every time."""
    every = [e.case for e in entries() if e.case.kind == kind and not e.case.error and is_small(e.case)]
    return [every[i] for i in np.random.default_rng(SEED).permutation(len(every))]


def is_small(case: Case) -> bool:
    return all(math.prod(spec.shape) <= MOST_ELEMENTS for spec in case.inputs if spec)


def checked(device: TestDevice, cases: list[Case]) -> dict[str, object]:
    """Runs cases until the device took enough. One buffer for each array, so that what runs over is seen."""
    taken, wrong = 0, {}
    for first in range(0, len(cases), CASES):
        outcome = run(device, cases[first : first + CASES], arena=False)
        taken += len(outcome.taken)
        wrong |= outcome.wrong
        if taken >= ENOUGH:
            break
    return {"taken": taken, "wrong": wrong}


def faulty(device: TestDevice, statement: str) -> None:
    """Runs a kernel that is wrong."""
    opened = Opened(device.found, Settings.of(device.options()))
    text = f"__kernel void faulty(__global int *y) {{ const int x = get_global_id(0); {statement} }}"
    commands = _native.ClCommands(opened.context)
    y = opened.context.buffer(16)
    commands.launch(opened.program(text), "faulty", [y], (8,), (1,))
    commands.output(y, 16)
    commands.run([], [np.zeros(4, np.int32)])


if __name__ == "__main__":
    main(sys.argv[1:])
