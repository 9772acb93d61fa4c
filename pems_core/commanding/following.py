"""What is done about a wish that the guard lets through: telling the groups that need it, and holding them to it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Protocol

from pems_core.clock import Clock
from pems_core.domain import Command, NotNow, Readings, Severity, SiteState, Stage, Value, WornOut
from pems_core.protocols import Device, Transport

from .device_alerts import DeviceAlerts
from .groups import WHOLE, Groups
from .guard import Guard
from .persistence import Backoff, Stubbornness
from .sending import Outgoing, Refused, Superseded, Tell
from .store import Store
from .told import Told
from .watching import Reverted, Watch
from .wish import Applied, InForce, Wish


class LetGo(Protocol):
    """Begins to give the device back; see `Conductor.let_go`."""

    def __call__(self, why: str, *, for_good: bool = True) -> None: ...


class Following:
    """Tells one device what is wished of it, group by group, and again what does not stay."""

    def __init__(
        self,
        device: Device,
        transport: Transport,
        guard: Guard,
        store: Store,
        clock: Clock,
        alerts: DeviceAlerts,
        backoff: Backoff,
        tell: Tell,
        let_go: LetGo,
    ) -> None:
        self._device = device
        self._guard = guard
        self._clock = clock
        self._alerts = alerts
        self._backoff = backoff
        self._let_go = let_go
        self._groups = Groups(device)
        self._outgoing = Outgoing(transport, clock, alerts, tell)
        self._watch = Watch(device, transport, clock, alerts, tell, self._on_reverted)
        self._stubbornness = Stubbornness(self._groups, clock)
        self._told = Told(device.name, self._groups, store, clock)

    # What is known

    @property
    def told_until(self) -> datetime | None:
        """When the last wish ends of which the device was told; None if it is its own."""
        return self._told.until

    @property
    def applied(self) -> Mapping[str, Applied]:
        """What its controls were told, by control."""
        return self._told.applied

    @property
    def in_force(self) -> InForce | None:
        return self._watch.in_force

    @property
    def dues_s(self) -> Iterator[float]:
        """When there is something to look at, by the steady clock."""
        return chain(self._watch.dues_s, self._stubbornness.dues_s)

    def renewals(self, wish: Wish) -> Iterator[datetime]:
        """When what was sent must be renewed for a wish that lasts longer."""
        for group, sent in self._watch.sent.items():
            if sent.settings and wish.valid_until > sent.until and not self._stubbornness.spares(group):
                yield sent.renew_at

    def needed(self, settings: Mapping[str, Value], wish: Wish) -> Sequence[str]:
        """The groups that must be told anything, so that the settings hold as long as the wish."""
        return [group for group in self._groups.all if self._needs(group, settings, wish)]

    def _needs(self, group: str, settings: Mapping[str, Value], wish: Wish) -> bool:
        wished = self._groups.settings(settings, group)
        if self._stubbornness.reconsiders(group, wished):
            self._alerts.clear(f"given up {group}", f"put off {group}")
        if self._stubbornness.spares(group):
            return False
        sent = self._watch.sent.get(group)
        if sent is None:
            return bool(wished) or self._told.tells_of(group)
        outdated = wish.anew_since is not None and sent.at < wish.anew_since
        changed = not self._groups.same(sent.settings, wished)
        # A group that was left to itself stays so: that has no end.
        ends_wrong = bool(wished) and sent.ends_wrong(wish.valid_until, self._clock.now())
        return outdated or changed or ends_wrong

    # Telling

    async def send(
        self,
        groups: Sequence[str],
        commands: Sequence[Command],
        settings: Mapping[str, Value],
        wish: Wish,
        superseded: Callable[[], bool],
    ) -> None:
        """Send the commands of some groups; a group that fails does not hold up the others.

        :param commands: of all groups.
        :param superseded: whether something newer is wished.
        """
        by_group = {group: [c for c in commands if self._groups.of(c) == group] for group in groups}
        self._outgoing.forget(c for group in groups if group in self._watch.sent for c in by_group[group])
        self._outgoing.queue([command for group in groups for command in by_group[group]], wish.reason)
        self._told.keep(wish)
        failed = False
        try:
            for group in groups:
                failed = not await self._send_group(group, by_group[group], settings, wish, superseded) or failed
        except Superseded:
            return
        if failed:
            self._backoff.failed()
        else:
            self._backoff.reset()
            self._alerts.clear("delivery")

    async def _send_group(
        self,
        group: str,
        commands: Sequence[Command],
        settings: Mapping[str, Value],
        wish: Wish,
        superseded: Callable[[], bool],
    ) -> bool:
        """Tell one group; false if it must be tried again."""
        wished = self._groups.settings(settings, group)
        try:
            arrived = await self._outgoing.send(commands, superseded)
        except Refused as refusal:
            return self._refused(group, wished, refusal)
        except NotNow as cause:
            self._put_off(group, wished, str(cause))
            return True
        except WornOut as fault:
            self._guard.worn_out(self._device.name, str(fault), self._clock.now())
            self._outgoing.close(Stage.SUPERSEDED, str(fault))
            self._let_go(str(fault), for_good=False)
            raise Superseded from fault
        if arrived:
            self._watch.took(group, wished, wish, commands, self._outgoing.stages(commands))
            self._stubbornness.took(group)
            self._alerts.clear(f"given up {group}", f"put off {group}")
            self._guard.applied(self._device, self._told.applied, wished)
            self._told.took(group, wished, wish)
        return arrived

    def _refused(self, group: str, settings: Mapping[str, Value], refusal: Refused) -> bool:
        """What a device does not take is tried again a little; true if it is given up."""
        if refusal.receipt.stage is not Stage.REJECTED and self._stubbornness.may_rewrite(group):
            return False
        self._give_up(group, settings, str(refusal))
        return True

    def _give_up(self, group: str, settings: Mapping[str, Value], why: str) -> None:
        """Write the same no more until something else is wished; a device that is one whole goes to its own control."""
        self._stubbornness.give_up(group, settings)
        self._alerts.put(f"given up {group}", Severity.CRITICAL, why)
        if group == WHOLE:
            self._let_go(why, for_good=False)

    def _put_off(self, group: str, settings: Mapping[str, Value], why: str) -> None:
        """Say the same again when the cause may have passed; meanwhile a device that is one whole does not go on with
        what it was told before."""
        minutes = self._stubbornness.put_off(group, settings) / 60
        self._alerts.put(f"put off {group}", Severity.WARNING, f"{why}; it is tried again within {minutes:.0f} min")
        if group == WHOLE and (group in self._watch.sent or self._told.tells_of(group)):
            self._let_go(why, for_good=False)

    # Watching

    async def look(self, state: SiteState | None, readings: Readings | None, urgent: Callable[[], bool]) -> None:
        """Look at what is due of what was sent.

        :param urgent: whether something else cannot wait.
        """
        await self._watch.look(state, readings, urgent)

    def _on_reverted(self, reverted: Reverted) -> None:
        self._outgoing.forget(reverted.sent.commands)
        if self._guard.was_given_back(self._device.name):
            # Nobody has undone anything: while PEMS was not well its guard process gave the device back.
            self.begin_anew()
        elif reverted.verified and self._foreign(reverted.group):
            # A group is left out of what is wished from now on.
            if reverted.group == WHOLE:
                self._let_go("foreign controller")
        elif self._stubbornness.may_rewrite(reverted.group):
            self._backoff.failed()
        else:
            receipt = reverted.receipt
            why = f"{receipt.command.control} {receipt.stage}: {receipt.detail}"
            self._give_up(reverted.group, reverted.sent.settings, why)

    def _foreign(self, group: str) -> bool:
        """Count a change by others; whether it was one too many."""
        place = self._device.name if group == WHOLE else f"{self._device.name}/{group}"
        return self._guard.foreign.reverted(place, self._clock.now())

    # Ending

    def begin_anew(self) -> None:
        """Nobody knows what the device does now: whatever is wished of it is sent again."""
        self._watch.forget()
        self._outgoing.forget_all()
        self._stubbornness.begin_anew()

    def close(self, stage: Stage, detail: str) -> None:
        """End all commands that are open."""
        self._outgoing.close(stage, detail)

    def stop(self, why: str) -> None:
        """The device is being given back: neither send nor watch what it was told."""
        self._outgoing.close(Stage.SUPERSEDED, why)
        self._watch.forget()
        self._outgoing.forget_all()

    def given_back(self) -> None:
        """The device is its own again."""
        self._told.forget()
