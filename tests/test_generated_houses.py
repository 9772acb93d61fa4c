"""Whatever the house, its state and the prices: there is a plan, and the house can do what it says."""

import os
from collections import Counter
from dataclasses import replace

from hypothesis import HealthCheck, given, note, settings

from pems_core.domain import Plan, Rung
from pems_core.planning.planner import Planner
from pems_core.planning.verify import verify

from .generated_houses import generated_houses
from .houses import SmallHouse
from .physics import broken
from .test_planner import OnStrike

HOUSES = int(os.environ.get("PEMS_GENERATED_HOUSES", "60"))
"""How many houses; 500 and more before a release."""

some_houses = settings(
    max_examples=HOUSES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
fewer_houses = settings(some_houses, max_examples=max(10, HOUSES // 6))


def plan_of(case: SmallHouse) -> tuple[Plan, list[str]]:
    """A plan by a new planner, and why better rungs failed."""
    planner = Planner(case.house, case.options, guarded=False)
    try:
        return planner.plan(case.state, case.forecasts), planner.faults
    finally:
        planner.close()


def test_every_generated_house_gets_a_plan_that_it_can_follow() -> None:
    rungs: Counter[Rung] = Counter()

    @some_houses
    @given(generated_houses())
    def holds(case: SmallHouse) -> None:
        note(repr(case))
        plan, faults = plan_of(case)
        rungs[plan.rung] += 1
        assert faults == [], "the solver's plan was not to be had"
        assert verify(plan, case.house.devices, case.house.grid, case.state, case.forecasts).violations == []
        assert broken(case, plan) == []

    holds()
    print(f"rungs of {rungs.total()} generated houses: {dict(rungs)}")
    assert set(rungs) <= {Rung.SOLVER, Rung.INCUMBENT}


@fewer_houses
@given(generated_houses())
def test_no_plan_is_cheaper_than_its_proven_bound(case: SmallHouse) -> None:
    plan, _ = plan_of(case)
    assert plan.bound is not None
    assert plan.bound <= plan.cost + 1e-6 * max(1.0, abs(plan.cost))


@fewer_houses
@given(generated_houses())
def test_the_same_house_gets_the_same_plan(case: SmallHouse) -> None:
    first, again = plan_of(case)[0], plan_of(case)[0]
    assert replace(first, solve_s=0.0) == replace(again, solve_s=0.0)


@fewer_houses
@given(generated_houses())
def test_the_order_of_devices_does_not_matter(case: SmallHouse) -> None:
    turned = replace(case, house=replace(case.house, devices=tuple(reversed(case.house.devices))))
    first, again = plan_of(case)[0], plan_of(turned)[0]
    assert replace(first, solve_s=0.0) == replace(again, solve_s=0.0)


@fewer_houses
@given(generated_houses())
def test_without_a_solver_every_house_is_still_told_what_to_do(case: SmallHouse) -> None:
    plan = Planner(case.house, case.options, guarded=False, _solver=OnStrike()).plan(case.state, case.forecasts)
    assert plan.rung in (Rung.RULES, Rung.RELEASE)
    assert "fresh: the solver is on strike" in plan.detail
    assert len(plan.dispatch["grid.import_kw"]) == plan.horizon.steps
