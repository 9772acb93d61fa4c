"""Scenario files: what is read, and what every kind of fault is told like."""

import gzip
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pems_core.domain import HOUR, QUARTER, BadSeries
from pems_core.simulation.scenario import Scenario, read_scenario, write_scenario
from pems_core.tariff import D57D

NOON = datetime(2025, 1, 15, 12, tzinfo=UTC)
ROWS = 200
HEADER = [
    "utc_start",
    "import_price_per_kwh",
    "feed_in_price_per_kwh",
    "pv_kw",
    "base_load_kw",
    "outdoor_temperature_c",
    "ghi_w_m2",
]

Table = list[list[str]]


def two_days(step: timedelta = QUARTER, rows: int = ROWS) -> Table:
    """A good file: the header is row 1, the first interval row 2."""
    times = [(NOON + i * step).strftime("%Y-%m-%dT%H:%MZ") for i in range(rows)]
    return [HEADER] + [[at, "4.5", "1.5", "0.8", "0.4", "-2.5", "120"] for at in times]


def saved(table: Table, folder: Path) -> Path:
    path = folder / "week.csv"
    path.write_text("\n".join(",".join(row) for row in table))
    return path


def told(table: Table, folder: Path) -> list[str]:
    """The faults that reading this table tells."""
    with pytest.raises(BadSeries) as error:
        read_scenario(saved(table, folder))
    return list(error.value.faults)


def with_cell(row: int, column: str, value: str) -> Table:
    """The good file with one cell changed, by row number as a spreadsheet shows it."""
    table = two_days()
    table[row - 1][HEADER.index(column)] = value
    return table


def with_column(column: str, change: Callable[[str], str]) -> Table:
    table = two_days()
    for row in table[1:]:
        row[HEADER.index(column)] = change(row[HEADER.index(column)])
    return table


@pytest.mark.parametrize("minutes", [5, 15, 30, 60])
def test_a_good_file_is_read_as_it_is(tmp_path: Path, minutes: int) -> None:
    step = timedelta(minutes=minutes)
    scenario = read_scenario(saved(two_days(step), tmp_path))
    assert scenario.name == "week"
    assert scenario.step == step
    assert scenario.start == NOON
    assert scenario.end == NOON + ROWS * step
    assert scenario.frame["outdoor_temperature_c"].iloc[-1] == -2.5


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    before = read_scenario(saved(two_days(), tmp_path))
    write_scenario(before, tmp_path / "copy.csv")
    pd.testing.assert_frame_equal(read_scenario(tmp_path / "copy.csv").frame, before.frame, check_freq=False)


def test_a_compressed_file_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "week.csv.gz"
    path.write_bytes(gzip.compress(saved(two_days(), tmp_path).read_bytes()))
    assert read_scenario(path).name == "week"


def test_spot_prices_become_the_households_by_its_tariff(tmp_path: Path) -> None:
    table = [["utc_start", "spot_price_per_kwh", "spot_price_per_kwh_forecast", *HEADER[3:]]]
    table += [[row[0], "2.0", "3.0", *row[3:]] for row in two_days()[1:]]
    scenario = read_scenario(saved(table, tmp_path), D57D)
    # Noon in UTC is 13:00 in Prague, a low-tariff hour.
    assert scenario.frame["import_price_per_kwh"].iloc[0] == pytest.approx((2.0 + 0.281) * 1.21)
    assert scenario.frame["feed_in_price_per_kwh"].iloc[0] == pytest.approx(1.65)
    assert scenario.frame["feed_in_price_per_kwh_forecast"].iloc[0] == pytest.approx(2.65)
    assert "spot_price_per_kwh" not in scenario.frame


def test_spot_prices_without_a_tariff_are_refused(tmp_path: Path) -> None:
    table = [["utc_start", "spot_price_per_kwh", *HEADER[3:]], *([row[0], *row[2:]] for row in two_days()[1:])]
    assert "needs the tariff" in told(table, tmp_path)[0]


