"""Packed weights on disk: found again, shared, and never trusted."""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import subgraft
from subgraft import _native
from subgraft.delegates import Array, Graph, Op, Quantization, Tensor
from subgraft.interpreter import weight_cache
from subgraft.interpreter.model import Model
from subgraft.interpreter.weight_cache import DIGEST, VARIABLE, WEIGHTS, WeightCache

pytestmark = pytest.mark.skipif(_native.instruction_set() == "generic", reason="the reference kernels pack no weights")

UNITS, LAYERS = 96, 3
SCALE = Quantization((0.05,), (0,))


def write(path: Path, seed: int) -> Path:
    """Layers of int8 and one of float32, all with packed weights; a model of the same size for every seed."""
    rng = np.random.default_rng(seed)
    tensors, ops = [Tensor("x", (4, UNITS), "int8", quantization=SCALE)], []
    for i in range(LAYERS):
        weights = rng.integers(-127, 128, (UNITS, UNITS), np.int8)
        tensors.append(Tensor.constant(f"w{i}", weights, Quantization((0.002,), (0,))))
        tensors.append(Tensor(f"y{i}", (4, UNITS), "int8", quantization=SCALE))
        ops.append(Op("FULLY_CONNECTED", (2 * i, 2 * i + 1), (2 * i + 2,)))
    y = len(tensors)
    tensors += [
        Tensor("f", (4, UNITS), "float32"),
        Tensor.constant("v", rng.standard_normal((UNITS, UNITS)).astype(np.float32)),
        Tensor("z", (4, UNITS), "float32"),
    ]
    ops += [Op("DEQUANTIZE", (y - 1,), (y,)), Op("FULLY_CONNECTED", (y, y + 1), (y + 2,))]
    path.write_bytes(Model.of(Graph(tuple(tensors), tuple(ops), (0,), (y + 2,))).to_bytes())
    return path


X = np.random.default_rng(7).integers(-128, 128, (4, UNITS), np.int8)


def run(path: Path, cache: Path | bool | None) -> tuple[Array, _native.WeightFile | None]:
    """The result, and the file of packed weights as the interpreter left it."""
    interpreter = subgraft.Interpreter(os.fspath(path), weight_cache=cache)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], X)
    interpreter.invoke()
    result = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    return result, interpreter._engines._model.native.weight_file


