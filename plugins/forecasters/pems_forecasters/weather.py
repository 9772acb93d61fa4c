"""Outdoor temperature: what weather services say, or the course of the last days."""

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
RECENT = timedelta(hours=1)
# How long a forecast is off by what it is off now.
OFF_STAYS_H = 6.0


@dataclass
class TemperatureForecaster:
    """What weather services say; without them the mean daily course of the last three days; with less than a day, held.

    Each begins at the present temperature, from which it departs within hours.
    """

    timezone: str
    name: str = "temperature_course"
    series: Sequence[str] = (TEMPERATURE,)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        # Tables take a moment to work out, in which nobody should have to wait.
        return await asyncio.to_thread(self.expected, horizon, state, history)

    def expected(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """See `Forecaster.forecast`."""
        known = measured_before(history, TEMPERATURE, state.now, LATELY)
        ahead = quarters_ahead(horizon)
        if (told := self._told(horizon, ahead, known, state, history)) is not None:
            return {TEMPERATURE: told}
        if known.empty:
            return {}
        last = float(known.iloc[-1])
        course = known.groupby(self._time_of_day(pd.DatetimeIndex(known.index))).mean()
        usual = course.reindex(self._time_of_day(ahead))
        if usual.isna().any():
            return {TEMPERATURE: Forecast((last,) * horizon.steps, "held", state.now)}
        usual_now = float(course[self._time_of_day(pd.DatetimeIndex(known.index[-1:]))[0]])
        staying = np.exp(-leads_h(ahead, state.now) / AIR_MASS_STAYS_H)
        values = np.asarray(usual, dtype=np.float64) + (last - usual_now) * staying
        return {TEMPERATURE: Forecast(onto(horizon, ahead, values), "course of the last days", state.now)}

    def _told(
        self, horizon: Horizon, ahead: pd.DatetimeIndex, known: "pd.Series[float]", state: SiteState, history: History
    ) -> Forecast | None:
        """What weather services say; None where they do not say it for the whole horizon."""
        said = history.outlook(TEMPERATURE)
        values = said.reindex(ahead)
        if values.isna().any():
            return None
        recent = known[known.index >= state.now - RECENT]
        off_k = float((recent - said.reindex(recent.index)).mean()) if len(recent) else 0.0
        # At the house it is warmer or colder than in the middle of the service's square; the rest is its error.
        nudge = (0.0 if np.isnan(off_k) else off_k) * np.exp(-leads_h(ahead, state.now) / OFF_STAYS_H)
        quantiles = {
            percent / 100: onto(horizon, ahead, np.asarray(spread, dtype=np.float64) + nudge)
            for percent in (10, 50, 90)
            if not (spread := history.outlook(f"{TEMPERATURE}.p{percent}").reindex(ahead)).isna().any()
        }
        expected = np.asarray(values, dtype=np.float64) + nudge
        return Forecast(onto(horizon, ahead, expected), "weather services", state.now, quantiles)

    def _time_of_day(self, quarters: pd.DatetimeIndex) -> pd.Index:
        local = quarters.tz_convert(self.timezone)
        return pd.Index(local.hour * 60 + local.minute)
