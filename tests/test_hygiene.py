"""Bad input: each kind is found, named and left out, and what is sound stays untouched."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pems_core.domain import HOUR, QUARTER, BadSeries, PvArray
from pems_core.forecasting.hygiene import House, Wrong, cleaned
from pems_core.forecasting.sun import Sky, pv_kw
from pems_core.simulation.recorded_sets import CLEAN_FONTANA_HOMES, emhass_home, fontana_homes

PRAGUE = "Europe/Prague"
ARRAYS = (PvArray(7.0, 35.0, 226.0), PvArray(6.5, 35.0, 136.0))
HOUSE = House(PRAGUE, 49.2, 16.6, ARRAYS)
BEGIN = datetime(2025, 2, 10, tzinfo=UTC)


def sound(days: int = 90) -> pd.DataFrame:
    """Quarter hours of a house over a change to summer time: PV under passing clouds, people who live by the clock."""
    random = np.random.RandomState(3)
    index = pd.date_range(BEGIN, BEGIN + timedelta(days=days), freq=QUARTER, inclusive="left", unit="us")
    sky = Sky.at(index, QUARTER, 49.2, 16.6)
    clouds = 0.3 + 0.7 * random.rand(len(index))
    air = pd.Series(8.0, index=index)
    hour = np.asarray(index.tz_convert(PRAGUE).hour)
    habit = np.where((hour >= 6) & (hour < 8), 0.9, np.where((hour >= 17) & (hour < 21), 1.6, 0.3))
    return pd.DataFrame(
        {
            "base_load_kw": habit * (0.6 + 0.8 * random.rand(len(index))),
            "pv_kw": pv_kw(ARRAYS, sky, sky.clear, air) * clouds,
            "outdoor_temperature_c": 8 + 5 * np.sin(2 * np.pi * (hour - 9) / 24) + random.randn(len(index)),
        },
        index=index,
    )


def test_what_is_sound_stays_as_it_is() -> None:
    frame = sound()
    result = cleaned(frame, HOUSE)
    assert result.findings == ()
    pd.testing.assert_frame_equal(result.frame, frame, check_freq=False)


def test_what_is_not_a_number_is_named_with_its_place() -> None:
    frame = sound(20)
    frame.iloc[100:104, 0] = np.nan
    frame.iloc[200, 0] = np.inf
    result = cleaned(frame, HOUSE)
    (finding,) = result.of(Wrong.NOT_A_NUMBER)
    assert (finding.series, finding.left_out) == ("base_load_kw", 5)
    assert finding.since == frame.index[100].to_pydatetime()
    assert "5 of 1920 values; allowed: finite numbers" in str(finding)
    assert np.isfinite(result.frame["base_load_kw"].dropna()).all()


@pytest.mark.parametrize(
    ("series", "hours"), [("base_load_kw", 10), ("outdoor_temperature_c", 14), ("pv_kw", 4)], ids=str
)
def test_a_stuck_sensor_is_left_out_for_as_long_as_it_was_stuck(series: str, hours: int) -> None:
    frame = sound(20)
    since = datetime(2025, 2, 14, 9, tzinfo=UTC)
    until = since + hours * HOUR
    during = (frame.index >= since) & (frame.index < until)
    frame.loc[during, series] = 1.234
    result = cleaned(frame, HOUSE)
    (finding,) = result.of(Wrong.STUCK)
    assert (finding.series, finding.since, finding.until) == (series, since, until)
    assert f"1.234 for {hours}.0 h; allowed" in finding.text
    assert result.frame.loc[during, series].isna().all()
    assert result.frame.loc[~during, series].notna().all()


def test_the_same_value_before_and_after_a_gap_is_not_stuck() -> None:
    frame = sound(20)
    since, until = datetime(2025, 2, 13, tzinfo=UTC), datetime(2025, 2, 14, tzinfo=UTC)
    frame.loc[[since - QUARTER, until], "base_load_kw"] = 0.5
    assert cleaned(frame[(frame.index < since) | (frame.index >= until)], HOUSE).of(Wrong.STUCK) == ()


def test_an_inverter_at_its_limit_is_not_stuck() -> None:
    frame = sound(20)
    frame["pv_kw"] = frame["pv_kw"].clip(upper=0.25)
    assert cleaned(frame, HOUSE).of(Wrong.STUCK) == ()


def test_a_coarse_meter_is_not_stuck() -> None:
    frame = sound(30)
    frame["base_load_kw"] = np.floor(frame["base_load_kw"])
    assert cleaned(frame, HOUSE).of(Wrong.STUCK) == ()


def test_a_gap_of_days_is_told() -> None:
    frame = sound(20)
    since, until = datetime(2025, 2, 13, tzinfo=UTC), datetime(2025, 2, 16, 12, tzinfo=UTC)
    result = cleaned(frame[(frame.index < since) | (frame.index >= until)], HOUSE)
    gaps = result.of(Wrong.GAP)
    assert {gap.series for gap in gaps} == set(frame.columns)
    assert {(gap.since, gap.until, gap.text) for gap in gaps} == {(since, until, "nothing was measured for 3.5 days")}


def test_of_equal_rows_one_is_kept_and_of_contradicting_ones_none() -> None:
    frame = sound(20)
    other = frame.iloc[50:52] + 1.0
    doubled = pd.concat([frame, frame.iloc[10:14], other]).sort_index(kind="stable")
    result = cleaned(doubled, HOUSE)
    (finding,) = result.of(Wrong.TWICE)
    assert finding.series == ""
    assert result.frame.index.is_unique
    assert set(frame.index) - set(result.frame.index) == set(frame.index[50:52])
    pd.testing.assert_frame_equal(result.frame, frame.drop(frame.index[50:52]), check_freq=False)


def test_shuffled_rows_are_sorted_and_told() -> None:
    frame = sound(20)
    result = cleaned(frame.sample(frac=1.0, random_state=1), HOUSE)
    (finding,) = result.of(Wrong.OUT_OF_ORDER)
    assert "rows are earlier than the row before" in finding.text
    pd.testing.assert_frame_equal(result.frame, frame, check_freq=False)


def hour_off_in_summer(frame: pd.DataFrame, hours: int) -> pd.DataFrame:
    """As a recorder writes it that takes summer time for standard time, or turns the clock twice."""
    changed = datetime(2025, 3, 30, 1, tzinfo=UTC)
    labels = pd.DatetimeIndex([at + hours * HOUR if at >= changed else at for at in frame.index])
    shifted = frame.set_axis(labels, axis=0)
    return shifted[~shifted.index.duplicated()].sort_index()


@pytest.mark.parametrize("house", [HOUSE, House(PRAGUE, 49.2, 16.6)], ids=["arrays known", "arrays unknown"])
@pytest.mark.parametrize("hours", [1, -1])
def test_a_summer_time_that_is_an_hour_off_is_seen_by_the_sun(hours: int, house: House) -> None:
    """All that was recorded under these labels goes, not the PV alone."""
    result = cleaned(hour_off_in_summer(sound(), hours), house)
    (found,) = result.of(Wrong.HOUR_OFF)
    assert (found.series, found.since) == ("pv_kw", datetime(2025, 3, 30, 1, tzinfo=UTC))
    assert "h late" in found.text if hours > 0 else "h early" in found.text
    assert "allowed: starts of intervals in UTC" in found.text
    summer = result.frame.index >= datetime(2025, 3, 30, 2, tzinfo=UTC)
    assert result.frame[summer].isna().all().all()
    # Labels that were set an hour back lie over the last ones of the winter.
    assert result.frame.loc[~summer, "pv_kw"].notna().mean() > 0.99


def test_local_time_that_was_taken_for_utc_is_seen_by_the_sun() -> None:
    frame = sound(30)
    result = cleaned(frame.set_axis(frame.index + HOUR, axis=0), HOUSE)
    assert [finding.series for finding in result.of(Wrong.HOUR_OFF)] == ["pv_kw"]


@pytest.mark.parametrize("days", [3, 20], ids=["some days", "all days"])
def test_watts_that_are_called_kilowatts_are_left_out(days: int) -> None:
    frame = sound(20)
    wrong = frame.index < BEGIN + timedelta(days=days)
    frame.loc[wrong, "base_load_kw"] *= 1000
    result = cleaned(frame, HOUSE)
    (finding,) = result.of(Wrong.UNIT)
    assert (finding.series, finding.left_out) == ("base_load_kw", 96 * days)
    assert f"{days} days with" in finding.text
    assert "probably in W; allowed: kW" in finding.text
    assert result.frame.loc[wrong, "base_load_kw"].isna().all()
    assert result.frame.loc[~wrong, "base_load_kw"].notna().all()


def test_watts_of_a_small_load_are_seen_beside_its_other_days() -> None:
    frame = sound(20)
    frame["base_load_kw"] *= 0.02
    wrong = frame.index >= BEGIN + timedelta(days=15)
    frame.loc[wrong, "base_load_kw"] *= 1000
    assert cleaned(frame, HOUSE).of(Wrong.UNIT)[0].left_out == 96 * 5


def test_values_that_cannot_be_are_left_out() -> None:
    frame = sound(20)
    frame.iloc[7, 2] = 850.0
    (finding,) = cleaned(frame, HOUSE).of(Wrong.IMPOSSIBLE)
    assert (finding.series, finding.text) == ("outdoor_temperature_c", "found 850; allowed: -60 to 60")


def test_labels_without_a_zone_are_refused() -> None:
    frame = sound(2)
    with pytest.raises(BadSeries, match="allowed: times with a zone"):
        cleaned(frame.set_axis(pd.DatetimeIndex(frame.index).tz_localize(None), axis=0), HOUSE)


HOMES = {**{f"fontana {home}": home for home in CLEAN_FONTANA_HOMES}, "emhass": 0}


@pytest.mark.parametrize("home", HOMES)
def test_recorded_homes_are_believed(home: str, recordings: Path) -> None:
    """Of real homes only what is known to be wrong is left out: no shift, no unit, hardly a value."""
    number = HOMES[home]
    if number:
        all_homes = fontana_homes(recordings)
        frame = all_homes[all_homes["home"] == number]
        place = House("America/Los_Angeles", 34.1, -117.4)
    else:
        frame, place = emhass_home(recordings), House("Europe/Paris", 44.0, 5.0)
    result = cleaned(frame.rename(columns={"load_kw": "base_load_kw"})[["base_load_kw", "pv_kw"]], place)
    assert result.of(Wrong.HOUR_OFF) == result.of(Wrong.UNIT) == ()
    assert sum(finding.left_out for finding in result.of(Wrong.STUCK)) < 0.01 * len(result.frame)
