"""What stands in the ledger is what happened, and it stays whatever happens to the file or its writer."""

import math
import sqlite3
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from pems_core.clock import FastClock
from pems_core.commanding.database import StoreUnreadable
from pems_core.domain import (
    BatteryState,
    Command,
    CycleReport,
    Forecast,
    HeatingState,
    ImportPeak,
    InverterState,
    Override,
    Quality,
    Reading,
    Readings,
    Receipt,
    RoomState,
    Severity,
    Stage,
)
from pems_core.domain.plan_json import plan_to_json
from pems_core.planning.planner import Planner
from pems_core.recording.ledger import schema
from pems_core.recording.ledger.ledger import Ledger, NotRecorded
from pems_core.recording.ledger.measured import INTERVAL, Means
from pems_core.recording.ledger.retention import Retention
from pems_core.recording.ledger.scribe import Scribe
from tests.houses import START, battery_at, heating, inverter, rooms_at, small_house

from .houses import Written
from .killed import at, killed_at

HOUR, QUARTER, DAY = timedelta(hours=1), timedelta(minutes=15), timedelta(days=1)


@pytest.fixture(scope="module")
def report() -> CycleReport:
    small = small_house({inverter(): battery_at(0.1 + 0.2), heating(): rooms_at()})
    planner = Planner(small.house, small.options)
    plan = planner.plan(small.state, small.forecasts)
    planner.close()
    return CycleReport(small.state, small.forecasts, plan, ())


def new_ledger(folder: Path, retention: Retention | None = None) -> Ledger:
    return Ledger(folder / "ledger.sqlite3", FastClock(START), writing=True, retention=retention)


@dataclass(frozen=True)
class PoolState:
    """The state of somebody's own device."""

    water_c: float


def test_what_a_cycle_knew_comes_back_to_the_last_bit(tmp_path: Path, report: CycleReport) -> None:
    battery = BatteryState(1 / 3, 11.1, math.inf, 0.1 + 0.2, START + HOUR)
    states = {
        "inverter": InverterState(battery, "grid_first", lacks=frozenset({"hold"})),
        "heating": HeatingState({"hall": RoomState(20.1, 22.0, relay_on=True, relay_since=START)}, {"bath": "stale"}),
        "pool": PoolState(0.1),
    }
    override = Override("inverter", "mode", "grid_first", START, START + HOUR, "Jana", "guests")
    switched = Override("heating", "hall_relay", True, START, START + HOUR, "Jana")
    state = replace(report.state, devices=states, overrides=(override, switched), peak=ImportPeak(2 / 3, START + HOUR))
    stale = Reading(0.3, "share", START - HOUR, START, Quality.STALE)
    readings = Readings(START, {"inverter/soc": stale, "inverter/mode": Reading("hold", "", START, START)})
    quantiles = {0.1: (0.1, 0.2), 0.9: (1 / 3, 2.0)}
    forecasts = replace(report.forecasts, series={"pv_kw": Forecast((0.1, 1 / 3), "sky", START - HOUR, quantiles)})
    # The steps of a house that runs begin a moment after its state was taken.
    begun = replace(forecasts.horizon, start=forecasts.horizon.start + timedelta(milliseconds=3))
    forecasts = replace(forecasts, horizon=begun)
    known = replace(report, state=state, forecasts=forecasts, readings=readings, running=report.plan)

    with new_ledger(tmp_path) as ledger:
        found = ledger.cycle(ledger.add_cycle(known, ("price changed",)))

    assert found.state == state
    assert found.readings == readings
    assert found.forecasts == forecasts
    assert found.running is not None
    assert plan_to_json(found.running) == plan_to_json(report.plan)
    assert plan_to_json(found.plan) == plan_to_json(report.plan)
    assert found.why == ["price changed"]


def test_each_cycle_of_a_run_is_there_with_what_was_known_then(day: Written) -> None:
    with day.ledger() as ledger:
        cycles = ledger.cycles(day.start, day.end)
        noon = ledger.cycle(ledger.cycle_at(day.start + 12 * HOUR + timedelta(minutes=7)))
        before = ledger.cycle(noon.number - 1)

    assert [cycle.at for cycle in cycles] == [day.start + h * HOUR for h in range(24)]
    assert noon.state.now == day.start + 12 * HOUR
    assert noon.decisions
    assert noon.running is not None
    assert plan_to_json(noon.running) == plan_to_json(before.plan)


