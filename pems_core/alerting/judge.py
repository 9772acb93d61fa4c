"""When an alert begins and when it is over: by its rule, once each, however it comes and goes."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from pems_core.domain import Alert

from .rules import Rule, rule_of

Key = tuple[str, str, str]
"""Place, rule and severity: numbers in a text change while the matter is the same."""
MOST_PER_HOUR = 3
HOUR = timedelta(hours=1)
COMES_AND_GOES = " (it comes and goes)"


@dataclass(frozen=True, slots=True)
class News:
    """What is to be told."""

    begun: Sequence[Alert] = ()
    over: Sequence[Alert] = ()

    def __bool__(self) -> bool:
        return bool(self.begun or self.over)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody knows of an alert: nobody is reminded of it, and it may come and go untold."""

    by: str
    at: datetime
    until: datetime


@dataclass
class _Case:
    """One matter as it is followed.

    :param alert: as it was said last.
    :param since: since when it holds or has been right, whichever is so now.
    """

    alert: Alert
    holds: bool
    since: datetime
    told: bool = False


@dataclass
class Judge:
    """Follows every alert; `look` as often as may be.

    :param without: names of rules that nobody wants to hear of.
    """

    without: frozenset[str] = frozenset()
    acknowledged: dict[Key, Acknowledged] = field(default_factory=dict)
    _cases: dict[Key, _Case] = field(default_factory=dict)
    _begun: dict[Key, deque[datetime]] = field(default_factory=dict)

    def look(self, alerts: Iterable[Alert], now: datetime) -> News:
        """Of all alerts that hold now: those to be told now for the first time, and those to be told as over."""
        holding = {key(alert): alert for alert in alerts if not alert.rule or alert.rule not in self.without}
        for name, alert in holding.items():
            case = self._cases.get(name)
            if case is None:
                # What has held for long when it is first seen need not wait again.
                self._cases[name] = _Case(alert, True, min(now, alert.since))
            elif not case.holds:
                case.alert, case.holds, case.since = alert, True, now
            else:
                case.alert = alert
        news = News(self._beginning(now), self._ending(holding, now))
        self._forget(now)
        return news

    @property
    def in_force(self) -> Sequence[Alert]:
        """Alerts that were told and are not over."""
        return [case.alert for case in self._cases.values() if case.told]

    def acknowledge(self, place: str, rule: str | None, by: str, now: datetime, until: datetime) -> Sequence[Alert]:
        """Take down that somebody knows of what is wrong with a place; the alerts that this is about.

        :param rule: of one kind only; None: all of the place.
        """
        about = [alert for alert in self.in_force if alert.place == place and rule in (None, alert.rule)]
        for alert in about:
            self.acknowledged[key(alert)] = Acknowledged(by, now, until)
        return about

    def _beginning(self, now: datetime) -> list[Alert]:
        begun = []
        for name, case in self._cases.items():
            if case.told or not case.holds or now - case.since < rule_of(case.alert).begins_after:
                continue
            case.told = True
            self._begun.setdefault(name, deque(maxlen=MOST_PER_HOUR)).append(now)
            begun.append(self._said(name, case.alert, now))
        return begun

    def _ending(self, holding: Mapping[Key, Alert], now: datetime) -> list[Alert]:
        over = []
        for name, case in self._cases.items():
            if name in holding:
                continue
            if case.holds:
                case.holds, case.since = False, now
            if case.told and now - case.since >= self._patience(name, rule_of(case.alert), now):
                case.told = False
                # The next time it is another matter, of which nobody knows yet.
                self.acknowledged.pop(name, None)
                over.append(case.alert)
        return over

    def _patience(self, name: Key, rule: Rule, now: datetime) -> timedelta:
        """How long it must be right: what was told often of late must be so for an hour."""
        return HOUR if self._often(name, now) else rule.ends_after

    def _often(self, name: Key, now: datetime) -> bool:
        recent = [at for at in self._begun.get(name, ()) if now - at < HOUR]
        return len(recent) >= MOST_PER_HOUR

    def _said(self, name: Key, alert: Alert, now: datetime) -> Alert:
        return replace(alert, text=alert.text + COMES_AND_GOES) if self._often(name, now) else alert

    def _forget(self, now: datetime) -> None:
        self._cases = {name: case for name, case in self._cases.items() if case.holds or case.told}
        self._begun = {name: times for name, times in self._begun.items() if now - times[-1] < HOUR}
        self.acknowledged = {name: said for name, said in self.acknowledged.items() if now < said.until}


def key(alert: Alert) -> Key:
    return alert.place, alert.rule, str(alert.severity)
