"""From the spot price to what a household pays and earns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import combinations
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from .domain import QUARTER

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[np.float64]

DAY_MIN = 24 * 60
QUARTER_MIN = 15
LONGEST_MONTH = timedelta(days=31)
SATURDAY = 5


def billing_month(at: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Begin and end, in UTC, of the local month to which the import peak of an instant belongs.

    >>> edges = billing_month(datetime(2025, 3, 31, 21, 0, tzinfo=UTC), ZoneInfo("Europe/Prague"))
    >>> [edge.isoformat() for edge in edges]
    ['2025-02-28T23:00:00+00:00', '2025-03-31T22:00:00+00:00']
    """
    begin = at.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    later = begin + LONGEST_MONTH
    return begin.astimezone(UTC), later.replace(day=1).astimezone(UTC)


class Days(StrEnum):
    """Days on which a window holds."""

    EVERY = "every"
    WORKDAYS = "workdays"
    FREE = "free_days"
    """Saturdays, Sundays and public holidays."""

    @property
    def kinds(self) -> frozenset["Days"]:
        """The kinds of day that it takes in."""
        return frozenset({Days.WORKDAYS, Days.FREE}) if self is Days.EVERY else frozenset({self})


@dataclass(frozen=True, slots=True)
class PriceWindow:
    """A part of each local day with a distribution price of its own."""

    begin: time
    end: time
    """00:00 is the end of the day."""
    distribution_price_per_kwh: float
    days: Days = Days.EVERY

    @property
    def minutes(self) -> tuple[int, int]:
        """First minute of the day within the window, and first after it."""
        begin, end = minute_of_day(self.begin), minute_of_day(self.end)
        return begin, end or DAY_MIN


