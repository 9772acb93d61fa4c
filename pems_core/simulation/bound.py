"""The perfect-foresight bound: what nobody could beat who knew everything from the start."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from pems_core.domain import QUARTER, Horizon, SiteState
from pems_core.planning.planner import build_model
from pems_core.planning.site import PlannedHouse
from pems_core.planning.solvers import solver_named
from pems_core.planning.standard_form import compile_model, no_garbage_collection

from .outlook import Outlook
from .scenario import Scenario
from .valuation import Valuation

TIME_LIMIT_S = 600.0


@dataclass(frozen=True, slots=True)
class Bound:
    """Net cost of the optimum [currency] and its parts."""

    bill: float
    wear: float
    stored_value: float
    discomfort: float
    heating_kwh: float
    export_kwh: float

    @property
    def net_cost(self) -> float:
        return self.bill + self.wear - self.stored_value


def perfect_foresight(
    house: PlannedHouse, state: SiteState, scenario: Scenario, until: datetime, valuation: Valuation
) -> Bound:
    """Solve the whole run at once, with all switches relaxed and everything known.

    It uses the equations of the plan, quarter hours throughout, and the same value of stored energy as every run.
    """
    steps = -(-(until - state.now) // QUARTER)
    horizon = Horizon.uniform(state.now, QUARTER, steps)
    forecasts = Outlook(scenario, "perfect").forecasts(state.now, horizon)
    with no_garbage_collection():
        model = build_model(
            house,
            state,
            forecasts,
            binary_steps=0,
            battery_value=valuation.battery_per_kwh,
            heat_value=valuation.heat_per_kwh,
        )
        compiled = compile_model(model)
    solution = solver_named("highs", guarded=False).solve(compiled.form.relaxed(), TIME_LIMIT_S)
    compiled.load(solution.found)
    value = compiled.values(solution.found)
    by_kind: dict[str, float] = {}
    for cost in model.costs.values():
        by_kind[cost.kind] = by_kind.get(cost.kind, 0.0) + value(cost.expression)
    hours = timedelta(minutes=15) / timedelta(hours=1)
    heating = [kw for name, kw in model.sinks.items() if name.startswith("heating.")]
    return Bound(
        bill=by_kind.get("bill", 0.0),
        wear=by_kind.get("wear", 0.0),
        stored_value=-by_kind.get("terminal", 0.0),
        discomfort=by_kind.get("comfort", 0.0),
        heating_kwh=sum(value(kw(t)) * hours for kw in heating for t in range(steps)),
        export_kwh=sum(value(model.export_kw(t)) * hours for t in range(steps)),
    )
