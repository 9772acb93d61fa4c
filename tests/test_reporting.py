"""What a person sees follows from the flows, needs no server, and tells local time."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO

import pandas as pd
import pytest
from rich.console import Console, RenderableType

from pems_core.domain import BadSeries, Horizon
from pems_core.reporting import (
    Report,
    RunResult,
    html_report,
    overview,
    pictures,
    plan_json,
    plan_picture,
    plan_table,
    results_table,
)
from pems_core.reporting.books import books, mean_price_per_kwh
from pems_core.reporting.course import Course, outside_k
from pems_core.reporting.plan_course import plan_course
from pems_core.reporting.plan_rows import plan_rows
from pems_core.reporting.scores import savings, scores

from .reporting_samples import (
    CLOCKS_FORWARD,
    WINTER,
    bands_over,
    decisions_over,
    forecasts_over,
    index_of,
    plan_over,
    prices_over,
    report_over,
    run_over,
)

PNG = b"\x89PNG"


def printed(table: RenderableType, width: int = 160) -> str:
    console = Console(file=StringIO(), width=width)
    console.print(table)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def two_hours() -> pd.DataFrame:
    """Round numbers: 4 kWh of PV, 1 kWh sold, 3 kWh bought, 6 kWh used."""
    return pd.DataFrame(
        {
            "grid_import_kw": [3.0, 3.0, 3.0, 3.0, 0.0, 0.0, 0.0, 0.0],
            "grid_export_kw": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0],
            "pv_kw": [0.0, 0.0, 0.0, 0.0, 4.0, 4.0, 4.0, 4.0],
            "base_load_kw": [1.0] * 8,
            "heating_kw": [2.0, 2.0, 2.0, 2.0, 3.0, 3.0, 1.0, 1.0],
            "cost": [0.75] * 4 + [0.0] * 2 + [-0.05] * 2,
        },
        index=index_of(WINTER, 2),
    )


def bare_house() -> pd.DataFrame:
    """No rooms, no battery, no PV: only what it draws."""
    index = index_of(WINTER, 24)
    return pd.DataFrame({"grid_import_kw": 0.5, "grid_export_kw": 0.0, "base_load_kw": 0.5, "cost": 0.02}, index=index)


def bare_report() -> Report:
    flows = bare_house()
    index = pd.DatetimeIndex(flows.index)
    return Report(
        title="A bare house",
        currency="CZK",
        timezone="Europe/Prague",
        scenario_name="flat",
        provenance="made up",
        start=WINTER,
        end=WINTER + timedelta(hours=24),
        command="pems simulate",
        versions={},
        results=(run_over(index, flows=flows, planned=False),),
        prices=prices_over(index),
    )


def run_costing(bill: float, name: str) -> RunResult:
    return RunResult(name, bare_house(), bill, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0, {}, 0.0, 0.0, 0.0)


def test_energy_and_shares_follow_from_the_flows() -> None:
    sums = books(Course.regular(two_hours()))
    assert (sums.pv_kwh, sums.import_kwh, sums.export_kwh) == (4.0, 3.0, 1.0)
    assert sums.used_kwh == 6.0
    assert sums.self_consumption == pytest.approx(0.75)
    assert sums.self_sufficiency == pytest.approx(0.5)
    assert sums.peak_import_kw == 3.0


def test_energy_does_not_depend_on_the_step() -> None:
    fine = two_hours().resample("5min").ffill()
    last = pd.DatetimeIndex(fine.index)[-1]
    fine = pd.concat([fine, *(fine.tail(1).set_axis([last + pd.Timedelta(minutes=5 * n)]) for n in (1, 2))])
    assert books(Course.regular(fine)).import_kwh == pytest.approx(3.0)
    assert books(Course.regular(fine)).export_kwh == pytest.approx(1.0)


def test_the_peak_is_a_mean_of_a_quarter_of_an_hour() -> None:
    frame = two_hours().resample("5min").ffill()
    frame["grid_import_kw"] = 0.0
    frame.loc[frame.index[0], "grid_import_kw"] = 9.0
    assert books(Course.regular(frame)).peak_import_kw == pytest.approx(3.0)


def test_prices_paid_are_weighted_by_power() -> None:
    prices = pd.DataFrame({"import_price_per_kwh": [0.1] * 4 + [0.4] * 4}, index=index_of(WINTER, 2))
    paid = mean_price_per_kwh(Course.regular(two_hours()), "heating_kw", prices, "import_price_per_kwh")
    assert paid == pytest.approx((2 * 0.1 + 2 * 0.4) / 4)


def test_net_cost_counts_wear_and_what_is_stored() -> None:
    assert run_costing(10.0, "a").net_cost == 9.0


def test_savings_are_told_against_each_baseline_and_the_possible() -> None:
    ours, theirs = run_costing(7.0, "ours"), run_costing(11.0, "theirs")
    assert ours.saves_against(theirs) == 4.0
    assert ours.saving_share(theirs) == pytest.approx(0.4)
    assert ours.share_of_possible(theirs, bound=5.0) == pytest.approx(0.8)
    assert ours.share_of_possible(theirs, bound=None) is None
    assert ours.share_of_possible(theirs, bound=10.0) is None


def test_no_percentage_of_a_bill_that_is_not_above_zero() -> None:
    assert run_costing(0.0, "ours").saving_share(run_costing(1.0, "theirs")) is None


def test_the_table_shows_the_numbers_of_the_runs() -> None:
    report = report_over(hours=24)
    text = printed(results_table(report))
    imported = report.subject.flows["grid_import_kw"].sum() / 4
    assert f"{report.subject.net_cost:.2f} EUR" in text
    assert f"{imported:.0f} kWh" in text
    assert f"{report.subject.flows['grid_import_kw'].max():.1f} kW" in text
    assert savings(report)[0].saving in text
    plans = next(score for score in scores(report) if score.name == "plans")
    assert plans.values[0] == "94 solver, 2 shifted"
    assert "94 solver, 2" in text
    assert "shifted" in text


def test_the_figures_of_four_runs_fit_into_a_terminal_of_80_characters() -> None:
    report = report_over(hours=24)
    report = replace(report, results=[*report.results, replace(report.subject, name="comfort_first")])
    text = printed(results_table(report), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert all(run.name in text and f"{run.net_cost:.2f} EUR" in text for run in report.results)
    assert all(score.name in text for score in scores(report))


@pytest.fixture(scope="module")
def page() -> str:
    """The report of one day of the full house; drawing it takes seconds."""
    return html_report(report_over(hours=24))


def test_the_html_shows_the_same_figures_as_the_terminal(page: str) -> None:
    for score in scores(report_over(hours=24)):
        for value in score.values:
            assert value in page


def test_the_html_asks_no_server_for_anything(page: str) -> None:
    assert not re.search(r"https?://", page)
    assert set(re.findall(r"""(?:src|href)=["']?([a-z]+:?)""", page)) == {"data:"}
    assert "url(" not in page
    assert "<script" not in page
    assert "<link" not in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page


