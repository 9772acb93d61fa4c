"""The books add up: what a day cost, what it would have cost otherwise, and where the difference lies."""

import asyncio
import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from pems_core.cli import pems
from pems_core.clock import FastClock
from pems_core.commands.inputs import house_from
from pems_core.domain import QUARTER, BadSeries, Horizon, Override, PemsError, Value
from pems_core.hindsight.bill import Bill, read_bills, reconcile
from pems_core.hindsight.books import Bookkeeper, DayBooks, combined_error, from_data
from pems_core.hindsight.recorded_day import recorded_day
from pems_core.hindsight.replay import replay
from pems_core.hindsight.savings import Period, gather
from pems_core.hindsight.twins import RecordedOutlook, Twins
from pems_core.hindsight.why import explained
from pems_core.learning.equipping import identified_numbers
from pems_core.recording.ledger.coding import plain
from pems_core.recording.ledger.ledger import Ledger, NotRecorded
from pems_core.simulation.experiment import BASELINES
from pems_core.simulation.outlook import Outlook

from .engine_beside import asked
from .houses import Written, written

DAY = timedelta(days=1)
FIRST = date(2025, 1, 14)


@pytest.fixture(scope="session")
def books(day: Written) -> DayBooks:
    with day.ledger() as ledger:
        return Bookkeeper(ledger, day.house).books(FIRST)


def test_a_room_that_is_heated_at_midnight_is_heated_on(tmp_path: Path) -> None:
    """Within its hysteresis a thermostat does as before; a twin that began cold would pay for a heating of its own."""
    run = written(tmp_path, days=6.0, strategy="thermostat_only", begin=date(2025, 4, 1))

    with run.ledger() as ledger:
        found = Bookkeeper(ledger, run.house, ["thermostat_only"]).books(date(2025, 4, 6))

    assert run.report.subject.flows["heating_kw"].loc["2025-04-05T21:45Z":"2025-04-05T22:15Z"].min() > 0
    assert found.saved("thermostat_only") == pytest.approx(0.0, abs=0.05 * found.actual.net)


def test_the_bill_is_what_the_simulated_house_paid(day: Written, books: DayBooks) -> None:
    run = day.report.subject

    assert books.complete
    assert books.actual.bill == pytest.approx(run.bill, rel=1e-9)
    assert books.actual.wear == pytest.approx(run.wear, abs=1e-9)
    # What is stored is measured and estimated; the simulated house knows it.
    assert books.actual.net == pytest.approx(run.net_cost, rel=0.01)


def test_energy_adds_up(books: DayBooks) -> None:
    assert books.balance_error < 0.005


@pytest.mark.parametrize("name", BASELINES)
def test_a_house_that_is_run_like_a_baseline_saves_nothing_against_it(name: str, tmp_path: Path) -> None:
    run = written(tmp_path, days=2.0, strategy=name)

    with run.ledger() as ledger:
        found = [Bookkeeper(ledger, run.house, [name]).books(FIRST + i * DAY) for i in range(2)]

    assert sum(one.saved(name) for one in found) == pytest.approx(0.0, abs=0.01 * run.report.subject.net_cost)


def test_rules_leave_what_they_knew_so_that_their_twin_knows_no_more(tmp_path: Path) -> None:
    run = written(tmp_path, days=1.0, strategy="rules")
    noon = run.start + timedelta(hours=12)
    ahead = Horizon.uniform(noon, QUARTER, 96)
    known = Outlook(run.scenario, "realistic").forecasts(noon, ahead)

    with run.ledger() as ledger:
        again = RecordedOutlook(ledger, recorded_day(ledger, run.house, FIRST)).forecasts(noon, ahead)
        cycle = ledger.cycle(ledger.cycle_at(noon))
        with pytest.raises(PemsError, match="followed the rules 'rules', which make no plan"):
            replay(cycle, run.house)
        found = Bookkeeper(ledger, run.house, ["rules"]).books(FIRST)
    why = explained(cycle, run.house, noon)

    assert all(decision.reason.text for decision in why.in_force)
    assert why.answers == []
    assert {name: again[name] for name in again.series} == {name: known[name] for name in known.series}
    assert found.error is not None
    assert found.error < 0.03 * found.actual.net


