"""Forecast.Solar: what the arrays of a house will give, by the provider's own model.

https://doc.forecast.solar/api:estimate. Energies are of the time *before* the label [Wh]; the first label of a day is
sunrise and the last one sunset, so that labels are uneven. Each array is a request of its own; without an account 12 an
hour are answered, today and tomorrow.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from pems_core.domain import HOUR, NoAnswer, PvArray, SourceKind, Vintage
from pems_core.sourcing.vintages import vintage
from pems_core.sourcing.web import Web

URL = "https://api.forecast.solar"
BLOCK = "watt_hours_period"
WH_PER_KWH = 1000.0
SOUTH_DEG = 180.0
DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class ForecastSolar:
    """A `Source` of PV."""

    latitude: float
    longitude: float
    arrays: Sequence[PvArray]
    place: int = 0
    url: str = URL
    calls_per_day: int = 96
    name: str = "forecast_solar"
    kind: SourceKind = SourceKind.PV

    @property
    def calls_per_fetch(self) -> int:
        return max(1, len(self.arrays))

    async def fetch(self, now: datetime) -> Vintage:
        """See `Source`."""
        if not self.arrays:
            raise NoAnswer(f"{self.name}: found no [[pv]] in the house file; its tilt, azimuth and peak are needed")
        answers = [await self._ask(array) for array in self.arrays]
        return self.read(answers, now)

    async def _ask(self, array: PvArray) -> Any:
        # Their azimuth is 0 in the south and -90 in the east.
        azimuth = array.azimuth_deg - SOUTH_DEG
        where = f"{self.latitude:.4f}/{self.longitude:.4f}/{array.tilt_deg:.0f}/{azimuth:.0f}/{array.peak_kw:g}"
        return await Web(self.url).json(f"/estimate/{where}", time="utc")

    def read(self, answers: Sequence[Any], now: datetime) -> Vintage:
        """What the answers for all arrays say together.

        :raises NoAnswer: if one is not as documented.
        """
        hours = [self._hours(answer) for answer in answers]
        total = sum(hours[1:], start=hours[0])
        series = {"pv_kw": total.tolist()}
        return vintage(self.name, now, pd.DatetimeIndex(total.index), series, HOUR)

    def _hours(self, answer: Any) -> "pd.Series[float]":
        """Means of whole hours [kW], dark ones too, to the end of the last day."""
        result = answer.get("result") if isinstance(answer, Mapping) else None
        energies = result.get(BLOCK) if isinstance(result, Mapping) else None
        if not isinstance(energies, Mapping) or not energies:
            raise NoAnswer(f"{self.name}: the answer has no result with {BLOCK!r}")
        try:
            labels = pd.DatetimeIndex(pd.to_datetime(list(energies), utc=True, format="ISO8601"))
            values = np.array([float(value) for value in energies.values()])
        except (ValueError, TypeError) as error:
            raise NoAnswer(f"{self.name}: {BLOCK} is not of times and numbers: {error}") from None
        energy = pd.Series(values, index=labels).sort_index().cumsum()
        edges = pd.date_range(labels.min().floor("D"), labels.max().floor("D") + DAY, freq=HOUR)
        at_edges = np.interp(edges.astype("int64"), energy.index.astype("int64"), energy.to_numpy(), left=0.0)
        return pd.Series(np.diff(at_edges) / WH_PER_KWH, index=edges[:-1])
