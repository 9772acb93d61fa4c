"""A whole cycle: a house is read, its forecasters are asked, and it gets a plan with reasons."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from pems_core.commands.inputs import default_house, house_from
from pems_core.cycle import Site, decisions_at, measure, run_cycle
from pems_core.domain import CycleReport, Forecast, History, Horizon, Quality, Readings, Rung, SiteState
from pems_core.planning.planner import Planner
from pems_core.simulation.generate import generated_winter_days
from pems_core.simulation.house import SimulatedHouse
from pems_core.simulation.outlook import Outlook
from pems_core.site import HouseFile

MIDNIGHT = datetime.combine(date(2025, 1, 14), time(0), ZoneInfo("Europe/Prague")).astimezone(UTC)


class AsGenerated:
    """Forecasts what the generated series will bring."""

    name = "as_generated"
    series: tuple[str, ...] = (
        "import_price_per_kwh",
        "feed_in_price_per_kwh",
        "pv_kw",
        "base_load_kw",
        "outdoor_temperature_c",
        "ghi_w_m2",
    )

    def __init__(self, outlook: Outlook) -> None:
        self._outlook = outlook

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        return self._outlook.forecasts(state.now, horizon).series


class WithoutWeather(AsGenerated):
    """Knows prices, sun and load, but not the weather."""

    name = "without_weather"
    series = ("import_price_per_kwh", "feed_in_price_per_kwh", "pv_kw", "base_load_kw")


class OutOfOrder:
    """A forecaster that cannot answer."""

    name = "out_of_order"
    series = ("pv_kw",)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        raise ConnectionError("the weather service does not answer")


@pytest.fixture(scope="module")
def built() -> HouseFile:
    return house_from(default_house())


@pytest.fixture(scope="module")
def simulated(built: HouseFile) -> SimulatedHouse:
    house = SimulatedHouse(built.equipment, built.house.grid, generated_winter_days(), MIDNIGHT)
    house.advance(MIDNIGHT + timedelta(minutes=5))
    return house


async def cycle(built: HouseFile, readings: Readings) -> CycleReport:
    planner = Planner(built.house, built.options, guarded=False)
    outlook = Outlook(generated_winter_days(), "perfect")
    site = Site(built.house.devices, [OutOfOrder(), AsGenerated(outlook)], planner, "Europe/Prague", "CZK")
    history = generated_winter_days().history(readings.now)
    return await run_cycle(site, readings, built.options.horizon(readings.now), history)


async def test_a_cycle_reads_forecasts_plans_and_says_why(built: HouseFile, simulated: SimulatedHouse) -> None:
    report = await cycle(built, simulated.readings())

    assert report.plan.rung is Rung.SOLVER
    assert {decision.device for decision in report.decisions} == {"inverter", "heating"}
    assert any(decision.reason.text for decision in report.decisions if decision.device == "inverter")
    assert set(report.durations_s) == {"measure", "forecast", "plan", "explain"}


async def test_the_first_step_is_the_rest_of_the_running_quarter(built: HouseFile, simulated: SimulatedHouse) -> None:
    report = await cycle(built, simulated.readings())

    assert report.plan.horizon.lengths[0] == timedelta(minutes=10)
    assert report.plan.horizon.starts[1] == MIDNIGHT + timedelta(minutes=15)


async def test_a_forecaster_that_fails_is_told_and_the_rest_goes_on(
    built: HouseFile, simulated: SimulatedHouse
) -> None:
    report = await cycle(built, simulated.readings())

    assert any("out_of_order" in fault and "does not answer" in fault for fault in report.faults)
    assert "pv_kw" in report.forecasts.series


async def test_a_series_that_nobody_forecasts_costs_the_plan_and_its_reasons_but_not_the_cycle(
    built: HouseFile, simulated: SimulatedHouse
) -> None:
    planner = Planner(built.house, built.options, guarded=False)
    site = Site(built.house.devices, [WithoutWeather(Outlook(generated_winter_days(), "perfect"))], planner)
    readings = simulated.readings()
    history = generated_winter_days().history(readings.now)

    report = await run_cycle(site, readings, built.options.horizon(readings.now), history)

    assert report.plan.rung is Rung.RULES
    assert any("outdoor_temperature_c" in fault for fault in report.faults)
    assert report.decisions


async def test_an_inverter_that_is_silent_leaves_the_heating_planned(
    built: HouseFile, simulated: SimulatedHouse
) -> None:
    readings = simulated.readings()
    silent = {name: reading for name, reading in readings.points.items() if not name.startswith("inverter/")}

    report = await cycle(built, Readings(readings.now, silent))

    assert "inverter/soc was never read" in report.state.faults["inverter"]
    assert {decision.device for decision in report.decisions} == {"heating"}
    assert report.plan.rung is Rung.SOLVER


async def test_a_room_that_is_suspect_is_planned_from_where_it_should_be(
    built: HouseFile, simulated: SimulatedHouse
) -> None:
    readings = simulated.readings()
    point = "heating/kitchen_temperature_c"
    suspect = {**readings.points, point: replace(readings.points[point], quality=Quality.SUSPECT)}

    report = await cycle(built, Readings(readings.now, suspect))

    heating = report.state.devices["heating"]
    assert "suspect" in heating.faults["kitchen"]  # type: ignore[attr-defined]
    assert any(decision.control == "kitchen_relay" for decision in report.decisions)


def test_what_is_told_at_an_instant_is_the_step_that_holds_it(built: HouseFile, simulated: SimulatedHouse) -> None:
    state = measure(built.house.devices, simulated.readings())
    outlook = Outlook(generated_winter_days(), "perfect")
    planner = Planner(built.house, built.options, guarded=False)
    plan = planner.plan(state, outlook.forecasts(state.now, built.options.horizon(state.now)))
    at = MIDNIGHT + timedelta(minutes=47)

    told = decisions_at(plan, built.house.devices, state, at)

    assert {decision.valid_from for decision in told} == {MIDNIGHT + timedelta(minutes=45)}
    assert {decision.valid_until for decision in told} == {MIDNIGHT + timedelta(minutes=60)}