def kept(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*{WEIGHTS}")) if folder.is_dir() else []


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write(tmp_path / "model.tflite", 1)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def expected(model: Path) -> Array:
    return run(model, False)[0]


@pytest.fixture
def filled(model: Path, cache: Path, expected: Array) -> Path:
    """The one file in the cache."""
    np.testing.assert_array_equal(run(model, cache)[0], expected)
    (file,) = kept(cache)
    return file


@pytest.fixture
def every_set() -> Iterator[None]:
    yield
    _native.limit_instruction_set()


def test_nothing_is_kept_unless_asked_for(model: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert run(model, None)[1] is None
    assert not (tmp_path / "home").exists()


def test_packed_weights_are_found_again(model: Path, cache: Path, filled: Path, expected: Array) -> None:
    result, file = run(model, cache)
    np.testing.assert_array_equal(result, expected)
    assert file is not None
    assert (file.found, file.has_new, file.problem) == (LAYERS + 1, False, "")


def test_sessions_use_the_cache_too(model: Path, cache: Path, filled: Path, expected: Array) -> None:
    with subgraft.load(model, weight_cache=cache) as session:
        np.testing.assert_array_equal(session.run({"x": X})["z"], expected)


def test_a_model_with_other_weights_has_a_file_of_its_own(model: Path, cache: Path, filled: Path) -> None:
    other = write(model.with_name("other.tflite"), 2)
    np.testing.assert_array_equal(run(other, cache)[0], run(other, False)[0])
    assert len(kept(cache)) == 2


def test_a_model_that_was_written_over_is_not_taken_for_the_old_one(
    model: Path, cache: Path, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_cache, "SETTLED_NS", 0)
    run(model, cache)
    write(model, 3)
    np.testing.assert_array_equal(run(model, cache)[0], run(model, False)[0])
    assert len(kept(cache)) == 2


def test_an_unchanged_model_is_not_hashed_again(
    model: Path, cache: Path, filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not list(cache.glob(f"*{DIGEST}"))  # the model is too young to tell
    monkeypatch.setattr(weight_cache, "SETTLED_NS", 0)
    run(model, cache)
    (note,) = cache.glob(f"*{DIGEST}")
    written = note.stat().st_mtime_ns
    assert run(model, cache)[1].found == LAYERS + 1  # type: ignore[union-attr]
    assert note.stat().st_mtime_ns == written
    note.write_bytes(note.read_bytes()[:-1] + b"?")
    assert run(model, cache)[1].found == LAYERS + 1  # type: ignore[union-attr]
    assert note.stat().st_mtime_ns != written


@pytest.mark.parametrize("place", [0, 20, 30, 45, 60, 90, 100, 130, -10_000, -100])
def test_one_flipped_bit_is_seen_told_and_mended(
    model: Path, cache: Path, filled: Path, expected: Array, caplog: pytest.LogCaptureFixture, place: int
) -> None:
    content = bytearray(filled.read_bytes())
    content[place] ^= 4
    filled.write_bytes(content)
    with caplog.at_level(logging.WARNING, "subgraft"):
        np.testing.assert_array_equal(run(model, cache)[0], expected)
    assert any(str(filled) in message for message in caplog.messages)
    file = run(model, cache)[1]
    assert file is not None
    assert (file.found, file.problem) == (LAYERS + 1, "")


@pytest.mark.parametrize("size", [0, 1, 95, 96, 200, -1, -5000])
def test_a_file_that_ends_too_early_is_made_anew(
    model: Path, cache: Path, filled: Path, expected: Array, caplog: pytest.LogCaptureFixture, size: int
) -> None:
    whole = filled.read_bytes()
    filled.write_bytes(whole[:size])
    with caplog.at_level(logging.WARNING, "subgraft"):
        np.testing.assert_array_equal(run(model, cache)[0], expected)
    assert any(str(filled) in message for message in caplog.messages)
    assert filled.stat().st_size == len(whole)


def test_a_file_under_the_name_of_another_is_refused(
    model: Path, cache: Path, filled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    other = write(model.with_name("other.tflite"), 2)
    right = run(other, cache)[0]
    (stranger,) = set(kept(cache)) - {filled}
    stranger.unlink()
    filled.rename(stranger)
    with caplog.at_level(logging.WARNING, "subgraft"):
        np.testing.assert_array_equal(run(other, cache)[0], right)
    assert "made for something else" in caplog.text


def test_another_version_of_subgraft_finds_nothing(
    model: Path, cache: Path, filled: Path, expected: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_native, "version", "0.0.1")
    np.testing.assert_array_equal(run(model, cache)[0], expected)
    assert len(kept(cache)) == 2


@pytest.mark.usefixtures("every_set")
def test_another_instruction_set_finds_nothing(model: Path, cache: Path, filled: Path) -> None:
    others = [name for name in _native.instruction_sets() if name not in ("generic", _native.instruction_set())]
    if not others:
        pytest.skip("this machine has one instruction set")
    _native.limit_instruction_set(others[0])
    np.testing.assert_array_equal(run(model, cache)[0], run(model, False)[0])
    assert len(kept(cache)) == 2


def test_a_file_that_others_may_write_to_is_not_used(
    model: Path, cache: Path, filled: Path, expected: Array, caplog: pytest.LogCaptureFixture
) -> None:
    filled.chmod(0o666)
    with caplog.at_level(logging.WARNING, "subgraft"):
        np.testing.assert_array_equal(run(model, cache)[0], expected)
    assert "others may write to it" in caplog.text
    assert not filled.stat().st_mode & 0o022  # replaced by one of our own


def test_a_link_is_not_followed(model: Path, cache: Path, filled: Path, expected: Array) -> None:
    filled.rename(cache / "elsewhere")
    filled.symlink_to(cache / "elsewhere")
    result, file = run(model, cache)
    np.testing.assert_array_equal(result, expected)
    assert file is not None
    assert file.found == 0


def test_a_pipe_in_the_place_of_a_note_is_not_waited_for(model: Path, cache: Path, filled: Path) -> None:
    identity = Model.open(model).native.file_identity
    note = cache / (hashlib.sha256(repr(identity).encode()).hexdigest() + DIGEST)
    note.unlink(missing_ok=True)
    os.mkfifo(note)
    code = "import sys, subgraft; subgraft.Interpreter(sys.argv[1], weight_cache=sys.argv[2]).allocate_tensors()"
    assert subprocess.run([sys.executable, "-c", code, str(model), str(cache)], timeout=30).returncode == 0


def test_what_was_written_stays_when_more_is_written(model: Path, cache: Path) -> None:
    opened = Model.open(model).native
    kept_in = WeightCache(cache)
    kept_in.attach(opened)
    layers = opened.subgraph(0).op_count
    first = _native.Program(opened, 0, ops=[0], outputs=[2], pool=_native.ThreadPool(1))
    kept_in.keep(opened)
    rest = _native.Program(
        opened, 0, ops=list(range(1, layers)), inputs=[2], outputs=[opened.subgraph(0).tensor_count - 1],
        pool=_native.ThreadPool(1),
    )  # fmt: skip
    kept_in.keep(opened)
    file = opened.weight_file
    assert file is not None
    assert not file.has_new
    del first, rest, opened, file
    assert run(model, cache)[1].found == LAYERS + 1  # type: ignore[union-attr]


def test_a_folder_that_cannot_be_written_to_costs_only_time(
    model: Path, expected: Array, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "subgraft"):
        np.testing.assert_array_equal(run(model, Path("/proc/subgraft/weights"))[0], expected)
    assert "did not keep /proc/subgraft/weights" in caplog.text


def test_the_least_lately_used_files_go_when_there_are_too_many_bytes(model: Path, cache: Path, filled: Path) -> None:
    other = Model.open(write(model.with_name("other.tflite"), 2))
    small = WeightCache(cache, filled.stat().st_size + 100)
    small.attach(other.native)
    program = _native.Program(other.native, 0, pool=_native.ThreadPool(1))
    small.keep(other.native)
    assert len(kept(cache)) == 1
    assert not filled.exists()
    del program


def test_processes_that_write_at_once_leave_one_whole_file(model: Path, cache: Path, expected: Array) -> None:
    code = (
        "import sys, numpy, subgraft\n"
        "i = subgraft.Interpreter(sys.argv[1], weight_cache=sys.argv[2]); i.allocate_tensors()\n"
        "i.set_tensor(0, numpy.load(sys.argv[3])); i.invoke()\n"
        "numpy.save(sys.argv[4], i.get_tensor(i.get_output_details()[0]['index']))\n"
    )
    given = model.with_name("x.npy")
    np.save(given, X)
    results = [model.with_name(f"y{n}.npy") for n in range(4)]
    commands = [[sys.executable, "-c", code, str(model), str(cache), str(given), str(y)] for y in results]
    running = [subprocess.Popen(command) for command in commands]
    assert [process.wait(60) for process in running] == [0] * len(running)
    for y in results:
        np.testing.assert_array_equal(np.load(y), expected)
    assert [path.suffix for path in cache.iterdir() if path.suffix != DIGEST] == [WEIGHTS]
    file = run(model, cache)[1]
    assert file is not None
    assert (file.found, file.problem) == (LAYERS + 1, "")


def test_a_model_in_memory_is_not_kept(model: Path, cache: Path, expected: Array) -> None:
    with subgraft.load(model.read_bytes(), weight_cache=cache) as session:
        np.testing.assert_array_equal(session.run({"x": X})["z"], expected)
    assert kept(cache) == []


@pytest.mark.parametrize(
    ("asked", "text", "folder"),
    [
        (None, None, None),
        (None, "0", None),
        (None, "1", "/home/x/subgraft/weights"),
        (None, "/var/w", "/var/w"),
        (False, "1", None),
        (True, None, "/home/x/subgraft/weights"),
        ("/var/w", "0", "/var/w"),
    ],
)
def test_the_argument_comes_before_the_variable(
    asked: bool | str | None, text: str | None, folder: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/home/x")
    cache = WeightCache.of(asked, {} if text is None else {VARIABLE: text})
    assert (None if cache is None else cache.folder) == (None if folder is None else Path(folder))


def test_a_folder_needs_an_absolute_path(model: Path) -> None:
    with pytest.raises(ValueError, match="give an absolute path"):
        run(model, Path("here"))
