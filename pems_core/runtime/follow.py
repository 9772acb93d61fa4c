"""From the plan in force and the overrides to what each device is told now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pems_core.commanding.guard import STALE_AFTER
from pems_core.commanding.overrides import apply_to
from pems_core.commanding.wish import Wish
from pems_core.domain import QUARTER, Override, Plan, Rung, Value, floor_time
from pems_core.protocols import Device

from .live import Live

OVERRIDE = "override"
UNWELL_AFTER = timedelta(seconds=45)
"""Before the guard and the devices that watch miss the heartbeat."""


@dataclass
class Follower:
    """Tells the dispatcher what is wanted, whenever that changes; what was told is not repeated."""

    live: Live
    _told: dict[str, tuple[object, ...]] = field(default_factory=dict)
    _letting_go: set[str] = field(default_factory=set)
    _unwell_since: datetime | None = None
    _planned_at: dict[str, datetime] = field(default_factory=dict)
    """When the plan last had a say for a device."""

    def follow(self) -> None:
        """Tell each device what holds now: by the plan, by hand, or nothing, which gives it back."""
        for device in self.live.commanded.values():
            self._follow(device)

    def forget(self, device: str) -> None:
        """Tell a device anew at the next occasion, even if nothing has changed."""
        self._told.pop(device, None)

    def _follow(self, device: Device) -> None:
        live, now = self.live, self.live.now
        overrides = [o for o in live.commanding.overrides.in_force() if o.device == device.name and o.holds(now)]
        unwell = self._unwell(now)
        if unwell:
            # The guard is about to give everything back; two who command one device would undo each other.
            overrides = []
        why = unwell or self.why_not_planned(device, now)
        if why and not overrides:
            if not unwell and self._missed_for_a_moment(device, now):
                return
            self._told.pop(device.name, None)
            if device.name not in self._letting_go:
                self._let_go(device.name, why)
            return
        self._letting_go.discard(device.name)
        if not why:
            self._planned_at[device.name] = now
        wish = self._wish(device, now, overrides, planned=not why)
        plan = live.followed.plan if live.followed else None
        said = (wish.settings, wish.source, plan.made_at if plan else None, wish.anew_since)
        if said == self._told.get(device.name):
            return
        self._told[device.name] = said
        live.commanding.dispatcher.want(device.name, wish, live.state)

    def _unwell(self, now: datetime) -> str:
        """What has kept PEMS from looking after its devices for so long that the guard will; empty if nothing."""
        faults = self.live.health.cannot_act
        if not faults:
            self._unwell_since = None
            return ""
        self._unwell_since = self._unwell_since or now
        lasting = now - self._unwell_since >= UNWELL_AFTER
        return f"PEMS is not well: {'; '.join(faults)}" if lasting else ""

    def _missed_for_a_moment(self, device: Device, now: datetime) -> bool:
        """Whether the plan only lacks a device for a reading that was doubtful just then: what it was told holds on.

        Giving it back and taking it again would cost writes; the guard gives back what stays unknown.
        """
        plan = self.live.followed.plan if self.live.followed else None
        planned_at = self._planned_at.get(device.name)
        lacking = plan is not None and plan.rung is not Rung.RELEASE and not plan.knows(device.name)
        return lacking and planned_at is not None and now - planned_at < STALE_AFTER

    def _let_go(self, device: str, why: str) -> None:
        """Give a device back once, if PEMS has it; one that was never told anything is left alone."""
        self._letting_go.add(device)
        if device in self.live.taken:
            self.live.commanding.dispatcher.let_go([device], why)

    def why_not_planned(self, device: Device, now: datetime) -> str:
        """Why the plan has no say for a device now; empty if it has."""
        followed = self.live.followed
        if followed is None:
            return "there is no plan yet"
        plan = followed.plan
        stale_after = timedelta(minutes=self.live.cycles.stale_after_minutes)
        if now - plan.made_at > stale_after:
            return f"the plan is {(now - plan.made_at) / timedelta(minutes=1):.0f} min old"
        if plan.rung is Rung.RELEASE:
            return f"no plan could be made: {plan.detail}"
        if now >= plan.valid_until + self.live.every:
            return f"the plan was valid until {plan.valid_until.isoformat()}"
        if not plan.knows(device.name):
            return self.live.state.faults.get(device.name, "the plan does not know it")
        return ""

    def _wish(self, device: Device, now: datetime, overrides: list[Override], planned: bool) -> Wish:
        plan = self.live.followed.plan if self.live.followed and planned else None
        settings: Mapping[str, Value] = {}
        soonest = now + 2 * self.live.every
        source, until = "plan", soonest
        if plan is not None:
            t = plan.horizon.step_at(now)
            settings = device.settings(plan, t)
            until = max(soonest, run_end(device, plan, t))
            source = str(plan.rung)
        # What a device begins and ends by its own local clock means other instants once that was put forward or back.
        changed_at = last_clock_change(self.live.house.site.zone, now)
        if not overrides:
            return Wish(dict(settings), now, until, source, plan.detail if plan else "", anew_since=changed_at)
        # What a person set ends by itself on the device, too, as far as that can.
        ends = min(override.valid_until for override in overrides)
        return Wish(
            apply_to(device, settings, overrides, now),
            now,
            max(soonest, ends),
            OVERRIDE,
            "; ".join(f"{o.by}: {o.reason}" if o.reason else o.by for o in overrides),
            frozenset(override.control for override in overrides),
            changed_at,
        )


def last_clock_change(zone: ZoneInfo, now: datetime) -> datetime | None:
    """When the local clock was put forward or back in the last day; None if it was not.

    >>> from datetime import UTC
    >>> last_clock_change(ZoneInfo("Europe/Prague"), datetime(2025, 10, 26, 3, 0, tzinfo=UTC)).isoformat()
    '2025-10-26T01:00:00+00:00'
    """
    quarter = floor_time(now, QUARTER)
    for _ in range(timedelta(days=1) // QUARTER):
        if quarter.astimezone(zone).utcoffset() != (quarter - QUARTER).astimezone(zone).utcoffset():
            return quarter
        quarter -= QUARTER
    return None


def run_end(device: Device, plan: Plan, t: int) -> datetime:
    """The end of the run of steps from `t` on in which the plan tells a device the same."""
    settings, ends = device.settings(plan, t), plan.horizon.ends
    last = min(plan.binary_steps, plan.horizon.steps_before(plan.valid_until)) - 1
    while t < last and device.settings(plan, t + 1) == settings:
        t += 1
    return ends[t]
