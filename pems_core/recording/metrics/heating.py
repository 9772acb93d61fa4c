"""What each heated room is, should be, and draws."""

from collections.abc import Iterator

from pems_core.domain import RoomSpec
from pems_core.recording.catalogue import HEATING
from pems_core.recording.points import Point

from .moment import Moment, times, total


def heating_points(moment: Moment) -> Iterator[Point]:
    """One point for each room."""
    for name, spec in moment.household.heatings.items():
        for room in spec.rooms:
            yield _room(moment, name, room)


def heating_kw(moment: Moment) -> float | None:
    """What all heaters draw, as far as it is known."""
    heatings = moment.household.heatings.items()
    return total(heater_kw(moment, name, room) for name, spec in heatings for room in spec.rooms)


def heater_kw(moment: Moment, device: str, room: RoomSpec) -> float | None:
    measured_kw = moment.number(f"{device}/{room.name}_power_kw", "kW")
    relay = moment.word(f"{device}/{room.name}_relay")
    if measured_kw is not None or not isinstance(relay, bool):
        return measured_kw
    return room.relay_kw if relay else 0.0


def _room(moment: Moment, device: str, room: RoomSpec) -> Point:
    band = room.comfort.at(moment.now)
    temperature_c = moment.number(f"{device}/{room.name}_temperature_c", "°C")
    relay = moment.word(f"{device}/{room.name}_relay")
    kw = heater_kw(moment, device, room)
    on = relay if isinstance(relay, bool) else None if kw is None else kw > 0.0
    outside_k = None if temperature_c is None else max(0.0, band.low_c - temperature_c, temperature_c - band.high_c)
    kwh = times(kw, moment.hours)
    return HEATING.point(
        moment.now,
        moment.site,
        {"device": device, "room": room.name},
        {
            "temperature_c": temperature_c,
            "setpoint_c": _setpoint_c(moment, device, room, band.setpoint_c),
            "scheduled_c": band.setpoint_c,
            "low_c": band.low_c,
            "high_c": band.high_c,
            "occupied": float(band.occupied),
            "relay": None if on is None else float(on),
            "heater_kw": kw,
            "heater_kwh": kwh,
            "heater_cost": times(kwh, moment.import_price_per_kwh),
            "deviation_k": None if temperature_c is None else temperature_c - band.setpoint_c,
            "violation_kh": times(outside_k, moment.hours, float(band.occupied)),
            "preheating": None
            if temperature_c is None or on is None
            else float(on and temperature_c >= band.setpoint_c),
        },
    )


def _setpoint_c(moment: Moment, device: str, room: RoomSpec, scheduled_c: float) -> float:
    control = f"{room.name}_setpoint_c"
    by_hand = moment.state.override(device, control, moment.now)
    planned = moment.decision(device, control)
    value = by_hand.value if by_hand else planned.value if planned else scheduled_c
    return scheduled_c if isinstance(value, str | bool) else float(value)
