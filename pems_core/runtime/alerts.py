"""What is wrong now, each told once when it begins and once when it is over."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pems_core.alerts import AlertBook
from pems_core.clock import Clock
from pems_core.domain import Alert, Severity


class Alerting(Protocol):
    """Something that knows what is wrong with it."""

    @property
    def alerts(self) -> Sequence[Alert]: ...


@dataclass
class HouseAlerts:
    """The runtime's own alerts by place, and which of all alerts are new."""

    clock: Clock
    _own: AlertBook = field(default_factory=AlertBook)
    _told: dict[tuple[str, str], Alert] = field(default_factory=dict)

    def begin(self, place: str, text: str, severity: Severity = Severity.WARNING) -> None:
        """Something is wrong with a place, from now on unless it was so already."""
        self._own.put("", text, self.clock.now(), severity, place=place)

    def end(self, place: str) -> None:
        self._own.clear("", place=place)

    def set(self, place: str, text: str, severity: Severity = Severity.WARNING) -> None:
        """Begin with a text, end with an empty one."""
        self._own.tell("", text, self.clock.now(), severity, place=place)

    @property
    def own(self) -> Sequence[Alert]:
        return self._own.all

    def news(self, alerts: Iterable[Alert]) -> tuple[Sequence[Alert], Sequence[Alert]]:
        """Of all alerts that hold now: those that began since this was last asked, and those that are over."""
        # Numbers in a text change while the matter is the same: a place has one alert of each severity.
        now = {(alert.place, str(alert.severity)): alert for alert in alerts}
        begun = [alert for key, alert in now.items() if key not in self._told]
        over = [alert for key, alert in self._told.items() if key not in now]
        self._told = now
        return begun, over


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
