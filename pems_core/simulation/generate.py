"""Plausible series for a house in Moravia, for runs without recordings.

Everything follows from a seed: clouds, temperature, household and market. The market sees the same clouds and
seasons, so a sunny Sunday in May has negative prices and a calm January evening is dear.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from pems_core.domain import QUARTER, PvArray
from pems_core.forecasting.sun import Sky, pv_kw
from pems_core.tariff import D57D, Tariff

from .reference import ARRAYS, LATITUDE, LONGITUDE, TIMEZONE, YEARLY_LOAD_KWH
from .scenario import Scenario

Array = npt.NDArray[np.float64]

PER_DAY = 96
DAY_H = 24.0
YEAR_DAYS = 365.25
# Where each kind of randomness begins, so that a change to one leaves the others as they were.
CLOUDS, WEATHER, HOUSEHOLD, MARKET = range(4)
COLDEST_DAY, WARMEST_HOUR = 20, 15.0


@dataclass(frozen=True)
class Grid:
    """The quarter hours of some days, and their place in day, week and year."""

    starts: pd.DatetimeIndex
    timezone: str

    @cached_property
    def _local(self) -> pd.DatetimeIndex:
        return self.starts.tz_convert(ZoneInfo(self.timezone))

    @cached_property
    def hour(self) -> Array:
        """Local wall-clock time [h], at the middle of each quarter."""
        return np.asarray(self._local.hour + self._local.minute / 60 + 0.125, dtype=np.float64)

    @cached_property
    def weekday(self) -> npt.NDArray[np.int64]:
        """0 for Monday."""
        return np.asarray(self._local.day_of_week, dtype=np.int64)

    @cached_property
    def winter(self) -> Array:
        """1 on the coldest day of the year, 0 half a year from it."""
        day = self._local.day_of_year.to_numpy()
        return np.asarray(0.5 + 0.5 * np.cos(2 * np.pi * (day - COLDEST_DAY) / YEAR_DAYS), dtype=np.float64)


class Noise:
    """Standard normal processes from one seed.

    RandomState, not a Generator: its streams are frozen, so a seed gives the same series with every numpy.
    """

    def __init__(self, seed: int, source: int) -> None:
        self._random = np.random.RandomState([seed, source])

    def smooth(self, count: int, memory_h: float) -> Array:
        """Values with standard deviation 1 that forget by half in about 0.7 `memory_h` (a process AR(1))."""
        # It brings all statistics along: a command that generates nothing need not wait for them.
        from scipy.signal import lfilter

        keep = np.exp(-0.25 / memory_h)
        shocks = self._random.standard_normal(count) * np.sqrt(1 - keep**2)
        shocks[0] /= np.sqrt(1 - keep**2)
        return np.asarray(lfilter([1.0], [1.0, -keep], shocks), dtype=np.float64)

    def rough(self, count: int) -> Array:
        """Independent values with standard deviation 1."""
        return np.asarray(self._random.standard_normal(count), dtype=np.float64)


def generated_days(
    start: date,
    days: int,
    *,
    seed: int = 1,
    tariff: Tariff = D57D,
    arrays: Sequence[PvArray] = ARRAYS,
    latitude: float = LATITUDE,
    longitude: float = LONGITUDE,
    timezone: str = TIMEZONE,
    yearly_load_kwh: float = YEARLY_LOAD_KWH,
    price_rate: float = 25.0,
    history_days: int = 14,
    later_days: int = 3,
) -> Scenario:
    """Quarter hours of `days` local days from midnight of `start`, in any season.

    :param price_rate: currency per EUR; 25 gives CZK.
    :param history_days: days before `start`, for forecasters to learn from.
    :param later_days: days after the last, for horizons to reach into.
    """
    grid = local_days(start - timedelta(days=history_days), history_days + days + later_days, timezone)
    sky = Sky.at(grid.starts, QUARTER, latitude, longitude)
    clearness = clouds(grid, seed)
    irradiance = sky.split(sky.clear["ghi"] * clearness)
    temperature = pd.Series(outdoor_temperature_c(grid, clearness, seed), index=grid.starts)
    spot = spot_price_eur_per_mwh(grid, sky, clearness, seed) * price_rate / 1000
    import_price, feed_in_price = tariff.prices(grid.starts, spot)
    frame = pd.DataFrame(
        {
            "import_price_per_kwh": import_price,
            "feed_in_price_per_kwh": feed_in_price,
            "pv_kw": pv_kw(arrays, sky, irradiance, temperature),
            "base_load_kw": base_load_kw(grid, seed, yearly_load_kwh),
            "outdoor_temperature_c": temperature,
            "ghi_w_m2": irradiance["ghi"],
        },
        index=grid.starts,
    )
    # Mathematical libraries differ in the last digits; rounded, a seed gives the same series on every machine.
    return Scenario(f"generated_{start:%Y-%m-%d}", frame.round(4), QUARTER, provenance(seed))


def generated_winter_days(start: date = date(2025, 1, 14), days: int = 3, *, seed: int = 1) -> Scenario:
    """Days of the reference house in the heating season, with history before and days after them."""
    return generated_days(start, days, seed=seed)


def generated_year(year: int = 2025, *, seed: int = 1, tariff: Tariff = D57D) -> Scenario:
    """A calendar year of the reference house, with 14 days of history and 3 days after it."""
    begin = date(year, 1, 1)
    return generated_days(begin, (date(year + 1, 1, 1) - begin).days, seed=seed, tariff=tariff)


def provenance(seed: int) -> str:
    return (
        f"generated with seed {seed}: clear sky (pvlib) with random clouds, temperatures of Moravia, day-ahead prices "
        "and a household after their usual daily and yearly course; not recorded"
    )


def local_days(start: date, days: int, timezone: str) -> Grid:
    """Quarter hours from local midnight to local midnight; 92 or 100 on the days on which clocks change."""
    zone = ZoneInfo(timezone)
    first, last = (datetime.combine(day, time(), zone).astimezone(UTC) for day in (start, start + timedelta(days=days)))
    return Grid(pd.date_range(first, last, freq=QUARTER, inclusive="left", unit="us"), timezone)


def clouds(grid: Grid, seed: int) -> Array:
    """Share of the clear-sky irradiance that reaches the ground.

    Weather systems of a few days, often a grey lid in winter; fields of single clouds on days in between.
    """
    noise, count = Noise(seed, CLOUDS), len(grid.starts)
    system = noise.smooth(count, memory_h=40)
    passing = noise.smooth(count, memory_h=1.5)
    openness = 1 / (1 + np.exp(-(0.7 - 1.0 * grid.winter + 1.5 * system)))
    broken = 4 * openness * (1 - openness)
    return np.asarray(np.clip(0.12 + 0.92 * openness + 0.22 * broken * passing, 0.06, 1.05), dtype=np.float64)


def outdoor_temperature_c(grid: Grid, clearness: Array, seed: int) -> Array:
    """Yearly course, air masses of some days, and a daily swing that clouds dampen."""
    noise, count = Noise(seed, WEATHER), len(grid.starts)
    yearly = 20.0 - 20.5 * grid.winter
    air_mass = 3.2 * gaussian_filter1d(noise.smooth(count, memory_h=70), sigma=12)
    # A clear winter sky cools the ground, a clear summer sky heats it.
    opened = gaussian_filter1d(clearness, sigma=PER_DAY / 2) - 0.55
    swing = (1.2 + 5.0 * gaussian_filter1d(clearness, sigma=PER_DAY / 4)) * (1 - 0.35 * grid.winter)
    daily = swing * np.cos(2 * np.pi * (grid.hour - WARMEST_HOUR) / DAY_H)
    return np.asarray(yearly + air_mass + opened * (4 - 10 * grid.winter) + daily, dtype=np.float64)


def base_load_kw(grid: Grid, seed: int, yearly_kwh: float) -> Array:
    """A household without heating: standby, and activity that follows the day and comes in bursts."""
    noise, count = Noise(seed, HOUSEHOLD), len(grid.starts)
    standby = 0.4 * yearly_kwh / (YEAR_DAYS * DAY_H)
    mean_activity = 0.6 * yearly_kwh / (YEAR_DAYS * DAY_H)
    activity = daily_activity(grid.hour, grid.weekday >= 5) * (0.94 + 0.12 * grid.winter)
    spread = 0.75
    bursts = np.exp(spread * noise.smooth(count, memory_h=0.7) - spread**2 / 2)
    busy_day = np.exp(0.2 * noise.smooth(count, memory_h=30) - 0.02)
    ripple = 1 + 0.05 * noise.rough(count)
    return np.asarray(np.maximum(0.05, (standby + mean_activity * activity * bursts * busy_day) * ripple), np.float64)


def daily_activity(hour: Array, weekend: npt.NDArray[np.bool_]) -> Array:
    """Use of appliances by time of day; the mean over a day is 1."""

    def bump(at: float, width: float) -> Array:
        distance = np.abs(hour - at)
        return np.asarray(np.exp(-0.5 * (np.minimum(distance, DAY_H - distance) / width) ** 2), dtype=np.float64)

    workday = 0.25 + 1.7 * bump(7.0, 0.9) + 0.9 * bump(12.5, 1.6) + 2.8 * bump(19.0, 1.9)
    free_day = 0.25 + 1.3 * bump(9.0, 1.4) + 1.9 * bump(12.5, 1.6) + 2.1 * bump(18.8, 2.1)
    # Areas of the bells (width * sqrt(2 pi) / 24 h) make each kind of day average 1.
    root = np.sqrt(2 * np.pi) / DAY_H
    workday_mean = 0.25 + root * (1.7 * 0.9 + 0.9 * 1.6 + 2.8 * 1.9)
    free_mean = 0.25 + root * (1.3 * 1.4 + 1.9 * 1.6 + 2.1 * 2.1)
    return np.asarray(np.where(weekend, free_day / free_mean, workday / workday_mean), dtype=np.float64)


def spot_price_eur_per_mwh(grid: Grid, sky: Sky, clearness: Array, seed: int) -> Array:
    """Day-ahead price of quarter hours: demand less wind and sun, with the zigzag of ramps within each hour."""
    noise, count = Noise(seed, MARKET), len(grid.starts)
    wind = noise.smooth(count, memory_h=30)
    level = 78 + 32 * grid.winter - 24 * wind
    demand = np.interp(grid.hour, *DEMAND) * np.where(grid.weekday >= 5, 0.75, 1.0)
    weekend_off = np.where(grid.weekday == 6, 20.0, np.where(grid.weekday == 5, 10.0, 0.0))
    # The country's sky is the local one, smoothed: its clouds do not move together.
    country_sun = sky.clear["ghi"].to_numpy() / 1000 * (0.35 + 0.65 * gaussian_filter1d(clearness, sigma=PER_DAY / 4))
    ramp = np.gradient(demand - 115 * country_sun)
    zigzag = ramp * (np.asarray(grid.starts.minute) / 15 - 1.5) * 0.8
    price = level + demand - weekend_off - 130 * country_sun + zigzag + 2.0 * noise.rough(count)
    return sold_off(price)


# Demand over the day as it moves the price: night low, morning peak, evening peak [local h], [EUR/MWh].
DEMAND = (
    [0.0, 3.0, 5.0, 8.0, 10.0, 13.0, 15.0, 18.0, 20.0, 22.0, 24.0],
    [-22.0, -32.0, -24.0, 26.0, 18.0, 10.0, 14.0, 58.0, 38.0, 4.0, -22.0],
)


def sold_off(price: Array) -> Array:
    """Below zero the price falls slower, as plants are switched off one after the other; rarely under -60."""
    return np.asarray(np.where(price < 0, -60 * np.tanh(-price / 60), price), dtype=np.float64)
