"""Makes one plan: model, solve, verify, and the ladder of what to do when that fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import perf_counter

from pems_core.domain import (
    Decision,
    Forecasts,
    Horizon,
    NoPlan,
    PemsError,
    Plan,
    Rung,
    SiteState,
    Step,
    UnsafePlan,
    Value,
)
from pems_core.protocols import Device

from .compile import Compiled, compile_model, no_garbage_collection
from .connection import within_connection
from .model import DispatchModel
from .parts.grid import GridConnection
from .rollout import plan_from, roll_out, step_inputs, stored_worth
from .settle import settled
from .site import PlannedHouse
from .solve import Solved, SolveLimits, solve
from .solvers import Solver, solver_named
from .verify import verify

FULL_PATH_NEEDS_S = 2.0
"""With less time left the full path is not begun."""


@dataclass(frozen=True)
class PlanOptions:
    """How to plan; see `[solver]` in pems.example.toml."""

    solver: str = "highs"
    limits: SolveLimits = field(default_factory=SolveLimits)
    path: str = "reduced"
    """`reduced`: switches whole in the near steps, steps that lengthen; `full`: short steps and whole switches
    throughout; `both`: whichever gives the better checked plan."""
    length: timedelta = timedelta(hours=48)
    near: timedelta = timedelta(hours=12)
    near_step: timedelta = timedelta(minutes=15)
    far_step: timedelta = timedelta(hours=1)
    binary: timedelta = timedelta(hours=6)

    @property
    def unproven(self) -> "PlanOptions":
        """The same without a closer bound, which takes seconds and changes no plan."""
        return replace(self, limits=replace(self.limits, prove_above=None))

    def horizon(self, now: datetime) -> Horizon:
        """The grid on which a plan wants its forecasts."""
        return self.reduced_horizon(now) if self.path == "reduced" else self.full_horizon(now)

    def reduced_horizon(self, now: datetime) -> Horizon:
        return Horizon.lengthening(now, self.length, self.near, self.near_step, self.far_step)

    def full_horizon(self, now: datetime) -> Horizon:
        # As long as the reduced one, whose last step ends on its own, longer grid.
        end = self.reduced_horizon(now).end
        return Horizon.lengthening(now, end - now, end - now, self.near_step, self.near_step)


@dataclass
class Planner:
    """Plans one house; keeps its solver and the last plan between cycles."""

    house: PlannedHouse
    options: PlanOptions = PlanOptions()
    guarded: bool = True
    last: Plan | None = None
    faults: list[str] = field(default_factory=list)
    """Why better rungs failed in the last call, best rung first."""
    _solver: Solver | None = None

    def plan(self, state: SiteState, forecasts: Forecasts) -> Plan:
        """The best plan that could be made and passed the verifier; a release commands nothing and needs no check.

        :raises NoPlan: if not even a release could be planned.
        """
        self.faults = []
        for rung in (self._fresh, self._shifted, self._by_rules, self._released):
            try:
                plan = rung(state, forecasts)
            except PemsError as fault:
                self.faults.append(f"{rung.__name__.strip('_')}: {fault}")
                continue
            except Exception as fault:  # noqa: BLE001 - a plugin's own error must not take the plan from the house
                self.faults.append(f"{rung.__name__.strip('_')}: {type(fault).__name__}: {fault}")
                continue
            self.last = replace(plan, detail="; ".join(self.faults))
            return self.last
        raise NoPlan("not even a release could be planned: " + "; ".join(self.faults))

    def close(self) -> None:
        if self._solver is not None:
            self._solver.close()
            self._solver = None

    @property
    def solver(self) -> Solver:
        if self._solver is None:
            self._solver = solver_named(self.options.solver, self.guarded)
        return self._solver

    def _fresh(self, state: SiteState, forecasts: Forecasts) -> Plan:
        """The plan of the path that is configured; of both, the one that costs less when it is carried out."""
        began = perf_counter()
        # Who has set something by hand waits for what it costs.
        options = self.options.unproven if state.overrides else self.options
        plans: list[tuple[float, Plan]] = []
        faults: list[str] = []
        if options.path in ("reduced", "both"):
            on_grid = forecasts.onto(options.reduced_horizon(state.now)) if options.path == "both" else forecasts
            plans += self._attempt(state, on_grid, forecasts, options, faults)
        left_s = options.limits.time_limit_s - (perf_counter() - began)
        if options.path == "full" or (options.path == "both" and left_s > FULL_PATH_NEEDS_S):
            whole = replace(
                options, binary=options.length * 2, limits=replace(options.limits, time_limit_s=max(1.0, left_s))
            )
            plans += self._attempt(state, forecasts, forecasts, whole, faults)
        if not plans:
            raise NoPlan("; ".join(faults))
        _, plan = min(plans, key=lambda priced: priced[0])
        return replace(plan, solve_s=perf_counter() - began)

    def _attempt(
        self, state: SiteState, on_grid: Forecasts, fine: Forecasts, options: PlanOptions, faults: list[str]
    ) -> list[tuple[float, Plan]]:
        """One path's checked plan with what it costs on the fine grid; nothing, and a fault, if it has none."""
        try:
            running = self._running(state)
            plan = solve_house(self.house, state, on_grid, self.solver, options, running)
            plan = self._checked(self._settled(plan, state, on_grid, running), state, on_grid)
        except PemsError as fault:
            faults.append(str(fault))
            return []
        if options.path != "both":
            return [(0.0, plan)]
        return [(self._worth(plan, state, fine), plan)]

    def _settled(self, plan: Plan, state: SiteState, forecasts: Forecasts, running: Plan | None) -> Plan:
        """The plan with its modes settled, if that passes the verifier; the grid's limits may need the unrest."""
        calm = settled(plan, self.house.devices, self.house.grid, state, forecasts, running)
        if calm is plan or verify(calm, self.house.devices, self.house.grid, state, forecasts).safe:
            return calm
        return plan

    def _worth(self, plan: Plan, state: SiteState, fine: Forecasts) -> float:
        """What a plan costs when carried out on the fine grid, less what is stored at the end [currency]."""
        devices = [device for device in self.house.devices if plan.knows(device.name)]
        starts = fine.horizon.starts
        settings = [{d.name: d.settings(plan, plan.horizon.step_at(start)) for d in devices} for start in starts]
        done = roll_out(devices, self.house.grid, state, fine, lambda device, t, _: settings[t].get(device.name, {}))
        return done.cost - stored_worth(devices, done.end, fine)

    def _running(self, state: SiteState) -> Plan | None:
        """The plan that is being followed, if a solver made it and it still reaches into this cycle."""
        last = self.last
        valid = last is not None and last.rung in (Rung.SOLVER, Rung.INCUMBENT) and state.now < last.valid_until
        return last if valid else None

    def _shifted(self, state: SiteState, forecasts: Forecasts) -> Plan:
        """The rest of the last plan, as long as it is valid, from where the house is now."""
        last = self.last
        if last is None:
            raise NoPlan("there is no earlier plan")
        if last.rung in (Rung.RULES, Rung.RELEASE):
            raise NoPlan(f"the earlier plan is from {last.rung}")
        if state.now >= last.valid_until:
            raise NoPlan(f"the earlier plan was valid until {last.valid_until.isoformat()}")
        settings = [_settings_of_plan_at(last, self.house.devices, start) for start in forecasts.horizon.starts]
        rollout = roll_out(
            self.house.devices,
            self.house.grid,
            state,
            forecasts,
            lambda device, t, _: settings[t].get(device.name, {}),
        )
        plan = plan_from(rollout, forecasts, Rung.SHIFTED, state.now, last.valid_until)
        plan = replace(plan, binary_steps=forecasts.horizon.steps_before(last.valid_until))
        return self._in_force_checked(plan, state, forecasts)

    def _by_rules(self, state: SiteState, forecasts: Forecasts) -> Plan:
        return self._in_force_checked(rule_plan(self.house, state, forecasts), state, forecasts)

    def _released(self, state: SiteState, forecasts: Forecasts) -> Plan:
        """Every device left to its own control."""
        rollout = roll_out(self.house.devices, self.house.grid, state, forecasts, lambda *_: {})
        return plan_from(rollout, forecasts, Rung.RELEASE, state.now, forecasts.horizon.ends[0])

    def _checked(self, plan: Plan, state: SiteState, forecasts: Forecasts) -> Plan:
        checked = verify(plan, self.house.devices, self.house.grid, state, forecasts)
        if not checked.safe:
            raise UnsafePlan(checked.violations)
        return replace(plan, executed_cost=checked.rollout.cost)

    def _in_force_checked(self, plan: Plan, state: SiteState, forecasts: Forecasts) -> Plan:
        """The plan, if the steps for which it is in force pass the verifier; the later ones only show what may come."""
        begun = plan.in_force
        self._checked(begun, state, forecasts.onto(begun.horizon))
        return plan


