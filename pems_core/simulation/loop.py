"""The closed loop: a controller sees only readings and forecasts, and the simulated house answers with physics."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import perf_counter, process_time
from typing import Protocol

import numpy as np
import pandas as pd

from pems_core.cycle import decisions_at, measure
from pems_core.domain import (
    HOUR,
    QUARTER,
    CycleReport,
    Decision,
    Forecasts,
    Horizon,
    HybridInverterSpec,
    ImportPeak,
    Plan,
    Readings,
    Rung,
    SiteState,
)
from pems_core.planning.decide import decisions
from pems_core.planning.planner import Planner, by_device
from pems_core.planning.rollout import plan_from, roll_out
from pems_core.planning.site import PlannedHouse
from pems_core.protocols import RuleBased
from pems_core.reporting.result import RunResult

from .billing import Billing
from .house import SimulatedHouse
from .outlook import Foresight
from .valuation import Valuation

RULE_FORECAST_EVERY = timedelta(hours=3)
RULE_HORIZON = timedelta(hours=36)


Progress = Callable[[str, datetime], None]
"""Told the name of the run and how far it has come."""


class Controller(Protocol):
    """Says what the devices are told for the quarter hour that begins now."""

    def decide(self, state: SiteState) -> Sequence[Decision]: ...


class Witness(Protocol):
    """Writes down what happens in a closed loop."""

    def planned(self, report: CycleReport) -> None:
        """Something was decided, by a plan or by rules; its reasons are not worked out."""

    def passes(self, readings: Readings, state: SiteState) -> None:
        """A quarter hour begins, or the loop ends."""

    def ended(self, flows: pd.DataFrame) -> None:
        """The loop is over; this is what flowed."""


@dataclass
class PlanningController:
    """Plans anew every `every`, and follows the last plan in between, as long as it is valid."""

    planner: Planner
    outlook: Foresight
    every: timedelta = QUARTER
    witness: Witness | None = None
    plans: list[Plan] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    _due: datetime | None = None

    def decide(self, state: SiteState) -> Sequence[Decision]:
        if self._due is None or state.now >= self._due:
            began = perf_counter()
            horizon = self.planner.options.horizon(state.now)
            forecasts, running = self.outlook.forecasts(state.now, horizon), self.planner.last
            plan = self.planner.plan(state, forecasts)
            self.seconds.append(perf_counter() - began)
            self.plans.append(plan)
            if self.witness is not None:
                decided = decisions(plan, self.planner.house.devices)
                faults = list(self.planner.faults)
                self.witness.planned(CycleReport(state, forecasts, plan, decided, faults=faults, running=running))
            self._due = min(state.now + self.every, plan.valid_until)
        return decisions_at(self.plans[-1], self.planner.house.devices, state, state.now)


@dataclass
class RuleController:
    """Follows rules; looks at the forecasts every few hours, as prices change once a day."""

    rules: RuleBased
    house: PlannedHouse
    outlook: Foresight
    witness: Witness | None = None
    _forecasts: Forecasts | None = None

    def decide(self, state: SiteState) -> Sequence[Decision]:
        if self._forecasts is None or state.now >= self._forecasts.horizon.start + RULE_FORECAST_EVERY:
            horizon = Horizon.uniform(state.now, QUARTER, RULE_HORIZON // QUARTER)
            self._forecasts = self.outlook.forecasts(state.now, horizon)
        known, t = self._forecasts, self._forecasts.horizon.step_at(state.now)
        decided = self.rules.decide(self.house.devices, state, known, t)
        if self.witness is not None:
            ahead = known.onto(Horizon.uniform(state.now, QUARTER, known.horizon.steps - t))
            self.witness.planned(CycleReport(state, ahead, self._step_of(decided, state, ahead), decided))
        return decided

    def _step_of(self, decided: Sequence[Decision], state: SiteState, ahead: Forecasts) -> Plan:
        """What comes of it in this quarter hour: rules look no further."""
        now = ahead.onto(Horizon.uniform(state.now, QUARTER, 1))
        settings = by_device(decided)
        done = roll_out(self.house.devices, self.house.grid, state, now, lambda d, *_: settings.get(d.name, {}))
        return plan_from(done, now, Rung.RULES, state.now, now.horizon.end)


def run_closed_loop(
    name: str,
    controller: Controller,
    house: PlannedHouse,
    simulated: SimulatedHouse,
    until: datetime,
    valuation: Valuation,
    billing: Billing,
    progress: Progress | None = None,
    witness: Witness | None = None,
) -> RunResult:
    """Let a controller run a simulated house, quarter hour by quarter hour, and keep the books.

    :param simulated: is advanced to `until`.
    :param witness: told what happens.
    """
    began_wall, began_cpu = perf_counter(), process_time()
    start = simulated.now
    stored_before = simulated.stored_energy()
    before: SiteState | None = None
    planned: list[dict[str, object]] = []
    sources: list[str] = []
    peak = ImportPeak(until=billing.period_end(start))
    while simulated.now < until:
        readings = simulated.readings()
        if simulated.now > start:
            # The billing period's peak is of quarter-hour means, which is what the site meter gives here.
            peak = peak.raised(float(readings.points["site/import_kw"].value))
        if peak.until is not None and simulated.now >= peak.until:
            peak = ImportPeak(until=billing.period_end(simulated.now))
        state = measure(house.devices, readings, before, peak=peak)
        if witness is not None:
            witness.passes(readings, state)
        decided = controller.decide(state)
        simulated.apply([replace(d, valid_until=max(d.valid_until, simulated.now + QUARTER)) for d in decided])
        if isinstance(controller, PlanningController):
            sources.append(str(controller.plans[-1].rung))
            planned.append(_planned_now(controller.plans[-1], simulated.now))
        else:
            sources.append(decided[0].source if decided else str(Rung.RULES))
        simulated.advance(min(until, simulated.now + QUARTER))
        before = state
        if progress is not None:
            progress(name, simulated.now)
    flows = simulated.flows()
    # The log may have several rows a quarter hour, which all have its plan.
    flows["plan_source"] = [sources[(row - start) // QUARTER] for row in flows.index]
    if witness is not None:
        readings = simulated.readings()
        witness.passes(readings, measure(house.devices, readings, before))
        witness.ended(flows)
    return _result(
        name,
        controller,
        house,
        simulated,
        flows,
        planned,
        billing,
        valuation.change(stored_before, simulated.stored_energy()),
        perf_counter() - began_wall,
        process_time() - began_cpu,
    )


def _planned_now(plan: Plan, at: datetime) -> dict[str, object]:
    """What the plan in force says of the quarter hour that begins now, in the columns of `flows`."""
    t = plan.horizon.step_at(at)
    row: dict[str, object] = {
        "utc_start": at,
        "grid_import_kw": plan.dispatch["grid.import_kw"][t],
        "grid_export_kw": plan.dispatch["grid.export_kw"][t],
        "base_load_kw": plan.dispatch["base_load_kw"][t],
    }
    heating = 0.0
    for name, level in plan.levels.items():
        device, _, what = name.partition(".")
        if what == "soc":
            row["soc"] = level[t]
        elif what.endswith("_c") and not what.endswith("_slab_c"):
            row[what] = level[t]
            heating += plan.dispatch[f"{device}.{what.removesuffix('_c')}_kw"][t]
    row["heating_kw"] = heating
    return row


def _result(
    name: str,
    controller: Controller,
    house: PlannedHouse,
    simulated: SimulatedHouse,
    flows: pd.DataFrame,
    planned: list[dict[str, object]],
    billing: Billing,
    stored_value: float,
    wall_s: float,
    cpu_s: float,
) -> RunResult:
    comfort = simulated.comfort()
    occupied = sum(room.occupied_minutes for room in comfort.values())
    outside = sum(room.outside_minutes for room in comfort.values())
    seconds = np.array(controller.seconds if isinstance(controller, PlanningController) else [0.0])
    plans = controller.plans if isinstance(controller, PlanningController) else []
    return RunResult(
        name=name,
        flows=flows,
        bill=float(flows["cost"].sum()),
        capacity_cost=billing.capacity_cost(flows),
        stored_value=stored_value,
        wear=wear_of(house, flows),
        comfort_share=outside / occupied if occupied else 0.0,
        cold_share=sum(room.cold_minutes for room in comfort.values()) / occupied if occupied else 0.0,
        comfort_kh=sum(room.outside_kh for room in comfort.values()),
        cpu_s=cpu_s,
        wall_s=wall_s,
        plans=len(plans),
        rungs=Counter(str(plan.rung) for plan in plans),
        plan_p50_s=float(np.percentile(seconds, 50)),
        plan_p95_s=float(np.percentile(seconds, 95)),
        plan_max_s=float(seconds.max()),
        planned=pd.DataFrame(planned).set_index("utc_start") if planned else None,
    )


def wear_of(house: PlannedHouse, flows: pd.DataFrame) -> float:
    """Battery wear [currency] of what was discharged at the terminals."""
    specs = [d.equipment for d in house.devices if isinstance(d.equipment, HybridInverterSpec)]
    per_kwh = sum(spec.battery.wear_cost_per_kwh for spec in specs if spec.battery)
    step_h = (flows.index[1] - flows.index[0]) / HOUR if len(flows) > 1 else 0.25
    return float(flows["battery_terminal_discharge_kw"].sum() * step_h * per_kwh)
