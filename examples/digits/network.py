"""The network in numpy: its parameters in TFLite's layouts, its forward pass, and its gradients.

image 8x8x1 -> conv1 3x3 -> depthwise 3x3 -> pointwise 1x1 -> pool 2x2 -+-> conv2 3x3 -> + -> dense -> softmax
                                                                        +----------------^
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Parameters = dict[str, Floats]

CLASSES = 10
WIDTH = 16  # channels of the first two layers
DEEP = 32  # channels after the pointwise convolution
FLAT = 4 * 4 * DEEP


def initial(rng: np.random.Generator) -> Parameters:
    """He initialisation; filters are OHWI, the depthwise one 1HWC, the dense one [out, in]."""

    def normal(shape: tuple[int, ...], fan_in: int) -> Floats:
        return (rng.standard_normal(shape) * np.sqrt(2 / fan_in)).astype(np.float32)

    filters = {
        "conv1": normal((WIDTH, 3, 3, 1), 9),
        "depthwise": normal((1, 3, 3, WIDTH), 9),
        "pointwise": normal((DEEP, 1, 1, WIDTH), WIDTH),
        "conv2": normal((DEEP, 3, 3, DEEP), 9 * DEEP),
        "dense": normal((CLASSES, FLAT), FLAT),
    }
    channels = {name: (WIDTH if name == "depthwise" else w.shape[0]) for name, w in filters.items()}
    parameters = {f"{name}/filter": w for name, w in filters.items()}
    return parameters | {f"{name}/bias": np.zeros(n, np.float32) for name, n in channels.items()}


def forward(p: Parameters, image: Floats) -> Parameters:
    """Every activation of a batch [n, 8, 8, 1], by name; "logits" is the last."""
    a = {"image": image}
    a["conv1"] = np.maximum(_conv(image, p["conv1/filter"]) + p["conv1/bias"], 0)
    a["depthwise"] = np.maximum(_depthwise(a["conv1"], p["depthwise/filter"]) + p["depthwise/bias"], 0)
    a["pointwise"] = np.maximum(_conv(a["depthwise"], p["pointwise/filter"]) + p["pointwise/bias"], 0)
    a["pool"] = _windows(a["pointwise"]).max(axis=3)
    a["conv2"] = np.maximum(_conv(a["pool"], p["conv2/filter"]) + p["conv2/bias"], 0)
    a["sum"] = a["pool"] + a["conv2"]
    a["logits"] = a["sum"].reshape(len(image), FLAT) @ p["dense/filter"].T + p["dense/bias"]
    return a


def softmax(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def gradients(p: Parameters, image: Floats, target: Floats) -> Parameters:
    """Of the mean cross-entropy against `target` [n, 10], by parameter."""
    a = forward(p, image)
    g: Parameters = {}
    upstream = (softmax(a["logits"]) - target) / np.float32(len(image))
    g["dense/filter"], g["dense/bias"] = upstream.T @ a["sum"].reshape(len(image), FLAT), upstream.sum(axis=0)
    into_sum = (upstream @ p["dense/filter"]).reshape(a["sum"].shape)

    def through(name: str, source: str, upstream: Floats) -> Floats:
        backward = _depthwise_backward if name == "depthwise" else _conv_backward
        upstream = upstream * (a[name] > 0)
        g[f"{name}/bias"] = upstream.sum(axis=(0, 1, 2))
        g[f"{name}/filter"], into = backward(a[source], p[f"{name}/filter"], upstream)
        return into

    into_pool = into_sum + through("conv2", "pool", into_sum)
    winners = _windows(a["pointwise"]) == a["pool"][:, :, :, None]
    winners = winners & (winners.cumsum(axis=3) == 1)  # a tie goes to the first
    into_pointwise = _from_windows(winners * into_pool[:, :, :, None])
    through("conv1", "image", through("depthwise", "conv1", through("pointwise", "depthwise", into_pointwise)))
    return g


def _conv(x: Floats, w: Floats) -> Floats:
    """SAME convolution with stride 1: one matrix product for each tap of the filter."""
    padded, (_, height, width, _) = _pad(x, w), x.shape
    return sum(padded[:, i : i + height, j : j + width] @ w[:, i, j].T for i, j in _taps(w))


def _conv_backward(x: Floats, w: Floats, upstream: Floats) -> tuple[Floats, Floats]:
    padded, (_, height, width, channels) = _pad(x, w), x.shape
    into_w, into_x = np.empty_like(w), np.zeros_like(padded)
    rows = upstream.reshape(-1, w.shape[0])
    for i, j in _taps(w):
        into_w[:, i, j] = rows.T @ padded[:, i : i + height, j : j + width].reshape(-1, channels)
        into_x[:, i : i + height, j : j + width] += upstream @ w[:, i, j]
    return into_w, _crop(into_x, w, x)


def _depthwise(x: Floats, w: Floats) -> Floats:
    padded, (_, height, width, _) = _pad(x, w), x.shape
    return sum(padded[:, i : i + height, j : j + width] * w[0, i, j] for i, j in _taps(w))


def _depthwise_backward(x: Floats, w: Floats, upstream: Floats) -> tuple[Floats, Floats]:
    padded, (_, height, width, _) = _pad(x, w), x.shape
    into_w, into_x = np.empty_like(w), np.zeros_like(padded)
    for i, j in _taps(w):
        into_w[0, i, j] = (padded[:, i : i + height, j : j + width] * upstream).sum(axis=(0, 1, 2))
        into_x[:, i : i + height, j : j + width] += upstream * w[0, i, j]
    return into_w, _crop(into_x, w, x)


def _taps(w: Floats) -> list[tuple[int, int]]:
    return [(i, j) for i in range(w.shape[1]) for j in range(w.shape[2])]


def _pad(x: Floats, w: Floats) -> Floats:
    border = w.shape[1] // 2
    return np.pad(x, ((0, 0), (border, border), (border, border), (0, 0)))


def _crop(padded: Floats, w: Floats, x: Floats) -> Floats:
    border = w.shape[1] // 2
    return padded[:, border : border + x.shape[1], border : border + x.shape[2]]


def _windows(x: Floats) -> Floats:
    """[n, h, w, c] to [n, h/2, w/2, 4, c]: the four cells of every 2x2 window."""
    n, height, width, channels = x.shape
    cells = x.reshape(n, height // 2, 2, width // 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return cells.reshape(n, height // 2, width // 2, 4, channels)


def _from_windows(cells: Floats) -> Floats:
    n, height, width, _, channels = cells.shape
    x = cells.reshape(n, height, width, 2, 2, channels).transpose(0, 1, 3, 2, 4, 5)
    return x.reshape(n, height * 2, width * 2, channels)
