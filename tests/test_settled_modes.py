"""Changes of mode that gain less than they wear are taken out of a plan."""

from dataclasses import replace
from itertools import pairwise

import pytest

from pems_core.domain import HybridInverterSpec, Plan
from pems_core.planning.planner import Planner
from pems_core.planning.verify import verify

from .houses import INVERTER, SmallHouse, battery_at, inverter, override, small_house

EVENING = (0.30, 0.30, 0.30, 0.32, 0.30, 0.30, 0.30, 0.30)
"""One hour is a little dearer: covering it from the battery gains a little, and takes two changes of mode."""


def evening(mode_change_cost: float, dear: float = 0.32) -> SmallHouse:
    prices = tuple(dear if price == 0.32 else price for price in EVENING)
    spec: HybridInverterSpec = replace(INVERTER, mode_change_cost=mode_change_cost)
    assert spec.battery is not None
    spec = replace(spec, battery=replace(spec.battery, wear_cost_per_kwh=0.10, discharge_efficiency=1.0))
    spec = replace(spec, inverting_efficiency=1.0)
    return small_house({inverter(spec): battery_at(0.8)}, {"import_price_per_kwh": prices}, steps=len(prices))


def plan_of(small: SmallHouse) -> Plan:
    planner = Planner(small.house, small.options, guarded=False)
    try:
        return planner.plan(small.state, small.forecasts)
    finally:
        planner.close()


def changes(plan: Plan) -> int:
    return sum(a != b for a, b in pairwise(plan.modes["inverter"]))


def test_a_change_that_gains_less_than_it_wears_is_not_made() -> None:
    restless = plan_of(evening(mode_change_cost=0.0))
    calm = plan_of(evening(mode_change_cost=0.2))

    assert changes(restless) >= 2
    assert changes(calm) < changes(restless)


def test_a_change_that_is_worth_its_wear_stays() -> None:
    plan = plan_of(evening(mode_change_cost=0.2, dear=3.0))

    assert plan.dispatch["inverter.discharge_kw"][3] == pytest.approx(1.0)


def test_a_settled_plan_is_what_the_inverter_executes() -> None:
    house = evening(mode_change_cost=0.2)
    plan = plan_of(house)

    checked = verify(plan, house.house.devices, house.house.grid, house.state, house.forecasts)

    assert checked.safe, checked.violations
    for flow in ("charge_kw", "discharge_kw", "to_house_kw"):
        executed = checked.rollout.dispatch[f"inverter.{flow}"]
        assert plan.dispatch[f"inverter.{flow}"] == pytest.approx(executed, abs=0.02)


def test_what_a_person_has_set_is_not_settled_away() -> None:
    house = evening(mode_change_cost=5.0)
    by_hand = override("inverter", "mode", "grid_first")
    plan = plan_of(replace(house, state=replace(house.state, overrides=(by_hand,))))

    assert plan.modes["inverter"][0] == "grid_first"