FAULTY = {
    "a gap": (
        two_days()[:50] + two_days()[53:],
        ["row 51, utc_start", "a gap of 3 rows between 2025-01-16T00:00:00Z and 2025-01-16T01:00:00Z"],
    ),
    "a row twice": (
        two_days()[:50] + two_days()[49:],
        ["row 51, utc_start", "2025-01-16T00:00:00Z a second time", "each time once"],
    ),
    "two rows swapped": (
        [*two_days()[:50], two_days()[51], two_days()[50], *two_days()[52:]],
        ["row 52, utc_start", "2025-01-16T00:15:00Z, which is before 2025-01-16T00:30:00Z", "ascending"],
    ),
    "a row off the grid": (
        with_cell(10, "utc_start", "2025-01-15T14:07Z"),
        ["row 10, utc_start", "2025-01-15T14:07:00Z", "multiples of 15 min"],
    ),
    "a time without zone": (
        with_cell(10, "utc_start", "2025-01-15T14:00"),
        ["row 10, utc_start", "which has no time zone", "UTC such as"],
    ),
    "a time in another zone": (
        with_cell(10, "utc_start", "2025-01-15T15:00+01:00"),
        ["row 10, utc_start", "which is not in UTC", "UTC such as"],
    ),
    "no time at all": (with_cell(10, "utc_start", "soon"), ["row 10, utc_start", "'soon', which is no time"]),
    "an impossible date": (with_cell(10, "utc_start", "2025-02-30T14:00Z"), ["row 10, utc_start", "is no time"]),
    "an empty cell": (with_cell(7, "pv_kw", ""), ["row 7, pv_kw", "no value", "a number in kW"]),
    "NaN": (with_cell(7, "pv_kw", "NaN"), ["row 7, pv_kw", "no value ('NaN')", "a number in kW"]),
    "text": (with_cell(7, "pv_kw", "sunny"), ["row 7, pv_kw", "'sunny'", "a number in kW"]),
    "infinity": (with_cell(7, "pv_kw", "inf"), ["row 7, pv_kw", "'inf'", "a number in kW"]),
    "negative production": (with_cell(7, "pv_kw", "-0.1"), ["row 7, pv_kw", "-0.1", "never negative", "0 to 100 kW"]),
    "negative load": (with_cell(7, "base_load_kw", "-1"), ["row 7, base_load_kw", "-1", "never negative"]),
    "W for kW in one cell": (with_cell(7, "base_load_kw", "850"), ["row 7, base_load_kw", "850", "probably W"]),
    "W for kW": (
        with_column("base_load_kw", lambda kw: f"{float(kw) * 1000}"),
        ["row 2, base_load_kw", "400", "probably W", "0 to 100 kW"],
    ),
    "EUR/MWh for EUR/kWh": (
        with_column("import_price_per_kwh", lambda _: "95.3"),
        ["row 2, import_price_per_kwh", "95.3", "probably per MWh", "-40 to 40 currency/kWh"],
    ),
    "low EUR/MWh for EUR/kWh": (
        with_column("feed_in_price_per_kwh", lambda _: "31.2"),
        ["feed_in_price_per_kwh", "a median of 31.2", "probably per MWh"],
    ),
    "kelvin": (
        with_column("outdoor_temperature_c", lambda _: "271.3"),
        ["row 2, outdoor_temperature_c", "271.3", "probably K", "-60 to 60 °C"],
    ),
    "kW/m2 for W/m2": (
        with_column("ghi_w_m2", lambda _: "0.12"),
        ["ghi_w_m2", "0.12", "probably kW/m2", "0 to 1500 W/m2"],
    ),
    "steps of 7 minutes": (two_days(timedelta(minutes=7)), ["utc_start", "7 min apart", "5, 15, 30 or 60 min"]),
    "a row too long": ([*two_days()[:6], [*two_days()[6], "1"], *two_days()[7:]], ["row 7", "8 values", "7"]),
    "a missing column": ([row[:-1] for row in two_days()], ["missing columns: ghi_w_m2", "found: utc_start"]),
    "an unknown column": (
        [[*HEADER, "pv_forecast_kw"], *([*row, "1"] for row in two_days()[1:])],
        ["'pv_forecast_kw' is unknown", "nearest: pv_kw_forecast", "allowed: utc_start"],
    ),
    "a column twice": (
        [[*HEADER, "pv_kw"], *([*row, "1"] for row in two_days()[1:])],
        ["column pv_kw stands 2 times", "allowed: once"],
    ),
    "semicolons": ([[";".join(row)] for row in two_days()], ["row 1", "has no comma"]),
    "an empty file": ([], ["week.csv has nothing", "a header and at least two rows"]),
    "only a header": ([HEADER], ["week.csv has only a header", "at least two rows"]),
    "a single row": (two_days(rows=1), ["a single time", "5, 15, 30 or 60 min"]),
}


@pytest.mark.parametrize("kind", FAULTY)
def test_a_fault_is_told_with_its_place_and_what_is_allowed(tmp_path: Path, kind: str) -> None:
    table, words = FAULTY[kind]
    faults = told(table, tmp_path)
    assert any(all(word in fault for word in words) for fault in faults), faults


