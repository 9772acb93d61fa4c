"""Days added up: what a day, a week, a month has cost and saved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from pems_core.domain import PemsError
from pems_core.recording.ledger.ledger import NotRecorded
from pems_core.recording.metrics.money import Money, Saved
from pems_core.site import HouseFile

from .books import TOLD, Bookkeeper, DayBooks, combined_error, from_data
from .recorded_day import local_day, running_day

PERIODS = ("day", "week", "month")


@dataclass(frozen=True)
class Period:
    """A local day, week (from Monday) or month, as far as it has passed.

    :param missing: days that have no books, with the reason.
    """

    name: str
    first: date
    last: date
    days: Sequence[DayBooks]
    missing: Mapping[date, str]

    @property
    def bill(self) -> float:
        return sum(day.actual.bill for day in self.days)

    @property
    def net(self) -> float:
        return sum(day.actual.net for day in self.days)

    def saved(self, baseline: str = TOLD) -> float:
        return sum(day.saved(baseline) for day in self.days if baseline in day.baselines)

    @property
    def error(self) -> float | None:
        return combined_error(self.days)

    @property
    def baselines(self) -> Sequence[str]:
        return list(dict.fromkeys(name for day in self.days for name in day.baselines))

    def sum_of(self, name: str) -> float | None:
        """The sum of a figure over the days that have it."""
        found = [value for day in self.days if (value := getattr(day, name)) is not None]
        return sum(found) if found else None

    def energy(self, name: str) -> float:
        return float(sum(getattr(day.energy, name) for day in self.days))

    @property
    def effectiveness(self) -> float | None:
        """Saving on the bills that was achieved, as a share of the one that plans expected; None if they expected none.

        A share of sums: on a day of which little is expected any share is large.
        """
        days = [day for day in self.days if day.expected_bill is not None and TOLD in day.baselines]
        otherwise = sum(day.baselines[TOLD].bill for day in days)
        expected = otherwise - sum(day.expected_bill or 0.0 for day in days)
        return (otherwise - sum(day.actual.bill for day in days)) / expected if expected > 0.01 else None

    @property
    def self_consumption(self) -> float | None:
        pv_kwh = self.energy("pv_kwh")
        return None if pv_kwh < 0.005 else min(1.0, max(0.0, 1.0 - self.energy("export_kwh") / pv_kwh))

    @property
    def self_sufficiency(self) -> float | None:
        used_kwh = self.energy("used_kwh")
        return None if used_kwh < 0.005 else min(1.0, max(0.0, 1.0 - self.energy("import_kwh") / used_kwh))

    @property
    def peak_kw(self) -> float:
        return max((day.energy.peak_import_kw for day in self.days), default=0.0)

    def regret(self, part: str) -> float | None:
        """The sum of a part of the regret over the days for which it was worked out."""
        found = [getattr(day.regret, part) for day in self.days if day.regret is not None]
        return float(sum(found)) if found else None

    def money(self, house: HouseFile) -> Money:
        """For whoever makes points of it."""
        return Money(
            self.name,
            local_day(self.first, house)[0],
            self.bill,
            {
                name: Saved(
                    sum(d.baselines[name].bill for d in self.days if name in d.baselines), self.saved(name), self.error
                )
                for name in self.baselines
            },
            arbitrage=self.sum_of("arbitrage"),
            heating_shift=self.sum_of("heating_shift"),
            export_revenue=self.sum_of("export_revenue"),
            self_consumption_share=self.self_consumption,
            self_sufficiency_share=self.self_sufficiency,
            peak_kw=self.peak_kw,
            regret=self.regret("total"),
            regret_forecast=self.regret("forecast"),
            regret_model=self.regret("model"),
            regret_execution=self.regret("execution"),
            regret_override=self.regret("override"),
        )


def span(name: str, day: date) -> tuple[date, date]:
    """The first and the last day of the day, week or month that a day lies in.

    >>> span("week", date(2025, 1, 15)), span("month", date(2024, 2, 3))[1]
    ((datetime.date(2025, 1, 13), datetime.date(2025, 1, 19)), datetime.date(2024, 2, 29))
    """
    if name == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=6)
    if name == "month":
        first = day.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return day, day


def gather(
    keeper: Bookkeeper,
    name: str,
    first: date,
    last: date,
    now: datetime,
    *,
    anew: bool = False,
    with_regret: bool = False,
) -> Period:
    """The books of the days from the first to the last: those that are kept, the others worked out.

    :param anew: work all of them out again.
    :param with_regret: with their regret.
    """
    kept = {} if anew else keeper.ledger.days(first, last)
    days, missing = [], {}
    day = first
    while day <= min(last, running_day(now, keeper.house)):
        try:
            found = _read(kept.get(day))
            # What was kept while the day was not over lacks its end, whoever called it complete.
            if found is None or found.until < local_day(day, keeper.house)[1] or (with_regret and found.regret is None):
                found = keeper.books(day, now, with_regret)
            days.append(found)
        except NotRecorded as fault:
            missing[day] = str(fault)
        day += timedelta(days=1)
    return Period(name, first, last, days, missing)


def told(house: HouseFile, days: Sequence[DayBooks], day: date, now: datetime) -> Mapping[str, Any]:
    """What the topic `savings` says of a day and of its week and month.

    :param days: those whose books are known.
    """
    periods = {name: of(name, day, days) for name in PERIODS}
    today = periods["day"]
    return {
        "date": day.isoformat(),
        "saved": _rounded(today.saved()) if today.days else None,
        "currency": house.site.currency,
        "baseline": TOLD,
        "error": _rounded(today.error),
        "until": max((found.until for found in today.days), default=now).isoformat(),
        **{name: _figures(period) for name, period in periods.items()},
    }


def of(name: str, day: date, days: Sequence[DayBooks]) -> Period:
    """The day, week or month of a day, made of the books that are known."""
    first, last = span(name, day)
    return Period(name, first, last, [books for books in days if first <= books.day <= last], {})


def _figures(period: Period) -> Mapping[str, Any]:
    return {
        "from": period.first.isoformat(),
        "days": len(period.days),
        "bill": _rounded(period.bill),
        "saved": {name: _rounded(period.saved(name)) for name in period.baselines},
        "error": _rounded(period.error),
    }


def _rounded(amount: float | None) -> float | None:
    return None if amount is None else round(amount, 2) + 0.0


def _read(data: Mapping[str, Any] | None) -> DayBooks | None:
    """The books that were kept; None if another PEMS kept them in another form."""
    if data is None:
        return None
    try:
        return from_data(data)
    except (ValueError, TypeError, PemsError):
        return None
