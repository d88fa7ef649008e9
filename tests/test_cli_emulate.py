"""subgraft emulate: a command's exit code, signals and messages; and what a client of its emulator may say."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from subgraft.backends.edgetpu.emulator import umockdev
from subgraft.backends.edgetpu.emulator.daemon import Emulation
from subgraft.backends.edgetpu.emulator.umockdev import NoUmockdev
from subgraft.cli import main
from subgraft.delegates import Unavailable
from subgraft.testing import VARIABLE, Emulator

EMULATE = (sys.executable, "-m", "subgraft", "emulate")
NEEDED = "SUBGRAFT_REQUIRE_UMOCKDEV"


@pytest.fixture(scope="module")
def emulation() -> Iterator[Emulation]:
    try:
        emulation = Emulation(mode="app", sticks=2)
    except NoUmockdev as error:
        if os.environ.get(NEEDED):
            raise
        pytest.skip(error.reason)
    yield emulation
    emulation.close()


@pytest.fixture
def emulator(emulation: Emulation) -> Emulator:
    return Emulator.connect(emulation.environment[VARIABLE])


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*EMULATE, *words], capture_output=True, text=True, timeout=60)


@pytest.mark.usefixtures("emulation")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("sh", "-c", "exit 3"), 3),
        (("sh", "-c", "kill -9 $$"), 128 + signal.SIGKILL),
        (("no-such-program",), 127),
        (("/etc/passwd",), 126),
    ],
    ids=lambda each: each[0] if isinstance(each, tuple) else "",
)
def test_it_ends_as_the_command_does_and_leaves_nothing(command: tuple[str, ...], code: int, tmp_path: Path) -> None:
    child = subprocess.run(
        [*EMULATE, "--", *command],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert child.returncode == code, child.stderr
    assert "emulated Coral" in child.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("emulation")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_gets_the_signals_and_has_the_last_word(number: signal.Signals) -> None:
    script = "trap 'exit 5' TERM INT; echo ready; while :; do sleep 0.05; done"
    command = [*EMULATE, "--", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        if number == signal.SIGINT:  # as a terminal sends it: to the whole group
            os.killpg(child.pid, number)
        else:
            child.send_signal(number)
        assert child.wait(30) == 5


def test_no_command_is_a_usage_error() -> None:
    child = run()
    assert child.returncode == 2
    assert "no command to run" in child.stderr


def test_without_umockdev_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(umockdev, "PRELOAD", "libno-such-library.so.0")
    assert main(["emulate", "--", "true"]) == 9
    assert "apt install umockdev" in capsys.readouterr().err


def test_an_emulator_that_nobody_has_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emulate", "--emulator", "abacus", "--", "true"]) == 4
    assert "no emulator goes by 'abacus'; emulators here: edgetpu" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sticks", "99"], "there may be 1 to"),
        (["--fault", "explode"], "no fault named 'explode'"),
        (["--model", "digits_int8.tflite"], "give what was compiled from them"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(__file__).parents[1] / "src" / "subgraft" / "models")
    assert main(["emulate", *options, "--", "true"]) == 2
    assert said in capsys.readouterr().err


def test_outside_of_an_emulator_there_is_none_to_control(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(Unavailable, match="subgraft emulate"):
        Emulator.connect()


def test_each_stick_is_controlled_by_itself(emulator: Emulator) -> None:
    emulator.unplug(stick=1)
    assert not emulator.state(stick=1)["connected"]
    assert emulator.state(stick=0)["connected"]
    emulator.plug("dfu", speed="high", stick=1)
    assert (emulator.state(stick=1)["mode"], emulator.state(stick=1)["speed"]) == ("dfu", "high")
    assert emulator.state()["speed"] == "super"


def test_a_storm_is_the_same_for_the_same_seed(emulator: Emulator) -> None:
    first, again = (emulator.storm(7, 20, 100, "stall@out,error@in") for _ in range(2))
    assert first == again
    assert len(first) == 20
    emulator.clear()
    assert emulator.state()["faults_waiting"] == 0


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({}, "nothing goes by None"),
        ({"do": "explode"}, "nothing goes by 'explode'"),
        ({"do": "state", "stick": 2}, "there is no stick 2"),
        ({"do": "state", "stick": "0"}, "there is no stick '0'"),
        ({"do": "fault"}, "fault needs 'rule'"),
        ({"do": "fault", "rule": "explode"}, "no fault named"),
        ({"do": "plug", "mode": "both"}, "it may be dfu or app"),
        ({"do": "plug", "speed": "warp"}, "it may be"),
        ({"do": "set", "name": "colour", "value": 1}, "there is no 'colour' to set"),
        ({"do": "set", "name": "memory_bytes", "value": -1}, "no number of 0 or more"),
        ({"do": "storm", "seed": 1, "faults": "many", "inferences": 1}, "no number of 0 or more"),
    ],
)
def test_what_the_emulator_does_not_take_is_refused_with_a_reason(
    emulation: Emulation, request_: dict[str, Any], said: str
) -> None:
    assert said in answer(emulation, json.dumps(request_))["error"]


@pytest.mark.parametrize("line", ["", "{", "[1]", "\udcff\x00", "9" * 5000], ids=repr)
def test_what_is_no_request_is_refused(emulation: Emulation, line: str) -> None:
    assert "error" in answer(emulation, line)


def answer(emulation: Emulation, line: str) -> Any:
    """To one line on the control socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(emulation.environment[VARIABLE])
        connection.sendall(line.encode(errors="surrogateescape") + b"\n")
        return json.loads(connection.makefile().readline())
