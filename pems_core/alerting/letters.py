"""What is sent to people: alerts that come together in one letter, at hours at which they want to be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pems_core.domain import Alert, Severity

from .judge import Key, key
from .rules import rule_of

RANK = {Severity.INFO: 0, Severity.WARNING: 1, Severity.CRITICAL: 2}
MOST_LINES = 20
"""Of one letter; a text message has an end."""


@dataclass(frozen=True, slots=True)
class Letter:
    title: str
    body: str
    severity: Severity
    """The worst of those that began; info if all is over."""


@dataclass(frozen=True)
class Habits:
    """How somebody wants to be told.

    :param least: what is less grave is not sent.
    :param quiet: local times between which only what is critical is sent; None: always.
    :param gather: how long alerts are gathered for one letter.
    :param remind: after how long somebody is reminded of a critical alert that nobody has acknowledged.
    :param docs: address of this documentation.
    """

    house: str
    zone: ZoneInfo
    least: Severity = Severity.WARNING
    quiet: tuple[time, time] | None = None
    gather: timedelta = timedelta(seconds=60)
    remind: timedelta = timedelta(hours=6)
    docs: str = ""

    def quiet_at(self, now: datetime) -> bool:
        if self.quiet is None:
            return False
        begin, end = self.quiet
        local = now.astimezone(self.zone).time()
        return begin <= local < end if begin <= end else local >= begin or local < end


@dataclass
class Letters:
    """Gathers news, and gives each letter when it is due."""

    habits: Habits
    _begun: dict[Key, tuple[Alert, datetime]] = field(default_factory=dict)
    """To be told as begun, with the time since when that waits."""
    _over: dict[Key, tuple[Alert, datetime]] = field(default_factory=dict)
    _told: dict[Key, tuple[Alert, datetime]] = field(default_factory=dict)
    """In force as far as people know, with the time when they were told last."""

    def take(self, begun: Sequence[Alert], over: Sequence[Alert], now: datetime) -> None:
        """Take news in."""
        for alert in begun:
            if RANK[alert.severity] < RANK[self.habits.least]:
                continue
            if self._over.pop(key(alert), None) is None:
                self._begun[key(alert)] = (alert, now)
        for alert in over:
            if self._begun.pop(key(alert), None) is None and key(alert) in self._told:
                # What came and went before anybody was told need not be told.
                self._over[key(alert)] = (alert, now)

    def due(self, now: datetime, acknowledged: Mapping[Key, object] | None = None) -> Letter | None:
        """The letter that is to be sent now, if any; it is taken as sent.

        :param acknowledged: alerts of which nobody is to be reminded.
        """
        known = acknowledged or {}
        quiet = self.habits.quiet_at(now)
        begun = {k: a for k, (a, at) in self._begun.items() if not quiet or a.severity is Severity.CRITICAL}
        waiting = [at for k, (_, at) in [*self._begun.items(), *self._over.items()] if k in begun or not quiet]
        reminders = [] if quiet else self._reminders(now, known)
        if not (waiting and now - min(waiting) >= self.habits.gather) and not reminders:
            return None
        over = {} if quiet else {k: a for k, (a, _) in self._over.items()}
        for name, alert in begun.items():
            del self._begun[name]
            self._told[name] = (alert, now)
        for name in over:
            del self._over[name]
            del self._told[name]
        reminders = [alert for alert in reminders if key(alert) not in over]
        for alert in reminders:
            self._told[key(alert)] = (alert, now)
        return self._letter(list(begun.values()), list(over.values()), reminders, now)

    def _reminders(self, now: datetime, acknowledged: Mapping[Key, object]) -> list[Alert]:
        return [
            alert
            for name, (alert, told_at) in self._told.items()
            if alert.severity is Severity.CRITICAL
            and now - told_at >= self.habits.remind
            and name not in acknowledged
            and name not in self._over
        ]

    def _letter(
        self, begun: Sequence[Alert], over: Sequence[Alert], reminders: Sequence[Alert], now: datetime
    ) -> Letter | None:
        if not begun and not over and not reminders:
            return None
        ordered = sorted(begun, key=lambda alert: (-RANK[alert.severity], alert.place))
        lines = [line for alert in [*ordered, *reminders] for line in self._lines(alert, reminder=alert in reminders)]
        lines += [f"OVER {alert.place}: {alert.text}" for alert in over]
        if len(lines) > MOST_LINES:
            lines = [*lines[:MOST_LINES], f"... and {len(lines) - MOST_LINES} lines more; see the topic alerts"]
        worst = max((alert.severity for alert in [*begun, *reminders]), key=RANK.__getitem__, default=Severity.INFO)
        return Letter(self._title(ordered, over, reminders), "\n".join(lines), worst)

    def _title(self, begun: Sequence[Alert], over: Sequence[Alert], reminders: Sequence[Alert]) -> str:
        kinds = ((begun, "new"), (reminders, "still"), (over, "over"))
        counts = [f"{len(some)} {what}" for some, what in kinds if some]
        first = next(iter([*begun, *reminders, *over]))
        alone = len(begun) + len(over) + len(reminders) == 1
        said = f"{first.place} {'is right again' if over else first.severity}" if alone else ", ".join(counts)
        return f"PEMS {self.habits.house}: {said}"

    def _lines(self, alert: Alert, *, reminder: bool) -> list[str]:
        rule, since = rule_of(alert), alert.since.astimezone(self.habits.zone)
        still = "STILL " if reminder else ""
        link = f"{self.habits.docs.rstrip('/')}/{rule.link}" if self.habits.docs else rule.link
        head = f"{still}{alert.severity.upper()} {alert.place}: {alert.text} (since {since:%d.%m. %H:%M})"
        return [head, f"  What to do: {rule.todo}", f"  {link}"]
