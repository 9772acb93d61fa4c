"""A forecast of PV that somebody supplies, put right by what became of it: a roof that nobody has described."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from .trees import Array, CannotLearn, Trees, grow, widening
from .wall_clock import Days, Places, issued, of_known

LEAST_DAYS = 21
CHECKED_SHARE = 0.2
"""The last part of the history, on which intervals are set."""
ISSUES_A_DAY = 8
"""On which intervals are set."""
MOST_ROWS = 20_000
TWO_WEEKS, WEEK = 14, 7
ROUNDS, LEAVES, PACE = 150, 5, 0.05
AROUND = tuple(timedelta(minutes=30 * k) for k in (-3, -2, -1, 0, 1, 2, 3))
"""Who labels his forecast otherwise, or knows another time zone, is early or late."""
HOUR = timedelta(hours=1)
FADES_H = 2.0
"""How long clouds stay that the supplier did not see."""
DAYLIGHT_KW = 1e-3
LEVELS = (0.0, 0.25, 0.5, 0.75)
"""How much of what the last hour was off by is taken to last."""
FEATURES = (
    "before_90", "before_60", "before_30", "given", "after_30", "after_60", "after_90", "given_of_day", "most_of_day",
    "most_14", "mean_7", "given_most_14", "given_mean_7", "ratio_day", "ratio_week", "hour",
)  # fmt: skip


@dataclass(frozen=True)
class Supplied:
    """What was foretold of PV and what became of it, worked out once for all moments.

    :param given: the forecast [kW]; NaN where nobody gave one.
    :param measured: what was measured [kW], on the days of `given`.
    """

    given: Days
    measured: Days

    @cached_property
    def most_kw(self) -> float:
        return self.most_until(self.given.count)

    def most_until(self, end: int) -> float:
        """The most that was given or came on the days before one [kW]."""
        both = (self.measured.values[:end], self.given.values[:end])
        return float(np.nanmax([1e-3, *(of_known(np.nanmax, values) for values in both)]))

    @cached_property
    def _by_day(self) -> Mapping[str, Array]:
        """Statistics over the days up to and with each day: by slot, or of the whole day."""
        measured, given = self.measured.window(TWO_WEEKS), self.given.window(TWO_WEEKS)
        both = np.isfinite(self.measured.values) & np.isfinite(self.given.values)
        came, said = (np.where(both, values, 0.0).sum(axis=1) for values in (self.measured.values, self.given.values))
        ratio = pd.Series(np.where(said > 0.1 * self.most_kw, came / np.maximum(said, 1e-9), np.nan)).clip(0, 5)
        return {
            "most_14": of_known(np.nanmax, measured, axis=-1),
            "mean_7": of_known(np.nanmean, measured[..., -WEEK:], axis=-1),
            "given_most_14": of_known(np.nanmax, given, axis=-1),
            "given_mean_7": of_known(np.nanmean, given[..., -WEEK:], axis=-1),
            "ratio_day": ratio.to_numpy(),
            "ratio_week": ratio.rolling(WEEK, min_periods=2).median().to_numpy(),
            "given_of_day": np.nansum(self.given.values, axis=1),
            "most_of_day": of_known(np.nanmax, self.given.values, axis=1),
        }

    def table(self, places: Places) -> Array:
        """The features, one row a pair; all that is known of days is of those that had ended."""
        given = self.given
        known = np.clip(places.last_known, 0, given.count - 1)
        day_before = np.clip(places.issue_day - 1, 0, given.count - 1)
        slots, flat = places.day * given.slots + places.slot, given.values.ravel()
        around = [flat[np.clip(slots + offset // given.step, 0, flat.size - 1)] for offset in AROUND]
        columns = [
            *around,
            *(self._by_day[name][np.clip(places.day, 0, given.count - 1)] for name in ("given_of_day", "most_of_day")),
            *(self._by_day[name][known, places.slot] for name in FEATURES[9:13]),
            *(self._by_day[name][day_before] for name in ("ratio_day", "ratio_week")),
            places.slot * (24 / given.slots),
        ]
        return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)

    def said(self, places: Places) -> Array:
        """What was given [kW], and where nothing was what came at that time of day in the last week."""
        given, known = self.at(places), np.clip(places.last_known, 0, self.given.count - 1)
        return np.where(np.isfinite(given), given, np.nan_to_num(self._by_day["mean_7"][known, places.slot]))

    def at(self, places: Places) -> Array:
        """What was given [kW]; NaN where nobody gave anything."""
        return self.given.at(places.day, places.slot)

    def dark(self, places: Places) -> npt.NDArray[np.bool_]:
        """Where nothing was given, and nothing came at that time of day in two weeks."""
        known = np.clip(places.last_known, 0, self.given.count - 1)
        most = self._by_day["most_14"][known, places.slot]
        return np.asarray((np.nan_to_num(self.at(places)) < DAYLIGHT_KW) & (np.nan_to_num(most) < DAYLIGHT_KW))


@dataclass(frozen=True)
class Correction:
    """What was learned of who supplies the forecast.

    :param level: how much of what the last hour was off by is taken to last.
    :param most_kw: the most that was given or came on the days that it was learned from: the last weeks of a winter
        do not tell what the roof can give.
    """

    trees: Trees
    level: float = 0.0
    stretch: tuple[float, float] = (1.0, 1.0)
    mae_kw: Mapping[str, float] = field(default_factory=dict)
    """Of what was given and of what was made of it, on days that it was not learned from, where something was given."""
    most_kw: float = 0.0

    @property
    def better(self) -> bool:
        """Whether it put the forecast of those days right."""
        return self.mae_kw["corrected"] < self.mae_kw["given"]

    def predict(self, supplied: Supplied, places: Places) -> Array:
        """Production [kW]: one row a pair, the quantiles 0.1, 0.5 and 0.9; by the last week where none was given."""
        lower, middle, upper = _put_right(self.trees, supplied, places)
        point = middle + self.level * _off_now(self.trees, supplied, places)
        below, above = self.stretch[0] * (middle - lower), self.stretch[1] * (upper - middle)
        found = np.stack([point - below, point, point + above], axis=1)
        most_kw = max(self.most_kw, supplied.most_kw)
        return np.asarray(np.clip(np.where(supplied.dark(places)[:, None], 0.0, found), 0.0, most_kw))

    def as_json(self) -> dict[str, object]:
        return {
            "trees": self.trees.as_json(),
            "level": self.level,
            "stretch": list(self.stretch),
            "mae_kw": dict(self.mae_kw),
            "most_kw": self.most_kw,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        stretch = (data["stretch"][0], data["stretch"][1])
        # Versions of before did not keep the most.
        most_kw = float(data.get("most_kw", 0.0))
        return cls(Trees.from_json(data["trees"]), data["level"], stretch, dict(data["mae_kw"]), most_kw)


def train(supplied: Supplied, until_day: int | None = None) -> Correction:
    """Learn from all days before one.

    :param until_day: row of the first day that is not learned from; None: all are.
    :raises CannotLearn: if there are fewer than `LEAST_DAYS` days, or LightGBM is missing.
    """
    end = supplied.given.count if until_day is None else until_day
    if end < LEAST_DAYS:
        raise CannotLearn(f"found {end} days of a supplied forecast; at least {LEAST_DAYS} are needed")
    split = int(end * (1 - CHECKED_SHARE))
    checked = _usable(supplied, issued(supplied.given, split, end, ISSUES_A_DAY))
    checked = checked[np.isfinite(supplied.at(checked))]
    if not len(checked):
        raise CannotLearn(
            f"found no supplied forecast in the last {end - split} days; there is nothing to compare with"
        )
    truth, given = supplied.measured.at(checked.day, checked.slot), supplied.at(checked)
    trees = _grow(supplied, split)
    lower, middle, upper = _put_right(trees, supplied, checked)
    off = _off_now(trees, supplied, checked)

    def mae(found: Array) -> float:
        return float(np.mean(np.abs(np.clip(found, 0.0, supplied.most_kw) - truth)))

    level = min(LEVELS, key=lambda level: mae(middle + level * off))
    point = middle + level * off
    stretch = widening(point - (middle - lower), point, point + (upper - middle), truth)
    errors = {"given": mae(given), "corrected": mae(point)}
    return Correction(_grow(supplied, end), level, stretch, errors, supplied.most_until(end))


def _grow(supplied: Supplied, end: int) -> Trees:
    places = _usable(supplied, issued(supplied.given, 1, end, 1)).some(MOST_ROWS)
    off = supplied.measured.at(places.day, places.slot) - supplied.said(places)
    return grow(supplied.table(places), off, FEATURES, rounds=ROUNDS, leaves=LEAVES, pace=PACE)


def _put_right(trees: Trees, supplied: Supplied, places: Places) -> Array:
    """What the trees make of what was said [kW]: one row a quantile."""
    return trees.predict(supplied.table(places)).T + supplied.said(places)


def _off_now(trees: Trees, supplied: Supplied, places: Places) -> Array:
    """By how much the last hour differed from what the trees make of it, fading with how far ahead it is [kW].

    From what was said it would differ by what the trees put right anyway, which must not be put right twice.
    """
    slots = supplied.given.slots
    issues, issue = np.unique(places.issue_day * slots + places.issue_slot, return_inverse=True)
    hour = issues[:, None] - np.arange(1, 1 + max(1, HOUR // supplied.given.step))
    day, slot = np.divmod(hour.ravel(), slots)
    expected = _put_right(trees, supplied, Places(day, np.zeros_like(day), day, slot))[1]
    off = of_known(np.nanmean, (supplied.measured.at(day, slot) - expected).reshape(hour.shape), axis=1)
    lead_h = (places.day * slots + places.slot - issues[issue]) * (24 / slots)
    return np.asarray(np.nan_to_num(off)[issue] * np.exp(-lead_h / FADES_H), dtype=np.float64)


def _usable(supplied: Supplied, places: Places) -> Places:
    truth = supplied.measured.at(places.day, places.slot)
    return places[np.isfinite(truth) & ~supplied.dark(places)]
