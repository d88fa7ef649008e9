"""Run .tflite models on accelerators, with the CPU behind them."""

from importlib.metadata import version as _version

from subgraft.delegates import (
    DelegateError,
    Failed,
    InvokeError,
    ModelError,
    NotDelegated,
    Overrun,
    Rejected,
    SessionError,
    SubgraftError,
    Unavailable,
    Unsupported,
)
from subgraft.interpreter import (
    CustomOp,
    Delegate,
    Event,
    Interpreter,
    Model,
    OpResolverType,
    Plan,
    Profile,
    Report,
    Session,
    SignatureRunner,
    get_include,
    load,
    load_delegate,
)

__version__ = _version("subgraft")

__all__ = [
    "CustomOp",
    "Delegate",
    "DelegateError",
    "Event",
    "Failed",
    "Interpreter",
    "InvokeError",
    "Model",
    "ModelError",
    "NotDelegated",
    "OpResolverType",
    "Overrun",
    "Plan",
    "Profile",
    "Rejected",
    "Report",
    "Session",
    "SessionError",
    "SignatureRunner",
    "SubgraftError",
    "Unavailable",
    "Unsupported",
    "__version__",
    "get_include",
    "load",
    "load_delegate",
]