def test_texts_of_the_report_are_escaped() -> None:
    report = bare_report()
    run = run_over(pd.DatetimeIndex(bare_house().index), "<b>bold</b>", flows=bare_house(), planned=False)
    page = html_report(replace(report, results=(run,), command="pems --x '<img src=a>'"))
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page
    assert "<img src=a>" not in page


def test_the_report_names_command_provenance_and_assumptions(page: str) -> None:
    report = report_over(hours=24)
    assert report.command in page
    assert "scenario generator, seed 7" in page
    assert all(note in page for note in report.notes)


def test_a_house_without_rooms_battery_and_pv_is_shown() -> None:
    report = bare_report()
    drawn = pictures(report)
    assert [picture.name for picture in drawn] == ["overview", "grid", "bills"]
    assert all(picture.png.startswith(PNG) for picture in drawn)
    assert "12.0 kWh" in html_report(report)
    assert "–" in printed(results_table(report))


def test_all_parts_of_a_full_house_are_drawn() -> None:
    drawn = {picture.name: picture for picture in pictures(report_over(hours=24))}
    assert set(drawn) == {"overview", "heating", "rooms", "grid", "planned", "bills"}
    assert "less than thermostat_only (1)" in drawn["overview"].caption


def test_the_same_report_gives_the_same_picture() -> None:
    assert overview(report_over(hours=12)).png == overview(report_over(hours=12)).png


def in_prague(tick: float) -> pd.Timestamp:
    """The instant of a tick, which matplotlib counts in days since 1970 in UTC."""
    return pd.Timestamp(round(tick * 86400), unit="s", tz="UTC").tz_convert("Europe/Prague")


def test_days_begin_at_local_midnight_when_the_clock_changes() -> None:
    axis = overview(report_over(CLOCKS_FORWARD, hours=71)).figure.axes[0].xaxis
    midnights = [in_prague(tick) for tick in axis.get_majorticklocs()]
    assert {(at.hour, at.minute) for at in midnights} == {(0, 0)}
    assert [at.day for at in midnights] == [29, 30, 31, 1]
    hours = {in_prague(tick).hour for tick in axis.get_minorticklocs()}
    assert hours == {6, 12, 18}


def test_the_zone_is_named_on_the_axis() -> None:
    last = overview(report_over(CLOCKS_FORWARD, hours=71)).figure.axes
    labels = [ax.get_xlabel() for ax in last]
    assert "local time, Europe/Prague (CET, then CEST)" in labels


