"""What the planner is told: how wrong it is, and that it knows nothing it cannot know."""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from pems_core.domain import HOUR, QUARTER, BadSeries, Horizon
from pems_core.simulation.generate import generated_days, generated_year
from pems_core.simulation.outlook import ForecastQuality, Outlook
from pems_core.simulation.scenario import Scenario

Errors = dict[str, npt.NDArray[np.float64]]

STEPS = 192
MORNING = datetime(2025, 4, 8, 6, tzinfo=UTC)
"""08:00 in Prague: today's prices are known."""
AFTERNOON = datetime(2025, 4, 8, 12, tzinfo=UTC)
"""14:00 in Prague: tomorrow's are, too."""


@pytest.fixture(scope="module")
def spring() -> Scenario:
    return generated_days(date(2025, 4, 7), 7, seed=5)


@pytest.fixture(scope="module")
def year() -> Scenario:
    return generated_year(2025, seed=4)


@pytest.fixture(scope="module")
def errors(year: Scenario) -> Errors:
    """Errors of realistic forecasts by series: one row a forecast, one column a quarter of lead."""
    outlook = Outlook(year, "realistic", seed=2)
    found: dict[str, list[npt.NDArray[np.float64]]] = {}
    for hours in range(0, 350 * 24, 31):
        now = year.start + timedelta(days=14, hours=hours)
        forecasts = outlook.forecasts(now, Horizon.uniform(now, QUARTER, STEPS))
        truth = year.frame.loc[now : now + STEPS * QUARTER - QUARTER]
        for name in forecasts.series:
            found.setdefault(name, []).append(np.asarray(forecasts[name]) - truth[name].to_numpy())
    return {name: np.asarray(rows) for name, rows in found.items()}


def mae(errors: npt.NDArray[np.float64], lead: timedelta) -> float:
    """Mean absolute error in the two hours around a lead."""
    at = lead // QUARTER
    return float(np.abs(errors[:, max(0, at - 4) : at + 4]).mean())


def rewritten_after(scenario: Scenario, instant: datetime) -> Scenario:
    """The same scenario with another future."""
    frame = scenario.frame.copy()
    later = frame.index >= instant
    frame.loc[later] = frame.loc[later] * 0.5 + 3.0
    return Scenario("rewritten", frame, scenario.step, "made up")


def test_perfect_forecasts_are_the_means_of_the_truth(spring: Scenario) -> None:
    now = MORNING + timedelta(minutes=5)
    horizon = Horizon(now, (timedelta(minutes=10), QUARTER, HOUR))
    load = spring.frame["base_load_kw"]
    expected = [load[MORNING], load[MORNING + QUARTER], load.loc[MORNING + 2 * QUARTER : MORNING + 5 * QUARTER].mean()]
    assert Outlook(spring, "perfect").forecasts(now, horizon)["base_load_kw"] == pytest.approx(expected)


@pytest.mark.parametrize("quality", [quality for quality in ForecastQuality if quality != "learned"])
def test_a_lengthening_horizon_agrees_with_a_uniform_one(spring: Scenario, quality: ForecastQuality) -> None:
    outlook = Outlook(spring, quality)
    fine = outlook.forecasts(MORNING, Horizon.uniform(MORNING, QUARTER, STEPS))
    lengthening = Horizon.lengthening(MORNING)
    coarse = outlook.forecasts(MORNING, lengthening)
    for name in fine.series:
        kept = np.dot(coarse[name], lengthening.step_h)
        assert kept == pytest.approx(sum(fine[name]) / 4, abs=1e-6)


def test_temperature_errors_are_as_large_as_a_weather_service_s(errors: Errors) -> None:
    assert mae(errors["outdoor_temperature_c"], HOUR) == pytest.approx(0.93, abs=0.12)
    assert mae(errors["outdoor_temperature_c"], 36 * HOUR) == pytest.approx(1.08, abs=0.12)


def test_day_ahead_pv_errors_are_10_to_12_percent_of_the_peak(errors: Errors, year: Scenario) -> None:
    day_ahead = errors["pv_kw"][:, 12 * 4 : 36 * 4]
    rmse_kw = float(np.sqrt((day_ahead**2).mean()))
    assert 0.10 < rmse_kw / year.frame["pv_kw"].max() < 0.12


