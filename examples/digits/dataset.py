"""scikit-learn's handwritten digits, and the split that every number in this folder is measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

TEST_EVERY = 4  # every fourth picture is held out; 450 of 1,797


@dataclass(frozen=True, slots=True)
class Pictures:
    """grey: uint8 [n, 8, 8, 1], 0 is paper and 255 is ink. labels: int64 [n]. indices: places in the data set."""

    grey: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]

    @property
    def unit(self) -> npt.NDArray[np.float32]:
        """The pictures as the float model takes them: 0 to 1."""
        return self.grey.astype(np.float32) / np.float32(255)

    def __getitem__(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Pictures:
        return Pictures(self.grey[chosen], self.labels[chosen], self.indices[chosen])


def load() -> Pictures:
    """All pictures, in scikit-learn's order. Their 17 levels of grey (0 to 16) become 0 to 255."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    grey = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    return Pictures(grey[..., None], digits.target.astype(np.int64), np.arange(len(grey)))


def split(pictures: Pictures) -> tuple[Pictures, Pictures]:
    """Training and test pictures: by place, so that no random generator has a say in it."""
    test = pictures.indices % TEST_EVERY == 0
    return pictures[~test], pictures[test]


def jitter(grey: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Each picture turned, stretched and moved a little, by bilinear sampling. [n, 8, 8, 1] to the same."""
    count, size = len(grey), grey.shape[1]
    angle = rng.uniform(-0.2, 0.2, count)
    stretch = rng.uniform(0.9, 1.1, (2, count))
    shift = rng.uniform(-0.8, 0.8, (2, count))
    row, column = np.indices((size, size)) - (size - 1) / 2
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    y = (cos * row - sin * column) * stretch[0][:, None, None] + shift[0][:, None, None] + (size - 1) / 2
    x = (sin * row + cos * column) * stretch[1][:, None, None] + shift[1][:, None, None] + (size - 1) / 2

    padded = np.pad(grey[..., 0], ((0, 0), (2, 2), (2, 2)))
    y, x = np.clip(y + 2, 0, size + 2.999), np.clip(x + 2, 0, size + 2.999)
    top, left = y.astype(int), x.astype(int)
    down, right = y - top, x - left
    n = np.arange(count)[:, None, None]
    upper = padded[n, top, left] * (1 - right) + padded[n, top, left + 1] * right
    lower = padded[n, top + 1, left] * (1 - right) + padded[n, top + 1, left + 1] * right
    return (upper * (1 - down) + lower * down).astype(np.float32)[..., None]
