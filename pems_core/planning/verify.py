"""Checks a plan before it is released, without any solver code: limits, physics, minimum times, executability."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import isfinite

from pems_core.domain import (
    BatterySpec,
    BatteryState,
    FlexibleLoadSpec,
    FlexibleLoadState,
    Forecasts,
    GridSpec,
    HeatingSpec,
    HeatingState,
    HybridInverterSpec,
    InverterState,
    Plan,
    PvSpec,
    RoomSpec,
    SiteState,
    of_kind,
)
from pems_core.domain.equipment import on_curve
from pems_core.protocols import Device

from .rollout import Rollout, roll_out

BALANCE_TOLERANCE_KW = 0.01
LIMIT_TOLERANCE_KW = 0.01
SOC_TOLERANCE = 0.005
TEMPERATURE_TOLERANCE_K = 0.2
ENERGY_TOLERANCE = 1e-4
"""In a step, as a share of the capacity."""
DC_FLOWS = ("pv", "to_house", "from_house", "charge", "discharge")


@dataclass(frozen=True)
class Verified:
    """What the check of a plan found."""

    violations: Sequence[str]
    """Physics, device limits or minimum times that the plan breaks; it is not released."""
    rollout: Rollout
    """What the devices would really do with the plan's settings."""

    @property
    def safe(self) -> bool:
        return not self.violations


def verify(plan: Plan, devices: Sequence[Device], grid: GridSpec, state: SiteState, forecasts: Forecasts) -> Verified:
    """Check the plan against the equipment and step its settings through the execution models."""
    present = [device for device in devices if device.name in state.devices]
    misshapen = [*_shapes(plan, present, forecasts), *_numbers(plan)]
    if misshapen:
        # Nothing else can be asked of a plan that lacks series, steps or numbers.
        return Verified(misshapen, Rollout())
    rollout = roll_out(present, grid, state, forecasts, lambda device, t, _: device.settings(plan, t))
    violations = [
        *_base_load(plan, forecasts),
        *_balance(plan, present),
        *_grid_limits(plan, grid, present, state),
        *(fault for device in present for fault in _device(plan, device, state, forecasts)),
        *_settings_allowed(plan, present, rollout),
        *_follows_physics(plan, present, rollout),
    ]
    return Verified(violations, rollout)


def _at(plan: Plan, t: int) -> str:
    return f"{plan.horizon.starts[t]:%Y-%m-%d %H:%M}Z"


def _shapes(plan: Plan, devices: Sequence[Device], forecasts: Forecasts) -> Iterator[str]:
    if plan.horizon != forecasts.horizon:
        yield f"the plan has {plan.horizon.steps} steps from {_at(plan, 0)}, which are not those of the forecasts"
    for name, values in {**plan.dispatch, **plan.levels, **plan.modes}.items():
        if len(values) != plan.horizon.steps:
            yield f"{name} has {len(values)} values; the horizon has {plan.horizon.steps} steps"
    flows, levels = ["grid.import_kw", "grid.export_kw", "base_load_kw"], []
    for device in devices:
        equipment, name = device.equipment, device.name
        if isinstance(equipment, HybridInverterSpec):
            flows += [f"{name}.{flow}_kw" for flow in (DC_FLOWS if equipment.battery else DC_FLOWS[:2])]
            levels += [f"{name}.soc"] if equipment.battery else []
        elif isinstance(equipment, HeatingSpec):
            flows += [f"{name}.{room.name}_kw" for room in equipment.rooms]
            levels += [f"{name}.{room.name}_c" for room in equipment.rooms]
        else:
            flows.append(f"{name}.{'pv' if isinstance(equipment, PvSpec) else 'power'}_kw")
    for name in (*(f for f in flows if f not in plan.dispatch), *(x for x in levels if x not in plan.levels)):
        yield f"{name} is not in the plan"


def _numbers(plan: Plan) -> Iterator[str]:
    for name, flow in plan.dispatch.items():
        for t, kw in enumerate(flow):
            if not (isfinite(kw) and kw >= -LIMIT_TOLERANCE_KW):
                yield f"{name} is {kw:.3f} kW at {_at(plan, t)}; flows are finite and never negative"
    for name, level in plan.levels.items():
        for t, value in enumerate(level):
            if not isfinite(value):
                yield f"{name} is {value} at {_at(plan, t)}; a finite number is needed"


