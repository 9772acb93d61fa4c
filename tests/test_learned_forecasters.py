"""Learned PV and prices in the chain of forecasters: what they answer, and when the next has its turn."""

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pems_forecasters.learned.forecasters import LearnedLoad
from pems_forecasters.learned.given_forecaster import SuppliedPv
from pems_forecasters.learned.price_forecaster import LearnedPrice
from pems_forecasters.learned.pv import Roof
from pems_forecasters.learned.pv_forecaster import LearnedPv
from pems_forecasters.prices import FEED_IN, IMPORT, SPOT, PriceForecaster
from pems_forecasters.sun import GHI, PV, SunForecaster
from pems_forecasters.supplied import AsSupplied

from pems_core.domain import HOUR, QUARTER, History, Horizon, PemsError, PvArray, SiteState
from pems_core.forecasting.chain import ask, ranked
from pems_core.forecasting.sun import Sky, pv_kw
from pems_core.learning.registry import ModelRegistry
from pems_core.learning.training import adopt, train
from pems_core.protocols import Forecaster, Learner
from pems_core.tariff import Tariff

PRAGUE = "Europe/Prague"
ARRAYS = (PvArray(5.0, 35.0, 180.0),)
ROOF = Roof(ARRAYS, 49.2, 16.6, PRAGUE)
NOON = datetime(2025, 6, 20, 10, tzinfo=UTC)
DAYS = 50
AHEAD = Horizon.uniform(NOON, HOUR, 36)
STATE = SiteState(NOON, {})
TARIFF = Tariff(distribution_price_per_kwh=2.0, vat=0.21, timezone=PRAGUE)


def shaded_roof() -> pd.DataFrame:
    """A roof that a tree shades in the afternoon under changing skies, and its weather, until three days after noon."""
    index = pd.date_range(NOON - timedelta(days=DAYS), NOON + timedelta(days=3), freq=QUARTER, inclusive="left")
    sky = Sky.at(index, QUARTER, ROOF.latitude, ROOF.longitude)
    random = np.random.RandomState(2)
    clouds = pd.Series(0.3 + 0.7 * random.rand(DAYS + 4), index=range(DAYS + 4))
    ghi = sky.clear["ghi"] * clouds.reindex((index - index[0]).days).to_numpy()
    physics = pv_kw(ARRAYS, sky, sky.split(ghi), pd.Series(15.0, index=index))
    shade = np.where(sky.position["azimuth"] > 220, 0.4, 1.0)
    noise = 1 + 0.05 * random.standard_normal(len(index))
    return pd.DataFrame({PV: physics * shade * noise, GHI: ghi, "physics": physics}, index=index)


@pytest.fixture(scope="module")
def roof() -> pd.DataFrame:
    return shaded_roof()


@pytest.fixture(scope="module")
def pv_model(roof: pd.DataFrame) -> LearnedPv:
    forecaster = LearnedPv(ROOF)
    forecaster.adopt(json.loads(json.dumps(forecaster.learn(known(roof)).content)))
    return forecaster


def known(roof: pd.DataFrame, now: datetime = NOON) -> History:
    """PV as it was measured before a moment, and the sun as services say it."""
    measured = roof.loc[roof.index < now, [PV]]
    return History(measured, roof[[GHI]].assign(outdoor_temperature_c=15.0))


def prices(days: int = 140) -> History:
    """Cheap at weekends, dear in the evening; published until the end of tomorrow."""
    end = datetime(2025, 6, 20, 22, tzinfo=UTC)
    index = pd.date_range(end - timedelta(days=days), end, freq=HOUR, inclusive="left")
    local, random = index.tz_convert(PRAGUE), np.random.RandomState(3)
    level = np.repeat(np.cumsum(0.3 * random.standard_normal(days + 1)), 24)[: len(index)]
    course = 2.0 + 1.0 * np.isin(local.hour, [18, 19, 20]) - 1.0 * (local.day_of_week >= 5) + level
    return History(pd.DataFrame({SPOT: course + 0.05 * random.standard_normal(len(index))}, index=index))


