"""A compiled segment on one device."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from subgraft.backends.edgetpu.loadable import Loadable
from subgraft.backends.edgetpu.stick import Stick
from subgraft.delegates import NUMPY_DTYPES, Array, Executable, Failed, Segment


class EdgeTpuExecutable:
    """Gives the segment's arrays to the program in the order of its layers."""

    def __init__(self, stick: Stick, loadable: Loadable, segment: Segment) -> None:
        """Raises Unavailable, Rejected."""
        self._stick = stick
        self._prepared = stick.prepare(loadable.package)
        self._inputs = loadable.inputs
        self._outputs = loadable.outputs
        self._unread = _unread(loadable, segment)
        self._closed = False

    def run(self, inputs: Sequence[Array], outputs: Sequence[Array]) -> None:
        if self._closed:
            raise Failed(f"this segment on the Edge TPU {self._stick.name} is closed")
        made = [outputs[i] if i >= 0 else unread for i, unread in zip(self._outputs, self._unread, strict=True)]
        self._stick.run(self._prepared, [inputs[i] for i in self._inputs], made)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._stick.release()


def _unread(loadable: Loadable, segment: Segment) -> list[Array]:
    """Memory for outputs that the program writes and nobody reads."""
    empty = np.empty(0, np.uint8)
    if all(i >= 0 for i in loadable.outputs) or loadable.uncompiled is None:
        return [empty] * len(loadable.outputs)
    tensors = [loadable.uncompiled.graph.tensors[t] for t in loadable.uncompiled.outputs]
    return [
        empty if i >= 0 else np.empty(tensor.shape, NUMPY_DTYPES[tensor.dtype])
        for i, tensor in zip(loadable.outputs, tensors, strict=True)
    ]


_executable: type[Executable] = EdgeTpuExecutable  # mypy proves the contract
