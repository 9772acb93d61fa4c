"""How long a plan takes, what bounds it, and what the way through Pyomo costs."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from math import isnan
from statistics import fmean, median
from time import perf_counter

import pyomo.environ as pyo

from pems_core.domain import Forecasts, Override
from pems_core.planning.compile import compile_model, no_garbage_collection
from pems_core.planning.planner import PlanOptions, build_model
from pems_core.planning.solve import solve
from pems_core.planning.solvers import Highs
from pems_core.planning.standard_form import StandardForm

from .arithmetic import gap_percent, percent, percentile
from .clocked import ClockedPlanner, PlanNumbers
from .cycles import Cycle, sampled
from .houses import reference_house
from .rows import Bar, Row
from .runs import RunSpec
from .setting import Benchmark, Setting

WEEKS = ("winter", "spring")
GAP_BARS = {"winter": 1.0, "spring": 2.5}
CBC_TIME_LIMIT_S = 25.0
OVERRIDES = (("heating", "kitchen_setpoint_c", 23.0), ("inverter", "mode", "battery_first"))
OVERRIDDEN_FOR = timedelta(hours=3)
STOCK_REPEATS = 5


def loop(setting: Setting, week: str) -> RunSpec:
    """The closed loop whose plans are looked at."""
    return RunSpec("lowest_bill", week, setting.days, every_min=setting.every_min)


def plan_time_runs(setting: Setting) -> Sequence[RunSpec]:
    return [loop(setting, week) for week in WEEKS] if setting.full else []


def plan_time(setting: Setting) -> Iterator[Row]:
    """Every plan of two closed loops; the short selection takes a few sampled cycles."""
    together: list[PlanNumbers] = []
    for week in WEEKS:
        if setting.full:
            # The first plan starts the solver's process, which happens once.
            first, *numbers = setting.runs[loop(setting, week)].plans
            yield Row(f"{week}: first plan of all, with the start of the solver's process", first.wall_s, "s")
        else:
            numbers = sampled_plans(week, 6, reference_house().options)
        together += numbers
        yield from gap_rows(week, numbers)
    yield from time_rows(together)
    yield from split_rows(together)


def sampled_plans(week: str, count: int, options: PlanOptions) -> list[PlanNumbers]:
    """Plans of sampled cycles; each follows a plan of the quarter hour before, as in a closed loop."""
    built = reference_house()
    planner = ClockedPlanner.of(built.house, options)
    try:
        for cycle in sampled(built, week, count):
            planner.warm_up(cycle.before, cycle.forecasts_before(options))
            planner.plan(cycle.state, cycle.forecasts(options))
        return planner.audited(built)
    finally:
        planner.close()


def time_rows(numbers: Sequence[PlanNumbers]) -> Iterator[Row]:
    wall, cpu = [n.wall_s for n in numbers], [n.cpu_s for n in numbers]
    yield Row("plans", len(numbers))
    yield Row("wall time, p50", median(wall), "s")
    yield Row("wall time, p95", percentile(wall, 0.95), "s", Bar("<", 5.0))
    yield Row("wall time, longest", max(wall), "s", Bar("<=", 12.0))
    yield Row("CPU time, p50", median(cpu), "s")
    yield Row("CPU time, p95", percentile(cpu, 0.95), "s")
    yield Row("CPU time, most", max(cpu), "s")
    yield Row("plans not from the solver", sum(n.rung not in ("solver", "incumbent") for n in numbers))
    yield Row("plans that the time limit cut short", sum(n.rung == "incumbent" for n in numbers))
    yield Row(
        "plans that break physics, limits or minimum times", sum(n.violations > 0 for n in numbers), "", Bar("=", 0)
    )


def split_rows(numbers: Sequence[PlanNumbers]) -> Iterator[Row]:
    """Medians of the stages; what is left is reading the solution and carrying it from process to process."""
    split = [n for n in numbers if not isnan(n.build_s)]
    yield Row("of it building the model, median", median(n.build_s for n in split), "s")
    yield Row("of it standard form, median", median(n.compile_s for n in split), "s")
    yield Row("of it transfer to the solver's process and back, median", median(n.transfer_s for n in numbers), "s")
    yield Row("of it solver, median", median(n.solver_s for n in numbers), "s")
    yield Row("of it verifying, median", median(n.verify_s for n in numbers), "s")


def gap_rows(week: str, numbers: Sequence[PlanNumbers]) -> Iterator[Row]:
    """Gaps to the proven bound over the mean two-day bill of thermostats with no battery control.

    A single plan's own baseline bill is stated only: on sunny days at negative prices it comes near zero.
    """
    proven = [n for n in numbers if n.bound is not None]
    bar, gaps = Bar("<=", GAP_BARS[week]), [n.gap for n in proven]
    bill = fmean(n.baseline_bill for n in proven)
    own = [share for n in proven if (share := percent(n.gap, n.baseline_bill)) is not None]
    yield Row(f"{week}: plans with a proven bound", percent(len(proven), len(numbers)), "%")
    yield Row(f"{week}: baseline bill over two days, mean", bill, "CZK")
    yield Row(f"{week}: gap to the bound, mean, of the baseline bill", percent(fmean(gaps), bill), "%", bar)
    yield Row(f"{week}: gap to the bound, p95, of the baseline bill", percent(percentile(gaps, 0.95), bill), "%", bar)
    yield Row(f"{week}: gap to the bound, largest, of the baseline bill", percent(max(gaps), bill), "%")
    yield Row(f"{week}: gap of its own baseline bill, p95 over plans", percentile(own, 0.95), "%")


def plan_time_cbc(setting: Setting) -> Iterator[Row]:
    options = reference_house().options
    options = replace(options, solver="cbc", limits=replace(options.limits, time_limit_s=CBC_TIME_LIMIT_S))
    numbers = [n for week in WEEKS for n in sampled_plans(week, 24 if setting.full else 1, options)]
    wall = [n.wall_s for n in numbers]
    yield Row("plans", len(numbers))
    yield Row("wall time, p50", median(wall), "s")
    yield Row("wall time, longest", max(wall), "s", Bar("<=", 30.0))
    yield Row("CPU time, p50", median(n.cpu_s for n in numbers), "s")
    yield Row("CPU time, most", max(n.cpu_s for n in numbers), "s")
    fresh = sum(n.rung in ("solver", "incumbent") and not n.violations for n in numbers)
    yield Row("verified plans from the solver", percent(fresh, len(numbers)), "%", Bar("=", 100.0))
    yield Row("of them cut short by the time limit", sum(n.rung == "incumbent" for n in numbers))
    gap = gap_percent([n.gap for n in numbers if n.bound is not None], [n.baseline_bill for n in numbers])
    yield Row("gap to the bound, pooled, of the baseline bill", gap, "%")


class ClockedHighs(Highs):
    """HiGHS in this process, with the time that passing problems takes apart."""

    def __init__(self) -> None:
        super().__init__()
        self.transfer_s = 0.0

    def _hold(self, form: StandardForm) -> bool:
        began = perf_counter()
        warm = super()._hold(form)
        self.transfer_s += perf_counter() - began
        return warm


def overhead(setting: Setting) -> Iterator[Row]:
    """The same model on both ways to the solver, one after the other on each of several cycles."""
    cycles = [c for week in WEEKS for c in sampled(reference_house(), week, STOCK_REPEATS if setting.full else 3)]
    ours = [own_way(cycle) for cycle in cycles]
    stock = [stock_way(cycle) for cycle in cycles]
    own_s = median(sum(times[:3]) for times in ours)
    stock_s = median(sum(times) for times in stock)
    solver_s = median(times[3] for times in ours)
    for name, position in (("build", 0), ("standard form", 1), ("transfer", 2)):
        yield Row(f"PEMS, {name}, median", median(times[position] for times in ours), "s")
    yield Row("PEMS, build and transfer, median", own_s, "s")
    yield Row("stock Pyomo, build, median", median(times[0] for times in stock), "s")
    yield Row("stock Pyomo, transfer by appsi_highs, median", median(times[1] for times in stock), "s")
    yield Row("stock Pyomo, build and transfer, median", stock_s, "s")
    yield Row("stock Pyomo against PEMS", stock_s / own_s, "times", Bar(">=", 3.0))
    yield Row("the solver's own time, median", solver_s, "s")
    yield Row("PEMS, build and transfer, of the solver's own time", percent(own_s, solver_s), "%", Bar("<=", 15.0))


def own_way(cycle: Cycle) -> tuple[float, float, float, float]:
    """Seconds of building, standard form, transfer and solver."""
    built = reference_house()
    forecasts, binary_steps = _forecasts(cycle, built.options)
    clock = perf_counter
    with no_garbage_collection():
        began = clock()
        model = build_model(built.house, cycle.state, forecasts, binary_steps)
        done_build = clock()
        compiled = compile_model(model)
        done_form = clock()
    highs = ClockedHighs()
    began_solver = clock()
    solve(compiled, highs, built.options.limits)
    solver_s = clock() - began_solver - highs.transfer_s
    highs.close()
    return done_build - began, done_form - done_build, highs.transfer_s, solver_s


def stock_way(cycle: Cycle) -> tuple[float, float]:
    """Seconds of building the same model with garbage collection on, and of handing it over by appsi_highs."""
    built = reference_house()
    forecasts, binary_steps = _forecasts(cycle, built.options)
    began = perf_counter()
    model = build_model(built.house, cycle.state, forecasts, binary_steps)
    done_build = perf_counter()
    solver = pyo.SolverFactory("appsi_highs")
    solver.set_instance(model.pyomo)
    return done_build - began, perf_counter() - done_build


def _forecasts(cycle: Cycle, options: PlanOptions) -> tuple[Forecasts, int]:
    """What a plan of this cycle is made from, and in how many steps its switches are whole."""
    forecasts = cycle.forecasts(options)
    return forecasts, forecasts.horizon.steps_before(cycle.state.now + options.binary)


def override(setting: Setting) -> Iterator[Row]:
    """Plans of cycles at which a person has just set something, each beside the running plan."""
    built = reference_house()
    planner = ClockedPlanner.of(built.house, built.options)
    try:
        for week in WEEKS:
            for cycle in sampled(built, week, 24 if setting.full else 3):
                _replan(planner, cycle, built.options)
        numbers = planner.audited(built)
    finally:
        planner.close()
    wall = [n.wall_s for n in numbers]
    yield Row("re-plans", len(numbers))
    yield Row("wall time, p50", median(wall), "s")
    yield Row("wall time, p95", percentile(wall, 0.95), "s", Bar("<", 2.0))
    yield Row("wall time, longest", max(wall), "s")
    yield Row("CPU time, p95", percentile([n.cpu_s for n in numbers], 0.95), "s")
    yield Row("re-plans not from the solver", sum(n.rung not in ("solver", "incumbent") for n in numbers))


def _replan(planner: ClockedPlanner, cycle: Cycle, options: PlanOptions) -> None:
    now = cycle.state.now
    for device, control, value in OVERRIDES:
        planner.warm_up(cycle.state, cycle.forecasts(options))
        wish = Override(device, control, value, now, now + OVERRIDDEN_FOR, by="benchmark")
        planner.plan(replace(cycle.state, overrides=(wish,)), cycle.forecasts(options))


PLANS = (
    Benchmark(
        "plan_time",
        "One plan, HiGHS",
        "The reference house, from building the model to the verified plan, with the solver in its own process as "
        "delivered. Full: every plan of closed loops over two weeks; short: cycles sampled from them. The baseline "
        "bill of a plan is what thermostats without battery control would pay from the same state over its two days; "
        "gaps are shares of its mean over the week's plans.",
        plan_time,
        plan_time_runs,
    ),
    Benchmark(
        "plan_time_cbc",
        "One plan, CBC",
        f"The same with CBC on sampled cycles and {CBC_TIME_LIMIT_S:g} s for the search.",
        plan_time_cbc,
    ),
    Benchmark(
        "overhead",
        "What the way through Pyomo costs",
        "Building the model and handing it to HiGHS, on the same cycles in one run: as PEMS does it (no garbage "
        "collection, standard form as arrays) and the stock way (garbage collection as Python has it, `appsi_highs`). "
        "The solver's own time is that of all solves of one plan without transfers.",
        overhead,
    ),
    Benchmark(
        "override",
        "A re-plan after an override",
        "On sampled cycles, with a plan running, the kitchen's setpoint and then the inverter's mode are set for three "
        "hours.",
        override,
    ),
)