def _base_load(plan: Plan, forecasts: Forecasts) -> Iterator[str]:
    """The load that nobody controls is the forecast's, not the plan's."""
    expected_kw = forecasts.get("base_load_kw", 0.0)
    for t, (kw, expected) in enumerate(zip(plan.dispatch["base_load_kw"], expected_kw, strict=True)):
        if abs(kw - expected) > BALANCE_TOLERANCE_KW:
            yield f"base_load_kw is {kw:.3f} kW at {_at(plan, t)}; the forecast is {expected:.3f} kW"


def _balance(plan: Plan, devices: Sequence[Device]) -> Iterator[str]:
    """Import and what devices give equals export, base load and what devices draw."""
    sources, sinks = ["grid.import_kw"], ["grid.export_kw", "base_load_kw"]
    for device in devices:
        equipment, name = device.equipment, device.name
        if isinstance(equipment, HybridInverterSpec):
            sources.append(f"{name}.to_house_kw")
            sinks += [f"{name}.from_house_kw"] if equipment.battery else []
        elif isinstance(equipment, HeatingSpec):
            sinks += [f"{name}.{room.name}_kw" for room in equipment.rooms]
        else:
            (sources if device.balances else sinks).append(f"{name}.{'pv' if device.balances else 'power'}_kw")
    for t in range(plan.horizon.steps):
        given = sum(plan.dispatch[name][t] for name in sources)
        drawn = sum(plan.dispatch[name][t] for name in sinks)
        if abs(given - drawn) > BALANCE_TOLERANCE_KW:
            yield f"power at the house bus is off by {given - drawn:+.3f} kW at {_at(plan, t)}"


def _grid_limits(plan: Plan, grid: GridSpec, devices: Sequence[Device], state: SiteState) -> Iterator[str]:
    """An import above the limit is only excused by load that nobody may lower."""
    unavoidable_kw = _unavoidable_kw(plan, devices, state)
    for t in range(plan.horizon.steps):
        exported = plan.dispatch["grid.export_kw"][t]
        if exported > grid.export_limit_kw + LIMIT_TOLERANCE_KW:
            yield f"export is {exported:.2f} kW at {_at(plan, t)}; {grid.export_limit_kw:g} kW is allowed"
        imported = plan.dispatch["grid.import_kw"][t]
        if min(imported, exported) > LIMIT_TOLERANCE_KW:
            yield f"import is {imported:.2f} kW and export {exported:.2f} kW at once at {_at(plan, t)}"
        charging = sum(plan.dispatch.get(f"{d.name}.from_house_kw", (0.0,) * (t + 1))[t] for d in devices)
        if imported > grid.import_limit_kw + LIMIT_TOLERANCE_KW and (
            charging > LIMIT_TOLERANCE_KW or imported > unavoidable_kw[t] + LIMIT_TOLERANCE_KW
        ):
            yield f"import is {imported:.2f} kW at {_at(plan, t)}; {grid.import_limit_kw:g} kW is allowed"


def _unavoidable_kw(plan: Plan, devices: Sequence[Device], state: SiteState) -> list[float]:
    """Base load, and what minimum times or a person keep on."""
    total_kw = list(plan.dispatch["base_load_kw"])
    for device in devices:
        flows: list[tuple[float, ...]] = []
        if isinstance(device.equipment, HeatingSpec):
            flows = [_kept_on_kw(plan, device.name, room, state) for room in device.equipment.rooms]
        elif isinstance(device.equipment, FlexibleLoadSpec):
            set_by_hand = [state.override(device.name, "power_kw", at) is not None for at in plan.horizon.starts]
            power_kw = plan.dispatch[f"{device.name}.power_kw"]
            flows = [tuple(kw if held else 0.0 for kw, held in zip(power_kw, set_by_hand, strict=True))]
        total_kw = [sum(kw) for kw in zip(total_kw, *flows, strict=True)]
    return total_kw


def _kept_on_kw(plan: Plan, name: str, room: RoomSpec, state: SiteState) -> tuple[float, ...]:
    """What a relay draws while it may not be switched off."""
    now = state.of(name, HeatingState).rooms[room.name]
    kept = now.relay_on and now.relay_since is not None
    on, since = now.relay_on, now.relay_since
    kept_kw = []
    for kw, start in zip(plan.dispatch[f"{name}.{room.name}_kw"], plan.horizon.starts, strict=True):
        if (kw > room.relay_kw / 2) != on:
            on, since, kept = not on, start, False
        in_minimum = since is not None and start - since < room.min_on
        by_others = now.held_until is not None and start < now.held_until
        kept = on and (by_others or _wanted_on(plan, name, room, state, start) or (kept and in_minimum))
        kept_kw.append(kw if kept else 0.0)
    return tuple(kept_kw)


