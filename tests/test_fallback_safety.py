"""What takes over when planning fails is as safe as a plan, and lasts no longer than it is valid."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest

from pems_core.cycle import Site, decisions_at, run_cycle
from pems_core.domain import (
    Forecasts,
    GridSpec,
    HeatingState,
    History,
    Horizon,
    ImportPeak,
    Plan,
    Reading,
    Readings,
    RoomState,
    Rung,
    SiteState,
)
from pems_core.planning.planner import Planner, PlanOptions
from pems_core.protocols import Device
from pems_core.simulation.generate import generated_winter_days
from pems_core.simulation.loop import PlanningController
from pems_core.simulation.outlook import Outlook

from .houses import (
    HOUR,
    KITCHEN,
    QUARTER,
    START,
    SmallHouse,
    battery_at,
    car,
    car_needs,
    expected,
    heating,
    inverter,
    override,
    rooms_at,
    small_house,
)
from .test_planner import OnStrike, later, planner_with

SLOW_KITCHEN = replace(KITCHEN, min_on=timedelta(minutes=30), min_off=timedelta(minutes=30))


def heated_house(relay: RoomState, grid: GridSpec | None = None) -> SmallHouse:
    """One cold room whose relay switches every half hour at most."""
    devices = {heating(SLOW_KITCHEN): rooms_at(kitchen=relay)}
    return small_house(devices, steps=8, step=QUARTER, grid=grid or GridSpec(10.0, 4.0))


def test_a_shifted_plan_that_would_switch_a_relay_too_soon_gives_way_to_rules() -> None:
    case = heated_house(RoomState(15.0, 15.0))
    first = planner_with(case).plan(case.state, case.forecasts)
    assert set(first.dispatch["heating.kitchen_kw"]) == {2.0}
    now = later(case, QUARTER)
    # Somebody switched the relay off five minutes ago.
    off = RoomState(15.0, 15.0, relay_on=False, relay_since=START + timedelta(minutes=10))
    now = replace(now, state=replace(now.state, devices={"heating": rooms_at(kitchen=off)}))

    plan = planner_with(now, OnStrike(), last=first).plan(now.state, now.forecasts)

    assert plan.rung is Rung.RULES
    assert "shifted: heating.kitchen_kw: relay off for 0:05:00" in plan.detail
    assert plan.dispatch["heating.kitchen_kw"][:3] == (0.0, 0.0, 2.0)


def test_rules_do_not_overload_the_connection() -> None:
    case = heated_house(RoomState(15.0, 15.0), GridSpec(import_limit_kw=2.5, export_limit_kw=0.0))

    plan = planner_with(case, OnStrike()).plan(case.state, case.forecasts)

    assert plan.rung is Rung.RULES
    assert set(plan.dispatch["heating.kitchen_kw"]) == {0.0}


def test_rules_charge_from_the_grid_with_what_the_connection_leaves() -> None:
    """As the inverter does: it would take 6 kW, and the connection has 3 kW to spare."""
    case = small_house(
        {inverter(): battery_at(0.3)},
        {"import_price_per_kwh": [0.05, 0.05] + [1.5] * 6, "base_load_kw": 1.0},
        steps=8,
        grid=GridSpec(import_limit_kw=4.0, export_limit_kw=4.0),
    )

    plan = planner_with(case, OnStrike()).plan(case.state, case.forecasts)

    assert plan.rung is Rung.RULES
    assert plan.modes["inverter"][0] == "battery_first"
    assert plan.dispatch["grid.import_kw"][0] == pytest.approx(4.0)


def test_what_rules_would_do_later_does_not_count_against_them() -> None:
    """They decide anew before the load of the second step comes."""
    case = heated_house(RoomState(15.0, 15.0), GridSpec(import_limit_kw=3.0, export_limit_kw=0.0))
    busy = expected(case.forecasts.horizon, {"base_load_kw": [1.0] + [2.0] * 7})

    plan = planner_with(case, OnStrike()).plan(case.state, busy)

    assert plan.rung is Rung.RULES
    assert plan.dispatch["grid.import_kw"][:2] == (3.0, 4.0)


def test_both_paths_are_weighed_without_a_device_that_could_not_be_read() -> None:
    case = small_house({inverter(): battery_at(0.5), heating(): rooms_at()})
    options = PlanOptions(path="both", length=4 * HOUR, near=HOUR, binary=HOUR)
    blind = replace(case.state, devices={"heating": case.state.devices["heating"]})
    forecasts = expected(options.horizon(START), {})

    plan = Planner(case.house, options, guarded=False).plan(blind, forecasts)

    assert plan.rung is Rung.SOLVER
    assert not plan.knows("inverter")


def test_a_device_that_is_read_again_is_told_nothing_until_it_is_planned() -> None:
    case = small_house({inverter(): battery_at(0.5), heating(): rooms_at()})
    blind = replace(case.state, devices={"heating": case.state.devices["heating"]})
    plan = planner_with(case).plan(blind, case.forecasts)

    told = decisions_at(plan, case.house.devices, case.state, START)

    assert {decision.device for decision in told} == {"heating"}


@dataclass
class Valid(Planner):
    """Gives rules, and remembers when it was asked."""

    asked: list[datetime] = field(default_factory=list)

    def plan(self, state: SiteState, forecasts: Forecasts) -> Plan:
        self.asked.append(state.now)
        return self._by_rules(state, forecasts)


def test_a_fallback_is_planned_again_as_soon_as_it_ends() -> None:
    scenario = generated_winter_days()
    case = small_house({heating(): rooms_at()})
    planner = Valid(case.house)
    controller = PlanningController(planner, Outlook(scenario, "perfect"), every=HOUR)
    for quarters in range(3):
        controller.decide(replace(case.state, now=scenario.start + quarters * QUARTER))
    assert planner.asked == [scenario.start + quarters * QUARTER for quarters in range(3)]


@dataclass
class Expecting:
    """Forecasts an unremarkable day."""

    name: str = "expecting"
    series: Sequence[str] = tuple(expected(Horizon.uniform(START, HOUR, 1), {}).series)

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> dict[str, object]:
        return dict(expected(horizon, {}).series)


async def test_a_cycle_plans_around_what_was_set_by_hand() -> None:
    case = small_house({car(): None})
    site = Site(case.house.devices, [Expecting()], planner_with(case))  # type: ignore[list-item]
    readings = Readings(START, {"car/energy_needed_kwh": Reading(8.0, "kWh", START, START)})
    by_hand = [override("car", "power_kw", 2.5)]
    horizon = Horizon.uniform(START, HOUR, 4)

    history, peak = generated_winter_days().history(START), ImportPeak(3.0)
    report = await run_cycle(site, readings, horizon, history, None, by_hand, peak)

    assert report.plan.dispatch["car.power_kw"][0] == 2.5
    assert report.state.peak.so_far_kw == 3.0


def three_heaters(*others: tuple[Device, object], **kitchen: object) -> SmallHouse:
    """Three cold rooms of 2 kW each, and maybe more, behind a connection for 5 kW."""
    rooms = [replace(SLOW_KITCHEN, name=name) for name in ("kitchen", "hall", "study")]
    warmest = RoomState(18.9, 18.9, **kitchen)  # type: ignore[arg-type]
    cold = HeatingState({"kitchen": warmest, "hall": RoomState(18.5, 18.5), "study": RoomState(16.0, 16.0)})
    return small_house({heating(*rooms): cold, **dict(others)}, steps=8, step=QUARTER, grid=GridSpec(5.5, 4.0))


def heated_by_rules(case: SmallHouse) -> list[float]:
    """What the rooms draw at first [kW]; nothing overloads the connection."""
    plan = planner_with(case, OnStrike()).plan(case.state, case.forecasts)
    assert plan.rung is Rung.RULES, plan.detail
    assert max(plan.dispatch["grid.import_kw"]) <= 5.5 + 1e-6
    assert all(kw == 0.0 for name, flow in plan.dispatch.items() if name.startswith("car.") for kw in flow[:1])
    return [plan.dispatch[f"heating.{room}_kw"][0] for room in ("kitchen", "hall", "study")]


def test_rules_leave_the_warmest_room_off_when_the_connection_is_full() -> None:
    assert heated_by_rules(three_heaters()) == [0.0, 2.0, 2.0]


def test_rules_take_a_cars_power_before_they_take_heat() -> None:
    assert heated_by_rules(three_heaters((car(), car_needs(20.0)))) == [0.0, 2.0, 2.0]


def test_rules_leave_a_relay_on_within_its_minimum_time() -> None:
    just_on = three_heaters(relay_on=True, relay_since=START - timedelta(minutes=5))
    assert heated_by_rules(just_on) == [2.0, 0.0, 2.0]
