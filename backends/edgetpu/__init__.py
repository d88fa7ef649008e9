"""The Coral Edge TPU over USB, without libedgetpu."""

from subgraft.backends.edgetpu.delegate import EdgeTpu
from subgraft.backends.edgetpu.stick import Status

__all__ = ["EdgeTpu", "Status"]
