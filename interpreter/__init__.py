"""Load a model, run it, and take over when a delegate cannot."""

from subgraft.interpreter.custom_ops import CustomOp
from subgraft.interpreter.loader import load
from subgraft.interpreter.model import Model, Signature, warnings_by_kind
from subgraft.interpreter.native import get_include
from subgraft.interpreter.profile import Profile
from subgraft.interpreter.report import Event, Report
from subgraft.interpreter.session import Session
from subgraft.interpreter.tflite_api import Delegate, Interpreter, OpResolverType, SignatureRunner, load_delegate
from subgraft.partitioner import Plan

__all__ = [
    "CustomOp",
    "Delegate",
    "Event",
    "Interpreter",
    "Model",
    "OpResolverType",
    "Plan",
    "Profile",
    "Report",
    "Session",
    "Signature",
    "SignatureRunner",
    "get_include",
    "load",
    "load_delegate",
    "warnings_by_kind",
]