@pytest.mark.parametrize("kind", [kind for kind in FAULTY if kind not in ("W for kW", "EUR/MWh for EUR/kWh", "kelvin")])
def test_one_mistake_is_told_once(tmp_path: Path, kind: str) -> None:
    faults = told(FAULTY[kind][0], tmp_path)
    assert len(faults) == 1, faults


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadSeries, match=r"missing.csv cannot be read"):
        read_scenario(tmp_path / "missing.csv")


def test_faults_of_all_columns_are_told_together(tmp_path: Path) -> None:
    table = with_column("base_load_kw", lambda kw: f"{float(kw) * 1000}")
    table[20][HEADER.index("pv_kw")] = ""
    table[30][HEADER.index("utc_start")] = "soon"
    faults = "\n".join(told(table, tmp_path))
    assert "row 2, base_load_kw" in faults
    assert "row 5 to 201, base_load_kw: the same in 197 more rows" in faults
    assert "row 21, pv_kw" in faults
    assert "row 31, utc_start" in faults


def test_a_hopeless_file_is_told_in_few_lines(tmp_path: Path) -> None:
    table = [HEADER, *(["x"] * len(HEADER) for _ in range(100))]
    faults = told(table, tmp_path)
    assert len(faults) == 21
    assert faults[-1].endswith("and 8 more faults")


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    """Load counts the quarters from noon; PV was forecast, too."""
    read = read_scenario(saved(two_days(), tmp_path))
    load = np.arange(ROWS) / 10
    return Scenario("counting", read.frame.assign(base_load_kw=load, pv_kw_forecast=1.0), QUARTER, "made up")


def test_between_keeps_the_first_and_leaves_out_the_end(scenario: Scenario) -> None:
    part = scenario.between(NOON + HOUR, NOON + 2 * HOUR)
    assert part.start == NOON + HOUR
    assert part.end == NOON + 2 * HOUR
    assert part.frame["base_load_kw"].tolist() == pytest.approx([0.4, 0.5, 0.6, 0.7])


def test_between_tells_what_is_there(scenario: Scenario) -> None:
    with pytest.raises(BadSeries, match=r"the start is 2025-01-15T11:00:00\+00:00; 2025-01-15T12:00"):
        scenario.between(NOON - HOUR, NOON + HOUR)
    with pytest.raises(BadSeries, match=r"the end is .*12:07.* in steps of 15 min"):
        scenario.between(NOON, NOON + timedelta(minutes=7))
    with pytest.raises(BadSeries, match="is not after the start"):
        scenario.between(NOON, NOON)


def test_longer_steps_hold_the_mean_and_shorter_ones_the_value(scenario: Scenario) -> None:
    assert scenario.resampled(HOUR).frame["base_load_kw"].iloc[:2].tolist() == pytest.approx([0.15, 0.55])
    fine = scenario.resampled(timedelta(minutes=5))
    assert fine.frame["base_load_kw"].iloc[:4].tolist() == pytest.approx([0.0, 0.0, 0.0, 0.1])
    assert fine.end == scenario.end
    assert fine.frame["base_load_kw"].sum() / 12 == pytest.approx(scenario.frame["base_load_kw"].sum() / 4)


def test_steps_that_do_not_fit_are_refused(scenario: Scenario) -> None:
    with pytest.raises(BadSeries, match="15 min cannot become 10 min"):
        scenario.resampled(timedelta(minutes=10))
    with pytest.raises(BadSeries, match="not made of whole steps of 60 min"):
        scenario.between(NOON + QUARTER, NOON + 2 * HOUR).resampled(HOUR)


def test_history_ends_with_the_last_interval_that_is_over(scenario: Scenario) -> None:
    history = scenario.history(NOON + timedelta(minutes=40))
    assert history.frame.index[-1] == NOON + QUARTER
    assert "pv_kw_forecast" not in history.frame


def test_a_scenario_made_in_code_is_checked_too(scenario: Scenario) -> None:
    frame = scenario.frame.drop(columns="pv_kw").assign(pv_w=1.0)
    frame.iloc[3, 0] = np.nan
    with pytest.raises(BadSeries) as error:
        Scenario("made", frame.drop(index=frame.index[5]), QUARTER, "made up")
    text = str(error.value)
    for fault in ["pv_kw is missing", "pv_w is unknown", "not 15 min apart", "has 1 empty values"]:
        assert fault in text
