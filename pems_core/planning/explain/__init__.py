"""Why a plan does what it does, in words and money."""

from .alternatives import Alternative, Asked, alternatives, cost_of_alternative, pinned, with_next_best
from .reasons import explain
from .words import Words

__all__ = [
    "Alternative",
    "Asked",
    "Words",
    "alternatives",
    "cost_of_alternative",
    "explain",
    "pinned",
    "with_next_best",
]
