"""TFLite's own answer to a model: ai_edge_litert in a child process, because its kernels can abort.

Run as a program, this file is that child: it reads pickled Requests from stdin and writes pickled Answers to stdout,
each with its length in front. A child of its own computes them, and is replaced when it dies, which is quicker than to
start anew.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

LENGTH = struct.Struct("<Q")
STDERR_TAIL_BYTES = 2000
ABORTED = "aborted"


@dataclass(frozen=True)
class Request:
    """A model and what to feed it.

    model: the file's bytes or its path.
    runs: the inputs of each invoke, in the order of the model's inputs; one interpreter runs them all in turn.
    resolver: a name of ai_edge_litert's OpResolverType.
    shapes: what to resize inputs to, by their place among the model's inputs.
    every_tensor: also return all tensors of the main graph as they are after the last invoke.
    """

    model: bytes | Path
    runs: Sequence[Sequence[np.ndarray]]
    resolver: str = "BUILTIN_REF"
    shapes: Mapping[int, Sequence[int]] = field(default_factory=dict)
    every_tensor: bool = False


@dataclass(frozen=True)
class Answer:
    """The outputs of each run, or why there are none ("aborted: ..." when the child died).

    types: LiteRT's names for the types of the outputs; "bytes" for strings.
    """

    runs: list[list[np.ndarray]] = field(default_factory=list)
    tensors: dict[int, np.ndarray] = field(default_factory=dict)
    error: str = ""
    types: Sequence[str] = ()

    @property
    def outputs(self) -> list[np.ndarray]:
        assert not self.error, self.error
        return self.runs[-1]


def compute(request: Request) -> Answer:
    """What the child does with one request."""
    import ml_dtypes
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    source = {"model_path": str(request.model)} if isinstance(request.model, Path) else {"model_content": request.model}
    try:
        interpreter = Interpreter(
            **source,
            num_threads=1,
            experimental_op_resolver_type=OpResolverType[request.resolver],
            experimental_preserve_all_tensors=request.every_tensor,
        )
        inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
        for place, shape in request.shapes.items():
            interpreter.resize_tensor_input(inputs[place]["index"], list(shape), strict=False)
        interpreter.allocate_tensors()
        runs = []
        for values in request.runs:
            for detail, value in zip(inputs, values, strict=True):
                is_bfloat16 = detail["dtype"] == ml_dtypes.bfloat16
                interpreter.set_tensor(detail["index"], value.view(ml_dtypes.bfloat16) if is_bfloat16 else value)
            interpreter.invoke()
            runs.append([_of_numpy(_result(interpreter, place)) for place in range(len(outputs))])
        tensors = {}
        if request.every_tensor:
            for detail in interpreter.get_tensor_details():
                try:
                    tensors[detail["index"]] = _of_numpy(interpreter.get_tensor(detail["index"]))
                except ValueError:
                    continue  # a tensor without memory: unused, or inside a control-flow body
        types = [np.dtype(detail["dtype"]).name for detail in interpreter.get_output_details()]
        return Answer(runs, tensors, types=types)
    except (ValueError, RuntimeError) as error:
        return Answer(error=str(error) or type(error).__name__)


def _result(interpreter: Any, place: int) -> np.ndarray:
    """An output; an empty one whose shape was found while running is one that LiteRT's get_tensor refuses."""
    detail = interpreter.get_output_details()[place]
    try:
        return np.asarray(interpreter.get_tensor(detail["index"]))
    except ValueError:
        if 0 not in detail["shape"]:
            raise
        return np.zeros(detail["shape"], detail["dtype"])


PLAIN_DTYPES = {"int4": "int8", "int2": "int8", "uint4": "uint8"}


