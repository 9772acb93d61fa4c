"""What a plan must keep, one module for each kind of equipment, as sentences about what it breaks."""

from pems_core.domain import Plan

BALANCE_TOLERANCE_KW = 0.01
LIMIT_TOLERANCE_KW = 0.01


def at(plan: Plan, t: int) -> str:
    """The start of a step, as it stands in these sentences."""
    return f"{plan.horizon.starts[t]:%Y-%m-%d %H:%M}Z"
