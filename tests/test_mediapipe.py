"""MediaPipe's pooling with indices and the unpooling that reads them, together, against XNNPACK.

XNNPACK has kernels for both, but the indices between them are its own.
"""

from __future__ import annotations

import numpy as np
import pytest

from op_cases_mediapipe import SAME, VALID, pool_options
from oracle import Oracle, Request
from subgraft.delegates import Graph, Op, Tensor
from subgraft.interpreter.model import Model
from subgraft.interpreter.native import _native


def there_and_back(shape: tuple[int, ...], window: tuple[int, int], padding: int) -> Graph:
    """Maxima back at their places, zeros between them."""
    batches, height, width, channels = shape
    small = (batches, height // window[0], width // window[1], channels)
    tensors = [Tensor("x", shape, "float32"), *(Tensor(name, small, "float32") for name in ("maxima", "indices"))]
    tensors.append(Tensor("y", shape, "float32"))
    options, undone = pool_options(padding, window, window), pool_options(VALID, window, window)
    pool = Op("MaxPoolingWithArgmax2D", (0,), (1, 2), is_custom=True, custom_options=options)
    unpool = Op("MaxUnpooling2D", (1, 2), (3,), is_custom=True, custom_options=undone)
    return Graph(tensors, [pool, unpool], (0,), (3,), name="main")


@pytest.mark.conformance
@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize("window", [(2, 2), (2, 3), (3, 2), (4, 4)])
@pytest.mark.parametrize("channels", [1, 16, 33])
def test_pooling_and_unpooling_equal_xnnpack(
    channels: int, window: tuple[int, int], padding: int, oracle: Oracle
) -> None:
    graph = there_and_back((1, 4 * window[0], 3 * window[1], channels), window, padding)
    model = Model.of(graph).to_bytes()
    image = np.random.default_rng(channels).standard_normal(graph.tensors[0].shape).astype(np.float32)
    answer = oracle.ask(Request(model, [[image]], resolver="AUTO"))
    assert not answer.error, answer.error
    (ours,) = _native.Program(Model.open(model).native, pool=_native.ThreadPool(2)).call([image])
    np.testing.assert_array_equal(ours, answer.outputs[0])
    assert np.count_nonzero(ours) == image.size / (window[0] * window[1])