def test_twins_are_as_the_house_was_known_to_be_that_day(tmp_path: Path) -> None:
    """A battery that is older than its file says: with the file's numbers a twin would save what no battery did."""
    spring = date(2025, 4, 1)
    new = written(tmp_path / "new", days=1.0, strategy="self_use", begin=spring)
    numbers = dict(identified_numbers(new.house.equipment["inverter"]), capacity_kwh=4.0)
    run = written(tmp_path / "older", 1.0, "self_use", begin=spring, identified={"inverter": numbers})

    as_in_file = house_from(run.house_file)
    before = as_in_file.equipment
    with run.ledger() as ledger:
        found = Bookkeeper(ledger, as_in_file, ["self_use"]).books(spring)

    assert found.saved("self_use") == pytest.approx(0.0, abs=0.01 * found.actual.net)
    assert as_in_file.equipment == before


def test_a_planned_day_saves_against_every_baseline_beyond_the_error(books: DayBooks) -> None:
    assert books.error is not None
    assert all(books.saved(name) > 2 * books.error for name in BASELINES)


def test_the_parts_of_the_regret_add_up_to_the_way_to_the_best_possible(day: Written) -> None:
    with day.ledger() as ledger:
        keeper = Bookkeeper(ledger, day.house, ())
        found = keeper.books(FIRST, with_regret=True)
        bound = keeper.bound(recorded_day(ledger, day.house, FIRST))

    assert found.regret is not None
    parts = (found.regret.forecast, found.regret.model, found.regret.execution, found.regret.override)
    assert sum(parts) == pytest.approx(found.actual.net - bound, abs=1e-6)
    assert found.regret.override == 0.0
    assert found.regret.total > 0.0


@pytest.mark.parametrize(("lasts_h", "meddled"), [(3, True), (1, False)])
def test_what_was_set_the_evening_before_and_still_held_meddled_with_the_day(
    day: Written, tmp_path: Path, lasts_h: int, meddled: bool
) -> None:
    evening = day.start - timedelta(hours=2)
    held = Override("inverter", "mode", "grid_first", evening, evening + timedelta(hours=lasts_h), "Jana")
    with day.ledger() as ledger:
        ledger.backup(tmp_path / "ledger.sqlite3")
    with Ledger(tmp_path / "ledger.sqlite3", FastClock(day.end), writing=True) as ledger:
        ledger.add_event(evening, "override", "inverter.mode", {**plain(held), "costs": None})
        assert bool(recorded_day(ledger, day.house, FIRST).overrides) is meddled


def test_a_house_that_is_told_the_same_does_what_people_had_set(day: Written, tmp_path: Path) -> None:
    noon, copy = day.start + timedelta(hours=12), tmp_path / "ledger.sqlite3"
    sold: dict[str, Value] = {"mode": "grid_first", "discharge_power_kw": 3.0, "stop_soc": 0.2, "grid_export": True}
    with day.ledger() as ledger:
        ledger.backup(copy)
    with Ledger(copy, FastClock(day.end), writing=True) as ledger:
        for control, value in sold.items():
            held = Override("inverter", control, value, noon, noon + timedelta(hours=6), "Jana")
            for costs in (None, 1.5):
                ledger.add_event(noon, "override", f"inverter.{control}", {**plain(held), "costs": costs})
            ended = noon + timedelta(hours=1)
            ledger.add_event(ended, "override", f"inverter.{control}", {"ended": ended.isoformat()})
        recorded = recorded_day(ledger, day.house, FIRST)
        twins = Twins(ledger, day.house, recorded)
        flows = twins.as_decided(twins.valuation).flows["battery_terminal_discharge_kw"]

    assert [one.valid_until for one in recorded.overrides] == [noon + timedelta(hours=1)] * len(sold)
    assert flows[noon : noon + timedelta(minutes=45)].min() > 2.5


REAL_BILL = (
    "from,to,import_kwh,export_kwh,amount,invoice\n"
    "2024-12-14,2025-01-13,412.6,3.1,1843.20,FV-2025-0007\n"
    "2025-01-14,2025-01-14,{import_kwh:.1f},{export_kwh:.1f},{amount:.2f},FV-2025-0102\n"
)
"""As a supplier has it: with a byte order mark, whole tenths of a kWh, a column of its own, and months before PEMS."""


