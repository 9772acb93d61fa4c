"""The last word before anything is sent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from pems_core.clock import Clock
from pems_core.domain import Alert, HeatingSpec, Quality, Readings, Severity, SiteState, Value
from pems_core.protocols import Device

from .draft import Draft, Refusal
from .emergency import EmergencyStop
from .foreign import ForeignControllers
from .inverter_limits import BatteryLimits, keep_abilities
from .limits import (
    keep_allow_list,
    keep_catalogue,
    keep_mode_dwell,
    keep_rates_of_change,
    keep_room,
    keep_to_others,
    say_battery_mode_plainly,
)
from .overrides import BELONGS_TO_MODE
from .stages import Stages
from .store import Store
from .wear import RelayBook
from .wish import Applied

__all__ = ["Action", "Guard", "Refusal", "Verdict"]

STALE_AFTER = timedelta(minutes=10)
"""Twice the age at which a device's state is not believed any more (protocols D.6)."""
RECOVERY = timedelta(minutes=5)
"""After the grid was lost or a unit was unwell it is left alone this long (protocols E.49)."""
UNWELL: Mapping[str, timedelta] = {
    **dict.fromkeys(("fault", "off_grid", "self_test", "update"), RECOVERY),
    # A unit that was not heard of slept, or its line hung. Had the grid been lost, it would tell so when it is back.
    "off": timedelta(0),
}
"""By status in which nothing is commanded: for how long neither once it is over."""


