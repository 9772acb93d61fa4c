"""Keeps rules within the grid connection: they decide for each device by itself, and only together they overload it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pems_core.domain import (
    FlexibleLoadSpec,
    GridSpec,
    HeatingSpec,
    HeatingState,
    RoomSpec,
    RoomState,
    SiteState,
    Step,
    Value,
)
from pems_core.protocols import Device

from .parts.rooms import held_until
from .rollout import drawn_kw, in_order

NOTHING_KW = 1e-6
Settings = Mapping[str, Mapping[str, Value]]
"""By device and control."""


@dataclass(frozen=True, slots=True)
class _Way:
    """Something that a device can do without in a step."""

    device: str
    control: str
    value: Value


def within_connection(
    settings: Settings, devices: Sequence[Device], grid: GridSpec, state: SiteState, step: Step
) -> Settings:
    """The settings of one step, without as many loads and heaters as the connection cannot carry.

    Flexible loads give way first, as far as need be, then heaters, those of the rooms that are warmest for their band
    first. What minimum times, a person or a room's own lock keep on stays on.

    :param state: of the house at the step's start.
    :param step: with the base load only.
    """
    present = in_order(devices, state)
    excess_kw = _import_kw(settings, present, state, step) - grid.import_limit_kw
    if excess_kw <= NOTHING_KW:
        return settings
    lowered = {name: dict(values) for name, values in settings.items()}
    ways = [way for device in present for way in _loads(device, lowered.get(device.name, {}), state, step, excess_kw)]
    ways += [way for device in present for way in _heaters(device, lowered.get(device.name, {}), state, step)]
    for way in ways:
        lowered.setdefault(way.device, {})[way.control] = way.value
        # PV and battery take part in what a load draws, so the whole house is asked again what that leaves.
        if _import_kw(lowered, present, state, step) <= grid.import_limit_kw + NOTHING_KW:
            break
    return lowered


def _import_kw(settings: Settings, devices: Sequence[Device], state: SiteState, step: Step) -> float:
    net_kw = step.load_kw
    for device in devices:
        loaded = replace(step, load_kw=net_kw)
        done = device.execute(settings.get(device.name, {}), state.devices[device.name], loaded)
        net_kw += drawn_kw(device, done.flows)
    return net_kw


def _loads(
    device: Device, settings: Mapping[str, Value], state: SiteState, step: Step, excess_kw: float
) -> Iterator[_Way]:
    spec = device.equipment
    if not isinstance(spec, FlexibleLoadSpec) or state.override(device.name, "power_kw", step.start) is not None:
        return
    power_kw = device.execute(settings, state.devices[device.name], step).flows["power_kw"]
    left_kw = power_kw - excess_kw
    if power_kw > 0:
        runs_on = not spec.on_off and left_kw >= max(spec.power_min_kw, NOTHING_KW)
        yield _Way(device.name, "power_kw", left_kw if runs_on else 0.0)


def _heaters(device: Device, settings: Mapping[str, Value], state: SiteState, step: Step) -> Iterator[_Way]:
    spec = device.equipment
    if not isinstance(spec, HeatingSpec):
        return
    rooms, room_of = state.of(device.name, HeatingState).rooms, spec.by_name
    flows = device.execute(settings, state.devices[device.name], step).flows
    relays = {control.name for control in device.controls()}

    def above_band_k(name: str) -> float:
        return rooms[name].temperature_c - room_of[name].comfort.at(step.start).low_c

    for name in sorted(rooms, key=above_band_k, reverse=True):
        relay = f"{name}_relay"
        by_hand = state.override(device.name, relay, step.start) is not None
        draws = flows.get(f"{name}_kw", 0.0) > 0
        if draws and relay in relays and not by_hand and not _stays_on(room_of[name], rooms[name], step.start):
            yield _Way(device.name, relay, False)


def _stays_on(room: RoomSpec, now: RoomState, at: datetime) -> bool:
    """Whether minimum times, or whoever holds the room, keep its relay as it is."""
    until = held_until(room, now)
    by_others = now.held_until is not None and at < now.held_until
    return by_others or (now.relay_on and until is not None and at < until)
