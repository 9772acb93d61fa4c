"""What is wrong now, each told once when it begins and once when it is over."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from pems_core.alerting.judge import Acknowledged, Judge, News, key
from pems_core.alerts import AlertBook
from pems_core.clock import Clock
from pems_core.commanding.store import Store
from pems_core.domain import Alert, Severity

ACKNOWLEDGED = "acknowledged"
"""Kind of the facts by which the store knows what people know."""


class Alerting(Protocol):
    """Something that knows what is wrong with it."""

    @property
    def alerts(self) -> Sequence[Alert]: ...


@dataclass
class HouseAlerts:
    """The runtime's own alerts by place, and which of all alerts are to be told.

    :param store: remembers over a restart what people have acknowledged.
    """

    clock: Clock
    store: Store
    judge: Judge = field(default_factory=Judge)
    _own: AlertBook = field(default_factory=AlertBook)

    def __post_init__(self) -> None:
        for name, said in self.store.kept(ACKNOWLEDGED).items():
            place, rule, severity = json.loads(name)
            at, until = (datetime.fromisoformat(said[when]) for when in ("at", "until"))
            self.judge.acknowledged[place, rule, severity] = Acknowledged(said["by"], at, until)

    def begin(self, place: str, text: str, severity: Severity = Severity.WARNING, rule: str = "") -> None:
        """Something is wrong with a place, from now on unless it was so already."""
        self._own.put("", text, self.clock.now(), severity, place=place, rule=rule)

    def end(self, place: str) -> None:
        self._own.clear("", place=place)

    def set(self, place: str, text: str, severity: Severity = Severity.WARNING, rule: str = "") -> None:
        """Begin with a text, end with an empty one."""
        self._own.tell("", text, self.clock.now(), severity, place=place, rule=rule)

    @property
    def own(self) -> Sequence[Alert]:
        return self._own.all

    @property
    def in_force(self) -> Sequence[Alert]:
        """Alerts of all places that were told and are not over."""
        return self.judge.in_force

    def news(self, alerts: Iterable[Alert]) -> News:
        """Of all alerts that hold now: those that are to be told since this was last asked, and those that are over."""
        news = self.judge.look(alerts, self.clock.now())
        for name in self.store.kept(ACKNOWLEDGED):
            if tuple(json.loads(name)) not in self.judge.acknowledged:
                self.store.forget(ACKNOWLEDGED, name)
        return news

    def acknowledge(self, place: str, rule: str | None, by: str, hours: float) -> Sequence[Alert]:
        """Take down that somebody knows what is wrong with a place; the alerts that this is about."""
        now = self.clock.now()
        about = self.judge.acknowledge(place, rule, by, now, now + timedelta(hours=hours))
        for alert in about:
            said = self.judge.acknowledged[key(alert)]
            kept = {"by": said.by, "at": said.at.isoformat(), "until": said.until.isoformat()}
            self.store.keep(ACKNOWLEDGED, json.dumps(key(alert)), kept)
        return about


def all_alerts(book: HouseAlerts, sources: Iterable[tuple[str, Alerting]]) -> Sequence[Alert]:
    """What is wrong now, of the runtime and of all others.

    :param sources: each with its name.
    """
    found: list[Alert] = []
    for name, source in sources:
        try:
            found += source.alerts
        except Exception as error:  # noqa: BLE001 - a plugin's own error takes its alerts, not those of the others
            book.begin(f"{name} alerts", f"{type(error).__name__}: {error}")
        else:
            book.end(f"{name} alerts")
    return [*book.own, *found]
