"""Every ```python and ```console block of README.md and docs/ runs and does what it shows.

The python blocks of a page run one after the other in one namespace, in a folder with a `model.tflite`, `benchmarks/`,
`examples/` and `src/`. In a console block a line that begins with "$ " is run in the shell and the lines below it are
what it prints; "..." stands for anything. Blocks that cannot run here have another language, such as ```sh.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import pytest

import graphs as make
from subgraft.interpreter import Model

ROOT = Path(__file__).parents[1]
PAGES = sorted(path for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")] if path.exists())
NEEDS_OPENCL = "opencl.md"
BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page):
    text = page.read_text()
    for match in BLOCK.finditer(text):
        yield match[1], match[2], text.count("\n", 0, match.start()) + 2


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch, request):
    if page.name == NEEDS_OPENCL:
        request.getfixturevalue("opencl")  # skips without a device
    (tmp_path / "model.tflite").write_bytes(Model.of(make.chain("ADD", "TANH", "MUL")).to_bytes())
    for folder in ("benchmarks", "examples", "src"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "page"}
    for language, content, line in blocks(page):
        if language == "console":
            run_console(content, f"{page.name}:{line}")
        else:
            exec(compile("\n" * (line - 1) + content, str(page), "exec"), namespace)


def run_console(content, where):
    scripts = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "100"}
    for part in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        done = subprocess.run(command, shell=True, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{where}: {command}\n{done.stderr}"
        is_shown = OutputChecker().check_output(expected, done.stdout, ELLIPSIS | NORMALIZE_WHITESPACE)
        if expected.strip() and not is_shown:
            raise AssertionError(f"{where}: {command}\nshows\n{expected}\nprints\n{done.stdout}")


def test_a_block_that_shows_something_else_is_found(tmp_path):
    with pytest.raises(AssertionError, match="prints"):
        run_console("$ echo one\ntwo\n", "here")
    run_console("$ echo one two three\none ... three\n$ true\n", "here")
