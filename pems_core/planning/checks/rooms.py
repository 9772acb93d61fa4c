"""Relays of heated rooms: whole, for as long as they must, and no longer than a person wants."""

from collections.abc import Iterator
from datetime import datetime

from pems_core.domain import HeatingSpec, HeatingState, Plan, RoomSpec, SiteState

from . import at


def relay_faults(plan: Plan, name: str, spec: HeatingSpec, state: SiteState) -> Iterator[str]:
    now = state.of(name, HeatingState)
    starts = plan.horizon.starts
    for room in spec.rooms:
        flow = f"{name}.{room.name}_kw"
        relay = now.rooms[room.name]
        on, since = relay.relay_on, relay.relay_since
        for t, kw in enumerate(plan.dispatch[flow]):
            share = kw / room.relay_kw
            if share > 1 + 1e-3:
                yield f"{flow} is {kw:.2f} kW at {at(plan, t)}; the relay has {room.relay_kw:g} kW"
            if t >= plan.binary_steps:
                continue
            if min(share, abs(1 - share)) > 1e-3:
                yield f"{flow} is {kw:.2f} kW at {at(plan, t)}; a relay gives 0 or {room.relay_kw:g} kW"
            turned_on = share > 0.5
            if turned_on == on:
                continue
            minimum = room.min_on if on else room.min_off
            if since is not None and starts[t] - since < minimum:
                was = "on" if on else "off"
                yield f"{flow}: relay {was} for {starts[t] - since} at {at(plan, t)}; at least {minimum} is allowed"
            on, since = turned_on, starts[t]


def kept_on_kw(plan: Plan, name: str, room: RoomSpec, state: SiteState) -> tuple[float, ...]:
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
