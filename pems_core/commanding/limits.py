"""Limits that every wish must keep, whoever wishes: what the catalogue, the battery and the relays allow."""

from collections.abc import Callable
from datetime import datetime, timedelta

from pems_core.devices.by_hand import BATTERY_MODE, MEANS_MODE, as_planned
from pems_core.domain import (
    Control,
    ControlKind,
    HeatingState,
    HybridInverterSpec,
    RoomSpec,
    RoomState,
)

from .draft import Draft
from .overrides import BELONGS_TO_MODE
from .wish import Applied

MODE_DWELL = timedelta(minutes=15)
MODE_DWELL_BY_HAND = timedelta(minutes=5)
"""Protocols D.3: dwell of a mode, normal and at least."""
POWER_DWELL = timedelta(minutes=15)
POWER_DEADBAND = 0.05
"""Protocols D.3: a stored power set-point changes seldom, and by at least this share of the highest."""
SOC_DEADBAND = 0.02
SETPOINT_DWELL = timedelta(minutes=10)
SETPOINT_DWELL_BY_HAND = timedelta(minutes=1)
SETPOINT_STEP_K = 1.0
"""Protocols D.4: a room's setpoint changes seldom and, under floor heating, little at a time."""
MODE_CONTROLS = ("mode", *BELONGS_TO_MODE)


def keep_catalogue(draft: Draft) -> None:
    """What the device does not know or allow goes to its own default."""
    for name, value in list(draft.settings.items()):
        control = draft.controls.get(name)
        if control is None:
            draft.refuse(name, f"{name} = {value!r}", f"controls {', '.join(draft.controls) or 'none'}")
            draft.drop(name)
        elif (fault := control.fault(value)) is not None:
            found, _, allowed = fault.partition("; ")
            draft.refuse(name, found, allowed.removeprefix("allowed: "))
            draft.drop(name)


def say_battery_mode_plainly(draft: Draft) -> None:
    """What a battery mode means is judged as that: a mode, which is as set by hand as the battery mode."""
    equipment, said = draft.device.equipment, draft.settings.get(BATTERY_MODE)
    if said is None or not isinstance(equipment, HybridInverterSpec):
        return
    draft.settings = as_planned(draft.settings, equipment.battery)
    if said in MEANS_MODE and BATTERY_MODE in draft.by_hand:
        draft.by_hand |= {"mode"}


def keep_to_others(draft: Draft, yields_until: Callable[[str], str | None]) -> None:
    """What somebody else commands of a device is left to them.

    :param yields_until: how long PEMS leaves a group of controls alone; None if it does not.
    """
    for name in list(draft.settings):
        group = draft.controls[name].group
        until = yields_until(f"{draft.device.name}/{group}") if group else None
        if until is not None:
            draft.refuse(name, f"a foreign controller of {group}", f"nothing {until}")
            draft.drop(name)


def keep_rates_of_change(draft: Draft) -> None:
    """The dwell and the largest step that each control names in the catalogue."""
    for name in list(draft.settings):
        control = draft.controls[name]
        if not draft.changes(name):
            continue
        free_at = draft.too_early(name, control.min_dwell)
        if free_at is not None:
            _refuse_early(draft, name, free_at)
            draft.keep_old(name)
        elif control.max_step is not None:
            _limit_step(draft, name, control.max_step)


def keep_mode_dwell(draft: Draft) -> None:
    """A mode stays for a while, and all that runs it with it; within it, grid charge and powers change seldom."""
    if not isinstance(draft.device.equipment, HybridInverterSpec) or "mode" not in draft.controls:
        return
    if draft.changes("mode"):
        dwell = MODE_DWELL_BY_HAND if "mode" in draft.by_hand else MODE_DWELL
        free_at = draft.too_early("mode", dwell)
        if free_at is not None:
            _refuse_early(draft, "mode", free_at)
            draft.keep_old(*MODE_CONTROLS)
        return
    for name in ("battery_charge_grid", "charge_power_kw", "discharge_power_kw", "stop_soc"):
        if name in draft.controls and draft.changes(name):
            _keep_power(draft, draft.controls[name])


def _keep_power(draft: Draft, control: Control) -> None:
    old, new = draft.in_force.get(control.name), draft.settings.get(control.name)
    if old is None or new is None:
        return
    switch = control.kind is ControlKind.SWITCH
    band = POWER_DEADBAND * (control.highest or 0.0) if control.unit == "kW" else SOC_DEADBAND
    to_an_end = new in (control.lowest, control.highest)
    if not switch and abs(float(new) - float(old.value)) < band - 1e-9 and not to_an_end:
        draft.keep_old(control.name)
        return
    dwell = MODE_DWELL_BY_HAND if control.name in draft.by_hand else POWER_DWELL
    free_at = draft.too_early(control.name, dwell)
    if free_at is not None:
        _refuse_early(draft, control.name, free_at)
        draft.keep_old(control.name)


