"""Bright Sky: what the German Weather Service forecasts (MOSMIX), hours.

https://brightsky.dev/docs. `temperature` and `cloud_cover` are instants, `solar` is the energy of the hour *before* the
label [kWh/m2].
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pandas as pd

from pems_core.domain import HOUR, NoAnswer, SourceKind, Vintage
from pems_core.sourcing.vintages import vintage
from pems_core.sourcing.web import Web

URL = "https://api.brightsky.dev"
W_PER_KW = 1000.0
INSTANTS = {"temperature": ("outdoor_temperature_c", 1.0), "cloud_cover": ("cloud_share", 0.01)}


@dataclass(frozen=True)
class BrightSky:
    """A `Source` of weather."""

    latitude: float
    longitude: float
    place: int = 1
    url: str = URL
    calls_per_day: int = 100
    name: str = "bright_sky"
    kind: SourceKind = SourceKind.WEATHER
    calls_per_fetch: int = 1

    async def fetch(self, now: datetime) -> Vintage:
        """See `Source`."""
        answer = await Web(self.url).json(
            "/weather",
            lat=f"{self.latitude:.4f}",
            lon=f"{self.longitude:.4f}",
            date=f"{now - timedelta(days=1):%Y-%m-%dT%H:00+00:00}",
            last_date=f"{now + timedelta(days=3):%Y-%m-%dT%H:00+00:00}",
            tz="Etc/UTC",
        )
        return self.read(answer, now)

    def read(self, answer: Any, now: datetime) -> Vintage:
        """What an answer says.

        :raises NoAnswer: if it is not as documented.
        """
        rows = answer.get("weather") if isinstance(answer, Mapping) else None
        if not isinstance(rows, list) or not all(isinstance(row, Mapping) and "timestamp" in row for row in rows):
            raise NoAnswer(f"{self.name}: the answer has no 'weather' with a 'timestamp' in each row")
        if not rows:
            raise NoAnswer(f"{self.name}: no station near {self.latitude:g}, {self.longitude:g} has a forecast")
        try:
            index = pd.DatetimeIndex(pd.to_datetime([row["timestamp"] for row in rows], utc=True, format="ISO8601"))
        except (ValueError, TypeError) as error:
            raise NoAnswer(f"{self.name}: a timestamp is not ISO 8601: {error}") from None
        frame = pd.DataFrame([dict(row) for row in rows]).set_axis(index, axis=0).sort_index()
        # Where a row is missing, the next one ends another hour.
        followed = pd.Series(frame.index).diff().shift(-1).eq(pd.Timedelta(HOUR)).to_numpy()
        series = {}
        for key, (name, scale) in INSTANTS.items():
            if key in frame:
                instants = pd.to_numeric(frame[key], errors="coerce") * scale
                series[name] = ((instants + instants.shift(-1)) / 2).where(followed).tolist()
        if "solar" in frame:
            energy = pd.to_numeric(frame["solar"], errors="coerce").shift(-1)
            series["ghi_w_m2"] = (energy * W_PER_KW).where(followed).tolist()
        return vintage(self.name, now, pd.DatetimeIndex(frame.index), series, HOUR)
