"""What is wrong with the Miniserver now."""

from collections.abc import Sequence
from datetime import datetime

from pems_core.domain import Alert, Severity


class Alarms:
    """Alerts by what they are about; each keeps the time since when it lasts."""

    def __init__(self) -> None:
        self._alerts: dict[tuple[str, str], Alert] = {}

    def put(self, place: str, about: str, text: str, at: datetime, severity: Severity = Severity.WARNING) -> None:
        """Tell that something is wrong; said again, it is still the same alert."""
        before = self._alerts.get((place, about))
        since = before.since if before else at
        self._alerts[place, about] = Alert(severity, place, text, since)

    def clear(self, place: str, about: str) -> None:
        self._alerts.pop((place, about), None)

    def set(self, wrong: bool, place: str, about: str, text: str, at: datetime) -> None:
        """Tell it while it is so."""
        if wrong:
            self.put(place, about, text, at)
        else:
            self.clear(place, about)

    def all(self) -> Sequence[Alert]:
        return tuple(self._alerts.values())
