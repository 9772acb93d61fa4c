"""Forecasts that are learned from a house's own history: a household, a roof, a market."""

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import numpy as np
import pandas as pd
import pytest
from pems_forecasters.learned import base_load, given, pv, spot_price
from pems_forecasters.learned.trees import CannotLearn, Trees, grow
from pems_forecasters.learned.wall_clock import Days, Places, ahead_of, issued, of_known

from pems_core.domain import HOUR, QUARTER, PvArray

PRAGUE = "Europe/Prague"
START = datetime(2025, 1, 6, tzinfo=UTC)


def hours(days: int, start: datetime = START) -> pd.DatetimeIndex:
    return pd.date_range(start, periods=24 * days, freq="h", tz="UTC")


def habitual(days: int, noise: float = 0.15, seed: int = 1) -> "pd.Series[float]":
    """Cooks in the evening, sleeps at night, is at home at weekends."""
    index = hours(days)
    local = index.tz_convert(PRAGUE)
    kw = 0.3 + 1.2 * local.hour.isin([18, 19, 20]) + 0.8 * (local.hour.isin(range(9, 17)) & (local.day_of_week >= 5))
    random = np.random.RandomState(seed)
    return pd.Series(np.asarray(kw) * np.exp(noise * random.standard_normal(len(index))), index=index)


def household(days: int) -> base_load.Household:
    return base_load.Household(Days.of(habitual(days), PRAGUE, HOUR))


@pytest.fixture(scope="module")
def ten_weeks() -> tuple[base_load.Household, base_load.LoadModel]:
    known = household(70)
    return known, base_load.train(known, 56)


class TestDays:
    def test_the_25_hour_day_keeps_the_second_of_its_doubled_hours(self) -> None:
        index = pd.date_range("2025-10-25T22:00Z", "2025-10-27T23:00Z", freq="h", inclusive="left")
        days = Days.of(pd.Series(np.arange(len(index), dtype=float), index=index), PRAGUE, HOUR)
        assert days.values[0, 1] == 1.0
        # 02:00 local comes twice, as the third and the fourth hour of the day.
        assert days.values[0, 2] == 3.0
        assert days.values[1, 0] == 25.0

    def test_the_23_hour_day_lacks_an_hour(self) -> None:
        index = pd.date_range("2025-03-29T23:00Z", "2025-03-31T22:00Z", freq="h", inclusive="left")
        days = Days.of(pd.Series(1.0, index=index), PRAGUE, HOUR)
        assert np.isnan(days.values[0, 2])
        assert np.isfinite(np.delete(days.values[0], 2)).all()

    def test_finds_the_place_of_an_instant_and_nothing_outside(self) -> None:
        days = Days.of(habitual(3), PRAGUE, QUARTER)
        day, slot = days.places(pd.DatetimeIndex([START + timedelta(hours=30, minutes=20)]))
        assert (day[0], slot[0]) == (1, 4 * 7 + 1)
        assert np.isnan(days.at(np.array([-1, 99]), np.array([0, 0]))).all()


class TestOfKnown:
    def test_is_what_numpy_says_where_something_was_measured_and_nan_elsewhere(self) -> None:
        values = np.array([[1.0, np.nan, 3.0], [np.nan] * 3])
        assert np.array_equal(of_known(np.nanmedian, values, axis=-1), [2.0, np.nan], equal_nan=True)
        assert np.isnan(of_known(np.nanmax, values[1]))
        low, high = of_known(partial(np.nanquantile, q=(0.0, 1.0)), values, axis=-1)
        assert (low[0], high[0]) == (1.0, 3.0)
        assert np.isnan([low[1], high[1]]).all()

    @pytest.mark.filterwarnings("error::RuntimeWarning")
    def test_nobody_is_warned_of_what_was_never_measured(self) -> None:
        # Forecasters work in threads, and the filters of warnings are those of the whole process.
        def works(lacking: str) -> None:
            load = habitual(63)
            load[hours(63).tz_convert(PRAGUE).hour == 3] = np.nan
            load[: 24 * 10] = np.nan
            days = Days.of(load, PRAGUE, HOUR)
            places = issued(days, 60, 63, 1)
            if lacking == "load":
                known = base_load.Household(days, Days.of(load * np.nan, PRAGUE, HOUR))
                base_load.train(known).predict(known, places)
            elif lacking == "price":
                spot_price.train(days).predict(days, places.day, places.slot, 59)
            else:
                supplied = given.Supplied(days, days.of_the_same(load * 0.9))
                given.train(supplied).predict(supplied, places)

        with ThreadPoolExecutor() as threads:
            list(threads.map(works, ("load", "price", "given")))


