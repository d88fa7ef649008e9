"""A program that runs a compiled model on a Coral with subgraft. Prints one line of JSON for each step."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys

import numpy as np

import subgraft
from subgraft.delegates import NUMPY_DTYPES

INFERENCES = 3


def say(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def answers(session: subgraft.Session) -> list[str]:
    """A digest of the outputs of each inference; the inputs are the same in every process."""
    random = np.random.default_rng(7)
    digests = []
    for _ in range(INFERENCES):
        feed = {
            name: random.integers(-128 if NUMPY_DTYPES[t.dtype] == np.int8 else 0, 127, t.shape).astype(
                NUMPY_DTYPES[t.dtype]
            )
            for name, t in session.inputs.items()
        }
        outputs = b"".join(array.tobytes() for array in session.run(feed).values())
        digests.append(hashlib.sha256(outputs).hexdigest())
    return digests


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("compiled")
    parser.add_argument("--device", default="usb:0")
    parser.add_argument("--library", default="")
    parser.add_argument("--endlessly", action="store_true")
    args = parser.parse_args()
    options = {"compiled": args.compiled, "library": args.library, "timeout_s": 5}
    try:
        with subgraft.load(args.model, [(f"edgetpu:{args.device}", options)], fallback=False) as session:
            say({"answers": answers(session), "pid": os.getpid(), "on_device": bool(session.plan.steps[0].owner)})
            while args.endlessly:
                answers(session)
    except (subgraft.Unavailable, subgraft.Failed) as error:
        say({"error": type(error).__name__, "reason": error.reason, "causes": causes(error)})


def causes(error: BaseException) -> list[str]:
    """The kinds of errors that it was raised from."""
    names = []
    link = error.__cause__
    while link is not None:
        names.append(type(link).__name__)
        link = link.__cause__
    return names


if __name__ == "__main__":
    main()
