"""A planner that hangs costs its own plan, not the house's."""

import threading
from collections.abc import Iterator

import pytest

from pems_core.domain import Forecasts, Plan, Rung, SiteState
from pems_core.planning.planner import Planner
from pems_core.runtime.patience import MOST_ABANDONED, BoundedPlanner
from tests.houses import SmallHouse, battery_at, inverter, small_house

HANGS = threading.Event()


class Hanging(Planner):
    """Its search returns when the test is over."""

    def _fresh(self, state: SiteState, forecasts: Forecasts) -> Plan:
        HANGS.wait()
        return super()._fresh(state, forecasts)


@pytest.fixture
def house() -> Iterator[SmallHouse]:
    HANGS.clear()
    yield small_house({inverter(): battery_at(0.5)})
    HANGS.set()


def planner(house: SmallHouse, kind: type[Planner], patience_s: float) -> BoundedPlanner:
    return BoundedPlanner(house.house, house.options, patience_s, kind)


def test_plans_as_any_planner_while_nothing_hangs(house: SmallHouse) -> None:
    patient = planner(house, Planner, 60.0)
    assert patient.plan(house.state, house.forecasts).rung is Rung.SOLVER
    assert patient.hanging == 0
    patient.close()


def test_goes_on_with_the_next_rung_when_the_search_hangs(house: SmallHouse) -> None:
    patient = planner(house, Hanging, 0.2)
    plan = patient.plan(house.state, house.forecasts)
    assert plan.rung is Rung.RULES
    assert "given up" in plan.detail
    assert patient.hanging == 1
    patient.close()


def test_begins_no_further_search_when_several_hang(house: SmallHouse) -> None:
    patient = planner(house, Hanging, 0.2)
    for _ in range(MOST_ABANDONED + 2):
        assert patient.plan(house.state, house.forecasts).rung is Rung.RULES
    assert patient.hanging == MOST_ABANDONED
    patient.close()


def test_a_search_that_returns_late_does_not_cut_the_next_one_short(house: SmallHouse) -> None:
    patient = planner(house, Hanging, 0.2)
    patient.plan(house.state, house.forecasts)
    patient.patience_s = 60.0
    HANGS.set()
    assert patient.plan(house.state, house.forecasts).rung is Rung.SOLVER
    patient.close()
