"""From the spot price to what a household pays and earns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time, timedelta
from functools import cached_property
from itertools import pairwise
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


@dataclass(frozen=True, slots=True)
class PriceWindow:
    """A part of each local day with a distribution price of its own."""

    begin: time
    end: time
    """00:00 is the end of the day."""
    distribution_price_per_kwh: float

    @property
    def minutes(self) -> tuple[int, int]:
        """First minute of the day within the window, and first after it."""
        begin, end = minute_of_day(self.begin), minute_of_day(self.end)
        return begin, end or DAY_MIN


@dataclass(frozen=True)
class Tariff:
    """What is added to the spot price [currency/kWh], by local time of day.

    import price = (spot + distribution + margin) * (1 + vat)
    feed-in price = spot - feed-in margin

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
        spot = np.asarray(spot_price_per_kwh, dtype=np.float64)
        if len(spot) != len(starts):
            raise ValueError(f"there are {len(spot)} spot prices for {len(starts)} intervals; one for each is needed")
        distribution = self.distribution_prices(starts, step)
        import_price = (spot + distribution + self.margin_price_per_kwh) * (1 + self.vat)
        return import_price, spot - self.feed_in_margin_price_per_kwh

    def distribution_prices(self, starts: "pd.DatetimeIndex", step: timedelta = QUARTER) -> Array:
        """Distribution price of each interval [currency/kWh], before VAT."""
        quarters = max(1, step // QUARTER)
        # Each quarter is turned into local time by itself, so that 23- and 25-hour days come out right.
        parts = [self._at(starts + k * QUARTER) for k in range(quarters)]
        return np.asarray(np.mean(parts, axis=0), dtype=np.float64)

    def _at(self, instants: "pd.DatetimeIndex") -> Array:
        local = instants.tz_convert(ZoneInfo(self.timezone))
        quarter = (local.hour.to_numpy() * 60 + local.minute.to_numpy()) // QUARTER_MIN
        return np.asarray(self._by_quarter[quarter], dtype=np.float64)

    @cached_property
    def _by_quarter(self) -> Array:
        """Distribution price of each quarter of a local day."""
        prices = np.full(DAY_MIN // QUARTER_MIN, self.distribution_price_per_kwh)
        for window in self.windows:
            begin, end = window.minutes
            prices[begin // QUARTER_MIN : end // QUARTER_MIN] = window.distribution_price_per_kwh
        return prices


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
        for a, b in pairwise(ordered)
        if b.minutes[0] < a.minutes[1]
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
