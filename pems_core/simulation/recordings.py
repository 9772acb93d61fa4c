"""The reference house on recorded prices, weather and load.

No home has published everything, so a scenario joins three recordings: what each is, and how it was brought onto
the wanted days, stands in its provenance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from pems_core.domain import QUARTER, BadSeries, PvArray
from pems_core.forecasting.sun import Sky, pv_kw
from pems_core.tariff import D57D, Tariff

from .recorded_sets import data_folder, emhass_home, optimizer_cases, prices_de_lu, weather
from .reference import ARRAYS, TIMEZONE, YEARLY_LOAD_KWH
from .scenario import Scenario

WEATHER_YEAR = 2019
# The PV is computed where the irradiance was recorded: elsewhere the sun would stand at other angles.
PRAGUE = (50.08, 14.42)
HALF_HOUR = timedelta(minutes=30)
HALF_YEAR = timedelta(weeks=26)
LOAD_SEASON_BEGIN = date(2024, 5, 1)
LOAD_TIMEZONE = "Europe/Paris"


@dataclass(frozen=True, slots=True)
class Week:
    """A recorded week worth simulating, from local midnight of `start`."""

    start: date
    why: str
    days: int = 7


WEEKS = {
    "winter": Week(date(2024, 1, 15), "cold (mean below 0 °C), hardly any sun, spot 37 to 144 EUR/MWh"),
    "late_winter": Week(date(2024, 2, 5), "cold (mean -2 °C) with first sunny days, spot -0 to 136 EUR/MWh"),
    "spring": Week(date(2024, 5, 6), "20 hours with negative prices, down to -135 EUR/MWh; heating still runs"),
    "summer": Week(date(2024, 7, 22), "hot and sunny, spot -49 to 186 EUR/MWh, no heating"),
    "autumn": Week(date(2025, 11, 24), "quarter-hour prices, spot 47 to 400 EUR/MWh, little sun, heating"),
}


def recorded_week(name: str, folder: Path, tariff: Tariff = D57D) -> Scenario:
    """One of `WEEKS` for the reference house, with 14 days of history and 3 days after it."""
    week = WEEKS[name]
    return recorded_house(week.start, week.days, folder, tariff=tariff, name=name)


def recorded_house(
    start: date,
    days: int,
    folder: Path,
    *,
    tariff: Tariff = D57D,
    arrays: Sequence[PvArray] = ARRAYS,
    yearly_load_kwh: float = YEARLY_LOAD_KWH,
    timezone: str = TIMEZONE,
    eur_rate: float = 25.0,
    history_days: int = 14,
    later_days: int = 3,
    name: str | None = None,
) -> Scenario:
    """Quarter hours of `days` local days from midnight of `start`, with history before and some days after.

    :param folder: as found by `data_folder`.
    :param eur_rate: currency per EUR; 25 gives CZK.
    :raises BadSeries: if the recorded prices do not cover the days.
    """
    starts = local_quarters(start - timedelta(days=history_days), start + timedelta(days=days + later_days), timezone)
    spot = spot_prices(folder, starts) * eur_rate / 1000
    import_price, feed_in_price = tariff.prices(starts, np.asarray(spot, dtype=np.float64))
    sky, load = weather_of_year(folder, starts), base_load(folder, starts, timezone, yearly_load_kwh)
    frame = pd.DataFrame(
        {
            "import_price_per_kwh": import_price,
            "feed_in_price_per_kwh": feed_in_price,
            "pv_kw": pv_of(arrays, sky).to_numpy(),
            "base_load_kw": load.kw,
            "outdoor_temperature_c": sky["outdoor_temperature_c"].to_numpy(),
            "ghi_w_m2": sky["ghi_w_m2"].to_numpy(),
        },
        index=starts,
    )
    return Scenario(name or f"recorded_{start:%Y-%m-%d}", frame.round(4), QUARTER, provenance(load))


def local_quarters(first: date, last: date, timezone: str) -> pd.DatetimeIndex:
    """Quarter hours from local midnight of `first` up to local midnight of `last`, in UTC."""
    zone = ZoneInfo(timezone)
    begin, end = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (first, last))
    return pd.date_range(begin, end, freq=QUARTER, inclusive="left", unit="us")


def spot_prices(folder: Path, starts: pd.DatetimeIndex) -> "pd.Series[float]":
    """Recorded DE-LU day-ahead prices [EUR/MWh]; an hour's price holds for its four quarters."""
    recorded = prices_de_lu(folder)
    for step, prices in recorded.items():
        if prices.index[0] <= starts[0] and starts[-1] < prices.index[-1] + step:
            return prices.reindex(starts, method="ffill", limit=step // QUARTER - 1 or None)
    spans = " and ".join(f"{p.index[0]:%Y-%m-%dT%H:%MZ} to {p.index[-1]:%Y-%m-%dT%H:%MZ}" for p in recorded.values())
    raise BadSeries(
        [f"prices_de_lu: {starts[0]:%Y-%m-%dT%H:%MZ} to {starts[-1]:%Y-%m-%dT%H:%MZ} is needed; recorded: {spans}"]
    )


def weather_of_year(folder: Path, starts: pd.DatetimeIndex) -> pd.DataFrame:
    """The weather of the same calendar days in the recorded year (28 February stands in for the 29th).

    Its index is the recorded one, where the sun stood as it was recorded.
    """
    recorded = weather(folder, "prague")
    moved = [
        label.replace(year=WEATHER_YEAR, day=28 if (label.month, label.day) == (2, 29) else label.day)
        for label in starts
    ]
    return recorded.loc[pd.DatetimeIndex(moved)]


def pv_of(arrays: Sequence[PvArray], recorded: pd.DataFrame) -> "pd.Series[float]":
    """What the arrays would have delivered under recorded irradiance and temperature [kW]."""
    # Recorded values are instants: the sun stands where it stood at the label. A day may occur twice (29 February).
    once = recorded[~recorded.index.duplicated()]
    sky = Sky.at(pd.DatetimeIndex(once.index), timedelta(0), *PRAGUE)
    irradiance = once.rename(columns={"ghi_w_m2": "ghi", "dni_w_m2": "dni", "dhi_w_m2": "dhi"})
    return pv_kw(arrays, sky, irradiance, once["outdoor_temperature_c"]).loc[recorded.index]


@dataclass(frozen=True)
class BaseLoad:
    kw: npt.NDArray[np.float64]
    filled: int
    """Recorded half hours of the season that were missing."""
    scale: float


def base_load(folder: Path, starts: pd.DatetimeIndex, timezone: str, yearly_kwh: float) -> BaseLoad:
    """A recorded household without heating or cooling, scaled to `yearly_kwh`, on quarter hours.

    Of the recorded homes the Californian ones use 7 to 13 MWh a year, with air conditioning in summer and heat in
    winter. The French one is heated in winter only; its 26 weeks from May to October have neither (4.8 MWh a year,
    with a water heater at night and in the afternoon). They repeat every half year, which keeps weekdays and, in
    2024, the calendar; local times of day stay what they were.
    """
    recorded = emhass_home(folder)["load_kw"]
    local = recorded.tz_convert(ZoneInfo(LOAD_TIMEZONE)).tz_localize(None)
    clock = pd.date_range(
        pd.Timestamp(LOAD_SEASON_BEGIN), pd.Timestamp(LOAD_SEASON_BEGIN) + HALF_YEAR, freq=HALF_HOUR, inclusive="left"
    )
    # The season lies between the clock changes but for its last days: the repeated hour of October counts once.
    season = local[~local.index.duplicated()].reindex(clock)
    filled = filled_from_weeks(season)
    wanted = starts.tz_convert(ZoneInfo(timezone)).tz_localize(None)
    place = ((wanted - clock[0]) % HALF_YEAR) // HALF_HOUR
    scale = yearly_kwh / (float(filled.mean()) * 365.25 * 24)
    kw = np.asarray(filled * scale, dtype=np.float64)
    return BaseLoad(kw[np.asarray(place, dtype=np.int64)], int(season.isna().sum()), scale)


def filled_from_weeks(season: "pd.Series[float]") -> "pd.Series[float]":
    """Missing values taken from the same time one week, two weeks... before or after."""
    week = timedelta(weeks=1) // HALF_HOUR
    filled = season
    for weeks in range(1, HALF_YEAR // timedelta(weeks=1)):
        filled = filled.fillna(season.shift(weeks * week)).fillna(season.shift(-weeks * week))
    return filled


def provenance(load: BaseLoad) -> str:
    return (
        "Prices: DE-LU day-ahead, Bundesnetzagentur | SMARD.de, CC BY 4.0, with the house's tariff. "
        f"Weather: Prague {WEATHER_YEAR} (NREL NSRDB) on the same calendar days. "
        "PV: computed from that weather with pvlib. "
        "Base load: EMHASS example home (MIT), half hours of its unheated months May to October 2024, repeated every "
        f"26 weeks and scaled by {load.scale:.2f}; {load.filled} missing half hours taken from neighbouring weeks. "
        "The three recordings are of different places or years."
    )


__all__ = [
    "WEEKS",
    "Week",
    "data_folder",
    "optimizer_cases",
    "recorded_house",
    "recorded_week",
]