class TestPv:
    def test_knows_the_shade_and_says_how_sure_it_is(self, roof: pd.DataFrame, pv_model: LearnedPv) -> None:
        answer = pv_model.expected(AHEAD, STATE, known(roof))[PV]
        hours = roof[[PV, "physics"]].resample(HOUR).mean().reindex(pd.DatetimeIndex(AHEAD.starts))
        learned = np.abs(np.array(answer.values) - hours[PV]).mean()
        assert learned < 0.5 * np.abs(hours["physics"] - hours[PV]).mean()
        low, high = (np.array(answer.quantiles[q]) for q in (0.1, 0.9))
        assert ((low <= answer.values) & (answer.values <= high)).all()
        assert "learned from this roof" in answer.source

    def test_begins_at_what_the_roof_gives_now_and_forgets_it_by_tomorrow(
        self, roof: pd.DataFrame, pv_model: LearnedPv
    ) -> None:
        dark = roof.copy()
        dark.loc[(dark.index >= NOON - 2 * HOUR) & (dark.index < NOON), PV] *= 0.5
        usual, dimmed = (np.array(pv_model.expected(AHEAD, STATE, known(r))[PV].values) for r in (roof, dark))
        assert dimmed[0] < 0.7 * usual[0]
        assert dimmed[24] > 0.95 * usual[24]

    def test_a_morning_without_pv_says_nothing_of_tomorrow(self, roof: pd.DataFrame, pv_model: LearnedPv) -> None:
        off = roof.copy()
        off.loc[(off.index >= NOON - 8 * HOUR) & (off.index < NOON - 2 * HOUR), PV] = 0.0
        usual, after = (pv_model.expected(AHEAD, STATE, known(r))[PV].values for r in (roof, off))
        assert usual == after

    def test_says_the_same_of_an_hour_however_far_it_is_asked_to_look(
        self, roof: pd.DataFrame, pv_model: LearnedPv
    ) -> None:
        # The longer horizon ends in the middle of the day after tomorrow, the shorter in that of tomorrow.
        whole = pv_model.expected(Horizon.uniform(NOON, HOUR, 48), STATE, known(roof))[PV].values
        short = pv_model.expected(Horizon.uniform(NOON, HOUR, 22), STATE, known(roof))[PV].values
        assert whole[:22] == short

    def test_lets_the_next_answer_where_nobody_says_what_the_sun_will_be(
        self, roof: pd.DataFrame, pv_model: LearnedPv
    ) -> None:
        blind = History(known(roof).frame)
        assert pv_model.expected(AHEAD, STATE, blind) == {}

    def test_a_roof_without_weather_cannot_be_learned(self, roof: pd.DataFrame) -> None:
        with pytest.raises(PemsError, match="found no ghi_w_m2"):
            LearnedPv(ROOF).learn(History(known(roof).frame))

    def test_is_learned_from_measured_sun_where_no_service_was_asked(self, roof: pd.DataFrame) -> None:
        measured = History(roof.loc[roof.index < NOON, [PV, GHI]])
        learned = LearnedPv(ROOF).learn(measured)
        assert learned.metrics["rmse_kw"] < learned.metrics["rmse_kw of physics"]

    def test_is_done_without_if_physics_was_better(self, roof: pd.DataFrame, pv_model: LearnedPv) -> None:
        assert pv_model._known is not None
        content = {**pv_model._known.as_json(), "rmse_kw": {"physics": 0.1, "learned": 0.2}}
        worse = LearnedPv(ROOF)
        worse.adopt(content)
        assert worse.expected(AHEAD, STATE, known(roof)) == {}


@pytest.fixture(scope="module")
def price_model() -> LearnedPrice:
    forecaster = LearnedPrice(TARIFF, PRAGUE)
    forecaster.adopt(json.loads(json.dumps(forecaster.learn(prices()).content)))
    return forecaster


