"""What people have set by hand: at once, kept over restarts, and ended in time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pems_core.clock import Clock
from pems_core.domain import HeatingSpec, Override, SiteState, Value
from pems_core.domain.errors import Faults
from pems_core.protocols import Device

from .store import Store

KIND = "override"
LONGEST = timedelta(days=31)
BELONGS_TO_MODE = ("battery_charge_grid", "charge_power_kw", "discharge_power_kw", "stop_soc")
"""Controls of an inverter that say how a mode runs: those of the plan's mode say nothing of another."""


class BadOverride(Faults):
    """An override was refused; one line a fault."""


@dataclass(frozen=True, slots=True)
class ActiveOverride:
    override: Override
    set_at: datetime
    costs: float | None = None
    """Price tag: what it costs against the plan without it [currency]; None: not known yet."""


class Overrides:
    """The owner of all overrides; one for each control at most, and the newest wins."""

    def __init__(self, store: Store, devices: Sequence[Device], clock: Clock) -> None:
        self._store = store
        self._controls = {device.name: {control.name: control for control in device.controls()} for device in devices}
        self._clock = clock

    def set(self, override: Override, state: SiteState | None = None) -> ActiveOverride:
        """Keep an override, in place of any other for the same control.

        :param state: of the house, if it is known: what a unit was found unable to be told is not taken.
        :raises BadOverride: if the control is unknown, the value not allowed, or the time over or too long.
        """
        now = self._clock.now()
        lacks = frozenset() if state is None else state.lacks(override.device)
        faults = [*self._control_faults(override, lacks), *_time_faults(override, now)]
        if faults:
            raise BadOverride(f"override {override.device}/{override.control}: {fault}" for fault in faults)
        active = ActiveOverride(override, now)
        self._store.keep(KIND, _name(override.device, override.control), _to_json(active))
        return active

    def clear(self, device: str, control: str) -> Override | None:
        """End an override; which it was, None if there was none."""
        kept = self._store.kept(KIND).get(_name(device, control))
        self._store.forget(KIND, _name(device, control))
        return None if kept is None else _from_json(kept).override

    def clear_all(self, device: str = "", control: str = "") -> Sequence[Override]:
        """End those of a device, or of one control, or all; which they were."""
        chosen = [o for o in self.in_force() if device in ("", o.device) and control in ("", o.control)]
        for override in chosen:
            self.clear(override.device, override.control)
        return chosen

    def expire(self) -> Sequence[Override]:
        """Forget those whose time is over, and tell which."""
        now = self._clock.now()
        ended = [active.override for active in self.kept if active.override.valid_until <= now]
        for override in ended:
            self._store.forget(KIND, _name(override.device, override.control))
        return ended

    @property
    def active(self) -> Sequence[ActiveOverride]:
        """Those whose time is not over, in the order in which they were set."""
        now = self._clock.now()
        return [active for active in self.kept if active.override.valid_until > now]

    def in_force(self) -> Sequence[Override]:
        """The same without price tags, as a cycle needs them."""
        return [active.override for active in self.active]

    def price(self, override: Override, costs: float) -> None:
        """Put the price tag [currency] on, once it is known; one that was replaced or cleared meanwhile gets none."""
        name = _name(override.device, override.control)
        kept = self._store.kept(KIND).get(name)
        if kept is not None and _from_json(kept).override == override:
            self._store.keep(KIND, name, {**kept, "costs": costs})

    @property
    def kept(self) -> Sequence[ActiveOverride]:
        """All that are kept, also those whose time is over and that nobody has ended yet."""
        return sorted(map(_from_json, self._store.kept(KIND).values()), key=lambda active: active.set_at)

    def _control_faults(self, override: Override, lacks: frozenset[str]) -> Sequence[str]:
        controls = self._controls.get(override.device)
        if controls is None:
            return [f"found device {override.device!r}; allowed: {', '.join(self._controls) or 'none'}"]
        control = controls.get(override.control)
        if control is None:
            return [f"found control {override.control!r}; allowed: {', '.join(controls) or 'none'}"]
        if lacks & {control.name, str(override.value)}:
            able = [name for name in controls if name not in lacks]
            what = control.name if control.name in lacks else f"{control.name} = {override.value}"
            return [f"found {what}, which this unit cannot be told; allowed: {', '.join(able)}"]
        fault = control.fault(override.value)
        return [] if fault is None else [fault]


def _time_faults(override: Override, now: datetime) -> Sequence[str]:
    faults = []
    for name, instant in (("from", override.valid_from), ("until", override.valid_until)):
        if instant.tzinfo is None:
            faults.append(f"found {name} {instant.isoformat()} without time zone; allowed: UTC")
    if faults:
        return faults
    if override.valid_until <= max(now, override.valid_from):
        faults.append(
            f"found until {override.valid_until.isoformat()}; allowed: after {now.isoformat()} and after from"
        )
    elif override.valid_until > now + LONGEST:
        faults.append(f"found until {override.valid_until.isoformat()}; allowed: at most {LONGEST.days} days from now")
    if not override.by.strip():
        faults.append("found no name in by; allowed: who sets it")
    return faults


def apply_to(
    device: Device, settings: Mapping[str, Value], overrides: Sequence[Override], now: datetime
) -> dict[str, Value]:
    """The settings of a device (by control) with what people have set.

    A mode set by hand runs at the inverter's own rates, unless the plan has the same mode or the rates are set by
    hand too. A setpoint set by hand leaves its room to the room's own thermostat, unless the relay is set by hand
    too; a relay set by hand needs no plan.

    :param overrides: of any devices; of two for one control the later one wins.
    """
    by_hand = {o.control: o.value for o in overrides if o.device == device.name and o.holds(now)}
    result = dict(settings)
    if "mode" in by_hand and by_hand["mode"] != settings.get("mode", by_hand["mode"]):
        result = {control: value for control, value in result.items() if control not in BELONGS_TO_MODE}
    if isinstance(device.equipment, HeatingSpec):
        for room in device.equipment.rooms:
            if f"{room.name}_setpoint_c" in by_hand:
                result.pop(f"{room.name}_relay", None)
    return result | by_hand


def _name(device: str, control: str) -> str:
    return f"{device}/{control}"


def _to_json(active: ActiveOverride) -> dict[str, Any]:
    override = active.override
    return {
        "device": override.device,
        "control": override.control,
        "value": override.value,
        "valid_from": override.valid_from.isoformat(),
        "valid_until": override.valid_until.isoformat(),
        "by": override.by,
        "reason": override.reason,
        "set_at": active.set_at.isoformat(),
        "costs": active.costs,
    }


def _from_json(data: Mapping[str, Any]) -> ActiveOverride:
    override = Override(
        data["device"],
        data["control"],
        data["value"],
        datetime.fromisoformat(data["valid_from"]),
        datetime.fromisoformat(data["valid_until"]),
        data["by"],
        data["reason"],
    )
    return ActiveOverride(override, datetime.fromisoformat(data["set_at"]), data["costs"])