def test_day_ahead_load_errors_are_45_percent_of_the_mean(errors: Errors, year: Scenario) -> None:
    day_ahead_kw = float(np.abs(errors["base_load_kw"][:, 12 * 4 : 36 * 4]).mean())
    assert day_ahead_kw / year.frame["base_load_kw"].mean() == pytest.approx(0.45, abs=0.04)


@pytest.mark.parametrize("name", ["pv_kw", "ghi_w_m2", "base_load_kw", "outdoor_temperature_c"])
def test_errors_shrink_as_the_time_comes_nearer(year: Scenario, name: str) -> None:
    outlook = Outlook(year, "realistic")
    sizes = []
    for lead in (24 * HOUR, 6 * HOUR, timedelta(0)):
        found = []
        for day in range(20, 340, 3):
            target = year.start + timedelta(days=day, hours=11)
            forecast = outlook.forecasts(target - lead, Horizon.uniform(target - lead, QUARTER, STEPS))
            found.append(abs(forecast[name][lead // QUARTER] - year.frame[name][target]))
        sizes.append(np.mean(found))
    assert sizes[0] > sizes[1] > sizes[2] > 0


def test_consecutive_cycles_tell_nearly_the_same(spring: Scenario) -> None:
    outlook = Outlook(spring, "realistic")
    earlier = outlook.forecasts(AFTERNOON, Horizon.uniform(AFTERNOON, QUARTER, STEPS))
    later = outlook.forecasts(AFTERNOON + QUARTER, Horizon.uniform(AFTERNOON + QUARTER, QUARTER, STEPS))
    for name, tolerance in [("pv_kw", 0.4), ("base_load_kw", 0.15), ("outdoor_temperature_c", 0.02)]:
        assert np.abs(np.asarray(earlier[name][1:]) - later[name][:-1]).max() < tolerance


def test_pv_is_never_forecast_at_night_nor_beyond_a_clear_sky(year: Scenario) -> None:
    now = year.start + timedelta(days=170)
    forecasts = Outlook(year, "realistic").forecasts(now, Horizon.uniform(now, QUARTER, STEPS))
    truth = year.frame.loc[now : now + STEPS * QUARTER - QUARTER]
    pv_kw, ghi = np.asarray(forecasts["pv_kw"]), np.asarray(forecasts["ghi_w_m2"])
    assert (ghi[pd.DatetimeIndex(truth.index).hour == 23] == 0).all()
    assert 0 < pv_kw.max() <= year.frame["pv_kw"].max()
    assert (pv_kw >= 0).all()


def test_a_seed_gives_the_same_errors_and_another_seed_others(spring: Scenario) -> None:
    horizon = Horizon.lengthening(MORNING)
    first, again, other = (Outlook(spring, seed=seed).forecasts(MORNING, horizon) for seed in (1, 1, 2))
    assert first["pv_kw"] == again["pv_kw"]
    assert first["pv_kw"] != other["pv_kw"]


@pytest.mark.parametrize("quality", ["realistic", "naive"])
@pytest.mark.parametrize(
    ("now", "known_until"),
    [
        (MORNING, datetime(2025, 4, 8, 22, tzinfo=UTC)),
        (datetime(2025, 4, 8, 10, 59, tzinfo=UTC), datetime(2025, 4, 8, 22, tzinfo=UTC)),
        (datetime(2025, 4, 8, 11, 0, tzinfo=UTC), datetime(2025, 4, 9, 22, tzinfo=UTC)),
    ],
    ids=["morning", "just before publication", "at publication"],
)
def test_prices_are_known_as_far_as_they_are_published(
    spring: Scenario, quality: str, now: datetime, known_until: datetime
) -> None:
    horizon = Horizon.uniform(now, QUARTER, STEPS)
    told = Outlook(spring, quality).forecasts(now, horizon)
    truth = Outlook(spring, "perfect").forecasts(now, horizon)
    known = horizon.steps_before(known_until - QUARTER)
    for name in ("import_price_per_kwh", "feed_in_price_per_kwh"):
        assert told[name][:known] == pytest.approx(truth[name][:known])
        assert told[name][known + 1 :] != pytest.approx(truth[name][known + 1 :])


@pytest.mark.parametrize("quality", ["realistic", "naive"])
def test_unpublished_prices_have_no_say(spring: Scenario, quality: str) -> None:
    horizon = Horizon.lengthening(MORNING)
    published_until = datetime(2025, 4, 8, 22, tzinfo=UTC)
    before = Outlook(spring, quality).forecasts(MORNING, horizon)
    after = Outlook(rewritten_after(spring, published_until), quality).forecasts(MORNING, horizon)
    for name in ("import_price_per_kwh", "feed_in_price_per_kwh"):
        assert after[name] == before[name]


def test_naive_forecasts_know_nothing_from_now_on(spring: Scenario) -> None:
    horizon = Horizon.lengthening(MORNING + timedelta(minutes=5))
    before = Outlook(spring, "naive").forecasts(horizon.start, horizon)
    after = Outlook(rewritten_after(spring, MORNING), "naive").forecasts(horizon.start, horizon)
    for name in ("pv_kw", "base_load_kw", "outdoor_temperature_c", "ghi_w_m2"):
        assert after[name] == before[name]


def test_naive_forecasts_are_yesterday_again(spring: Scenario) -> None:
    told = Outlook(spring, "naive").forecasts(MORNING, Horizon.uniform(MORNING, QUARTER, STEPS))
    yesterday = spring.frame.loc[MORNING - 24 * HOUR : MORNING - QUARTER]
    assert told["pv_kw"] == pytest.approx([*yesterday["pv_kw"], *yesterday["pv_kw"]])
    assert told["outdoor_temperature_c"] == pytest.approx([yesterday["outdoor_temperature_c"].iloc[-1]] * STEPS)


def test_the_day_before_is_the_same_wall_clock_when_clocks_change() -> None:
    scenario = generated_days(date(2025, 3, 30), 1, seed=1)
    now = datetime(2025, 3, 29, 23, tzinfo=UTC)
    told = Outlook(scenario, "naive").forecasts(now, Horizon.uniform(now, HOUR, 23))
    # 12:00 on the day with 23 hours is 10:00 UTC; the day before it was 11:00 UTC.
    noon_before = datetime(2025, 3, 29, 11, tzinfo=UTC)
    assert told["pv_kw"][11] == pytest.approx(scenario.frame["pv_kw"][noon_before : noon_before + 3 * QUARTER].mean())


@pytest.mark.parametrize("quality", ["realistic", "naive"])
def test_forecasts_in_the_scenario_come_first(spring: Scenario, quality: str) -> None:
    frame = spring.frame.assign(base_load_kw_forecast=0.77, import_price_per_kwh_forecast=5.5)
    scenario = Scenario("with forecasts", frame, spring.step, "made up")
    told = Outlook(scenario, quality).forecasts(MORNING, Horizon.lengthening(MORNING))
    assert told["base_load_kw"] == pytest.approx([0.77] * told.horizon.steps)
    assert told["import_price_per_kwh"] == pytest.approx([5.5] * told.horizon.steps)


def test_carbon_intensity_is_repeated_from_the_day_before(spring: Scenario) -> None:
    carbon = pd.DatetimeIndex(spring.frame.index).day_of_year * 10.0
    scenario = Scenario("with carbon", spring.frame.assign(carbon_g_per_kwh=carbon), spring.step, "made up")
    midnight = datetime(2025, 4, 8, tzinfo=UTC)
    told = Outlook(scenario).forecasts(midnight, Horizon.uniform(midnight, HOUR, 24))
    assert set(told["carbon_g_per_kwh"]) == {midnight.timetuple().tm_yday * 10.0 - 10}


def test_a_horizon_may_reach_beyond_the_scenario(spring: Scenario) -> None:
    now = spring.end - HOUR
    told = Outlook(spring, "perfect").forecasts(now, Horizon.uniform(now, HOUR, 48))
    day = spring.frame["base_load_kw"].iloc[-96:]
    assert told["base_load_kw"][1] == pytest.approx(day.iloc[:4].mean())


def test_a_horizon_outside_the_scenario_is_refused(spring: Scenario) -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    with pytest.raises(BadSeries, match="a horizon begins at 2024"):
        Outlook(spring).forecasts(now, Horizon.lengthening(now))


def test_naive_forecasts_need_something_measured(spring: Scenario) -> None:
    with pytest.raises(BadSeries, match="needs rows before the start"):
        Outlook(spring, "naive").forecasts(spring.start, Horizon.lengthening(spring.start))


def test_realistic_forecasts_work_from_the_first_row(spring: Scenario) -> None:
    now = spring.start + 9 * HOUR
    part = spring.between(now, spring.end)
    assert Outlook(part).forecasts(now, Horizon.lengthening(now)).horizon.start == now