def build_model(
    house: PlannedHouse,
    state: SiteState,
    forecasts: Forecasts,
    binary_steps: int,
    battery_value: float | None = None,
    heat_value: float | None = None,
) -> DispatchModel:
    """The closed model of a house. The order of devices and strategies never matters.

    :param battery_value: worth of a kWh in the cells at the end [currency/kWh]; None: from the prices of the last day.
    :param heat_value: likewise of a kWh of heat.
    """
    model = DispatchModel(forecasts.horizon, binary_steps, battery_value, heat_value)
    GridConnection(house.grid).add_to_model(model, state, forecasts)
    for device in sorted(house.devices, key=lambda device: device.name):
        if device.name in state.devices:
            device.add_to_model(model, state, forecasts)
    house.strategy.add_to_model(model, state, forecasts)
    model.close()
    return model


def solve_house(
    house: PlannedHouse,
    state: SiteState,
    forecasts: Forecasts,
    solver: Solver,
    options: PlanOptions,
    running: Plan | None = None,
) -> Plan:
    """One unchecked plan from the solver.

    :raises NoPlan: if there is none in time.
    """
    horizon = forecasts.horizon
    binary_steps = horizon.steps_before(state.now + options.binary)
    with no_garbage_collection():
        compiled = compile_model(build_model(house, state, forecasts, binary_steps))
    solver.ready()
    solved = solve(compiled, solver, options.limits, running)
    return _read_plan(compiled, solved, state, forecasts)