class TestTrees:
    def test_refuses_to_learn_from_a_handful_of_rows(self) -> None:
        with pytest.raises(CannotLearn, match="found 3 rows"):
            grow(np.zeros((3, 1)), np.zeros(3), ["one"])

    def test_is_the_same_from_the_same_rows_and_survives_being_kept(self) -> None:
        random = np.random.RandomState(1)
        table = random.standard_normal((2000, 2))
        target = table[:, 0] + random.standard_normal(2000)
        first, second = (grow(table, target, ["a", "b"], rounds=20) for _ in range(2))
        assert first == second
        kept = Trees.from_json(first.as_json())
        found = kept.predict(table)
        assert np.array_equal(found, first.predict(table))
        assert (np.diff(found, axis=1) >= 0).all()

    def test_says_what_is_missing_where_lightgbm_is_not_installed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "lightgbm", None)
        with pytest.raises(CannotLearn, match="pip install lightgbm"):
            base_load.train(household(40))


class TestBaseLoad:
    def test_knows_the_household_better_than_the_mean_of_a_week(
        self, ten_weeks: tuple[base_load.Household, base_load.LoadModel]
    ) -> None:
        known, model = ten_weeks
        places = issued(known.load, 56, 70, 1)
        truth, found = known.load.at(places.day, places.slot), model.predict(known, places)
        simple = known.profiles(places)[base_load.MEAN_OF_WEEK]
        assert np.nanmean(np.abs(found[:, 1] - truth)) < 0.8 * np.nanmean(np.abs(simple - truth))
        covered = np.mean((truth >= found[:, 0]) & (truth <= found[:, 2]))
        assert 0.7 < covered < 0.95
        assert (found >= 0).all()

    def test_says_how_the_methods_compared_on_the_houses_own_days(
        self, ten_weeks: tuple[base_load.Household, base_load.LoadModel]
    ) -> None:
        _, model = ten_weeks
        assert set(model.mae_kw) == set(base_load.METHODS)
        assert model.mae_kw[base_load.BLEND] <= model.mae_kw[base_load.MEAN_OF_WEEK]
        assert "trees" in model.method

    def test_a_busy_morning_counts_for_the_next_hours_and_not_for_tomorrow(self) -> None:
        series = habitual(70)
        # Visitors now and then: whole days of twice the load.
        days = np.arange(len(series)) // 24
        visited = np.random.RandomState(3).rand(70) < 0.3
        series = series * np.where(visited[days], 2.0, 1.0)
        quiet: pd.Series[float] = series.copy()
        busy: pd.Series[float] = series.copy()
        now = START + timedelta(days=69, hours=12)
        today = (series.index >= now - timedelta(hours=12)) & (series.index < now)
        quiet[today], busy[today] = habitual(70)[today], 2.0 * habitual(70)[today]
        soon, tomorrow = now + timedelta(hours=1), now + timedelta(hours=25)
        model = base_load.train(base_load.Household(Days.of(series, PRAGUE, HOUR)), 68)

        def expected(measured: "pd.Series[float]") -> list[float]:
            known = base_load.Household(Days.of(measured[measured.index < now], PRAGUE, HOUR, pd.Timestamp(now)))
            places = ahead_of(known.load, now, pd.DatetimeIndex([soon, tomorrow]))
            return [float(kw) for kw in model.predict(known, places)[:, 1]]

        (quiet_soon, quiet_tomorrow), (busy_soon, busy_tomorrow) = expected(quiet), expected(busy)
        assert busy_soon > 1.15 * quiet_soon
        assert abs(busy_tomorrow - quiet_tomorrow) < 0.5 * (busy_soon - quiet_soon)

    def test_what_came_later_teaches_nothing(self, ten_weeks: tuple[base_load.Household, base_load.LoadModel]) -> None:
        _, model = ten_weeks
        load = habitual(70)
        load.iloc[-13 * 24 :] *= 3.0
        assert base_load.train(base_load.Household(Days.of(load, PRAGUE, HOUR)), 56) == model

    def test_trees_are_asked_in_the_shares_in_which_they_learned(
        self, ten_weeks: tuple[base_load.Household, base_load.LoadModel]
    ) -> None:
        # A house that runs looks back some weeks only, which were quieter or busier than all that it learned from.
        known, model = ten_weeks
        days = Days.of(habitual(70)[-49 * 24 :], PRAGUE, HOUR)
        lately, later = base_load.Household(days), (days.first - known.load.first).days
        assert lately.mean_kw() != model.scale_kw == known.mean_kw(56)
        there, here = issued(known.load, 68, 69, 1), issued(days, 68 - later, 69 - later, 1)
        assert np.allclose(model.predict(known, there), model.predict(lately, here))

    def test_refuses_to_learn_from_two_weeks(self) -> None:
        with pytest.raises(CannotLearn, match="at least 21"):
            base_load.train(household(14))

    def test_survives_being_kept(self, ten_weeks: tuple[base_load.Household, base_load.LoadModel]) -> None:
        known, model = ten_weeks
        places = issued(known.load, 60, 61, 1)
        kept = base_load.LoadModel.from_json(model.as_json())
        assert np.array_equal(kept.predict(known, places), model.predict(known, places))


