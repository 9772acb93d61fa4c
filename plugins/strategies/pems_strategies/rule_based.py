"""Strategies that need no solver: each control is decided by exactly one rule."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pems_core.domain import (
    Control,
    ControlKind,
    Decision,
    FlexibleLoadSpec,
    FlexibleLoadState,
    Forecasts,
    HeatingSpec,
    HeatingState,
    HybridInverterSpec,
    InverterState,
    Reason,
    SiteState,
    Value,
)
from pems_core.protocols import Device

from .ahead import Ahead, HeatLoss, look_ahead
from .export import AlwaysExport, ExportRule
from .grid_charge import GridChargeRule, KeepForPeakRule
from .loads import AtOnce, CheapestHours, LoadRule
from .operation import AtRest, BatteryRule, Operation, SelfUse
from .preheat import PreHeatRule, ScheduledHeating, Warmth, room_setpoints, round_down
from .selling import SellRule, StoreLaterRule
from .storage import Storage

Wish = tuple[str, Value, Reason]
"""Control, value and why."""


class ExportSwitch(Protocol):
    def switch(self, inverter: HybridInverterSpec, ahead: Ahead, operation: Operation) -> tuple[bool, Reason]:
        """Whether to feed in, given how the battery is run, and why."""


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """What does not change about a device; asked for once."""

    device: Device
    controls: Mapping[str, Control]
    heat_loss: HeatLoss | None


@dataclass
class RuleStrategy:
    """Decides the next step by rules.

    A battery is run by the first rule of `battery` that has a say, and by `otherwise` if none has;
    the export switch, the rooms and the flexible loads have one rule each.
    """

    name: str
    otherwise: AtRest | SelfUse
    export: ExportSwitch
    battery: tuple[BatteryRule, ...] = ()
    heating: Warmth = field(default_factory=ScheduledHeating)
    loads: LoadRule = field(default_factory=AtOnce)
    _known: dict[str, KnownDevice] = field(default_factory=dict, repr=False, compare=False)

    def decide(self, devices: Sequence[Device], state: SiteState, forecasts: Forecasts, t: int) -> Sequence[Decision]:
        """What to tell the devices in step `t`, from its start to its end; each control at most once.

        Devices without a state, and controls that a device does not have, are left alone.
        """
        known = [self._facts(device) for device in devices]
        losses = tuple(facts.heat_loss for facts in known if facts.heat_loss is not None)
        ahead = look_ahead(forecasts, t, losses)
        return [
            decision
            for facts in known
            if facts.device.name in state.devices
            for decision in _decisions(facts, self._wishes(facts.device, state, ahead), ahead)
        ]

    def _facts(self, device: Device) -> KnownDevice:
        facts = self._known.get(device.name)
        if facts is None or facts.device is not device:
            equipment = device.equipment
            facts = KnownDevice(
                device=device,
                controls={control.name: control for control in device.controls()},
                heat_loss=HeatLoss.of(equipment) if isinstance(equipment, HeatingSpec) else None,
            )
            self._known[device.name] = facts
        return facts

    def _wishes(self, device: Device, state: SiteState, ahead: Ahead) -> Iterator[Wish]:
        equipment = device.equipment
        if isinstance(equipment, HybridInverterSpec):
            yield from self._inverter(equipment, state.of(device.name, InverterState), ahead)
        elif isinstance(equipment, HeatingSpec):
            yield from self._rooms(equipment, state.of(device.name, HeatingState), ahead)
        elif isinstance(equipment, FlexibleLoadSpec):
            power_kw, reason = self.loads.power(equipment, state.of(device.name, FlexibleLoadState), ahead)
            yield "power_kw", power_kw, reason

    def _inverter(self, spec: HybridInverterSpec, now: InverterState, ahead: Ahead) -> Iterator[Wish]:
        operation = Operation("load_first", Reason("there is no battery to run"))
        if spec.battery is not None and now.battery is not None:
            storage = Storage(spec, spec.battery, now.battery.soc, now.battery.temperature_c, ahead)
            operation = self._operate(storage)
        yield "mode", operation.mode, operation.reason
        yield "battery_charge_grid", operation.charge_grid, operation.reason
        for control in ("charge_power_kw", "discharge_power_kw", "stop_soc"):
            value = getattr(operation, control)
            if value is not None:
                yield control, value, operation.reason
        feeds_in, reason = self.export.switch(spec, ahead, operation)
        yield "grid_export", feeds_in, reason

    def _operate(self, storage: Storage) -> Operation:
        for rule in self.battery:
            operation = rule.operate(storage)
            if operation is not None:
                return operation
        return self.otherwise.operate(storage)

    def _rooms(self, spec: HeatingSpec, now: HeatingState, ahead: Ahead) -> Iterator[Wish]:
        for wish in room_setpoints(self.heating, spec, now, ahead):
            yield f"{wish.room}_setpoint_c", wish.setpoint_c, wish.reason


def _decisions(facts: KnownDevice, wishes: Iterator[Wish], ahead: Ahead) -> Iterator[Decision]:
    for name, value, reason in wishes:
        control = facts.controls.get(name)
        if control is not None:
            allowed = _allowed(control, value)
            yield Decision(
                facts.device.name, name, allowed, control.unit, ahead.start, ahead.end, reason, source="rules"
            )


def _allowed(control: Control, value: Value) -> Value:
    """The value on the control's own grid and within its limits; powers and setpoints are rounded down."""
    if control.kind is not ControlKind.NUMBER or not isinstance(value, int | float):
        return value
    number = round_down(value, control.resolution or 0.0)
    if control.lowest is not None:
        number = max(control.lowest, number)
    return number if control.highest is None else min(control.highest, number)


def thermostat_only() -> RuleStrategy:
    """Baseline 1: thermostats at their schedule, the battery at rest, feed-in always on."""
    return RuleStrategy("thermostat_only", otherwise=AtRest(), export=AlwaysExport())


def self_use() -> RuleStrategy:
    """Baseline 2: thermostats at their schedule, the inverter's self use, no feed-in at a negative price."""
    return RuleStrategy("self_use", otherwise=SelfUse(), export=ExportRule())


def rules(
    grid_charge: GridChargeRule | None = None, sell: SellRule | None = None, pre_heat: PreHeatRule | None = None
) -> RuleStrategy:
    """Baseline 3 and fallback: grid charging, keeping for the peak, selling and heating by price."""
    return RuleStrategy(
        "rules",
        battery=(grid_charge or GridChargeRule(), sell or SellRule(), StoreLaterRule(), KeepForPeakRule()),
        otherwise=SelfUse(),
        export=ExportRule(),
        heating=pre_heat or PreHeatRule(),
        loads=CheapestHours(),
    )
