"""The household's own use."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pems_core.domain import Forecast, History, Horizon, SiteState

from .quarters import Array, leads_h, measured_before, onto, quarters_ahead

LOAD = "base_load_kw"
LEARN_FROM = timedelta(days=28)
RECENT = timedelta(hours=1)
# How long a household that is busier or quieter than usual stays so.
LEVEL_FADES_H = 2.0
SATURDAY = 5


@dataclass
class LoadForecaster:
    """The mean course of working days and of weekends in the last four weeks, begun at the present level.

    With less than a day of history the mean of what there is; with none, no answer.
    """

    timezone: str
    name: str = "load_profile"
    series: Sequence[str] = (LOAD,)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        # Tables take a moment to work out, in which nobody should have to wait.
        return await asyncio.to_thread(self.expected, horizon, state, history)

    def expected(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """See `Forecaster.forecast`."""
        known = measured_before(history, LOAD, state.now, LEARN_FROM)
        if known.empty:
            return {}
        ahead = quarters_ahead(horizon)
        usual_kw = self.profile(known, ahead)
        values = np.maximum(0.0, usual_kw + self._deviation_kw(known, state.now) * fading(ahead, state.now))
        days = (known.index[-1] - known.index[0]) / timedelta(days=1)
        source = f"profile of {days:.0f} days" if days >= 1 else f"mean of {24 * days:.0f} hours"
        return {LOAD: Forecast(onto(horizon, ahead, values), source, state.now)}

    def profile(self, known: "pd.Series[float]", at: pd.DatetimeIndex) -> Array:
        """Usual load at the given quarters [kW]: of the same kind of day, else of any day, else the mean of all."""
        time_of_day, kind_of_day = self._keys(pd.DatetimeIndex(known.index))
        wanted_time, wanted_kind = self._keys(at)
        by_kind = known.groupby([kind_of_day, time_of_day]).mean()
        by_time = known.groupby(time_of_day).mean()
        of_kind = by_kind.reindex(pd.MultiIndex.from_arrays([wanted_kind, wanted_time])).to_numpy(dtype=np.float64)
        of_time = by_time.reindex(wanted_time).to_numpy(dtype=np.float64)
        found = np.where(np.isnan(of_kind), of_time, of_kind)
        return np.asarray(np.where(np.isnan(found), known.mean(), found), dtype=np.float64)

    def _keys(self, quarters: pd.DatetimeIndex) -> tuple[pd.Index, pd.Index]:
        local = quarters.tz_convert(self.timezone)
        return pd.Index(local.hour * 60 + local.minute), pd.Index(local.day_of_week >= SATURDAY)

    def _deviation_kw(self, known: "pd.Series[float]", now: datetime) -> float:
        """By how much the last hour differed from what is usual then."""
        recent = known[known.index >= now - RECENT]
        if recent.empty:
            return 0.0
        return float(recent.mean() - self.profile(known, pd.DatetimeIndex(recent.index)).mean())


def fading(ahead: pd.DatetimeIndex, now: datetime) -> Array:
    return np.asarray(np.exp(-leads_h(ahead, now) / LEVEL_FADES_H), dtype=np.float64)