class TestPrice:
    def test_keeps_what_is_published_and_foresees_the_weekend_after_it(self, price_model: LearnedPrice) -> None:
        history = prices()
        answer = price_model.expected(AHEAD, STATE, history)
        assert set(answer) == {IMPORT, FEED_IN}
        feed_in, published = answer[FEED_IN], history.series(SPOT)
        assert feed_in.values[:12] == pytest.approx(published.reindex(pd.DatetimeIndex(AHEAD.starts[:12])).to_numpy())
        # The 21st is a Saturday; the same hours of Friday were dearer.
        friday, saturday = np.mean(feed_in.values[2:10]), np.mean(feed_in.values[26:34])
        assert saturday < friday - 0.2
        assert answer[IMPORT].values[0] == pytest.approx((feed_in.values[0] + 2.0) * 1.21)

    def test_what_is_published_is_sure_and_what_is_not_is_not(self, price_model: LearnedPrice) -> None:
        quantiles = price_model.expected(AHEAD, STATE, prices())[IMPORT].quantiles
        widths = np.subtract(quantiles[0.9], quantiles[0.1])
        assert widths[:12] == pytest.approx(0.0)
        assert (widths[12:] > 0).all()


def warmed_by_an_air_conditioner(cold_tomorrow: bool) -> History:
    """A household that heats a room with 0.1 kW a kelvin below 15 °C, on days that are cold or warm by chance."""
    index = pd.date_range(NOON - timedelta(days=60), NOON + timedelta(days=3), freq=QUARTER, inclusive="left")
    random = np.random.RandomState(6)
    day = (index - index[0]).days.to_numpy()
    air = random.uniform(-5.0, 15.0, day.max() + 1)
    air[60:] = -5.0 if cold_tomorrow else 15.0
    told = pd.DataFrame({"outdoor_temperature_c": air[day]}, index=index)
    kw = 0.3 + 0.1 * (15.0 - air[day]) + 0.05 * random.rand(len(index))
    measured = pd.DataFrame({"base_load_kw": kw}, index=index)
    return History(measured[measured.index < NOON], told)


def test_base_load_follows_the_temperature_that_is_foretold() -> None:
    forecaster = LearnedLoad(PRAGUE)
    forecaster.adopt(json.loads(json.dumps(forecaster.learn(warmed_by_an_air_conditioner(False)).content)))
    cold, warm = (
        np.mean(forecaster.expected(AHEAD, STATE, warmed_by_an_air_conditioner(c))["base_load_kw"].values[12:])
        for c in (True, False)
    )
    assert cold > warm + 0.5


class TestSuppliedPv:
    """Somebody foretells PV: half of it, and an hour early."""

    def known(self, roof: pd.DataFrame, now: datetime = NOON) -> History:
        told = (0.5 * roof["physics"]).shift(-4).fillna(0.0)
        return History(roof.loc[roof.index < now, [PV]], pd.DataFrame({PV: told}))

    def test_is_used_as_it_was_said_on_the_first_day(self, roof: pd.DataFrame) -> None:
        chain = ranked([SunForecaster(ARRAYS, 49.2, 16.6), AsSupplied(), SuppliedPv(PRAGUE)])
        answer = asyncio.run(ask(chain, AHEAD, STATE, self.known(roof))).forecasts.series[PV]
        assert answer.source == "supplied, as it was said"
        said = self.known(roof).outlook(PV).resample(HOUR).mean().reindex(pd.DatetimeIndex(AHEAD.starts))
        assert answer.values == pytest.approx(said.to_numpy())

    def test_is_put_right_by_what_became_of_it(self, roof: pd.DataFrame) -> None:
        history, forecaster = self.known(roof), SuppliedPv(PRAGUE)
        learned = forecaster.learn(history)
        assert learned.metrics["mae_kw"] < 0.5 * learned.metrics["mae_kw of given"]
        forecaster.adopt(json.loads(json.dumps(learned.content)))
        answer = forecaster.expected(AHEAD, STATE, history)[PV]
        assert "corrected" in answer.source
        hours = roof[PV].resample(HOUR).mean().reindex(pd.DatetimeIndex(AHEAD.starts))
        said = history.outlook(PV).resample(HOUR).mean().reindex(hours.index)
        assert np.abs(np.array(answer.values) - hours).mean() < 0.5 * np.abs(said - hours).mean()
        by_night = [kw for start, kw in zip(AHEAD.starts, answer.values, strict=True) if start.hour in (22, 23, 0)]
        assert by_night == [0.0] * len(by_night)

    def test_lets_the_next_answer_where_nobody_supplies_anything(self, roof: pd.DataFrame) -> None:
        assert SuppliedPv(PRAGUE).expected(AHEAD, STATE, known(roof)) == {}
        with pytest.raises(PemsError, match="found nobody who foretells it"):
            SuppliedPv(PRAGUE).learn(known(roof))


