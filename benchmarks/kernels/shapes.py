"""The ops and shapes that are measured: those that models have most of, as cases like the tests'."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from benchmarks.known import macs, op_cases
from subgraft import Interpreter
from subgraft.delegates import Graph
from subgraft.interpreter.model import Model

c, x, out, const = op_cases.c, op_cases.x, op_cases.out, op_cases.const
Case = op_cases.Case

ACTIVATION_SCALE, WEIGHT_SCALE = 0.05, 0.004
BYTES: Mapping[str, Any] = {"dtype": "int8", "scale": ACTIVATION_SCALE, "zero": 3}
DTYPES = ("float32", "int8", "uint8", "int16x8", "dynamic")


@dataclass(frozen=True)
class Kernel:
    """One op. dtype: of DTYPES; what the kernel's family is called."""

    name: str
    dtype: str
    case: Any

    def model(self) -> bytes:
        """With the shapes of its outputs: XNNPACK takes no op without them."""
        probe = Interpreter(model_content=self.case.model())
        probe.allocate_tensors()
        shapes = [tuple(int(n) for n in detail["shape"]) for detail in probe.get_output_details()]
        outputs = [replace(o, shape=shape) for o, shape in zip(self.case.outputs, shapes, strict=True)]
        return bytes(replace(self.case, outputs=outputs).model())


def work(graph: Graph) -> tuple[int, int]:
    """Multiply-accumulates, and bytes that an ideal kernel reads and writes."""
    (op,) = graph.ops
    size = {
        "float32": 4,
        "int32": 4,
        "int64": 8,
        "int16": 2,
        "float16": 2,
        "int8": 1,
        "uint8": 1,
        "bool": 1,
        "int4": 0.5,
    }
    tensors = [graph.tensors[t] for t in (*op.inputs, *op.outputs) if t >= 0]
    return macs(op, graph), int(sum(math.prod(t.shape) * size[t.dtype] for t in tensors))


def kernels() -> Iterator[Kernel]:
    yield from _convolutions()
    yield from _depthwise()
    yield from _products()
    yield from _others()


def _convolutions() -> Iterator[Kernel]:
    for dtype in ("int8", "uint8", "float32"):
        yield _conv(dtype, (14, 14, 512), 512)
        yield _conv(dtype, (56, 56, 24), 144)
        yield _conv(dtype, (112, 112, 16), 96)
        yield _conv(dtype, (7, 7, 960), 160)
        yield _conv(dtype, (224, 224, 3), 32, taps=3, stride=2)
        yield _conv(dtype, (28, 28, 128), 128, taps=3)
    yield _conv("float32", (64, 64, 14), 14, taps=3)
    yield _conv("float32", (64, 64, 8), 8, taps=5)
    yield _conv("int16x8", (28, 28, 64), 64, taps=3)
    yield _conv("dynamic", (28, 28, 64), 64)
    for dtype in ("int8", "float32"):
        yield _transposed(dtype, (16, 16, 32), 16)


def _depthwise() -> Iterator[Kernel]:
    for dtype in ("int8", "uint8", "float32", "int16x8"):
        yield _deep(dtype, (56, 56, 144), 1)
        yield _deep(dtype, (112, 112, 96), 2)
        yield _deep(dtype, (14, 14, 512), 1)


def _products() -> Iterator[Kernel]:
    for dtype in ("int8", "uint8", "float32", "dynamic", "int16x8"):
        yield _dense(dtype, 1, 1024, 1001)
        yield _dense(dtype, 64, 256, 256)
    for dtype in ("int8", "float32"):
        given = {} if dtype == "float32" else {**BYTES}
        sides = [x(4, 64, 64, **given), x(4, 64, 64, **given)]
        options = {"adj_x": False, "adj_y": False, "asymmetric_quantize_inputs": False}
        result = out() if dtype == "float32" else out("int8", scale=0.8)
        yield Kernel("matmul 4x64x64x64", dtype, Case("BATCH_MATMUL", sides, [result], options))


def _others() -> Iterator[Kernel]:
    for dtype in ("int8", "float32"):
        given = {} if dtype == "float32" else {**BYTES}
        result = out() if dtype == "float32" else out("int8", scale=0.1)
        image = (1, 56, 56, 64)
        plain = {"fused_activation_function": "NONE"}
        yield Kernel("add 56x56x64", dtype, Case("ADD", [x(*image, **given), x(*image, **given)], [result], plain))
        yield Kernel("mul by channel", dtype, Case("MUL", [x(*image, **given), x(64, **given)], [result], plain))
        logits = out() if dtype == "float32" else out("int8", scale=1 / 256, zero=-128)
        yield Kernel("logistic 56x56x64", dtype, Case("LOGISTIC", [x(*image, **given)], [logits]))
        yield Kernel("softmax 64x1000", dtype, Case("SOFTMAX", [x(64, 1000, **given)], [logits], {"beta": 1.0}))
        mean = [x(*image, **given), const((1, 2))]
        yield Kernel("mean over 56x56", dtype, Case("MEAN", mean, [result], {"keep_dims": True}))
        pool = {"padding": "SAME", "stride_h": 2, "stride_w": 2, "filter_height": 2, "filter_width": 2, **plain}
        same = out() if dtype == "float32" else out("int8", scale=ACTIVATION_SCALE, zero=3)
        yield Kernel("max pool 2x2", dtype, Case("MAX_POOL_2D", [x(*image, **given)], [same], pool))
        sizes = {"align_corners": False, "half_pixel_centers": True}
        bilinear = [x(1, 28, 28, 64, **given), const((56, 56))]
        yield Kernel("bilinear 28 to 56", dtype, Case("RESIZE_BILINEAR", bilinear, [same], sizes, version=3))
        yield Kernel(
            "transpose NHWC to NCHW", dtype, Case("TRANSPOSE", [x(*image, **given), const((0, 3, 1, 2))], [same])
        )


