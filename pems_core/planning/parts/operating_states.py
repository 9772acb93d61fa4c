"""The operating states of a hybrid inverter: which flows each permits, and the mode that brings them about."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyomo.environ as pyo

from pems_core.domain import Forecasts, HybridInverterSpec, InverterState, Plan, SiteState
from pems_core.domain.equipment import BatterySpec
from pems_core.planning.model import DispatchModel, Values

STATES = ("storing", "covering", "battery_first", "grid_first")
"""`load_first` is two of them: storing a surplus or covering a deficit."""
MODES = {
    "load_first": ("storing", "covering"),
    "battery_first": ("battery_first",),
    "grid_first": ("grid_first",),
}
"""The operating states of each mode."""
TOLERANCE_KW = 0.02

Switches = list[tuple[Any, float]]


@dataclass(frozen=True)
class OperatingStates:
    """One-hot over `STATES` in the near steps; beyond them flows only exclude each other in shares."""

    model: DispatchModel
    inverter: Any
    """The inverter's block, with its flows."""
    name: str
    spec: HybridInverterSpec
    battery: BatterySpec
    state: SiteState
    forecasts: Forecasts
    available_pv_kw: Sequence[float]
    """Of this inverter."""

    @property
    def near(self) -> range:
        return range(self.model.binary_steps)

    @cached_property
    def site_pv_kw(self) -> list[float]:
        return [max(0.0, kw) for kw in self.forecasts.get("pv_kw", 0.0)]

    @cached_property
    def spare_pv_kw(self) -> list[float]:
        """PV beyond the base load. Other loads only lower what can be fed in: the tightest bound that data give."""
        base_load_kw = self.forecasts["base_load_kw"]
        return [max(0.0, pv - load) for pv, load in zip(self.site_pv_kw, base_load_kw, strict=True)]

    def add(self) -> None:
        """Add states, what each permits, the price of changing modes, and what a person has set."""
        self._add_states()
        self._add_grid_charging()
        self._add_exclusions_beyond()
        if self.spec.mode_change_cost:
            self._add_mode_changes()
        self._pin_overrides()
        self.model.add_modes(self.name, self.mode_at)
        self.model.add_guess(self.guessed)
        self.model.add_memory(self.remembered)

    def _add_states(self) -> None:
        near, model = self.near, self.model
        charge_limit = [self.inverter.charge_kw[t].ub for t in near]
        discharge_limit = [self.inverter.discharge_kw[t].ub for t in near]
        export_limit = model.export_kw(0).ub
        lacks = self.state.of(self.name, InverterState).lacks

        def highest(t: int, operating: str) -> int:
            return 0 if operating in lacks or (operating == "storing" and self.available_pv_kw[t] <= 0.0) else 1

        self.inverter.state = pyo.Var(near, STATES, within=pyo.Binary, bounds=lambda _, t, s: (0, highest(t, s)))
        self.inverter.one_state = pyo.Constraint(near, rule=lambda b, t: sum(b.state[t, s] for s in STATES) == 1)
        self.inverter.charges_in = pyo.Constraint(
            near,
            rule=lambda b, t: b.charge_kw[t] <= charge_limit[t] * (b.state[t, "storing"] + b.state[t, "battery_first"]),
        )
        self.inverter.discharges_in = pyo.Constraint(
            near,
            rule=lambda b, t: (
                b.discharge_kw[t] <= discharge_limit[t] * (b.state[t, "covering"] + b.state[t, "grid_first"])
            ),
        )
        self.inverter.exports_in = pyo.Constraint(
            near,
            rule=lambda b, t: (
                model.export_kw(t)
                <= self.spare_pv_kw[t] * (b.state[t, "storing"] + b.state[t, "battery_first"])
                + export_limit * b.state[t, "grid_first"]
            ),
        )

    def _add_grid_charging(self) -> None:
        """Charging from the grid only in battery_first, and never while power is inverted.

        Both at once would burn energy, which earns at negative prices and costs nothing while PV is curtailed.
        """
        near, from_house_limit = self.near, [self.inverter.from_house_kw[t].ub for t in self.near]
        self.inverter.battery_charge_grid = pyo.Var(near, within=pyo.Binary)
        self.inverter.grid_charge_in_battery_first = pyo.Constraint(
            near, rule=lambda b, t: b.battery_charge_grid[t] <= b.state[t, "battery_first"]
        )
        self.inverter.takes_from_house = pyo.Constraint(
            near, rule=lambda b, t: b.from_house_kw[t] <= from_house_limit[t] * b.battery_charge_grid[t]
        )
        self.inverter.gives_to_house = pyo.Constraint(
            near, rule=lambda b, t: b.to_house_kw[t] <= self.spec.ac_limit_kw * (1 - b.battery_charge_grid[t])
        )

    def _add_exclusions_beyond(self) -> None:
        """Without whole states these two keep a plan from burning energy in circles."""
        far = range(self.model.binary_steps, self.model.horizon.steps)
        self.inverter.one_direction = pyo.Constraint(
            far,
            rule=lambda b, t: (
                b.charge_kw[t] / max(b.charge_kw[t].ub, 1e-6) + b.discharge_kw[t] / max(b.discharge_kw[t].ub, 1e-6) <= 1
            ),
        )
        self.inverter.one_conversion = pyo.Constraint(
            [t for t in far if self.inverter.from_house_kw[t].ub > TOLERANCE_KW],
            rule=lambda b, t: (
                b.from_house_kw[t] / b.from_house_kw[t].ub + b.to_house_kw[t] / self.spec.ac_limit_kw <= 1
            ),
        )

    def _add_mode_changes(self) -> None:
        """changed[t] >= mode[t] - mode[t-1] for each mode."""
        mode_now = self.state.of(self.name, InverterState).mode
        self.inverter.changed = pyo.Var(self.near, bounds=(0, 1))

        def in_mode(t: int, mode: str) -> Any:
            if t < 0:
                return float(mode_now == mode)
            return sum(self.inverter.state[t, s] for s in MODES[mode])

        self.inverter.mode_change = pyo.Constraint(
            self.near, list(MODES), rule=lambda b, t, mode: b.changed[t] >= in_mode(t, mode) - in_mode(t - 1, mode)
        )
        cost = self.spec.mode_change_cost * sum(self.inverter.changed[t] for t in self.near)
        self.model.add_cost(f"{self.name}.mode_changes", cost, "wear")

    def _pin_overrides(self) -> None:
        """Hold what a person has set; the plan works around it."""
        inverter = self.inverter
        for t, start in enumerate(self.model.horizon.starts):
            mode = self.state.override(self.name, "mode", start)
            if mode is not None and t in self.near:
                for operating in STATES:
                    if operating not in MODES.get(str(mode.value), ()):
                        inverter.state[t, operating].setub(0)
            charge_grid = self.state.override(self.name, "battery_charge_grid", start)
            if charge_grid is not None and not charge_grid.value:
                inverter.from_house_kw[t].setub(0.0)
            export = self.state.override(self.name, "grid_export", start)
            if export is not None and not export.value:
                self.model.export_kw(t).setub(0.0)
            for control, power_kw in (
                ("charge_power_kw", inverter.charge_kw[t]),
                ("discharge_power_kw", inverter.discharge_kw[t]),
            ):
                rate = self.state.override(self.name, control, start)
                if rate is not None:
                    power_kw.setub(min(power_kw.ub, float(rate.value)))

    def remembered(self, plan: Plan) -> Switches:
        """The operating states of an earlier plan."""
        if self.name not in plan.modes or f"{self.name}.charge_kw" not in plan.dispatch:
            return []
        switches: Switches = []
        for t, s in plan.decided_steps(self.model.horizon.starts[: self.model.binary_steps]):
            operating = self._state_in(plan, s)
            from_grid = plan.dispatch[f"{self.name}.from_house_kw"][s] > TOLERANCE_KW
            if self.inverter.state[t, operating].ub > 0:
                switches += self._switches(t, operating, from_grid)
        return switches

    def _state_in(self, plan: Plan, s: int) -> str:
        mode = plan.modes[self.name][s].replace("hold", "battery_first")
        if mode != "load_first":
            return mode
        stores = plan.dispatch[f"{self.name}.charge_kw"][s] > TOLERANCE_KW
        idle = plan.dispatch[f"{self.name}.discharge_kw"][s] <= TOLERANCE_KW
        exports = plan.dispatch["grid.export_kw"][s] > TOLERANCE_KW
        return "storing" if stores or (idle and exports) else "covering"

    def guessed(self, value: Values) -> Switches:
        """The operating state that each near step's flows look like; an idle battery stays in the state it was in."""
        switches: Switches = []
        before = "covering"
        for t in self.near:
            charge, discharge = value(self.inverter.charge_kw[t]), value(self.inverter.discharge_kw[t])
            from_grid = charge > discharge and value(self.inverter.from_house_kw[t]) > TOLERANCE_KW
            exporting = value(self.model.export_kw(t)) > TOLERANCE_KW
            likely = (*self._likely(charge, discharge, exporting, from_grid, before), *STATES)
            before = next(s for s in likely if self.inverter.state[t, s].ub > 0)
            switches += self._switches(t, before, from_grid)
        return switches

    @staticmethod
    def _likely(charge_kw: float, discharge_kw: float, exporting: bool, from_grid: bool, before: str) -> Iterator[str]:
        if max(charge_kw, discharge_kw) > TOLERANCE_KW:
            if charge_kw > discharge_kw:
                yield from ("battery_first",) if from_grid else ("storing", "battery_first")
            else:
                yield "grid_first" if exporting else "covering"
        elif exporting:
            yield from (before,) if before in ("storing", "battery_first") else ()
            yield from ("storing", "battery_first")
        else:
            yield from (before, "covering")

    def _switches(self, t: int, operating: str, from_grid: bool) -> Switches:
        charges_grid = float(from_grid and operating == "battery_first")
        states = [(self.inverter.state[t, s], float(s == operating)) for s in STATES]
        return [*states, (self.inverter.battery_charge_grid[t], charges_grid)]

    def mode_at(self, t: int, value: Values) -> str:
        """The mode that brings the planned flows about; load_first wherever it does, as it follows the load.

        load_first stores all surplus and covers any deficit by itself, so a plan that leaves some of either to the
        grid needs another mode: battery_first or grid_first at a rate, or hold.
        """
        set_by_hand = self.state.override(self.name, "mode", self.model.horizon.starts[t])
        if set_by_hand is not None:
            return str(set_by_hand.value)
        inverter, battery = self.inverter, self.battery
        imports = value(self.model.import_kw(t)) > TOLERANCE_KW
        exports = value(self.model.export_kw(t)) > TOLERANCE_KW
        charge_kw, discharge_kw = value(inverter.charge_kw[t]), value(inverter.discharge_kw[t])
        curtails = value(inverter.pv_kw[t]) < inverter.pv_kw[t].ub - TOLERANCE_KW
        soc = value(inverter.energy_kwh[t]) / battery.capacity_kwh
        full, empty = soc >= battery.soc_max - 1e-3, soc <= battery.soc_min + 1e-3
        if charge_kw > TOLERANCE_KW:
            if imports or value(inverter.from_house_kw[t]) > TOLERANCE_KW:
                return "battery_first"
            leaves_surplus = exports or curtails
            at_limit = full or charge_kw >= inverter.charge_kw[t].ub - TOLERANCE_KW
            return "battery_first" if leaves_surplus and not at_limit else "load_first"
        if discharge_kw > TOLERANCE_KW:
            if exports:
                return "grid_first"
            at_limit = empty or discharge_kw >= inverter.discharge_kw[t].ub - TOLERANCE_KW
            return "grid_first" if imports and not at_limit else "load_first"
        rests_by_itself = empty if imports else full or not (exports or curtails)
        return "load_first" if rests_by_itself else "hold"