def test_telemetry_is_what_flowed(day: Written) -> None:
    flows = day.report.subject.flows

    with day.ledger() as ledger:
        found = ledger.telemetry(["grid_import_kw", "inverter/soc", "nobody/knows"], day.start, day.end)

    pd.testing.assert_series_equal(
        found["grid_import_kw"], flows["grid_import_kw"], check_freq=False, check_names=False
    )
    assert found["inverter/soc"].between(0, 1).all()
    assert found["nobody/knows"].isna().all()


def test_every_vintage_of_a_forecast_is_kept(day: Written) -> None:
    asked = day.start + 18 * HOUR

    with day.ledger() as ledger:
        found = ledger.vintages("outdoor_temperature_c", asked, asked + HOUR)
        cycle = ledger.cycle(ledger.cycle_at(day.start + 6 * HOUR))

    of_six = found[found["issued_at"] == day.start + 6 * HOUR]
    assert found["issued_at"].nunique() == 19
    assert found["start"].between(asked, asked + HOUR, inclusive="left").all()
    t = cycle.forecasts.horizon.step_at(asked)
    assert of_six["value"].iloc[0] == cycle.forecasts["outdoor_temperature_c"][t]
    assert of_six["end"].iloc[0] == cycle.forecasts.horizon.ends[t]


def test_quantiles_are_columns_of_the_vintages(tmp_path: Path, report: CycleReport) -> None:
    forecast = Forecast((1.0, 2.0), "sky", START, {0.1: (0.5, 1.5), 0.9: (1.5, 2.5)})
    with new_ledger(tmp_path) as ledger:
        series = {**report.forecasts.series, "pv_kw": forecast}
        ledger.add_cycle(replace(report, forecasts=replace(report.forecasts, series=series)))
        found = ledger.vintages("pv_kw", START, START + DAY)

    assert list(found.columns) == ["issued_at", "start", "end", "value", "source", "cycle_at", "p10", "p90"]
    assert found["p90"].tolist() == [1.5, 2.5]


def test_commands_are_kept_with_every_stage(tmp_path: Path, report: CycleReport) -> None:
    command = Command("7", "inverter", "mode", "mqtt", "energy/mode", "{}", START + HOUR, "cheap night")
    receipts = [Receipt(command, stage, START) for stage in (Stage.SENT, Stage.READBACK_OK)]
    with new_ledger(tmp_path) as ledger:
        ledger.add_cycle(replace(report, receipts=receipts))
        found = ledger.commands(START, START + HOUR)

    assert found["stage"].tolist() == ["sent", "readback_ok"]


def test_old_detail_is_dropped_and_one_forecast_an_hour_stays(tmp_path: Path, report: CycleReport) -> None:
    with new_ledger(tmp_path, Retention(detail=1, all=3)) as ledger:
        for quarter in range(8):
            ledger.add_cycle(at(report, quarter * QUARTER))
        ledger.add_cycle(at(report, 2 * DAY))
        vintages = ledger.vintages("pv_kw", START, START + 4 * HOUR)
        with pytest.raises(NotRecorded, match=r"inputs of cycle 1 .* were dropped; they are kept for 1 days"):
            ledger.cycle(1)
        assert len(ledger.cycles(START, START + 3 * DAY)) == 9
        ledger.add_cycle(at(report, 5 * DAY + HOUR))
        assert [entry.number for entry in ledger.cycles(START, START + 9 * DAY)] == [10]

    assert vintages["issued_at"].nunique() == 1
    assert len(vintages) == 2 * 2


def test_who_asks_for_what_is_not_there_is_told_what_is(day: Written) -> None:
    with day.ledger() as ledger, pytest.raises(NotRecorded, match=r"cycle 99 is not recorded; there are 1 to 24"):
        ledger.cycle(99)