def _wanted_on(plan: Plan, name: str, room: RoomSpec, state: SiteState, at: datetime) -> bool:
    """Whether a person wants a relay to be on, now or before it could come on again if it were switched off."""
    return bool(state.overrides) and any(
        override is not None and bool(override.value)
        for later in plan.horizon.starts
        if later == at or at < later < at + room.min_off
        for override in [state.override(name, f"{room.name}_relay", later)]
    )


def _device(plan: Plan, device: Device, state: SiteState, forecasts: Forecasts) -> Iterator[str]:
    equipment = device.equipment
    if isinstance(equipment, HybridInverterSpec):
        yield from _inverter(plan, device.name, equipment, state, forecasts)
        if equipment.battery is not None:
            yield from _energy(plan, device.name, equipment.battery, state)
        yield from _dc_bus(plan, device.name, equipment)
    elif isinstance(equipment, PvSpec):
        yield from _pv(plan, device.name, equipment, forecasts)
    elif isinstance(equipment, HeatingSpec):
        yield from _relays(plan, device.name, equipment, state)
    elif isinstance(equipment, FlexibleLoadSpec):
        yield from _load(plan, device.name, equipment, state)


def _inverter(plan: Plan, name: str, spec: HybridInverterSpec, state: SiteState, forecasts: Forecasts) -> Iterator[str]:
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
                yield f"{flow} is {kw:.2f} kW at {_at(plan, t)}; {limit_kw:.2f} kW is allowed"
    if spec.battery is not None:
        now = of_kind(state.of(name, InverterState).battery, BatteryState)
        low, high = min(spec.battery.soc_min, now.soc), max(spec.battery.soc_max, now.soc)
        for t, soc in enumerate(plan.levels[f"{name}.soc"]):
            if not low - SOC_TOLERANCE <= soc <= high + SOC_TOLERANCE:
                yield f"{name}.soc is {soc:.3f} at {_at(plan, t)}; {low:.3f} to {high:.3f} is allowed"
            charge, discharge = (plan.dispatch[f"{name}.{flow}_kw"][t] for flow in ("charge", "discharge"))
            if min(charge, discharge) > LIMIT_TOLERANCE_KW and t < plan.binary_steps:
                yield f"{name} charges {charge:.2f} kW and discharges {discharge:.2f} kW at once at {_at(plan, t)}"
            if discharge > LIMIT_TOLERANCE_KW and soc < spec.battery.soc_min - SOC_TOLERANCE:
                floor = spec.battery.soc_min
                yield f"{name} discharges {discharge:.2f} kW at {_at(plan, t)}, below its floor of {floor:.3f}"


def _derating(spec: HybridInverterSpec, now: InverterState) -> float:
    """Share of the battery's limits that its temperature leaves."""
    if spec.battery is None or now.battery is None or now.battery.temperature_c is None:
        return 1.0
    return on_curve(spec.battery.temperature_derating, now.battery.temperature_c)


def _pv(plan: Plan, name: str, spec: PvSpec, forecasts: Forecasts) -> Iterator[str]:
    """A plant gives what the sun gives, or less where it can be curtailed."""
    for t, site_kw in enumerate(forecasts.get("pv_kw", 0.0)):
        kw, available_kw = plan.dispatch[f"{name}.pv_kw"][t], spec.pv_share * max(0.0, site_kw)
        least_kw = 0.0 if spec.curtailable else available_kw
        if not least_kw - LIMIT_TOLERANCE_KW <= kw <= available_kw + LIMIT_TOLERANCE_KW:
            yield f"{name}.pv_kw is {kw:.2f} kW at {_at(plan, t)}; {least_kw:.2f} to {available_kw:.2f} kW is possible"


def _dc_bus(plan: Plan, name: str, spec: HybridInverterSpec) -> Iterator[str]:
    """What PV, battery and house give the DC bus, it passes on; the inverter converts one way at a time."""
    for t in range(plan.horizon.steps):
        pv, to_house, *of_battery = (
            plan.dispatch[f"{name}.{flow}_kw"][t] for flow in DC_FLOWS[: 5 if spec.battery else 2]
        )
        from_house, charge, discharge = of_battery or (0.0, 0.0, 0.0)
        if min(to_house, from_house) > LIMIT_TOLERANCE_KW and t < plan.binary_steps:
            yield f"{name} gives {to_house:.2f} kW and takes {from_house:.2f} kW at once at {_at(plan, t)}"
        given = pv / spec.inverting_efficiency + discharge + from_house * spec.rectifying_efficiency
        taken = charge + to_house / spec.inverting_efficiency
        if abs(given - taken) > BALANCE_TOLERANCE_KW:
            yield f"power at the DC bus of {name} is off by {given - taken:+.3f} kW at {_at(plan, t)}"


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
            yield f"{name}.soc is {soc:.4f} at {_at(plan, t)}; its flows give {without_standby:.4f}"
        before = soc


