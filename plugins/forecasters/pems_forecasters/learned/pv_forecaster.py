"""Learned PV as a forecaster: what trees know of the roof beyond physics, begun at what it gives now."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd

from pems_core.domain import QUARTER, Forecast, History, Horizon, Learned, SiteState
from pems_forecasters.quarters import leads_h, measured_before, quarters_ahead, quarters_of
from pems_forecasters.sun import CLOUDS_STAY_H, LEAST_SUN, PV, RECENT, share

from . import pv
from .forecasters import with_quantiles
from .sky import weather_of
from .trees import Array, CannotLearn, usable

LATELY = timedelta(days=8)


@dataclass
class LearnedPv:
    """Production by weather services, physics and what the house's own history taught of the roof.

    It answers while a model is in use that was better than physics on days it had not seen, and somebody says what the
    sun will be over the whole horizon; else the next in the chain does.
    """

    roof: pv.Roof
    name: str = "pv_learned"
    series: Sequence[str] = (PV,)
    model: str = PV
    _known: pv.PvModel | None = field(default=None, repr=False)

    def learn(self, history: History) -> Learned:
        """See `Learner.learn`."""
        measured, weather = quarters_of(history, PV), weather_of(history)
        if not self.roof.arrays or measured.empty or weather.empty:
            missing = {"[[pv]]": not self.roof.arrays, PV: measured.empty, "ghi_w_m2": weather.empty}
            raise CannotLearn(f"found no {', '.join(name for name, lacks in missing.items() if lacks)}")
        weather = weather[(weather.index >= measured.index[0]) & (weather.index <= measured.index[-1])]
        if weather.empty:
            raise CannotLearn(f"found no irradiance of the days on which {PV} was measured")
        learned = pv.train(self.roof, measured.reindex(weather.index), weather, QUARTER)
        metrics = {f"rmse_kw of {name}": error for name, error in learned.rmse_kw.items()}
        begin, end = weather.index[0].to_pydatetime(), weather.index[-1].to_pydatetime()
        return Learned(learned.as_json(), begin, end, metrics | {"rmse_kw": learned.rmse_kw["learned"]})

    def adopt(self, content: Mapping[str, Any] | None) -> None:
        """See `Learner.adopt`."""
        self._known = None
        model = usable(pv.PvModel, pv.FEATURES, content)
        self._known = model if model is not None and model.better else None

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        # Tables take a moment to work out, in which nobody should have to wait.
        return await asyncio.to_thread(self.expected, horizon, state, history)

    def expected(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """See `Forecaster.forecast`."""
        if self._known is None:
            return {}
        ahead, weather = quarters_ahead(horizon), weather_of(history)
        if not ahead.isin(weather.index).all():
            return {}
        recent = measured_before(history, PV, state.now, RECENT)
        recent = recent[recent.index.isin(weather.index)]
        # Trees go by whole days: how clear one is does not depend on how much of it is asked for.
        whole = weather[within_days(weather, recent.index.append(ahead), self.roof.timezone)]
        lately = self._lately(history, weather, state)
        found = pd.DataFrame(self._known.predict(self.roof, whole, QUARTER, lately), index=whole.index)
        before, after = found.loc[recent.index, 1], found.loc[ahead].to_numpy(np.float64)
        factor = share(recent, before, LEAST_SUN * self.roof.peak_kw, 1.0)
        corrected = np.minimum(after * nudge(ahead, state, factor)[:, None], self.roof.most_kw)
        source = f"learned from this roof, times {factor:.2f} now"
        return {PV: with_quantiles(horizon, ahead, corrected, source, state.now)}

    def _lately(self, history: History, weather: pd.DataFrame, state: SiteState) -> "pd.Series[float]":
        """By local day that is over, what was measured as a share of what physics had expected."""
        measured = measured_before(history, PV, state.now, LATELY)
        # A morning tells nothing of a roof that is shaded in the afternoon, and trees learned from whole days.
        measured = measured[measured.index < pd.Timestamp(state.now).tz_convert(self.roof.timezone).normalize()]
        there = weather[weather.index.isin(measured.index)]
        if there.empty:
            return pd.Series(dtype=float, index=pd.DatetimeIndex([]))
        return pv.share_of_expected(self.roof, measured, there, QUARTER)


def within_days(weather: pd.DataFrame, instants: pd.Index, timezone: str) -> Array:
    """Which rows are of the local days from the first of some instants to the last."""
    first, last = (pd.Timestamp(at).tz_convert(timezone).normalize() for at in (instants.min(), instants.max()))
    return np.asarray((weather.index >= first) & (weather.index < last + pd.DateOffset(days=1)))


def nudge(ahead: pd.DatetimeIndex, state: SiteState, factor: float) -> Array:
    """What a factor of now is worth later: clouds over the house stay for a while."""
    return np.asarray(1 + (factor - 1) * np.exp(-leads_h(ahead, state.now) / CLOUDS_STAY_H), dtype=np.float64)
