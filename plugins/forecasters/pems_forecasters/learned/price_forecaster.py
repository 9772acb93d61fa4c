"""Prices as far as they are published, and beyond them what the market's own history has taught."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import holidays
import numpy as np
import pandas as pd

from pems_core.domain import QUARTER, Forecast, History, Horizon, Learned, SiteState
from pems_core.tariff import Tariff
from pems_forecasters.prices import FEED_IN, IMPORT, SPOT
from pems_forecasters.quarters import onto, quarters_ahead, quarters_of

from . import spot_price
from .trees import QUANTILES, Array, CannotLearn, usable
from .wall_clock import Days


@dataclass
class LearnedPrice:
    """Prices of the hours that are not published yet, of a household whose price follows the exchange.

    :param timezone: of the market, whose days prices are published for.
    :param country: whose public holidays are taken for Sundays, such as `CZ`; empty: none are known.
    """

    tariff: Tariff
    timezone: str
    country: str = ""
    name: str = "price_learned"
    series: Sequence[str] = (IMPORT, FEED_IN)
    model: str = SPOT
    _known: spot_price.PriceModel | None = field(default=None, repr=False)

    def learn(self, history: History) -> Learned:
        """See `Learner.learn`."""
        known = quarters_of(history, SPOT)
        if known.empty:
            raise CannotLearn(f"found no {SPOT} in the history")
        learned = spot_price.train(self._days(known), free_days=self._free_days(known))
        metrics = {f"mae_per_kwh of {name}": error for name, error in learned.mae.items()}
        begin, end = known.index[0].to_pydatetime(), known.index[-1].to_pydatetime()
        return Learned(learned.as_json(), begin, end, metrics | {"mae_per_kwh": learned.mae["learned"]})

    def adopt(self, content: Mapping[str, Any] | None) -> None:
        """See `Learner.adopt`."""
        self._known = None
        model = usable(spot_price.PriceModel, spot_price.FEATURES, content)
        self._known = model if model is not None and model.better else None

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        # Tables take a moment to work out, in which nobody should have to wait.
        return await asyncio.to_thread(self.expected, horizon, state, history)

    def expected(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """See `Forecaster.forecast`."""
        known = quarters_of(history, SPOT)
        if self._known is None or known.empty:
            return {}
        ahead = quarters_ahead(horizon)
        published = np.asarray(known.reindex(ahead), dtype=np.float64)
        beyond = np.isnan(published)
        found = np.repeat(published[:, None], len(QUANTILES), axis=1)
        if beyond.any():
            days = self._days(known)
            day, slot = days.places(ahead[beyond])
            last = days.places(pd.DatetimeIndex([known.index[-1]]))[0][0]
            found[beyond] = self._known.predict(days, day, slot, int(last), self._free_days(known))
        if not np.isfinite(found).all():
            return {}
        return self._paid(horizon, ahead, found, f"{known.index[-1] + QUARTER:%Y-%m-%d %H:%M} UTC", state)

    def _paid(
        self, horizon: Horizon, ahead: pd.DatetimeIndex, spot: Array, until: str, state: SiteState
    ) -> Mapping[str, Forecast]:
        """What a household pays and earns at the quantiles of the spot price."""
        paid = [self.tariff.prices(ahead, spot[:, k]) for k in range(len(QUANTILES))]
        source = f"day-ahead prices, published until {until}, then learned"
        forecasts = {}
        for place, name in enumerate((IMPORT, FEED_IN)):
            by_quantile = {q: onto(horizon, ahead, paid[k][place]) for k, q in enumerate(QUANTILES)}
            forecasts[name] = Forecast(by_quantile[0.5], source, state.now, by_quantile)
        return forecasts

    def _days(self, known: "pd.Series[float]") -> Days:
        return Days.of(known, self.timezone, QUARTER)

    def _free_days(self, known: "pd.Series[float]") -> frozenset[Any]:
        if not self.country:
            return frozenset()
        years = range(known.index[0].year, known.index[-1].year + 2)
        return frozenset(holidays.country_holidays(self.country, years=years))
