"""The household's own use: profiles of its last weeks and boosted trees, of which its own history chooses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Self

import numpy as np
import pandas as pd

from .trees import Array, CannotLearn, Trees, grow, widening
from .wall_clock import DAY, Days, Indices, nan_is_fine

WEEK, FOUR_WEEKS = 7, 28
LEAST_DAYS = 21
CHECKED_DAYS = 28
"""The last days, on which methods are compared, each learned from the days before."""
LEAST_CHECKED_DAYS = 7
MOST_ROWS = 20_000
ISSUES_A_DAY = 4
LONGEST_LEAD = timedelta(hours=48)
HOUR = timedelta(hours=1)
SATURDAY, SUNDAY = 5, 6
LEVEL_FADES_H = 3.0
"""How long a household that is busier or quieter than usual stays so."""

MEAN_OF_WEEK, MEDIAN_OF_FOUR_WEEKS, TREES, BLEND = "mean of 7 days", "median of 28 days", "trees", "trees and profiles"
METHODS = (BLEND, TREES, MEDIAN_OF_FOUR_WEEKS, MEAN_OF_WEEK)
CLEARLY = 0.85
"""Another method than the blend has to be better by this on the last weeks: the next ones may be quite different."""
BLENDED = {TREES: 0.6, MEDIAN_OF_FOUR_WEEKS: 0.2, "median of 7 days": 0.2}
FEATURES = (
    "last", "day_before", "week_before", "mean_7", "median_7", "mean_28", "median_28", "low_28", "high_28",
    "median_28_around", "same_weekday", "same_weekday_median", "off_1h", "off_3h", "off_24h", "level_24h", "level_7d",
    "lead_h", "hour", "weekday", "free", "day_of_year", "temperature_c", "warmer_k",
)  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Moments at which a forecast is issued, and moments that it speaks of; one row a pair."""

    issue_day: Indices
    issue_slot: Indices
    day: Indices
    slot: Indices


