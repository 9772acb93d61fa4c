"""What a house's own forecasters expect in a simulation, from what they could know at the time."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from pems_core.domain import QUARTER, Forecasts, History, Horizon, PemsError, SiteState
from pems_core.forecasting.chain import Answer, ask
from pems_core.protocols import Forecaster, Learner
from pems_core.tariff import Tariff

from .outlook import MARKET_TIMEZONE, PRICES, Outlook, published_until
from .scenario import Scenario
from .scenario_checks import FORECAST, SPOT

WEATHER = ("ghi_w_m2", "outdoor_temperature_c")
GIVEN = "pv_kw"
"""Is told if the scenario has a forecast of it: somebody supplies one."""
LEARN_FROM = timedelta(days=35)
TOLD_SINCE, TOLD_UNTIL = timedelta(days=15), timedelta(days=4)
ANSWER_WITHIN_S = 600.0
"""In a simulation nobody waits, and a busy machine shall not change what is simulated."""


@dataclass
class AskedOutlook:
    """Asks forecasters as a running house does.

    They see what was measured before, prices as far as they were published, and of weather (and PV, if the scenario
    has a forecast of it) what `told` says: of days before, as it was said a day ahead.

    :param forecasters: the chain, with their models.
    :param tariff: by which spot prices are found again, where the household's follow them.
    :param told: in the role of the weather services.
    """

    scenario: Scenario
    forecasters: Sequence[Forecaster]
    tariff: Tariff
    told: Outlook
    market_timezone: str = MARKET_TIMEZONE
    faults: set[str] = field(default_factory=set)
    """What went wrong with forecasters, each once."""

    def forecasts(self, now: datetime, horizon: Horizon) -> Forecasts:
        """What is expected at `now` over a horizon, one mean value per step."""
        return self.answer(now, horizon).forecasts

    def answer(self, now: datetime, horizon: Horizon) -> Answer:
        """The same, with what went wrong."""
        found = asyncio.run(ask(self.forecasters, horizon, SiteState(now, {}), self.history(now), ANSWER_WITHIN_S))
        self.faults |= set(found.faults)
        return found

    def history(self, now: datetime, since: timedelta = LEARN_FROM, told_since: timedelta = TOLD_SINCE) -> History:
        """What is known at a moment."""
        published = published_until(now, ZoneInfo(self.market_timezone))
        frame = self._frame.loc[(self._frame.index >= now - since) & (self._frame.index < published)].copy()
        frame.loc[frame.index > now - QUARTER, [name for name in frame if name not in (*PRICES, SPOT)]] = np.nan
        return History(frame, self._foretold(now, told_since))

    def learn(self, now: datetime, since: timedelta) -> Mapping[str, str]:
        """Have those forecasters that can learn from what is known at a moment; why a model was not learned, by model.

        :param since: how far back they look.
        """
        history, faults = self.history(now, since, since), {}
        for forecaster in self.forecasters:
            if isinstance(forecaster, Learner):
                try:
                    forecaster.adopt(forecaster.learn(history).content)
                except PemsError as fault:
                    faults[forecaster.model] = str(fault)
        return faults

    @cached_property
    def _frame(self) -> pd.DataFrame:
        """The scenario in quarter hours, without forecasts, with the spot prices that its prices come from."""
        frame = self._quarters.frame
        frame = frame[[name for name in frame if not str(name).endswith(FORECAST)]]
        spot = spot_of(frame, self.tariff)
        return frame if spot is None else frame.assign(**{SPOT: spot})

    @cached_property
    def _quarters(self) -> Scenario:
        return self.scenario.resampled(QUARTER)

    def _foretold(self, now: datetime, told_since: timedelta) -> pd.DataFrame | None:
        names = [name for name in WEATHER if name in self.scenario.frame]
        names += [GIVEN] if GIVEN + FORECAST in self.scenario.frame else []
        if not names:
            return None
        begin = max(self.scenario.start, now - told_since)
        told = self.told.told(names, now, begin, min(self.scenario.end, now + TOLD_UNTIL))
        return told if self.scenario.step == QUARTER else self._in_quarters(told)

    def _in_quarters(self, told: pd.DataFrame) -> pd.DataFrame:
        if self.scenario.step < QUARTER:
            return told.resample(QUARTER).mean()
        end = told.index[-1] + self.scenario.step
        return told.reindex(pd.date_range(told.index[0], end, freq=QUARTER, inclusive="left"), method="ffill")


def spot_of(frame: pd.DataFrame, tariff: Tariff) -> "pd.Series[float] | None":
    """The spot prices from which a tariff made the import prices of quarter hours; None if it did not.

    >>> starts = pd.date_range("2025-01-15", periods=2, freq="15min", tz="UTC")
    >>> tariff = Tariff(distribution_price_per_kwh=2.0, vat=0.21)
    >>> paid, earned = tariff.prices(starts, [1.0, -0.5])
    >>> prices = pd.DataFrame({"import_price_per_kwh": paid, "feed_in_price_per_kwh": earned}, index=starts)
    >>> [round(float(price), 6) for price in spot_of(prices, tariff)]
    [1.0, -0.5]
    """
    starts = pd.DatetimeIndex(frame.index)
    at_zero, at_one = (tariff.prices(starts, np.full(len(starts), spot))[0] for spot in (0.0, 1.0))
    spot = (frame[PRICES[0]].to_numpy() - at_zero) / (at_one - at_zero)
    paid = tariff.prices(starts, spot)
    # Prices of a scenario are rounded, and may come from elsewhere.
    fits = all(np.allclose(found, frame[name], atol=1e-3) for found, name in zip(paid, PRICES, strict=True))
    return pd.Series(spot, index=starts) if fits else None
