"""Writes docs/opencl-models.md: how much of each shared model an OpenCL device takes.

python tests/conformance/opencl_models_page.py
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import subgraft

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "conformance")]

from macs import macs  # noqa: E402
from opencl_device import TestDevice, open_device  # noqa: E402
from shared_models import MODELS  # noqa: E402
from test_opencl_models import EVERY, share_of, takes_image  # noqa: E402

PAGE = ROOT / "docs" / "opencl-models.md"
HEAD = """# Models on an OpenCL device

How much of each public model goes to the device when it may take all it can (`prefer=offload`), and how much is left to
the CPU. Integer models give the CPU's bits, floats are within 1e-4 of the output's range
(`tests/conformance/test_opencl_models.py`; checked on PoCL, a CPU behind OpenCL: not run on a GPU). This page is
written by `python tests/conformance/opencl_models_page.py`.

| model | multiply-accumulates on the device | ops | segments | takes an image |
| --- | ---: | ---: | ---: | --- |
"""


def page(device: TestDevice) -> str:
    return HEAD + "".join(f"{row(path, device)}\n" for path in sorted(EVERY))


def row(path: str, device: TestDevice) -> str:
    with subgraft.load(MODELS / path, delegates=[device.delegate()]) as session:
        plan = session.plan
        mine = [step for step in plan.steps if step.owner]
        ops = sum(len(step.segment.ops) for step in mine)
        image = "yes" if takes_image(MODELS / path) else ""
        share = f"{share_of(session):.1%}" if any(macs(op, plan.graph) for op in plan.graph.ops) else "none"
        return f"| {path.removesuffix('.tflite')} | {share} | {ops} of {len(plan.placements)} | {len(mine)} | {image} |"


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        PAGE.write_text(page(open_device(Path(folder))), encoding="utf-8")
