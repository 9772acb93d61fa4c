"""Limits of a hybrid inverter and its battery, and energy that comes from somewhere."""

from collections.abc import Iterator

from pems_core.domain import (
    BatterySpec,
    BatteryState,
    Forecasts,
    HybridInverterSpec,
    InverterState,
    Plan,
    SiteState,
    of_kind,
)
from pems_core.domain.equipment import on_curve

from . import BALANCE_TOLERANCE_KW, LIMIT_TOLERANCE_KW, at

SOC_TOLERANCE = 0.005
ENERGY_TOLERANCE = 1e-4
"""In a step, as a share of the capacity."""
DC_FLOWS = ("pv", "to_house", "from_house", "charge", "discharge")


def inverter_faults(
    plan: Plan, name: str, spec: HybridInverterSpec, state: SiteState, forecasts: Forecasts
) -> Iterator[str]:
    yield from _limits(plan, name, spec, state, forecasts)
    if spec.battery is not None:
        yield from _energy(plan, name, spec.battery, state)
    yield from _dc_bus(plan, name, spec)


def _limits(plan: Plan, name: str, spec: HybridInverterSpec, state: SiteState, forecasts: Forecasts) -> Iterator[str]:
    available = forecasts.get("pv_kw", 0.0)
    derating = _derating(spec, state.of(name, InverterState))
    for t, start in enumerate(plan.horizon.starts):
        limits = [(f"{name}.to_house_kw", spec.ac_limit_kw), (f"{name}.pv_kw", spec.pv_share * max(0.0, available[t]))]
        battery = spec.battery
        if battery is not None:
            grid_charge_kw = min(spec.grid_charge_limit_kw, spec.ac_limit_kw)
            allowed_kw = of_kind(state.of(name, InverterState).battery, BatteryState).limits_kw(start)
            limits += [
                (f"{name}.charge_kw", min(allowed_kw[0], derating * battery.charge_limit_kw)),
                (f"{name}.discharge_kw", min(allowed_kw[1], derating * battery.discharge_limit_kw)),
                (f"{name}.from_house_kw", grid_charge_kw),
            ]
        for flow, limit_kw in limits:
            kw = plan.dispatch[flow][t]
            if kw > limit_kw + LIMIT_TOLERANCE_KW:
                yield f"{flow} is {kw:.2f} kW at {at(plan, t)}; {limit_kw:.2f} kW is allowed"
    if spec.battery is not None:
        now = of_kind(state.of(name, InverterState).battery, BatteryState)
        low, high = min(spec.battery.soc_min, now.soc), max(spec.battery.soc_max, now.soc)
        for t, soc in enumerate(plan.levels[f"{name}.soc"]):
            if not low - SOC_TOLERANCE <= soc <= high + SOC_TOLERANCE:
                yield f"{name}.soc is {soc:.3f} at {at(plan, t)}; {low:.3f} to {high:.3f} is allowed"
            charge, discharge = (plan.dispatch[f"{name}.{flow}_kw"][t] for flow in ("charge", "discharge"))
            if min(charge, discharge) > LIMIT_TOLERANCE_KW and t < plan.binary_steps:
                yield f"{name} charges {charge:.2f} kW and discharges {discharge:.2f} kW at once at {at(plan, t)}"
            if discharge > LIMIT_TOLERANCE_KW and soc < spec.battery.soc_min - SOC_TOLERANCE:
                floor = spec.battery.soc_min
                yield f"{name} discharges {discharge:.2f} kW at {at(plan, t)}, below its floor of {floor:.3f}"


def _derating(spec: HybridInverterSpec, now: InverterState) -> float:
    """Share of the battery's limits that its temperature leaves."""
    if spec.battery is None or now.battery is None or now.battery.temperature_c is None:
        return 1.0
    return on_curve(spec.battery.temperature_derating, now.battery.temperature_c)


def _dc_bus(plan: Plan, name: str, spec: HybridInverterSpec) -> Iterator[str]:
    """What PV, battery and house give the DC bus, it passes on; the inverter converts one way at a time."""
    for t in range(plan.horizon.steps):
        pv, to_house, *of_battery = (
            plan.dispatch[f"{name}.{flow}_kw"][t] for flow in DC_FLOWS[: 5 if spec.battery else 2]
        )
        from_house, charge, discharge = of_battery or (0.0, 0.0, 0.0)
        if min(to_house, from_house) > LIMIT_TOLERANCE_KW and t < plan.binary_steps:
            yield f"{name} gives {to_house:.2f} kW and takes {from_house:.2f} kW at once at {at(plan, t)}"
        given = pv / spec.inverting_efficiency + discharge + from_house * spec.rectifying_efficiency
        taken = charge + to_house / spec.inverting_efficiency
        if abs(given - taken) > BALANCE_TOLERANCE_KW:
            yield f"power at the DC bus of {name} is off by {given - taken:+.3f} kW at {at(plan, t)}"


def _energy(plan: Plan, name: str, battery: BatterySpec, state: SiteState) -> Iterator[str]:
    """No energy comes from nowhere in the cells."""
    before = of_kind(state.of(name, InverterState).battery, BatteryState).soc
    usable = max(ENERGY_TOLERANCE, battery.soc_max - battery.soc_min)
    for t, h in enumerate(plan.horizon.step_h):
        charge, discharge = (plan.dispatch[f"{name}.{flow}_kw"][t] for flow in ("charge", "discharge"))
        gained_kw = charge * battery.charge_efficiency - discharge / battery.discharge_efficiency
        without_standby = before + gained_kw * h / battery.capacity_kwh
        # Standby is modelled in proportion to the charge, so a fuller battery loses more.
        fuller = max(1.0, (before - battery.soc_min) / usable)
        most_standby = 2 * battery.standby_kw * h * fuller / battery.capacity_kwh
        soc = plan.levels[f"{name}.soc"][t]
        if not without_standby - most_standby - ENERGY_TOLERANCE <= soc <= without_standby + ENERGY_TOLERANCE:
            yield f"{name}.soc is {soc:.4f} at {at(plan, t)}; its flows give {without_standby:.4f}"
        before = soc
