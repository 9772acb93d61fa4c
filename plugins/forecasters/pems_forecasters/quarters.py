"""Quarter hours: the grid on which the simple forecasters work, before and after now."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from pems_core.domain import HOUR, QUARTER, History, Horizon, floor_time

Array = npt.NDArray[np.float64]


def quarters_of(history: History, name: str) -> "pd.Series[float]":
    """A series of the history as quarter-hour means; values of half or whole hours hold for their quarters."""
    known = history.series(name)
    if len(known) < 2:
        return known
    step = pd.Timedelta(str(pd.Series(known.index).diff().median())).to_pytimedelta()
    if step <= QUARTER:
        return known.resample(QUARTER).mean().dropna()
    quarters = pd.date_range(known.index[0], known.index[-1] + step, freq=QUARTER, inclusive="left")
    return known.reindex(quarters, method="ffill", limit=step // QUARTER - 1).dropna()


def measured_before(history: History, name: str, now: datetime, within: timedelta) -> "pd.Series[float]":
    """The quarters of a series that have ended by `now` and began at most `within` ago."""
    known = quarters_of(history, name)
    return known[(known.index >= now - within) & (known.index <= now - QUARTER)]


def quarters_ahead(horizon: Horizon) -> pd.DatetimeIndex:
    """The quarters that a horizon touches."""
    return pd.date_range(floor_time(horizon.start, QUARTER), horizon.end, freq=QUARTER, inclusive="left", unit="us")


def leads_h(ahead: pd.DatetimeIndex, now: datetime) -> Array:
    """Time from `now` to the start of each quarter, never negative [h]."""
    return np.maximum(0.0, np.asarray((ahead - now) / HOUR, dtype=np.float64))


def onto(horizon: Horizon, ahead: pd.DatetimeIndex, values: Sequence[float] | Array) -> tuple[float, ...]:
    """Quarter-hour values as means of the horizon's steps."""
    return horizon.mean_onto([float(v) for v in values], list(ahead.to_pydatetime()), QUARTER)


def value_of_last_days(
    known: "pd.Series[float]", ahead: pd.DatetimeIndex, timezone: str, days: int
) -> "pd.Series[float]":
    """For each quarter ahead the value at the same local time one day before, or two... up to `days`; NaN if none."""
    local = ahead.tz_convert(timezone).tz_localize(None)
    by_clock = known.tz_convert(timezone).tz_localize(None)
    # Of an hour that occurs twice when clocks change the later one is the more recent.
    by_clock = by_clock[~by_clock.index.duplicated(keep="last")]
    found = pd.Series(np.nan, index=local)
    for day in range(1, days + 1):
        found = found.fillna(by_clock.reindex(local - timedelta(days=day)).set_axis(local))
    return found.set_axis(ahead)