def _of_numpy(value: np.ndarray) -> np.ndarray:
    """LiteRT's types as we hold them: bits of bfloat16 as uint16, packed integers a byte each, strings as objects."""
    if value.dtype.name == "bfloat16":
        return value.view(np.uint16)
    if value.dtype.kind in "SO":
        return value.astype(object)
    return value.astype(PLAIN_DTYPES.get(value.dtype.name, value.dtype))


class Oracle:
    """The child process; one that died or overran its time is replaced with the next request."""

    def __init__(self, timeout_s: float = 120.0) -> None:
        self.timeout_s = timeout_s
        self._child: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed by close)

    def run(self, model: bytes | Path, *inputs: np.ndarray, **options: Any) -> Answer:
        """One invoke; options as of Request."""
        return self.ask(Request(model, [inputs], **options))

    def ask(self, request: Request) -> Answer:
        child = self._started()
        message = pickle.dumps(request)
        assert child.stdin is not None and child.stdout is not None
        try:
            child.stdin.write(LENGTH.pack(len(message)) + message)
            child.stdin.flush()
            deadline = time.monotonic() + self.timeout_s
            (size,) = LENGTH.unpack(_receive(child.stdout.fileno(), LENGTH.size, deadline))
            answer = pickle.loads(_receive(child.stdout.fileno(), size, deadline))
        except (BrokenPipeError, EOFError):
            self._stop()
            return Answer(error=f"{ABORTED}: {self._last_words()}")
        except TimeoutError:
            self._stop()
            return Answer(error=f"no answer within {self.timeout_s:g} s")
        assert isinstance(answer, Answer)
        return Answer(error=f"{answer.error}: {self._last_words()}") if answer.error == ABORTED else answer

    def close(self) -> None:
        self._stop()
        self._stderr.close()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            self._stderr.seek(0)
            self._stderr.truncate()
            self._child = subprocess.Popen(
                [sys.executable, __file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                start_new_session=True,
            )
        return self._child

    def _stop(self) -> None:
        if self._child is None:
            return
        with contextlib.suppress(ProcessLookupError):  # dead already
            os.killpg(self._child.pid, signal.SIGKILL)  # its children too
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue  # unsent bytes for a child that is gone
        self._child = None

    def _last_words(self) -> str:
        size = self._stderr.seek(0, os.SEEK_END)
        self._stderr.seek(max(0, size - STDERR_TAIL_BYTES))
        return self._stderr.read().decode(errors="replace").strip()


def _receive(fd: int, size: int, deadline: float) -> bytes:
    """Exactly `size` bytes of a pipe. Raises EOFError at its end and TimeoutError past the deadline."""
    parts = bytearray()
    while len(parts) < size:
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            raise TimeoutError
        part = os.read(fd, min(size - len(parts), 1 << 20))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def serve() -> None:
    """The child's loop. LiteRT prints to stdout too, so answers go through a copy and stdout becomes stderr."""
    import ai_edge_litert.interpreter  # noqa: F401  (once for all children)

    sys.modules["oracle"] = sys.modules["__main__"]  # pickled classes say "oracle"
    for cls in (Request, Answer):
        cls.__module__ = "oracle"
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        pid = os.fork()
        if pid == 0:
            answer_all(answers)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if status == 0:
            return
        send(answers, Answer(error=ABORTED))


def answer_all(answers: IO[bytes]) -> None:
    """Until the requests end. Unbuffered: a child that takes over must find the next request unread."""
    requests = os.fdopen(os.dup(0), "rb", buffering=0)
    while len(head := requests.read(LENGTH.size) or b"") == LENGTH.size:
        (size,) = LENGTH.unpack(head)
        message = bytearray()
        while len(message) < size:
            part = requests.read(size - len(message))
            if not part:
                return  # who asks is gone
            message += part
        send(answers, compute(pickle.loads(message)))


def send(answers: IO[bytes], answer: Answer) -> None:
    message = pickle.dumps(answer)
    answers.write(LENGTH.pack(len(message)) + message)
    answers.flush()


if __name__ == "__main__":
    serve()