@dataclass(frozen=True)
class Tariff:
    """What is added to the spot price [currency/kWh], by local time of day.

    import price = (spot + distribution + margin + energy tax) * (1 + vat)
    feed-in price = spot - feed-in margin, or what was agreed

    Both go negative when the spot price is low enough.
    """

    distribution_price_per_kwh: float = 0.0
    """Outside all windows."""
    windows: tuple[PriceWindow, ...] = ()
    margin_price_per_kwh: float = 0.0
    """The supplier's, on each kWh imported."""
    feed_in_margin_price_per_kwh: float = 0.0
    """The buyer's, off each kWh fed in."""
    vat: float = 0.0
    """Share, 0.21 for 21 %."""
    timezone: str = "UTC"
    capacity_charge_per_kw: float = 0.0
    """Per kW of the highest quarter-hour import mean of a month [currency/kW]."""
    energy_tax_per_kwh: float = 0.0
    """On each kWh imported, before VAT."""
    feed_in_fixed_per_kwh: float | None = None
    """Agreed price of what is fed in; None: by the spot price."""
    feed_in_nothing_below_zero: bool = False
    """True: nothing is paid, and nothing is to be paid, for what is fed in while the spot price is negative."""
    holidays: str = ""
    """Country, or country and region, whose public holidays are free days: "CZ", "DE-BY"."""
    later: tuple["DatedTariff", ...] = ()
    """What holds instead from some day on; the last that has begun counts."""

    def __post_init__(self) -> None:
        """Check the windows.

        :raises ValueError: one line for each window that is empty, off the quarter hours, or overlaps another.
        """
        faults = [fault for window in self.windows for fault in window_faults(window)]
        faults += overlaps(self.windows)
        if faults:
            raise ValueError("\n".join(faults))

    def prices(
        self, starts: "pd.DatetimeIndex", spot_price_per_kwh: Sequence[float] | Array, step: timedelta = QUARTER
    ) -> tuple[Array, Array]:
        """Import and feed-in prices [currency/kWh] of intervals, one of each per interval.

        :param starts: start of each interval, aware.
        :param step: length of the intervals; if a window ends within one, its price is the mean.
        """
        import_price, feed_in_price = self._own_prices(starts, spot_price_per_kwh, step)
        for dated in sorted(self.later, key=lambda one: one.valid_from):
            begins = datetime.combine(dated.valid_from, time(), ZoneInfo(self.timezone))
            then = np.array([start >= begins for start in starts.to_pydatetime()], dtype=np.bool_)
            their_import, their_feed_in = dated.tariff.prices(starts, spot_price_per_kwh, step)
            import_price = np.where(then, their_import, import_price)
            feed_in_price = np.where(then, their_feed_in, feed_in_price)
        return import_price, feed_in_price

    def _own_prices(
        self, starts: "pd.DatetimeIndex", spot_price_per_kwh: Sequence[float] | Array, step: timedelta
    ) -> tuple[Array, Array]:
        spot = np.asarray(spot_price_per_kwh, dtype=np.float64)
        if len(spot) != len(starts):
            raise ValueError(f"there are {len(spot)} spot prices for {len(starts)} intervals; one for each is needed")
        distribution = self.distribution_prices(starts, step)
        added = distribution + self.margin_price_per_kwh + self.energy_tax_per_kwh
        return (spot + added) * (1 + self.vat), self._feed_in(spot)

    def _feed_in(self, spot: Array) -> Array:
        fixed = self.feed_in_fixed_per_kwh
        paid = spot - self.feed_in_margin_price_per_kwh if fixed is None else np.full(len(spot), fixed)
        return np.where(spot < 0, 0.0, paid) if self.feed_in_nothing_below_zero else paid

    def distribution_prices(self, starts: "pd.DatetimeIndex", step: timedelta = QUARTER) -> Array:
        """Distribution price of each interval [currency/kWh], before VAT."""
        quarters = max(1, step // QUARTER)
        # Each quarter is turned into local time by itself, so that 23- and 25-hour days come out right.
        parts = [self._at(starts + k * QUARTER) for k in range(quarters)]
        return np.asarray(np.mean(parts, axis=0), dtype=np.float64)

    def _at(self, instants: "pd.DatetimeIndex") -> Array:
        local = instants.tz_convert(ZoneInfo(self.timezone))
        quarter = (local.hour.to_numpy() * 60 + local.minute.to_numpy()) // QUARTER_MIN
        workday, free = (self._by_quarter[kind][quarter] for kind in (Days.WORKDAYS, Days.FREE))
        if all(window.days is Days.EVERY for window in self.windows):
            return np.asarray(workday, dtype=np.float64)
        return np.asarray(np.where(self._is_free(local), free, workday), dtype=np.float64)

    def _is_free(self, local: "pd.DatetimeIndex") -> npt.NDArray[np.bool_]:
        weekend = np.asarray(local.day_of_week >= SATURDAY)
        if not self.holidays:
            return weekend
        days = public_holidays(self.holidays, frozenset(local.year))
        return np.asarray(weekend | np.array([day in days for day in local.date], dtype=np.bool_))

    @cached_property
    def _by_quarter(self) -> dict[Days, Array]:
        """Distribution price of each quarter of a local day, by the kind of day."""
        courses = {}
        for kind in (Days.WORKDAYS, Days.FREE):
            prices = np.full(DAY_MIN // QUARTER_MIN, self.distribution_price_per_kwh)
            for window in (w for w in self.windows if kind in w.days.kinds):
                begin, end = window.minutes
                prices[begin // QUARTER_MIN : end // QUARTER_MIN] = window.distribution_price_per_kwh
            courses[kind] = prices
        return courses


@dataclass(frozen=True)
class DatedTariff:
    """What holds from a local day on."""

    valid_from: date
    tariff: Tariff


@lru_cache
def public_holidays(place: str, years: frozenset[int]) -> frozenset[date]:
    """The public holidays of a country or, as "DE-BY", of a part of it.

    :raises ValueError: if the place is not known.
    """
    # Imported here: it takes long, and most tariffs know no holidays.
    import holidays

    country, _, region = place.partition("-")
    try:
        days = holidays.country_holidays(country, subdiv=region or None, years=sorted(years))
    except NotImplementedError:
        allowed = 'a country such as "CZ", or a part of one such as "DE-BY"'
        raise ValueError(f"found {place!r}; allowed: {allowed}") from None
    return frozenset(days)


def minute_of_day(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def window_faults(window: PriceWindow) -> list[str]:
    begin, end = window.minutes
    name = f"the window {window.begin:%H:%M}-{window.end:%H:%M}"
    faults = []
    if begin >= end:
        faults.append(f"{name} ends before it begins; split a window that passes midnight in two")
    if begin % QUARTER_MIN or end % QUARTER_MIN:
        faults.append(f"{name} is not on the quarter hours; minutes 00, 15, 30 and 45 are allowed")
    return faults


def overlaps(windows: Sequence[PriceWindow]) -> list[str]:
    ordered = sorted(windows, key=lambda window: window.minutes)
    return [
        f"the windows {a.begin:%H:%M}-{a.end:%H:%M} and {b.begin:%H:%M}-{b.end:%H:%M} overlap; each time has one price"
        for a, b in combinations(ordered, 2)
        if b.minutes[0] < a.minutes[1] and a.days.kinds & b.days.kinds
    ]


D57D_LOW_PRICE_PER_KWH = 0.281

D57D = Tariff(
    distribution_price_per_kwh=0.919,
    windows=tuple(
        PriceWindow(time(begin), time(end % 24), D57D_LOW_PRICE_PER_KWH)
        for begin, end in [(0, 10), (11, 12), (13, 14), (15, 17), (18, 24)]
    ),
    feed_in_margin_price_per_kwh=0.35,
    vat=0.21,
    timezone="Europe/Prague",
)
"""The Czech heating tariff of the reference house [CZK/kWh], from a bill; no supplier margin."""
