"""README promises exactly two set-up commands; .ci/run runs the very text that is written there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"


def test_there_are_exactly_two_set_up_commands() -> None:
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```$", README.read_text(), re.MULTILINE | re.DOTALL)
    assert [len(block.strip().splitlines()) for block in blocks] == [1, 1]
    install, test = blocks
    assert install.strip().startswith("python3 -m venv .venv && ") and install.strip().endswith("subgraft demo")
    assert test.strip().endswith("/pytest")


def test_every_link_leads_to_a_file() -> None:
    documents = [README, ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    missing = {
        f"{document.name}: {link}"
        for document in documents
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text())
        if not (document.parent / link).exists()
    }
    assert missing == set()


def test_the_gate_is_valid_bash() -> None:
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "run")], check=True)
