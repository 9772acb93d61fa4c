"""Why to plan at once, before the next regular cycle."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pems_core.clock import Clock
from pems_core.config import CyclesSection
from pems_core.domain import HOUR, Forecasts, HeatingState, InverterState, Plan, SiteState

SETTLE_S = 2.0
"""What belongs together arrives together; so long is waited for the rest of it [s of the clock]."""
URGENT_SETTLE_S = 0.05
"""The same where a person waits [s of the clock]."""
APART_S = 60.0
"""Least time between two plans that no person asked for [s of the clock]."""
NEXT_HOURS = timedelta(hours=6)
PRICES_MATTER_FOR = timedelta(hours=24)


class Triggers:
    """Gathers reasons until the cycle loop takes them."""

    def __init__(self, clock: Clock, settle_s: float = SETTLE_S, apart_s: float = APART_S) -> None:
        self._clock = clock
        self._settle_s, self._apart_s = settle_s, apart_s
        self._reasons: dict[str, bool] = {}
        self._pulled = asyncio.Event()
        self._taken_s = -apart_s

    def pull(self, reason: str, urgent: bool = False) -> None:
        """Ask for a plan; the same reason counts once.

        :param urgent: a person waits for it: without regard to when the last plan was made.
        """
        if reason not in self._reasons or (urgent and not self._reasons[reason]):
            self._reasons[reason] = urgent
            self._pulled.set()

    async def wait(self, due: datetime) -> tuple[str, ...]:
        """Wait until the regular plan is due (maybe no reasons), or until there are reasons for an earlier one."""
        while (left_s := (due - self._clock.now()).total_seconds()) > 0:
            if self._reasons:
                rest_s = self._rest_s()
                if rest_s <= 0:
                    await self._settle()
                    break
                left_s = min(left_s, rest_s)
            self._pulled.clear()
            await self._pulled_within(left_s)
        reasons = tuple(self._reasons)
        self._reasons.clear()
        self._taken_s = self._clock.elapsed_s()
        return reasons

    async def _settle(self) -> None:
        """Wait for the rest of what belongs together, but keep no person waiting for it."""
        until_s = self._clock.elapsed_s() + self._settle_s
        while (left_s := until_s - self._clock.elapsed_s()) > 0 and not any(self._reasons.values()):
            self._pulled.clear()
            await self._pulled_within(left_s)
        await self._clock.sleep(min(URGENT_SETTLE_S, self._settle_s))

    def _rest_s(self) -> float:
        """How long the reasons that there are have to wait."""
        if any(self._reasons.values()):
            return 0.0
        return self._taken_s + self._apart_s - self._clock.elapsed_s()

    async def _pulled_within(self, seconds: float) -> None:
        """Wait for the next reason, at most for some seconds of the clock."""
        waits = [asyncio.ensure_future(self._pulled.wait()), asyncio.ensure_future(self._clock.sleep(seconds))]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()


@dataclass(frozen=True)
class Followed:
    """The plan that is being followed, and from where it started."""

    plan: Plan
    state: SiteState
    forecasts: Forecasts

    def level(self, name: str, start: float, at: datetime) -> float:
        """A level of the plan at an instant, on the line between the ends of steps.

        :param start: the level when the plan was made.
        """
        horizon = self.plan.horizon
        t = horizon.step_at(at)
        before = start if t == 0 else self.plan.levels[name][t - 1]
        share = min(1.0, max(0.0, (at - horizon.starts[t]) / horizon.lengths[t]))
        return before + share * (self.plan.levels[name][t] - before)


def deviations(followed: Followed, now: SiteState, limits: CyclesSection) -> Iterator[str]:
    """What is farther from the plan than allowed."""
    for device, state in now.devices.items():
        start = followed.state.devices.get(device)
        if isinstance(state, InverterState) and isinstance(start, InverterState):
            yield from _soc_deviation(followed, device, start, state, now.now, limits.soc_deviation)
        if isinstance(state, HeatingState) and isinstance(start, HeatingState):
            yield from _room_deviations(followed, device, start, state, now.now, limits.room_deviation_k)


def _soc_deviation(
    followed: Followed, device: str, start: InverterState, state: InverterState, now: datetime, limit: float
) -> Iterator[str]:
    name = f"{device}.soc"
    if state.battery is None or start.battery is None or name not in followed.plan.levels:
        return
    planned = followed.level(name, start.battery.soc, now)
    if abs(state.battery.soc - planned) > limit:
        yield f"{device}: state of charge is {state.battery.soc:.0%}, planned were {planned:.0%}"


def _room_deviations(
    followed: Followed, device: str, start: HeatingState, state: HeatingState, now: datetime, limit_k: float
) -> Iterator[str]:
    for room, found in state.rooms.items():
        name = f"{device}.{room}_c"
        if room in state.faults or name not in followed.plan.levels or room not in start.rooms:
            continue
        planned_c = followed.level(name, start.rooms[room].temperature_c, now)
        if abs(found.temperature_c - planned_c) > limit_k:
            yield f"{device}: {room} has {found.temperature_c:.1f} °C, planned were {planned_c:.1f} °C"


def forecast_changes(before: Forecasts, after: Forecasts, limit_kw: float) -> Iterator[str]:
    """Series whose mean over the next hours changed by more than allowed, since the plan was made."""
    for name in ("pv_kw", "base_load_kw"):
        if name not in before.series or name not in after.series:
            continue
        start = max(before.horizon.start, after.horizon.start)
        end = min(start + NEXT_HOURS, before.horizon.end, after.horizon.end)
        earlier, later = _mean(before, name, start, end), _mean(after, name, start, end)
        if abs(later - earlier) > limit_kw:
            yield f"the forecast of {name} changed from {earlier:.1f} to {later:.1f} kW"


def _mean(forecasts: Forecasts, name: str, start: datetime, end: datetime) -> float:
    total, weight = 0.0, 0.0
    for value, begins, ends in zip(forecasts[name], forecasts.horizon.starts, forecasts.horizon.ends, strict=True):
        overlap_h = (min(ends, end) - max(begins, start)) / HOUR
        if overlap_h > 0:
            total, weight = total + value * overlap_h, weight + overlap_h
    return total / weight if weight else 0.0


def price_changes(
    changed: Mapping[datetime, tuple[float | None, float]], now: datetime, limit_per_kwh: float
) -> Iterator[str]:
    """Whether prices that came in are a reason to plan.

    :param changed: by quarter hour, the price before (None: unknown) and now [currency/kWh].
    """
    ahead = {start: pair for start, pair in changed.items() if start >= now}
    if any(before is None for before, _ in ahead.values()):
        yield f"new prices until {max(ahead):%Y-%m-%d %H:%M} UTC"
    known = [(b, p) for start, (b, p) in ahead.items() if b is not None and start < now + PRICES_MATTER_FOR]
    most = max((abs(price - before) for before, price in known), default=0.0)
    if most > limit_per_kwh:
        yield f"a price of the next 24 h changed by {most:.2f}"
