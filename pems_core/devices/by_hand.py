"""Controls of a hybrid inverter that people set and plans do not: in words of those that plans know."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from pems_core.domain import BatterySpec, Control, ControlKind, HybridInverterSpec, Override, SiteState, Step, Value

BATTERY_MODE, EXPORT_LIMIT, RESERVE = "battery_mode", "export_limit_kw", "reserve_soc"
BY_HAND = frozenset({BATTERY_MODE, EXPORT_LIMIT, RESERVE})
SELF_USE, BACKUP, TIME_OF_USE = "self_use", "backup", "time_of_use"
"""Battery modes: PV and battery serve the house, always; the battery is kept for an outage and filled from PV only, up
to `reserve_soc` (default: as full as plans charge it); the plan says."""
MEANS_MODE = (SELF_USE, BACKUP)
"""Those that stand for a mode; the plan's goes on under the other."""
LOWEST_RESERVE = 0.1


def controls_by_hand(spec: HybridInverterSpec) -> Iterator[Control]:
    """The catalogue of these controls."""
    export = "highest feed-in while grid_export is on"
    yield Control(
        EXPORT_LIMIT, ControlKind.NUMBER, "kW", 0.0, spec.ac_limit_kw, spec.ac_limit_kw / 100, (), description=export
    )
    if spec.battery is None:
        return
    modes = (SELF_USE, BACKUP, TIME_OF_USE)
    what = "self use: load first always; backup: kept for an outage, filled from PV; time of use: the plan"
    yield Control(BATTERY_MODE, ControlKind.CHOICE, options=modes, description=what)
    kept = "state of charge that the inverter itself keeps in reserve"
    yield Control(RESERVE, ControlKind.NUMBER, "share", LOWEST_RESERVE, 1.0, 0.01, description=kept)


def as_planned(settings: Mapping[str, Value], battery: BatterySpec | None) -> dict[str, Value]:
    """Settings in which the battery mode stands as mode, grid charge and stop.

    >>> as_planned({"battery_mode": "self_use", "mode": "grid_first"}, None)["mode"]
    'load_first'
    """
    plain = {name: value for name, value in settings.items() if name != BATTERY_MODE}
    battery_mode = settings.get(BATTERY_MODE, TIME_OF_USE)
    if battery_mode == SELF_USE:
        plain |= {"mode": "load_first", "battery_charge_grid": False}
    elif battery_mode == BACKUP:
        plain.pop("charge_power_kw", None)
        full = battery.soc_max if battery is not None else 1.0
        plain |= {"mode": "battery_first", "battery_charge_grid": False, "stop_soc": settings.get(RESERVE, full)}
    return plain


def with_reserve(spec: HybridInverterSpec, reserve: Value | None) -> HybridInverterSpec:
    """The inverter, with the floor that its battery is told to keep."""
    if reserve is None or spec.battery is None:
        return spec
    floor = min(spec.battery.soc_max, max(spec.battery.soc_min, float(reserve)))
    return replace(spec, battery=replace(spec.battery, soc_min=floor))


def with_export_limit(step: Step, limit_kw: Value | None) -> Step:
    return step if limit_kw is None else replace(step, export_limit_kw=min(step.export_limit_kw, float(limit_kw)))


def overrides_as_planned(device: str, state: SiteState) -> SiteState:
    """The house, with battery modes that people have set as modes, which the model of the plan knows."""
    plain = [planned for override in state.overrides for planned in _as_planned(override, device)]
    return replace(state, overrides=tuple(plain))


def _as_planned(override: Override, device: str) -> Iterator[Override]:
    if override.device != device or override.control != BATTERY_MODE:
        yield override
        return
    said = as_planned({BATTERY_MODE: override.value}, None)
    for control in ("mode", "battery_charge_grid"):
        if control in said:
            yield replace(override, control=control, value=said[control])
