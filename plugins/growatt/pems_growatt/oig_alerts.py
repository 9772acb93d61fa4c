"""What is wrong now, told once for as long as it lasts."""

from collections.abc import Sequence
from datetime import datetime

from pems_core.domain import Alert, Severity


class AlertBoard:
    """Alerts by what they are about; a repeated one keeps its `since`."""

    def __init__(self) -> None:
        self._alerts: dict[str, Alert] = {}

    def put(self, about: str, place: str, text: str, now: datetime, severity: Severity = Severity.WARNING) -> None:
        before = self._alerts.get(about)
        self._alerts[about] = Alert(severity, place, text, before.since if before else now)

    def clear(self, about: str) -> None:
        self._alerts.pop(about, None)

    @property
    def all(self) -> Sequence[Alert]:
        return tuple(self._alerts.values())