def test_a_damaged_file_is_set_aside_and_what_can_be_read_of_it_is_taken_over(
    tmp_path: Path, report: CycleReport
) -> None:
    with new_ledger(tmp_path) as ledger:
        for quarter in range(40):
            ledger.add_cycle(at(report, quarter * QUARTER))
            ledger.add_telemetry(START + quarter * QUARTER, QUARTER, {"pv_kw": quarter / 3})
    file = tmp_path / "ledger.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray(file.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 4096] = b"\xff" * 4096
    file.write_bytes(content)

    with new_ledger(tmp_path) as ledger:
        entries = ledger.cycles(START, START + DAY)
        alerts = ledger.alerts
        ledger.add_cycle(at(report, DAY))

    assert len(entries) > 20
    assert [alert.severity for alert in alerts] == [Severity.WARNING]
    assert "set aside as ledger.sqlite3.damaged-" in alerts[0].text
    assert "rows of it could be read" in alerts[0].text
    assert list(tmp_path.glob("ledger.sqlite3.damaged-*"))


@pytest.mark.parametrize("page", ["first", "middle", "last"])
def test_of_a_damaged_page_of_telemetry_all_others_are_taken_over_at_once(tmp_path: Path, page: str) -> None:
    """Its rows are numbered by their time: to ask for every microsecond of a page would never end."""
    count, columns = 1000, {f"series_{k}": k / 3 for k in range(20)}
    with new_ledger(tmp_path) as ledger:
        for k in range(count):
            ledger.add_telemetry(START + k * INTERVAL, INTERVAL, columns)
    file = tmp_path / "ledger.sqlite3"
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    content = bytearray(file.read_bytes())
    # A leaf of a table begins with 13, and says how many rows it has.
    leaves = [k for k in range(0, len(content), 4096) if content[k] == 13 and content[k + 4] > 5]
    damaged = {"first": leaves[0], "middle": leaves[len(leaves) // 2], "last": leaves[-1]}[page]
    lost = content[damaged + 4]
    content[damaged : damaged + 4096] = bytes(4096)
    file.write_bytes(content)

    with new_ledger(tmp_path) as ledger:
        left = ledger.telemetry(["series_1"], START, START + count * INTERVAL)
        [alert] = ledger.alerts

    assert len(left) == count - lost
    assert f"{count - lost + 1} rows of it could be read" in alert.text


def test_a_cycle_has_its_house_also_when_the_file_could_not_be_written_or_was_begun_anew(
    tmp_path: Path, report: CycleReport
) -> None:
    file = tmp_path / "ledger.sqlite3"
    with new_ledger(tmp_path) as ledger, sqlite3.connect(file, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger.add_house("as it was told", {"files": {}})
        ledger.add_cycle(report)
        other.execute("COMMIT")
        assert ledger.flush()
        assert ledger.cycle(1).fingerprint == "as it was told"
        # As after a damaged table of houses, of which nothing could be taken over.
        other.execute("DELETE FROM houses")
        assert ledger.cycle(ledger.add_cycle(at(report, QUARTER))).fingerprint == "as it was told"


def test_forecasts_of_a_cycle_that_is_kept_whole_are_kept_though_they_begin_before_it(
    tmp_path: Path, report: CycleReport
) -> None:
    moment = timedelta(milliseconds=300)
    later = replace(report, state=replace(report.state, now=report.state.now + moment))
    with new_ledger(tmp_path, Retention(detail=1.0)) as ledger:
        ledger.add_cycle(report)
        ledger.add_cycle(later)
        ledger.add_cycle(at(report, DAY + moment / 2))
        assert ledger.cycle(2).forecasts == later.forecasts


def test_the_ledger_is_written_once_it_can_be_opened(
    tmp_path: Path, report: CycleReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pems_core.recording.ledger.scribe.IDLE_S", 0.05)
    held = [True]

    def opened() -> Ledger:
        if held:
            raise StoreUnreadable("database is locked")
        return new_ledger(tmp_path)

    scribe = Scribe(opened, FastClock(START))
    scribe.hand(lambda ledger: ledger.add_cycle(report))
    deadline = time.monotonic() + 20
    while not scribe.alerts and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [alert.text for alert in scribe.alerts] == ["nothing is recorded: database is locked"]
    held.clear()
    while scribe.alerts and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not scribe.alerts
    assert scribe.close(20.0)
    with Ledger(tmp_path / "ledger.sqlite3", FastClock(START)) as ledger:
        assert len(ledger.cycles(START, START + DAY)) == 1


def test_a_ledger_of_a_newer_pems_is_left_alone(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as connection:
        connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")

    with pytest.raises(StoreUnreadable, match="newer PEMS"):
        new_ledger(tmp_path)


SCHEMAS = sorted((Path(__file__).parent / "schemas").glob("*.sql"))
"""Of each version that was released, as it was then."""


@pytest.mark.parametrize("script", SCHEMAS, ids=lambda path: path.stem)
def test_a_ledger_of_every_released_version_goes_on(script: Path, tmp_path: Path, report: CycleReport) -> None:
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as connection:
        connection.executescript(script.read_text(encoding="utf-8"))
        connection.execute(f"PRAGMA user_version = {script.stem}")

    with new_ledger(tmp_path) as ledger:
        assert ledger.cycle(ledger.add_cycle(report)).number == 1


def test_every_version_of_the_schema_has_its_file() -> None:
    assert [path.stem for path in SCHEMAS] == [str(i + 1) for i in range(len(schema.MIGRATIONS))]


def test_a_backup_is_taken_while_the_ledger_is_written(tmp_path: Path, report: CycleReport) -> None:
    with new_ledger(tmp_path) as ledger:
        ledger.add_cycle(report)
        ledger.backup(tmp_path / "copy.sqlite3")
        ledger.add_cycle(at(report, QUARTER))

    with Ledger(tmp_path / "copy.sqlite3", FastClock(START)) as copy:
        assert [entry.number for entry in copy.cycles(START, START + DAY)] == [1]


def test_nobody_waits_for_the_scribe(tmp_path: Path, report: CycleReport) -> None:
    def slow() -> Ledger:
        time.sleep(0.3)
        return new_ledger(tmp_path)

    scribe = Scribe(slow, FastClock(START))
    began = time.perf_counter()
    for _ in range(20):
        scribe.hand(lambda ledger: ledger.add_cycle(report))
    handed_s = time.perf_counter() - began
    assert scribe.close(20.0)

    assert handed_s < 0.2
    with Ledger(tmp_path / "ledger.sqlite3", FastClock(START)) as ledger:
        assert len(ledger.cycles(START, START + DAY)) == 20


def test_an_entry_that_cannot_be_written_is_told_and_the_next_one_is_written(
    tmp_path: Path, report: CycleReport
) -> None:
    scribe = Scribe(lambda: new_ledger(tmp_path), FastClock(START))
    broken = replace(report, forecasts=None)  # type: ignore[arg-type]
    scribe.hand(lambda ledger: ledger.add_cycle(broken))
    scribe.hand(lambda ledger: ledger.add_cycle(report))
    assert scribe.close(20.0)

    assert "1 entries are lost" in scribe.alerts[0].text
    with Ledger(tmp_path / "ledger.sqlite3", FastClock(START)) as ledger:
        assert len(ledger.cycles(START, START + DAY)) == 1


def test_means_are_of_the_time_that_was_seen() -> None:
    means, done = Means(), []
    for second, value in ((0, 1.0), (60, 1.0), (180, 3.0), (300, 3.0), (301, 9.0)):
        done.append(means.add(START + timedelta(seconds=second), {"pv_kw": value}))

    assert done[:3] == [None, None, None]
    assert done[3] is not None
    assert done[3][0] == START
    # A sample says what was so since the one before.
    assert done[3][1]["pv_kw"] == pytest.approx((1.0 * 60 + 3.0 * 120) / 180)


def test_who_is_killed_loses_at_most_what_was_being_written(tmp_path: Path, report: CycleReport) -> None:
    random = Random(1)  # noqa: S311
    for _ in range(3):
        killed = killed_at(random.uniform(0.05, 0.8), tmp_path / "ledger.sqlite3", report)
        assert killed.sound
        assert killed.lost <= 1
