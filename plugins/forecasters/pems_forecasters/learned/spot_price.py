"""The day-ahead prices of days that are not published yet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd

from .trees import Array, CannotLearn, Trees, grow, widening
from .wall_clock import Days, Indices, of_known

LEAST_DAYS = 56
LEARN_DAYS = 730
CHECKED_DAYS = 28
FADES_DAYS = 240.0
"""Older prices count less: markets change."""
LEADS = (1, 2, 3)
"""Days after the last one that is published."""
MOST_ROWS = 40_000
"""Quarter hours of two years would take minutes, and tell no more than some of them."""
WEEK = 7
SHARE_OF_TREES = 0.75
LOCATED = 13
"""So many of the first features are prices, and are taken relative to the level."""
FEATURES = (
    "last", "last_1", "last_2", "last_3", "week_before", "two_weeks_before", "mean_7", "median_7", "same_weekday",
    "day_mean", "day_least", "day_most", "evening", "spread_7", "lead", "hour", "weekday", "free", "day_of_year",
)  # fmt: skip


@dataclass(frozen=True)
class PriceModel:
    """What was learned of a market."""

    trees: Trees
    stretch: tuple[float, float] = (1.0, 1.0)
    mae: Mapping[str, float] = field(default_factory=dict)
    """Of what was learned, and of the same hour a week and a day before, on days that it was not learned from."""

    @property
    def better(self) -> bool:
        """Whether it foretold those days better than either of them."""
        return self.mae["learned"] < min(self.mae["week before"], self.mae["day before"])

    def predict(
        self, prices: Days, day: Indices, slot: Indices, last: int, free_days: frozenset[Any] = frozenset()
    ) -> Array:
        """Prices in their unit: one row a place, the quantiles 0.1, 0.5 and 0.9.

        :param last: row of the last day whose prices are known.
        """
        lead = np.clip(day - last, LEADS[0], LEADS[-1])
        table, level = _table(prices, day, slot, lead, free_days)
        week = _mean_of_week(prices, day - lead, slot)
        lower, middle, upper = (self.trees.predict(table) + level[:, None]).T
        point = _point(middle, week)
        below, above = self.stretch[0] * (middle - lower), self.stretch[1] * (upper - middle)
        return np.stack([point - below, point, point + above], axis=1)

    def as_json(self) -> dict[str, object]:
        return {"trees": self.trees.as_json(), "stretch": list(self.stretch), "mae": dict(self.mae)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(Trees.from_json(data["trees"]), (data["stretch"][0], data["stretch"][1]), dict(data["mae"]))


def train(prices: Days, until_day: int | None = None, free_days: frozenset[Any] = frozenset()) -> PriceModel:
    """Learn from all days before one.

    :param until_day: row of the first day that is not learned from; None: all are.
    :raises CannotLearn: if there are fewer than `LEAST_DAYS` days, or LightGBM is missing.
    """
    end = prices.count if until_day is None else until_day
    if end < LEAST_DAYS:
        raise CannotLearn(f"found {end} days of prices; at least {LEAST_DAYS} are needed")
    checked = end - CHECKED_DAYS
    early = _grow(prices, checked, free_days)
    day, slot, lead = _all_places(prices, checked, end)
    table, level = _table(prices, day, slot, lead, free_days)
    truth = prices.at(day, slot)
    lower, middle, upper = (early.predict(table) + level[:, None]).T
    point = _point(middle, _mean_of_week(prices, day - lead, slot))
    stretch = widening(point - (middle - lower), point, point + (upper - middle), truth)
    mae = {
        "learned": float(np.nanmean(np.abs(point - truth))),
        "week before": float(np.nanmean(np.abs(prices.at(day - WEEK, slot) - truth))),
        "day before": float(np.nanmean(np.abs(prices.at(day - lead, slot) - truth))),
    }
    return PriceModel(_grow(prices, end, free_days), stretch, mae)


def _grow(prices: Days, end: int, free_days: frozenset[Any]) -> Trees:
    first = max(4 * WEEK, end - LEARN_DAYS)
    day, slot, lead = _all_places(prices, first, end)
    if len(day) > MOST_ROWS:
        chosen = np.sort(np.random.RandomState(1).choice(len(day), MOST_ROWS, replace=False))
        day, slot, lead = day[chosen], slot[chosen], lead[chosen]
    table, level = _table(prices, day, slot, lead, free_days)
    weights = np.exp((day - end) / FADES_DAYS)
    return grow(table, prices.at(day, slot) - level, FEATURES, rounds=200, leaves=31, weights=weights)


def _all_places(prices: Days, first: int, end: int) -> tuple[Indices, Indices, Indices]:
    day, slot, lead = np.meshgrid(np.arange(first, end), np.arange(prices.slots), np.array(LEADS), indexing="ij")
    return day.ravel(), slot.ravel(), lead.ravel()


def _table(prices: Days, day: Indices, slot: Indices, lead: Indices, free_days: frozenset[Any]) -> tuple[Array, Array]:
    """Features, and the level to which prices are taken: the mean of the last week that is known."""
    known = day - lead
    week = prices.window(WEEK)
    inside = np.clip(known, 0, prices.count - 1)
    of_day = [of_known(statistic, prices.values, axis=1) for statistic in (np.nanmean, np.nanmin, np.nanmax)]
    level = of_known(np.nanmean, week, axis=(1, 2))[inside]
    evening = of_known(np.nanmean, prices.values[:, -prices.slots // 6 :], axis=1)[inside]
    located = [
        *(prices.at(known - k, slot) for k in range(4)),
        prices.at(day - WEEK, slot),
        prices.at(day - 2 * WEEK, slot),
        of_known(np.nanmean, week, axis=-1)[inside, slot],
        of_known(np.nanmedian, week, axis=-1)[inside, slot],
        of_known(np.nanmean, [prices.at(day - k * WEEK, slot) for k in (1, 2, 3, 4)], axis=0),
        *(values[inside] for values in of_day),
        evening,
    ]
    dates = prices.first + pd.to_timedelta(day, unit="D")
    free = np.array([date.date() in free_days for date in dates], dtype=np.bool_)
    calendar = [
        of_known(np.nanstd, week, axis=(1, 2))[inside],
        lead,
        slot * (24 / prices.slots),
        np.where(free, 6, dates.day_of_week),
        free,
        dates.day_of_year,
    ]
    columns = [*(column - level for column in located), *(np.asarray(column, dtype=np.float64) for column in calendar)]
    assert len(located) == LOCATED
    return np.stack(columns, axis=1), level


def _mean_of_week(prices: Days, known: Indices, slot: Indices) -> Array:
    means = of_known(np.nanmean, prices.window(WEEK), axis=-1)
    return np.asarray(means[np.clip(known, 0, prices.count - 1), slot], dtype=np.float64)


def _point(trees: Array, mean_of_week: Array) -> Array:
    return np.asarray(SHARE_OF_TREES * trees + (1 - SHARE_OF_TREES) * mean_of_week, dtype=np.float64)
