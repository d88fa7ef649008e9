"""Trains the network: Adam with a cosine schedule on pictures that are jittered anew in every epoch."""

from __future__ import annotations

import numpy as np
from dataset import Pictures, jitter
from network import CLASSES, Parameters, gradients, initial

SEED = 0
EPOCHS = 100
BATCH = 32
LEARNING_RATE = 3e-3
SMOOTHING = 0.05  # of the labels
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's own defaults


def fit(pictures: Pictures) -> Parameters:
    """The parameters after the last epoch. The same numbers every time on one machine and one thread."""
    rng = np.random.default_rng(SEED)
    parameters = initial(rng)
    mean = {name: np.zeros_like(values) for name, values in parameters.items()}
    square = {name: np.zeros_like(values) for name, values in parameters.items()}
    targets = np.eye(CLASSES, dtype=np.float32)[pictures.labels] * (1 - SMOOTHING) + SMOOTHING / CLASSES
    batches = len(targets) // BATCH
    for epoch in range(EPOCHS):
        images, order = jitter(pictures.unit, rng), rng.permutation(len(targets))
        for batch in range(batches):
            step = epoch * batches + batch + 1
            rate = LEARNING_RATE * 0.5 * (1 + np.cos(np.pi * step / (EPOCHS * batches)))
            chosen = order[batch * BATCH : (batch + 1) * BATCH]
            for name, g in gradients(parameters, images[chosen], targets[chosen].astype(np.float32)).items():
                mean[name] += (1 - BETA1) * (g - mean[name])
                square[name] += (1 - BETA2) * (g * g - square[name])
                ahead = mean[name] / (1 - BETA1**step)
                spread = np.sqrt(square[name] / (1 - BETA2**step)) + EPSILON
                parameters[name] -= (rate * ahead / spread).astype(np.float32)
    return parameters
