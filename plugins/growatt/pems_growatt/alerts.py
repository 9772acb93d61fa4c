"""What is wrong now, told once for as long as it lasts."""

from collections.abc import Sequence
from datetime import datetime

from pems_core.domain import Alert, Severity


class AlertBook:
    """Alerts by subject; each keeps the time since when it holds."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._alerts: dict[str, Alert] = {}

    def set(self, subject: str, text: str, now: datetime, severity: Severity = Severity.WARNING) -> None:
        """Something is wrong; if it was before, only its text changes."""
        before = self._alerts.get(subject)
        self._alerts[subject] = Alert(severity, self._place, text, before.since if before else now)

    def clear(self, *subjects: str) -> None:
        for subject in subjects:
            self._alerts.pop(subject, None)

    def tell(self, subject: str, text: str | None, now: datetime, severity: Severity = Severity.WARNING) -> None:
        """Set what is wrong, or clear it if there is no text."""
        if text:
            self.set(subject, text, now, severity)
        else:
            self.clear(subject)

    @property
    def all(self) -> Sequence[Alert]:
        return tuple(self._alerts.values())
