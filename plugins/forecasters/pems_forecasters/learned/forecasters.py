"""Learned base load as a forecaster: with a model it answers, without one the next in the chain does."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import holidays
import numpy as np
import pandas as pd

from pems_core.domain import QUARTER, Forecast, History, Horizon, Learned, SiteState
from pems_forecasters.load import LOAD
from pems_forecasters.quarters import onto, quarters_ahead, quarters_of
from pems_forecasters.weather import TEMPERATURE

from . import base_load
from .trees import QUANTILES, Array, CannotLearn, usable
from .wall_clock import Days, ahead_of

KNOWN_FOR = timedelta(days=35)


@dataclass
class LearnedLoad:
    """Base load by what the household's own history has taught.

    :param country: whose public holidays are taken for Sundays, such as `CZ`; empty: none are known.
    """

    timezone: str
    country: str = ""
    name: str = "load_learned"
    series: Sequence[str] = (LOAD,)
    model: str = LOAD
    _known: base_load.LoadModel | None = field(default=None, repr=False)

    def learn(self, history: History) -> Learned:
        """See `Learner.learn`."""
        known = quarters_of(history, LOAD)
        if known.empty:
            raise CannotLearn(f"found no {LOAD} in the history")
        learned = base_load.train(self._household(known, history))
        begin, end = known.index[0].to_pydatetime(), known.index[-1].to_pydatetime()
        metrics = {f"mae_kw of {name}": error for name, error in learned.mae_kw.items()}
        metrics["mae_kw"] = learned.mae_kw[base_load.BLEND]
        return Learned(learned.as_json(), begin, end, metrics)

    def adopt(self, content: Mapping[str, Any] | None) -> None:
        """See `Learner.adopt`."""
        self._known = None
        self._known = usable(base_load.LoadModel, base_load.FEATURES, content)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        # Tables take a moment to work out, in which nobody should have to wait.
        return await asyncio.to_thread(self.expected, horizon, state, history)

    def expected(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """See `Forecaster.forecast`."""
        known = quarters_of(history, LOAD)
        known = known[(known.index >= state.now - KNOWN_FOR) & (known.index <= state.now - QUARTER)]
        if self._known is None or known.empty:
            return {}
        ahead = quarters_ahead(horizon)
        household = self._household(known, history, ahead[-1])
        found = self._known.predict(household, ahead_of(household.load, state.now, ahead))
        if not np.isfinite(found).all():
            return {}
        source = f"learned: {self._known.method}"
        return {LOAD: with_quantiles(horizon, ahead, found, source, state.now)}

    def _household(
        self, known: "pd.Series[float]", history: History, until: pd.Timestamp | None = None
    ) -> base_load.Household:
        load = Days.of(known, self.timezone, QUARTER, until)
        air = history.outlook(TEMPERATURE).combine_first(quarters_of(history, TEMPERATURE))
        warmth = None if air.empty else load.of_the_same(air)
        return base_load.Household(load, warmth, self._free_days(known))

    def _free_days(self, known: "pd.Series[float]") -> frozenset[Any]:
        if not self.country:
            return frozenset()
        years = range(known.index[0].year, known.index[-1].year + 2)
        return frozenset(holidays.country_holidays(self.country, years=years))


def with_quantiles(horizon: Horizon, ahead: pd.DatetimeIndex, found: Array, source: str, now: datetime) -> Forecast:
    """A forecast whose value is the median, on the horizon's steps.

    :param found: one row a quarter ahead, one column for each of `QUANTILES`.
    """
    by_quantile = {q: onto(horizon, ahead, found[:, k]) for k, q in enumerate(QUANTILES)}
    return Forecast(by_quantile[0.5], source, now, by_quantile)
