"""A course of the house: what flowed, or is to flow, in consecutive intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pems_core.domain import HOUR, QUARTER

Values = NDArray[np.float64]

NOT_ROOMS = ("outdoor_temperature_c", "battery_temperature_c")


@dataclass(frozen=True)
class Course:
    """Columns over intervals that are labelled by their start in UTC and may differ in length.

    Powers [kW] are means of the interval; levels (`soc` 0..1, `<room>_c` °C) hold at its end. A column that is
    absent belongs to a part that the house has not: as a power it is zero.
    """

    frame: pd.DataFrame
    ends: pd.DatetimeIndex
    """End of each interval, UTC."""

    @classmethod
    def regular(cls, frame: pd.DataFrame) -> "Course":
        """A frame whose rows are equally far apart; a single row lasts a quarter of an hour."""
        index = pd.DatetimeIndex(frame.index)
        step = index[1] - index[0] if len(index) > 1 else QUARTER
        return cls(frame, pd.DatetimeIndex(index + step))

    @property
    def starts(self) -> pd.DatetimeIndex:
        return pd.DatetimeIndex(self.frame.index)

    @cached_property
    def edges(self) -> pd.DatetimeIndex:
        """Start of each interval and the end of the last."""
        return pd.DatetimeIndex(self.starts.append(self.ends[-1:]))

    @cached_property
    def step_h(self) -> Values:
        """Length of each interval [h]."""
        return np.asarray((self.ends - self.starts) / pd.Timedelta(HOUR), dtype=np.float64)

    @property
    def length(self) -> timedelta:
        return (self.ends[-1] - self.starts[0]).to_pytimedelta()

    @cached_property
    def rooms(self) -> Sequence[str]:
        """The rooms whose temperature is known."""
        columns = [str(column) for column in self.frame.columns]
        return tuple(
            column.removesuffix("_c")
            for column in columns
            if column.endswith("_c") and not column.endswith("_slab_c") and column not in NOT_ROOMS
        )

    def knows(self, name: str) -> bool:
        """Whether a column exists and has any value."""
        return name in self.frame and bool(self.frame[name].notna().any())

    def values(self, name: str) -> Values:
        """One value an interval; zero where nothing is known."""
        if name not in self.frame:
            return np.zeros(len(self.frame))
        return np.asarray(np.nan_to_num(self.known(name)), dtype=np.float64)

    def known(self, name: str) -> Values:
        """One value an interval; NaN where nothing is known."""
        if name not in self.frame:
            return np.full(len(self.frame), np.nan)
        return self.frame[name].to_numpy(dtype=np.float64)

    def energy_kwh(self, name: str) -> float:
        """What a power [kW] adds up to."""
        return float(self.values(name) @ self.step_h)

    def onto(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Another frame on these intervals: the value that holds when each begins."""
        return frame.reindex(self.starts, method="ffill")


def outside_k(course: Course, room: str, bands: Mapping[str, pd.DataFrame]) -> Values:
    """How far a room is above (positive) or below (negative) its band [K]; zero inside it or without one."""
    if room not in bands:
        return np.zeros(len(course.frame))
    band = course.onto(bands[room])
    temperature_c = course.known(f"{room}_c")
    above = np.maximum(temperature_c - band["high_c"].to_numpy(dtype=np.float64), 0.0)
    below = np.maximum(band["low_c"].to_numpy(dtype=np.float64) - temperature_c, 0.0)
    return np.asarray(np.nan_to_num(above - below), dtype=np.float64)
