"""Decides which ops go where. Pure functions: no device is touched in this room, but for what `refine` asks."""

from subgraft.partitioner.assign import Candidate, Placement
from subgraft.partitioner.bodies import BODY_OPTIONS, bodies_of, reachable
from subgraft.partitioner.group import group
from subgraft.partitioner.kept import keeps_order
from subgraft.partitioner.partition import partition
from subgraft.partitioner.pins import Pins
from subgraft.partitioner.plan import Plan, Step
from subgraft.partitioner.prune import Limits

__all__ = [
    "BODY_OPTIONS",
    "Candidate",
    "Limits",
    "Pins",
    "Placement",
    "Plan",
    "Step",
    "bodies_of",
    "group",
    "keeps_order",
    "partition",
    "reachable",
]