def test_a_plan_over_the_clock_change_tells_both_clocks() -> None:
    horizon = Horizon.uniform(datetime(2025, 3, 30, 0, 0, tzinfo=UTC), timedelta(hours=1), 4)
    text = printed(plan_table(plan_over(horizon), forecasts_over(horizon), "Europe/Prague", "EUR"), 200)
    starts = re.findall(r"^ *(\d\d:\d\d CES?T)–", text, re.MULTILINE)
    assert starts[0] == "01:00 CET"
    assert "03:00 CEST" in text
    assert "02:00 C" not in text


def test_bands_are_left_by_the_degrees_beyond_them() -> None:
    index = index_of(WINTER, 0.75)
    course = Course.regular(pd.DataFrame({"study_c": [18.5, 20.0, 22.5]}, index=index))
    bands = {"study": pd.DataFrame({"low_c": 19.0, "high_c": 21.0}, index=index[:1])}
    assert list(outside_k(course, "study", bands)) == [-0.5, 0.0, 1.5]


def test_rows_of_a_plan_merge_what_does_the_same_and_keep_its_energy() -> None:
    horizon = Horizon(WINTER, (timedelta(minutes=15), timedelta(minutes=45)) * 24)
    course = plan_course(plan_over(horizon), forecasts_over(horizon))
    rows = plan_rows(course)
    assert len(rows) < horizon.steps / 2
    assert [row.start for row in rows[1:]] == [row.end for row in rows[:-1]]
    merged = sum(row.means["heating_kw"] * ((row.end - row.start) / timedelta(hours=1)) for row in rows)
    assert merged == pytest.approx(course.energy_kwh("heating_kw"))


def test_a_change_of_mode_begins_a_row() -> None:
    horizon = Horizon.uniform(WINTER, timedelta(minutes=15), 96)
    course = plan_course(plan_over(horizon), forecasts_over(horizon))
    charging = [row for row in plan_rows(course) if row.mode == "battery_first"]
    assert charging[0].start == WINTER + timedelta(hours=2)
    assert charging[-1].end == WINTER + timedelta(hours=5)


def test_the_plan_table_gives_the_reasons_of_decisions() -> None:
    horizon = Horizon.uniform(WINTER, timedelta(minutes=15), 16)
    table = plan_table(plan_over(horizon), forecasts_over(horizon), "Europe/Prague", "EUR", decisions_over(horizon))
    text = printed(table, 200)
    assert "cheapest hours of the night" in text
    assert "charging before 05:00 avoids the evening peak" in text
    assert "1.12 EUR" in text


def test_a_plan_as_json_keeps_every_flow_and_instant() -> None:
    horizon = Horizon.lengthening(WINTER + timedelta(minutes=5), timedelta(hours=6), timedelta(hours=2))
    plan, forecasts = plan_over(horizon), forecasts_over(horizon)
    data = json.loads(json.dumps(plan_json(plan, forecasts, decisions_over(horizon), "EUR")))
    assert data["format"] == "pems-plan/1"
    assert [datetime.fromisoformat(step["start"]) for step in data["steps"]] == list(horizon.starts)
    assert datetime.fromisoformat(data["steps"][-1]["end"]) == horizon.end
    assert [step["flows"]["grid.import_kw"] for step in data["steps"]] == list(plan.dispatch["grid.import_kw"])
    assert data["steps"][0]["forecasts"]["import_price_per_kwh"] == forecasts["import_price_per_kwh"][0]
    assert data["decisions"][1]["saves"] == 1.12
    assert data["cost"] == pytest.approx(22.2)


def test_a_plan_is_drawn_with_and_without_bands() -> None:
    horizon = Horizon.lengthening(WINTER, timedelta(hours=24))
    plan, forecasts = plan_over(horizon), forecasts_over(horizon)
    bands = bands_over(pd.DatetimeIndex(horizon.starts))
    assert plan_picture(plan, forecasts, bands, "Europe/Prague", "EUR").png.startswith(PNG)
    assert plan_picture(plan, forecasts, {}, "Europe/Prague", "EUR").png.startswith(PNG)


def test_forecasts_of_another_horizon_are_refused() -> None:
    ours, other = (Horizon.uniform(WINTER, timedelta(hours=h), 8) for h in (1, 2))
    with pytest.raises(ValueError, match="one horizon is needed"):
        plan_course(plan_over(ours), forecasts_over(other))


def test_faults_of_a_run_are_told_at_once() -> None:
    flows = two_hours().drop(columns=["cost", "base_load_kw"]).iloc[::-1]
    with pytest.raises(BadSeries) as error:
        run_over(pd.DatetimeIndex(flows.index), flows=flows.assign(cost=0.0).drop(columns="grid_import_kw"))
    assert len(error.value.faults) == 4
    assert "no column 'base_load_kw'" in str(error.value)
    assert "shuffled" in str(error.value)


def test_two_runs_of_one_name_are_refused() -> None:
    report = report_over(hours=6)
    with pytest.raises(BadSeries, match="2 runs are called 'lowest_bill'"):
        replace(report, results=(report.subject, report.subject))
