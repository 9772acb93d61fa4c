"""The reference house on recorded data."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from pems_core.domain import HOUR, QUARTER, BadSeries
from pems_core.simulation import recorded_sets
from pems_core.simulation.recordings import WEEKS, filled_from_weeks, recorded_house, recorded_week, spot_prices
from pems_core.simulation.scenario import Scenario

recorded = pytest.mark.recordings
PRAGUE = ZoneInfo("Europe/Prague")


def the_week(name: str, folder: Path) -> tuple[Scenario, Scenario]:
    """A recorded week with its surroundings, and the week alone."""
    whole = recorded_week(name, folder)
    return whole, whole.between(whole.start + timedelta(days=14), whole.end - timedelta(days=3))


def test_without_recordings_the_variable_is_named() -> None:
    with pytest.raises(BadSeries, match=r"PEMS_DATA is not set; expected: a folder with .*prices_de_lu"):
        recorded_sets.data_folder({})


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadSeries, match="nowhere, which is no folder"):
        recorded_sets.data_folder({"PEMS_DATA": str(tmp_path / "nowhere")})
    with pytest.raises(BadSeries, match=r"where citylearn_2022_fontana, .* is missing"):
        recorded_sets.data_folder({"PEMS_DATA": str(tmp_path)})


def test_a_missing_recording_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadSeries, match=r"dev_de_lu_2020_2024.csv.gz is missing; PEMS_DATA names"):
        recorded_sets.prices_de_lu(tmp_path)


def test_missing_load_is_taken_from_the_week_before_or_after() -> None:
    week = timedelta(weeks=1) // timedelta(minutes=30)
    season = pd.Series(np.arange(26 * week, dtype=float))
    season[[5, week + 7]] = np.nan
    filled = filled_from_weeks(season)
    assert filled[5] == 5 + week
    assert filled[week + 7] == 7


@recorded
@pytest.mark.parametrize("name", list(WEEKS))
def test_a_recorded_week_has_history_before_and_days_after_it(name: str, recordings: Path) -> None:
    whole, week = the_week(name, recordings)
    assert week.start == datetime.combine(WEEKS[name].start, time(), PRAGUE)
    assert week.end - week.start == timedelta(days=7)
    assert whole.step == QUARTER
    assert "SMARD.de" in whole.provenance
    assert "NSRDB" in whole.provenance


@recorded
def test_each_week_is_what_it_was_chosen_for(recordings: Path) -> None:
    frames = {name: the_week(name, recordings)[1].frame for name in WEEKS}
    mean_c = {name: frame["outdoor_temperature_c"].mean() for name, frame in frames.items()}
    hours_paid_for_export = {name: (f["feed_in_price_per_kwh"] < -0.35).sum() / 4 for name, f in frames.items()}
    assert mean_c["winter"] < 0
    assert mean_c["late_winter"] < 0
    assert mean_c["summer"] > 22
    assert hours_paid_for_export["spring"] == 20
    assert frames["spring"]["feed_in_price_per_kwh"].min() == pytest.approx(-135.45 * 0.025 - 0.35, abs=0.01)
    assert frames["summer"]["pv_kw"].sum() > 3 * frames["winter"]["pv_kw"].sum()


@recorded
def test_the_household_uses_3_to_6_mwh_a_year_without_seasons(recordings: Path) -> None:
    year = recorded_house(date(2024, 1, 15), 337, recordings).frame["base_load_kw"]
    assert 3000 < year.mean() * 8766 < 6000
    by_quarter = year.groupby(pd.DatetimeIndex(year.index).quarter).mean()
    assert by_quarter.max() < 1.25 * by_quarter.min()


@recorded
def test_load_keeps_its_local_time_of_day_and_weekday(recordings: Path) -> None:
    whole = recorded_house(date(2024, 5, 13), 7, recordings)
    source = recorded_sets.emhass_home(recordings)["load_kw"]
    monday_evening = datetime(2024, 5, 13, 17, tzinfo=UTC)
    scale = whole.frame["base_load_kw"][monday_evening] / source[monday_evening]
    six_hours = slice(monday_evening, monday_evening + 6 * HOUR)
    assert whole.frame["base_load_kw"].loc[six_hours].iloc[::2].to_numpy() == pytest.approx(
        source.loc[six_hours].to_numpy() * scale, abs=1e-3
    )
    november = recorded_house(date(2024, 11, 11), 7, recordings).frame["base_load_kw"]
    # Half a year later the same Monday, an hour later in UTC, as clocks have gone back.
    assert november[datetime(2024, 11, 11, 18, tzinfo=UTC)] == whole.frame["base_load_kw"][monday_evening]


@recorded
def test_weather_is_that_of_the_same_calendar_day(recordings: Path) -> None:
    recorded_weather = recorded_sets.weather(recordings)
    frame = recorded_house(date(2024, 2, 28), 3, recordings).frame
    temperature = recorded_weather["outdoor_temperature_c"]
    for month, day in [(2, 28), (3, 1)]:
        expected = temperature[datetime(2019, month, day, 12, tzinfo=UTC)]
        assert frame["outdoor_temperature_c"][datetime(2024, month, day, 12, tzinfo=UTC)] == expected
    leap_day = frame["outdoor_temperature_c"][datetime(2024, 2, 29, 12, tzinfo=UTC)]
    assert leap_day == temperature[datetime(2019, 2, 28, 12, tzinfo=UTC)]


@recorded
def test_pv_follows_the_recorded_sun(recordings: Path) -> None:
    frame = recorded_house(date(2024, 7, 1), 28, recordings).frame
    assert frame["pv_kw"].corr(frame["ghi_w_m2"]) > 0.95
    assert (frame["pv_kw"][frame["ghi_w_m2"] == 0] < 0.05).all()
    assert 9 < frame["pv_kw"].max() < 13.5


@recorded
def test_an_hourly_price_holds_for_its_quarters_and_a_quarterly_one_for_itself(recordings: Path) -> None:
    hourly = spot_prices(recordings, pd.date_range("2024-05-06T22:00Z", periods=8, freq=QUARTER, unit="us"))
    assert hourly.iloc[:4].nunique() == 1
    assert hourly.iloc[0] != hourly.iloc[4]
    quarterly = spot_prices(recordings, pd.date_range("2025-11-24T06:00Z", periods=4, freq=QUARTER, unit="us"))
    assert quarterly.nunique() == 4


@recorded
def test_days_without_recorded_prices_are_refused(recordings: Path) -> None:
    with pytest.raises(BadSeries, match=r"2025-02-14T23:00Z to .* is needed; recorded: 2019-12-31T23:00Z to"):
        recorded_house(date(2025, 3, 1), 7, recordings)


@recorded
def test_every_set_reads_as_a_tidy_frame(recordings: Path) -> None:
    frames = {
        "aachen": recorded_sets.weather(recordings, "aachen"),
        "potsdam": recorded_sets.weather(recordings, "potsdam"),
        "emhass": recorded_sets.emhass_home(recordings),
        "fontana": recorded_sets.fontana_homes(recordings),
        "fontana surroundings": recorded_sets.fontana_surroundings(recordings),
        "vermont": recorded_sets.vermont_homes(recordings),
        "vermont weather": recorded_sets.vermont_weather(recordings),
        "dwelling": recorded_sets.dwelling(recordings, 2),
        "pvdaq": recorded_sets.pvdaq_power(recordings).to_frame(),
        "pvdaq weather": recorded_sets.pvdaq_weather(recordings),
        "twin house": recorded_sets.twin_house(recordings),
    }
    for name, frame in frames.items():
        assert isinstance(frame.index, pd.DatetimeIndex), name
        assert str(frame.index.tz) == "UTC", name
        assert len(frame) > 4000, name
    assert frames["pvdaq"]["pv_kw"].max() == pytest.approx(3.4, abs=0.1)
    assert frames["fontana surroundings"]["carbon_g_per_kwh"].mean() == pytest.approx(156, abs=60)


@recorded
def test_optimizer_cases_cost_what_their_source_says(recordings: Path) -> None:
    cases = recorded_sets.optimizer_cases(recordings)
    assert len(cases) == 15
    for case in cases:
        cost = float(case.import_price_per_kwh @ case.base_load_kw) * (case.step / HOUR)
        assert cost == pytest.approx(case.cost_without_battery_and_pv, rel=1e-4), case.name
        assert case.battery.soc_min - 1e-9 <= case.initial_soc <= 1 + 1e-9, case.name
