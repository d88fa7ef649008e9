"""Run .tflite models on accelerators, with the CPU behind them."""

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
from subgraft.interpreter import Event, Plan, Profile, Report, Session, load

__all__ = [
    "DelegateError",
    "Event",
    "Failed",
    "InvokeError",
    "ModelError",
    "NotDelegated",
    "Overrun",
    "Plan",
    "Profile",
    "Rejected",
    "Report",
    "Session",
    "SessionError",
    "SubgraftError",
    "Unavailable",
    "Unsupported",
    "load",
]
