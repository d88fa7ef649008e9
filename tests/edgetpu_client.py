"""A program that uses one accelerator, run by tests in a process of its own: python edgetpu_client.py WHAT [BUS]."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from edgetpu_models import SIZE, infer, model
from subgraft.backends.edgetpu.accelerators import find
from subgraft.backends.edgetpu.buses import default_bus
from subgraft.backends.edgetpu.driver import Accelerator
from subgraft.backends.edgetpu.settings import Settings
from subgraft.cli.exit_codes import exit_code
from subgraft.delegates import DelegateError, Failed

MODEL = model(1, 77)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def opened(library: str) -> Accelerator:
    bus = default_bus(library)
    return Accelerator.open(bus, find(bus, "usb"), Settings.of({"timeout_s": 2.0}, {}))


def infers(library: str) -> dict[str, Any]:
    """Ten inferences; a failure is recovered from once."""
    with opened(library) as accelerator:
        prepared = accelerator.prepare(MODEL.package)
        right, kinds = 0, []
        for seed in range(10):
            try:
                x, y = infer(accelerator, prepared, seed)
            except Failed as error:
                kinds.append(type(error).__name__)
                accelerator.recover()
                x, y = infer(accelerator, prepared, seed)
            right += np.array_equal(y, MODEL.right(x))
        return {"right": right, "failed": kinds, "emulated": accelerator.found.emulated}


def hangs(library: str) -> dict[str, Any]:
    """Says that it has the device, and is killed in the middle of an inference."""
    with opened(library) as accelerator:
        prepared = accelerator.prepare(MODEL.package)
        infer(accelerator, prepared)
        say("ready")
        sys.stdin.readline()
        request = accelerator.submit(prepared, [np.zeros(SIZE, np.uint8)], [np.zeros(SIZE, np.uint8)])
        say("sent")
        request.wait(60)
        return {}


def main() -> None:
    does, library = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else ""
    try:
        result = {"infers": infers, "hangs": hangs}[does](library)
    except DelegateError as error:
        result = {"error": type(error).__name__, "reason": error.reason, "code": int(exit_code(error))}
    say(json.dumps(result))


if __name__ == "__main__":
    main()
