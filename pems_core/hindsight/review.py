"""A day, week or month looked back on: money, comfort, energy, plans against reality, forecasts, trend."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pandas as pd

from pems_core.domain import HOUR, QUARTER, HeatingSpec
from pems_core.recording.ledger.ledger import NotRecorded

from .books import STEP_H, Bookkeeper, DayBooks, from_data
from .recorded_day import RecordedDay, recorded_day
from .savings import Period, gather, span

LEADS_H = (1.0, 6.0, 24.0)
JUDGED = ("pv_kw", "base_load_kw", "outdoor_temperature_c")


@dataclass(frozen=True, slots=True)
class RoomDay:
    """How a room did."""

    room: str
    outside_kh: float
    """Outside its band while somebody was to be comfortable in it [K·h]."""
    coldest_c: float
    warmest_c: float


@dataclass(frozen=True, slots=True)
class Hour:
    """What an hour cost, and what the plan in force had expected of it [currency]."""

    start: datetime
    expected: float
    paid: float
    decision: str
    """What was in force, with its reason."""

    @property
    def better(self) -> float:
        return self.expected - self.paid


@dataclass(frozen=True, slots=True)
class Skill:
    """Mean absolute error of forecasts of a series, so long before [h]."""

    series: str
    lead_h: float
    error: float
    count: int


@dataclass(frozen=True)
class Review:
    """What a report tells.

    :param before: the period before, for the trend; its days only as far as their books are kept.
    """

    period: Period
    before: Period
    rooms: Sequence[RoomDay]
    best: Hour | None
    worst: Hour | None
    skills: Sequence[Skill]
    flows: pd.DataFrame
    """In quarter hours."""
    currency: str
    timezone: str

    @property
    def trend(self) -> Mapping[str, tuple[float | None, float | None]]:
        """By figure, per day: in the period before and in this one; None where there is none."""
        figures = {
            "bill": lambda p: p.bill,
            "saved": lambda p: p.saved(),
            "arbitrage": lambda p: p.sum_of("arbitrage"),
            "deviation of the simulated house": lambda p: p.sum_of("deviation"),
        }
        found: dict[str, tuple[float | None, float | None]] = {
            name: (_per_day(self.before, of), _per_day(self.period, of)) for name, of in figures.items()
        }
        found["battery: discharged of charged [share]"] = (_round_trip(self.before), _round_trip(self.period))
        return found


def review(
    keeper: Bookkeeper, name: str, day: date, now: datetime, *, anew: bool = False, with_regret: bool = False
) -> Review:
    """Look back on the day, week or month that a day lies in.

    :raises NotRecorded: if there are books of no day of it.
    """
    period = gather(keeper, name, *span(name, day), now, anew=anew, with_regret=with_regret)
    if not period.days:
        told = "; ".join(period.missing.values()) or "nothing of it has passed yet"
        raise NotRecorded(f"there are no books of {period.first} to {period.last}: {told}")
    site = keeper.house.site
    recorded = [recorded_day(keeper.ledger, keeper.house, found.day, now) for found in period.days]
    hours = [hour for one in recorded for hour in _hours(keeper, one)]
    start, end = recorded[0].start, recorded[-1].end
    return Review(
        period=period,
        before=_kept_before(keeper, period),
        rooms=_rooms(keeper, start, end),
        best=max(hours, key=lambda hour: hour.better, default=None),
        worst=min(hours, key=lambda hour: hour.better, default=None),
        skills=list(_skills(keeper, start, end)),
        flows=pd.concat([one.flows for one in recorded]),
        currency=site.currency,
        timezone=site.timezone,
    )


def _kept_before(keeper: Bookkeeper, period: Period) -> Period:
    """The period before, of days whose books are kept: nothing is worked out for a trend."""
    first, last = span(period.name, period.first - timedelta(days=1))
    days: list[DayBooks] = []
    for data in keeper.ledger.days(first, last).values():
        with suppress(ValueError, TypeError):
            days.append(from_data(data))
    return Period(period.name, first, last, days, {})


def _rooms(keeper: Bookkeeper, start: datetime, end: datetime) -> Sequence[RoomDay]:
    found = []
    for device, spec in keeper.house.equipment.items():
        if not isinstance(spec, HeatingSpec):
            continue
        frame = keeper.ledger.telemetry([f"{device}.{room.name}_c" for room in spec.rooms], start, end)
        step_h = keeper.ledger.interval(start, end) / HOUR
        bands = {room.name: [room.comfort.at(at) for at in frame.index] for room in spec.rooms}
        for room in spec.rooms:
            air_c = frame[f"{device}.{room.name}_c"]
            if air_c.notna().sum() == 0:
                continue
            outside = [
                max(0.0, band.low_c - c, c - band.high_c) if band.occupied and c == c else 0.0
                for band, c in zip(bands[room.name], air_c, strict=True)
            ]
            found.append(RoomDay(room.name, sum(outside) * step_h, float(air_c.min()), float(air_c.max())))
    return found


def _hours(keeper: Bookkeeper, day: RecordedDay) -> Iterator[Hour]:
    flows = day.flows
    paid = (
        flows["grid_import_kw"] * flows["import_price_per_kwh"]
        - flows["grid_export_kw"] * flows["feed_in_price_per_kwh"]
    ) * STEP_H
    expected = keeper.expected(day)
    for i in range(0, len(flows) - 3, 4):
        four = [amount for amount in expected[i : i + 4] if amount is not None]
        if len(four) == 4:
            start = flows.index[i].to_pydatetime()
            yield Hour(start, sum(four), float(paid.iloc[i : i + 4].sum()), _in_force(day, start))


def _in_force(day: RecordedDay, at: datetime) -> str:
    """The mode of the inverter that was decided, with its reason."""
    for _, decided in reversed([pair for pair in day.decided if pair[0] <= at + QUARTER]):
        for decision in decided:
            if decision.control == "mode" and decision.holds(at):
                reason = f": {decision.reason.text}" if decision.reason.text else ""
                return f"{decision.device} {decision.value}{reason}"
        break
    return ""


def _skills(keeper: Bookkeeper, start: datetime, end: datetime) -> Iterator[Skill]:
    measured = keeper.ledger.telemetry(list(JUDGED), start, end).resample(QUARTER).mean()
    for series in JUDGED:
        if measured[series].notna().sum() == 0:
            continue
        vintages = keeper.ledger.vintages(series, start, end)
        if vintages.empty:
            continue
        lead_h = (vintages["start"] - vintages["issued_at"]).dt.total_seconds() / 3600
        truth = pd.Series(
            [
                measured[series][s : e - QUARTER / 2].mean()
                for s, e in zip(vintages["start"], vintages["end"], strict=True)
            ]
        )
        error = (vintages["value"] - truth).abs()
        for lead in LEADS_H:
            near = error[(lead_h - lead).abs() <= 0.5].dropna()
            if len(near):
                yield Skill(series, lead, float(near.mean()), len(near))


def _per_day(period: Period, of: Any) -> float | None:
    value = of(period) if period.days else None
    return None if value is None else value / len(period.days)


def _round_trip(period: Period) -> float | None:
    charged = period.energy("charge_kwh")
    return period.energy("discharge_kwh") / charged if charged > 1.0 else None
