"""One device's commands, from the newest wish to what was seen of it."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import inf
from typing import Any

from pems_core.clock import Clock
from pems_core.domain import (
    Alert,
    BadSetting,
    Command,
    HeatingSpec,
    NotDelivered,
    Readings,
    Receipt,
    Severity,
    SiteState,
    Stage,
    Value,
    WornOut,
)
from pems_core.protocols import Device, Transport

from .effects import Effect, effects
from .guard import Action, Guard, Verdict
from .store import Store
from .wish import Applied, InForce, Wish, same_value

WISH = "wish"
WHOLE = "all"
"""The group of a device that takes all its controls together."""
BACKOFF_FIRST_S, BACKOFF_FACTOR, BACKOFF_MOST_S = 2.0, 1.5, 30.0
CHECKS_S = (10.0, 90.0)
"""Protocols D.3: read back again after 10 s and after 60 to 120 s, when a cloud may have put the old value back."""
RECHECK_S = 600.0
CONFIRM_S = 2.0
"""A poll that began before a write ended shows the old value (protocols A.10): one look more decides."""
EFFECT_FROM_S, EFFECT_UNTIL_S = 120.0, 300.0
"""Protocols D.3: an effect is looked for from 2 to 5 minutes on."""
EFFECT_EVERY_S = 30.0
SEND_WITHIN_S = 30.0
"""[s of the wall]"""
LOOK_AGAIN_S = 10.0
"""A wish that may not be followed now is looked at again this often."""
MOST_REWRITES, REWRITES_WITHIN_S = 2, 3600.0
RENEW_BEFORE = timedelta(minutes=10)
"""What was sent is renewed this long before it ends, not each time the plan moves its end."""
SHORTENED = timedelta(hours=1)
"""A wish that ends this much earlier than what was sent is worth a write; a smaller rest PEMS ends itself."""

Tell = Callable[[Receipt], None]


@dataclass
class _Sent:
    """What one group of controls was told and has taken."""

    settings: Mapping[str, Value]
    until: datetime
    at: datetime
    source: str
    commands: Sequence[Command]
    stages: dict[str, Stage]
    """By command id."""
    checks_due_s: list[float]
    effect_due_s: float
    effect_until_s: float
    looked: bool = False
    """Whether it was read back since it was sent."""
    effect_told: set[str] = field(default_factory=set)


@dataclass
class _Release:
    why: str
    unsent: set[str] | None = None
    """Ids of commands that have yet to arrive; None before the first attempt."""
    unseen: set[str] = field(default_factory=set)
    """Ids of commands that have yet to be read back."""


LASTING = ("refused", "given up", "encode")
"""Alerts that giving the device back does not end."""


class _Superseded(Exception):
    """Something newer is wished."""


class Conductor:
    """Brings a device to its newest wish, and keeps watching whether it stays there.

    :param transport: carries the device's commands.
    :param tell: hears every stage that a command reaches.
    """

    def __init__(
        self, device: Device, transport: Transport, guard: Guard, store: Store, clock: Clock, tell: Tell
    ) -> None:
        self.device = device
        self._transport = transport
        self._guard = guard
        self._store = store
        self._clock = clock
        self._tell = tell
        self._controls = {control.name: control for control in device.controls()}
        self._groups = {name: _group(device, name) for name in self._controls}
        self._all_groups = tuple(dict.fromkeys(self._groups.values()))
        self._wish: Wish | None = None
        self._state: SiteState | None = None
        self._readings: Readings | None = None
        self._sent: dict[str, _Sent] = {}
        self._given_up: dict[str, Mapping[str, Value]] = {}
        self._rewrites: dict[str, list[float]] = {}
        self._open: dict[str, Command] = {}
        self._delivered: dict[str, Stage] = {}
        self._release: _Release | None = None
        self._failures = 0
        self._retry_at_s = 0.0
        self._again_at: datetime | None = None
        self._alerts: dict[str, Alert] = {}
        self._woken = asyncio.Event()
        self._urgent = False
        self.idle = asyncio.Event()
        """Set while the device is not commanded by PEMS and nothing is left to be given back."""
        kept = store.kept(WISH).get(device.name)
        self._applied = _applied_from(kept)
        self._ours_until = None if kept is None else datetime.fromisoformat(kept["valid_until"])
        self._note_idle()

    # What others ask and tell

    @property
    def ours(self) -> bool:
        """Whether the device may still do what PEMS told it, also before a restart."""
        return self._ours_until is not None

    @property
    def alerts(self) -> Sequence[Alert]:
        return tuple(self._alerts.values())

    @property
    def in_force(self) -> InForce | None:
        if not self._sent:
            return None
        parts = list(self._sent.values())
        stages = [stage for part in parts for stage in part.stages.values()]
        settings = {control: value for part in parts for control, value in part.settings.items()}
        last = max(parts, key=lambda part: part.at)
        return InForce(settings, last.until, last.at, last.source, min(stages, key=_rank, default=Stage.SENT))

    def want(self, wish: Wish, state: SiteState) -> None:
        """Take a wish in place of the one before, and begin at once."""
        old = self._wish
        if old is not None and old.settings == wish.settings:
            # The same wish goes on: what was sent of it needs no new ids, and is not sent again.
            wish = replace(wish, valid_from=min(old.valid_from, wish.valid_from))
        else:
            self._failures, self._retry_at_s, self._urgent = 0, 0.0, True
        self._wish, self._state = wish, state
        self._woken.set()

    def saw(self, state: SiteState, readings: Readings, back: bool) -> None:
        """Take note of what was measured.

        :param back: the device was silent or unwell before, so nobody knows what it does now.
        """
        self._state, self._readings = state, readings
        if back:
            self._sent.clear()
            self._delivered.clear()
            self._given_up.clear()
        self._woken.set()

    def let_go(self, why: str, *, for_good: bool = True) -> None:
        """Begin to give the device back, or go on with it.

        :param for_good: forget the wish; otherwise it may be followed again when the guard allows.
        """
        if for_good:
            self._wish = None
        if self._release is None:
            self._release = _Release(why)
            self._failures, self._retry_at_s, self._urgent = 0, 0.0, True
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
        if self._clock.elapsed_s() >= self._retry_at_s:
            self._end_wish()
            if self._wish is not None:
                await self._follow(self._wish)
            if self._release is not None:
                await self._give_back(self._release)
        if self._release is None:
            await self._watch()
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
        dues = [due - elapsed_s for sent in self._sent.values() for due in (*sent.checks_due_s, sent.effect_due_s)]
        if self._retry_at_s > elapsed_s:
            dues.append(self._retry_at_s - elapsed_s)
        elif self._release is not None:
            dues.append(0.0)
        else:
            now = self._clock.now()
            dues += [(instant - now).total_seconds() for instant in self._instants(now)]
        return min(dues, default=None)

    def _instants(self, now: datetime) -> Iterator[datetime]:
        """When the wish, or its end, asks for something."""
        if self._wish is None:
            if self._ours_until is not None:
                yield self._ours_until
            return
        yield self._wish.valid_until
        if self._again_at is not None:
            yield self._again_at
        if self._wish.valid_from > now:
            yield self._wish.valid_from
        for group, sent in self._sent.items():
            if self._wish.valid_until > sent.until and group not in self._given_up:
                yield sent.until - RENEW_BEFORE

    def _end_wish(self) -> None:
        """A wish whose time is over is not followed any more; what was sent is taken back if nothing else is wished."""
        now = self._clock.now()
        if self._wish is not None and now >= self._wish.valid_until:
            ended = self._wish.valid_until
            self._wish = None
            self._close_open(Stage.EXPIRED, f"valid until {ended.isoformat()}")
            if self.ours:
                self.let_go(f"the last wish ended at {ended.isoformat()}")
        elif self._wish is None and self._release is None and self._ours_until is not None and now >= self._ours_until:
            self.let_go(f"what was told before ended at {self._ours_until.isoformat()}")

    # Following a wish

    async def _follow(self, wish: Wish) -> None:
        now, state = self._clock.now(), self._state
        self._again_at = None
        if now < wish.valid_from or state is None:
            return
        verdict = self._guard.judge(self.device, wish.settings, state, now, self._applied, wish.by_hand)
        self._again_at = verdict.again_at
        self._tell_refusals(verdict)
        if verdict.action is not Action.SEND:
            self._hold(verdict)
            return
        groups = [group for group in self._all_groups if self._needs(group, verdict.settings, wish)]
        if not groups:
            return
        self._release = None
        try:
            commands = self.device.encode(verdict.settings, wish.valid_from, wish.valid_until, replace(state, now=now))
        except BadSetting as fault:
            self._alert("encode", Severity.CRITICAL, str(fault))
            self._look_again_later()
            return
        self._alerts.pop("encode", None)
        await self._send_groups(groups, commands, verdict, wish)

    def _hold(self, verdict: Verdict) -> None:
        """Do not follow the wish now, and give the device back if the guard says so."""
        if verdict.action is Action.RELEASE and self.ours:
            self.let_go(verdict.why or "stage observe", for_good=False)
        else:
            self._look_again_later()

    def _look_again_later(self) -> None:
        self._retry_at_s = self._clock.elapsed_s() + LOOK_AGAIN_S

    async def _send_groups(
        self, groups: Sequence[str], commands: Sequence[Command], verdict: Verdict, wish: Wish
    ) -> None:
        by_group = {group: [c for c in commands if self._group_of(c) == group] for group in groups}
        for command in (command for group in groups if group in self._sent for command in by_group[group]):
            self._delivered.pop(command.id, None)
        self._queue([command for group in groups for command in by_group[group]], wish)
        self._keep(wish)
        failed = False
        try:
            for group in groups:
                settings = self._of_group(verdict.settings, group)
                failed = not await self._send_group(group, by_group[group], settings, wish) or failed
        except _Superseded:
            return
        if failed:
            self._back_off()
        else:
            self._failures, self._retry_at_s = 0, 0.0
            self._alerts.pop("delivery", None)

    async def _send_group(
        self, group: str, commands: Sequence[Command], settings: Mapping[str, Value], wish: Wish
    ) -> bool:
        """Send one group's commands in order; false if it must be tried again."""
        for command in commands:
            if self._wish is None or self._wish.settings != wish.settings or self._release is not None:
                raise _Superseded
            if command.id in self._delivered:
                continue
            if self._clock.now() >= command.expires_at:
                self._end(command, Stage.EXPIRED, "its time was over before it was sent")
                return False
            try:
                receipt = await self._carry(command)
            except NotDelivered as fault:
                self._alert("delivery", Severity.WARNING, f"{command.control}: {fault}")
                return False
            except WornOut as fault:
                self._guard.worn_out(self.device.name, str(fault), self._clock.now())
                self._close_open(Stage.SUPERSEDED, str(fault))
                self.let_go(str(fault), for_good=False)
                raise _Superseded from fault
            self._note(receipt)
            if receipt.stage.failed:
                return self._refused(group, settings, receipt)
        self._take(group, commands, settings, wish)
        return True

    async def _carry(self, command: Command) -> Receipt:
        """Have the transport send a command; whatever it waits for, it does not hold up what comes next for ever."""
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                return await self._transport.send(command)
        except TimeoutError:
            raise NotDelivered(f"{self._transport.name} said nothing within {SEND_WITHIN_S:g} s") from None

    def _refused(self, group: str, settings: Mapping[str, Value], receipt: Receipt) -> bool:
        """What a device does not take is tried again a little; true if it is given up."""
        if receipt.stage is not Stage.REJECTED and self._may_rewrite(group):
            return False
        self._give_up(group, settings, f"{receipt.command.control} {receipt.stage}: {receipt.detail}")
        return True

    def _take(self, group: str, commands: Sequence[Command], settings: Mapping[str, Value], wish: Wish) -> None:
        """Remember what a group has taken, and when to look again."""
        now, elapsed_s = self._clock.now(), self._clock.elapsed_s()
        stages = {command.id: self._delivered[command.id] for command in commands if command.id in self._delivered}
        self._sent[group] = _Sent(
            settings,
            wish.valid_until,
            now,
            wish.source,
            commands,
            stages,
            [elapsed_s + after_s for after_s in CHECKS_S],
            elapsed_s + EFFECT_FROM_S,
            elapsed_s + EFFECT_UNTIL_S,
        )
        self._alerts.pop(f"given up {group}", None)
        self._guard.applied(self.device, self._applied, settings)
        for name in (name for name, of in self._groups.items() if of == group):
            old, new = self._applied.get(name), settings.get(name)
            if new is None:
                self._applied.pop(name, None)
            elif old is None or not same_value(self._controls[name], old.value, new):
                self._applied[name] = Applied(new, now)
        self._keep(wish)

    def _needs(self, group: str, settings: Mapping[str, Value], wish: Wish) -> bool:
        """Whether a group must be told anything."""
        wished = self._of_group(settings, group)
        given_up = self._given_up.get(group)
        if given_up is not None:
            if self._same(given_up, wished):
                return False
            del self._given_up[group]
        sent = self._sent.get(group)
        if sent is None:
            return bool(wished) or any(name in self._applied for name, of in self._groups.items() if of == group)
        if not self._same(sent.settings, wished):
            return True
        renewed = wish.valid_until > sent.until and self._clock.now() >= sent.until - RENEW_BEFORE
        return renewed or wish.valid_until < sent.until - SHORTENED

    def _same(self, one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
        names = {*one, *other}
        return all(same_value(self._controls[name], one.get(name), other.get(name)) for name in names)

    # Giving back

    async def _give_back(self, release: _Release) -> None:
        self._close_open(Stage.SUPERSEDED, release.why)
        commands = [replace(command, reason=release.why) for command in self.device.release()]
        if release.unsent is None:
            release.unsent = {command.id for command in commands}
            self._sent.clear()
            self._delivered.clear()
        for command in [command for command in commands if command.id in release.unsent]:
            if self._urgent:
                return
            await self._send_release(command, release, release.unsent)
        if release.unseen:
            await self._clock.sleep(CONFIRM_S)
        for command in [command for command in commands if command.id in release.unseen]:
            await self._see_release(command, release, release.unsent)
        if release.unsent or release.unseen:
            self._back_off()
        elif self._release is release:
            self._finish_release()

    async def _send_release(self, command: Command, release: _Release, unsent: set[str]) -> None:
        try:
            receipt = await self._carry(command)
        except (NotDelivered, WornOut) as fault:
            self._alert("release", Severity.CRITICAL, f"{command.control} is not given back yet: {fault}")
            return
        self._tell(receipt)
        if receipt.stage.failed:
            self._alert_release(receipt)
            return
        unsent.discard(command.id)
        if receipt.stage is Stage.ACKED:
            release.unseen.add(command.id)

    async def _see_release(self, command: Command, release: _Release, unsent: set[str]) -> None:
        """Read a hand-back back; one of which nobody can know more is taken for done."""
        try:
            receipt = await self._transport.check(command)
        except NotDelivered as fault:
            self._alert("release", Severity.CRITICAL, f"{command.control} could not be read back: {fault}")
            return
        release.unseen.discard(command.id)
        if receipt.stage.failed:
            self._tell(receipt)
            self._alert_release(receipt)
            unsent.add(command.id)
        elif receipt.stage is not Stage.SENT:
            self._tell(receipt)

    def _alert_release(self, receipt: Receipt) -> None:
        text = f"{receipt.command.control} is not given back yet: {receipt.stage}, {receipt.detail}"
        self._alert("release", Severity.CRITICAL, text)

    def _finish_release(self) -> None:
        self._release = None
        self._failures, self._retry_at_s = 0, 0.0
        self._applied.clear()
        self._ours_until = None
        self._store.forget(WISH, self.device.name)
        if self._wish is not None:
            self._woken.set()
        for key in [key for key in self._alerts if not key.startswith(LASTING)]:
            del self._alerts[key]

    # Watching what was sent

    async def _watch(self) -> None:
        for group, sent in list(self._sent.items()):
            if self._clock.elapsed_s() >= sent.checks_due_s[0]:
                await self._check(group, sent)
            if self._urgent:
                return
            if self._sent.get(group) is sent:
                self._see_effects(sent)

    async def _check(self, group: str, sent: _Sent) -> None:
        """Read back what a group was told; whatever cannot be read now is looked at the next time."""
        if self._clock.now() < sent.until:
            for command in sent.commands:
                if self._urgent:
                    return
                receipt = await self._look(command)
                if receipt is not None and not self._still_holds(group, sent, receipt):
                    return
        sent.looked = True
        sent.checks_due_s.pop(0)
        if not sent.checks_due_s:
            sent.checks_due_s.append(self._clock.elapsed_s() + RECHECK_S)

    def _still_holds(self, group: str, sent: _Sent, receipt: Receipt) -> bool:
        """Whether a command holds, as far as is known; one that does not is dealt with."""
        id_ = receipt.command.id
        verified = sent.stages.get(id_) in (Stage.READBACK_OK, Stage.EFFECT_OK)
        if receipt.stage is Stage.REVERTED:
            if not verified and not sent.looked:
                # Some units show a new value only after ten seconds (protocols E.3).
                return True
            self._tell(receipt)
            self._on_reverted(group, sent, receipt, verified)
            return False
        if receipt.stage is Stage.READBACK_OK and not verified:
            self._tell(receipt)
            sent.stages[id_] = receipt.stage
        return True

    async def _look(self, command: Command) -> Receipt | None:
        """What a fresh read says; a change is looked at twice."""
        try:
            receipt = await self._transport.check(command)
            if receipt.stage is Stage.REVERTED:
                await self._clock.sleep(CONFIRM_S)
                receipt = await self._transport.check(command)
        except NotDelivered as fault:
            self._alert("delivery", Severity.WARNING, f"{command.control} could not be read back: {fault}")
            return None
        self._alerts.pop("delivery", None)
        return receipt

    def _on_reverted(self, group: str, sent: _Sent, receipt: Receipt, verified: bool) -> None:
        del self._sent[group]
        for command in sent.commands:
            self._delivered.pop(command.id, None)
        if verified and self._guard.reverted(self.device.name, self._clock.now()):
            self.let_go("foreign controller")
            return
        what = f"{receipt.command.control} {receipt.stage}: {receipt.detail}"
        if not self._may_rewrite(group):
            self._give_up(group, sent.settings, what)
        else:
            self._back_off()
        self._woken.set()

    def _see_effects(self, sent: _Sent) -> None:
        elapsed_s = self._clock.elapsed_s()
        if elapsed_s < sent.effect_due_s:
            return
        last_look = elapsed_s >= sent.effect_until_s
        sent.effect_due_s = inf if last_look else min(elapsed_s + EFFECT_EVERY_S, sent.effect_until_s)
        if self._readings is None or self._state is None or self._readings.now <= sent.at:
            return
        for effect in effects(self.device, sent.settings, self._state, self._readings):
            new = effect.control in sent.settings and effect.control not in sent.effect_told
            if new and (effect.stage is Stage.EFFECT_OK or last_look):
                sent.effect_told.add(effect.control)
                self._tell_effect(sent, effect)

    def _tell_effect(self, sent: _Sent, effect: Effect) -> None:
        about = [command for command in sent.commands if command.control == effect.control]
        for command in about[-1:]:
            self._tell(Receipt(command, effect.stage, self._clock.now(), effect.detail))
            sent.stages[command.id] = effect.stage
        if effect.stage is Stage.NO_EFFECT:
            self._alert(f"effect {effect.control}", Severity.WARNING, f"{effect.control}: no effect, {effect.detail}")
        else:
            self._alerts.pop(f"effect {effect.control}", None)

    # Small matters

    def _may_rewrite(self, group: str) -> bool:
        elapsed_s = self._clock.elapsed_s()
        recent = [at for at in self._rewrites.get(group, []) if elapsed_s - at < REWRITES_WITHIN_S]
        if len(recent) >= MOST_REWRITES:
            return False
        self._rewrites[group] = [*recent, elapsed_s]
        return True

    def _give_up(self, group: str, settings: Mapping[str, Value], why: str) -> None:
        """Write the same no more until something else is wished; a device that is one whole goes to its own control."""
        self._given_up[group] = dict(settings)
        self._alert(f"given up {group}", Severity.CRITICAL, why)
        if group == WHOLE:
            self.let_go(why, for_good=False)

    def _back_off(self) -> None:
        wait_s = min(BACKOFF_MOST_S, BACKOFF_FIRST_S * BACKOFF_FACTOR**self._failures)
        self._failures += 1
        self._retry_at_s = self._clock.elapsed_s() + wait_s

    def _queue(self, commands: Sequence[Command], wish: Wish) -> None:
        """Take new commands in place of those that are still open."""
        now, ids = self._clock.now(), {command.id for command in commands}
        for command in [command for command in self._open.values() if command.id not in ids]:
            self._end(command, Stage.SUPERSEDED, "something newer is wished")
        self._delivered = {id_: stage for id_, stage in self._delivered.items() if id_ in ids}
        for command in commands:
            if command.id not in self._open and command.id not in self._delivered:
                said = replace(command, reason=command.reason or wish.reason)
                self._open[command.id] = said
                self._tell(Receipt(said, Stage.QUEUED, now))

    def _note(self, receipt: Receipt) -> None:
        self._open.pop(receipt.command.id, None)
        if not receipt.stage.failed:
            self._delivered[receipt.command.id] = receipt.stage
        self._tell(receipt)

    def _end(self, command: Command, stage: Stage, detail: str) -> None:
        self._open.pop(command.id, None)
        self._tell(Receipt(command, stage, self._clock.now(), detail))

    def _close_open(self, stage: Stage, detail: str) -> None:
        for command in list(self._open.values()):
            self._end(command, stage, detail)

    def _tell_refusals(self, verdict: Verdict) -> None:
        if verdict.refusals:
            self._alert("refused", Severity.INFO, verdict.why)
        else:
            self._alerts.pop("refused", None)

    def _alert(self, key: str, severity: Severity, text: str) -> None:
        old = self._alerts.get(key)
        since = old.since if old is not None else self._clock.now()
        self._alerts[key] = Alert(severity, self.device.name, text, since)

    def _keep(self, wish: Wish) -> None:
        """Remember what the device may be doing, before it is told and after."""
        self._ours_until = wish.valid_until
        self.idle.clear()
        self._store.keep(WISH, self.device.name, _wish_to_json(wish, self._applied))

    def _note_idle(self) -> None:
        if self.ours or self._release is not None:
            self.idle.clear()
        else:
            self.idle.set()

    def _of_group(self, settings: Mapping[str, Value], group: str) -> dict[str, Value]:
        return {control: value for control, value in settings.items() if self._groups.get(control) == group}

    def _group_of(self, command: Command) -> str:
        return self._groups.get(command.control, WHOLE)


def _group(device: Device, control: str) -> str:
    """The controls that a device takes together: those of one room, or all of any other device."""
    if isinstance(device.equipment, HeatingSpec):
        for room in device.equipment.rooms:
            if control in (f"{room.name}_relay", f"{room.name}_setpoint_c"):
                return room.name
    return WHOLE


_RANKS = (Stage.QUEUED, Stage.SENT, Stage.ACKED, Stage.READBACK_OK, Stage.EFFECT_OK)


def _rank(stage: Stage) -> int:
    return _RANKS.index(stage) if stage in _RANKS else 0


def _wish_to_json(wish: Wish, applied: Mapping[str, Applied]) -> dict[str, Any]:
    return {
        "settings": dict(wish.settings),
        "valid_from": wish.valid_from.isoformat(),
        "valid_until": wish.valid_until.isoformat(),
        "source": wish.source,
        "reason": wish.reason,
        "applied": {name: [one.value, one.since.isoformat()] for name, one in applied.items()},
    }


def _applied_from(kept: Mapping[str, Any] | None) -> dict[str, Applied]:
    applied = {} if kept is None else kept["applied"]
    return {name: Applied(value, datetime.fromisoformat(since)) for name, (value, since) in applied.items()}
