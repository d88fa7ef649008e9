"""The native module, raising our exceptions."""

from subgraft import _native
from subgraft.delegates import InvokeError, ModelError, Unsupported

_native.raise_as(ModelError, Unsupported, InvokeError)

__all__ = ["_native"]
