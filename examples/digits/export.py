"""Turns the trained parameters into a graph of TFLite's ops, in float32 or in int8."""

from __future__ import annotations

import numpy as np
from network import CLASSES, DEEP, FLAT, WIDTH, Parameters
from quantize import Float32, Int8

from subgraft.delegates import Graph, Op, Options, Tensor


def build(parameters: Parameters, numbers: Float32 | Int8) -> Graph:
    """The network for one picture; network.py draws it."""
    g = _Drawing(parameters, numbers)
    image = g.activation("image", (1, 8, 8, 1))
    conv1 = g.convolution("conv1", image, (1, 8, 8, WIDTH))
    depthwise = g.convolution("depthwise", conv1, (1, 8, 8, WIDTH))
    pointwise = g.convolution("pointwise", depthwise, (1, 8, 8, DEEP))
    pool = g.pooling("pool", pointwise, (1, 4, 4, DEEP))
    conv2 = g.convolution("conv2", pool, (1, 4, 4, DEEP))
    added = g.addition("sum", pool, conv2, (1, 4, 4, DEEP))
    flat = g.reshape("flat", added, (1, FLAT))
    logits = g.dense("dense", "logits", flat, (1, CLASSES))
    probabilities = g.softmax("probabilities", logits, (1, CLASSES))
    return Graph(tuple(g.tensors), tuple(g.ops), inputs=(image,), outputs=(probabilities,), name="main")


class _Drawing:
    """A graph while it grows: every method adds an op with its tensors and returns the index of its output."""

    def __init__(self, parameters: Parameters, numbers: Float32 | Int8) -> None:
        self.tensors: list[Tensor] = []
        self.ops: list[Op] = []
        self._parameters = parameters
        self._numbers = numbers

    def activation(self, name: str, shape: tuple[int, ...]) -> int:
        return self._add(self._numbers.activation(name, shape))

    def convolution(self, name: str, source: int, shape: tuple[int, ...]) -> int:
        """SAME, stride 1, RELU; depthwise where the filter's first dimension is 1."""
        depthwise = self._parameters[f"{name}/filter"].shape[0] == 1
        constants = self._constants(name, source, axis=3 if depthwise else 0)
        options = {"padding": "SAME", "stride_w": 1, "stride_h": 1, "fused_activation_function": "RELU"}
        dilation = {"dilation_w_factor": 1, "dilation_h_factor": 1}
        if depthwise:
            options = Options(options | {"depth_multiplier": 1} | dilation, table="DepthwiseConv2DOptions")
            return self._op("DEPTHWISE_CONV_2D", (source, *constants), name, shape, options)
        return self._op(
            "CONV_2D", (source, *constants), name, shape, Options(options | dilation, table="Conv2DOptions")
        )

    def pooling(self, name: str, source: int, shape: tuple[int, ...]) -> int:
        windows = {"stride_w": 2, "stride_h": 2, "filter_width": 2, "filter_height": 2}
        options = {"padding": "VALID", "fused_activation_function": "NONE"} | windows
        return self._op("MAX_POOL_2D", (source,), name, shape, Options(options, table="Pool2DOptions"))

    def addition(self, name: str, left: int, right: int, shape: tuple[int, ...]) -> int:
        options = Options({"fused_activation_function": "NONE"}, table="AddOptions")
        return self._op("ADD", (left, right), name, shape, options)

    def reshape(self, name: str, source: int, shape: tuple[int, ...]) -> int:
        wanted = self._add(Tensor.constant(f"{name}/shape", np.array(shape, np.int32)))
        return self._op("RESHAPE", (source, wanted), name, shape, Options({"new_shape": shape}, table="ReshapeOptions"))

    def dense(self, layer: str, name: str, source: int, shape: tuple[int, ...]) -> int:
        constants = self._constants(layer, source, axis=None)
        options = Options({"fused_activation_function": "NONE"}, table="FullyConnectedOptions")
        return self._op("FULLY_CONNECTED", (source, *constants), name, shape, options)

    def softmax(self, name: str, source: int, shape: tuple[int, ...]) -> int:
        return self._op("SOFTMAX", (source,), name, shape, Options({"beta": 1.0}, table="SoftmaxOptions"))

    def _constants(self, layer: str, source: int, axis: int | None) -> tuple[int, int]:
        weights = self._numbers.filter(f"{layer}/filter", self._parameters[f"{layer}/filter"], axis)
        bias = self._numbers.bias(f"{layer}/bias", self._parameters[f"{layer}/bias"], self.tensors[source], weights)
        return self._add(weights), self._add(bias)

    def _op(self, kind: str, inputs: tuple[int, ...], name: str, shape: tuple[int, ...], options: Options) -> int:
        output = self.activation(name, shape)
        self.ops.append(Op(kind, inputs, (output,), options, version=self._numbers.versions.get(kind, 1)))
        return output

    def _add(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1