@dataclass(frozen=True)
class Household:
    """What is known of a household, worked out once for all moments.

    :param load: base load [kW], without what PEMS plans itself.
    :param temperature: outside [°C], forecasts for what lies ahead; None if nobody knows it.
    :param free_days: dates of public holidays.
    """

    load: Days
    temperature: Days | None = None
    free_days: frozenset[Any] = frozenset()

    @cached_property
    def scale_kw(self) -> float:
        return max(1e-3, float(np.nanmean(self.load.values)))

    @cached_property
    def by_day(self) -> Mapping[str, Array]:
        """Statistics of each slot over the days up to and with each day."""
        week, four_weeks = self.load.window(WEEK), self.load.window(FOUR_WEEKS)
        with nan_is_fine():
            low, median, high = np.nanquantile(four_weeks, (0.2, 0.5, 0.8), axis=-1)
            weekday = four_weeks[..., FOUR_WEEKS - 1 :: -WEEK]
            return {
                "mean_7": np.nanmean(week, axis=-1),
                "median_7": np.nanmedian(week, axis=-1),
                "mean_28": np.nanmean(four_weeks, axis=-1),
                "median_28": median,
                "low_28": low,
                "high_28": high,
                "median_28_around": (np.roll(median, 1, axis=1) + median + np.roll(median, -1, axis=1)) / 3,
                "same_weekday_median": np.nanmedian(weekday, axis=-1),
            }

    @cached_property
    def _off(self) -> tuple[Array, Array]:
        """Sums and counts up to each moment of by how much the load differed from its four weeks."""
        usual = np.vstack([np.full((1, self.load.slots), np.nan), self.by_day["median_28"][:-1]])
        return _running(self.load.values - usual)

    @cached_property
    def _level(self) -> tuple[Array, Array]:
        return _running(self.load.values)

    def table(self, places: Places) -> Array:
        """The features, one row a pair; loads in shares of the household's mean."""
        load, at, known = self.load, self._issued_at(places), _last_known(places)

        def stat(name: str, days: Indices) -> Array:
            found = self.by_day[name][np.clip(days, 0, load.count - 1), places.slot]
            return np.where(days >= 0, found, np.nan)

        def ago(sums: tuple[Array, Array], length: timedelta) -> Array:
            return _mean_before(sums, at, max(1, length // load.step))

        loads = [
            load.at(known, places.slot),
            load.at(known - 1, places.slot),
            load.at(known - WEEK + 1, places.slot),
            *(stat(name, known) for name in FEATURES[3:10]),
            load.at(places.day - WEEK, places.slot),
            stat("same_weekday_median", places.day - WEEK),
            *(ago(self._off, length) for length in (HOUR, 3 * HOUR, DAY)),
            *(ago(self._level, length) for length in (DAY, WEEK * DAY)),
        ]
        calendar = [
            self._lead_h(places),
            places.slot * (24 / load.slots),
            *self._dates(places.day),
        ]
        return np.stack(
            [*(column / self.scale_kw for column in loads), *calendar, *self._warmth(places, known)], axis=1
        )

    def _dates(self, days: Indices) -> list[Array]:
        dates = self.load.first + pd.to_timedelta(days, unit="D")
        free = np.array([date.date() in self.free_days for date in dates], dtype=np.bool_)
        weekday = np.where(free, SUNDAY, dates.day_of_week)
        return [column.astype(np.float64) for column in (weekday, weekday >= SATURDAY, dates.day_of_year.to_numpy())]

    def _warmth(self, places: Places, known: Indices) -> list[Array]:
        if self.temperature is None:
            return [np.full(len(known), np.nan)] * 2
        there = self.temperature.at(places.day, places.slot)
        with nan_is_fine():
            lately = np.nanmean([self.temperature.at(known - k, places.slot) for k in range(WEEK)], axis=0)
        return [there, there - lately]

    def profiles(self, places: Places) -> Mapping[str, Array]:
        """The simple methods [kW], begun at the level of the last hours."""
        known = np.clip(_last_known(places), 0, self.load.count - 1)
        found = {
            MEAN_OF_WEEK: self.by_day["mean_7"][known, places.slot],
            "median of 7 days": self.by_day["median_7"][known, places.slot],
            MEDIAN_OF_FOUR_WEEKS: self.by_day["median_28"][known, places.slot],
        }
        off = np.nan_to_num(_mean_before(self._off, self._issued_at(places), max(1, 3 * HOUR // self.load.step)))
        off *= np.exp(-self._lead_h(places) / LEVEL_FADES_H)
        return {name: np.maximum(0.0, np.where(np.isfinite(kw), kw, self.scale_kw) + off) for name, kw in found.items()}

    def _issued_at(self, places: Places) -> Indices:
        """How many slots had passed when the forecast was issued."""
        return places.issue_day * self.load.slots + places.issue_slot

    def _lead_h(self, places: Places) -> Array:
        """From the issue to the start of what is spoken of [h]."""
        slots = places.day * self.load.slots + places.slot - self._issued_at(places)
        return np.asarray(slots * (24 / self.load.slots), dtype=np.float64)


@dataclass(frozen=True)
class LoadModel:
    """What was learned of a household's load."""

    method: str
    trees: Trees | None
    stretch: tuple[float, float] = (1.0, 1.0)
    """Of the distances from the median down and up to the ends of the interval."""
    mae_kw: Mapping[str, float] = field(default_factory=dict)
    """By method, on the days on which they were compared [kW]."""

    def predict(self, household: Household, places: Places) -> Array:
        """The load [kW]: one row a pair, the quantiles 0.1, 0.5 and 0.9."""
        simple = household.profiles(places)
        if self.trees is None:
            return _around(simple[self.method], household, places, self.stretch)
        lower, middle, upper = (self.trees.predict(household.table(places)) * household.scale_kw).T
        point = middle if self.method == TREES else _blend(middle, simple)
        below, above = self.stretch[0] * (middle - lower), self.stretch[1] * (upper - middle)
        return np.asarray(np.maximum(0.0, np.stack([point - below, point, point + above], axis=1)))

    def as_json(self) -> dict[str, object]:
        return {
            "method": self.method,
            "trees": None if self.trees is None else self.trees.as_json(),
            "stretch": list(self.stretch),
            "mae_kw": dict(self.mae_kw),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        trees = None if data["trees"] is None else Trees.from_json(data["trees"])
        return cls(data["method"], trees, (data["stretch"][0], data["stretch"][1]), dict(data["mae_kw"]))


def train(household: Household, until_day: int | None = None) -> LoadModel:
    """Learn from all days before one, and choose the method that was best on the last weeks of them.

    :param until_day: row of the first day that is not learned from; None: all are.
    :raises CannotLearn: if there are fewer than `LEAST_DAYS` days, or LightGBM is missing.
    """
    end = household.load.count if until_day is None else until_day
    if end < LEAST_DAYS:
        raise CannotLearn(f"found {end} days of base load; at least {LEAST_DAYS} are needed")
    checked = min(CHECKED_DAYS, end - LEAST_DAYS + LEAST_CHECKED_DAYS)
    places = issued(household.load, end - checked, end, 1)
    truth = household.load.at(places.day, places.slot)
    trees = _grow(household, end - checked)
    lower, middle, upper = (trees.predict(household.table(places)) * household.scale_kw).T
    simple = household.profiles(places)
    points = {BLEND: _blend(middle, simple), TREES: middle, **{name: simple[name] for name in METHODS[2:]}}
    mae_kw = {name: float(np.nanmean(np.abs(points[name] - truth))) for name in METHODS}
    method = min(METHODS, key=lambda name: mae_kw[name])
    if mae_kw[method] > CLEARLY * mae_kw[BLEND]:
        method = BLEND
    if method not in (BLEND, TREES):
        flat = _around(points[method], household, places, (1.0, 1.0))
        return LoadModel(method, None, widening(flat[:, 0], flat[:, 1], flat[:, 2], truth), mae_kw)
    point = points[method]
    stretch = widening(point - (middle - lower), point, point + (upper - middle), truth)
    return LoadModel(method, _grow(household, end), stretch, mae_kw)


def ahead_of(load: Days, now: datetime, instants: pd.DatetimeIndex) -> Places:
    """The pairs of one forecast that is issued now."""
    day, slot = load.places(instants)
    issue_day, issue_slot = load.places(pd.DatetimeIndex([now]))
    return Places(np.full(len(day), issue_day[0]), np.full(len(day), issue_slot[0]), day, slot)


def issued(load: Days, first: int, end: int, issues_a_day: int) -> Places:
    """All pairs of forecasts issued on some days, at even times of day, for the next two days."""
    step = load.slots // issues_a_day
    issues = np.array([day * load.slots + k * step for day in range(first, end) for k in range(issues_a_day)])
    leads = np.arange(LONGEST_LEAD // load.step if issues_a_day > 1 else load.slots)
    at = np.repeat(issues, len(leads))
    target = at + np.tile(leads, len(issues))
    kept = target < end * load.slots
    at, target = at[kept], target[kept]
    return Places(at // load.slots, at % load.slots, target // load.slots, target % load.slots)


def _grow(household: Household, end: int) -> Trees:
    places = issued(household.load, WEEK, end, ISSUES_A_DAY)
    if len(places.day) > MOST_ROWS:
        chosen = np.sort(np.random.RandomState(1).choice(len(places.day), MOST_ROWS, replace=False))
        places = Places(*(column[chosen] for column in (places.issue_day, places.issue_slot, places.day, places.slot)))
    target = household.load.at(places.day, places.slot) / household.scale_kw
    return grow(household.table(places), target, FEATURES)


def _last_known(places: Places) -> Indices:
    """The last day on which the time of day that is spoken of had passed when the forecast was issued."""
    passed = np.where(places.slot < places.issue_slot, places.issue_day, places.issue_day - 1)
    return np.minimum(passed, places.day - 1)


def _blend(trees_kw: Array, simple: Mapping[str, Array]) -> Array:
    return np.asarray(
        sum(share * {**simple, TREES: trees_kw}[name] for name, share in BLENDED.items()), dtype=np.float64
    )


def _around(point: Array, household: Household, places: Places, stretch: tuple[float, float]) -> Array:
    """A simple method with the spread of the last four weeks."""
    known = np.clip(np.minimum(places.issue_day - 1, places.day - 1), 0, household.load.count - 1)
    low, high = (household.by_day[name][known, places.slot] for name in ("low_28", "high_28"))
    half = 0.1 * household.scale_kw
    below = stretch[0] * np.fmax(half, point - np.where(np.isfinite(low), low, point))
    above = stretch[1] * np.fmax(half, np.where(np.isfinite(high), high, point) - point)
    return np.maximum(0.0, np.stack([point - below, point, point + above], axis=1))


def _running(values: Array) -> tuple[Array, Array]:
    flat = values.ravel()
    known = np.isfinite(flat)
    sums = np.concatenate([[0.0], np.cumsum(np.where(known, flat, 0.0))])
    return sums, np.concatenate([[0.0], np.cumsum(known)])


def _mean_before(running: tuple[Array, Array], at: Indices, length: int) -> Array:
    """Mean of the last slots before moments; NaN where nothing was measured."""
    (sums, counts), end = running, np.clip(at, 0, len(running[0]) - 1)
    begin = np.clip(at - length, 0, len(sums) - 1)
    known = counts[end] - counts[begin]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(known > 0, (sums[end] - sums[begin]) / known, np.nan), dtype=np.float64)