class Action(StrEnum):
    SEND = "send"
    RELEASE = "release"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What may be done with a wish."""

    action: Action
    settings: Mapping[str, Value]
    refusals: Sequence[Refusal] = ()
    """Empty also for a device that is only observed: that is as it should be."""
    again_at: datetime | None = None
    """When a minimum time that changed the settings is over: the wish is worth another look then."""

    @property
    def why(self) -> str:
        return "; ".join(map(str, self.refusals))


class Guard:
    """Judges wishes, whoever has them. Giving a device back is never refused.

    :param stale_after: a device that has had no state for this long is given back.
    """

    def __init__(
        self,
        devices: Sequence[Device],
        stages: Stages,
        emergency: EmergencyStop,
        relays: RelayBook,
        store: Store,
        clock: Clock,
        stale_after: timedelta = STALE_AFTER,
        given_back: Callable[[], Mapping[str, datetime]] = dict,
    ) -> None:
        """
        :param given_back: devices that another process has given back beside PEMS, and when it had done so last.
        """
        self.stages = stages
        self._emergency = emergency
        self._relays = relays
        self.foreign = ForeignControllers(store, clock)
        self._clock = clock
        self._stale_after = stale_after
        now = clock.now()
        self._given_back = given_back
        self._given_back_at = dict(given_back())
        self._seen_at = {device.name: now for device in devices}
        self._unwell: dict[str, tuple[str, datetime]] = {}
        self._worn: dict[str, tuple[date, Alert]] = {}
        self._batteries = BatteryLimits()

    def saw(self, state: SiteState, readings: Readings) -> frozenset[str]:
        """Take note of a state; the devices that are well again after they were unwell or silent.

        Nobody knows what those still do of what they were told.
        """
        back = {name for name in self._seen_at if self.was_given_back(name)}
        for name in state.devices:
            if name not in self._seen_at:
                continue
            if state.now - self._seen_at[name] > self._stale_after:
                back.add(name)
            self._seen_at[name] = state.now
            status = readings.points.get(f"{name}/status")
            if status is None or status.quality is not Quality.GOOD:
                continue
            if status.value in UNWELL:
                self._unwell[name] = str(status.value), state.now + UNWELL[str(status.value)]
            elif name in self._unwell and state.now >= self._unwell[name][1]:
                del self._unwell[name]
                back.add(name)
        return frozenset(back)

    def was_given_back(self, device: str) -> bool:
        """Whether another process has given a device back since this was asked last: what it was told does not hold."""
        at = self._given_back().get(device)
        if at is None or at == self._given_back_at.get(device):
            return False
        self._given_back_at[device] = at
        return True

    def judge(
        self,
        device: Device,
        settings: Mapping[str, Value],
        state: SiteState,
        now: datetime,
        in_force: Mapping[str, Applied],
        by_hand: frozenset[str] = frozenset(),
    ) -> Verdict:
        """What may be sent to a device.

        :param settings: wished, by control.
        :param in_force: what its controls were told last.
        :param by_hand: the controls that a person has set.
        """
        whole = self._hold(device.name, state, now, by_hand)
        if whole is not None:
            return whole
        # What a person sets stands above the stage.
        if self.stages.of(device.name) == "observe":
            settings = {control: value for control, value in settings.items() if control in _trusted(by_hand)}
        draft = Draft(device, dict(settings), state.devices.get(device.name), now, in_force, by_hand)
        keep_catalogue(draft)
        say_battery_mode_plainly(draft)
        keep_to_others(draft, self.foreign.yields_until)
        keep_rates_of_change(draft)
        keep_mode_dwell(draft)
        keep_abilities(draft)
        if isinstance(device.equipment, HeatingSpec):
            for room in device.equipment.rooms:
                keep_room(draft, room, self._relays.refusal(device.name, room.name))
        self._batteries.keep(draft)
        allowed = self.stages.allowed(device.name)
        keep_allow_list(draft, None if allowed is None else allowed | _trusted(draft.by_hand))
        return Verdict(Action.SEND, draft.settings, tuple(draft.refusals), draft.again_at)

    def _hold(self, device: str, state: SiteState, now: datetime, by_hand: frozenset[str]) -> Verdict | None:
        """Why a device is not commanded at all, or None if it may be."""
        latch = self._emergency.latch
        if latch is not None:
            return _verdict(Action.RELEASE, device, "emergency stop", f"nothing until it is reset ({latch.by})")
        if self.stages.of(device) == "observe" and not by_hand:
            return Verdict(Action.RELEASE, {})
        yields_until = self.foreign.yields_until(device)
        if yields_until is not None:
            return _verdict(Action.NOTHING, device, "a foreign controller", f"nothing {yields_until}")
        if device in self._worn and self._worn[device][0] == _day(now):
            return _verdict(Action.RELEASE, device, "the day's writes used up", "writes again tomorrow (UTC)")
        return self._unknown(device, state, now)

    def _unknown(self, device: str, state: SiteState, now: datetime) -> Verdict | None:
        """Why a device cannot be commanded for how it is, or None if it can."""
        silent = now - self._seen_at.get(device, now)
        if silent > self._stale_after:
            return _verdict(Action.RELEASE, device, f"no state for {silent}", f"at most {self._stale_after}")
        if device not in state.devices:
            why = state.faults.get(device, "it was not read")
            return _verdict(Action.NOTHING, device, f"no state now ({why})", "nothing new until it is known")
        status, until_well = self._unwell.get(device, ("", now))
        if status:
            return _verdict(Action.NOTHING, device, f"status {status}", f"nothing until {until_well.isoformat()}")
        return None

    def applied(self, device: Device, before: Mapping[str, Applied], after: Mapping[str, Value]) -> None:
        """Count the relays that a command started."""
        if isinstance(device.equipment, HeatingSpec):
            for room in device.equipment.rooms:
                relay = f"{room.name}_relay"
                was_on = relay in before and before[relay].value is True
                if after.get(relay) is True and not was_on:
                    self._relays.started(device.name, room.name)

    def worn_out(self, device: str, why: str, now: datetime) -> None:
        """Note that today's writes of a device are used up."""
        if device not in self._worn or self._worn[device][0] != _day(now):
            self._worn[device] = _day(now), Alert(Severity.CRITICAL, device, why, now, "write_budget")

    @property
    def alerts(self) -> Sequence[Alert]:
        today = _day(self._clock.now())
        worn = [alert for day, alert in self._worn.values() if day == today]
        return [*worn, *self.foreign.alerts, *self._relays.alerts]


def _trusted(by_hand: frozenset[str]) -> frozenset[str]:
    """What a person sets, and what a mode that was set by hand is run with."""
    return by_hand | frozenset(BELONGS_TO_MODE if "mode" in by_hand else ())


def _verdict(action: Action, device: str, found: str, allowed: str) -> Verdict:
    return Verdict(action, {}, (Refusal(device, found, allowed),))


def _day(now: datetime) -> date:
    return now.astimezone(UTC).date()
