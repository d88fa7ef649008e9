"""subgraft demo: real pictures through the shipped model, with a delegate of which one segment fails on purpose."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import subgraft
from subgraft.cli.exit_codes import CheckFailed, ExitCode, UsageError, why
from subgraft.cli.output import print_json
from subgraft.cli.picture import GREEN, RED, YELLOW, Outcome, Pen, draw
from subgraft.cli.svg import svg
from subgraft.delegates import Array
from subgraft.models import DIGITS_INT8, Sample, samples

DELEGATE = "fake"
TAKES = ("ADD", "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "RESHAPE")  # so that the CPU has segments between
FAILING_RUN = 20  # of the delegate: its second segment, in the tenth picture
MOSTLY = 0.9  # of the answers must be right

BESIDE = 10  # pictures in a row
GAP = "  "
HALF_BLOCKS = " ▄▀█"  # index: ink in the upper pixel times 2, plus ink in the lower
SHADES = " .+#"  # for two pixels together, where there are no half blocks


@dataclass(frozen=True, slots=True)
class Reading:
    """What the model saw in one picture.

    equals_cpu: all ten probabilities are those of the CPU alone, bit for bit. fell_back: a segment failed meanwhile.
    """

    file: str
    label: int
    digit: int
    probability: float
    equals_cpu: bool
    fell_back: bool

    @property
    def right(self) -> bool:
        return self.digit == self.label


def add_parser(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser(
        "demo", help="read handwritten digits with an emulated delegate that fails once, and show what ran where"
    )
    parser.add_argument("--svg", metavar="FILE", help="write the picture of the plan as SVG")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    """Raises CheckFailed when an answer differs from the CPU's, or too few are right."""
    pictures = samples()
    delegate = (DELEGATE, {"kinds": ",".join(TAKES), "faults": f"fail@{FAILING_RUN}"})
    with subgraft.load(DIGITS_INT8) as cpu, subgraft.load(DIGITS_INT8, [delegate]) as session:
        readings = [_read(sample, session, cpu) for sample in pictures]
        outcomes = _outcomes(session, len(pictures))
        if args.svg:
            _write(Path(args.svg), svg(session.plan, outcomes, title=f"{DIGITS_INT8.name}: what ran where"))
        document = _document(session, readings)
        if not args.json:
            _print(session, pictures, readings, outcomes)
    _check(readings, document)
    if args.json:
        print_json(document)
    return ExitCode.OK


def _read(sample: Sample, session: subgraft.Session, cpu: subgraft.Session) -> Reading:
    image = _input(sample)
    before = _events(session)
    (answer,) = session.run({"image": image}).values()
    (expected,) = cpu.run({"image": image}).values()
    digit = int(answer.argmax())
    return Reading(
        file=sample.path.name,
        label=sample.label,
        digit=digit,
        probability=(int(answer[0, digit]) + 128) / 256,
        equals_cpu=bool(np.array_equal(answer, expected)),
        fell_back=_events(session) > before,
    )


def _input(sample: Sample) -> Array:
    """A byte of the picture less 128 is what the model's input scale, 1/255 from -128, stands for."""
    return (sample.pixels.astype(np.int16) - 128).astype(np.int8).reshape(1, 8, 8, 1)


def _events(session: subgraft.Session) -> int:
    return sum(event.count for event in session.report.events)


def _outcomes(session: subgraft.Session, runs: int) -> dict[int, Outcome]:
    """What the report says of each segment of the plan."""
    outcomes = {}
    for number in range(len(session.plan.steps)):
        events = [event for event in session.report.events if event.segment == number and event.graph == 0]
        outcomes[number] = Outcome(runs, sum(event.count for event in events), tuple(event.reason for event in events))
    return outcomes


def _check(readings: Sequence[Reading], document: dict[str, Any] | None = None) -> None:
    """document: what --json shows beside the error."""
    differ = [reading.file for reading in readings if not reading.equals_cpu]
    if differ:
        raise CheckFailed(f"the answers differ from the CPU's for {', '.join(differ)}", document)
    right = sum(reading.right for reading in readings)
    if not readings or right < MOSTLY * len(readings):
        raise CheckFailed(f"only {right} of {len(readings)} digits were read right", document)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {why(error)}") from error


def _document(session: subgraft.Session, readings: Sequence[Reading]) -> dict[str, Any]:
    return {
        "model": str(DIGITS_INT8),
        "delegate": {"name": DELEGATE, "emulated": True},
        "pictures": [{**asdict(reading), "right": reading.right} for reading in readings],
        "right": sum(reading.right for reading in readings),
        "equal_to_cpu": sum(reading.equals_cpu for reading in readings),
        "plan": session.plan.to_dict(),
        "report": session.report.to_dict(),
    }


def _print(
    session: subgraft.Session, pictures: Sequence[Sample], readings: Sequence[Reading], outcomes: dict[int, Outcome]
) -> None:
    pen = Pen.of(sys.stdout)
    print(f"{len(pictures)} handwritten digits that the model was not trained on, read by {DIGITS_INT8.name}.")
    print(
        f'Some ops go to "{DELEGATE}", an emulated accelerator: it computes on this CPU, and fails once on purpose.\n'
    )
    for line in _gallery(pictures, readings, pen):
        print(line.rstrip())
    right, equal = sum(r.right for r in readings), sum(r.equals_cpu for r in readings)
    count = len(readings)
    print(f"{right} of {count} right. {equal} of {count} answers equal the CPU's alone, bit for bit.")
    if any(reading.fell_back for reading in readings):
        print("* the delegate failed in this picture, and the CPU took its segment over")
    print()
    emulated = {step.owner for step in session.plan.steps if step.owner}
    print(draw(session.plan, outcomes, pen=pen, emulated=emulated))
    print(f"\nReport:\n{session.report}")


def _gallery(pictures: Sequence[Sample], readings: Sequence[Reading], pen: Pen) -> Iterator[str]:
    """Each picture, and what was read in it: 98 columns."""
    for start in range(0, len(pictures), BESIDE):
        row = range(start, min(start + BESIDE, len(pictures)))
        drawn = [_thumbnail(pictures[i].pixels, pen) for i in row]
        yield from (GAP.join(parts) for parts in zip(*drawn, strict=True))
        yield GAP.join(_caption(readings[i], pen) for i in row)
        yield ""


def _thumbnail(pixels: Array, pen: Pen) -> list[str]:
    """Four lines of eight characters; each stands for two pixels, one above the other."""
    upper, lower = pixels[0::2].astype(int), pixels[1::2].astype(int)
    if pen.colour and pen.unicode:  # the terminal's 24 levels of grey, ink on foreground and background
        return [
            "".join(
                f"\x1b[38;5;{232 + u * 23 // 255};48;5;{232 + v * 23 // 255}m▀" for u, v in zip(us, vs, strict=True)
            )
            + "\x1b[0m"
            for us, vs in zip(upper, lower, strict=True)
        ]
    if pen.unicode:
        return ["".join(HALF_BLOCKS[i] for i in row) for row in 2 * (upper > 127) + (lower > 127)]
    return ["".join(SHADES[i] for i in row) for row in (upper + lower) * len(SHADES) // 511]


def _caption(reading: Reading, pen: Pen) -> str:
    text = f"{reading.digit} right" if reading.right else f"{reading.digit} not {reading.label}"
    colour = YELLOW if reading.fell_back else GREEN if reading.right else RED
    return pen.paint(f"{text}{'*' if reading.fell_back else '':<{8 - len(text)}}", colour)