ROOF = pv.Roof((PvArray(5.0, 35.0, 180.0),), 49.2, 16.6, PRAGUE)


def sunny(days: int) -> tuple["pd.Series[float]", pd.DataFrame]:
    """A roof that a tree shades in the afternoon, under a sky that changes from day to day."""
    index = pd.date_range("2025-05-01", periods=48 * days, freq="30min", tz="UTC")
    sky = ROOF.sky(pd.DataFrame(index=index), timedelta(minutes=30))
    clouds = np.repeat(0.4 + 0.6 * np.random.RandomState(2).rand(days), 48)
    weather = pd.DataFrame({"ghi_w_m2": sky.clear["ghi"] * clouds, "outdoor_temperature_c": 15.0}, index=index)
    shaded = np.where(sky.position["azimuth"] > 220, 0.4, 1.0)
    dust = 1 + 0.05 * np.random.RandomState(5).standard_normal(len(index))
    return pd.Series(np.clip(ROOF.expected_kw(weather, sky) * shaded * dust, 0.0, None), index=index), weather


class TestPv:
    def test_learns_the_shade_that_physics_does_not_know(self) -> None:
        measured, weather = sunny(50)
        before = np.arange(len(measured)) < 48 * 40
        model = pv.train(ROOF, measured[before], weather[before], timedelta(minutes=30))
        lately = pv.share_of_expected(ROOF, measured, weather, timedelta(minutes=30))
        found = model.predict(ROOF, weather[~before], timedelta(minutes=30), lately)
        truth = measured[~before].to_numpy()
        physics = ROOF.expected_kw(weather[~before], ROOF.sky(weather[~before], timedelta(minutes=30)))
        assert np.sqrt(np.mean((found[:, 1] - truth) ** 2)) < 0.6 * np.sqrt(np.mean((physics - truth) ** 2))
        assert found.min() >= 0
        assert model.rmse_kw["learned"] < model.rmse_kw["physics"]

    def test_days_under_snow_teach_nothing(self) -> None:
        measured, weather = sunny(40)
        snowed = measured.copy()
        snowed.iloc[48 * 10 : 48 * 16] = 0.01
        step = timedelta(minutes=30)
        plain = pv.train(ROOF, measured, weather, step)
        white = pv.train(ROOF, snowed, weather, step)
        none = pd.Series(dtype=float, index=pd.DatetimeIndex([]))
        both = [model.predict(ROOF, weather[-96:], step, none)[:, 1] for model in (plain, white)]
        assert np.abs(both[0] - both[1]).max() < 0.35

    def test_never_gives_more_than_the_inverter(self) -> None:
        measured, weather = sunny(30)
        small = pv.Roof(ROOF.arrays, ROOF.latitude, ROOF.longitude, PRAGUE, limit_kw=2.0)
        step = timedelta(minutes=30)
        model = pv.train(small, measured.clip(upper=2.0), weather, step)
        none = pd.Series(dtype=float, index=pd.DatetimeIndex([]))
        assert model.predict(small, weather, step, none).max() <= 2.0