def test_a_bill_of_a_supplier_agrees_within_its_rounding(day: Written, books: DayBooks, tmp_path: Path) -> None:
    energy = {"import_kwh": books.energy.import_kwh, "export_kwh": books.energy.export_kwh}
    file = tmp_path / "bill.csv"
    file.write_text(REAL_BILL.format(**energy, amount=books.actual.bill), encoding="utf-8-sig")
    ask = ["report", f"{FIRST}", "--month", "--house", str(day.house_file), "--ledger", str(day.path)]

    done = CliRunner().invoke(pems, [*ask, "--bill", str(file), "--now", day.end.isoformat(), "--json"])

    assert done.exit_code == 0, done.output
    before, of_day = json.loads(done.stdout)["bills"]
    assert (before["days"], before["from_energy"], of_day["days"]) == (0, None, 1)
    assert of_day["books"] == pytest.approx(of_day["billed"], rel=0.005)
    assert of_day["from_energy"] == pytest.approx(0.0, abs=0.5)
    assert of_day["from_prices"] == pytest.approx(0.0, abs=0.5)


def test_books_of_the_ledger_are_read_as_they_were_kept(books: DayBooks) -> None:
    assert from_data(json.loads(json.dumps(books.data()))) == books


def test_a_day_that_was_hardly_measured_has_no_books(day: Written) -> None:
    with day.ledger() as ledger, pytest.raises(NotRecorded, match=r"0% of it was measured; books need 90%"):
        Bookkeeper(ledger, day.house).books(FIRST + 3 * DAY)


def test_a_day_that_is_not_over_has_books_of_what_has_passed(day: Written) -> None:
    noon = day.start + timedelta(hours=12, minutes=7)

    with day.ledger() as ledger:
        found = Bookkeeper(ledger, day.house, ["self_use"]).books(FIRST, until=noon)

    morning = day.report.subject.flows["cost"][: day.start + timedelta(hours=11, minutes=45)]
    assert not found.complete
    assert found.actual.bill == pytest.approx(morning.sum())


def test_random_errors_cancel_in_part_and_constant_ones_do_not(books: DayBooks) -> None:
    either = [replace(books, deviation=sign * 1.0) for sign in (1, -1, 1, -1)]
    alike = [replace(books, deviation=1.0) for _ in range(4)]

    assert combined_error(either) == pytest.approx(2.0)
    assert combined_error(alike) == pytest.approx(4.0)


def test_what_was_achieved_is_a_share_of_all_that_was_expected(books: DayBooks) -> None:
    """A day of which next to nothing was expected must not make the share of a week."""

    def lived(expected: float, achieved: float) -> DayBooks:
        bill = books.baselines["self_use"].bill
        return replace(books, expected_bill=bill - expected, actual=replace(books.actual, bill=bill - achieved))

    week = Period("week", FIRST, FIRST, [lived(10.0, 5.0), lived(0.02, 2.0)], {})

    assert week.effectiveness == pytest.approx(7.0 / 10.02)


def test_a_bill_is_split_into_other_energy_and_other_prices(day: Written, books: DayBooks) -> None:
    with day.ledger() as ledger:
        period = gather(Bookkeeper(ledger, day.house), "bill", FIRST, FIRST, day.end)
    more_kwh = books.energy.import_kwh - books.energy.export_kwh
    dearer = Bill(FIRST, FIRST, books.energy.import_kwh, books.energy.export_kwh, books.actual.bill + 5.0)
    more = Bill(FIRST, FIRST, books.energy.import_kwh + more_kwh, books.energy.export_kwh, 2 * books.actual.bill)

    assert reconcile(dearer, period).from_prices == pytest.approx(5.0)
    assert reconcile(more, period).from_energy == pytest.approx(books.actual.bill)
    assert reconcile(more, period).from_prices == pytest.approx(0.0)


def test_every_fault_of_a_bill_is_told_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "bill.csv"
    file.write_text("from,to,import_kwh,export_kwh,amount\n2025-01-31,2025-01-01,-1,0,nan\n2025-02,2025-02-28,1,1,1\n")

    with pytest.raises(BadSeries) as told:
        read_bills(file)

    assert "row 2, import_kwh: found '-1'; a number of 0 or more is allowed" in str(told.value)
    assert "row 2, amount: found 'nan'" in str(told.value)
    assert "row 2, to: found 2025-01-01; 2025-01-31 or later is allowed" in str(told.value)
    assert "row 3, from: found '2025-02'" in str(told.value)


