"""What the tests of the stand-in compiler share."""

from __future__ import annotations

from functools import cache

from shared_models import MODELS
from subgraft.backends.edgetpu.package import CUSTOM_OP, Package, package_of
from subgraft.delegates import Graph, Op, Options, Quantization, Tensor
from subgraft.interpreter.model import Model

SAMPLE = ("edgetpu/split_concat", "edgetpu/mobilenet_v1_0.25_128_quant", "real/kws_ref_model", "edgetpu/gabor_64x64_p4")


@cache
def content(name: str) -> bytes:
    return (MODELS / f"{name}.tflite").read_bytes()


def packages(tflite: bytes) -> list[Package]:
    return [Package.parse(package_of(op)) for op in Model.open(tflite).graphs[0].ops if op.kind == CUSTOM_OP]


def one_package(tflite: bytes) -> Package:
    (package,) = packages(tflite)
    return package


def quantized(name: str, shape: tuple[int, ...], dtype: str = "int8") -> Tensor:
    return Tensor(name, shape, dtype, quantization=Quantization((0.5,), (-3,)))


def relu_chain(*tensors: Tensor) -> bytes:
    ops = [Op("RELU", (i,), (i + 1,), Options()) for i in range(len(tensors) - 1)]
    return Model.of(Graph(tensors, ops, (0,), (len(tensors) - 1,))).to_bytes()
