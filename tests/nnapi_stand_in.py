"""The stand-in for libneuralnetworks.so (stand_in_nnapi.c): built for a feature level, driven, and its arithmetic.

It is a test double. What it computes comes from our reference kernels, through the mapping of NNAPI's operations to
TFLite's that Android's own specification tests check (conformance/nnapi_tflite.py): not the one that the delegate uses.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "conformance"))

from nnapi_cases import DTYPES, Array, Operand, SpecCase  # noqa: E402
from nnapi_draft import Converted, Inexpressible  # noqa: E402
from nnapi_operations import OPERATIONS, bound  # noqa: E402
from nnapi_tflite import convert  # noqa: E402
from subgraft import _native  # noqa: E402
from subgraft.interpreter.model import Model  # noqa: E402

LEVELS = (27, 28, 29, 30, 31, 1000008)
NO_ERROR, OP_FAILED, BAD_DATA = 0, 5, 4
LIVES = ("TEMPORARY_VARIABLE", "CONSTANT_COPY", "NO_VALUE", "SUBGRAPH_INPUT", "SUBGRAPH_OUTPUT", "SUBGRAPH")
TYPES = (
    "FLOAT32", "INT32", "UINT32", "TENSOR_FLOAT32", "TENSOR_INT32", "TENSOR_QUANT8_ASYMM", "BOOL",
    "TENSOR_QUANT16_SYMM", "TENSOR_FLOAT16", "TENSOR_BOOL8", "FLOAT16", "TENSOR_QUANT8_SYMM_PER_CHANNEL",
    "TENSOR_QUANT16_ASYMM", "TENSOR_QUANT8_SYMM", "TENSOR_QUANT8_ASYMM_SIGNED", "SUBGRAPH",
)  # fmt: skip
CONTROL_FLOW = {96: "IF", 97: "WHILE"}  # Android's single-operation tests have neither
NAMES = {operation.code: name for name, operation in OPERATIONS.items()} | CONTROL_FLOW
MOST_STEPS = 10_000  # of a loop
MOST_RANK = 8
COPIED_BYTES = 128
CODE, HANG, ABORT, NOTHING = 1, 2, 3, 4  # kinds of faults


class CheckedOperand(ctypes.Structure):
    """As stand_in_nnapi.c has it."""

    _fields_ = (
        ("type", ctypes.c_int32),
        ("rank", ctypes.c_uint32),
        ("dims", ctypes.c_uint32 * MOST_RANK),
        ("scale", ctypes.c_float),
        ("zero_point", ctypes.c_int32),
        ("life", ctypes.c_int),
        ("value", ctypes.c_void_p),
        ("copy", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("channel_dim", ctypes.c_uint32),
        ("channel_count", ctypes.c_uint32),
        ("channel_scales", ctypes.POINTER(ctypes.c_float)),
        ("model", ctypes.c_void_p),
    )


class CheckedOperation(ctypes.Structure):
    """As stand_in_nnapi.c has it."""

    _fields_ = (
        ("code", ctypes.c_int32),
        ("input_count", ctypes.c_uint32),
        ("output_count", ctypes.c_uint32),
        ("inputs", ctypes.POINTER(ctypes.c_uint32)),
        ("outputs", ctypes.POINTER(ctypes.c_uint32)),
    )


Check = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
Compute = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_void_p)
)


@dataclass
class Step:
    """One operation as our kernels run it; prepared the first time."""

    operation: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    converted: Converted | None = None
    program: Any = None
    fed: tuple[int, ...] = ()  # operands in the order of the graph's inputs


@dataclass
class Seen:
    """A model that was handed over."""

    operands: list[Operand]
    steps: list[Step]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    models: dict[int, int]  # by operand: the address of what it refers to
    constants: dict[tuple[int, int], int]  # address and length of those that the library does not copy: checksum


class StandIn:
    """One build of the library, with the controls that its file exports."""

    def __init__(self, folder: Path, level: int = LEVELS[-1], *, support_library: bool = False) -> None:
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            pytest.skip("needs a C compiler: apt install gcc")
        self.level = level
        self.path = folder / f"libneuralnetworks-{level}{'-sl' if support_library else ''}.so"
        flags = [f"-DSTAND_IN_LEVEL={level}", *(["-DSTAND_IN_SUPPORT_LIBRARY"] if support_library else [])]
        command = [compiler, "-std=c11", "-O1", "-fPIC", "-shared", "-fvisibility=hidden", *flags]
        subprocess.run([*command, str(HERE / "stand_in_nnapi.c"), "-o", str(self.path)], check=True)
        self.control = ctypes.CDLL(str(self.path))
        self.control.stand_in_device_level.argtypes = [ctypes.c_int64]
        self.control.stand_in_operand.restype = ctypes.POINTER(CheckedOperand)
        self.control.stand_in_operation.restype = ctypes.POINTER(CheckedOperation)
        self.control.stand_in_call.restype = ctypes.c_char_p
        self.control.stand_in_cache_dir.restype = ctypes.c_char_p
        self._seen: dict[int, Seen] = {}
        self._check, self._compute = Check(self._checked), Compute(self._computed)
        self.control.stand_in_callbacks(self._check, self._compute)
        self.problems: list[str] = []  # why a model or a run was refused here
        self.offset = 0.0  # added to every float output, and to 8-bit ones in steps: a driver that computes wrongly

    def reset(self) -> None:
        self.control.stand_in_reset()
        self.problems.clear()
        self.offset = 0.0

    def fail(self, function: str, code: int, *, times: int = -1, after: int = 0) -> None:
        self._fault(function, CODE, code, times, after, 0.0)

    def hang(self, function: str, seconds: float, *, times: int = 1) -> None:
        self._fault(function, HANG, 0, times, 0, seconds)

    def abort(self, function: str, *, after: int = 0) -> None:
        self._fault(function, ABORT, 0, 1, after, 0.0)

    def give_nothing(self, function: str, *, times: int = -1) -> None:
        self._fault(function, NOTHING, 0, times, 0, 0.0)

    def device_level(self, level: int) -> None:
        """What the device says of itself; less than the library, perhaps."""
        self.control.stand_in_device_level(level)

    def refuse(self, operation: str) -> None:
        self.control.stand_in_refuse(OPERATIONS[operation].code)

    def output_shape(self, output: int, shape: Sequence[int]) -> None:
        """What the driver says that an output's shape is."""
        dims = (ctypes.c_uint32 * len(shape))(*shape)
        self.control.stand_in_output_shape(output, len(shape), dims)

    @property
    def calls(self) -> list[str]:
        """Names of the functions called since the last reset, without their prefix."""
        count = self.control.stand_in_call_count()
        return [self.control.stand_in_call(i).decode().removeprefix("ANeuralNetworks") for i in range(count)]

    @property
    def live(self) -> int:
        """Objects that were made and not freed."""
        return int(self.control.stand_in_live())

    def _fault(self, function: str, kind: int, code: int, times: int, after: int, seconds: float) -> None:
        name = f"ANeuralNetworks{function}".encode()
        self.control.stand_in_fault(name, kind, code, times, after, ctypes.c_double(seconds))

    def _checked(self, model: int) -> int:
        """At ANeuralNetworksModel_finish: whether every operation is called as its definition says."""
        try:
            seen = self._read(model)
            for step in seen.steps:
                if step.operation in CONTROL_FLOW.values():
                    self._require_bodies(seen, step)
                else:
                    bound(step.operation, [seen.operands[i] for i in step.inputs])
            self._require_bias_scales(seen)
        except (KeyError, ValueError) as error:
            self.problems.append(str(error))
            return BAD_DATA
        self._seen[model] = seen
        return NO_ERROR

    def _require_bias_scales(self, seen: Seen) -> None:
        """The scale of a quantized bias is that of the sums; none where weights have one for each channel."""
        for step in seen.steps:
            if step.operation not in WITH_BIAS:
                continue
            x, w, b = (seen.operands[i] for i in step.inputs[:3])
            if b.dtype != "int32":
                continue
            sums = 0.0 if len(w.scales) > 1 or "PER_CHANNEL" in w.type else x.scales[0] * w.scales[0]
            given = b.scales[0] if b.scales else 0.0
            if abs(given - sums) > 1e-6 * min(given, sums or given):
                raise ValueError(f"{step.operation}: the bias has the scale {given}, its sums {sums}")

    def _read(self, model: int) -> Seen:
        control, handle = self.control, ctypes.c_void_p(model)
        count = control.stand_in_operand_count(handle)
        operands = [_operand(i, control.stand_in_operand(handle, i).contents) for i in range(count)]
        steps = []
        for i in range(control.stand_in_operation_count(handle)):
            o = control.stand_in_operation(handle, i).contents
            steps.append(Step(NAMES[o.code], tuple(o.inputs[: o.input_count]), tuple(o.outputs[: o.output_count])))
        inputs = [control.stand_in_input(handle, i) for i in range(control.stand_in_input_count(handle))]
        outputs = [control.stand_in_output(handle, i) for i in range(control.stand_in_output_count(handle))]
        raw = [control.stand_in_operand(handle, i).contents for i in range(count)]
        kept = [(r.value, r.length) for r in raw if r.value and r.length > COPIED_BYTES]
        constants = {place: zlib.crc32(ctypes.string_at(*place)) for place in kept}
        models = {i: r.model for i, r in enumerate(raw) if r.model}
        return Seen(operands, steps, tuple(inputs), tuple(outputs), models, constants)

    def _computed(self, model: int, inputs: Any, outputs: Any) -> int:
        try:
            seen = self._seen[model]
            given = [_view(inputs[n], seen.operands[i]).copy() for n, i in enumerate(seen.inputs)]
            results = self._evaluated(model, given)
            for n, i in enumerate(seen.outputs):
                _view(outputs[n], seen.operands[i])[...] = self._wrong(results[n])
        except Exception as error:  # a callback from C has nobody to raise to
            self.problems.append(repr(error))
            return OP_FAILED
        return NO_ERROR

    def _evaluated(self, model: int, inputs: Sequence[Array]) -> list[Array]:
        seen = self._seen[model]
        for place, checksum in seen.constants.items():
            assert zlib.crc32(ctypes.string_at(*place)) == checksum, "a constant changed after the model was finished"
        values = dict(zip(seen.inputs, inputs, strict=True))
        for step in seen.steps:
            if step.operation in CONTROL_FLOW.values():
                self._decide(seen, step, values)
            else:
                self._run(seen, step, values)
        return [values[i] for i in seen.outputs]

    def _require_bodies(self, seen: Seen, step: Step) -> None:
        """The models that an operation refers to take and give what it does."""

        def kinds(of: Seen, operands: Sequence[int]) -> list[tuple[Any, ...]]:
            return [(o.type, o.dims, o.scales, o.zero) for o in (of.operands[i] for i in operands)]

        skipped = 1 if step.operation == "IF" else 0
        bodies = [self._seen[seen.models[i]] for i in step.inputs[skipped : skipped + 2]]
        taken, given = kinds(seen, step.inputs[skipped + 2 :]), kinds(seen, step.outputs)
        condition = [("TENSOR_BOOL8", (1,), (), 0)]
        gives = [given, given] if skipped else [condition, given]
        if skipped and kinds(seen, step.inputs[:1]) != condition:
            raise ValueError("IF: the condition is no TENSOR_BOOL8 of one element")
        for body, wanted in zip(bodies, gives, strict=True):
            if kinds(body, body.inputs) != taken or kinds(body, body.outputs) != wanted:
                raise ValueError(f"{step.operation}: a model that it refers to takes or gives something else")

    def _decide(self, seen: Seen, step: Step, values: dict[int, Array]) -> None:
        """IF and WHILE, as NNAPI defines them."""
        skipped = 1 if step.operation == "IF" else 0
        first, second = (seen.models[i] for i in step.inputs[skipped : skipped + 2])
        read = {i: values[i] if i in values else seen.operands[i].array for i in step.inputs if i not in seen.models}
        current = [read[i] for i in step.inputs[skipped + 2 :]]
        if step.operation == "IF":
            current = self._evaluated(first if read[step.inputs[0]].all() else second, current)
        else:
            steps = 0
            while self._evaluated(first, current)[0].all():
                current = self._evaluated(second, current)
                steps += 1
                assert steps < MOST_STEPS, "a loop without an end"
        values.update(zip(step.outputs, current, strict=True))

    def _wrong(self, value: Array) -> Array:
        return value if not self.offset else (value + np.asarray(self.offset).astype(value.dtype)).astype(value.dtype)

    def _run(self, seen: Seen, step: Step, values: dict[int, Array]) -> None:
        if step.program is None or step.converted is None or step.converted.states:
            _prepare(seen, step, values)  # each time where there is a state: it is part of the graph
        assert step.converted is not None
        for t, state in step.converted.states.items():
            step.program.set(t, state)
        step.program.call([values[i] for i in step.fed])
        for i, t in zip(step.outputs, step.converted.results, strict=True):
            if step.operation == "LSTM" and i == step.outputs[0]:
                continue  # scratch memory
            values[i] = step.program.get(t).reshape(seen.operands[i].dims)