class TestSpotPrice:
    def test_knows_weekends_and_the_level_of_late_better_than_the_week_before(self) -> None:
        index = hours(200)
        local = index.tz_convert(PRAGUE)
        random = np.random.RandomState(4)
        level = np.repeat(np.cumsum(6 * random.standard_normal(200)), 24)
        course = 30 * np.isin(local.hour, [7, 8, 18, 19, 20]) - 25 * (local.day_of_week >= 5)
        prices = Days.of(
            pd.Series(80 + level + course + 4 * random.standard_normal(len(index)), index=index), PRAGUE, HOUR
        )
        model = spot_price.train(prices, 170)
        day, slot = (found.ravel() for found in np.meshgrid(np.arange(171, 199), np.arange(24), indexing="ij"))
        truth = prices.at(day, slot)
        found = np.concatenate([model.predict(prices, day[day == d], slot[day == d], d - 1) for d in range(171, 199)])
        assert np.mean(np.abs(found[:, 1] - truth)) < 0.8 * np.mean(np.abs(prices.at(day - 7, slot) - truth))
        assert (np.diff(found, axis=1) >= 0).all()

    def test_refuses_to_learn_from_a_month(self) -> None:
        with pytest.raises(CannotLearn, match="at least 56"):
            spot_price.train(Days.of(habitual(30), PRAGUE, HOUR))


class TestGiven:
    def test_what_it_puts_right_anyway_is_not_put_right_again_by_the_last_hour(self) -> None:
        """A supplier who says a third too little, and nothing of clouds that stay for hours."""
        index = hours(120)
        sun = np.clip(np.sin((index.hour.to_numpy() - 5) * np.pi / 14), 0, None) * (index.hour < 19)
        clouds = np.random.RandomState(1).choice([0.5, 1.0, 1.5], 120 * 4).repeat(6)
        came = pd.Series(3.0 * sun * clouds, index=index)
        said = Days.of(pd.Series(2.0 * sun, index=index), "UTC", HOUR)
        supplied = given.Supplied(said, said.of_the_same(came))
        model = given.train(supplied, 90)
        assert model.level > 0
        places = issued(said, 90, 120, 24)
        soon = places[(places.slot - places.issue_slot == 0) & ~supplied.dark(places)]
        truth, found = supplied.measured.at(soon.day, soon.slot), model.predict(supplied, soon)[:, 1]
        assert np.mean(found - truth) == pytest.approx(0.0, abs=0.03 * float(np.mean(truth)))
        later = places[(places.day == places.issue_day) & ~supplied.dark(places)]
        early = Places(later.issue_day, np.zeros_like(later.issue_slot), later.day, later.slot)
        at_midnight = model.predict(supplied, early)[:, 1]
        truth = supplied.measured.at(later.day, later.slot)
        assert np.mean(np.abs(model.predict(supplied, later)[:, 1] - truth)) < np.mean(np.abs(at_midnight - truth))

    def test_sun_after_dull_weeks_is_bounded_by_what_was_learned_and_not_by_these_weeks(self) -> None:
        """A supplier who says half; forecasters are shown the last weeks, models learn from all."""
        index = hours(121)
        sun = np.clip(np.sin((index.hour.to_numpy() - 5) * np.pi / 14), 0, None) * (index.hour < 19)
        day = np.arange(len(index)) // 24
        said = pd.Series(1.5 * sun * np.where((day >= 80) & (day < 120), 0.2, 0.6 + 0.4 * (day % 2 == 0)), index=index)
        came = (2 * said).where(day < 120)
        whole = Days.of(said[day < 120], "UTC", HOUR)
        model = given.Correction.from_json(given.train(given.Supplied(whole, whole.of_the_same(came))).as_json())
        assert model.most_kw == pytest.approx(float(came.max()))
        shown = Days.of(said[day >= 85], "UTC", HOUR)
        supplied = given.Supplied(shown, shown.of_the_same(came[day >= 85]))
        tomorrow = issued(shown, 35, 36, 1)
        found = model.predict(supplied, tomorrow)[:, 1]
        assert found[tomorrow.day == 35].max() > 1.2 * float(said.max())

    def test_what_is_learned_until_a_day_knows_nothing_of_the_most_after_it(self) -> None:
        index = hours(60)
        sun = np.clip(np.sin((index.hour.to_numpy() - 5) * np.pi / 14), 0, None) * (index.hour < 19)
        said = pd.Series(sun * np.where(np.arange(len(index)) // 24 < 50, 1.0, 3.0), index=index)
        days = Days.of(said, "UTC", HOUR)
        assert given.train(given.Supplied(days, days.of_the_same(said)), 50).most_kw == pytest.approx(1.0, rel=0.05)
