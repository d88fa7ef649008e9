"""Load a model, run it, and take over when a delegate cannot."""

from subgraft.interpreter.loader import load
from subgraft.interpreter.model import Model, Signature
from subgraft.interpreter.profile import Profile
from subgraft.interpreter.report import Event, Report
from subgraft.interpreter.session import Session
from subgraft.partitioner import Plan

__all__ = ["Event", "Model", "Plan", "Profile", "Report", "Session", "Signature", "load"]
