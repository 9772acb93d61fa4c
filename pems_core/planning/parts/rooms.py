"""Heated rooms: a coupled thermal network, relays, and comfort bands with a price on leaving them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pyomo.environ as pyo
from pyomo.core.expr.numeric_expr import LinearExpression

from pems_core.domain import Forecasts, HeatingSpec, HeatingState, Horizon, Plan, RoomSpec, RoomState, SiteState
from pems_core.planning.model import DispatchModel, Values

from .relay_rounding import RelaySchedule, round_relays
from .terminal import heat_kwh_value
from .thermal import RoomNetwork, faded, outside_gain_kw


def add_rooms(model: DispatchModel, name: str, spec: HeatingSpec, state: SiteState, forecasts: Forecasts) -> None:
    """Add all rooms of one heating system.

    With the coefficients of :class:`.thermal.RoomStep` and the neighbours' air one step before:

    air[r,t]  == air_air * air[r,t-1] + air_slab * slab[r,t-1] + air_gain * gain[r,t] + air_heat * relay * duty[r,t]
    slab[r,t] == slab_air * air[r,t-1] + slab_slab * slab[r,t-1] + slab_gain * gain[r,t] + slab_heat * relay * duty[r,t]
    low[r,t] <= air[r,t] + cold[r,t] + very_cold[r,t] - warm[r,t] - very_warm[r,t] <= high[r,t]

    `duty` is on or off in the near steps and a share of the step beyond.
    """
    now = state.of(name, HeatingState)
    rooms = [room for room in spec.rooms if room.name in now.rooms]
    if not rooms:
        return
    steps = model.pyomo.steps
    names = [room.name for room in rooms]
    network = RoomNetwork.of(spec)

    heating = model.part(name)
    heating.duty = pyo.Var(names, steps, bounds=(0, 1), domain=lambda _, _r, t: model.switch_domain(t))
    heating.air_c = pyo.Var(names, steps)
    heating.slab_c = pyo.Var(names, steps)
    _add_heat_balance(heating, rooms, network, now, model, forecasts)
    _add_comfort(heating, rooms, spec, name, model)
    _hold_relays(heating, name, rooms, now, state, model)
    _add_minimum_times(heating, rooms, now, model)
    _move_bands(heating, name, rooms, state, model)
    for room in rooms:
        _show(model, heating, name, room)
    _add_stored_heat(heating, rooms, name, now, network, model, forecasts)
    _offer_rounding(heating, name, rooms, now, state, model)


def _show(model: DispatchModel, heating: Any, name: str, room: RoomSpec) -> None:
    r, relay_kw = room.name, room.relay_kw
    model.add_sink(f"{name}.{r}_kw", lambda t: relay_kw * heating.duty[r, t])
    model.add_level(f"{name}.{r}_c", lambda t: heating.air_c[r, t])
    model.add_level(f"{name}.{r}_slab_c", lambda t: heating.slab_c[r, t])


def _add_heat_balance(
    heating: Any,
    rooms: list[RoomSpec],
    network: RoomNetwork,
    now: HeatingState,
    model: DispatchModel,
    forecasts: Forecasts,
) -> None:
    outdoor_c, ghi_w_m2 = forecasts["outdoor_temperature_c"], forecasts.get("ghi_w_m2", 0.0)
    horizon = model.horizon
    names = [room.name for room in rooms]
    lead_h = [(start - horizon.start) / timedelta(hours=1) for start in horizon.starts]
    air, slab, duty = heating.air_c, heating.slab_c, heating.duty
    by_name = {room.name: room for room in rooms}

    def balance(r: str, t: int, of_air: bool) -> Any:
        room = by_name[r]
        s = network.step(room, horizon.step_h[t])
        from_air, from_slab, per_gain, per_heat = (
            (s.air_air, s.air_slab, s.air_gain, s.air_heat)
            if of_air
            else (s.slab_air, s.slab_slab, s.slab_gain, s.slab_heat)
        )
        before = now.rooms[r]
        gain = outside_gain_kw(room, outdoor_c[t], ghi_w_m2[t], faded(before.disturbance_kw, lead_h[t]))
        constant = per_gain * gain
        coefficients = [-1.0, per_heat * room.relay_kw]
        variables = [(air if of_air else slab)[r, t], duty[r, t]]
        if t:
            coefficients += [from_air, from_slab]
            variables += [air[r, t - 1], slab[r, t - 1]]
        else:
            constant += from_air * before.temperature_c + from_slab * before.slab_c
        for other, conductance in network.neighbours[r]:
            if other not in by_name or not t:
                known = now.rooms[other].temperature_c if other in now.rooms else before.temperature_c
                constant += per_gain * conductance * known
            else:
                coefficients.append(per_gain * conductance)
                variables.append(air[other, t - 1])
        return (LinearExpression(linear_coefs=coefficients, linear_vars=variables), -constant)

    steps = model.pyomo.steps
    heating.air_balance = pyo.Constraint(names, steps, rule=lambda _, r, t: balance(r, t, of_air=True))
    heating.slab_balance = pyo.Constraint(names, steps, rule=lambda _, r, t: balance(r, t, of_air=False))
    model.add_exchanges(
        equations=[
            node
            for t in steps
            for r in names
            for node in (
                (heating.air_balance[r, t], air[r, t], now.rooms[r].temperature_c),
                (heating.slab_balance[r, t], slab[r, t], now.rooms[r].slab_c),
            )
        ],
        exchanges=[
            (equations[r, t], air[r, t - 1], air[other, t - 1])
            for t in steps
            if t
            for r in names
            for other, _ in network.neighbours[r]
            if other in by_name
            for equations in (heating.air_balance, heating.slab_balance)
        ],
    )


def _add_comfort(heating: Any, rooms: list[RoomSpec], spec: HeatingSpec, name: str, model: DispatchModel) -> None:
    steps, horizon = model.pyomo.steps, model.horizon
    names = [room.name for room in rooms]
    # The temperature at the end of a step is held against the band that then begins.
    bands = {room.name: [room.comfort.at(end) for end in horizon.ends] for room in rooms}
    heating.cold_k = pyo.Var(names, steps, bounds=(0, spec.shallow_k))
    heating.very_cold_k = pyo.Var(names, steps, bounds=(0, None))
    heating.warm_k = pyo.Var(names, steps, bounds=(0, spec.shallow_k))
    heating.very_warm_k = pyo.Var(names, steps, bounds=(0, None))
    signs = [1.0, 1.0, 1.0, -1.0, -1.0]

    def within(_: Any, r: str, t: int) -> Any:
        band = bands[r][t]
        variables = [
            heating.air_c[r, t],
            heating.cold_k[r, t],
            heating.very_cold_k[r, t],
            heating.warm_k[r, t],
            heating.very_warm_k[r, t],
        ]
        return (band.low_c, LinearExpression(linear_coefs=signs, linear_vars=variables), band.high_c)

    heating.comfort_band = pyo.Constraint(names, steps, rule=within)
    shallow, steep = spec.discomfort_price_per_kh, spec.steep_discomfort_price_per_kh
    h = horizon.step_h
    coefficients, variables = [], []
    for r in names:
        for t in steps:
            coefficients += [shallow * h[t], shallow * h[t], steep * h[t], steep * h[t]]
            variables += [
                heating.cold_k[r, t],
                heating.warm_k[r, t],
                heating.very_cold_k[r, t],
                heating.very_warm_k[r, t],
            ]
    model.add_cost(
        f"{name}.discomfort", LinearExpression(linear_coefs=coefficients, linear_vars=variables), kind="comfort"
    )


def settled_for_s(relay_since: Any, at: Any) -> float:
    """Seconds since a relay last switched; without end if that is not known."""
    return float("inf") if relay_since is None else (at - relay_since).total_seconds()


def held_until(room: RoomSpec, now: RoomState) -> Any:
    """The instant until which a relay may not switch, because it has only just done so; None if it may now."""
    if now.relay_since is None:
        return None
    return now.relay_since + (room.min_on if now.relay_on else room.min_off)


def _add_minimum_times(heating: Any, rooms: list[RoomSpec], now: HeatingState, model: DispatchModel) -> None:
    """on[s] >= on[t] - on[t-1] while s begins less than min_on after t; likewise for off."""
    starts, near = model.horizon.starts, model.binary_steps
    rows: list[tuple[str, int, int, bool]] = []
    for room in rooms:
        for on, minimum in ((True, room.min_on), (False, room.min_off)):
            rows += [
                (room.name, t, s, on)
                for t in range(near)
                for s in range(t + 1, near)
                if starts[s] < starts[t] + minimum
            ]

    def keeps(_: Any, r: str, t: int, s: int, on: bool) -> Any:
        before = heating.duty[r, t - 1] if t else float(now.rooms[r].relay_on)
        if on:
            return heating.duty[r, s] >= heating.duty[r, t] - before
        return 1 - heating.duty[r, s] >= before - heating.duty[r, t]

    if rows:
        heating.minimum_time = pyo.Constraint(rows, rule=keeps)


def _hold_relays(
    heating: Any, name: str, rooms: list[RoomSpec], now: HeatingState, state: SiteState, model: DispatchModel
) -> None:
    """Fix the relays that may not switch yet, and those that a person has set."""
    for room in rooms:
        for t, on in held_relay(room, now.rooms[room.name], name, state, model.horizon).items():
            heating.duty[room.name, t].fix(float(on))
            if on:
                model.add_unavoidable(t, room.relay_kw)


def held_relay(room: RoomSpec, now: RoomState, name: str, state: SiteState, horizon: Horizon) -> dict[int, bool]:
    """The steps in which a relay has no choice, and its position in them.

    A room that a window, a person in it or a lock keeps from PEMS stays as it is for as long as that is expected to
    last. Minimum times come before what a person has set: the override takes effect as soon as they allow it.
    """
    held = _held_or_set(room, now, name, state, horizon)
    before, since = now.relay_on, 0
    for t in sorted(held):
        minimum = room.min_off if before else room.min_on
        if held[t] == before and horizon.starts[t] < horizon.starts[since] + minimum:
            # There is no time to switch away and back.
            held |= dict.fromkeys(range(since, t), before)
        before, since = held[t], t + 1
    return held


def _held_or_set(room: RoomSpec, now: RoomState, name: str, state: SiteState, horizon: Horizon) -> dict[int, bool]:
    held: dict[int, bool] = {}
    on, until = now.relay_on, held_until(room, now)
    for t, start in enumerate(horizon.starts):
        if until is not None and start < until:
            held[t] = on
            continue
        if now.held_until is not None and start < now.held_until:
            # Nobody asks PEMS: the relay stays as it is, and off while a window is open.
            held[t] = on = now.relay_on and now.held_by != "window"
            continue
        override = state.override(name, f"{room.name}_relay", start)
        if override is None:
            continue
        held[t] = bool(override.value)
        if held[t] != on:
            on, until = held[t], start + (room.min_on if held[t] else room.min_off)
    return held


def _move_bands(heating: Any, name: str, rooms: list[RoomSpec], state: SiteState, model: DispatchModel) -> None:
    """A setpoint that a person has set moves the comfort band to it."""
    for room in rooms:
        for t, start in enumerate(model.horizon.starts):
            setpoint = state.override(name, f"{room.name}_setpoint_c", start)
            if setpoint is not None:
                band = room.comfort.at(start)
                shift = float(setpoint.value) - band.setpoint_c
                heating.comfort_band[room.name, t].set_value(
                    (band.low_c + shift, heating.comfort_band[room.name, t].body, band.high_c + shift)
                )


def _add_stored_heat(
    heating: Any,
    rooms: list[RoomSpec],
    name: str,
    now: HeatingState,
    network: RoomNetwork,
    model: DispatchModel,
    forecasts: Forecasts,
) -> None:
    """Value heat left in air and slab, up to what holds the top of the comfort band.

    useful[r] <= air_kwh_per_k * air[r,T] + slab_kwh_per_k * slab[r,T] - heat now,  useful[r] <= most[r]
    """
    last = model.horizon.steps - 1
    price = heat_kwh_value(forecasts) if model.heat_value is None else model.heat_value
    outdoor_c = forecasts["outdoor_temperature_c"][last]

    def heat_now(room: RoomSpec) -> float:
        state = now.rooms[room.name]
        return room.air_kwh_per_k * state.temperature_c + room.slab_kwh_per_k * state.slab_c

    def most(room: RoomSpec) -> float:
        top_c = room.comfort.at(model.horizon.end).high_c
        excess_k = room.outside_kw_per_k * max(0.0, top_c - outdoor_c) / room.slab_to_air_kw_per_k
        return room.air_kwh_per_k * top_c + room.slab_kwh_per_k * (top_c + excess_k) - heat_now(room)

    by_name = {room.name: room for room in rooms}
    heating.useful_kwh = pyo.Var(list(by_name), bounds=lambda _, r: (None, most(by_name[r])))
    heating.stored_heat = pyo.Constraint(
        list(by_name),
        rule=lambda b, r: (
            b.useful_kwh[r]
            <= by_name[r].air_kwh_per_k * b.air_c[r, last]
            + by_name[r].slab_kwh_per_k * b.slab_c[r, last]
            - heat_now(by_name[r])
        ),
    )
    model.add_cost(f"{name}.stored_heat", -price * sum(heating.useful_kwh[r] for r in by_name), kind="terminal")


def _offer_rounding(
    heating: Any, name: str, rooms: list[RoomSpec], now: HeatingState, state: SiteState, model: DispatchModel
) -> None:
    near = range(model.binary_steps)
    switches = [heating.duty[room.name, t] for room in rooms for t in near if not heating.duty[room.name, t].fixed]

    def rounding(value: Values) -> Sequence[tuple[Any, float]]:
        schedules = [
            RelaySchedule(
                room=room,
                duty=tuple(value(heating.duty[room.name, t]) for t in near),
                fixed=tuple(heating.duty[room.name, t].fixed for t in near),
                on_now=now.rooms[room.name].relay_on,
                since=now.rooms[room.name].relay_since,
            )
            for room in rooms
        ]
        headroom_kw = [model.headroom_kw(t, value) for t in near]
        rounded = round_relays(schedules, model.horizon, headroom_kw)
        return [
            (heating.duty[room.name, t], float(on[t]))
            for room, on in zip(rooms, rounded, strict=True)
            for t in near
            if not heating.duty[room.name, t].fixed
        ]

    def remembered(plan: Plan) -> Sequence[tuple[Any, float]]:
        return [
            (heating.duty[room.name, t], float(flow[s] > 0.5 * room.relay_kw))
            for room in rooms
            if (flow := plan.dispatch.get(f"{name}.{room.name}_kw")) is not None
            for t, s in plan.decided_steps(model.horizon.starts[: model.binary_steps])
        ]

    if switches:
        model.add_rounding(rounding)
        model.add_memory(remembered)
