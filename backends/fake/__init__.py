"""A delegate without hardware that computes on the CPU and misbehaves when told to. The template for authors."""

from subgraft.backends.fake.delegate import Fake
from subgraft.backends.fake.faults import Fault

__all__ = ["Fake", "Fault"]
