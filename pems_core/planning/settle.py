"""Settles the modes of a plan: changes of mode that gain less than they wear are taken out again.

The solver is free to let a battery rest in one quarter hour and store a little in the next. Each such change writes to
the inverter's memory, and a rest is a mode of its own only on the inverter, not in the equations. So short runs of a
mode are joined to what comes before or after them, as long as the devices' own execution models say that this costs
less than the changes that it saves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from math import inf

from pems_core.domain import (
    BatterySpec,
    BatteryState,
    Forecasts,
    GridSpec,
    HybridInverterSpec,
    InverterState,
    Plan,
    SiteState,
    Step,
    Value,
    of_kind,
)
from pems_core.protocols import Device

from .parts.hybrid_inverter import leaked_share
from .rollout import UNFORECAST, stored_worth

LIMIT_TOLERANCE_KW = 0.005
SOC_TOLERANCE = 5e-5
SAME_SOC = 1e-9
Settings = Mapping[str, Value]
Labels = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Passed:
    """A step of a course, and where it leaves the inverter."""

    flows: Mapping[str, float]
    import_kw: float
    export_kw: float
    spent: float
    """Bill and wear [currency]; infinite beyond the limits of grid or battery."""
    then: InverterState

    @property
    def soc(self) -> float:
        return _soc_of(self.then)


@dataclass(frozen=True)
class _Course:
    """What an inverter would do with some settings, step by step; it ends where a limit is passed."""

    passed: Sequence[_Passed]
    worth: float
    """Of what is stored at the end [currency]."""

    @cached_property
    def spent(self) -> float:
        return sum(step.spent for step in self.passed)

    @property
    def cost(self) -> float:
        return self.spent - self.worth


@dataclass(frozen=True)
class _Inverter:
    """One inverter in the house that a plan describes; everything else stays as it is planned."""

    device: Device
    spec: HybridInverterSpec
    grid: GridSpec
    state: SiteState
    forecasts: Forecasts
    plan: Plan

    def steps(self) -> list[Step]:
        name, dispatch, horizon = self.device.name, self.plan.dispatch, self.forecasts.horizon
        series = {given: self.forecasts[given] for given in self.forecasts.series}
        steps = []
        for t in range(horizon.steps):
            inputs = {**UNFORECAST, **{given: values[t] for given, values in series.items()}}
            rest_kw = dispatch["grid.import_kw"][t] - dispatch["grid.export_kw"][t]
            rest_kw += dispatch[f"{name}.to_house_kw"][t] - dispatch[f"{name}.from_house_kw"][t]
            limits = (self.grid.export_limit_kw, self.grid.import_limit_kw)
            steps.append(Step(horizon.starts[t], horizon.step_h[t], inputs, rest_kw, *limits))
        return steps

    def course(
        self,
        steps: Sequence[Step],
        settings: Sequence[Settings],
        like: _Course | None = None,
        changed: range = range(0),
    ) -> _Course:
        """The course with these settings.

        :param like: a course with other settings in the changed steps only; what both have in common is taken over.
        """
        passed = list(like.passed[: changed.start]) if like is not None else []
        now = passed[-1].then if passed else of_kind(self.state.devices[self.device.name], InverterState)
        for t in range(len(passed), len(steps)):
            if like is not None and t >= changed.stop and _alike(now, like.passed[t - 1].then):
                return _Course([*passed, *like.passed[t:]], like.worth)
            step = self._pass(t, steps[t], settings[t], now)
            passed.append(step)
            if step.spent == inf:
                return _Course(passed, 0.0)
            now = step.then
        end = SiteState(self.forecasts.horizon.end, {self.device.name: now})
        return _Course(passed, stored_worth([self.device], end, self.forecasts))

    def _pass(self, t: int, step: Step, said: Settings, now: InverterState) -> _Passed:
        # Standby first: what it takes can then not be discharged, too.
        stored = _soc_of(now)
        done = self.device.execute(said, _at_soc(now, self._soc_left(stored, step.length_h)), step)
        soc = self._soc_after(stored, done.flows, step.length_h)
        net_kw = step.load_kw + done.flows["from_house_kw"] - done.flows["to_house_kw"]
        import_kw, export_kw = max(0.0, net_kw), max(0.0, -net_kw)
        bill = step.inputs["import_price_per_kwh"] * import_kw - step.inputs["feed_in_price_per_kwh"] * export_kw
        spent = (bill + self.battery.wear_cost_per_kwh * done.flows["discharge_kw"]) * step.length_h
        if self._beyond_limits(t, import_kw, export_kw, soc):
            spent = inf
        return _Passed(done.flows, import_kw, export_kw, spent, _at_soc(of_kind(done.state, InverterState), soc))

    def _soc_after(self, soc: float, flows: Mapping[str, float], length_h: float) -> float:
        """The state of charge that these flows give, with standby as the model has it, not as it is executed."""
        battery = self.battery
        gained_kw = flows["charge_kw"] * battery.charge_efficiency
        gained_kw -= flows["discharge_kw"] / battery.discharge_efficiency
        return self._soc_left(soc, length_h) + gained_kw * length_h / battery.capacity_kwh

    def _soc_left(self, soc: float, length_h: float) -> float:
        """What standby leaves in a step."""
        leaked = leaked_share(self.battery, length_h) if self.above_floor else 0.0
        return soc - leaked * (soc - self.battery.soc_min)

    @property
    def battery(self) -> BatterySpec:
        assert self.spec.battery is not None
        return self.spec.battery

    @cached_property
    def above_floor(self) -> bool:
        now = of_kind(self.state.of(self.device.name, InverterState).battery, BatteryState)
        return now.soc >= self.battery.soc_min - SOC_TOLERANCE

    def _beyond_limits(self, t: int, import_kw: float, export_kw: float, soc: float) -> bool:
        """A limit that the plan itself had to pass is no reason against a course that passes it no farther."""
        dispatch, planned_soc = self.plan.dispatch, self.plan.levels[f"{self.device.name}.soc"][t]
        lowest, highest = min(self.battery.soc_min, planned_soc), max(self.battery.soc_max, planned_soc)
        if not lowest - SOC_TOLERANCE <= soc <= highest + SOC_TOLERANCE:
            return True
        most_import_kw = max(self.grid.import_limit_kw, dispatch["grid.import_kw"][t])
        most_export_kw = max(self.grid.export_limit_kw, dispatch["grid.export_kw"][t])
        return import_kw > most_import_kw + LIMIT_TOLERANCE_KW or export_kw > most_export_kw + LIMIT_TOLERANCE_KW


def settled(
    plan: Plan,
    devices: Sequence[Device],
    grid: GridSpec,
    state: SiteState,
    forecasts: Forecasts,
    running: Plan | None = None,
) -> Plan:
    """The plan without changes of mode that are not worth their wear; the same plan if there are none.

    Flows and levels of an inverter whose modes were settled are those that it will execute.

    :param running: the plan that is being followed, which tells the mode now.
    """
    for device in devices:
        spec = device.equipment
        priced = isinstance(spec, HybridInverterSpec) and spec.battery is not None and spec.mode_change_cost > 0
        if priced and device.name in state.devices and device.name in plan.modes and not _set_by_hand(device, state):
            assert isinstance(spec, HybridInverterSpec)
            plan = _settle(_Inverter(device, spec, grid, state, forecasts, plan), _mode_now(device.name, plan, running))
    return plan


def _soc_of(state: InverterState) -> float:
    return of_kind(state.battery, BatteryState).soc


def _alike(one: InverterState, other: InverterState) -> bool:
    """Whether an inverter goes on from both in the same way."""
    return abs(_soc_of(one) - _soc_of(other)) <= SAME_SOC and _at_soc(one, _soc_of(other)) == other


def _at_soc(state: InverterState, soc: float) -> InverterState:
    return replace(state, battery=replace(of_kind(state.battery, BatteryState), soc=soc))


def _set_by_hand(device: Device, state: SiteState) -> bool:
    return any(override.device == device.name for override in state.overrides)


def _mode_now(name: str, plan: Plan, running: Plan | None) -> str:
    """The mode in force as a plan names it; without a running plan the first one costs no change."""
    if running is None or name not in running.modes:
        return plan.modes[name][0]
    return running.modes[name][running.horizon.step_at(plan.made_at)]


def _settle(inverter: _Inverter, mode_now: str) -> Plan:
    plan, name = inverter.plan, inverter.device.name
    change_cost, near = inverter.spec.mode_change_cost, plan.binary_steps
    steps = inverter.steps()
    labels = plan.modes[name]
    settings: list[Settings] = [inverter.device.settings(plan, t) for t in range(plan.horizon.steps)]
    before = best = inverter.course(steps, settings)
    if before.cost == inf:
        return plan

    def changes(of: Labels) -> int:
        return sum(a != b for a, b in pairwise((mode_now, *of[:near])))

    while True:
        options = [
            (course.cost + change_cost * changes(new_labels), new_labels, new_settings, course)
            for new_labels, new_settings, changed in _joined(labels, settings, near)
            for course in [inverter.course(steps, new_settings, best, changed)]
        ]
        cheapest = min(options, key=lambda option: option[0], default=None)
        if cheapest is None or cheapest[0] >= best.cost + change_cost * changes(labels):
            return plan if best is before else _with_course(plan, name, labels, before, best)
        _, labels, settings, best = cheapest


def _joined(labels: Labels, settings: Sequence[Settings], near: int) -> list[tuple[Labels, list[Settings], range]]:
    """Each way to let one run of a mode in the near steps be as the run before it, or the one after; and its steps."""
    edges = [0, *(t for t in range(1, near) if labels[t] != labels[t - 1]), near]
    found = []
    for i, (begin, end) in enumerate(pairwise(edges)):
        for like in (begin - 1 if i else None, end if end < near else None):
            if like is None:
                continue
            count = end - begin
            new_labels = (*labels[:begin], *(labels[like],) * count, *labels[end:])
            new_settings = [*settings[:begin], *(settings[like],) * count, *settings[end:]]
            found.append((new_labels, new_settings, range(begin, end)))
    return found


def _with_course(plan: Plan, name: str, labels: Labels, before: _Course, course: _Course) -> Plan:
    """The plan as the inverter will execute it; its costs differ by what the new course costs more than the old."""
    passed = course.passed
    flows = {f"{name}.{flow}": _rounded(step.flows[flow] for step in passed) for flow in passed[0].flows}
    grid = {
        "grid.import_kw": _rounded(step.import_kw for step in passed),
        "grid.export_kw": _rounded(step.export_kw for step in passed),
    }
    spent, kept = f"{name}.settled", f"{name}.settled_stored"
    # The old course is itself what the inverter makes of the plan, which may be a little dearer than the equations say.
    dearer = course.cost > before.cost
    costs = {spent: course.spent - before.spent, kept: before.worth - course.worth} if dearer else {}
    return replace(
        plan,
        dispatch={**plan.dispatch, **flows, **grid},
        levels={**plan.levels, f"{name}.soc": _rounded(step.soc for step in passed)},
        modes={**plan.modes, name: labels},
        costs={**plan.costs, **costs},
        stored=(*plan.stored, *(term for term in costs if term == kept)),
    )


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(max(0.0, round(value, 6)) for value in values)
