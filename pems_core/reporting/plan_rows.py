"""A plan in rows that a person can read: neighbours that do the same are one row."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pems_core.domain import Decision

from .course import Course

ACTIVE_KW = 0.2
"""A flow below this does not begin a new row."""
WATCHED = ("battery_charge_kw", "battery_discharge_kw", "grid_export_kw")
PRICE_TOLERANCE = 0.25
"""Prices within this share of the plan's price range may stand in one row."""


@dataclass(frozen=True, slots=True)
class PlanRow:
    """Some steps that do the same; powers and prices are means over them."""

    start: datetime
    end: datetime
    mode: str
    reason: str
    means: dict[str, float]
    """By column: kW and currency/kWh."""
    soc: float | None
    """At the end of the row, 0..1."""


def plan_rows(course: Course, decisions: Sequence[Decision] = ()) -> Sequence[PlanRow]:
    """Merge neighbours with the same mode, reason and flows, at about the same price."""
    reasons = [_reason(start.to_pydatetime(), decisions) for start in course.starts]
    groups = list(_groups(course, reasons))
    return tuple(_row(course, first, until, reasons[first]) for first, until in groups)


def _groups(course: Course, reasons: Sequence[str]) -> Iterator[tuple[int, int]]:
    """First step of each row and the step after its last."""
    doing = [_doing(course, t, reasons[t]) for t in range(len(course.frame))]
    price = course.values("import_price_per_kwh")
    tolerance = PRICE_TOLERANCE * float(np.ptp(price))
    first = 0
    for t in range(1, len(doing)):
        if doing[t] != doing[first] or abs(price[t] - price[first]) > tolerance:
            yield first, t
            first = t
    yield first, len(doing)


def _doing(course: Course, t: int, reason: str) -> tuple[object, ...]:
    flows = tuple(bool(course.values(name)[t] > ACTIVE_KW) for name in WATCHED)
    feed_in_costs = bool(course.values("feed_in_price_per_kwh")[t] < 0)
    return (_mode(course, t), reason, feed_in_costs, *flows)


def _row(course: Course, first: int, until: int, reason: str) -> PlanRow:
    steps = slice(first, until)
    weights = course.step_h[steps]
    numbers = [str(name) for name in course.frame.select_dtypes("number")]
    soc = float(course.known("soc")[until - 1])
    return PlanRow(
        start=course.starts[first].to_pydatetime(),
        end=course.ends[until - 1].to_pydatetime(),
        mode=_mode(course, first),
        reason=reason,
        means={name: float(np.average(course.values(name)[steps], weights=weights)) for name in numbers},
        soc=soc if np.isfinite(soc) else None,
    )


def _mode(course: Course, t: int) -> str:
    return str(course.frame["mode"].iloc[t]) if "mode" in course.frame else ""


def _reason(at: datetime, decisions: Sequence[Decision]) -> str:
    """What the decisions in force say; each text once."""
    texts = [decision.reason.text for decision in decisions if decision.holds(at) and decision.reason.text]
    # A house with many relays has many reasons at once: the balancing device comes first in the decisions.
    return "; ".join(list(dict.fromkeys(texts))[:2])
