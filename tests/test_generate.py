"""Generated series: the same for a seed, plausible for the season."""

from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from pems_core.domain import QUARTER
from pems_core.simulation.generate import generated_days, generated_winter_days, generated_year
from pems_core.simulation.scenario import Scenario
from pems_core.tariff import D57D


@pytest.fixture(scope="module")
def year() -> Scenario:
    return generated_year(2025, seed=4)


def spot_eur_per_mwh(scenario: Scenario) -> "pd.Series[float]":
    feed_in = scenario.frame["feed_in_price_per_kwh"]
    return (feed_in + D57D.feed_in_margin_price_per_kwh) / 25 * 1000


def test_a_seed_gives_the_same_series_everywhere() -> None:
    """Written down once; a change means that pictures and results of the demo change."""
    frame = generated_winter_days(days=1, seed=1).frame
    afternoon = datetime(2025, 1, 14, 13, tzinfo=UTC)
    # Rounded to four digits; the last one is the mathematical library's.
    assert list(frame.loc[afternoon]) == pytest.approx([4.9432, 2.8163, 0.4145, 0.3386, 4.6609, 34.69], abs=2e-4)


def test_another_seed_gives_other_days() -> None:
    assert not generated_winter_days(seed=1).frame.equals(generated_winter_days(seed=2).frame)


def test_days_begin_and_end_at_local_midnight_also_when_clocks_change() -> None:
    scenario = generated_days(date(2025, 3, 30), 1, history_days=1, later_days=0)
    assert scenario.start == datetime(2025, 3, 28, 23, tzinfo=UTC)
    assert scenario.end == datetime(2025, 3, 30, 22, tzinfo=UTC)
    assert len(scenario.frame) == (24 + 23) * 4


def test_winter_days_have_history_before_and_days_after_them() -> None:
    scenario = generated_winter_days(date(2025, 1, 14), 3)
    assert scenario.step == QUARTER
    assert scenario.start == datetime(2025, 1, 13, 23, tzinfo=UTC) - timedelta(days=14)
    assert scenario.end == datetime(2025, 1, 16, 23, tzinfo=UTC) + timedelta(days=3)
    assert "generated with seed 1" in scenario.provenance
    assert scenario.name.startswith("generated")


def test_the_household_uses_what_was_asked_for(year: Scenario) -> None:
    inside = year.frame.loc["2025"]
    assert inside["base_load_kw"].sum() / 4 == pytest.approx(4000, rel=0.1)
    assert inside["base_load_kw"].between(0.05, 8).all()


def test_a_kwp_yields_what_it_does_in_moravia(year: Scenario) -> None:
    yearly_kwh_per_kwp = year.frame.loc["2025"]["pv_kw"].sum() / 4 / 13.5
    assert 850 < yearly_kwh_per_kwp < 1150


def test_nights_are_dark(year: Scenario) -> None:
    hour = pd.DatetimeIndex(year.frame.index).tz_convert("Europe/Prague").hour
    assert (year.frame.loc[hour == 0, ["pv_kw", "ghi_w_m2"]] == 0).all(axis=None)


@pytest.mark.parametrize(("month", "low_c", "high_c"), [("2025-01", -6, 4), ("2025-04", 5, 13), ("2025-07", 16, 24)])
def test_months_are_as_warm_as_they_are_in_moravia(year: Scenario, month: str, low_c: float, high_c: float) -> None:
    assert low_c < year.frame.loc[month]["outdoor_temperature_c"].mean() < high_c


def test_winter_evenings_are_dear_and_nights_cheap() -> None:
    scenario = generated_days(date(2025, 1, 7), 28, seed=3)
    spot = spot_eur_per_mwh(scenario)
    by_hour = spot.groupby(pd.DatetimeIndex(spot.index).tz_convert("Europe/Prague").hour).mean()
    assert by_hour[18] > by_hour[8] > by_hour[12] > by_hour[3]
    assert by_hour[18] - by_hour[3] > 50
    assert 70 < spot.mean() < 140


@pytest.mark.parametrize("seed", range(5))
def test_spring_has_negative_prices_around_noon(seed: int) -> None:
    spot = spot_eur_per_mwh(generated_days(date(2025, 5, 5), 14, seed=seed))
    negative = spot[spot < 0]
    hours = pd.DatetimeIndex(negative.index).tz_convert("Europe/Prague").hour
    assert 0.03 < len(negative) / len(spot) < 0.35
    assert ((hours >= 8) & (hours < 18)).mean() > 0.8
    assert spot.min() > -150
