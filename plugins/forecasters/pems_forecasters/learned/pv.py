"""Production of PV: the physics of its arrays, and boosted trees for what that does not know of this roof."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Self

import numpy as np
import pandas as pd

from pems_core.domain import PvArray
from pems_core.forecasting.sun import Sky, pv_kw

from .trees import Array, CannotLearn, Trees, grow, widening

LEAST_DAYS = 14
CHECKED_SHARE = 0.2
"""The last part of the history, on which intervals are set."""
LEAST_SUN_W_M2 = 20.0
HORIZON_DEG = 92.0
DARK_SHARE, DARK_KWH_PER_KW = 0.15, 0.3
"""A day on which less than this share of what was expected came, although something was: snow, an outage, or off."""
FEATURES = (
    "expected_kw", "clear_kw", "ghi_w_m2", "clearness", "clearness_before", "clearness_after", "clearness_of_day",
    "temperature_c", "coldest_of_day_c", "zenith_deg", "azimuth_deg", "yesterday", "last_7_days",
)  # fmt: skip


@dataclass(frozen=True)
class Roof:
    """Arrays at a place.

    :param limit_kw: most that the inverter gives; None: what the arrays give.
    """

    arrays: Sequence[PvArray]
    latitude: float
    longitude: float
    timezone: str
    limit_kw: float | None = None

    @property
    def peak_kw(self) -> float:
        return sum(array.peak_kw for array in self.arrays)

    @property
    def most_kw(self) -> float:
        return self.peak_kw if self.limit_kw is None else min(self.peak_kw, self.limit_kw)

    def sky(self, weather: pd.DataFrame, step: timedelta) -> Sky:
        return Sky.at(pd.DatetimeIndex(weather.index), step, self.latitude, self.longitude)

    def expected_kw(self, weather: pd.DataFrame, sky: Sky) -> Array:
        """What physics says of a weather with `ghi_w_m2` and `outdoor_temperature_c` [kW]."""
        found = pv_kw(self.arrays, sky, sky.split(weather["ghi_w_m2"]), weather["outdoor_temperature_c"])
        return np.clip(found.to_numpy(dtype=np.float64), 0.0, self.most_kw)


@dataclass(frozen=True)
class PvModel:
    """What was learned of a roof."""

    trees: Trees
    stretch: tuple[float, float] = (1.0, 1.0)
    rmse_kw: Mapping[str, float] = field(default_factory=dict)
    """Of physics and of what was learned, on days that it was not learned from [kW]."""

    @property
    def better(self) -> bool:
        """Whether it foretold those days better than physics alone."""
        return self.rmse_kw["learned"] < self.rmse_kw["physics"]

    def predict(self, roof: Roof, weather: pd.DataFrame, step: timedelta, lately: "pd.Series[float]") -> Array:
        """Production [kW]: one row a moment of the weather, the quantiles 0.1, 0.5 and 0.9.

        :param weather: forecasts of `ghi_w_m2` and `outdoor_temperature_c`, labelled by interval start in UTC.
        :param lately: by local day, what was measured as a share of what physics had expected.
        """
        sky = roof.sky(weather, step)
        expected = roof.expected_kw(weather, sky)
        found = self.trees.predict(_table(roof, weather, sky, expected, lately)) + expected[:, None]
        middle = found[:, 1]
        lower, upper = (
            middle - self.stretch[0] * (middle - found[:, 0]),
            middle + self.stretch[1] * (found[:, 2] - middle),
        )
        by_day = (sky.position["apparent_zenith"].to_numpy() < HORIZON_DEG)[:, None]
        return np.asarray(np.clip(np.where(by_day, np.stack([lower, middle, upper], axis=1), 0.0), 0.0, roof.most_kw))

    def as_json(self) -> dict[str, object]:
        return {"trees": self.trees.as_json(), "stretch": list(self.stretch), "rmse_kw": dict(self.rmse_kw)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(Trees.from_json(data["trees"]), (data["stretch"][0], data["stretch"][1]), dict(data["rmse_kw"]))


def train(
    roof: Roof,
    measured: "pd.Series[float]",
    weather: pd.DataFrame,
    step: timedelta,
    left_out: "pd.Series[bool] | None" = None,
) -> PvModel:
    """Learn what physics does not know of a roof.

    :param measured: production [kW], labelled as the weather; NaN where it is not known.
    :param weather: `ghi_w_m2` and `outdoor_temperature_c` as they were forecast, or measured.
    :param left_out: moments that say nothing of the roof: curtailed, inverter off.
    :raises CannotLearn: if there is too little, or LightGBM is missing.
    """
    sky = roof.sky(weather, step)
    expected = roof.expected_kw(weather, sky)
    lately = share_of_expected(roof, measured, weather, step)
    usable = np.isfinite(measured.to_numpy()) & (sky.position["apparent_zenith"].to_numpy() < HORIZON_DEG)
    usable &= ~_dark(roof, measured, expected, lately)
    if left_out is not None:
        usable &= ~left_out.to_numpy()
    if (measured.index[-1] - measured.index[0]) < timedelta(days=LEAST_DAYS):
        raise CannotLearn(f"found less than {LEAST_DAYS} days of production")
    table, residual = _table(roof, weather, sky, expected, lately), measured.to_numpy() - expected
    split = int(len(residual) * (1 - CHECKED_SHARE))
    first, second = np.arange(len(residual)) < split, np.arange(len(residual)) >= split
    early = grow(table[usable & first], residual[usable & first], FEATURES, rounds=200, leaves=31)
    seen = usable & second
    lower, middle, upper = early.predict(table[seen]).T
    errors = {"physics": residual[seen], "learned": residual[seen] - middle}
    rmse_kw = {name: float(np.sqrt(np.mean(error**2))) for name, error in errors.items()}
    stretch = widening(lower, middle, upper, residual[seen])
    return PvModel(grow(table[usable], residual[usable], FEATURES, rounds=200, leaves=31), stretch, rmse_kw)


def share_of_expected(
    roof: Roof, measured: "pd.Series[float]", weather: pd.DataFrame, step: timedelta
) -> "pd.Series[float]":
    """By local day, what was measured as a share of what physics had expected of the weather."""
    expected = pd.Series(roof.expected_kw(weather, roof.sky(weather, step)), index=weather.index)
    both = pd.DataFrame({"measured": measured.reindex(weather.index), "expected": expected}).dropna()
    days = both.groupby(_days(pd.DatetimeIndex(both.index), roof.timezone)).sum()
    enough = days["expected"] * (step / timedelta(hours=1)) > DARK_KWH_PER_KW * roof.peak_kw
    return (days["measured"] / days["expected"]).where(enough).clip(0.0, 2.0)


def _dark(roof: Roof, measured: "pd.Series[float]", expected: Array, lately: "pd.Series[float]") -> Any:
    """Moments of days with snow on the roof, an outage, or the inverter off."""
    days = _days(pd.DatetimeIndex(measured.index), roof.timezone)
    return (lately.reindex(days) < DARK_SHARE).to_numpy()


def _table(roof: Roof, weather: pd.DataFrame, sky: Sky, expected: Array, lately: "pd.Series[float]") -> Array:
    index = pd.DatetimeIndex(weather.index)
    days = _days(index, roof.timezone)
    ghi, clear = weather["ghi_w_m2"], sky.clear["ghi"]
    clearness = (ghi / clear.clip(lower=LEAST_SUN_W_M2)).clip(0.0, 1.5)
    clear_weather = pd.DataFrame({"ghi_w_m2": clear, "outdoor_temperature_c": weather["outdoor_temperature_c"]})
    known = lately.dropna()
    before, week = _before(known, days, 1), _before(known, days, 7)
    columns = [
        expected,
        roof.expected_kw(clear_weather, sky),
        ghi,
        clearness,
        clearness.shift(1),
        clearness.shift(-1),
        (ghi.groupby(days).transform("sum") / clear.groupby(days).transform("sum").clip(lower=1.0)),
        weather["outdoor_temperature_c"],
        weather["outdoor_temperature_c"].groupby(days).transform("min"),
        sky.position["apparent_zenith"],
        sky.position["azimuth"],
        before,
        week,
    ]
    return np.stack([np.asarray(column, dtype=np.float64) for column in columns], axis=1)


def _before(lately: "pd.Series[float]", days: pd.DatetimeIndex, count: int) -> Array:
    """The median of the last days that are known before each day."""
    if lately.empty:
        return np.full(len(days), np.nan)
    medians = lately.rolling(count, min_periods=1).median()
    place = np.searchsorted(lately.index.to_numpy(), days.to_numpy()) - 1
    return np.where(place >= 0, medians.to_numpy()[np.clip(place, 0, None)], np.nan)


def _days(instants: pd.DatetimeIndex, timezone: str) -> pd.DatetimeIndex:
    return instants.tz_convert(timezone).tz_localize(None).normalize()
