"""Rules with reasons. A rule's docstring is the reason, so code, report and support table never disagree."""

from collections.abc import Callable, Iterable

from subgraft.delegates.contract import Verdict
from subgraft.delegates.graph import Graph, Op

Rule = Callable[[Op, Graph], bool]


def rule(check: Rule) -> Rule:
    """Marks a function as a rule: True when the op may pass. Its docstring is shown to users."""
    if not check.__doc__:
        raise TypeError(f"rule {check.__name__} needs a docstring: it is the reason users are shown")
    return check


def verdict(op: Op, graph: Graph, rules: Iterable[Rule]) -> Verdict:
    """Every reason against this op."""
    return Verdict(tuple(str(r.__doc__).strip() for r in rules if not r(op, graph)))
