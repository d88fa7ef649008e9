"""The native module, raising our exceptions."""

from pathlib import Path

from subgraft import _native
from subgraft.delegates import InvokeError, ModelError, Unsupported

_native.raise_as(ModelError, Unsupported, InvokeError)


def get_include() -> str:
    """The folder of subgraft.h, for delegates written in C or C++."""
    return str(Path(_native.__file__).with_name("include"))


__all__ = ["_native", "get_include"]
