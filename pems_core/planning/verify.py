"""Checks a plan before it is released, without any solver code: limits, physics, minimum times, executability."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

from pems_core.domain import (
    FlexibleLoadSpec,
    Forecasts,
    GridSpec,
    HeatingSpec,
    HybridInverterSpec,
    Plan,
    PvSpec,
    SiteState,
)
from pems_core.protocols import Device

from .checks import BALANCE_TOLERANCE_KW, LIMIT_TOLERANCE_KW, at
from .checks.inverter import DC_FLOWS, inverter_faults
from .checks.loads import load_faults, pv_faults
from .checks.rooms import kept_on_kw, relay_faults
from .rollout import Rollout, roll_out

TEMPERATURE_TOLERANCE_K = 0.2


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


def _shapes(plan: Plan, devices: Sequence[Device], forecasts: Forecasts) -> Iterator[str]:
    if plan.horizon != forecasts.horizon:
        yield f"the plan has {plan.horizon.steps} steps from {at(plan, 0)}, which are not those of the forecasts"
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
                yield f"{name} is {kw:.3f} kW at {at(plan, t)}; flows are finite and never negative"
    for name, level in plan.levels.items():
        for t, value in enumerate(level):
            if not isfinite(value):
                yield f"{name} is {value} at {at(plan, t)}; a finite number is needed"


def _base_load(plan: Plan, forecasts: Forecasts) -> Iterator[str]:
    """The load that nobody controls is the forecast's, not the plan's."""
    expected_kw = forecasts.get("base_load_kw", 0.0)
    for t, (kw, expected) in enumerate(zip(plan.dispatch["base_load_kw"], expected_kw, strict=True)):
        if abs(kw - expected) > BALANCE_TOLERANCE_KW:
            yield f"base_load_kw is {kw:.3f} kW at {at(plan, t)}; the forecast is {expected:.3f} kW"


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
            yield f"power at the house bus is off by {given - drawn:+.3f} kW at {at(plan, t)}"


def _grid_limits(plan: Plan, grid: GridSpec, devices: Sequence[Device], state: SiteState) -> Iterator[str]:
    """An import above the limit is only excused by load that nobody may lower."""
    unavoidable_kw = _unavoidable_kw(plan, devices, state)
    for t in range(plan.horizon.steps):
        exported = plan.dispatch["grid.export_kw"][t]
        if exported > grid.export_limit_kw + LIMIT_TOLERANCE_KW:
            yield f"export is {exported:.2f} kW at {at(plan, t)}; {grid.export_limit_kw:g} kW is allowed"
        imported = plan.dispatch["grid.import_kw"][t]
        if min(imported, exported) > LIMIT_TOLERANCE_KW:
            yield f"import is {imported:.2f} kW and export {exported:.2f} kW at once at {at(plan, t)}"
        charging = sum(plan.dispatch.get(f"{d.name}.from_house_kw", (0.0,) * (t + 1))[t] for d in devices)
        if imported > grid.import_limit_kw + LIMIT_TOLERANCE_KW and (
            charging > LIMIT_TOLERANCE_KW or imported > unavoidable_kw[t] + LIMIT_TOLERANCE_KW
        ):
            yield f"import is {imported:.2f} kW at {at(plan, t)}; {grid.import_limit_kw:g} kW is allowed"


def _unavoidable_kw(plan: Plan, devices: Sequence[Device], state: SiteState) -> list[float]:
    """Base load, and what minimum times or a person keep on."""
    total_kw = list(plan.dispatch["base_load_kw"])
    for device in devices:
        flows: list[tuple[float, ...]] = []
        if isinstance(device.equipment, HeatingSpec):
            flows = [kept_on_kw(plan, device.name, room, state) for room in device.equipment.rooms]
        elif isinstance(device.equipment, FlexibleLoadSpec):
            set_by_hand = [state.override(device.name, "power_kw", at) is not None for at in plan.horizon.starts]
            power_kw = plan.dispatch[f"{device.name}.power_kw"]
            flows = [tuple(kw if held else 0.0 for kw, held in zip(power_kw, set_by_hand, strict=True))]
        total_kw = [sum(kw) for kw in zip(total_kw, *flows, strict=True)]
    return total_kw


def _device(plan: Plan, device: Device, state: SiteState, forecasts: Forecasts) -> Iterator[str]:
    equipment = device.equipment
    if isinstance(equipment, HybridInverterSpec):
        yield from inverter_faults(plan, device.name, equipment, state, forecasts)
    elif isinstance(equipment, PvSpec):
        yield from pv_faults(plan, device.name, equipment, forecasts)
    elif isinstance(equipment, HeatingSpec):
        yield from relay_faults(plan, device.name, equipment, state)
    elif isinstance(equipment, FlexibleLoadSpec):
        yield from load_faults(plan, device.name, equipment, state)


def _settings_allowed(plan: Plan, devices: Sequence[Device], rollout: Rollout) -> Iterator[str]:
    for device in devices:
        catalogue = {control.name: control for control in device.controls()}
        for t, settings in enumerate(rollout.settings.get(device.name, [])[: plan.binary_steps]):
            for control, value in settings.items():
                if control not in catalogue:
                    yield f"{device.name}.{control} at {at(plan, t)} is not in the device's catalogue"
                elif fault := catalogue[control].fault(value):
                    yield f"{device.name}.{fault} at {at(plan, t)}"


def _follows_physics(plan: Plan, devices: Sequence[Device], rollout: Rollout) -> Iterator[str]:
    """Room temperatures of the plan are those that its own heat gives."""
    for device in devices:
        if not isinstance(device.equipment, HeatingSpec):
            continue
        for room in device.equipment.rooms:
            level = f"{device.name}.{room.name}_c"
            for t, (planned, executed) in enumerate(zip(plan.levels[level], rollout.levels[level], strict=True)):
                if abs(planned - executed) > TEMPERATURE_TOLERANCE_K:
                    yield f"{level} is planned at {planned:.2f} °C at {at(plan, t)}; its heat gives {executed:.2f} °C"
                    break
