"""Whether what a device does is what it was told: measured flows beside those of its execution model."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from pems_core.domain import (
    HeatingSpec,
    HybridInverterSpec,
    InverterState,
    Readings,
    RoomSpec,
    SiteState,
    Stage,
    StaleReading,
    Step,
    Value,
)
from pems_core.protocols import Device

MAX_AGE = timedelta(minutes=2)
LEAST_SHARE = 0.5
"""Protocols D.3: more than half of what was wished is an effect."""
NOTABLE_KW = 0.3
"""Flows below this say nothing."""
TAPER_SOC = 0.92
"""From here on a battery takes less than it is offered (protocols E.43)."""
COOL_C = 10.0
STEP_H = 1 / 60


@dataclass(frozen=True, slots=True)
class Effect:
    """What was seen of one control."""

    control: str
    stage: Stage
    """`effect_ok` or `no_effect`."""
    detail: str


def effects(device: Device, settings: Mapping[str, Value], state: SiteState, readings: Readings) -> Iterator[Effect]:
    """What can be said now of the controls of a device; nothing of those that nobody measures."""
    spec = device.equipment
    if isinstance(spec, HybridInverterSpec):
        yield from _inverter_effects(device, settings, state, readings)
    elif isinstance(spec, HeatingSpec):
        for room in spec.rooms:
            yield from _room_effects(device.name, room, settings, readings)


def _inverter_effects(
    device: Device, settings: Mapping[str, Value], state: SiteState, readings: Readings
) -> Iterator[Effect]:
    own, mode = state.devices.get(device.name), settings.get("mode", "load_first")
    flows = {name: _kw(readings, f"{device.name}/{name}") for name in ("charge_kw", "discharge_kw", "pv_kw", "load_kw")}
    known = {name: kw for name, kw in flows.items() if kw is not None}
    if not isinstance(own, InverterState) or own.battery is None or len(known) < len(flows) or mode == "load_first":
        return
    inputs = {"pv_kw": known["pv_kw"], "base_load_kw": known["load_kw"]}
    step = Step(readings.now, STEP_H, inputs, load_kw=known["load_kw"])
    expected = device.execute(settings, own, step).flows
    flow = "charge_kw" if mode == "battery_first" else "discharge_kw"
    limit_kw = own.battery.charge_limit_kw if mode == "battery_first" else own.battery.discharge_limit_kw
    wished_kw = expected[flow] if limit_kw is None else min(expected[flow], limit_kw)
    yield _battery_effect(flow, wished_kw, known, _excuse(device.name, own, readings, flow))


def _battery_effect(flow: str, wished_kw: float, known: Mapping[str, float], excuse: str) -> Effect:
    seen_kw = known[flow]
    told = f"{flow} {seen_kw:.2f} of {wished_kw:.2f} kW"
    if flow == "charge_kw" and wished_kw < NOTABLE_KW:
        # A hold: the battery must not discharge; that PV charges it is no harm.
        rests = known["discharge_kw"] < NOTABLE_KW
        stage = Stage.EFFECT_OK if rests else Stage.NO_EFFECT
        return Effect("mode", stage, f"discharge_kw {known['discharge_kw']:.2f}; a resting battery was wished")
    if wished_kw < NOTABLE_KW or seen_kw > LEAST_SHARE * wished_kw:
        return Effect("mode", Stage.EFFECT_OK, told)
    if excuse:
        return Effect("mode", Stage.EFFECT_OK, f"{told}: {excuse}")
    return Effect("mode", Stage.NO_EFFECT, told)


def _excuse(name: str, own: InverterState, readings: Readings, flow: str) -> str:
    """Why less than was wished is right now, or nothing (protocols E.41, 42, 43, 50)."""
    battery = own.battery
    assert battery is not None
    if flow == "charge_kw" and battery.soc >= TAPER_SOC:
        return f"charging tapers at {battery.soc:.0%}"
    if battery.temperature_c is not None and battery.temperature_c < COOL_C:
        return f"the battery is at {battery.temperature_c:g} °C"
    derating = readings.points.get(f"{name}/derating")
    return f"derated: {derating.value}" if derating is not None and derating.value else ""


def _room_effects(name: str, room: RoomSpec, settings: Mapping[str, Value], readings: Readings) -> Iterator[Effect]:
    control = f"{room.name}_relay"
    power_kw = _kw(readings, f"{name}/{room.name}_power_kw")
    if control not in settings or power_kw is None:
        return
    draws = power_kw > LEAST_SHARE * room.relay_kw
    if bool(settings[control]) and not draws:
        # Its own limiter is open: the room is satisfied, which is no fault (protocols D.5, E.84).
        yield Effect(control, Stage.EFFECT_OK, f"{power_kw:.2f} kW: its own limiter is open")
        return
    stage = Stage.EFFECT_OK if draws == bool(settings[control]) else Stage.NO_EFFECT
    yield Effect(control, stage, f"{power_kw:.2f} kW of {room.relay_kw:g} kW")


def _kw(readings: Readings, point: str) -> float | None:
    try:
        return readings.number(point, MAX_AGE, "kW")
    except StaleReading:
        return None
