"""Published prices, and what is likely beyond them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pems_core.domain import QUARTER, Forecast, History, Horizon, SiteState
from pems_core.tariff import Tariff

from .quarters import onto, quarters_ahead, quarters_of, value_of_last_days

SPOT = "spot_price_per_kwh"
IMPORT, FEED_IN = "import_price_per_kwh", "feed_in_price_per_kwh"
DAYS_BACK = 7


@dataclass
class PriceForecaster:
    """Prices as far as they are published, then those of the same time on the last day that is known.

    Spot prices (`spot_price_per_kwh`, which may lie ahead of now) become a household's by the tariff; where there are
    none, recorded `import_price_per_kwh` and `feed_in_price_per_kwh` are continued.
    """

    tariff: Tariff
    name: str = "published_prices"
    series: Sequence[str] = (IMPORT, FEED_IN)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        # Tables take a moment to work out, in which nobody should have to wait.
        return await asyncio.to_thread(self.expected, horizon, state, history)

    def expected(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """See `Forecaster.forecast`."""
        ahead = quarters_ahead(horizon)
        spot = self._continued(quarters_of(history, SPOT), ahead)
        if spot is not None:
            prices = self.tariff.prices(ahead, np.asarray(spot, dtype=np.float64))
            source = f"day-ahead prices, {published_text(history, SPOT)}"
            return {
                name: Forecast(onto(horizon, ahead, values), source, state.now)
                for name, values in zip((IMPORT, FEED_IN), prices, strict=True)
            }
        continued = {name: self._continued(quarters_of(history, name), ahead) for name in self.series}
        return {
            name: Forecast(
                onto(horizon, ahead, np.asarray(values, dtype=np.float64)),
                f"prices, {published_text(history, name)}",
                state.now,
            )
            for name, values in continued.items()
            if values is not None
        }

    def _continued(self, known: "pd.Series[float]", ahead: pd.DatetimeIndex) -> "pd.Series[float] | None":
        """The series over the quarters ahead; None where a quarter has no price, nor had any of the days before."""
        if known.empty:
            return None
        values = known.reindex(ahead).fillna(value_of_last_days(known, ahead, self.tariff.timezone, DAYS_BACK))
        return None if values.isna().any() else values


def published_text(history: History, name: str) -> str:
    until = quarters_of(history, name).index[-1] + QUARTER
    return f"known until {until:%Y-%m-%d %H:%M} UTC, then the day before"
