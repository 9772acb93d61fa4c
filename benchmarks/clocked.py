"""A planner with a stopwatch, and what a look at its plans afterwards finds."""

import os
import resource
from dataclasses import dataclass, field, replace
from math import nan
from pathlib import Path
from time import perf_counter, process_time

from pems_core.domain import Forecasts, Plan, SiteState
from pems_core.planning.compile import compile_model, no_garbage_collection
from pems_core.planning.planner import Planner, PlanOptions, build_model, rule_plan
from pems_core.planning.rollout import stored_worth
from pems_core.planning.site import PlannedHouse
from pems_core.planning.solvers import Solution, Solver, solver_named
from pems_core.planning.standard_form import Floats, StandardForm
from pems_core.planning.verify import verify
from pems_core.protocols import RuleBased
from pems_core.site import HouseFile

PRICED = ("bill", "wear", "discomfort", "stored", "stored_heat")
"""Ends of the names of costs that a roll-out finds too."""
SPLIT_EVERY = 16
"""Building is timed again, on its own, for every so many plans of a long run."""
DETAIL = 500
"""So many characters are kept of why a plan is not better."""
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class PlanNumbers:
    """One plan in figures: seconds and currency."""

    at: str
    wall_s: float
    cpu_s: float
    """Of this process and the solver's."""
    own_cpu_s: float
    """Of this process."""
    solver_s: float
    """Wall time within the solver."""
    transfer_s: float
    """Wall time of handing problems to the solver's process and solutions back."""
    rung: str
    cost: float
    bound: float | None
    baseline_bill: float = nan
    """The bill over the same horizon from the same state with thermostats and no battery control."""
    planned: float = nan
    """Bill, wear and discomfort less the worth of what is stored, as planned."""
    executed: float = nan
    """The same, as the devices would carry the plan out."""
    violations: int = 0
    broken: str = ""
    """The first of what it breaks."""
    detail: str = ""
    """Why it is not from a better rung."""
    build_s: float = nan
    compile_s: float = nan
    verify_s: float = nan

    @property
    def gap(self) -> float:
        return nan if self.bound is None else max(0.0, self.cost - self.bound)


def cpu_s() -> float:
    """CPU time of this process and of all it started, running or ended [s], as Linux tells it."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + ended.ru_utime + ended.ru_stime + sum(map(_cpu_of, running_children()))


def running_children() -> list[str]:
    """Process ids of the programs that this process has started."""
    lists = Path("/proc/self/task").glob("*/children")
    return [pid for found in lists for pid in _text(found).split()]


def _text(file: Path) -> str:
    """Empty of a thread or a program that has just ended."""
    try:
        return file.read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _cpu_of(pid: str) -> float:
    stat = _text(Path(f"/proc/{pid}/stat"))
    if not stat:
        return 0.0
    # After the name, which is in brackets, user and system time are the 12th and 13th fields.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


@dataclass
class ClockedSolver:
    """Another solver, with the time that it takes."""

    inner: Solver
    solver_s: float = 0.0
    transfer_s: float = 0.0
    name: str = "clocked"

    def ready(self) -> None:
        self.inner.ready()

    def solve(
        self, form: StandardForm, time_limit_s: float, gap: float = 0.01, start: Floats | None = None
    ) -> Solution:
        began = perf_counter()
        solution = self.inner.solve(form, time_limit_s, gap, start)
        self.solver_s += solution.wall_s
        self.transfer_s += perf_counter() - began - solution.wall_s
        return solution

    def close(self) -> None:
        self.inner.close()


@dataclass
class ClockedPlanner(Planner):
    """Plans as its base does and keeps what each plan took."""

    numbers: list[PlanNumbers] = field(default_factory=list)
    seen: list[tuple[SiteState, Forecasts, Plan]] = field(default_factory=list)

    @classmethod
    def of(cls, house: PlannedHouse, options: PlanOptions) -> "ClockedPlanner":
        return cls(house, options, _solver=ClockedSolver(solver_named(options.solver)))

    def warm_up(self, state: SiteState, forecasts: Forecasts) -> None:
        """Make a plan that does not count; it is the running plan then, and the solver's process has started."""
        super().plan(state, forecasts)

    def plan(self, state: SiteState, forecasts: Forecasts) -> Plan:
        clock = self.solver
        assert isinstance(clock, ClockedSolver)
        clock.solver_s = clock.transfer_s = 0.0
        began, began_cpu, began_own_cpu = perf_counter(), cpu_s(), process_time()
        plan = super().plan(state, forecasts)
        wall_s, own_cpu_s = perf_counter() - began, process_time() - began_own_cpu
        self.numbers.append(
            PlanNumbers(
                at=state.now.isoformat(),
                wall_s=wall_s,
                cpu_s=cpu_s() - began_cpu,
                own_cpu_s=own_cpu_s,
                solver_s=clock.solver_s,
                transfer_s=clock.transfer_s,
                rung=str(plan.rung),
                cost=plan.cost,
                bound=plan.bound,
                detail=plan.detail[:DETAIL],
            )
        )
        self.seen.append((state, forecasts, plan))
        return plan

    def audited(self, built: HouseFile) -> list[PlanNumbers]:
        """The numbers of all plans, with what each breaks, what it would cost as executed, and its baseline."""
        thermostats = built.rule_based["thermostat_only"]
        every = SPLIT_EVERY if len(self.numbers) > 2 * SPLIT_EVERY else 1
        return [
            audit(self.house, thermostats, self.options, numbers, *seen, with_split=i % every == 0)
            for i, (numbers, seen) in enumerate(zip(self.numbers, self.seen, strict=True))
        ]


def audit(
    house: PlannedHouse,
    thermostats: RuleBased,
    options: PlanOptions,
    numbers: PlanNumbers,
    state: SiteState,
    forecasts: Forecasts,
    plan: Plan,
    *,
    with_split: bool,
) -> PlanNumbers:
    """Check a released plan once more, and price it and its baseline."""
    on_grid = forecasts if forecasts.horizon == plan.horizon else forecasts.onto(plan.horizon)
    began = perf_counter()
    checked = verify(plan, house.devices, house.grid, state, on_grid)
    verify_s = perf_counter() - began
    released = verify(plan.in_force, house.devices, house.grid, state, on_grid.onto(plan.in_force.horizon))
    baseline = rule_plan(replace(house, rules=thermostats), state, on_grid)
    gained = stored_worth(house.devices, checked.rollout.end, on_grid) - stored_worth(house.devices, state, on_grid)
    build_s, compile_s = timed_build(house, state, on_grid, options) if with_split else (nan, nan)
    return replace(
        numbers,
        baseline_bill=baseline.costs["bill"],
        planned=sum(cost for name, cost in plan.costs.items() if name.rpartition(".")[2] in PRICED),
        executed=checked.rollout.cost - gained,
        violations=len(released.violations),
        broken="".join(released.violations[:1]),
        build_s=build_s,
        compile_s=compile_s,
        verify_s=verify_s,
    )


def timed_build(
    house: PlannedHouse, state: SiteState, forecasts: Forecasts, options: PlanOptions
) -> tuple[float, float]:
    """Seconds of building the model and of bringing it into standard form, as a plan does it."""
    binary_steps = forecasts.horizon.steps_before(state.now + options.binary)
    with no_garbage_collection():
        began = perf_counter()
        model = build_model(house, state, forecasts, binary_steps)
        built = perf_counter()
        compile_model(model)
        return built - began, perf_counter() - built
