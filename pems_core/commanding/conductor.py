"""One device's commands, from the newest wish to what was seen of it."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from pems_core.clock import Clock
from pems_core.domain import Alert, BadSetting, Readings, Severity, SiteState, Stage
from pems_core.protocols import Device, Transport

from .device_alerts import DeviceAlerts
from .following import Following
from .giving_back import GivingBack
from .guard import Action, Guard, Verdict
from .persistence import Backoff
from .sending import Tell
from .store import Store
from .watching import LONGEST
from .wish import InForce, Wish


class Conductor:
    """Brings a device to its newest wish, and keeps watching whether it stays there: decides what is next.

    :param transport: carries the device's commands.
    :param tell: hears every stage that a command reaches.
    """

    def __init__(
        self, device: Device, transport: Transport, guard: Guard, store: Store, clock: Clock, tell: Tell
    ) -> None:
        self.device = device
        self._transport = transport
        self._guard = guard
        self._clock = clock
        self._tell = tell
        self._alerts = DeviceAlerts(device.name, clock)
        self._backoff = Backoff(clock)
        self._following = Following(
            device, transport, guard, store, clock, self._alerts, self._backoff, tell, self.let_go
        )
        self._wish: Wish | None = None
        self._again_at: datetime | None = None
        self._release: GivingBack | None = None
        self._state: SiteState | None = None
        self._readings: Readings | None = None
        self._woken = asyncio.Event()
        self._urgent = False
        self.idle = asyncio.Event()
        """Set while the device is not commanded by PEMS and nothing is left to be given back."""
        self._note_idle()

    # What others ask and tell

    @property
    def ours(self) -> bool:
        """Whether the device may still do what PEMS told it, also before a restart."""
        return self._following.told_until is not None

    @property
    def alerts(self) -> Sequence[Alert]:
        return self._alerts.all

    @property
    def in_force(self) -> InForce | None:
        return self._following.in_force

    def want(self, wish: Wish, state: SiteState) -> None:
        """Take a wish in place of the one before, and begin at once."""
        old = self._wish
        if old is not None and old.settings == wish.settings:
            # The same wish goes on: what was sent of it needs no new ids, and is not sent again.
            wish = replace(wish, valid_from=min(old.valid_from, wish.valid_from))
        else:
            self._hurry()
        self._wish, self._state = wish, state
        self._woken.set()

    def saw(self, state: SiteState, readings: Readings, back: bool) -> None:
        """Take note of what was measured.

        :param back: the device was silent or unwell before, so nobody knows what it does now.
        """
        self._state, self._readings = state, readings
        if back:
            self._following.begin_anew()
        self._woken.set()

    def let_go(self, why: str, *, for_good: bool = True) -> None:
        """Begin to give the device back, or go on with it.

        :param for_good: forget the wish; otherwise it may be followed again when the guard allows.
        """
        if for_good:
            self._wish = None
        if self._release is None:
            self._release = GivingBack(why, self.device, self._transport, self._clock, self._alerts, self._tell)
            self._hurry()
            self.idle.clear()
        self._woken.set()

    async def run(self) -> None:
        """Act whenever something is due, until cancelled."""
        while True:
            self._woken.clear()
            await self._act()
            await self._pause()

    # What is due

    async def _act(self) -> None:
        self._urgent = False
        if not self._backoff.left_s:
            self._end_wish()
            if self._wish is not None:
                await self._follow(self._wish)
            if self._release is not None:
                await self._give_back(self._release)
        if self._release is None:
            await self._following.look(self._state, self._readings, self._is_urgent)
        self._note_idle()

    async def _pause(self) -> None:
        due_s = self._due_s()
        # Not wait_for: before Python 3.12 it can swallow a cancellation that comes together with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(None if due_s is None else max(0.0, due_s) / self._clock.speed):
                await self._woken.wait()

    def _due_s(self) -> float | None:
        """How long nothing is due [s], or None if nothing is, ever."""
        elapsed_s = self._clock.elapsed_s()
        dues = [due_s - elapsed_s for due_s in self._following.dues_s]
        if left_s := self._backoff.left_s:
            dues.append(left_s)
        elif self._release is not None:
            dues.append(0.0)
        else:
            now = self._clock.now()
            dues += [(instant - now).total_seconds() for instant in self._instants(now)]
        return min(dues, default=None)

    def _instants(self, now: datetime) -> Iterator[datetime]:
        """When the wish, or its end, asks for something."""
        if self._wish is None:
            if self._following.told_until is not None:
                yield self._following.told_until
            return
        yield self._wish.valid_until
        if self._again_at is not None:
            yield self._again_at
        if self._wish.valid_from > now:
            yield self._wish.valid_from
        yield from self._following.renewals(self._wish)

    def _end_wish(self) -> None:
        """A wish whose time is over is not followed any more; what was sent is taken back if nothing else is wished."""
        now, told_until = self._clock.now(), self._following.told_until
        if self._wish is not None and now >= self._wish.valid_until:
            ended = self._wish.valid_until
            self._wish = None
            self._following.close(Stage.EXPIRED, f"valid until {ended.isoformat()}")
            if self.ours:
                self.let_go(f"the last wish ended at {ended.isoformat()}")
        elif self._wish is None and self._release is None and told_until is not None and now >= told_until:
            self.let_go(f"what was told before ended at {told_until.isoformat()}")

    # Following a wish

    async def _follow(self, wish: Wish) -> None:
        now, state = self._clock.now(), self._state
        self._again_at = None
        if now < wish.valid_from or state is None:
            return
        verdict = self._guard.judge(self.device, wish.settings, state, now, self._following.applied, wish.by_hand)
        self._again_at = verdict.again_at
        self._tell_refusals(verdict)
        if verdict.action is not Action.SEND:
            self._hold(verdict)
            return
        wish = replace(wish, valid_until=min(wish.valid_until, now + LONGEST))
        groups = self._following.needed(verdict.settings, wish)
        if not groups:
            return
        self._release = None
        try:
            commands = self.device.encode(verdict.settings, wish.valid_from, wish.valid_until, replace(state, now=now))
        except BadSetting as fault:
            self._alerts.put("encode", Severity.CRITICAL, str(fault))
            self._backoff.look_again_later()
            return
        self._alerts.clear("encode")
        self.idle.clear()

        def superseded() -> bool:
            return self._wish is None or self._wish.settings != wish.settings or self._release is not None

        await self._following.send(groups, commands, verdict.settings, wish, superseded)

    def _tell_refusals(self, verdict: Verdict) -> None:
        if verdict.refusals:
            self._alerts.put("refused", Severity.INFO, verdict.why)
        else:
            self._alerts.clear("refused")

    def _hold(self, verdict: Verdict) -> None:
        """Do not follow the wish now, and give the device back if the guard says so."""
        if verdict.action is Action.RELEASE and self.ours:
            self.let_go(verdict.why or "stage observe", for_good=False)
        else:
            self._backoff.look_again_later()

    # Giving back

    async def _give_back(self, release: GivingBack) -> None:
        self._following.stop(release.why)
        back = await release.attempt(self._is_urgent)
        if back:
            self._finish_release()
        elif back is not None:
            self._backoff.failed()

    def _finish_release(self) -> None:
        self._release = None
        self._backoff.reset()
        self._following.given_back()
        if self._wish is not None:
            self._woken.set()
        self._alerts.device_is_back()

    # Small matters

    def _hurry(self) -> None:
        """What is new does not wait, and what is under way ends soon."""
        self._backoff.reset()
        self._urgent = True

    def _is_urgent(self) -> bool:
        return self._urgent

    def _note_idle(self) -> None:
        if self.ours or self._release is not None:
            self.idle.clear()
        else:
            self.idle.set()
