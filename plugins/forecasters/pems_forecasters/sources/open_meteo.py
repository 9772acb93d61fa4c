"""Open-Meteo: the forecast in quarter hours, and the spread of an ensemble about it.

https://open-meteo.com/en/docs and https://open-meteo.com/en/docs/ensemble-api. Radiation is the mean of the time
*before* the label, temperature and wind are instants: both become means of the interval that begins at the label.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pems_core.domain import HOUR, QUARTER, NoAnswer, SourceKind, Vintage
from pems_core.sourcing.vintages import vintage
from pems_core.sourcing.web import Web

FORECAST_URL = "https://api.open-meteo.com"
ENSEMBLE_URL = "https://ensemble-api.open-meteo.com"
DAYS = 3
MEANS_BEFORE = {
    "shortwave_radiation": "ghi_w_m2",
    "direct_normal_irradiance": "dni_w_m2",
    "diffuse_radiation": "dhi_w_m2",
}
INSTANTS = {"temperature_2m": "outdoor_temperature_c", "wind_speed_10m": "wind_m_s", "cloud_cover": "cloud_share"}
SCALE = {"cloud_cover": 0.01}
ENSEMBLE = ("temperature_2m", "shortwave_radiation")
QUANTILES = (10, 50, 90)
LEAST_MEMBERS = 8
"""Fewer say little of how sure the weather is."""


@dataclass(frozen=True)
class OpenMeteo:
    """A `Source` of weather."""

    latitude: float
    longitude: float
    place: int = 0
    url: str = FORECAST_URL
    ensemble_url: str = ENSEMBLE_URL
    ensemble_model: str = "icon_seamless"
    """Empty: no ensemble, so no quantiles."""
    calls_per_day: int = 200
    """Free use is limited to 10000 a day (https://open-meteo.com/en/terms)."""
    name: str = "open_meteo"
    kind: SourceKind = SourceKind.WEATHER

    @property
    def calls_per_fetch(self) -> int:
        return 2 if self.ensemble_model else 1

    async def fetch(self, now: datetime) -> Vintage:
        """See `Source`. An ensemble that fails costs its quantiles, not the forecast."""
        asked: dict[str, str] = {"minutely_15": ",".join([*MEANS_BEFORE, *INSTANTS]), **self._where()}
        around = asyncio.create_task(self._spread())
        try:
            told = await Web(self.url).json("/v1/forecast", **asked)
            with suppress(NoAnswer):
                return self.read(told, await around, now)
            return self.read(told, None, now)
        finally:
            around.cancel()

    async def _spread(self) -> Any:
        if not self.ensemble_model:
            return None
        asked = {"models": self.ensemble_model, "hourly": ",".join(ENSEMBLE), **self._where()}
        with suppress(NoAnswer):
            return await Web(self.ensemble_url).json("/v1/ensemble", **asked)
        return None

    def _where(self) -> dict[str, str]:
        return {
            "latitude": f"{self.latitude:.4f}",
            "longitude": f"{self.longitude:.4f}",
            "timeformat": "unixtime",
            "timezone": "GMT",
            "wind_speed_unit": "ms",
            "past_days": "1",
            "forecast_days": str(DAYS),
        }

    def read(self, told: Any, around: Any, now: datetime) -> Vintage:
        """What the two answers say.

        :param around: of the ensemble, or None.
        :raises NoAnswer: if the forecast is not as documented; a broken ensemble costs its quantiles.
        """
        frame = table(self.name, told, "minutely_15")
        # A mean of the time before a label is that of the interval which began a quarter earlier.
        means = {s: frame[n].shift(-1) for n, s in MEANS_BEFORE.items() if n in frame}
        instants = {
            s: (frame[n] + frame[n].shift(-1)) / 2 * SCALE.get(n, 1.0) for n, s in INSTANTS.items() if n in frame
        }
        series = {name: values.tolist() for name, values in {**means, **instants}.items()}
        if around is not None:
            # The forecast itself is whole.
            with suppress(NoAnswer):
                series |= spreads(table(self.name, around, "hourly"), pd.DatetimeIndex(frame.index))
        return vintage(self.name, now, pd.DatetimeIndex(frame.index), series, QUARTER)


def table(source: str, answer: Any, block: str) -> pd.DataFrame:
    """A block of arrays as a table.

    :raises NoAnswer: if it is not there, or arrays differ in length.
    """
    if not isinstance(answer, Mapping) or not isinstance(answer.get(block), Mapping):
        reason = answer.get("reason", "") if isinstance(answer, Mapping) else ""
        raise NoAnswer(f"{source}: the answer has no {block!r} {reason}".strip())
    arrays = dict(answer[block])
    times = arrays.pop("time", None)
    if not isinstance(times, list) or not times or not all(isinstance(t, int) for t in times):
        raise NoAnswer(f"{source}: {block}.time is {str(times)[:60]}; needed: seconds since 1970")
    wrong = [name for name, values in arrays.items() if not isinstance(values, list) or len(values) != len(times)]
    if wrong:
        raise NoAnswer(f"{source}: {block}.{wrong[0]} has not one value for each of {len(times)} times")
    index = pd.DatetimeIndex([datetime.fromtimestamp(t, UTC) for t in times])
    frame = pd.DataFrame(
        {name: pd.to_numeric(pd.Series(v), errors="coerce").astype(float) for name, v in arrays.items()}
    )
    return frame.set_axis(index, axis=0)


def spreads(members: pd.DataFrame, at: pd.DatetimeIndex) -> dict[str, list[float]]:
    """Quantiles of the members' hours, on quarter hours."""
    series: dict[str, list[float]] = {}
    for variable in ENSEMBLE:
        mine = members[[name for name in members if str(name).startswith(variable)]].dropna(axis=1, how="all")
        if mine.shape[1] < LEAST_MEMBERS:
            continue
        hourly = mine.shift(-1) if variable in MEANS_BEFORE else (mine + mine.shift(-1)) / 2
        name = {**MEANS_BEFORE, **INSTANTS}[variable]
        for percent in QUANTILES:
            quantile = pd.Series(np.nanquantile(hourly.iloc[:-1], percent / 100, axis=1), index=hourly.index[:-1])
            on_quarters = quantile.reindex(at.floor(pd.Timedelta(HOUR)))
            series[f"{name}.p{percent}"] = on_quarters.tolist()
    return series


@dataclass(frozen=True)
class PreviousRuns:
    """What Open-Meteo said a day before, for every hour of the past weeks: vintages to learn from on the first day.

    https://open-meteo.com/en/docs/previous-runs-api: `<variable>_previous_day1` is the forecast made 24 h before.
    """

    latitude: float
    longitude: float
    url: str = "https://previous-runs-api.open-meteo.com"

    async def fetch(self, now: datetime, days: int = 90) -> Vintage:
        """The day-ahead forecasts of the last days, as one vintage.

        :raises NoAnswer: if nothing that can be used is said.
        """
        names = {f"{variable}_previous_day1": variable for variable in ENSEMBLE}
        told = await Web(self.url).json(
            "/v1/forecast",
            latitude=f"{self.latitude:.4f}",
            longitude=f"{self.longitude:.4f}",
            hourly=",".join(names),
            timeformat="unixtime",
            timezone="GMT",
            past_days=str(days),
            forecast_days="1",
        )
        frame = table("open_meteo", told, "hourly").rename(columns=names)
        series = {}
        for variable in ENSEMBLE:
            if variable in frame:
                later = frame[variable].shift(-1)
                mean = later if variable in MEANS_BEFORE else (frame[variable] + later) / 2
                series[{**MEANS_BEFORE, **INSTANTS}[variable]] = mean.tolist()
        said = vintage("open_meteo_day_before", now, pd.DatetimeIndex(frame.index), series, HOUR)
        return Vintage(said.source, said.issued_at - timedelta(days=1), now, said.step, said.frame)
