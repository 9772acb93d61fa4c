"""What a hybrid inverter really does with its settings: the execution model beside the equations.

The modes do by themselves what telemetry of a real plant showed; see docs/architecture.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from pems_core.domain import BatterySpec, BatteryState, Executed, HybridInverterSpec, InverterState, Step, Value


@dataclass(frozen=True, slots=True)
class _Battery:
    """What the battery can give and take in one step [kW at its terminals]."""

    spec: BatterySpec
    state: BatteryState
    start: datetime
    length_h: float

    def most_charge_kw(self, until_soc: float) -> float:
        spec, soc = self.spec, self.state.soc
        room_kwh = max(0.0, min(until_soc, spec.soc_max) - soc) * spec.capacity_kwh
        by_energy_kw = room_kwh / (self.length_h * spec.charge_efficiency)
        allowed_kw, _ = self.state.limits_kw(self.start)
        return min(by_energy_kw, allowed_kw, spec.charge_limit_at(soc, self.state.temperature_c))

    def most_discharge_kw(self, until_soc: float) -> float:
        spec, soc = self.spec, self.state.soc
        left_kwh = max(0.0, soc - max(until_soc, spec.soc_min)) * spec.capacity_kwh
        by_energy_kw = left_kwh * spec.discharge_efficiency / self.length_h
        _, allowed_kw = self.state.limits_kw(self.start)
        return min(by_energy_kw, allowed_kw, spec.discharge_limit_at(soc, self.state.temperature_c))

    def after(self, charge_kw: float, discharge_kw: float) -> BatteryState:
        spec = self.spec
        energy_kwh = self.state.soc * spec.capacity_kwh
        floor_kwh = spec.soc_min * spec.capacity_kwh
        change_kw = charge_kw * spec.charge_efficiency - discharge_kw / spec.discharge_efficiency
        after_kwh = energy_kwh + change_kw * self.length_h
        drained_kwh = min(spec.standby_kw * self.length_h, max(0.0, after_kwh - floor_kwh))
        return replace(self.state, soc=(after_kwh - drained_kwh) / spec.capacity_kwh)


def execute_hybrid_inverter(
    spec: HybridInverterSpec, settings: Mapping[str, Value], state: InverterState, step: Step
) -> Executed:
    """Flows [kW] of one step with these settings; a control that is not set keeps the inverter's default.

    Flows are those of the plan: `to_house_kw`, `from_house_kw` (AC), `charge_kw`, `discharge_kw` (battery
    terminals), `pv_kw`, `curtailed_kw` (AC equivalents).
    """
    mode = str(settings.get("mode", "load_first"))
    export_kw = step.export_limit_kw if settings.get("grid_export", True) else 0.0
    available_kw = spec.pv_share * max(0.0, step.inputs.get("pv_kw", 0.0))
    eta = spec.inverting_efficiency
    charge_kw = discharge_kw = from_house_kw = 0.0
    battery = None
    if spec.battery is not None and state.battery is not None:
        battery = _Battery(spec.battery, state.battery, step.start, step.length_h)
        stop_soc = float(settings.get("stop_soc", battery.spec.soc_max if mode == "battery_first" else 0.0))
        if mode == "load_first":
            # What the inverter cannot pass on to the house is surplus on the DC bus, whatever the house needs.
            served_kw = min(max(0.0, step.load_kw), spec.ac_limit_kw)
            if served_kw > available_kw:
                discharge_kw = min((served_kw - available_kw) / eta, battery.most_discharge_kw(0.0))
            else:
                charge_kw = min((available_kw - served_kw) / eta, battery.most_charge_kw(1.0))
        elif mode == "battery_first":
            rate_kw = float(settings.get("charge_power_kw", battery.spec.charge_limit_kw))
            charge_kw = min(rate_kw, battery.most_charge_kw(stop_soc))
            from_pv_kw = min(charge_kw, available_kw / eta)
            if settings.get("battery_charge_grid", False):
                room_kw = max(0.0, step.import_limit_kw - step.load_kw)
                most_ac_kw = min(spec.grid_charge_limit_kw, spec.ac_limit_kw, room_kw)
                from_house_kw = min((charge_kw - from_pv_kw) / spec.rectifying_efficiency, most_ac_kw)
            charge_kw = from_pv_kw + from_house_kw * spec.rectifying_efficiency
        elif mode == "grid_first":
            rate_kw = float(settings.get("discharge_power_kw", battery.spec.discharge_limit_kw))
            # Battery energy that could neither be used nor fed in stays in the battery.
            taken_kw = max(0.0, min(spec.ac_limit_kw, step.load_kw + export_kw) - min(available_kw, spec.ac_limit_kw))
            discharge_kw = min(rate_kw, battery.most_discharge_kw(stop_soc), taken_kw / eta)
    pv_to_ac_kw = max(0.0, available_kw - charge_kw * eta) if from_house_kw == 0.0 else 0.0
    room_on_ac_kw = max(0.0, min(spec.ac_limit_kw, step.load_kw + export_kw) - discharge_kw * eta)
    used_on_ac_kw = min(pv_to_ac_kw, room_on_ac_kw)
    curtailed_kw = pv_to_ac_kw - used_on_ac_kw
    flows = {
        "pv_kw": available_kw - curtailed_kw,
        "curtailed_kw": curtailed_kw,
        "to_house_kw": used_on_ac_kw + discharge_kw * eta,
    }
    after = replace(state, mode=mode, export_enabled=bool(export_kw))
    if battery is None:
        return Executed(flows, after, {}, mode)
    flows |= {"charge_kw": charge_kw, "discharge_kw": discharge_kw, "from_house_kw": from_house_kw}
    stored = battery.after(charge_kw, discharge_kw)
    return Executed(flows, replace(after, battery=stored), {"soc": stored.soc}, mode)
