"""The verifier lets good plans pass and finds each way in which a plan can lie."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from pems_core.devices import PvPlant
from pems_core.domain import GridSpec, HeatingState, InverterState, Plan, PvSpec, RoomState
from pems_core.planning.planner import Planner
from pems_core.planning.verify import verify

from .houses import (
    HOUR,
    INVERTER,
    KITCHEN,
    QUARTER,
    START,
    SmallHouse,
    battery_at,
    car,
    car_needs,
    heating,
    inverter,
    override,
    rooms_at,
    small_house,
    with_battery,
)

STUDY = replace(KITCHEN, name="study", min_on=timedelta(minutes=30), min_off=timedelta(minutes=30))


@pytest.fixture(scope="module")
def case() -> SmallHouse:
    """A house of everything, at noon on a sunny winter day."""
    state = rooms_at(study=RoomState(20.0, 21.0, relay_on=False, relay_since=START - timedelta(minutes=10)))
    return small_house(
        {
            inverter(replace(INVERTER, pv_share=0.75)): battery_at(0.5),
            heating(KITCHEN, STUDY): state,
            car(): car_needs(3.0, ready_by=START + HOUR),
            PvPlant("pv", PvSpec(0.25)): None,
        },
        {"pv_kw": 4.0, "import_price_per_kwh": [0.1, 0.1, 0.1, 0.5, 0.5, 0.5], "base_load_kw": 1.5},
        steps=6,
        step=QUARTER,
    )


@pytest.fixture(scope="module")
def plan(case: SmallHouse) -> Plan:
    planner = Planner(case.house, case.options, guarded=False)
    found = planner.plan(case.state, case.forecasts)
    assert planner.faults == []
    return found


def violations(case: SmallHouse, plan: Plan) -> str:
    return "\n".join(verify(plan, case.house.devices, case.house.grid, case.state, case.forecasts).violations)


def with_flow(plan: Plan, changes: Mapping[str, float], t: int = 1) -> Plan:
    """The plan with other flows in one step."""
    dispatch = dict(plan.dispatch)
    for name, kw in changes.items():
        dispatch[name] = tuple(kw if s == t else was for s, was in enumerate(dispatch[name]))
    return replace(plan, dispatch=dispatch)


def with_level(plan: Plan, name: str, value: float, t: int = 1) -> Plan:
    levels = dict(plan.levels)
    levels[name] = tuple(value if s == t else was for s, was in enumerate(levels[name]))
    return replace(plan, levels=levels)


def test_a_plan_of_the_solver_passes(case: SmallHouse, plan: Plan) -> None:
    assert violations(case, plan) == ""


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        pytest.param({"grid.import_kw": 9.0}, "power at the house bus is off by", id="balance"),
        pytest.param({"base_load_kw": -1.0}, "base_load_kw is -1.000 kW", id="negative flow"),
        pytest.param({"grid.export_kw": float("nan")}, "grid.export_kw is nan kW", id="not a number"),
        pytest.param({"inverter.charge_kw": float("nan")}, "inverter.charge_kw is nan kW", id="no setting follows"),
        pytest.param({"grid.import_kw": 11.0}, "import is 11.00 kW at 2025-01-15 10:15Z; 10 kW", id="import limit"),
        pytest.param({"grid.export_kw": 5.0}, "export is 5.00 kW at 2025-01-15 10:15Z; 4 kW", id="export limit"),
        pytest.param({"grid.import_kw": 1.0, "grid.export_kw": 1.0}, "at once", id="both over the meter"),
        pytest.param({"inverter.to_house_kw": 8.5}, "inverter.to_house_kw is 8.50 kW", id="AC limit"),
        pytest.param({"inverter.pv_kw": 3.5}, "inverter.pv_kw is 3.50 kW", id="more PV than there is"),
        pytest.param({"inverter.charge_kw": 6.0}, "inverter.charge_kw is 6.00 kW", id="charge limit"),
        pytest.param({"inverter.discharge_kw": 4.5}, "inverter.discharge_kw is 4.50 kW", id="discharge limit"),
        pytest.param({"inverter.from_house_kw": 6.5}, "inverter.from_house_kw is 6.50 kW", id="grid charge limit"),
        pytest.param({"inverter.charge_kw": 1.0, "inverter.discharge_kw": 1.0}, "at once", id="both ways"),
        pytest.param(
            {"inverter.to_house_kw": 1.0, "inverter.from_house_kw": 1.0},
            "inverter gives 1.00 kW and takes 1.00 kW at once",
            id="converts both ways",
        ),
        pytest.param({"inverter.discharge_kw": 2.0}, "power at the DC bus of inverter is off", id="DC bus"),
        pytest.param({"inverter.charge_kw": 4.9}, "its flows give", id="energy in the cells"),
        pytest.param({"heating.kitchen_kw": 1.0}, "a relay gives 0 or 2 kW", id="half a relay"),
        pytest.param({"heating.kitchen_kw": 3.0}, "the relay has 2 kW", id="more than a relay"),
        pytest.param({"car.power_kw": 4.5}, "car.power_kw is 4.50 kW", id="load limit"),
        pytest.param({"car.power_kw": 0.3}, "0 or at least 1 kW is allowed", id="less than a load can draw"),
        pytest.param({"base_load_kw": 0.2}, "base_load_kw is 0.200 kW", id="less base load than there is"),
        pytest.param({"pv.pv_kw": 1.5}, "pv.pv_kw is 1.50 kW at 2025-01-15 10:15Z; 0.00 to 1.00", id="PV of a plant"),
    ],
)
def test_a_wrong_flow_is_found(case: SmallHouse, plan: Plan, changes: Mapping[str, float], found: str) -> None:
    assert found in violations(case, with_flow(plan, changes))


def test_a_load_outside_its_time_is_found(case: SmallHouse, plan: Plan) -> None:
    assert "outside the time" in violations(case, with_flow(plan, {"car.power_kw": 2.0}, t=5))


def test_a_load_that_gets_more_than_it_needs_is_found(case: SmallHouse, plan: Plan) -> None:
    generous = plan
    for t in range(4):
        generous = with_flow(generous, {"car.power_kw": 4.0}, t)
    assert "it needs 3.00 kWh" in violations(case, generous)


@pytest.mark.parametrize(
    ("level", "value", "found"),
    [
        pytest.param("inverter.soc", 0.1, "inverter.soc is 0.100 at 2025-01-15 10:15Z; 0.200 to 0.900", id="floor"),
        pytest.param("inverter.soc", 0.95, "0.200 to 0.900 is allowed", id="ceiling"),
        pytest.param("heating.kitchen_c", 25.0, "heating.kitchen_c is planned at 25.00", id="room temperature"),
        pytest.param(
            "heating.kitchen_c", float("nan"), "heating.kitchen_c is nan at 2025-01-15 10:15Z", id="no temperature"
        ),
    ],
)
def test_a_wrong_level_is_found(case: SmallHouse, plan: Plan, level: str, value: float, found: str) -> None:
    assert found in violations(case, with_level(plan, level, value))


def test_a_relay_that_switches_too_soon_is_found(case: SmallHouse, plan: Plan) -> None:
    """It went off ten minutes ago and has to stay off for thirty."""
    found = violations(case, with_flow(plan, {"heating.study_kw": STUDY.relay_kw}, t=1))
    assert "heating.study_kw: relay off for 0:25:00 at 2025-01-15 10:15Z; at least 0:30:00" in found


def test_a_relay_that_comes_on_for_too_short_is_found(case: SmallHouse, plan: Plan) -> None:
    blip = plan
    for t in range(6):
        blip = with_flow(blip, {"heating.study_kw": STUDY.relay_kw if t == 3 else 0.0}, t)
    assert "relay on for 0:15:00" in violations(case, blip)


def test_a_series_of_wrong_length_is_found(case: SmallHouse, plan: Plan) -> None:
    longer = replace(plan, dispatch={**plan.dispatch, "garage_kw": (0.0,) * 7})
    assert "garage_kw has 7 values; the horizon has 6 steps" in violations(case, longer)


@pytest.mark.parametrize("lacking", ["heating.kitchen_kw", "inverter.from_house_kw", "pv.pv_kw", "heating.kitchen_c"])
def test_a_plan_that_lacks_a_series_is_found(case: SmallHouse, plan: Plan, lacking: str) -> None:
    without = replace(
        plan,
        dispatch={name: flow for name, flow in plan.dispatch.items() if name != lacking},
        levels={name: level for name, level in plan.levels.items() if name != lacking},
    )
    assert violations(case, without) == f"{lacking} is not in the plan"


def test_a_plan_for_other_steps_is_found(case: SmallHouse, plan: Plan) -> None:
    assert "which are not those of the forecasts" in violations(case, plan.first_steps(4))


def test_an_inverter_without_a_battery_gives_no_more_than_its_pv() -> None:
    case = small_house({inverter(replace(INVERTER, battery=None)): InverterState()}, {"pv_kw": 2.0})
    plan = Planner(case.house, case.options, guarded=False).plan(case.state, case.forecasts)
    assert violations(case, plan) == ""
    lie = with_flow(plan, {"inverter.to_house_kw": 4.0, "grid.export_kw": 3.0})
    assert violations(case, lie).startswith("power at the DC bus of inverter is off by -2.500 kW")


def test_a_cold_battery_takes_no_more_than_its_derated_limit() -> None:
    spec = with_battery(temperature_derating=((0.0, 0.1), (20.0, 1.0)))
    case = small_house({inverter(spec): battery_at(0.5, temperature_c=0.0)}, {"pv_kw": 8.0})
    plan = Planner(case.house, case.options, guarded=False).plan(case.state, case.forecasts)
    assert plan.detail == ""
    assert "inverter.charge_kw is 2.00 kW at 2025-01-15 11:00Z; 0.50 kW" in violations(
        case, with_flow(plan, {"inverter.charge_kw": 2.0})
    )


def test_a_battery_below_its_floor_gives_nothing() -> None:
    case = small_house({inverter(): battery_at(0.1)})
    plan = Planner(case.house, case.options, guarded=False).plan(case.state, case.forecasts)
    assert plan.detail == ""
    draining = with_level(with_flow(plan, {"inverter.discharge_kw": 1.0}), "inverter.soc", 0.1)
    assert "inverter discharges 1.00 kW at 2025-01-15 11:00Z, below its floor of 0.200" in violations(case, draining)


def test_a_setting_that_the_device_does_not_take_is_found(case: SmallHouse, plan: Plan) -> None:
    mad = replace(plan, modes={"inverter": ("turbo",) * 6})
    assert "mode is 'turbo'; allowed: load_first, battery_first, grid_first" in violations(case, mad)


@pytest.mark.parametrize(
    ("relay_since", "set_by_hand", "allowed"),
    [
        pytest.param(START - timedelta(minutes=5), False, True, id="a minimum time excuses it"),
        pytest.param(None, True, True, id="a person excuses it"),
        pytest.param(None, False, False, id="nothing excuses it"),
    ],
)
def test_an_overload_needs_an_excuse(relay_since: object, set_by_hand: bool, allowed: bool) -> None:
    """A relay of 2 kW on a connection of 1 kW."""
    kitchen = replace(KITCHEN, min_on=timedelta(minutes=20))
    room = RoomState(25.0, 30.0, relay_on=True, relay_since=relay_since)  # type: ignore[arg-type]
    by_hand = [override("heating", "kitchen_relay", True, length=QUARTER)] if set_by_hand else []
    case = small_house(
        {heating(kitchen): HeatingState({"kitchen": room})},
        {"base_load_kw": 0.5},
        step=QUARTER,
        grid=GridSpec(1.0, 0.0),
        overrides=by_hand,
    )
    plan = Planner(case.house, case.options, guarded=False).plan(case.state, case.forecasts)
    assert plan.detail == ""
    assert plan.dispatch["grid.import_kw"] == ((2.5, 0.5) if allowed else (0.5, 0.5))
    overloaded = with_flow(plan, {"heating.kitchen_kw": 2.0, "grid.import_kw": 2.5}, t=0)
    assert ("1 kW is allowed" not in violations(case, overloaded)) == allowed
