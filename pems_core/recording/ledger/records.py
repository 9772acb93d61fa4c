"""What the ledger answers with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pems_core.domain import Decision, Forecasts, PemsError, Plan, Readings, SiteState

SIMULATED = "simulated"
"""Why a cycle of a simulation ran."""


class NotRecorded(PemsError):
    """The ledger does not know what it is asked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One cycle in a list of them."""

    number: int
    at: datetime
    rung: str
    cost: float
    bound: float | None
    solve_s: float
    whole: bool
    """Its inputs and plan are still kept, so that it can be replayed."""


@dataclass(frozen=True)
class Cycle:
    """One cycle as it was: what was known, what was planned and decided."""

    number: int
    house: Mapping[str, Any]
    """What the plan was made for; see `Ledger.add_house`."""
    fingerprint: str
    state: SiteState
    readings: Readings | None
    forecasts: Forecasts
    running: Plan | None
    """The plan that was followed when this one was made."""
    plan: Plan
    decisions: Sequence[Decision]
    why: Sequence[str]
    """Why the cycle ran."""
    durations_s: Mapping[str, float]
    faults: Sequence[str]
    models: Mapping[str, str] = field(default_factory=dict)
    """By model: the version that it was planned with."""
