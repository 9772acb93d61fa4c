"""MET Norway, Locationforecast 2.0: temperature, wind and clouds everywhere; no radiation.

https://api.met.no/weatherapi/locationforecast/2.0/documentation. Values are instants, hours for two to three days, and
six hours apart later. Radiation follows from the clear sky and the clouds, after Kasten and Czeplak (1980).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pems_core.domain import HOUR, NoAnswer, SourceKind, Vintage
from pems_core.forecasting.sun import Sky
from pems_core.sourcing.vintages import vintage
from pems_core.sourcing.web import Web

URL = "https://api.met.no"
DIMMED, STEEPNESS = 0.75, 3.4
"""Global radiation under clouds: clear * (1 - 0.75 * share ** 3.4)."""
INSTANTS = {
    "air_temperature": ("outdoor_temperature_c", 1.0),
    "cloud_area_fraction": ("cloud_share", 0.01),
    "wind_speed": ("wind_m_s", 1.0),
}


@dataclass(frozen=True)
class MetNorway:
    """A `Source` of weather."""

    latitude: float
    longitude: float
    place: int = 2
    url: str = URL
    calls_per_day: int = 100
    name: str = "met_norway"
    kind: SourceKind = SourceKind.WEATHER
    calls_per_fetch: int = 1

    async def fetch(self, now: datetime) -> Vintage:
        """See `Source`. More than four decimals of a place are refused."""
        where = {"lat": f"{self.latitude:.4f}", "lon": f"{self.longitude:.4f}"}
        return self.read(await Web(self.url).json("/weatherapi/locationforecast/2.0/compact", **where), now)

    def read(self, answer: Any, now: datetime) -> Vintage:
        """What an answer says.

        :raises NoAnswer: if it is not as documented.
        """
        try:
            rows = answer["properties"]["timeseries"]
            details = {_time(row["time"]): row["data"]["instant"]["details"] for row in rows}
            issued_at = _time(answer["properties"]["meta"]["updated_at"])
        except (KeyError, TypeError, ValueError) as error:
            raise NoAnswer(f"{self.name}: not a locationforecast: {type(error).__name__}: {error}") from None
        instants = pd.DataFrame.from_dict(details, orient="index").sort_index()
        index = pd.DatetimeIndex(instants.index)
        # Beyond the hours come steps of six: an instant says nothing of the hours between them.
        followed = np.asarray([at + HOUR in details for at in index.to_pydatetime()])
        index = pd.DatetimeIndex(index[followed])
        series: dict[str, list[float]] = {}
        for key, (name, scale) in INSTANTS.items():
            if key in instants:
                values = pd.to_numeric(instants[key], errors="coerce") * scale
                ends = values.reindex(index + HOUR).to_numpy(dtype=np.float64)
                series[name] = ((values.reindex(index).to_numpy(dtype=np.float64) + ends) / 2).tolist()
        if "cloud_share" in series and len(index):
            series["ghi_w_m2"] = under_clouds(index, series["cloud_share"], self.latitude, self.longitude)
        return vintage(self.name, now, index, series, HOUR, min(issued_at, now))


def under_clouds(hours: pd.DatetimeIndex, share: list[float], latitude: float, longitude: float) -> list[float]:
    """Global radiation of each hour [W/m2]."""
    clear = Sky.at(hours, timedelta(hours=1), latitude, longitude).clear["ghi"].to_numpy(dtype=np.float64)
    dimmed = 1 - DIMMED * np.clip(np.asarray(share, dtype=np.float64), 0.0, 1.0) ** STEEPNESS
    return [float(v) for v in clear * dimmed]


def _time(text: object) -> datetime:
    found = datetime.fromisoformat(str(text))
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no zone")
    return found.astimezone(UTC)