def _load(plan: Plan, name: str, spec: FlexibleLoadSpec, state: SiteState) -> Iterator[str]:
    now = state.of(name, FlexibleLoadState)
    starts, ends = plan.horizon.starts, plan.horizon.ends
    served_kwh = 0.0
    for t, kw in enumerate(plan.dispatch[f"{name}.power_kw"]):
        served_kwh += kw * plan.horizon.step_h[t]
        if kw > spec.power_max_kw + LIMIT_TOLERANCE_KW:
            yield f"{name}.power_kw is {kw:.2f} kW at {_at(plan, t)}; {spec.power_max_kw:g} kW is allowed"
        least_kw = spec.power_max_kw if spec.on_off else spec.power_min_kw
        by_hand = state.override(name, "power_kw", starts[t]) is not None
        # With the last of what it needs it stops within the step.
        done = served_kwh >= now.energy_needed_kwh - LIMIT_TOLERANCE_KW
        excused = by_hand or done or t >= plan.binary_steps
        if LIMIT_TOLERANCE_KW < kw < least_kw - LIMIT_TOLERANCE_KW and not excused:
            yield f"{name}.power_kw is {kw:.2f} kW at {_at(plan, t)}; 0 or at least {least_kw:g} kW is allowed"
        early = now.available_from is not None and starts[t] < now.available_from
        late = now.ready_by is not None and ends[t] > now.ready_by
        if kw > LIMIT_TOLERANCE_KW and (early or late):
            yield f"{name}.power_kw is {kw:.2f} kW at {_at(plan, t)}, outside the time in which it can be served"
    if served_kwh > now.energy_needed_kwh + LIMIT_TOLERANCE_KW:
        yield f"{name} is given {served_kwh:.2f} kWh; it needs {now.energy_needed_kwh:.2f} kWh"


def _relays(plan: Plan, name: str, spec: HeatingSpec, state: SiteState) -> Iterator[str]:
    now = state.of(name, HeatingState)
    starts = plan.horizon.starts
    for room in spec.rooms:
        flow = f"{name}.{room.name}_kw"
        relay = now.rooms[room.name]
        on, since = relay.relay_on, relay.relay_since
        for t, kw in enumerate(plan.dispatch[flow]):
            share = kw / room.relay_kw
            if share > 1 + 1e-3:
                yield f"{flow} is {kw:.2f} kW at {_at(plan, t)}; the relay has {room.relay_kw:g} kW"
            if t >= plan.binary_steps:
                continue
            if min(share, abs(1 - share)) > 1e-3:
                yield f"{flow} is {kw:.2f} kW at {_at(plan, t)}; a relay gives 0 or {room.relay_kw:g} kW"
            turned_on = share > 0.5
            if turned_on == on:
                continue
            minimum = room.min_on if on else room.min_off
            if since is not None and starts[t] - since < minimum:
                was = "on" if on else "off"
                yield f"{flow}: relay {was} for {starts[t] - since} at {_at(plan, t)}; at least {minimum} is allowed"
            on, since = turned_on, starts[t]


def _settings_allowed(plan: Plan, devices: Sequence[Device], rollout: Rollout) -> Iterator[str]:
    for device in devices:
        catalogue = {control.name: control for control in device.controls()}
        for t, settings in enumerate(rollout.settings.get(device.name, [])[: plan.binary_steps]):
            for control, value in settings.items():
                if control not in catalogue:
                    yield f"{device.name}.{control} at {_at(plan, t)} is not in the device's catalogue"
                elif fault := catalogue[control].fault(value):
                    yield f"{device.name}.{fault} at {_at(plan, t)}"


def _follows_physics(plan: Plan, devices: Sequence[Device], rollout: Rollout) -> Iterator[str]:
    """Room temperatures of the plan are those that its own heat gives."""
    for device in devices:
        if not isinstance(device.equipment, HeatingSpec):
            continue
        for room in device.equipment.rooms:
            level = f"{device.name}.{room.name}_c"
            for t, (planned, executed) in enumerate(zip(plan.levels[level], rollout.levels[level], strict=True)):
                if abs(planned - executed) > TEMPERATURE_TOLERANCE_K:
                    yield f"{level} is planned at {planned:.2f} °C at {_at(plan, t)}; its heat gives {executed:.2f} °C"
                    break
