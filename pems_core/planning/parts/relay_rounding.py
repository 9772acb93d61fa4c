"""Brings the relays' planned shares to on and off, together, so that their sum follows the planned power."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pems_core.domain import Horizon, RoomSpec


@dataclass(frozen=True, slots=True)
class RelaySchedule:
    """What one relay shall do in the near steps, as shares of each step."""

    room: RoomSpec
    duty: tuple[float, ...]
    fixed: tuple[bool, ...]
    on_now: bool
    since: datetime | None


@dataclass(slots=True)
class _Relay:
    schedule: RelaySchedule
    on: bool
    since: datetime | None
    owed_kwh: float = 0.0
    """Heat that was planned and not yet given."""
    switched: list[bool] = field(default_factory=list)

    def bound_to(self, t: int, horizon: Horizon) -> bool | None:
        """The position it must take in step `t`; None if it may choose."""
        if self.schedule.fixed[t]:
            return self.schedule.duty[t] > 0.5
        if self.since is not None and horizon.starts[t] < self.since + self._minimum(self.on):
            return self.on
        back_soon = any(self._fixed_at(s) is self.on for s in self._minimum_steps(t, not self.on, horizon))
        return self.on if back_soon else None

    def steps_if_on(self, t: int, horizon: Horizon) -> list[int]:
        """The steps in which it will have to be on if it is on in step `t`; fixed ones are known anyway."""
        lasting = [] if self.on else self._minimum_steps(t, True, horizon)
        return [t, *(s for s in lasting if not self.schedule.fixed[s])]

    def _minimum(self, on: bool) -> timedelta:
        return self.schedule.room.min_on if on else self.schedule.room.min_off

    def _minimum_steps(self, t: int, on: bool, horizon: Horizon) -> list[int]:
        """Later steps in which it must stay in a position that it takes in step `t`."""
        until = horizon.starts[t] + self._minimum(on)
        return list(range(t + 1, min(len(self.schedule.duty), bisect_left(horizon.starts, until))))

    def _fixed_at(self, s: int) -> bool | None:
        return self.schedule.duty[s] > 0.5 if self.schedule.fixed[s] else None

    def take(self, t: int, on: bool, at: datetime, step_h: float) -> None:
        if on != self.on:
            self.on, self.since = on, at
        self.owed_kwh += (self.schedule.duty[t] - on) * self.schedule.room.relay_kw * step_h
        self.switched.append(on)


def round_relays(
    schedules: Sequence[RelaySchedule], horizon: Horizon, headroom_kw: Sequence[float]
) -> list[tuple[bool, ...]]:
    """Choose on or off for each relay and near step.

    Step by step, the relays to which most heat is owed (counted in steps of their own power) are switched
    on, until the sum of what is owed to the whole house is below half of the next relay. So each room gets
    its heat within about one step, and the sum of all relays, which the grid sees, stays close to the plan and
    within what the connection can carry, for as long as a relay that is switched on then has to stay on.

    :param headroom_kw: by how much all relays together may exceed their planned sum in each step.
    """
    relays = [_Relay(schedule, schedule.on_now, schedule.since) for schedule in schedules]
    steps = len(schedules[0].duty) if schedules else 0
    carried_kw = _carried_kw(relays, horizon, headroom_kw)
    for t in range(steps):
        at, step_h = horizon.starts[t], horizon.step_h[t]
        bound = {id(relay): relay.bound_to(t, horizon) for relay in relays}
        free = [relay for relay in relays if bound[id(relay)] is None]

        def due_kwh(relay: _Relay, t: int = t, step_h: float = step_h) -> float:
            return relay.owed_kwh + relay.schedule.duty[t] * relay.schedule.room.relay_kw * step_h

        house_kwh = sum(due_kwh(relay) for relay in relays)
        for relay in relays:
            if bound[id(relay)]:
                house_kwh -= relay.schedule.room.relay_kw * step_h
            if bound[id(relay)] is not None:
                relay.take(t, bool(bound[id(relay)]), at, step_h)
        # Ties go to the relay that is on already, then by name: fewer switchings, and the same plan every time.
        free.sort(key=lambda r: (-due_kwh(r) / (r.schedule.room.relay_kw * step_h), not r.on, r.schedule.room.name))
        for relay in free:
            relay_kw = relay.schedule.room.relay_kw
            full_kwh = relay_kw * step_h
            due = due_kwh(relay)
            must = due >= 0.98 * full_kwh
            wanted = must or (due > 0.02 * full_kwh and house_kwh >= 0.5 * full_kwh)
            taken = relay.steps_if_on(t, horizon) if wanted else []
            on = wanted and all(relay_kw <= carried_kw[s] + 1e-6 for s in taken)
            if on:
                house_kwh -= full_kwh
                for s in taken:
                    carried_kw[s] -= relay_kw
            relay.take(t, on, at, step_h)
    return [tuple(relay.switched) for relay in relays]


def _carried_kw(relays: Sequence[_Relay], horizon: Horizon, headroom_kw: Sequence[float]) -> list[float]:
    """What the relays that may choose can draw together in each step, as far as that is known before the first."""
    carried_kw = [
        max(0.0, headroom) + sum(relay.schedule.duty[t] * relay.schedule.room.relay_kw for relay in relays)
        for t, headroom in enumerate(headroom_kw)
    ]
    for relay in relays:
        for t in range(len(relay.schedule.duty)):
            carried_kw[t] -= relay.schedule.room.relay_kw * bool(relay.bound_to(t, horizon))
    return carried_kw
