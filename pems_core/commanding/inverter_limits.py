"""What an inverter and its battery allow, whoever wishes."""

from dataclasses import dataclass, field

from pems_core.domain import BatterySpec, BatteryState, HybridInverterSpec, InverterState

from .draft import Draft
from .limits import MODE_CONTROLS

LOWEST_SOC = 0.10
"""Protocols D.3: no discharge below this, whatever the house file allows."""
SOC_HYSTERESIS = 0.02
COLD_CHARGE_C, COLD_DISCHARGE_C = 3.0, -17.0
"""Protocols D.3: below these a battery is neither charged nor discharged."""
LACKED = "what this unit can do: it was found not to have that"


def keep_abilities(draft: Draft) -> None:
    """What this unit was found not to have is not told to it: it would refuse, or do something else.

    To allow feed-in, or to charge not from the grid, is what it does anyway: no word is lost on that.
    """
    state = draft.state
    if not isinstance(state, InverterState) or not state.lacks:
        return
    wished = draft.settings
    mode = wished.get("mode")
    holds = mode == "battery_first" and wished.get("charge_power_kw") == 0.0
    if mode in state.lacks or (holds and "hold" in state.lacks):
        _to_own_mode(draft, "hold" if holds else str(mode), LACKED)
    if "grid_export" in state.lacks:
        _leave_out(draft, "grid_export", says_something=wished.get("grid_export") is False)
        _leave_out(draft, "export_limit_kw", says_something="export_limit_kw" in wished)
    if "reserve_soc" in state.lacks:
        _leave_out(draft, "reserve_soc", says_something="reserve_soc" in wished)
    if "battery_charge_grid" in state.lacks:
        _leave_out(draft, "battery_charge_grid", says_something=wished.get("battery_charge_grid") is True)


def _leave_out(draft: Draft, control: str, *, says_something: bool) -> None:
    if says_something:
        draft.refuse(control, f"{control} = {draft.settings[control]!r}", LACKED)
    draft.drop(control)


@dataclass
class BatteryLimits:
    """What the battery of an inverter allows; remembers that it was empty, for the hysteresis."""

    empty: set[str] = field(default_factory=set)
    """Devices that may not discharge until their battery is a little above its floor."""

    def keep(self, draft: Draft) -> None:
        spec, state = draft.device.equipment, draft.state
        if not isinstance(spec, HybridInverterSpec) or spec.battery is None:
            return
        if not isinstance(state, InverterState) or state.battery is None:
            return
        mode = draft.settings.get("mode")
        if mode == "grid_first":
            self._keep_floor(draft, spec.battery, state.battery)
        elif mode == "battery_first" and not _holds(draft, state.battery):
            _keep_charge(draft, state.battery)

    def _keep_floor(self, draft: Draft, spec: BatterySpec, battery: BatteryState) -> None:
        floor, name = max(LOWEST_SOC, spec.soc_min), draft.device.name
        free_from = floor + SOC_HYSTERESIS if name in self.empty else floor
        if battery.soc <= free_from + 1e-9:
            self.empty.add(name)
            _to_own_mode(draft, f"discharging at {battery.soc:.0%}", f"above {free_from:.0%}")
            return
        self.empty.discard(name)
        if battery.discharge_limit_kw == 0.0:
            _to_own_mode(draft, "discharging", "what the battery allows: none now")
        elif battery.temperature_c is not None and battery.temperature_c < COLD_DISCHARGE_C:
            _to_own_mode(draft, f"discharging at {battery.temperature_c:g} °C", f"from {COLD_DISCHARGE_C:g} °C")
        elif float(draft.settings.get("stop_soc", floor)) < floor - 1e-9:
            draft.refuse("stop_soc", f"{draft.settings['stop_soc']:g}", f"at least {floor:g}")
            draft.settings["stop_soc"] = floor


def _holds(draft: Draft, battery: BatteryState) -> bool:
    """Whether battery first does not charge: by its rate, or because it stops where the battery is."""
    return draft.settings.get("charge_power_kw") == 0.0 or float(draft.settings.get("stop_soc", 1.0)) <= battery.soc


def _keep_charge(draft: Draft, battery: BatteryState) -> None:
    if battery.charge_limit_kw == 0.0:
        _to_own_mode(draft, "charging", "what the battery allows: none now")
    elif battery.temperature_c is not None and battery.temperature_c < COLD_CHARGE_C:
        _to_own_mode(draft, f"charging at {battery.temperature_c:g} °C", f"from {COLD_CHARGE_C:g} °C")


def _to_own_mode(draft: Draft, found: str, allowed: str) -> None:
    draft.refuse("mode", found, allowed)
    draft.drop(*MODE_CONTROLS)
