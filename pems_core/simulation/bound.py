"""The perfect-foresight bound: what nobody could beat who knew everything from the start."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

from pems_core.domain import QUARTER, Horizon, SiteState
from pems_core.planning.compile import compile_model, no_garbage_collection
from pems_core.planning.model import DispatchModel, PerStep, Values
from pems_core.planning.planner import build_model
from pems_core.planning.site import PlannedHouse
from pems_core.planning.solvers import Highs

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
    flows: pd.DataFrame = field(compare=False, repr=False)
    """The optimum's course in quarter hours, in columns of `SimulatedHouse.flows`; see `flows_of`."""

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
    solution = Highs(crossover=False).solve(compiled.form.relaxed(), TIME_LIMIT_S)
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
        flows=flows_of(model, value),
    )


def flows_of(model: DispatchModel, value: Values) -> pd.DataFrame:
    """Means [kW], and rooms [°C] at their end, in the columns of `SimulatedHouse.flows` that a solution knows.

    Labelled by interval start in UTC.
    """
    horizon = model.horizon
    steps = range(horizon.steps)

    def total(ledger: dict[str, PerStep], ends: Sequence[str], begins: str = "") -> np.ndarray:
        found = [kw for name, kw in ledger.items() if name.endswith(tuple(ends)) and name.startswith(begins)]
        return np.array([max(0.0, sum(value(kw(t)) for kw in found)) for t in steps])

    levels = {name.partition(".")[2]: level for name, level in model.levels.items()}
    rooms = {name: level for name, level in levels.items() if name.endswith("_c") and not name.endswith("_slab_c")}
    inverter_pv_kw = total(model.flows, [".pv_kw"])
    battery_kw = total(model.sources, [".to_house_kw"]) - total(model.sinks, [".from_house_kw"]) - inverter_pv_kw
    return pd.DataFrame(
        {
            "grid_import_kw": total(model.sources, ["grid.import_kw"]),
            "grid_export_kw": total(model.sinks, ["grid.export_kw"]),
            "pv_kw": inverter_pv_kw + total(model.sources, [".pv_kw"]),
            "pv_curtailed_kw": total(model.flows, [".curtailed_kw"]),
            "battery_charge_kw": np.maximum(0.0, -battery_kw),
            "battery_discharge_kw": np.maximum(0.0, battery_kw),
            "base_load_kw": total(model.sinks, ["base_load_kw"]),
            "heating_kw": total(model.sinks, ["_kw"], begins="heating."),
            "battery_terminal_charge_kw": total(model.flows, [".charge_kw"]),
            "battery_terminal_discharge_kw": total(model.flows, [".discharge_kw"]),
            **{name: np.array([value(level(t)) for t in steps]) for name, level in rooms.items()},
        },
        index=pd.DatetimeIndex(horizon.starts, name="utc_start"),
    )
