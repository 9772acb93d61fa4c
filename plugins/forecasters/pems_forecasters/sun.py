"""PV and irradiance: what weather services say, through the physics of the arrays, or a clear sky, dimmed as lately."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pems_core.domain import QUARTER, Forecast, History, Horizon, PvArray, SiteState
from pems_core.forecasting.sun import Sky, pv_kw

from .quarters import Array, leads_h, measured_before, onto, quarters_ahead

PV, GHI = "pv_kw", "ghi_w_m2"
RECENT = timedelta(hours=2)
LATELY = timedelta(days=3)
# How long clouds stay as they are.
CLOUDS_STAY_H = 3.0
# Ratios against less than this share of the arrays' peak, or of 1000 W/m2, say nothing: the sun is too low.
LEAST_SUN = 0.03
WITHOUT_MEASUREMENT = 0.5
NO_MORE_THAN = 1.2
AIR_C = 15.0


@dataclass
class SunForecaster:
    """What weather services say of the sun, through pvlib's chain for each array, corrected by the last hours.

    Without them a clear sky times the share of it that was measured in the last hours, later in the last days; the
    same beyond their last hour.
    """

    arrays: Sequence[PvArray]
    latitude: float
    longitude: float
    name: str = "clear_sky"
    series: Sequence[str] = (PV, GHI)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        # Tables take a moment to work out, in which nobody should have to wait.
        return await asyncio.to_thread(self.expected, horizon, state, history)

    def expected(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """See `Forecaster.forecast`."""
        ahead = quarters_ahead(horizon)
        clear_ahead = self._clear(ahead)
        result = {}
        for name in self.series:
            known = measured_before(history, name, state.now, LATELY)
            clear = self._clear(pd.DatetimeIndex(known.index))[name] if len(known) else known
            least = LEAST_SUN * (sum(a.peak_kw for a in self.arrays) if name == PV else 1000)
            recently = known.index >= state.now - RECENT
            lately = share(known, clear, least, WITHOUT_MEASUREMENT)
            now = share(known[recently], clear[recently], least, lately)
            shares = lately + (now - lately) * np.exp(-leads_h(ahead, state.now) / CLOUDS_STAY_H)
            values: Array = np.asarray(clear_ahead[name], dtype=np.float64) * shares
            text = f"clear sky times {now:.2f} now and {lately:.2f} later"
            clear_sky = Forecast(onto(horizon, ahead, values), text, state.now)
            result[name] = self._told(name, horizon, known, values, history, state.now) or clear_sky
        return result

    def _told(
        self,
        name: str,
        horizon: Horizon,
        known: "pd.Series[float]",
        otherwise: Array,
        history: History,
        now: datetime,
    ) -> Forecast | None:
        """By what weather services say, and `otherwise` where they say nothing; None if they say nothing at all."""
        ahead = quarters_ahead(horizon)
        if history.outlook(GHI).reindex(ahead).isna().all():
            return None
        before = pd.DatetimeIndex(known.index[known.index >= now - RECENT])
        expected = self._under(pd.DatetimeIndex(before.append(ahead)), history)[name]
        least = LEAST_SUN * (sum(a.peak_kw for a in self.arrays) if name == PV else 1000)
        recent = expected.reindex(before).dropna()
        factor = share(known.reindex(recent.index), recent, least, 1.0)
        nudge = 1 + (factor - 1) * np.exp(-leads_h(ahead, now) / CLOUDS_STAY_H)

        def onto_steps(course: "pd.Series[float]") -> tuple[float, ...]:
            there = course.reindex(ahead).to_numpy(dtype=np.float64) * nudge
            return onto(horizon, ahead, np.asarray(np.where(np.isnan(there), otherwise, there), dtype=np.float64))

        quantiles = {
            percent / 100: onto_steps(self._under(ahead, history, f".p{percent}")[name])
            for percent in (10, 50, 90)
            if not history.outlook(f"{GHI}.p{percent}").reindex(ahead).isna().all()
        }
        return Forecast(onto_steps(expected), f"weather services, times {factor:.2f} now", now, quantiles)

    def _under(self, quarters: pd.DatetimeIndex, history: History, quantile: str = "") -> pd.DataFrame:
        """PV [kW] and irradiance [W/m2] by what is said of the weather; NaN where nothing is."""
        sky = Sky.at(quarters, QUARTER, self.latitude, self.longitude)
        ghi = history.outlook(GHI + quantile).reindex(quarters)
        parts = sky.split(ghi.fillna(0.0))
        if not quantile:
            # What a service says of direct and diffuse radiation is better than what follows from their sum.
            direct, diffuse = (history.outlook(part).reindex(quarters) for part in ("dni_w_m2", "dhi_w_m2"))
            parts = parts.assign(dni=direct.fillna(parts["dni"]), dhi=diffuse.fillna(parts["dhi"]))
        air = history.outlook("outdoor_temperature_c").reindex(quarters).fillna(AIR_C)
        told = pd.DataFrame({PV: pv_kw(self.arrays, sky, parts, air), GHI: ghi})
        return told.mask(ghi.isna())

    def _clear(self, quarters: pd.DatetimeIndex) -> pd.DataFrame:
        """PV [kW] and irradiance [W/m2] under a clear sky."""
        sky = Sky.at(quarters, QUARTER, self.latitude, self.longitude)
        air = pd.Series(AIR_C, index=quarters)
        return pd.DataFrame({PV: pv_kw(self.arrays, sky, sky.clear, air), GHI: sky.clear["ghi"]})


def share(known: "pd.Series[float]", clear: "pd.Series[float]", least: float, otherwise: float) -> float:
    """What was measured as a share of clear sky while the sun was up; `otherwise` if it was not."""
    up = clear > least
    if not up.any():
        return otherwise
    return float(np.clip(known[up].sum() / clear[up].sum(), 0.0, NO_MORE_THAN))