def _refuse_early(draft: Draft, control: str, free_at: datetime) -> None:
    old = draft.in_force[control]
    wished = draft.settings.get(control, "its own default")
    draft.refuse(control, f"{wished!r} after {draft.now - old.since}", f"{old.value!r} until {free_at.isoformat()}")
    draft.wait_until(free_at)


def _limit_step(draft: Draft, name: str, step: float) -> None:
    old, new = draft.in_force.get(name), draft.settings[name]
    if old is None or draft.controls[name].kind is not ControlKind.NUMBER:
        return
    before, after = float(old.value), float(new)
    if abs(after - before) > step + 1e-9:
        draft.settings[name] = before + step if after > before else before - step
        draft.refuse(name, f"{after:g} after {before:g}", f"steps of {step:g}")


def keep_room(draft: Draft, room: RoomSpec, starts_refused: str | None) -> None:
    """What a room's relay and setpoint allow.

    :param starts_refused: why the relay may not start now.
    """
    state = draft.state.rooms.get(room.name) if isinstance(draft.state, HeatingState) else None
    relay, setpoint = f"{room.name}_relay", f"{room.name}_setpoint_c"
    if state is not None and state.held_by:
        for name in (relay, setpoint):
            if name in draft.settings:
                draft.refuse(name, f"a room held by {state.held_by}", "commands when that is over")
        draft.drop(relay, setpoint)
        return
    if relay in draft.settings:
        _keep_relay(draft, room, state, starts_refused)
    if setpoint in draft.settings and draft.changes(setpoint):
        _keep_setpoint(draft, setpoint)


def _keep_relay(draft: Draft, room: RoomSpec, state: RoomState | None, starts_refused: str | None) -> None:
    name = f"{room.name}_relay"
    told = draft.in_force.get(name)
    on, since = _relay(told, state)
    wished = bool(draft.settings[name])
    if wished == on:
        return
    minimum = room.min_on if on else room.min_off
    free_at = None if since is None else since + minimum
    if free_at is not None and draft.now < free_at:
        draft.refuse(name, _word(wished), f"{_word(on)} until {free_at.isoformat()}")
        draft.settings[name] = on
        draft.wait_until(free_at)
    elif wished and starts_refused is not None:
        draft.refuse(name, "on", starts_refused)
        draft.settings[name] = False


def _relay(told: Applied | None, state: RoomState | None) -> tuple[bool, datetime | None]:
    """Whether a relay is on, and since when: as it was seen last, or as it was told after that."""
    if state is None:
        return (bool(told.value), told.since) if told else (False, None)
    if told is None or bool(told.value) == state.relay_on:
        return state.relay_on, state.relay_since
    return bool(told.value), told.since


def _keep_setpoint(draft: Draft, name: str) -> None:
    by_hand = name in draft.by_hand
    free_at = draft.too_early(name, SETPOINT_DWELL_BY_HAND if by_hand else SETPOINT_DWELL)
    if free_at is not None:
        _refuse_early(draft, name, free_at)
        draft.keep_old(name)
    elif not by_hand:
        old, step = draft.in_force.get(name), SETPOINT_STEP_K
        if old is not None and abs(float(draft.settings[name]) - float(old.value)) > step + 1e-9:
            _limit_step(draft, name, step)
            draft.wait_until(draft.now + SETPOINT_DWELL)


def _word(on: bool) -> str:
    return "on" if on else "off"


def keep_allow_list(draft: Draft, allowed: frozenset[str] | None) -> None:
    """A device of limited trust is told no more than its list says; None: all.

    A mode without what the plan runs it with would run at the inverter's own rates, which are the greatest.
    """
    if allowed is None:
        return
    instead = f"in stage limited only {', '.join(sorted(allowed)) or 'none'}"
    denied = [name for name in draft.settings if name not in allowed]
    for name in denied:
        draft.refuse(name, f"{draft.settings[name]!r}", instead)
        draft.drop(name)
    missing = [name for name in denied if name in BELONGS_TO_MODE]
    if "mode" in draft.settings and missing:
        draft.refuse("mode", f"{draft.settings['mode']!r} without {', '.join(missing)}", instead)
        draft.drop(*MODE_CONTROLS)
