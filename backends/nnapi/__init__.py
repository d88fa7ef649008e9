"""Android's Neural Networks API: the NPUs, DSPs and GPUs of phones and boards that have a driver for it."""

from subgraft.backends.nnapi.delegate import Nnapi

__all__ = ["Nnapi"]
