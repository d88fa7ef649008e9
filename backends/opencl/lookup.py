"""Tables that the CPU's own kernels compute, so that a lookup on the device has their bits."""

from __future__ import annotations

import numpy as np

from subgraft import _native
from subgraft.backends.opencl.quantization import LIMITS
from subgraft.delegates import NUMPY_DTYPES, Array, Graph, InvokeError, ModelError, Rejected, Unsupported
from subgraft.delegates.constants import is_constant, made_by

FLOAT_BITS = 32  # what a bisection of all floats takes
INFINITY = 0x7F800000  # its bits, and the number of floats from 0 to it


class OnCpu:
    """One op whose inputs are constants but one, run by the CPU on `count` elements of that one."""

    def __init__(self, graph: Graph, index: int, count: int) -> None:
        """Raises Rejected where the CPU has no such kernel."""
        segment = graph.segment(
            {index}.union(*(made_by(t, graph) for t in graph.ops[index].inputs if is_constant(t, graph)))
        )
        (given,) = segment.inputs
        rank = max(1, len(graph.tensors[given].shape))
        self._kind = graph.ops[index].kind
        self._shape = (1,) * (rank - 1) + (count,)
        try:
            model = _native.Model.read(segment.to_tflite())
            (tensor,) = model.subgraph(0).inputs
            self._program = _native.Program(model, pool=_native.ThreadPool(1), shapes={tensor: self._shape})
        except (ModelError, Unsupported) as error:
            raise self._rejected(error) from error

    def __call__(self, values: Array) -> Array:
        """The op's output for these elements. Raises Rejected."""
        try:
            (made,) = self._program.call([np.ascontiguousarray(values).reshape(self._shape)])
        except InvokeError as error:
            raise self._rejected(error) from error
        return np.array(made).reshape(-1)

    def _rejected(self, error: Exception) -> Rejected:
        return Rejected(f"the CPU's {self._kind}, which OpenCL's table is to be computed with, says: {error}")


def lookup_table(graph: Graph, index: int, dtype: str) -> Array:
    """The op's output for every number of an 8- or 16-bit type, at the place of its bits as an unsigned number."""
    bits = 8 * NUMPY_DTYPES[dtype].itemsize
    numbers = np.arange(1 << bits, dtype=f"uint{bits}").view(NUMPY_DTYPES[dtype])
    return OnCpu(graph, index, len(numbers))(numbers)


def thresholds(graph: Graph, index: int, dtype: str) -> Array:
    """For a QUANTIZE of floats: the smallest float that becomes each number of `dtype` or a larger one; at the end inf.

    A kernel that estimates a quotient with any rounding finds the CPU's number by comparing with its two neighbours.
    """
    low, high = LIMITS[dtype]
    wanted = np.arange(low, high + 1)
    quantize = OnCpu(graph, index, len(wanted))
    first, last = np.full(len(wanted), -INFINITY, np.int64), np.full(len(wanted), INFINITY, np.int64)
    for _ in range(FLOAT_BITS):
        middle = (first + last) >> 1
        reached = quantize(_float(middle)) >= wanted
        first, last = np.where(reached, first, np.minimum(middle + 1, last)), np.where(reached, middle, last)
    return np.append(_float(last), np.float32(np.inf))


def _float(order: Array) -> Array:
    """The float that has this many floats between it and 0; below 0 the negative ones."""
    magnitude = np.abs(order).astype(np.uint32)
    return (magnitude | np.where(order < 0, np.uint32(1 << 31), np.uint32(0))).astype(np.uint32).view(np.float32)
