"""String constants as files hold them."""

import struct

import numpy as np

from subgraft.delegates import Tensor


def pack(texts):
    """How many there are, where each begins and the last ends, and the characters."""
    begin = 4 * (len(texts) + 2)
    places = [begin]
    for text in texts:
        places.append(places[-1] + len(text))
    return struct.pack(f"<{len(texts) + 2}i", len(texts), *places) + b"".join(texts)


def constant(name, texts, shape=None):
    return Tensor(name, (len(texts),) if shape is None else shape, "string", buffer=pack(texts))


def array(*texts, shape=None):
    made = np.empty(len(texts), object)
    made[:] = texts
    return made if shape is None else made.reshape(shape)
