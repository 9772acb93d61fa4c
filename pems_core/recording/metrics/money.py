"""What was paid and saved, as the books have it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pems_core.recording.catalogue import MONEY, SAVINGS
from pems_core.recording.points import Point

PERIODS = ("day", "week", "month")


@dataclass(frozen=True, slots=True)
class Saved:
    """What was saved against one baseline."""

    baseline_bill: float
    saved: float
    saved_error: float | None = None
    """Standard error of `saved`, where it is known."""


@dataclass(frozen=True)
class Money:
    """One day, week or month [currency]; what is not known is None."""

    period: str
    start: datetime
    """Of the local day, week or month."""
    bill: float
    saved: Mapping[str, Saved] = field(default_factory=dict)
    """By name of the baseline."""
    arbitrage: float | None = None
    heating_shift: float | None = None
    export_revenue: float | None = None
    self_consumption_share: float | None = None
    self_sufficiency_share: float | None = None
    peak_kw: float | None = None
    regret: float | None = None
    regret_forecast: float | None = None
    regret_model: float | None = None
    regret_execution: float | None = None
    regret_override: float | None = None


def money_points(site: str, money: Money) -> Iterator[Point]:
    """The figures of one period, and what was saved against each baseline."""
    names = [metric.name for metric in MONEY.metrics]
    yield MONEY.point(money.start, site, {"period": money.period}, {name: getattr(money, name) for name in names})
    for baseline, saved in money.saved.items():
        yield SAVINGS.point(
            money.start,
            site,
            {"period": money.period, "baseline": baseline},
            {"baseline_bill": saved.baseline_bill, "saved": saved.saved, "saved_error": saved.saved_error},
        )
