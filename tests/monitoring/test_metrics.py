"""What points say of a house at a moment, and of its commands."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from pems_core.domain import HOUR, QUARTER, Command, CycleReport, Reading, Readings, Receipt, SiteState, Stage
from pems_core.planning.planner import Planner
from pems_core.recording.metrics import Household, Metrics, Moment
from pems_core.recording.metrics.commands import CommandTimes
from pems_core.recording.points import Point, as_lines
from tests.houses import START, battery_at, heating, inverter, rooms_at, small_house

SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def report() -> CycleReport:
    small = small_house({inverter(): battery_at(0.5), heating(): rooms_at()})
    planner = Planner(small.house, small.options)
    plan = planner.plan(small.state, small.forecasts)
    planner.close()
    return CycleReport(small.state, small.forecasts, plan, ())


@pytest.fixture
def household() -> Household:
    return Household("home", {device.name: device.equipment for device in (inverter(), heating())})


def told(name: str, stage: Stage, at: datetime) -> Receipt:
    """A word of several that a mode is told by."""
    return Receipt(Command(name, "inverter", "mode", "mqtt", f"set/{name}", "1", START + HOUR), stage, at)


def last(points: list[Point]) -> dict[str, Point]:
    """Those that a database has in the end: what is written again at one time under the same tags replaces itself."""
    kept = {(point.time, *sorted(point.tags.items())): point for point in points}
    return {str(point.fields["action"]): point for point in kept.values()}


def test_each_of_several_commands_of_a_control_is_a_point_and_the_failed_one_is_seen(household: Household) -> None:
    names = ("slot 1", "slot 2", "slot 3")
    times, queued = CommandTimes(household), START + timedelta(microseconds=400)
    points = list(times.points(told(name, Stage.QUEUED, queued) for name in names))
    answers = zip(names, (Stage.NO_EFFECT, Stage.READBACK_OK, Stage.READBACK_OK), strict=True)
    points += times.points(told(name, stage, queued + SECOND) for name, stage in answers)
    assert [point.fields["success"] for point in last(points).values()] == [0.0, 1.0, 1.0]
    assert len({line.split()[-1] for line in as_lines(points)}) == 3


def test_that_a_command_has_gone_out_is_no_answer(household: Household) -> None:
    times = CommandTimes(household)
    points = list(times.points([told("word", Stage.QUEUED, START), told("word", Stage.SENT, START + 0.01 * SECOND)]))
    assert "response_s" not in points[-1].fields
    points += times.points([told("word", Stage.READBACK_OK, START + 4 * SECOND)])
    points += times.points([told("word", Stage.EFFECT_OK, START + 90 * SECOND)])
    [point] = last(points).values()
    assert point.fields["response_s"] == 4.0


def test_a_device_that_was_never_read_is_lost_also_after_a_restart(household: Household) -> None:
    state = SiteState(START, {}, {"inverter": "inverter/soc was never read"})
    moment = Moment(household, Readings(START, {}), state)
    found = {p.tags["device"]: p.fields for p in Metrics(household).sample(moment) if p.measurement == "data_age"}
    assert found == {"inverter": {"doubtful": 0.0, "lost": 1.0}, "heating": {"doubtful": 0.0, "lost": 0.0}}


def test_what_two_batteries_take_from_the_grid_is_the_import_once() -> None:
    """The sun gives 1 kW, the grid 5 kW, of which the house has 2 kW: 3 kW of the 4 kW that go in are from the grid."""
    two = Household("home", {name: inverter().equipment for name in ("first", "second")})
    powers = {"site/pv_kw": 1.0, "site/import_kw": 5.0, "first/charge_kw": 3.0, "second/charge_kw": 1.0}
    readings = Readings(START, {name: Reading(kw, "kW", START, START) for name, kw in powers.items()})
    points = Metrics(two).sample(Moment(two, readings, SiteState(START, {}), START - HOUR / 60))
    found = {p.tags["device"]: p.fields["grid_charge_kw"] for p in points if p.measurement == "battery"}
    assert found == {"first": 2.25, "second": 0.75}


@pytest.mark.parametrize(("after", "known"), [(QUARTER, True), (-QUARTER, True), (timedelta(0), False)])
def test_nothing_is_said_of_prices_beyond_what_the_last_cycle_looked_ahead_to(
    household: Household, report: CycleReport, after: timedelta, known: bool
) -> None:
    """Where cycles have failed for days, a price of the day before yesterday would be told as that of now."""
    horizon = report.forecasts.horizon
    now = horizon.end - after if after > timedelta(0) else horizon.start - after if known else horizon.end
    moment = Moment(household, Readings(now, {}), replace(report.state, now=now), now - SECOND, report)
    points = {point.measurement: point for point in Metrics(household).sample(moment)}
    assert ("import_price_per_kwh" in points["prices"].fields) is known
    assert ("marginal_value_per_kwh" in points["prices"].fields) is known
    assert ("planned_soc" in points["battery"].fields) is known
