"""What a plan learns from its devices: limits a battery names, abilities a unit lacks, rooms that others hold."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from math import inf

import pytest

from pems_core.cycle import measure
from pems_core.domain import (
    BatteryState,
    Forecasts,
    HeatingState,
    InverterState,
    Plan,
    Quality,
    Reading,
    Readings,
    Rung,
    SiteState,
    of_kind,
)
from pems_core.planning.planner import Planner
from pems_core.planning.verify import verify
from pems_core.protocols import Device

from .houses import HOUR, KITCHEN, START, SmallHouse, battery_at, heating, inverter, rooms_at, small_house

PRICES: dict[str, float | Sequence[float]] = {
    "import_price_per_kwh": (0.0, 0.0, 0.0, 9.0, 9.0, 9.0),
    "base_load_kw": 2.0,
}


def cheap_now() -> SmallHouse:
    return small_house({inverter(): battery_at(0.3)}, PRICES, steps=6)


def plan_of(small: SmallHouse) -> Plan:
    planner = Planner(small.house, small.options, guarded=False)
    try:
        return planner.plan(small.state, small.forecasts)
    finally:
        planner.close()


def with_inverter(small: SmallHouse, now: InverterState) -> SmallHouse:
    return replace(small, state=replace(small.state, devices={"inverter": now}))


def with_limits(small: SmallHouse, charge_kw: float, until_h: float) -> SmallHouse:
    now = small.state.of("inverter", InverterState)
    battery = of_kind(now.battery, BatteryState)
    limited = replace(battery, charge_limit_kw=charge_kw, limited_until=START + until_h * HOUR)
    return with_inverter(small, replace(now, battery=limited))


def charged(plan: Plan) -> Sequence[float]:
    return plan.dispatch["inverter.charge_kw"]


def test_a_battery_too_cold_to_charge_is_not_planned_to_charge_while_that_is_believed() -> None:
    house = cheap_now()
    assert max(charged(plan_of(house))[:2]) > 1.0

    plan = plan_of(with_limits(house, 0.0, until_h=2.0))

    assert plan.rung is Rung.SOLVER, plan.detail
    assert charged(plan)[:2] == (0.0, 0.0)
    assert charged(plan)[2] > 1.0


def test_the_verifier_refuses_a_plan_beyond_the_limit_that_the_battery_names() -> None:
    house = cheap_now()
    plan = plan_of(house)
    limited = with_limits(house, 0.5, until_h=6.0)

    checked = verify(plan, house.house.devices, house.house.grid, limited.state, house.forecasts)

    assert any("inverter.charge_kw" in text and "0.50 kW is allowed" in text for text in checked.violations)


def test_what_a_unit_cannot_do_is_not_planned() -> None:
    house = cheap_now()
    assert max(plan_of(house).dispatch["inverter.from_house_kw"]) > 1.0

    lacking = replace(battery_at(0.3), lacks=frozenset({"battery_charge_grid", "battery_first"}))
    plan = plan_of(with_inverter(house, lacking))

    assert plan.rung is Rung.SOLVER, plan.detail
    assert max(plan.dispatch["inverter.from_house_kw"]) == 0.0
    assert "battery_first" not in plan.modes["inverter"]


def test_limits_and_lacks_come_from_the_readings() -> None:
    def reading(value: float | str, unit: str = "") -> Reading:
        return Reading(value, unit, START, START, Quality.GOOD)

    points = {
        "inverter/soc": reading(0.5, "share"),
        "inverter/charge_limit_kw": reading(0.0, "kW"),
        "inverter/lacks": reading("battery_charge_grid grid_first"),
    }
    state = of_kind(inverter().state(Readings(START, points)), InverterState)

    battery = of_kind(state.battery, BatteryState)
    assert battery.limits_kw(START) == (0.0, inf)
    assert battery.limits_kw(START + timedelta(hours=3)) == (inf, inf)
    assert state.lacks == {"battery_charge_grid", "grid_first"}


@pytest.mark.parametrize(("held_by", "relay_on", "planned"), [("user", True, 2.0), ("window", True, 0.0)])
def test_a_room_that_others_hold_is_planned_as_they_leave_it(held_by: str, relay_on: bool, planned: float) -> None:
    house = small_house({heating(): rooms_at(20.0)}, steps=6)
    rooms = house.state.of("heating", HeatingState)
    kitchen = replace(
        rooms.rooms[KITCHEN.name], relay_on=relay_on, held_by=held_by, held_until=START + timedelta(hours=2)
    )
    held = replace(house.state, devices={"heating": replace(rooms, rooms={KITCHEN.name: kitchen})})

    plan = plan_of(replace(house, state=held))

    assert plan.rung is Rung.SOLVER, plan.detail
    assert plan.dispatch["heating.kitchen_kw"][:2] == (planned, planned)


class Broken:
    """A device whose plugin has a fault of its own."""

    def __init__(self, device: Device) -> None:
        self._device = device

    def __getattr__(self, name: str) -> object:
        return getattr(self._device, name)

    def state(self, readings: Readings, before: object | None = None) -> object:
        raise KeyError("no such register")

    def add_to_model(self, model: object, state: SiteState, forecasts: Forecasts) -> None:
        raise ZeroDivisionError("a rate of nothing")


def test_a_device_that_fails_to_read_is_left_out_and_the_rest_goes_on() -> None:
    points = {"inverter/soc": Reading(0.5, "share", START, START)}
    broken: Device = Broken(heating())  # type: ignore[assignment]

    state = measure([inverter(), broken], Readings(START, points))

    assert set(state.devices) == {"inverter"}
    assert state.faults == {"heating": "KeyError: 'no such register'"}


def test_a_device_that_fails_to_plan_leaves_the_house_its_fallback() -> None:
    house = cheap_now()
    broken: Device = Broken(house.house.devices[0])  # type: ignore[assignment]

    plan = plan_of(replace(house, house=replace(house.house, devices=(broken,))))

    assert plan.rung is Rung.RULES
    assert "ZeroDivisionError: a rate of nothing" in plan.detail
