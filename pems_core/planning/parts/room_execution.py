"""What heated rooms really do with relay and setpoint commands, and what can be learned from watching them."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from pems_core.domain import Executed, HeatingState, RoomSpec, RoomState, Step, Value

from .thermal import RoomNetwork, faded, outside_gain_kw

HYSTERESIS_K = 0.3
"""Of a room's own thermostat, to either side of its setpoint."""


def execute_rooms(network: RoomNetwork, settings: Mapping[str, Value], state: HeatingState, step: Step) -> Executed:
    """Heat and temperatures of one step.

    `<room>_relay` is on, off or a share of the step. A room without one follows its own thermostat at
    `<room>_setpoint_c`, or at the schedule's setpoint, which keeps the relay's minimum times. Flows are `<room>_kw`,
    levels `<room>_c` and `<room>_slab_c`.
    """
    duty = {
        room.name: _duty(room, settings, state.rooms[room.name], step)
        for room in network.spec.rooms
        if room.name in state.rooms
    }
    outdoor_c, ghi = step.inputs["outdoor_temperature_c"], step.inputs.get("ghi_w_m2", 0.0)
    known = {name: state.rooms[name] for name in duty}
    heater_kw = {name: share * network.spec.by_name[name].relay_kw for name, share in duty.items()}
    gains = {
        name: outside_gain_kw(network.spec.by_name[name], outdoor_c, ghi, room.disturbance_kw)
        for name, room in known.items()
    }
    air_c, slab_c = network.after(
        {name: room.temperature_c for name, room in known.items()},
        {name: room.slab_c for name, room in known.items()},
        heater_kw,
        gains,
        step.length_h,
    )
    rooms = {}
    for name, room in known.items():
        on = duty[name] > 0.5
        rooms[name] = RoomState(
            air_c[name],
            slab_c[name],
            faded(room.disturbance_kw, step.length_h),
            on,
            step.start if on != room.relay_on else room.relay_since,
        )
    levels = {f"{name}_c": t for name, t in air_c.items()} | {f"{name}_slab_c": t for name, t in slab_c.items()}
    return Executed({f"{n}_kw": kw for n, kw in heater_kw.items()}, replace(state, rooms=rooms), levels)


def _duty(room: RoomSpec, settings: Mapping[str, Value], state: RoomState, step: Step) -> float:
    relay = settings.get(f"{room.name}_relay")
    if relay is not None:
        return float(relay)
    minimum = room.min_on if state.relay_on else room.min_off
    if state.relay_since is not None and step.start - state.relay_since < minimum:
        return float(state.relay_on)
    setpoint_c = float(settings.get(f"{room.name}_setpoint_c", room.comfort.at(step.start).setpoint_c))
    if state.temperature_c < setpoint_c - HYSTERESIS_K:
        return 1.0
    if state.temperature_c > setpoint_c + HYSTERESIS_K:
        return 0.0
    return float(state.relay_on)


AIR_GAIN = 0.5
SLAB_GAIN = 0.3
DISTURBANCE_GAIN_PER_H = 0.12
"""Observer gains: shares of what the model got wrong that are believed at once, and that become a lasting heat flow."""


def observe_room(room: RoomSpec, predicted: RoomState, measured_c: float, length_h: float) -> RoomState:
    """Correct a predicted room by the temperature that was measured (Luenberger observer with disturbance).

    A heat flow that the model lacks shows as an air temperature that is off again and again; the observer
    turns it into `disturbance_kw`, so that plans have no lasting error.
    """
    error_k = measured_c - predicted.temperature_c
    share = min(1.0, length_h / 0.25)
    kw_per_k = room.outside_kw_per_k + room.slab_to_air_kw_per_k
    limit_kw = 0.5 * room.relay_kw + 5 * room.outside_kw_per_k
    disturbance_kw = predicted.disturbance_kw + DISTURBANCE_GAIN_PER_H * share * kw_per_k * error_k
    return replace(
        predicted,
        temperature_c=predicted.temperature_c + AIR_GAIN * share * error_k,
        slab_c=predicted.slab_c + SLAB_GAIN * share * error_k,
        disturbance_kw=max(-limit_kw, min(limit_kw, disturbance_kw)),
    )


def settled_slab_c(room: RoomSpec, air_c: float, outdoor_c: float) -> float:
    """The slab temperature [°C] that holds the air where it is: the best guess when nothing else is known."""
    excess_k = room.outside_kw_per_k * (air_c - outdoor_c) / room.slab_to_air_kw_per_k
    return air_c + max(0.0, excess_k)


MAX_PREDICTION = timedelta(hours=2)
"""An older state says nothing of the slab any more."""