def _operand(dtype: str, *shape: int) -> Any:
    if dtype in ("float32", "dynamic"):
        return x(*shape)
    if dtype == "int16x8":
        return x(*shape, dtype="int16", scale=0.0005)
    return x(*shape, dtype=dtype, scale=ACTIVATION_SCALE, zero=120 if dtype == "uint8" else 3)


def _weights(dtype: str, shape: tuple[int, ...], channels: int, axis: int) -> list[Any]:
    """With a bias. Symmetric and one scale per channel, but for uint8."""
    if dtype == "float32":
        return [c(*shape), c(channels)]
    if dtype == "uint8":
        scale = ACTIVATION_SCALE * WEIGHT_SCALE
        bias = c(channels, dtype="int32", scale=scale, low=-3000, high=3000)
        return [c(*shape, dtype="uint8", scale=WEIGHT_SCALE, zero=125), bias]
    scales = [WEIGHT_SCALE * (1 + i % 7 / 7) for i in range(channels)]
    weights = c(*shape, dtype="int8", scale=scales, zero=[0] * channels, axis=axis, low=-127, high=127)
    if dtype == "dynamic":
        return [weights, c(channels)]
    sums = {"int8": ("int32", ACTIVATION_SCALE), "int16x8": ("int64", 0.0005)}[dtype]
    bias = c(channels, dtype=sums[0], scale=[s * sums[1] for s in scales], low=-3000, high=3000)
    return [weights, bias]


def _result(dtype: str, depth: int) -> Any:
    """Scaled so that random sums fill the range."""
    if dtype in ("float32", "dynamic"):
        return out()
    if dtype == "int16x8":
        return out("int16", scale=0.0005 * WEIGHT_SCALE * 74 * math.sqrt(depth))
    scale = ACTIVATION_SCALE * WEIGHT_SCALE * 74 * 74 * math.sqrt(depth) / 40
    return out(dtype, scale=scale, zero=128 if dtype == "uint8" else -5)


def _window(stride: int) -> dict[str, Any]:
    return {
        "padding": "SAME", "stride_h": stride, "stride_w": stride, "dilation_h_factor": 1, "dilation_w_factor": 1,
        "fused_activation_function": "NONE",
    }  # fmt: skip


def _conv(dtype: str, image: tuple[int, int, int], channels: int, taps: int = 1, stride: int = 1) -> Kernel:
    height, width, depth = image
    weights = _weights(dtype, (channels, taps, taps, depth), channels, axis=0)
    inputs = [_operand(dtype, 1, height, width, depth), *weights]
    options = _window(stride) | {"quantized_bias_type": "FLOAT32"}
    name = f"conv {taps}x{taps} {height}x{width} {depth}->{channels}" + (f" /{stride}" if stride > 1 else "")
    version = 3 if dtype in ("int8", "dynamic") else 1
    return Kernel(name, dtype, Case("CONV_2D", inputs, [_result(dtype, depth * taps**2)], options, version=version))


def _deep(dtype: str, image: tuple[int, int, int], stride: int) -> Kernel:
    height, width, depth = image
    inputs = [_operand(dtype, 1, *image), *_weights(dtype, (1, 3, 3, depth), depth, axis=3)]
    options = _window(stride) | {"depth_multiplier": 1}
    name = f"depthwise 3x3 {height}x{width}x{depth}" + (f" /{stride}" if stride > 1 else "")
    version = 3 if dtype == "int8" else 1
    return Kernel(name, dtype, Case("DEPTHWISE_CONV_2D", inputs, [_result(dtype, 9)], options, version=version))


def _transposed(dtype: str, image: tuple[int, int, int], channels: int) -> Kernel:
    height, width, depth = image
    shape = const((1, 2 * height, 2 * width, channels))
    weights, bias = _weights(dtype, (channels, 3, 3, depth), channels, axis=0)
    options = {"padding": "SAME", "stride_h": 2, "stride_w": 2, "fused_activation_function": "NONE"}
    options |= {"quantized_bias_type": "FLOAT32"}
    case = Case(
        "TRANSPOSE_CONV", [shape, weights, _operand(dtype, 1, *image), bias], [_result(dtype, depth * 3)], options
    )
    return Kernel(f"transposed 3x3 {height}x{width} {depth}->{channels}", dtype, replace(case, version=3))


def _dense(dtype: str, rows: int, depth: int, units: int) -> Kernel:
    weights = _weights(dtype, (units, depth), units, axis=0)
    if dtype in ("int8", "dynamic"):  # XNNPACK and TFLite know one scale for all units better
        weights[0] = replace(weights[0], scale=WEIGHT_SCALE, zero=0)
        weights[1] = weights[1] if dtype == "dynamic" else replace(weights[1], scale=ACTIVATION_SCALE * WEIGHT_SCALE)
    options = {
        "fused_activation_function": "NONE", "weights_format": "DEFAULT", "keep_num_dims": False,
        "asymmetric_quantize_inputs": dtype == "dynamic", "quantized_bias_type": "FLOAT32",
    }  # fmt: skip
    inputs = [_operand(dtype, rows, depth), *weights]
    version = {"int8": 4, "dynamic": 9, "int16x8": 7}.get(dtype, 1)
    case = Case("FULLY_CONNECTED", inputs, [_result(dtype, depth)], options, version=version)
    return Kernel(f"dense {rows}x{depth}->{units}", dtype, case)


def of_model(content: bytes) -> tuple[int, int]:
    return work(Model.open(content).graphs[0])
