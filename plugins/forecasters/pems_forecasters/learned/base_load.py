"""The household's own use: profiles of its last weeks and boosted trees, mixed as its own history says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from typing import Any, Self

import numpy as np
import pandas as pd

from pems_core.forecasting.running import Running

from .trees import Array, CannotLearn, Trees, grow, widening
from .wall_clock import Days, Indices, Places, issued, of_known

WEEK, FOUR_WEEKS = 7, 28
LEAST_DAYS = 21
CHECKED_DAYS = 28
"""The last days, on which mixtures are compared, with trees that were learned from the days before."""
LEAST_CHECKED_DAYS = 7
CHECKED_ISSUES_A_DAY = 4
MOST_ROWS = 20_000
HOUR = timedelta(hours=1)
SATURDAY, SUNDAY = 5, 6
LEVEL_FADES_H = 2.5
"""How long a household that is busier or quieter than usual stays so."""

TREES, BLEND = "trees", "trees and profiles"
MEAN_OF_WEEK, MEDIAN_OF_FOUR_WEEKS, MEDIANS = "mean of 7 days", "median of 28 days", "medians of 7 and 28 days"
PROFILES = (MEDIANS, MEDIAN_OF_FOUR_WEEKS, MEAN_OF_WEEK)
METHODS = (BLEND, TREES, *PROFILES)
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Of the trees in the mixture."""
USUAL_SHARE, USUAL_PROFILE = 0.7, MEDIANS
DOUBT = 0.1
"""Another mixture has to be better by so much of how far it is from the usual one: the next weeks may be different."""
LEVELS = (0.0, 0.25, 0.5, 0.75)
"""How much of what the last hour was off by is taken to last."""
FEATURES = (
    "last", "day_before", "week_before", "mean_7", "median_7", "mean_28", "median_28", "low_28", "high_28",
    "median_28_around", "same_weekday", "same_weekday_median", "off_24h", "level_24h", "level_7d",
    "hour", "weekday", "free", "temperature_c", "warmer_k",
)  # fmt: skip


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

    def mean_kw(self, until_day: int | None = None) -> float:
        """Mean load of the days before one; None: of all."""
        return float(np.nanmax([1e-3, of_known(np.nanmean, self.load.values[:until_day])]))

    @cached_property
    def by_day(self) -> Mapping[str, Array]:
        """Statistics of each slot over the days up to and with each day."""
        week, four_weeks = self.load.window(WEEK), self.load.window(FOUR_WEEKS)
        low, median, high = of_known(partial(np.nanquantile, q=(0.2, 0.5, 0.8)), four_weeks, axis=-1)
        weekday = four_weeks[..., FOUR_WEEKS - 1 :: -WEEK]
        return {
            "mean_7": of_known(np.nanmean, week, axis=-1),
            "median_7": of_known(np.nanmedian, week, axis=-1),
            "mean_28": of_known(np.nanmean, four_weeks, axis=-1),
            "median_28": median,
            "low_28": low,
            "high_28": high,
            "median_28_around": (np.roll(median, 1, axis=1) + median + np.roll(median, -1, axis=1)) / 3,
            "same_weekday_median": of_known(np.nanmedian, weekday, axis=-1),
        }

    @cached_property
    def _off(self) -> Running:
        """By how much the load differed from its four weeks."""
        usual = np.vstack([np.full((1, self.load.slots), np.nan), self.by_day["median_28"][:-1]])
        return Running.of(self.load.values - usual)

    @cached_property
    def _level(self) -> Running:
        return Running.of(self.load.values)

    def table(self, places: Places, scale_kw: float) -> Array:
        """The features, one row a pair; loads in shares of `scale_kw`.

        None of them says how far ahead it is: all are of whole days, so that trees which were learned from forecasts
        of midnight are true at any time of day. What the last hour tells is added by `off_now`.
        """
        load, at, known = self.load, self._issued_at(places), places.last_known

        def stat(name: str, days: Indices) -> Array:
            found = self.by_day[name][np.clip(days, 0, load.count - 1), places.slot]
            return np.where(days >= 0, found, np.nan)

        loads = [
            load.at(known, places.slot),
            load.at(known - 1, places.slot),
            load.at(known - WEEK + 1, places.slot),
            *(stat(name, known) for name in FEATURES[3:10]),
            load.at(places.day - WEEK, places.slot),
            stat("same_weekday_median", places.day - WEEK),
            self._off.mean_before(at, load.slots),
            self._level.mean_before(at, load.slots),
            self._level.mean_before(at, WEEK * load.slots),
        ]
        calendar = [places.slot * (24 / load.slots), *self._dates(places.day)]
        return np.stack([*(column / scale_kw for column in loads), *calendar, *self._warmth(places, known)], axis=1)

    def _dates(self, days: Indices) -> list[Array]:
        dates = self.load.first + pd.to_timedelta(days, unit="D")
        free = np.array([date.date() in self.free_days for date in dates], dtype=np.bool_)
        weekday = np.where(free, SUNDAY, dates.day_of_week)
        return [column.astype(np.float64) for column in (weekday, weekday >= SATURDAY)]

    def _warmth(self, places: Places, known: Indices) -> list[Array]:
        if self.temperature is None:
            return [np.full(len(known), np.nan)] * 2
        there = self.temperature.at(places.day, places.slot)
        lately = of_known(np.nanmean, [self.temperature.at(known - k, places.slot) for k in range(WEEK)], axis=0)
        return [there, there - lately]

    def profiles(self, places: Places) -> Mapping[str, Array]:
        """What simple methods say [kW]."""
        known = np.clip(places.last_known, 0, self.load.count - 1)
        week, four_weeks, mean = (self.by_day[n][known, places.slot] for n in ("median_7", "median_28", "mean_7"))
        found = {MEDIANS: (week + four_weeks) / 2, MEDIAN_OF_FOUR_WEEKS: four_weeks, MEAN_OF_WEEK: mean}
        return {name: np.where(np.isfinite(kw), kw, self.mean_kw()) for name, kw in found.items()}

    def off_now(self, places: Places) -> Array:
        """By how much the last hour differed from what is usual, fading with how far ahead it is [kW]."""
        off = self._off.mean_before(self._issued_at(places), max(1, HOUR // self.load.step))
        return np.asarray(np.nan_to_num(off) * np.exp(-self._lead_h(places) / LEVEL_FADES_H), dtype=np.float64)

    def _issued_at(self, places: Places) -> Indices:
        """How many slots had passed when the forecast was issued."""
        return places.issue_day * self.load.slots + places.issue_slot

    def _lead_h(self, places: Places) -> Array:
        """From the issue to the start of what is spoken of [h]."""
        slots = places.day * self.load.slots + places.slot - self._issued_at(places)
        return np.asarray(slots * (24 / self.load.slots), dtype=np.float64)


@dataclass(frozen=True)
class LoadModel:
    """What was learned of a household's load: a mixture of trees and a profile, begun at the level of the last hour.

    :param share: of the trees.
    :param profile: one of `PROFILES`, which has the rest.
    :param level: how much of what the last hour was off by is taken to last.
    :param scale_kw: in whose shares trees have learned loads.
    """

    trees: Trees
    scale_kw: float
    share: float
    profile: str
    level: float
    stretch: tuple[float, float] = (1.0, 1.0)
    """Of the distances from the median down and up to the ends of the interval."""
    mae_kw: Mapping[str, float] = field(default_factory=dict)
    """By method, on the days on which they were compared [kW]."""

    @property
    def method(self) -> str:
        """What it does, in words."""
        parts = [(self.share, TREES), (1 - self.share, self.profile)]
        return ", ".join(f"{name} {100 * share:.0f} %" for share, name in parts if share > 0)

    def predict(self, household: Household, places: Places) -> Array:
        """The load [kW]: one row a pair, the quantiles 0.1, 0.5 and 0.9."""
        simple = household.profiles(places)
        lower, middle, upper = _foretold(self.trees, self.scale_kw, household, places)
        mixed = self.share * middle + (1 - self.share) * simple[self.profile]
        point = np.maximum(0.0, mixed + self.level * household.off_now(places))
        below, above = self.stretch[0] * (middle - lower), self.stretch[1] * (upper - middle)
        return np.asarray(np.maximum(0.0, np.stack([point - below, point, point + above], axis=1)))

    def as_json(self) -> dict[str, object]:
        return {
            "trees": self.trees.as_json(),
            "scale_kw": self.scale_kw,
            "share": self.share,
            "profile": self.profile,
            "level": self.level,
            "stretch": list(self.stretch),
            "mae_kw": dict(self.mae_kw),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        stretch = (data["stretch"][0], data["stretch"][1])
        trees = Trees.from_json(data["trees"])
        return cls(
            trees, float(data["scale_kw"]), data["share"], data["profile"], data["level"], stretch, dict(data["mae_kw"])
        )


def train(household: Household, until_day: int | None = None) -> LoadModel:
    """Learn from all days before one, and mix as was best on the last weeks of them.

    :param until_day: row of the first day that is not learned from; None: all are.
    :raises CannotLearn: if there are fewer than `LEAST_DAYS` days, or LightGBM is missing.
    """
    end = household.load.count if until_day is None else until_day
    if end < LEAST_DAYS:
        raise CannotLearn(f"found {end} days of base load; at least {LEAST_DAYS} are needed")
    checked = min(CHECKED_DAYS, end - LEAST_DAYS + LEAST_CHECKED_DAYS)
    places = issued(household.load, end - checked, end, CHECKED_ISSUES_A_DAY)
    truth = household.load.at(places.day, places.slot)
    simple, off = household.profiles(places), household.off_now(places)
    early_kw, scale_kw = household.mean_kw(end - checked), household.mean_kw(end)
    early = _grow(household, end - checked, early_kw)
    lower, middle, upper = _foretold(early, early_kw, household, places)

    def mae(point: Array) -> float:
        return float(np.nanmean(np.abs(np.maximum(0.0, point) - truth)))

    mixtures = {(s, name): s * middle + (1 - s) * simple[name] for name in PROFILES for s in SHARES}
    share, profile = min(mixtures, key=lambda mixture: mae(mixtures[mixture]) * (1 + DOUBT * _unusual(*mixture)))
    level = min(LEVELS, key=lambda level: mae(mixtures[share, profile] + level * off))
    point = np.maximum(0.0, mixtures[share, profile] + level * off)
    found = {BLEND: point, TREES: middle, **simple}
    stretch = widening(point - (middle - lower), point, point + (upper - middle), truth)
    mae_kw = {name: mae(found[name]) for name in METHODS}
    return LoadModel(_grow(household, end, scale_kw), scale_kw, share, profile, level, stretch, mae_kw)


def _unusual(share: float, profile: str) -> float:
    return abs(share - USUAL_SHARE) + (1 - share) * (profile != USUAL_PROFILE)


def _grow(household: Household, end: int, scale_kw: float) -> Trees:
    """Trees for what a household does other than in its last four weeks, at every time of the day ahead."""
    places = issued(household.load, WEEK, end, 1).some(MOST_ROWS)
    other = household.load.at(places.day, places.slot) - household.profiles(places)[MEDIAN_OF_FOUR_WEEKS]
    return grow(household.table(places, scale_kw), other / scale_kw, FEATURES, rounds=300, leaves=7, pace=0.03)


def _foretold(trees: Trees, scale_kw: float, household: Household, places: Places) -> tuple[Array, Array, Array]:
    """The quantiles that trees say [kW]."""
    usual = household.profiles(places)[MEDIAN_OF_FOUR_WEEKS]
    lower, middle, upper = (trees.predict(household.table(places, scale_kw)) * scale_kw).T
    return usual + lower, usual + middle, usual + upper
