"""A hybrid inverter with PV and battery, of any brand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from math import ceil, floor

from pems_core.domain import (
    BatterySpec,
    BatteryState,
    Control,
    ControlKind,
    Equipment,
    Executed,
    Forecasts,
    HybridInverterSpec,
    InverterState,
    Plan,
    Readings,
    SiteState,
    StaleReading,
    Step,
    Value,
    of_kind,
)
from pems_core.planning.model import DispatchModel
from pems_core.planning.parts.hybrid_inverter import add_hybrid_inverter
from pems_core.planning.parts.inverter_modes import execute_hybrid_inverter

from .by_hand import (
    EXPORT_LIMIT,
    RESERVE,
    as_planned,
    controls_by_hand,
    overrides_as_planned,
    with_export_limit,
    with_reserve,
)

MODES = ("load_first", "battery_first", "grid_first")
MAX_AGE = timedelta(minutes=5)
LIMITS_LAST = timedelta(hours=2)
"""How long a plan believes the limits that a battery names: they follow its temperature and charge."""
NO_FLOW_KW = 0.02


class HybridInverterDevice:
    """Readings to state, plan to settings, settings to flows; a brand adds `encode` and `release`."""

    balances = True
    offers: frozenset[str] = frozenset()
    """Of `by_hand.BY_HAND`: what a person can set on this device beyond what plans do."""
    groups: Mapping[str, str] = {}
    """The groups of controls that `encode` puts into messages of their own; see `Control.group`."""

    def __init__(self, name: str, spec: HybridInverterSpec) -> None:
        self.name = name
        self.spec = spec

    @property
    def equipment(self) -> HybridInverterSpec:
        return self.spec

    def equip(self, equipment: Equipment) -> None:
        """See `Identifiable.equip`."""
        self.spec = of_kind(equipment, HybridInverterSpec)

    def controls(self) -> Sequence[Control]:
        return [replace(control, group=self.groups.get(control.name, "")) for control in self._catalogue()]

    def _catalogue(self) -> Sequence[Control]:
        export = Control("grid_export", ControlKind.SWITCH, description="feed-in to the grid enabled")
        battery = self.spec.battery
        by_hand = [control for control in controls_by_hand(self.spec) if control.name in self.offers]
        if battery is None:
            return [export, *by_hand]
        return [
            Control("mode", ControlKind.CHOICE, options=MODES, description="who is served first"),
            Control("battery_charge_grid", ControlKind.SWITCH, description="charging from the grid enabled"),
            export,
            Control(
                "charge_power_kw", ControlKind.NUMBER, "kW", 0.0, battery.charge_limit_kw, self._rate_kw(battery, True)
            ),
            Control(
                "discharge_power_kw",
                ControlKind.NUMBER,
                "kW",
                0.0,
                battery.discharge_limit_kw,
                self._rate_kw(battery, False),
            ),
            Control("stop_soc", ControlKind.NUMBER, "share", 0.0, 1.0, 0.01),
            *by_hand,
        ]

    def state(self, readings: Readings, before: object | None = None) -> InverterState:
        battery = None
        if self.spec.battery is not None:
            soc = readings.number(f"{self.name}/soc", MAX_AGE, "share")
            if not 0.0 <= soc <= 1.0:
                raise StaleReading(f"{self.name}/soc is {soc:g}; a share from 0 to 1 is needed")
            battery = self._battery(readings, soc)
        mode = readings.points.get(f"{self.name}/mode")
        export = readings.points.get(f"{self.name}/grid_export")
        return InverterState(
            battery,
            str(mode.value) if mode else "load_first",
            bool(export.value) if export else True,
            self._lacks(readings),
        )

    def _battery(self, readings: Readings, soc: float) -> BatteryState:
        """Without temperature or limits of its own a battery is planned at its full limits."""
        return BatteryState(
            soc,
            self._if_fresh(readings, "battery_temperature_c", "°C"),
            self._if_fresh(readings, "charge_limit_kw", "kW"),
            self._if_fresh(readings, "discharge_limit_kw", "kW"),
            readings.now + LIMITS_LAST,
        )

    def _if_fresh(self, readings: Readings, point: str, unit: str) -> float | None:
        try:
            return readings.number(f"{self.name}/{point}", MAX_AGE, unit)
        except StaleReading:
            return None

    def _lacks(self, readings: Readings) -> frozenset[str]:
        """What the transport found the unit unable to do; that does not age."""
        found = readings.points.get(f"{self.name}/lacks")
        return frozenset(str(found.value).split()) if found else frozenset()

    def add_to_model(self, model: DispatchModel, state: SiteState, forecasts: Forecasts) -> None:
        by_hand = overrides_as_planned(self.name, state)
        reserve = state.override(self.name, RESERVE, state.now)
        spec = with_reserve(self.spec, reserve.value if reserve else None)
        add_hybrid_inverter(model, self.name, spec, by_hand, forecasts)
        for t, start in enumerate(model.horizon.starts):
            limit = state.override(self.name, EXPORT_LIMIT, start)
            if limit is not None:
                export_kw = model.export_kw(t)
                export_kw.setub(min(export_kw.ub, float(limit.value)))

    def settings(self, plan: Plan, t: int) -> Mapping[str, Value]:
        exported_kw = plan.dispatch["grid.export_kw"][t]
        curtailed_kw = plan.dispatch[f"{self.name}.curtailed_kw"][t]
        feed_in_price = plan.prices.get("feed_in_price_per_kwh", (0.0,) * plan.horizon.steps)[t]
        settings: dict[str, Value] = {
            "grid_export": exported_kw > NO_FLOW_KW or (curtailed_kw <= NO_FLOW_KW and feed_in_price >= 0)
        }
        battery = self.spec.battery
        if battery is None:
            return settings
        mode = plan.modes[self.name][t]
        settings["mode"] = "battery_first" if mode == "hold" else mode
        settings["battery_charge_grid"] = False
        soc = plan.levels[f"{self.name}.soc"][self._run_end(plan, t)]
        if mode == "hold":
            settings |= {"charge_power_kw": 0.0, "stop_soc": floor(100 * soc) / 100}
        elif mode == "battery_first":
            settings["charge_power_kw"] = self._rate(plan.dispatch[f"{self.name}.charge_kw"][t], battery, True)
            settings["battery_charge_grid"] = plan.dispatch[f"{self.name}.from_house_kw"][t] > NO_FLOW_KW
            settings["stop_soc"] = min(battery.soc_max, ceil(100 * soc - 1e-6) / 100)
        elif mode == "grid_first":
            settings["discharge_power_kw"] = self._rate(plan.dispatch[f"{self.name}.discharge_kw"][t], battery, False)
            settings["stop_soc"] = max(battery.soc_min, floor(100 * soc + 1e-6) / 100)
        return settings

    def _run_end(self, plan: Plan, t: int) -> int:
        """The last step of the run of equal modes that step `t` is in: its state of charge is the target."""
        modes = plan.modes[self.name]
        while t + 1 < len(modes) and modes[t + 1] == modes[t]:
            t += 1
        return t

    def _rate_kw(self, battery: BatterySpec, charging: bool) -> float:
        limit_kw = battery.charge_limit_kw if charging else battery.discharge_limit_kw
        return limit_kw * self.spec.power_rate_step

    def _rate(self, power_kw: float, battery: BatterySpec, charging: bool) -> float:
        """The power on the grid of rates that the inverter takes."""
        step_kw = self._rate_kw(battery, charging)
        limit_kw = battery.charge_limit_kw if charging else battery.discharge_limit_kw
        return min(limit_kw, round(power_kw / step_kw) * step_kw) if step_kw else power_kw

    def execute(self, settings: Mapping[str, Value], state: object, step: Step) -> Executed:
        spec = with_reserve(self.spec, settings.get(RESERVE))
        limited = with_export_limit(step, settings.get(EXPORT_LIMIT))
        plain = as_planned(settings, self.spec.battery)
        return execute_hybrid_inverter(spec, plain, of_kind(state, InverterState), limited)
