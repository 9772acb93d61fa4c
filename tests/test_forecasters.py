"""Simple forecasters on days whose course is known, and the chain that asks them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from pems_forecasters import create_forecasters
from pems_forecasters.carbon import CarbonForecaster
from pems_forecasters.load import LoadForecaster
from pems_forecasters.prices import PriceForecaster
from pems_forecasters.sun import SunForecaster
from pems_forecasters.weather import TemperatureForecaster

from pems_core.config import Config, PvSection, SiteSection, TariffSection
from pems_core.domain import HOUR, QUARTER, Forecast, History, Horizon, PvArray, SiteState
from pems_core.forecasting.chain import ask, ranked
from pems_core.forecasting.sun import Sky, pv_kw
from pems_core.protocols import Forecaster
from pems_core.tariff import D57D, Tariff

NOW = datetime(2025, 1, 15, 12, tzinfo=UTC)
"""A Wednesday."""
STATE = SiteState(NOW, {})
TWO_DAYS = Horizon.uniform(NOW, QUARTER, 192)
ARRAYS = (PvArray(7.0, 35.0, 226.0), PvArray(6.5, 35.0, 136.0))
NOTHING = History(pd.DataFrame(index=pd.DatetimeIndex([], tz="UTC")))


def measured(name: str, days: int, course: "pd.Series[float] | float" = 0.0, until: datetime = NOW) -> History:
    """Quarter hours of the last days before `until`; `course` by local (Prague) hour, or one value."""
    index = pd.date_range(until - timedelta(days=days), until, freq=QUARTER, inclusive="left", unit="us")
    hour = index.tz_convert("Europe/Prague").hour
    values = course.reindex(hour).to_numpy() if isinstance(course, pd.Series) else course
    return History(pd.DataFrame({name: values}, index=index))


def by_hour(values: Mapping[int, float], otherwise: float) -> "pd.Series[float]":
    return pd.Series([values.get(hour, otherwise) for hour in range(24)], index=range(24), dtype=float)


EVENING_PEAK = by_hour({19: 2.0}, otherwise=0.4)


async def test_load_has_its_peak_at_its_local_hour() -> None:
    history = measured("base_load_kw", 14, EVENING_PEAK)
    forecast = (await LoadForecaster("Europe/Prague").forecast(TWO_DAYS, STATE, history))["base_load_kw"]
    hours = [start.hour for start, value in zip(TWO_DAYS.starts, forecast.values, strict=True) if value > 1.9]
    assert hours == [18] * 8
    assert forecast.source == "profile of 14 days"
    assert forecast.issued_at == NOW


async def test_weekends_have_a_course_of_their_own() -> None:
    history = measured("base_load_kw", 14, 0.4)
    weekend = pd.DatetimeIndex(history.frame.index).tz_convert("Europe/Prague").day_of_week >= 5
    history.frame.loc[weekend, "base_load_kw"] = 1.1
    to_sunday = Horizon.uniform(NOW, HOUR, 96)
    forecast = (await LoadForecaster("Europe/Prague").forecast(to_sunday, STATE, history))["base_load_kw"]
    assert forecast.values[48] == pytest.approx(0.4)
    assert forecast.values[72] == pytest.approx(1.1)


async def test_a_busy_hour_lifts_the_next_ones_but_not_tomorrow() -> None:
    history = measured("base_load_kw", 14, 0.4)
    history.frame.loc[history.frame.index >= NOW - HOUR, "base_load_kw"] = 2.4
    forecast = (await LoadForecaster("Europe/Prague").forecast(TWO_DAYS, STATE, history))["base_load_kw"]
    assert 1.5 < forecast.values[0] < 2.4
    assert forecast.values[0] > forecast.values[8] > 0.5
    assert forecast.values[60] == pytest.approx(0.4, abs=0.01)


async def test_a_young_house_forecasts_its_mean_load() -> None:
    history = measured("base_load_kw", 1, 0.4, until=NOW)
    history = History(history.frame.drop(history.frame.index[:-8]))
    forecast = (await LoadForecaster("Europe/Prague").forecast(TWO_DAYS, STATE, history))["base_load_kw"]
    assert forecast.values == pytest.approx([0.4] * 192)
    assert forecast.source == "mean of 2 hours"


@pytest.mark.parametrize("share", [0.3, 0.9])
async def test_pv_is_the_clear_sky_dimmed_as_it_was_lately(share: float) -> None:
    index = pd.date_range(NOW - timedelta(days=3), NOW + timedelta(days=2), freq=QUARTER, inclusive="left", unit="us")
    sky = Sky.at(index, QUARTER, 49.2, 16.6)
    dimmed = share * pv_kw(ARRAYS, sky, sky.clear, pd.Series(15.0, index=index))
    history = History(pd.DataFrame({"pv_kw": dimmed[dimmed.index < NOW]}))
    told = await SunForecaster(ARRAYS, 49.2, 16.6).forecast(TWO_DAYS, STATE, history)
    assert told["pv_kw"].values == pytest.approx(dimmed[dimmed.index >= NOW].tolist(), abs=1e-6)


async def test_present_clouds_stay_for_hours_not_for_days() -> None:
    index = pd.date_range(NOW - timedelta(days=3), NOW, freq=QUARTER, inclusive="left", unit="us")
    clear = Sky.at(index, QUARTER, 49.2, 16.6).clear["ghi"]
    ghi = clear.copy()
    ghi.loc[NOW - 3 * HOUR :] *= 0.2
    told = await SunForecaster(ARRAYS, 49.2, 16.6).forecast(TWO_DAYS, STATE, History(pd.DataFrame({"ghi_w_m2": ghi})))
    ahead = Sky.at(pd.DatetimeIndex(TWO_DAYS.starts), QUARTER, 49.2, 16.6).clear["ghi"].to_numpy()
    shares = np.asarray(told["ghi_w_m2"].values)[[0, 96]] / ahead[[0, 96]]
    assert shares[0] < 0.3
    assert shares[1] > 0.6


async def test_a_house_without_pv_produces_nothing() -> None:
    told = await SunForecaster((), 49.2, 16.6).forecast(TWO_DAYS, STATE, NOTHING)
    assert set(told["pv_kw"].values) == {0.0}
    assert max(told["ghi_w_m2"].values) > 50


async def test_published_spot_prices_become_the_households() -> None:
    index = pd.date_range(NOW - timedelta(days=2), NOW + timedelta(hours=35), freq=HOUR, inclusive="left", unit="us")
    spot = pd.Series(np.arange(len(index), dtype=float), index=index)
    told = await PriceForecaster(D57D).forecast(TWO_DAYS, STATE, History(pd.DataFrame({"spot_price_per_kwh": spot})))
    feed_in = np.asarray(told["feed_in_price_per_kwh"].values).reshape(48, 4)
    published = [*range(48, 83), *range(83 - 24, 83 - 24 + 13)]
    assert feed_in == pytest.approx(np.repeat(np.asarray(published)[:, None] - 0.35, 4, axis=1))
    # 12:00 UTC is a low-tariff hour in Prague.
    assert told["import_price_per_kwh"].values[0] == pytest.approx((48 + 0.281) * 1.21)
    assert "known until 2025-01-16 23:00 UTC" in told["import_price_per_kwh"].source


async def test_without_spot_prices_recorded_prices_are_repeated() -> None:
    history = measured("import_price_per_kwh", 1, by_hour({18: 6.0}, otherwise=3.0))
    told = await PriceForecaster(Tariff(timezone="Europe/Prague")).forecast(TWO_DAYS, STATE, history)
    assert list(told) == ["import_price_per_kwh"]
    dear = [s.hour for s, price in zip(TWO_DAYS.starts, told["import_price_per_kwh"].values, strict=True) if price > 5]
    assert dear == [17] * 8


async def test_prices_with_a_hole_are_left_to_the_next_in_the_chain() -> None:
    history = measured("import_price_per_kwh", 1, 3.0, until=NOW - 8 * HOUR)
    history = History(history.frame.drop(history.frame.index[10:20]))
    assert await PriceForecaster(Tariff()).forecast(TWO_DAYS, STATE, history) == {}


async def test_temperature_follows_the_last_days_from_where_it_is_now() -> None:
    history = measured("outdoor_temperature_c", 3, by_hour(dict.fromkeys(range(6), -6.0), otherwise=2.0))
    history.frame.loc[history.frame.index >= NOW - HOUR, "outdoor_temperature_c"] += 3
    told = (await TemperatureForecaster("Europe/Prague").forecast(TWO_DAYS, STATE, history))["outdoor_temperature_c"]
    # 3 K above what was usual at noon, of which the present noon is a third.
    assert told.values[0] == pytest.approx(4.0, abs=0.1)
    assert told.values[12 * 4] == pytest.approx(-6 + 2 * np.exp(-0.5), abs=0.1)


async def test_temperature_is_held_when_there_is_no_day_to_follow() -> None:
    history = measured("outdoor_temperature_c", 1, 5.0)
    history = History(history.frame.drop(history.frame.index[:-4]))
    told = (await TemperatureForecaster("Europe/Prague").forecast(TWO_DAYS, STATE, history))["outdoor_temperature_c"]
    assert set(told.values) == {5.0}
    assert told.source == "held"


async def test_carbon_intensity_is_that_of_the_day_before() -> None:
    history = measured("carbon_g_per_kwh", 1, by_hour({18: 700.0}, otherwise=400.0))
    told = (await CarbonForecaster().forecast(TWO_DAYS, STATE, history))["carbon_g_per_kwh"]
    assert sorted({s.hour for s, g in zip(TWO_DAYS.starts, told.values, strict=True) if g > 600}) == [17]


async def test_no_forecaster_uses_measurements_from_the_future() -> None:
    """Prices alone may lie ahead; they are published."""
    index = pd.date_range(NOW - timedelta(days=14), NOW + timedelta(days=2), freq=QUARTER, unit="us")
    names = ["base_load_kw", "pv_kw", "ghi_w_m2", "outdoor_temperature_c"]
    honest = pd.DataFrame(np.random.RandomState(1).rand(len(index), len(names)), index=index, columns=names)
    told_more = honest.copy()
    told_more.loc[NOW:] = 9.0
    forecasters: list[Forecaster] = [
        LoadForecaster("Europe/Prague"),
        SunForecaster(ARRAYS, 49.2, 16.6),
        TemperatureForecaster("Europe/Prague"),
    ]
    for forecaster in forecasters:
        first = await forecaster.forecast(TWO_DAYS, STATE, History(honest))
        second = await forecaster.forecast(TWO_DAYS, STATE, History(told_more))
        assert {name: f.values for name, f in first.items()} == {name: f.values for name, f in second.items()}


async def test_the_plugin_covers_every_series_of_the_house() -> None:
    config = Config.of(
        SiteSection(latitude=49.2, longitude=16.6, timezone="Europe/Prague"),
        TariffSection(),
        PvSection(peak_kw=7.0, tilt_deg=35.0, azimuth_deg=226.0),
    )
    index = pd.date_range(NOW - timedelta(days=2), NOW, freq=QUARTER, inclusive="left", unit="us")
    history = History(
        pd.DataFrame({"spot_price_per_kwh": 2.0, "base_load_kw": 0.4, "outdoor_temperature_c": -1.0}, index=index)
    )
    answer = await ask(ranked(create_forecasters(config)), Horizon.lengthening(NOW), STATE, history)
    assert answer.faults == ()
    assert set(answer.forecasts.series) == {
        "import_price_per_kwh",
        "feed_in_price_per_kwh",
        "pv_kw",
        "base_load_kw",
        "outdoor_temperature_c",
        "ghi_w_m2",
    }


@dataclass
class Says:
    """A forecaster that gives the same value for every step of its series."""

    name: str
    value: float
    series: Sequence[str] = ("base_load_kw",)
    gives: Sequence[str] = field(default=())
    steps: int | None = None

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        steps = self.steps or horizon.steps
        return {name: Forecast((self.value,) * steps, self.name, state.now) for name in self.gives or self.series}


@dataclass
class Unreachable:
    name: str = "service"
    series: Sequence[str] = ("base_load_kw",)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        raise ConnectionError("no route to host")


@dataclass
class Asleep:
    name: str = "asleep"
    series: Sequence[str] = ("base_load_kw",)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        await asyncio.sleep(60)
        return {}


async def test_the_first_that_answers_wins_series_by_series() -> None:
    answer = await ask([Says("first", 1.0), Says("second", 2.0, ("base_load_kw", "pv_kw"))], TWO_DAYS, STATE, NOTHING)
    series = answer.forecasts.series
    assert {name: (f.source, f.values[0]) for name, f in series.items()} == {
        "base_load_kw": ("first", 1.0),
        "pv_kw": ("second", 2.0),
    }
    assert series["pv_kw"].issued_at == NOW
    assert answer.faults == ()


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (Unreachable(), "forecaster service: ConnectionError: no route to host"),
        (Asleep(), "forecaster asleep: no answer in 0.05 s"),
        (Says("short", 1.0, steps=3), "has 3 values, the horizon has 192 steps"),
        (Says("broken", float("nan")), "is nan at 2025-01-15T12:00:00+00:00"),
        (Says("eager", 1.0, (), ("base_load_kw",)), "gave base_load_kw, which it does not declare; declared: none"),
    ],
    ids=["raises", "is late", "too few values", "not a number", "undeclared"],
)
async def test_a_forecaster_that_fails_is_told_and_the_next_one_steps_in(
    broken: Says | Unreachable | Asleep, fault: str
) -> None:
    answer = await ask([broken, Says("next", 2.0)], TWO_DAYS, STATE, NOTHING, answer_within_s=0.05)
    assert answer.forecasts.series["base_load_kw"].source == "next"
    assert len(answer.faults) == 1
    assert fault in answer.faults[0]


def test_the_order_of_plugins_has_no_say() -> None:
    a, b, c = Says("a", 1.0), Says("b", 2.0), Says("c", 3.0)
    assert ranked([c, a, b], ["b"]) == ranked([a, b, c], ["b"]) == [b, a, c]


def foretold(share: float, ahead_h: int = 72) -> pd.DataFrame:
    """What a service says from yesterday on: a sky that lets through some share of the sun, and 4 °C."""
    index = pd.date_range(NOW - timedelta(days=1), NOW + timedelta(hours=ahead_h), freq=QUARTER, inclusive="left")
    ghi = share * Sky.at(index, QUARTER, 49.2, 16.6).clear["ghi"]
    spread = {f"ghi_w_m2.p{p}": ghi * f for p, f in ((10, 0.5), (50, 1.0), (90, 1.2))}
    return pd.DataFrame({"ghi_w_m2": ghi, "outdoor_temperature_c": 4.0, **spread}, index=index)


async def test_pv_follows_the_weather_service_with_its_quantiles() -> None:
    dark, bright = [
        await SunForecaster(ARRAYS, 49.2, 16.6).forecast(TWO_DAYS, STATE, History(NOTHING.frame, foretold(share)))
        for share in (0.3, 0.9)
    ]
    assert sum(dark["pv_kw"].values) < 0.5 * sum(bright["pv_kw"].values)
    assert dark["pv_kw"].source == "weather services, times 1.00 now"
    low, middle, high = (np.asarray(bright["pv_kw"].quantiles[q]) for q in (0.1, 0.5, 0.9))
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert low.sum() < 0.7 * middle.sum()


async def test_what_the_roof_gives_now_corrects_the_service_for_some_hours() -> None:
    said = foretold(0.8)
    usual = await SunForecaster(ARRAYS, 49.2, 16.6).forecast(TWO_DAYS, STATE, History(NOTHING.frame, said))
    index = pd.date_range(NOW - timedelta(hours=3), NOW, freq=QUARTER, inclusive="left", unit="us")
    sky = Sky.at(index, QUARTER, 49.2, 16.6)
    expected = pv_kw(ARRAYS, sky, sky.split(said["ghi_w_m2"].reindex(index)), pd.Series(4.0, index=index))
    measured_kw = History(pd.DataFrame({"pv_kw": 0.5 * expected}), said)
    told = await SunForecaster(ARRAYS, 49.2, 16.6).forecast(TWO_DAYS, STATE, measured_kw)
    ratio = np.asarray(told["pv_kw"].values[:96]) / np.maximum(1e-9, usual["pv_kw"].values[:96])
    assert ratio[0] == pytest.approx(0.5, abs=0.01)
    assert ratio[8] == pytest.approx(1 - 0.5 * np.exp(-2 / 3), abs=0.01)
    assert ratio[84] > 0.99


async def test_beyond_the_service_the_clear_sky_goes_on() -> None:
    short = History(NOTHING.frame, foretold(0.8, ahead_h=24))
    told = (await SunForecaster(ARRAYS, 49.2, 16.6).forecast(TWO_DAYS, STATE, short))["pv_kw"]
    alone = (await SunForecaster(ARRAYS, 49.2, 16.6).forecast(TWO_DAYS, STATE, NOTHING))["pv_kw"]
    assert told.values[96:] == pytest.approx(alone.values[96:])
    assert told.values[:8] != pytest.approx(alone.values[:8])


async def test_temperature_is_what_services_say_and_what_it_is_off_now() -> None:
    history = History(measured("outdoor_temperature_c", 3, 6.0).frame, foretold(0.8))
    told = (await TemperatureForecaster("Europe/Prague").forecast(TWO_DAYS, STATE, history))["outdoor_temperature_c"]
    assert told.values[0] == pytest.approx(6.0, abs=0.05)
    assert told.values[-1] == pytest.approx(4.0, abs=0.05)
    assert told.source == "weather services"


async def test_a_service_that_ends_too_early_leaves_temperature_to_the_course_of_days() -> None:
    history = History(measured("outdoor_temperature_c", 3, 6.0).frame, foretold(0.8, ahead_h=24))
    told = (await TemperatureForecaster("Europe/Prague").forecast(TWO_DAYS, STATE, history))["outdoor_temperature_c"]
    assert told.source == "course of the last days"
