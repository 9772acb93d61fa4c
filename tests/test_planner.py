"""The ladder of what to do when a plan fails, and when a running plan is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from pems_core.domain import (
    BatterySpec,
    Decision,
    Forecasts,
    GridSpec,
    HybridInverterSpec,
    NoPlan,
    Override,
    Plan,
    Rung,
    SiteState,
)
from pems_core.planning.planner import Planner, PlanOptions
from pems_core.planning.solve import SolveLimits
from pems_core.planning.solvers import Highs, Solution, Solver, SolverFailure, Status
from pems_core.planning.standard_form import Floats, StandardForm
from pems_core.protocols import Device

from .houses import (
    CAR,
    HOUR,
    INVERTER,
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
    rooms_at,
    small_house,
    with_battery,
)


@dataclass
class Changed:
    """HiGHS, whose answers a test changes before they are given."""

    name: str = "changed"
    highs: Highs = field(default_factory=Highs)

    def ready(self) -> None:
        self.highs.ready()

    def solve(
        self, form: StandardForm, time_limit_s: float, gap: float = 0.01, start: Floats | None = None
    ) -> Solution:
        return self.change(form, self.highs.solve(form, time_limit_s, gap, start))

    def change(self, form: StandardForm, solution: Solution) -> Solution:
        return solution

    def close(self) -> None:
        self.highs.close()


class OnStrike(Changed):
    def change(self, form: StandardForm, solution: Solution) -> Solution:
        raise SolverFailure("the solver is on strike")


class Exaggerating(Changed):
    """Says twice as much as it found."""

    def change(self, form: StandardForm, solution: Solution) -> Solution:
        return replace(solution, x=2 * solution.found)


class Hopeless(Changed):
    def change(self, form: StandardForm, solution: Solution) -> Solution:
        return replace(solution, status=Status.INFEASIBLE, x=None)


class TooSlow(Changed):
    def change(self, form: StandardForm, solution: Solution) -> Solution:
        return replace(solution, status=Status.NONE, x=None)


class Unfinished(Changed):
    """Never gets to the end of a search, and takes no guess for good enough."""

    searched: bool = False

    def change(self, form: StandardForm, solution: Solution) -> Solution:
        if not form.whole.any():
            return replace(solution, objective=solution.objective + (0.0 if self.searched else 1.0))
        self.searched = True
        return replace(solution, status=Status.FEASIBLE)


@dataclass(frozen=True)
class NoRules:
    """Rules that know no answer."""

    name: str = "no_rules"

    def decide(self, devices: Sequence[Device], state: SiteState, forecasts: Forecasts, t: int) -> Sequence[Decision]:
        raise NoPlan("the rules do not know either")


def sunny_house() -> SmallHouse:
    return small_house(
        {inverter(): battery_at(0.5), heating(): rooms_at()}, {"pv_kw": [0.0, 4.0] * 6}, steps=12, step=QUARTER
    )


def planner_with(case: SmallHouse, solver: Solver | None = None, last: Plan | None = None) -> Planner:
    return Planner(case.house, case.options, guarded=False, last=last, _solver=solver or Highs())


def later(case: SmallHouse, by: timedelta) -> SmallHouse:
    """The same house some time after, with forecasts that reach as many steps."""
    horizon = replace(case.forecasts.horizon, start=START + by)
    return replace(case, state=replace(case.state, now=START + by), forecasts=expected(horizon, {"pv_kw": 1.0}))


def test_a_fresh_plan_comes_first() -> None:
    case = sunny_house()
    plan = planner_with(case).plan(case.state, case.forecasts)
    assert plan.rung is Rung.SOLVER
    assert plan.detail == ""
    assert plan.bound is not None
    assert plan.bound <= plan.cost


def test_a_search_that_ran_out_of_time_gives_the_best_so_far() -> None:
    case = small_house(
        {inverter(): battery_at(0.5)}, {"import_price_per_kwh": -0.1, "feed_in_price_per_kwh": -0.2, "pv_kw": 3.0}
    )
    plan = planner_with(case, Unfinished()).plan(case.state, case.forecasts)
    assert plan.rung is Rung.INCUMBENT
    assert plan.detail == ""


@pytest.mark.parametrize(
    ("solver", "why"),
    [
        pytest.param(OnStrike(), "the solver is on strike", id="the solver fails"),
        pytest.param(Hopeless(), "the model is infeasible", id="the model is infeasible"),
        pytest.param(TooSlow(), "not even the relaxation was solved within 12 s", id="no answer in time"),
        pytest.param(Exaggerating(), "power at the house bus is off by", id="the verifier refuses"),
    ],
)
def test_without_an_earlier_plan_rules_take_over(solver: Solver, why: str) -> None:
    case = sunny_house()
    plan = planner_with(case, solver).plan(case.state, case.forecasts)
    assert plan.rung is Rung.RULES
    assert f"fresh: {why}" in plan.detail
    assert "shifted: there is no earlier plan" in plan.detail
    assert plan.valid_until == case.forecasts.horizon.ends[0]


def test_the_rest_of_the_last_plan_comes_before_rules() -> None:
    case = sunny_house()
    first = planner_with(case).plan(case.state, case.forecasts)
    now = later(case, HOUR)
    plan = planner_with(now, OnStrike(), last=first).plan(now.state, now.forecasts)
    assert plan.rung is Rung.SHIFTED
    assert plan.detail == "fresh: the solver is on strike"
    assert plan.valid_until == first.valid_until
    assert plan.modes["inverter"][0] == first.modes["inverter"][4].replace("hold", "battery_first")
    assert plan.binary_steps == 8


def test_a_shifted_plan_can_be_shifted_on_until_it_ends() -> None:
    case = sunny_house()
    planner = planner_with(case)
    planner.plan(case.state, case.forecasts)
    planner._solver = OnStrike()
    rungs = []
    for quarters in (4, 8, 12):
        now = later(case, quarters * QUARTER)
        rungs.append(planner.plan(now.state, now.forecasts).rung)
    assert rungs == [Rung.SHIFTED, Rung.SHIFTED, Rung.RULES]
    assert "shifted: the earlier plan was valid until 2025-01-15T13:00:00+00:00" in planner.faults


def test_rules_are_not_shifted() -> None:
    case = sunny_house()
    planner = planner_with(case, OnStrike())
    planner.plan(case.state, case.forecasts)
    again = planner.plan(case.state, case.forecasts)
    assert again.rung is Rung.RULES
    assert "shifted: the earlier plan is from rules" in again.detail


def test_last_of_all_every_device_is_left_to_itself() -> None:
    case = sunny_house()
    case = replace(case, house=replace(case.house, rules=NoRules()))
    plan = planner_with(case, OnStrike()).plan(case.state, case.forecasts)
    assert plan.rung is Rung.RELEASE
    assert "by_rules: the rules do not know either" in plan.detail
    assert set(plan.modes["inverter"]) == {"load_first"}


def test_the_solver_is_asked_again_after_a_failure() -> None:
    case = sunny_house()
    planner = planner_with(case, OnStrike())
    planner.plan(case.state, case.forecasts)
    planner._solver = Highs()
    plan = planner.plan(case.state, case.forecasts)
    assert plan.rung is Rung.SOLVER
    assert plan.detail == ""


def test_a_device_that_could_not_be_read_is_left_out_and_taken_in_again() -> None:
    case = sunny_house()
    blind = replace(case.state, devices={"heating": case.state.devices["heating"]})
    planner = planner_with(case)
    first = planner.plan(blind, case.forecasts)
    assert first.rung is Rung.SOLVER
    assert not first.knows("inverter")
    planner._solver = OnStrike()
    assert planner.plan(case.state, case.forecasts).rung is Rung.SHIFTED


def test_a_forecast_that_is_missing_leads_to_rules() -> None:
    case = sunny_house()
    known = {n: f for n, f in case.forecasts.series.items() if n not in ("outdoor_temperature_c", "base_load_kw")}
    plan = planner_with(case).plan(case.state, replace(case.forecasts, series=known))
    assert plan.rung is Rung.RULES
    assert "nobody forecasts 'base_load_kw'" in plan.detail


def cheap_hour(price_now: float, price_next: float, keep: float) -> SmallHouse:
    """A battery that fills within one hour, and two hours that are about as cheap."""
    spec = with_battery(charge_limit_kw=2.0, capacity_kwh=1.0, soc_max=1.0, soc_min=0.0)
    prices = [price_now, price_next, 2.0, 2.0]
    case = small_house({inverter(spec): battery_at(0.0)}, {"import_price_per_kwh": prices}, steps=4)
    return replace(case, options=PlanOptions(binary=4 * HOUR, limits=SolveLimits(keep_running_plan=keep)))


@pytest.mark.parametrize(
    ("keep", "charges_first"),
    [pytest.param(0.1, True, id="too small a gain"), pytest.param(0.0, False, id="any gain")],
)
def test_a_running_plan_is_only_given_up_for_a_gain(keep: float, charges_first: bool) -> None:
    before, now = cheap_hour(0.10, 0.11, keep), cheap_hour(0.11, 0.10, keep)
    planner = planner_with(before)
    running = planner.plan(before.state, before.forecasts)
    assert running.dispatch["inverter.charge_kw"][0] > 1.0
    plan = planner.plan(now.state, now.forecasts)
    assert plan.rung is Rung.SOLVER
    assert (plan.dispatch["inverter.charge_kw"][0] > 1.0) == charges_first


def test_a_large_gain_ends_a_running_plan() -> None:
    before, now = cheap_hour(0.10, 0.11, 0.1), cheap_hour(0.90, 0.10, 0.1)
    planner = planner_with(before)
    planner.plan(before.state, before.forecasts)
    assert planner.plan(now.state, now.forecasts).dispatch["inverter.charge_kw"][0] < 0.1


def test_a_plan_that_may_be_far_from_the_best_is_proven_more_closely() -> None:
    """Importing is paid for and the sun shines: in shares, a relaxed inverter does both; no whole state does."""
    prices = [-2.0, -1.0, 3.0, 3.0]
    known: dict[str, float | Sequence[float]] = {
        "import_price_per_kwh": prices,
        "feed_in_price_per_kwh": [price - 0.5 for price in prices],
        "pv_kw": 1.0,
        "base_load_kw": 2.0,
    }
    case = small_house({inverter(INVERTER): battery_at(0.5)}, known, steps=4)

    def plan(prove_above: float | None, state: SiteState = case.state) -> Plan:
        options = PlanOptions(binary=4 * HOUR, limits=SolveLimits(prove_above=prove_above))
        return planner_with(replace(case, options=options)).plan(state, case.forecasts)

    usual, within, proven = plan(None), plan(100.0), plan(0.1)
    by_hand = replace(case.state, overrides=(Override("inverter", "grid_export", True, START, START + HOUR, "ann"),))
    assert usual.gap is not None
    assert proven.gap is not None
    assert usual.gap > 0.5
    assert within.bound == usual.bound
    assert proven.gap < 0.02
    assert proven.dispatch == usual.dispatch
    assert plan(0.1, by_hand).bound == plan(None, by_hand).bound


@pytest.mark.parametrize("path", ["reduced", "full", "both"])
def test_each_path_gives_a_checked_plan(path: str) -> None:
    case = small_house({inverter(INVERTER): battery_at(0.5), heating(KITCHEN): rooms_at()}, {"pv_kw": 2.0}, steps=4)
    options = PlanOptions(path=path, length=4 * HOUR, near=HOUR, binary=HOUR)
    horizon = options.horizon(START)
    plan = Planner(case.house, options, guarded=False).plan(case.state, expected(horizon, {"pv_kw": 2.0}))
    assert plan.rung is Rung.SOLVER
    assert plan.executed_cost is not None


def test_a_battery_that_waits_for_paid_energy_does_not_store_the_sun_meanwhile() -> None:
    paid = [0.05, 0.05, 0.05, -1.0, -1.0, 0.3, 0.3, 0.3]
    case = small_house(
        {inverter(with_battery(capacity_kwh=3.0)): battery_at(0.2)},
        {"import_price_per_kwh": paid, "feed_in_price_per_kwh": [-0.5] * 5 + [0.1] * 3, "pv_kw": [3.0] * 3 + [0.0] * 5},
        steps=8,
    )
    planner = Planner(case.house, case.options, guarded=False)
    plan = planner.plan(case.state, case.forecasts)
    planner.close()
    assert plan.modes["inverter"][:3] == ("hold",) * 3
    charged_kw = plan.dispatch["inverter.charge_kw"]
    assert sum(charged_kw[:3]) < 0.1 < sum(charged_kw[3:5])
    bill, wear = plan.costs["lowest_bill.bill"], plan.costs.get("inverter.wear", 0.0)
    assert plan.executed_cost == pytest.approx(bill + wear, abs=0.05)


def test_hours_ahead_no_plan_counts_on_being_paid_for_energy_while_it_throws_the_sun_away() -> None:
    """A battery that holds nothing, and a car that takes up to 11 kW: it gets 3 kWh, all of them from the sun."""
    battery = with_battery(capacity_kwh=0.01, charge_efficiency=1.0, discharge_efficiency=1.0)
    wallbox = replace(CAR, power_max_kw=11.0)
    case = small_house(
        {inverter(battery): battery_at(0.9), car(wallbox): car_needs(3.0)},
        {"import_price_per_kwh": [0.3, 0.3, -1.0], "feed_in_price_per_kwh": -2.0, "pv_kw": [0.0, 0.0, 4.0]},
        steps=3,
        options=PlanOptions(binary=HOUR),
    )
    planner = Planner(case.house, case.options, guarded=False)
    plan = planner.plan(case.state, case.forecasts)
    planner.close()
    bill, wear = plan.costs["lowest_bill.bill"], plan.costs.get("inverter.wear", 0.0)
    assert plan.executed_cost == pytest.approx(bill + wear, abs=0.05)


@pytest.mark.parametrize("soc", [0.0, 0.4])
def test_relays_that_only_a_share_of_a_state_could_feed_are_not_on(soc: float) -> None:
    """Half charging and half discharging, a relaxed battery gets above its floor and feeds a heater through the night
    that is too much for a narrow connection; no inverter can."""
    narrow = GridSpec(import_limit_kw=0.5, export_limit_kw=10.0)
    battery = BatterySpec(2.0, charge_limit_kw=60.0, discharge_limit_kw=10.0, soc_min=0.5, soc_max=0.9)
    unit = HybridInverterSpec(ac_limit_kw=10.0, grid_charge_limit_kw=10.0, battery=battery)
    devices = {inverter(unit): battery_at(soc), heating(KITCHEN): rooms_at(18.0, 18.0)}
    noon_then_night: dict[str, float | Sequence[float]] = {
        "pv_kw": (30.0, 30.0, 0.0, 0.0),
        "import_price_per_kwh": 0.0,
        "base_load_kw": 0.0,
    }
    house = small_house(devices, noon_then_night, steps=4, grid=narrow)

    planner = Planner(house.house, house.options, guarded=False)
    plan = planner.plan(house.state, house.forecasts)

    assert (plan.rung, planner.faults) == (Rung.SOLVER, [])
    assert plan.dispatch["heating.kitchen_kw"][0] == 2.0
    assert max(plan.dispatch["grid.import_kw"]) <= 0.5
