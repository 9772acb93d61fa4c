"""A series as days by local time of day: what households, prices and the sun go by."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
DAY = timedelta(days=1)


def of_known(statistic: Callable[..., Any], values: npt.ArrayLike, axis: int | tuple[int, ...] | None = None) -> Array:
    """A statistic of what was measured, such as `np.nanmean`; NaN where nothing was.

    NumPy would warn of that, and warnings cannot be silenced here: their filters are those of the whole process, and
    forecasters work in threads.
    """
    found = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(found).all(axis=axis, keepdims=True)
    result = statistic(np.where(known, found, 0.0), axis=axis)
    return np.where(np.squeeze(known, axis), result, np.nan)


@dataclass(frozen=True)
class Days:
    """Means of the slots of local days: row d, column s. What was not measured, or does not exist, is NaN.

    On the 25-hour day the second of the doubled hours counts, on the 23-hour day an hour is missing.
    """

    first: pd.Timestamp
    """The first day, at midnight, without a zone."""
    values: Array
    timezone: str

    @classmethod
    def of(
        cls, series: "pd.Series[float]", timezone: str, step: timedelta, until: pd.Timestamp | None = None
    ) -> "Days":
        """
        :param step: length of a slot; finer values are averaged, coarser ones hold for their slots.
        :param until: an instant up to whose day there are rows, even without values.
        """
        means = series.resample(step).mean()
        clock = pd.DatetimeIndex(means.index).tz_convert(timezone).tz_localize(None)
        local = pd.Series(means.to_numpy(dtype=np.float64), index=clock)
        local = local[~local.index.duplicated(keep="last")]
        last = max(clock[-1], clock[-1] if until is None else until.tz_convert(timezone).tz_localize(None))
        slots = pd.date_range(clock[0].normalize(), last.normalize() + DAY, freq=step, inclusive="left")
        values = np.asarray(local.reindex(slots), dtype=np.float64).reshape(-1, DAY // step)
        return cls(slots[0], values, timezone)

    def of_the_same(self, series: "pd.Series[float]") -> "Days":
        """Another series on the same days and slots."""
        if series.empty:
            return Days(self.first, np.full_like(self.values, np.nan), self.timezone)
        other = Days.of(series, self.timezone, self.step)
        rows = (self.first - other.first) // DAY + np.arange(self.count)
        inside = (rows >= 0) & (rows < other.count)
        values = np.where(inside[:, None], other.values[np.clip(rows, 0, other.count - 1)], np.nan)
        return Days(self.first, values, self.timezone)

    @property
    def count(self) -> int:
        return len(self.values)

    @property
    def slots(self) -> int:
        """Of a day."""
        return int(self.values.shape[1])

    @property
    def step(self) -> timedelta:
        return DAY / self.slots

    @cached_property
    def dates(self) -> pd.DatetimeIndex:
        return pd.date_range(self.first, periods=self.count)

    def places(self, instants: pd.DatetimeIndex) -> tuple[Indices, Indices]:
        """Day and slot of instants; days may lie before the first or after the last."""
        local = instants.tz_convert(self.timezone).tz_localize(None)
        days = (local.normalize() - self.first) // DAY
        return np.asarray(days, dtype=np.int64), np.asarray((local - local.normalize()) // self.step, dtype=np.int64)

    def at(self, days: Indices, slots: Indices) -> Array:
        """Values at places; NaN outside."""
        inside = (days >= 0) & (days < self.count)
        return np.where(inside, self.values[np.clip(days, 0, self.count - 1), slots], np.nan)

    def window(self, length: int) -> Array:
        """For each day the values of that day and those before, `length` in all: days, slots, window; NaN before."""
        before = np.full((length - 1, self.slots), np.nan)
        return np.lib.stride_tricks.sliding_window_view(np.concatenate([before, self.values]), length, axis=0)


@dataclass(frozen=True)
class Places:
    """Moments at which a forecast is issued, and moments that it speaks of; one row a pair."""

    issue_day: Indices
    issue_slot: Indices
    day: Indices
    slot: Indices

    def __getitem__(self, chosen: npt.NDArray[Any]) -> "Places":
        return Places(self.issue_day[chosen], self.issue_slot[chosen], self.day[chosen], self.slot[chosen])

    def __len__(self) -> int:
        return len(self.day)

    @property
    def last_known(self) -> Indices:
        """The last day on which the time of day that is spoken of had passed when the forecast was issued."""
        passed = np.where(self.slot < self.issue_slot, self.issue_day, self.issue_day - 1)
        return np.minimum(passed, self.day - 1)

    def some(self, most: int) -> "Places":
        """So many of the pairs, evenly drawn, always the same."""
        if len(self) <= most:
            return self
        return self[np.sort(np.random.RandomState(1).choice(len(self), most, replace=False))]


def issued(days: Days, first: int, end: int, issues_a_day: int, ahead: timedelta = DAY) -> Places:
    """All pairs of forecasts issued on some days, at even times of day from midnight on."""
    step = days.slots // issues_a_day
    issues = np.array([day * days.slots + k * step for day in range(first, end) for k in range(issues_a_day)])
    leads = np.arange(ahead // days.step)
    at = np.repeat(issues, len(leads))
    target = at + np.tile(leads, len(issues))
    kept = target < end * days.slots
    at, target = at[kept], target[kept]
    return Places(at // days.slots, at % days.slots, target // days.slots, target % days.slots)


def ahead_of(days: Days, now: datetime, instants: pd.DatetimeIndex) -> Places:
    """The pairs of one forecast that is issued now."""
    day, slot = days.places(instants)
    issue_day, issue_slot = days.places(pd.DatetimeIndex([now]))
    return Places(np.full(len(day), issue_day[0]), np.full(len(day), issue_slot[0]), day, slot)
