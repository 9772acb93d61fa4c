"""What one cycle saw, decided and did."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .command import Receipt
from .forecast import Forecasts
from .plan import Decision, Plan
from .reading import Readings
from .state import SiteState


@dataclass(frozen=True, slots=True)
class CycleReport:
    state: SiteState
    forecasts: Forecasts
    plan: Plan
    decisions: Sequence[Decision]
    receipts: Sequence[Receipt] = ()
    durations_s: Mapping[str, float] = field(default_factory=dict)
    """Wall time of each stage [s]."""
    faults: Sequence[str] = ()
    readings: Readings | None = None
    """What the state was made from."""
    running: Plan | None = None
    """The plan that was followed when this one was made."""
    models: Mapping[str, str] = field(default_factory=dict)
    """By model: the version that was used."""
