"""Outdoor temperature, without a weather service."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pandas as pd

from pems_core.domain import Forecast, History, Horizon, SiteState

from .quarters import leads_h, measured_before, onto, quarters_ahead

TEMPERATURE = "outdoor_temperature_c"
LATELY = timedelta(days=3)
# How long the air stays warmer or colder than on the days before.
AIR_MASS_STAYS_H = 24.0


@dataclass
class TemperatureForecaster:
    """The mean daily course of the last three days, begun at the present temperature; with less than a day, held."""

    timezone: str
    name: str = "temperature_course"
    series: Sequence[str] = (TEMPERATURE,)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        # Tables take a moment to work out, in which nobody should have to wait.
        return await asyncio.to_thread(self.expected, horizon, state, history)

    def expected(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """See `Forecaster.forecast`."""
        known = measured_before(history, TEMPERATURE, state.now, LATELY)
        if known.empty:
            return {}
        ahead = quarters_ahead(horizon)
        last = float(known.iloc[-1])
        course = known.groupby(self._time_of_day(pd.DatetimeIndex(known.index))).mean()
        usual = course.reindex(self._time_of_day(ahead))
        if usual.isna().any():
            return {TEMPERATURE: Forecast((last,) * horizon.steps, "held", state.now)}
        usual_now = float(course[self._time_of_day(pd.DatetimeIndex(known.index[-1:]))[0]])
        staying = np.exp(-leads_h(ahead, state.now) / AIR_MASS_STAYS_H)
        values = np.asarray(usual, dtype=np.float64) + (last - usual_now) * staying
        return {TEMPERATURE: Forecast(onto(horizon, ahead, values), "course of the last days", state.now)}

    def _time_of_day(self, quarters: pd.DatetimeIndex) -> pd.Index:
        local = quarters.tz_convert(self.timezone)
        return pd.Index(local.hour * 60 + local.minute)
