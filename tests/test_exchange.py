"""Rooms that are planned along courses of what they exchange, against the whole house solved at once."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from pems_core.domain import HeatingState, RoomState
from pems_core.planning import exchange
from pems_core.planning.compile import Compiled, compile_model
from pems_core.planning.exchange import Loosened
from pems_core.planning.parts.thermal import RoomNetwork, outside_gain_kw
from pems_core.planning.planner import Planner, build_model
from pems_core.planning.solve import SolveLimits, solve
from pems_core.planning.solvers import Highs

from .houses import KITCHEN, SmallHouse, battery_at, heating, inverter, rooms_at, small_house

QUARTERS = 48
PRICES = [0.2 + 0.15 * (t % 16 > 10) + 0.1 * (t > 30) for t in range(QUARTERS)]
LIMITS = SolveLimits(gap=0.001)


def flat(conductance: float = 0.05, warm_c: float = 20.5, **series: float) -> SmallHouse:
    """Three rooms in a row, of which the first is warm and the last has no sun."""
    living = replace(KITCHEN, name="living", relay_kw=3.0, neighbours={"kitchen": conductance}, solar_m2=1.0)
    hall = replace(KITCHEN, name="hall", relay_kw=1.0, air_kwh_per_k=0.5, neighbours={"kitchen": 2 * conductance})
    rooms = rooms_at(20.2, 22.0, living=RoomState(warm_c, 23.0), hall=RoomState(19.3, 20.0))
    return small_house(
        {heating(KITCHEN, living, hall): rooms, inverter(): battery_at(0.5)},
        {"import_price_per_kwh": PRICES, "outdoor_temperature_c": 0.0, **series},
        steps=QUARTERS,
        step=timedelta(minutes=15),
    )


def compiled(case: SmallHouse, binary_steps: int = 8) -> Compiled:
    return compile_model(build_model(case.house, case.state, case.forecasts, binary_steps))


def at_once(case: SmallHouse) -> float:
    return Highs().solve(compiled(case).form.relaxed(), 60.0).objective


@pytest.mark.parametrize("conductance", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("ghi", [0.0, 900.0], ids=["no sun", "overheated by the sun"])
def test_the_courses_end_at_the_optimum_of_the_whole_house(conductance: float, ghi: float) -> None:
    case = flat(conductance, ghi_w_m2=ghi)
    whole = at_once(case)
    problem = compiled(case)
    assert problem.exchanges is not None
    rooms = Loosened(problem.form, problem.exchanges)
    settled = rooms.settle(Highs(), problem.form.relaxed(), rooms.at_rest(), lambda: 60.0, 0.01)
    assert settled.solution is not None
    assert settled.apart_k <= exchange.AGREED_K
    assert settled.solution.objective == pytest.approx(whole, rel=1e-3)
    assert settled.bound == pytest.approx(whole, rel=2e-3)


@pytest.mark.parametrize("rounds", [1, 2, 3])
def test_the_bound_holds_however_far_the_courses_are_apart(rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "MOST_ROUNDS", rounds)
    for conductance, ghi in ((0.05, 0.0), (0.2, 900.0), (1.0, 0.0)):
        case = flat(conductance, warm_c=23.0, ghi_w_m2=ghi)
        problem = compiled(case)
        assert problem.exchanges is not None
        rooms = Loosened(problem.form, problem.exchanges)
        settled = rooms.settle(Highs(), problem.form.relaxed(), rooms.at_rest(), lambda: 60.0, 0.01)
        assert settled.bound <= at_once(case) + 1e-6


def test_a_plan_tells_the_temperatures_that_the_rooms_give_each_other() -> None:
    case = flat(0.2)
    spec = case.house.devices[0].equipment
    network = RoomNetwork.of(spec)  # type: ignore[arg-type]
    problem = compiled(case)
    solved = solve(problem, Highs(), LIMITS)
    problem.load(solved.x)
    value = problem.values(solved.x)
    air = {name: room.temperature_c for name, room in case.state.of("heating", HeatingState).rooms.items()}
    slab = {name: room.slab_c for name, room in case.state.of("heating", HeatingState).rooms.items()}
    for t in range(QUARTERS):
        heat_kw = {name: value(problem.model.sinks[f"heating.{name}_kw"](t)) for name in air}
        gains = {name: outside_gain_kw(network.spec.by_name[name], 0.0, 0.0) for name in air}
        air, slab = network.after(air, slab, heat_kw, gains, 0.25)
        for name, temperature_c in air.items():
            assert value(problem.model.levels[f"heating.{name}_c"](t)) == pytest.approx(temperature_c, abs=1e-4)


def test_the_gap_is_that_of_the_whole_house() -> None:
    case = flat(0.1)
    solved = solve(compiled(case), Highs(), LIMITS)
    assert solved.bound == pytest.approx(at_once(case), rel=2e-3)
    assert solved.objective >= solved.bound - 1e-6


@pytest.mark.parametrize("conductance", [2.0, 20.0])
def test_rooms_that_are_nearly_one_are_planned_all_the_same(conductance: float) -> None:
    planner = Planner(flat(conductance).house, flat().options, guarded=False)
    plan = planner.plan(flat(conductance).state, flat(conductance).forecasts)
    planner.close()
    assert plan.rung == "solver", plan.detail
    assert plan.bound is not None
    assert plan.bound == pytest.approx(at_once(flat(conductance)), abs=0.05)


def test_a_room_beside_no_other_needs_no_courses() -> None:
    case = small_house({heating(): rooms_at()}, {}, steps=4)
    assert compiled(case).exchanges is None


def test_the_same_house_gets_the_same_plan() -> None:
    first, again = (solve(compiled(flat()), Highs(), LIMITS) for _ in range(2))
    assert np.array_equal(first.x, again.x)
