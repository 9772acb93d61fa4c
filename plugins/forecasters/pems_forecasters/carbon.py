"""Carbon intensity of the grid's power."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pems_core.domain import Forecast, History, Horizon, SiteState

from .quarters import onto, quarters_ahead, quarters_of, value_of_last_days

CARBON = "carbon_g_per_kwh"
DAYS_BACK = 7


@dataclass
class CarbonForecaster:
    """What is known ahead, then the same time (UTC) of the last day that is known; no answer without any."""

    name: str = "carbon_day_before"
    series: Sequence[str] = (CARBON,)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        known = quarters_of(history, CARBON)
        if known.empty:
            return {}
        ahead = quarters_ahead(horizon)
        values = known.reindex(ahead).fillna(value_of_last_days(known, ahead, "UTC", DAYS_BACK))
        if values.isna().any():
            return {}
        onto_steps = onto(horizon, ahead, np.asarray(values, dtype=np.float64))
        return {CARBON: Forecast(onto_steps, "the day before", state.now)}