def _read_plan(compiled: Compiled, solved: Solved, state: SiteState, forecasts: Forecasts) -> Plan:
    model, horizon = compiled.model, forecasts.horizon
    compiled.load(solved.x)
    value = compiled.values(solved.x)
    steps = range(horizon.steps)
    flows = {**model.sources, **model.sinks, **model.flows}
    near_end = horizon.ends[max(0, model.binary_steps - 1)]
    return Plan(
        horizon=horizon,
        dispatch={name: tuple(max(0.0, round(value(kw(t)), 6)) for t in steps) for name, kw in flows.items()},
        modes={name: tuple(mode_at(t, value) for t in steps) for name, mode_at in model.modes.items()},
        levels={name: tuple(round(value(level(t)), 6) for t in steps) for name, level in model.levels.items()},
        costs={name: model.weight(cost.kind) * value(cost.expression) for name, cost in model.costs.items()},
        stored=tuple(name for name, cost in model.costs.items() if cost.kind == "terminal"),
        rung=Rung.SOLVER if solved.complete else Rung.INCUMBENT,
        made_at=state.now,
        valid_until=near_end,
        prices={n: forecasts[n] for n in forecasts.series if n.endswith("price_per_kwh")},
        binary_steps=model.binary_steps,
        bound=solved.bound,
        marginal_value_per_kwh=solved.marginal_per_kwh,
    )


def rule_plan(house: PlannedHouse, state: SiteState, forecasts: Forecasts) -> Plan:
    """What the rules would do over the horizon, as far as the grid connection carries it."""
    horizon = forecasts.horizon
    decided: dict[int, Mapping[str, Mapping[str, Value]]] = {}

    def settings_of(device: Device, t: int, now: SiteState) -> Mapping[str, Value]:
        if t not in decided:
            wished = by_device(house.rules.decide(house.devices, now, forecasts, t))
            inputs, limits = step_inputs(forecasts, t), (house.grid.export_limit_kw, house.grid.import_limit_kw)
            step = Step(horizon.starts[t], horizon.step_h[t], inputs, inputs["base_load_kw"], *limits)
            decided[t] = within_connection(wished, house.devices, house.grid, now, step)
        return decided[t].get(device.name, {})

    rollout = roll_out(house.devices, house.grid, state, forecasts, settings_of)
    return plan_from(rollout, forecasts, Rung.RULES, state.now, forecasts.horizon.ends[0])


def by_device(decisions: Sequence[Decision]) -> dict[str, dict[str, Value]]:
    """Control values by device."""
    found: dict[str, dict[str, Value]] = {}
    for decision in decisions:
        found.setdefault(decision.device, {})[decision.control] = decision.value
    return found


def _settings_of_plan_at(plan: Plan, devices: Sequence[Device], at: datetime) -> dict[str, Mapping[str, Value]]:
    """What a plan says for an instant; nothing beyond the time for which it is valid."""
    if at >= plan.valid_until:
        return {}
    t = plan.horizon.step_at(at)
    return {device.name: device.settings(plan, t) for device in devices if plan.knows(device.name)}
