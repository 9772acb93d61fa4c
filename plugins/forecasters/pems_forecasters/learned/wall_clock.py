"""A series as days by local time of day: what households, prices and the sun go by."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
DAY = timedelta(days=1)


@contextmanager
def nan_is_fine() -> Iterator[None]:
    """A slot that was never measured has no mean: NaN says so, and nobody needs to be warned."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        yield


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
