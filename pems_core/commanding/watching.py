"""Whether what a device was told holds, and whether it has the effect that was wished."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import inf

from pems_core.clock import Clock
from pems_core.domain import Command, NotDelivered, Readings, Receipt, Severity, SiteState, Stage, Value
from pems_core.protocols import Device, Transport

from .device_alerts import DeviceAlerts
from .effects import Effect, effects
from .sending import Tell, look
from .wish import InForce, Wish

CHECKS_S = (10.0, 90.0)
"""Protocols D.3: read back again after 10 s and after 60 to 120 s, when a cloud may have put the old value back."""
RECHECK_S = 600.0
CONFIRM_S = 2.0
"""A poll that began before a write ended shows the old value (protocols A.10): one look more decides."""
EFFECT_FROM_S, EFFECT_UNTIL_S = 120.0, 300.0
"""Protocols D.3: an effect is looked for from 2 to 5 minutes on."""
EFFECT_EVERY_S = 30.0
LONGEST = timedelta(hours=12)
"""What a device is told ends by itself within this, however long it is wished: slots of a time of day come again each
day and timers end after one, so that what is wished for longer is renewed."""
RENEW_BEFORE = timedelta(minutes=10)
"""What was sent is renewed this long before it ends, not each time the plan moves its end."""
SHORTENED = timedelta(hours=1)
"""A wish that ends this much earlier than what was sent is worth a write; a smaller rest PEMS ends itself."""
VERIFIED = (Stage.READBACK_OK, Stage.EFFECT_OK)
RANKS = (Stage.QUEUED, Stage.SENT, Stage.ACKED, *VERIFIED)


@dataclass
class Sent:
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

    @property
    def renew_at(self) -> datetime:
        return self.until - RENEW_BEFORE

    def ends_wrong(self, until: datetime, now: datetime) -> bool:
        """Whether another end is worth telling it now."""
        return (until > self.until and now >= self.renew_at) or until < self.until - SHORTENED

    def verified(self, command: Command) -> bool:
        """Whether a command was seen to hold or to work."""
        return self.stages.get(command.id) in VERIFIED


@dataclass(frozen=True, slots=True)
class Reverted:
    """A group of which somebody or something has undone what it was told."""

    group: str
    sent: Sent
    receipt: Receipt
    verified: bool
    """Whether it had been seen to hold."""


class Watch:
    """Reads back what the groups of one device were told, and looks for its effect.

    :param reverted: hears of a group that is not as it was told, which is not watched any more then.
    """

    def __init__(
        self,
        device: Device,
        transport: Transport,
        clock: Clock,
        alerts: DeviceAlerts,
        tell: Tell,
        reverted: Callable[[Reverted], None],
    ) -> None:
        self._device = device
        self._transport = transport
        self._clock = clock
        self._alerts = alerts
        self._tell = tell
        self._reverted = reverted
        self._sent: dict[str, Sent] = {}

    @property
    def sent(self) -> Mapping[str, Sent]:
        """What is watched, by group."""
        return self._sent

    @property
    def in_force(self) -> InForce | None:
        """What all groups together were told and have taken."""
        if not self._sent:
            return None
        parts = list(self._sent.values())
        stages = [stage for part in parts for stage in part.stages.values()]
        settings = {control: value for part in parts for control, value in part.settings.items()}
        last = max(parts, key=lambda part: part.at)
        return InForce(settings, last.until, last.at, last.source, min(stages, key=_rank, default=Stage.SENT))

    @property
    def dues_s(self) -> Iterator[float]:
        """When there is something to look at, by the steady clock."""
        return (due for sent in self._sent.values() for due in (*sent.checks_due_s, sent.effect_due_s))

    def took(
        self,
        group: str,
        settings: Mapping[str, Value],
        wish: Wish,
        commands: Sequence[Command],
        stages: Mapping[str, Stage],
    ) -> None:
        """Begin to watch what a group has taken."""
        now, elapsed_s = self._clock.now(), self._clock.elapsed_s()
        self._sent[group] = Sent(
            settings,
            wish.valid_until,
            now,
            wish.source,
            commands,
            dict(stages),
            [elapsed_s + after_s for after_s in CHECKS_S],
            elapsed_s + EFFECT_FROM_S,
            elapsed_s + EFFECT_UNTIL_S,
        )

    def forget(self) -> None:
        """Watch nothing any more."""
        self._sent.clear()

    async def look(self, state: SiteState | None, readings: Readings | None, urgent: Callable[[], bool]) -> None:
        """Look at what is due.

        :param urgent: whether something else cannot wait.
        """
        for group, sent in list(self._sent.items()):
            if self._sent.get(group) is not sent:
                continue
            if self._clock.elapsed_s() >= sent.checks_due_s[0]:
                await self._check(group, sent, urgent)
            if urgent():
                return
            if self._sent.get(group) is sent:
                self._see_effects(sent, state, readings)

    async def _check(self, group: str, sent: Sent, urgent: Callable[[], bool]) -> None:
        """Read back what a group was told; whatever cannot be read now is looked at the next time."""
        if self._clock.now() < sent.until:
            for command in sent.commands:
                if urgent():
                    return
                receipt = await self._read_back(command)
                if receipt is not None and not self._still_holds(group, sent, receipt):
                    return
        sent.looked = True
        sent.checks_due_s.pop(0)
        if not sent.checks_due_s:
            sent.checks_due_s.append(self._clock.elapsed_s() + RECHECK_S)

    def _still_holds(self, group: str, sent: Sent, receipt: Receipt) -> bool:
        """Whether a command holds, as far as is known; one that does not is told of."""
        verified = sent.verified(receipt.command)
        if receipt.stage is Stage.REVERTED:
            if not verified and not sent.looked:
                # Some units show a new value only after ten seconds (protocols E.3).
                return True
            self._tell(receipt)
            del self._sent[group]
            self._reverted(Reverted(group, sent, receipt, verified))
            return False
        if receipt.stage is Stage.READBACK_OK and not verified:
            self._tell(receipt)
            sent.stages[receipt.command.id] = receipt.stage
        return True

    async def _read_back(self, command: Command) -> Receipt | None:
        """What a fresh read says; a change is looked at twice."""
        try:
            receipt = await look(self._transport, command)
            if receipt.stage is Stage.REVERTED:
                await self._clock.sleep(CONFIRM_S)
                receipt = await look(self._transport, command)
        except NotDelivered as fault:
            self._alerts.put("delivery", Severity.WARNING, f"{command.control} could not be read back: {fault}")
            return None
        self._alerts.clear("delivery")
        return receipt

    def _see_effects(self, sent: Sent, state: SiteState | None, readings: Readings | None) -> None:
        elapsed_s = self._clock.elapsed_s()
        if elapsed_s < sent.effect_due_s:
            return
        last_look = elapsed_s >= sent.effect_until_s
        sent.effect_due_s = inf if last_look else min(elapsed_s + EFFECT_EVERY_S, sent.effect_until_s)
        if readings is None or state is None or readings.now <= sent.at:
            return
        for effect in effects(self._device, sent.settings, state, readings):
            new = effect.control in sent.settings and effect.control not in sent.effect_told
            if new and (effect.stage is Stage.EFFECT_OK or last_look):
                sent.effect_told.add(effect.control)
                self._tell_effect(sent, effect)

    def _tell_effect(self, sent: Sent, effect: Effect) -> None:
        about = [command for command in sent.commands if command.control == effect.control]
        for command in about[-1:]:
            self._tell(Receipt(command, effect.stage, self._clock.now(), effect.detail))
            sent.stages[command.id] = effect.stage
        key = f"effect {effect.control}"
        if effect.stage is Stage.NO_EFFECT:
            self._alerts.put(key, Severity.WARNING, f"{effect.control}: no effect, {effect.detail}")
        else:
            self._alerts.clear(key)


def _rank(stage: Stage) -> int:
    return RANKS.index(stage) if stage in RANKS else 0