WITH_BIAS = ("CONV_2D", "DEPTHWISE_CONV_2D", "GROUPED_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV_2D")


def _operand(number: int, raw: CheckedOperand) -> Operand:
    kind, life = TYPES[raw.type], LIVES[raw.life]
    dims = tuple(raw.dims[: raw.rank])
    values: tuple[Any, ...] = ()
    if life == "CONSTANT_COPY":
        array = _view(raw.value, Operand("", kind, dims, (), life))
        values = tuple(array.reshape(-1).tolist())
    scales = tuple(raw.channel_scales[: raw.channel_count]) if raw.channel_count else (raw.scale,) if raw.scale else ()
    return Operand(f"operand {number}", kind, dims, values, life, scales, raw.zero_point, raw.channel_dim)


def _view(pointer: int, operand: Operand) -> Array:
    dtype = np.dtype(DTYPES[operand.type])
    size = int(np.prod(operand.dims, dtype=np.int64)) * dtype.itemsize
    raw = (ctypes.c_uint8 * size).from_address(pointer)
    return np.frombuffer(raw, dtype).reshape(operand.dims)


def _prepare(seen: Seen, step: Step, values: Mapping[int, Array]) -> None:
    """The operation as a graph of TFLite's ops, and a program for it."""
    inputs = [_standing_in(seen.operands[i], i, values.get(i)) for i in step.inputs]
    outputs = [seen.operands[i] for i in step.outputs]
    try:
        step.converted = convert(SpecCase("", step.operation, tuple(inputs), tuple(outputs)))
    except Inexpressible as error:
        raise ValueError(f"{step.operation}: {error}") from error
    by_name = {operand.name: i for operand, i in zip(inputs, step.inputs, strict=True)}
    graph = step.converted.graph
    step.fed = tuple(by_name[graph.tensors[t].name.partition(" ")[2]] for t in graph.inputs)
    step.program = _native.Program(Model.of(graph).native, pool=_native.ThreadPool(1))


def _standing_in(operand: Operand, number: int, value: Array | None) -> Operand:
    """A computed operand with its value, and a name to be found again by."""
    if value is None:
        return operand
    return Operand(
        f"operand {number}", operand.type, operand.dims, tuple(value.reshape(-1).tolist()), "SUBGRAPH_INPUT",
        operand.scales, operand.zero, operand.axis,
    )  # fmt: skip