def test_a_report_tells_the_same_in_a_terminal_on_a_page_and_as_data(
    day: Written, books: DayBooks, tmp_path: Path
) -> None:
    bill, page = tmp_path / "bill.csv", tmp_path / "day.html"
    bill.write_text(f"from,to,import_kwh,export_kwh,amount\n{FIRST},{FIRST},50,0,150\n")
    ask = ["report", f"{FIRST}", "--house", str(day.house_file), "--ledger", str(day.path), "--bill", str(bill)]

    terminal = CliRunner().invoke(pems, [*ask, "--html", str(page)])
    data = CliRunner().invoke(pems, [*ask, "--json"])

    assert terminal.exit_code == 0, terminal.output
    saved = f"{books.saved():.2f}"
    for told in ("Money", "Saved", "Energy", "Comfort", "Plans and reality", "Forecasts", "Bill", saved):
        assert told in terminal.output
        assert told in page.read_text(encoding="utf-8")
    assert 'src="http' not in page.read_text(encoding="utf-8")
    found = json.loads(data.stdout)
    assert found["saved"]["self_use"] == pytest.approx(books.saved())
    assert found["bills"][0]["billed"] == 150.0
    assert {room["room"] for room in found["rooms"]} == {"kitchen", "hall"}
    assert found["best"]["expected"] > found["best"]["paid"]


def test_what_was_saved_is_kept_and_told_for_the_engine(day: Written, books: DayBooks, tmp_path: Path) -> None:
    copy = tmp_path / "ledger.sqlite3"
    with day.ledger() as ledger:
        ledger.backup(copy)
    ask = ["report", f"{FIRST}", "--house", str(day.house_file), "--ledger", str(copy), "--savings"]

    done = CliRunner().invoke(pems, [*ask, "--now", day.end.isoformat()])

    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["told"]["date"] == FIRST.isoformat()
    assert said["told"]["saved"] == pytest.approx(books.saved(), abs=0.01)
    assert said["told"]["currency"] == "CZK"
    assert said["told"]["baseline"] == "self_use"
    assert said["told"]["month"]["days"] == 1
    assert [one["period"] for one in said["periods"]] == ["day", "week", "month"]
    with replace(day, path=copy).ledger() as ledger:
        assert list(ledger.days(FIRST, FIRST)) == [FIRST]


def test_a_day_is_closed_when_it_is_over_and_not_before(day: Written, tmp_path: Path) -> None:
    """Its last hour is the same part of the month as any other."""
    copy = replace(day, path=tmp_path / "ledger.sqlite3")
    with day.ledger() as ledger:
        ledger.backup(copy.path)
        evening = Bookkeeper(ledger, day.house).books(FIRST, until=day.end - timedelta(hours=1))
    ask = ["report", f"{FIRST}", "--house", str(day.house_file), "--ledger", str(copy.path), "--savings", "--now"]

    late = CliRunner().invoke(pems, [*ask, (day.end - timedelta(hours=1)).isoformat()])
    with copy.ledger() as ledger:
        kept_early = ledger.days(FIRST, FIRST)
    with Ledger(copy.path, FastClock(day.end), writing=True) as ledger:
        # As PEMS kept it before.
        ledger.add_day(FIRST, {**evening.data(), "complete": True})
    over = CliRunner().invoke(pems, [*ask, day.end.isoformat()])
    with copy.ledger() as ledger:
        kept = from_data(ledger.days(FIRST, FIRST)[FIRST])

    assert (late.exit_code, over.exit_code) == (0, 0), late.output + over.output
    assert not evening.complete
    assert kept_early == {}
    assert kept.until == day.end
    assert kept.actual.bill == pytest.approx(day.report.subject.bill)


def test_without_a_date_the_last_day_that_the_ledger_knows_is_told(day: Written) -> None:
    done = CliRunner().invoke(pems, ["report", "--house", str(day.house_file), "--ledger", str(day.path)])

    assert done.exit_code == 0, done.output
    assert "Tuesday 14 January 2025" in done.output


@pytest.mark.slow
@pytest.mark.live
def test_the_engine_hears_from_a_process_of_its_own(day: Written, books: DayBooks, tmp_path: Path) -> None:
    copy = tmp_path / "ledger.sqlite3"
    with day.ledger() as ledger:
        ledger.backup(copy)

    said, money, alerts = asyncio.run(asked(day, copy))

    assert alerts == []
    # The last quarter hour is not over.
    assert said[0]["saved"] == pytest.approx(books.saved(), abs=1.0)
    assert money[0][0].saved["self_use"].saved == pytest.approx(said[0]["saved"], abs=0.01)