class TestChain:
    def test_what_was_learned_comes_before_what_is_true_of_any_house(self) -> None:
        chain = ranked([SunForecaster(ARRAYS, 49.2, 16.6), LearnedPv(ROOF), PriceForecaster(TARIFF)])
        assert [f.name for f in chain] == ["pv_learned", "clear_sky", "published_prices"]

    def test_each_is_a_learner_with_a_model_of_its_own(self) -> None:
        learners: list[Learner] = [
            LearnedPv(ROOF),
            SuppliedPv(PRAGUE),
            LearnedPrice(TARIFF, PRAGUE),
            LearnedLoad(PRAGUE),
        ]
        assert all(isinstance(learner, Learner) for learner in learners)
        assert len({learner.model for learner in learners}) == 4

    def test_is_trained_kept_used_and_done_without_when_its_file_is_broken(
        self, roof: pd.DataFrame, tmp_path: Path
    ) -> None:
        registry, forecaster = ModelRegistry(tmp_path), LearnedPv(ROOF)
        chain: list[Forecaster] = [forecaster, SunForecaster(ARRAYS, ROOF.latitude, ROOF.longitude)]

        def source() -> str:
            answer = asyncio.run(ask(chain, AHEAD, STATE, known(roof)))
            assert answer.faults == ()
            return answer.forecasts.series[PV].source

        # From the first day, without any history of production.
        assert "weather services" in source()
        [outcome] = train([forecaster], known(roof), registry, NOON)
        assert "version 1 foresees in shadow" in outcome.said
        registry.use(PV, 1, NOON, "tester", "")
        assert adopt([forecaster], registry) == []
        assert "learned from this roof" in source()
        (tmp_path / "pv_kw-1.json").write_text("{}", encoding="utf-8")
        (fault,) = adopt([forecaster], registry)
        assert "pv_kw-1.json: found another checksum" in fault
        assert "weather services" in source()

    def test_without_lightgbm_that_is_told_and_the_simple_forecast_answers(
        self, roof: pd.DataFrame, pv_model: LearnedPv, price_model: LearnedPrice, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "lightgbm", None)
        for known_model, without in ((pv_model, LearnedPv(ROOF)), (price_model, LearnedPrice(TARIFF, PRAGUE))):
            assert known_model._known is not None
            with pytest.raises(PemsError, match="pip install lightgbm"):
                without.adopt(json.loads(json.dumps(known_model._known.as_json())))
            chain: list[Forecaster] = [without, SunForecaster(ARRAYS, 49.2, 16.6), PriceForecaster(TARIFF)]
            answer = asyncio.run(ask(chain, AHEAD, STATE, known(roof)))
            assert answer.faults == ()
            assert "weather services" in answer.forecasts.series[PV].source

    def test_trees_that_cannot_be_read_are_told(self, pv_model: LearnedPv) -> None:
        assert pv_model._known is not None
        content = pv_model._known.as_json()
        content["trees"] = {**pv_model._known.trees.as_json(), "boosters": {"0.5": "no trees"}}
        with pytest.raises(PemsError, match="found no trees"):
            LearnedPv(ROOF).adopt(content)
